//! Access control of the console: accounts, sessions, roles, tokens and the audit trail.
//!
//! The type of a handler's first argument is the lowest role that may call it. The role is checked before the rest of the
//! request, so that a refused client learns nothing else.
//!
//! ```text
//! async fn list(_: Viewer, State(console): State<Console>) -> Json<Events>
//! async fn accept(who: Analyst, …) { … console.audit(&who, EXCLUSION_ADDED, "rule 942100").await; }
//! ```
//!
//! A person signs in and has a session cookie. A request that changes something needs the session's `X-CSRF-Token` and must come
//! from a page of the console ([`guard`]). A script sends an API token in `Authorization: Bearer`. docs/adr/0008 gives the
//! reasons.
//!
//! | module | |
//! |---|---|
//! | `role` | roles of users, scopes of tokens |
//! | [`identity`] | the user behind a request, the extractors |
//! | [`credentials`] | tokens and cookies of a request |
//! | `guard` | host names, cross-site requests, headers of every response |
//! | `database`, `users`, `sessions`, `links`, `tokens`, `audit` | `console.sqlite` and its tables |
//! | `password`, `second_factor`, `passkeys` | argon2id; codes of apps and recovery codes; WebAuthn |
//! | `attempts`, `devices`, `secret` | rate limits of attempts, known browsers, random secrets |
//! | `api` | the routes |
//! | [`limits`] | all limits |

pub(crate) mod api;
mod attempts;
pub(crate) mod audit;
pub mod credentials;
mod database;
pub mod devices;
pub(crate) mod guard;
pub mod identity;
pub mod limits;
pub(crate) mod links;
pub(crate) mod passkeys;
pub(crate) mod password;
mod role;
pub(crate) mod second_factor;
mod secret;
mod sessions;
pub(crate) mod tokens;
mod url;
pub(crate) mod users;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use event::{Severity, Timestamp};
use finding::{Declaration, Finding, ProblemCode, Text, table};
use rusqlite::{Transaction, TransactionBehavior};
use spine::clock::Clock;
use spine::ends::{End, Expiring, Renewal};

pub use credentials::TrustedProxies;
pub use database::{OpenError, path};
pub use finding::AuditAction;
pub(crate) use identity::identify;
pub use identity::{Account, Analyst, Identity, Owner, Via, Viewer};
pub use role::{Role, Scope};
pub use tokens::{Token, TokenOf};
pub use url::{InvalidUrl, Url};

use crate::{Console, Problem};
use attempts::{Attempts, Key, Source};
use credentials::Cookie;
use database::Database;

use links::Purpose;
use passkeys::Ceremonies;
use password::Hasher;

table! {
    /// The error responses to attempts.
    pub(crate) PROBLEMS: ProblemCode {
        /// Too many attempts.
        pub(crate) TOO_MANY_ATTEMPTS = ProblemCode::new(
            "session.too_many_attempts",
            429,
            "Too many attempts.",
            "試行回数が多すぎます。",
        );
    }
}

table! {
    /// The findings of the console's accounts.
    pub FINDINGS: Declaration {
        /// The accounts cannot be used.
        ACCOUNTS_UNUSABLE = Declaration::new(
            "console.accounts_unusable",
            Severity::Error,
            Text::new("Nobody can sign in to the console", "コンソールへのサインイン不可"),
            Text::new(
                "The file of accounts cannot be opened: {why}.",
                "アカウントのファイルを開けません: {why}。",
            ),
            Text::new(
                "Free space on the disk of the data folder, and check that monban's user may write there.",
                "データフォルダーのディスクの空き容量と、monban のユーザーの書き込み権限を確認してください。",
            ),
        );
        /// The audit trail cannot be written.
        AUDIT_UNWRITTEN = Declaration::new(
            "console.audit_unwritten",
            Severity::Error,
            Text::new("The audit trail cannot be written", "監査ログの記録不可"),
            Text::new(
                "monban could not record the last action: {why}.",
                "直近の操作を監査ログに記録できませんでした: {why}。",
            ),
            Text::new(
                "Free space on the disk of the data folder. The finding clears with the next recorded action.",
                "データフォルダーのディスクの空き容量を増やしてください。次の操作が記録されると解消します。",
            ),
        );
    }
}

/// Returns a period in microseconds, the unit of the database.
fn micros(period: Duration) -> i64 {
    i64::try_from(period.as_micros()).unwrap_or(i64::MAX)
}

