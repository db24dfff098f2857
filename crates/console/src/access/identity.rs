//! The user behind a request, and the extractors that require a role.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credentials::Credentials;
use super::guard::{Origin, comes_from};
use super::role::Role;
use super::{secret, sessions, tokens, users};
use crate::{Console, Problem};
use finding::{ProblemCode, table};

table! {
    /// The error responses of every route.
    pub(crate) PROBLEMS: ProblemCode {
        /// The request needs the session’s X-CSRF-Token, from a page of the console.
        pub(crate) CSRF_TOKEN = ProblemCode::new(
            "session.csrf_token",
            403,
            "The request needs the session’s X-CSRF-Token, from a page of the console. Reload the page.",
            "このページの情報が古くなっています。ページを再読み込みしてください。",
        );
        /// Sign in first.
        pub(crate) SIGN_IN_FIRST = ProblemCode::new(
            "session.sign_in_first",
            401,
            "Sign in first.",
            "サインインしてください。",
        );
        /// The session has ended.
        pub(crate) ENDED = ProblemCode::new(
            "session.ended",
            401,
            "The session has ended. Sign in again.",
            "セッションが終了しました。もう一度サインインしてください。",
        );
        /// This needs the role {role}.
        pub(crate) ROLE_NEEDED = ProblemCode::new(
            "session.role_needed",
            403,
            "This needs the role {role}.",
            "この操作には{role}の役割が必要です。",
        );
        /// A token cannot do this.
        pub(crate) SESSION_NEEDED = ProblemCode::new(
            "session.session_needed",
            403,
            "A token cannot do this. Sign in, or use a command on the server.",
            "この操作はトークンではできません。サインインするか、サーバー上のコマンドを使ってください。",
        );
    }
}

/// The way in which a user authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A session.
    Session,
    /// An API token.
    Token,
    /// A command on the server.
    Command,
}

/// The user behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name; `token NAME` for a token that a command on this machine made.
    pub user: String,
    /// The effective permissions: with a token, at most its scopes.
    pub role: Role,
    /// The way in which the user authenticated.
    pub via: Via,
    /// Address of the client.
    pub address: IpAddr,
    /// Key of the account; none for a command.
    pub(crate) user_id: Option<i64>,
    /// Key of the session and its `X-CSRF-Token`; none without a session.
    pub(crate) session: Option<(i64, String)>,
}

impl Identity {
    /// Refuses a token that tries to create an owner or a way to become one, so that a leaked token gives no lasting access.
    ///
    /// # Errors
    /// 403 for a token.
    pub(crate) fn take_no_token(&self) -> Result<(), Problem> {
        match self.via {
            Via::Token => Err(Problem::of(SESSION_NEEDED)),
            Via::Session | Via::Command => Ok(()),
        }
    }

    /// Returns the identity behind a command on the control socket: the server's owner.
    pub fn command() -> Self {
        Self {
            user: "machine".to_owned(),
            role: Role::Owner,
            via: Via::Command,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_id: None,
            session: None,
        }
    }
}

/// A handler's first argument that allows every role.
#[derive(Debug, Clone)]
pub struct Viewer(pub Identity);

/// A handler's first argument that allows analysts and owners. Others get 403.
#[derive(Debug, Clone)]
pub struct Analyst(pub Identity);

/// A handler's first argument that allows owners. Others get 403.
#[derive(Debug, Clone)]
pub struct Owner(pub Identity);

/// Returns the response to a user below this role.
pub(crate) fn role_needed(role: Role) -> Problem {
    Problem::of(ROLE_NEEDED).word("role", role.as_str(), role.text())
}

macro_rules! demands {
    ($role:ident) => {
        impl Deref for $role {
            type Target = Identity;

            fn deref(&self) -> &Identity {
                &self.0
            }
        }

        impl FromRequestParts<Console> for $role {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Problem> {
                let identity = identify(parts, console).await?;
                if identity.role < Role::$role {
                    return Err(role_needed(Role::$role));
                }
                Ok(Self(identity))
            }
        }
    };
}

demands!(Viewer);
demands!(Analyst);
demands!(Owner);

/// A handler's first argument that needs a session, of any role. A token gets 403: only users change their own accounts.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub identity: Identity,
    pub(crate) user_id: i64,
    pub(crate) session_id: i64,
    pub(crate) csrf: String,
}

impl Deref for Account {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl FromRequestParts<Console> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Problem> {
        let identity = identify(parts, console).await?;
        match (identity.user_id, identity.session.clone()) {
            (Some(user_id), Some((session_id, csrf))) => Ok(Self { identity, user_id, session_id, csrf }),
            _ => Err(Problem::of(SESSION_NEEDED)),
        }
    }
}

/// Identifies the user behind a request.
///
/// # Errors
/// 401 without valid credentials, 403 if another site's page may have sent the request.
pub(crate) async fn identify(parts: &Parts, console: &Console) -> Result<Identity, Problem> {
    let address = console.access.client_address(parts);
    let credentials = Credentials::read(&parts.headers, console.access.url().is_https());
    let csrf = match &credentials {
        Credentials::Session(secret) => secret::csrf(secret),
        _ => String::new(),
    };
    let had_session = matches!(credentials, Credentials::Session(_));
    let shown = csrf.clone();
    let identity = console
        .access
        .run(move |db, now| {
            let found = match &credentials {
                Credentials::Session(secret) => match sessions::find(db, secret, now)? {
                    Some((session, user)) => {
                        let session = Some((session.id, shown));
                        users::get(db, user)?.map(|user| Identity {
                            user: user.name,
                            role: user.role,
                            via: Via::Session,
                            address,
                            user_id: Some(user.id),
                            session,
                        })
                    }
                    None => None,
                },
                Credentials::Token(token) => match tokens::find(db, token, now)? {
                    Some((token, user)) => of_token(db, &token, user, address)?,
                    None => None,
                },
                Credentials::None | Credentials::Malformed => None,
            };
            match found {
                Some(identity) => Ok(Ok(identity)),
                None => Ok(Err(users::has_owner(db)?)),
            }
        })
        .await?;
    let identity = identity.map_err(|has_owner| {
        let problem = match had_session {
            true => Problem::of(ENDED),
            false => Problem::of(SIGN_IN_FIRST),
        };
        problem.with("setup", !has_owner)
    })?;
    if identity.via == Via::Session && !parts.method.is_safe() {
        let given =
            parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !secret::same(given, &csrf) || comes_from(&console.access.url(), &parts.headers) != Origin::Own {
            return Err(Problem::of(CSRF_TOKEN));
        }
    }
    Ok(identity)
}

/// Returns the identity of a token. It never has more permissions than the token's user.
fn of_token(
    db: &rusqlite::Connection,
    token: &tokens::Token,
    user: Option<i64>,
    address: IpAddr,
) -> rusqlite::Result<Option<Identity>> {
    let Some(granted) = token.scopes.iter().map(|scope| scope.role()).max() else { return Ok(None) };
    let (name, role) = match user {
        None => (format!("token {}", token.name), granted),
        Some(user) => match users::get(db, user)? {
            Some(user) => (user.name, granted.min(user.role)),
            None => return Ok(None),
        },
    };
    Ok(Some(Identity { user: name, role, via: Via::Token, address, user_id: user, session: None }))
}