/// Access control: accounts, sessions and tokens.
pub struct Access {
    database: Database,
    clock: Arc<dyn Clock>,
    url: RwLock<Url>,
    trusted: RwLock<TrustedProxies>,
    hasher: Hasher,
    attempts: Attempts,
    signing_in: Arc<Ceremonies<webauthn_rp::DiscoverableAuthenticationServerState>>,
    adding: Arc<Ceremonies<passkeys::Adding>>,
    /// Last error of writing the audit trail; none after a success.
    unrecorded: Mutex<Option<String>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Access {
    /// Opens `console.sqlite` in the data folder, which must exist. Moves a damaged file aside and returns its new path as the
    /// second value. `url` is the console's address in the owner's browser.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        data_dir: &Path,
        url: Url,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Option<PathBuf>), OpenError> {
        let (database, aside) = Database::open_or_start_over(&path(data_dir), clock.now())?;
        let access = Self {
            database,
            clock,
            url: RwLock::new(url),
            trusted: RwLock::default(),
            hasher: Hasher::default(),
            attempts: Attempts::default(),
            signing_in: Arc::default(),
            adding: Arc::default(),
            unrecorded: Mutex::default(),
        };
        Ok((access, aside))
    }

    /// Replaces the console's address.
    pub fn set_url(&self, url: Url) {
        *self.url.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Returns the console's address in the owner's browser.
    pub fn url(&self) -> Url {
        self.url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the trusted proxies.
    pub fn set_trusted(&self, trusted: TrustedProxies) {
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = trusted;
    }

    /// Returns whether a peer is a trusted proxy, which carries the connections of many clients.
    pub(crate) fn is_proxy(&self, peer: std::net::IpAddr) -> bool {
        self.trusted.read().unwrap_or_else(PoisonError::into_inner).believes(peer)
    }

    /// Returns the address of a request's client.
    pub(crate) fn client_address(&self, parts: &Parts) -> std::net::IpAddr {
        credentials::client_address(parts, &self.trusted.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the problems of the accounts and the audit trail.
    pub fn findings(&self) -> Vec<Finding> {
        let file = "console.sqlite";
        if let Some(why) = self.database.problem() {
            return vec![ACCOUNTS_UNUSABLE.finding(file).with("why", why)];
        }
        let unrecorded = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        unrecorded.iter().map(|why| AUDIT_UNWRITTEN.finding(file).with("why", why.as_str())).collect()
    }

    /// Returns whether an owner exists who can sign in. Blocks.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn has_owner(&self) -> Result<bool, Problem> {
        self.blocking(|db, _| Ok(users::has_owner(db)?))
    }

    /// Creates a one-time link for the first account; none if an owner exists. Blocks.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn first_link(&self) -> Result<Option<String>, Problem> {
        self.blocking(|db, now| {
            if users::has_owner(db)? {
                return Ok(None);
            }
            links::create(db, Purpose::Owner, now).map(Some)
        })
        .map(|token| token.map(|token| self.link(&token)))
    }

    /// Creates a one-time link for the server's owner: for the first account or, if an owner exists, for a new password of
    /// `user`. A new password removes the user's second factors. Blocks.
    ///
    /// # Errors
    /// 409 if an owner exists and no user is named, 404 if the user does not exist.
    pub fn command_link(&self, user: Option<&str>) -> Result<String, Problem> {
        let token = self.blocking(|db, now| match user {
            None if users::has_owner(db)? => Err(Problem::new(
                StatusCode::CONFLICT,
                "an owner already exists; name the user who lost the password",
            )),
            None => {
                audit::record(db, now, &Identity::command(), links::LINK_CREATED, "first account")?;
                links::create(db, Purpose::Owner, now)
            }
            Some(name) => {
                let user = users::find(db, name)?
                    .ok_or_else(|| Problem::of(users::NOT_FOUND).value("user", name))?;
                audit::record(db, now, &Identity::command(), links::LINK_CREATED, &user.name)?;
                let purpose = match user.password {
                    Some(_) => Purpose::Reset(user.id),
                    None => Purpose::Invitation(user.id),
                };
                links::create(db, purpose, now)
            }
        })?;
        Ok(self.link(&token))
    }

    /// Creates an API token of the server's owner. Blocks.
    ///
    /// # Errors
    /// 422 for an invalid name, scope or lifetime, 409 at the limit of tokens.
    pub fn command_token(
        &self,
        name: &str,
        scopes: &[Scope],
        expires_days: Option<u32>,
    ) -> Result<String, Problem> {
        self.blocking(|db, now| {
            audit::record(db, now, &Identity::command(), tokens::CREATED, name)?;
            tokens::create(db, None, &tokens::NewToken { name, scopes, expires_days }, now)
        })
        .map(|(_, token)| token)
    }

    /// Returns all API tokens with their users, the newest first. Blocks.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn command_tokens(&self) -> Result<Vec<TokenOf>, Problem> {
        self.blocking(|db, _| Ok(tokens::of_all(db)?))
    }

    /// Deletes an API token of any user. Returns its name. Blocks.
    ///
    /// # Errors
    /// 404 if the token does not exist.
    pub fn command_delete_token(&self, id: i64) -> Result<String, Problem> {
        self.blocking(|db, now| {
            let name = tokens::delete_any(db, id)?.ok_or_else(|| tokens::none(id))?;
            audit::record(db, now, &Identity::command(), tokens::DELETED, &name)?;
            Ok(name)
        })
    }

    fn unrecorded(&self, why: Option<String>) {
        *self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Counts an attempt to sign in.
    ///
    /// # Errors
    /// 429 after too many attempts.
    fn attempt(&self, keys: &[Key]) -> Result<(), Problem> {
        self.attempts
            .take(keys, self.clock.uptime())
            .map_err(|wait| Problem::of(TOO_MANY_ATTEMPTS).retry_after(wait))
    }

    /// Returns the browser of a request, if a user has signed in there before.
    async fn device(self: &Arc<Self>, headers: &HeaderMap) -> Result<Option<devices::Device>, Problem> {
        let Some(value) = Cookie::Device.read(headers, self.url().is_https()) else { return Ok(None) };
        let value = value.to_owned();
        self.run(move |db, _| devices::Device::read(db, &value)).await
    }

    /// Returns the source for which attempts without a user name count: the browser if it is known, else the network.
    async fn source(self: &Arc<Self>, parts: &Parts) -> Result<Source, Problem> {
        let device = self.device(&parts.headers).await?;
        let network = || Source::network(self.client_address(parts));
        Ok(device.map_or_else(network, |device| Source::Device(device.id().to_owned())))
    }

    /// Returns the address of the page for the token of a one-time link.
    fn link(&self, token: &str) -> String {
        format!("{}/setup#{token}", self.url())
    }

    /// Runs `work` in a transaction of the database. An error rolls it back. Blocks.
    pub(crate) fn blocking<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let now = self.clock.now();
        self.database.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction, now)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    /// Does the same as [`Access::blocking`], on a thread that may block.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let access = Arc::clone(self);
        match tokio::task::spawn_blocking(move || access.blocking(work)).await {
            Ok(done) => done,
            Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        }
    }
}

impl Console {
    /// Adds an entry to the audit trail. `detail` is for people. /healthz reports a failure until the next success.
    pub async fn audit(&self, who: &Identity, what: AuditAction, detail: impl Into<String>) {
        let (console, who, detail) = (self.clone(), who.clone(), detail.into());
        let audit = move || console.audit_blocking(&who, what, &detail);
        if let Err(error) = tokio::task::spawn_blocking(audit).await {
            self.access.unrecorded(Some(error.to_string()));
        }
    }

    /// Does the same as [`Console::audit`]. Call it on a thread that may block.
    pub fn audit_blocking(&self, who: &Identity, what: AuditAction, detail: &str) {
        let recorded = self.access.blocking(|db, now| Ok(audit::record(db, now, who, what, detail)?));
        self.access.unrecorded(recorded.err().map(|problem| problem.error()));
    }
}

/// The API tokens in the list of all that ends.
impl Expiring for Access {
    fn ends(&self) -> Vec<End> {
        // the console has a finding about a database that cannot be used
        let tokens = self.command_tokens().unwrap_or_default();
        let end = |TokenOf { token, user }: TokenOf| {
            Some(End {
                kind: "API token",
                subject: token.name,
                at: token.expires?,
                source: user.unwrap_or_else(|| "a command on the server".to_owned()),
                renewal: Renewal::ByHand,
            })
        };
        tokens.into_iter().filter_map(end).collect()
    }
}

#[cfg(test)]
mod tests;
