//! Passkeys (WebAuthn Level 3): the start of a ceremony, the check of the authenticator's answer, and the table of registered
//! passkeys.
//!
//! A passkey is bound to the host name of the console's [`Url`]: `localhost`, or that of `[console] url`. Browsers refuse passkeys
//! at an IP address.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, USER_HANDLE_MAX_LEN,
    UserHandle64, Username,
};
use webauthn_rp::request::{AsciiDomain, ExtensionInfo, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId, Origin};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication64, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

use super::limits::{CEREMONY_AGE, MAX_CEREMONIES, MAX_NAME_CHARS, MAX_PASSKEYS};
use super::{Url, secret};
use crate::Problem;
use finding::{ProblemCode, Text, table};

table! {
    /// The error responses about passkeys.
    pub(crate) PROBLEMS: ProblemCode {
        /// This passkey is not registered, or its answer is wrong or too late.
        pub(crate) UNKNOWN = ProblemCode::new(
            "passkey.unknown",
            401,
            "This passkey is not registered, or its answer is wrong or too late.",
            "このパスキーは登録されていないか、応答が正しくないか、時間切れです。",
        );
        /// Passkeys need a host name.
        pub(crate) NEED_NAME = ProblemCode::new(
            "passkey.need_name",
            409,
            "Passkeys need a host name. Set `[console] url`, or open the console as localhost.",
            "パスキーには名前のあるアドレスが必要です。`[console] url` を設定するか、localhost で開いてください。",
        );
        /// Passkeys work at {url} only.
        pub(crate) ELSEWHERE = ProblemCode::new(
            "passkey.elsewhere",
            409,
            "Passkeys work at {url} only. Open the console there.",
            "パスキーは {url} でのみ使えます。そのアドレスで開いてください。",
        ).examples(&[("url", Text::same("https://gate.example.org"))]);
        /// The name of a passkey has 1 to {max} characters.
        pub(crate) BAD_NAME = ProblemCode::new(
            "passkey.bad_name",
            422,
            "The name of a passkey has 1 to {max} characters.",
            "パスキーの名前は 1〜{max} 文字で入力してください。",
        );
        /// You already have {max} passkeys. Remove one first.
        pub(crate) TOO_MANY = ProblemCode::new(
            "passkey.too_many",
            409,
            "You already have {max} passkeys. Remove one first.",
            "パスキーは {max} 個までです。",
        );
        /// The time is over.
        pub(crate) TOO_LATE = ProblemCode::new(
            "passkey.too_late",
            422,
            "The time limit has passed. Start again.",
            "時間切れです。もう一度最初から操作してください。",
        );
        /// monban cannot add the passkey: {why}.
        pub(crate) REFUSED = ProblemCode::new(
            "passkey.refused",
            422,
            "monban cannot add the passkey: {why}",
            "パスキーを登録できませんでした: {why}",
        ).examples(&[("why", Text::new("the signature is wrong", "署名が正しくありません"))]);
        /// This passkey is already registered.
        pub(crate) EXISTS = ProblemCode::new(
            "passkey.exists",
            409,
            "This passkey is already registered.",
            "このパスキーはすでに登録されています。",
        );
        /// Passkey {id} does not exist.
        pub(crate) NOT_FOUND = ProblemCode::new(
            "passkey.not_found",
            404,
            "Passkey {id} does not exist.",
            "パスキー {id} は存在しません。",
        );
    }
}

type PublicKey = CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>;

/// Running ceremonies of one kind, the oldest first. They are in memory; after a restart the user starts again.
#[derive(Debug)]
pub(crate) struct Ceremonies<T>(Mutex<VecDeque<Begun<T>>>);

#[derive(Debug)]
struct Begun<T> {
    id: String,
    at: Duration,
    what: T,
}

impl<T> Default for Ceremonies<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Ceremonies<T> {
    /// Stores a ceremony and returns its key. Removes the oldest one beyond [`MAX_CEREMONIES`].
    fn begin(&self, what: T, uptime: Duration) -> Result<String, Problem> {
        let id = secret::new()?;
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while begun
            .front()
            .is_some_and(|first| begun.len() >= MAX_CEREMONIES || first.at + CEREMONY_AGE <= uptime)
        {
            begun.pop_front();
        }
        begun.push_back(Begun { id: id.clone(), at: uptime, what });
        Ok(id)
    }

    /// Removes a ceremony and returns it: each accepts only one answer.
    pub(super) fn take(&self, id: &str, uptime: Duration) -> Option<T> {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = begun.iter().position(|begun| secret::same(&begun.id, id))?;
        begun.remove(at).filter(|begun| begun.at + CEREMONY_AGE > uptime).map(|begun| begun.what)
    }
}

/// A passkey that is being registered.
#[derive(Debug)]
pub(crate) struct Adding {
    user: i64,
    name: String,
    state: RegistrationServerState<USER_HANDLE_MAX_LEN>,
}

/// The start of a ceremony: options for `navigator.credentials`, and the ceremony's key.
pub(crate) struct Options {
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`.
    pub public_key: Value,
    /// Key of the ceremony, for the answer.
    pub state: String,
}

/// Returns the host name to which passkeys are bound.
///
/// # Errors
/// 409 if the console has an IP address instead of a host name.
pub(crate) fn relying_party(url: &Url) -> Result<RpId, Problem> {
    let domain = match url.host().parse::<std::net::IpAddr>() {
        Ok(_) => None,
        Err(_) => AsciiDomain::try_from(url.host().to_owned()).ok(),
    };
    domain.map(RpId::Domain).ok_or_else(|| Problem::of(NEED_NAME))
}

/// Checks that the page's `Host` is the name to which passkeys are bound.
///
/// # Errors
/// 409 with the correct address.
pub(crate) fn check_host(url: &Url, host: &str) -> Result<(), Problem> {
    if super::guard::host_name(host).eq_ignore_ascii_case(url.host()) {
        return Ok(());
    }
    Err(Problem::of(ELSEWHERE).value("url", url.to_string()))
}

/// Starts the registration of a passkey.
///
/// # Errors
/// 409 at the limit of passkeys or for an IP address, 422 for an invalid name.
pub(crate) fn begin_adding(
    db: &Connection,
    ceremonies: &Ceremonies<Adding>,
    url: &Url,
    user: (i64, &str),
    name: &str,
    uptime: Duration,
) -> Result<Options, Problem> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Problem::of(BAD_NAME).value("max", MAX_NAME_CHARS));
    }
    let (user, user_name) = user;
    let known: Vec<Vec<u8>> = db
        .prepare("SELECT credential FROM passkeys WHERE user = ?")?
        .query_map([user], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if known.len() >= MAX_PASSKEYS {
        return Err(Problem::of(TOO_MANY).value("max", MAX_PASSKEYS));
    }
    let known = known.into_iter().filter_map(|id| {
        let id = CredentialId::<Vec<u8>>::decode(id).ok()?;
        // No transports: browsers try all of them.
        Some(PublicKeyCredentialDescriptor { id, transports: AuthTransports::decode(0).ok()? })
    });
    let rp = relying_party(url)?;
    let handle = handle_of(db, user)?;
    // The profile for user names allows fewer characters than ours; only the authenticator shows this name.
    let entity_name =
        Username::try_from(user_name).or_else(|_| Username::try_from("monban")).map_err(failed)?;
    let entity = PublicKeyCredentialUserEntity { name: entity_name, id: &handle, display_name: None };
    let mut options = PublicKeyCredentialCreationOptions::passkey(&rp, entity, known.collect());
    // Preferred, not required: browsers refuse authenticators without such protection, which most phones and operating systems
    // lack. Signing in requires user verification anyway.
    options.extensions.cred_protect =
        CredProtect::UserVerificationRequired(ExtensionInfo::AllowDontEnforceValue);
    let (server, client) = options.start_ceremony().map_err(failed)?;
    let public_key = serde_json::to_value(&client).map_err(failed)?;
    let state = ceremonies.begin(Adding { user, name: name.to_owned(), state: server }, uptime)?;
    Ok(Options { public_key, state })
}

/// Registers the passkey in the authenticator's answer. Returns its key and name.
///
/// # Errors
/// 422 if the ceremony is unknown or over, or the answer does not match it; 409 if the passkey is already registered.
pub(crate) fn finish_adding(
    db: &Connection,
    ceremonies: &Ceremonies<Adding>,
    url: &Url,
    user: i64,
    answer: (&str, &Value),
    clocks: (Timestamp, Duration),
) -> Result<(i64, String), Problem> {
    let (state, credential) = answer;
    let (now, uptime) = clocks;
    let adding = ceremonies.take(state, uptime).filter(|adding| adding.user == user);
    let adding = adding.ok_or_else(|| Problem::of(TOO_LATE))?;
    let not_taken = |error: String| Problem::of(REFUSED).value("why", error);
    let json = serde_json::to_vec(credential).map_err(failed)?;
    let registration =
        Registration::from_json_relaxed(&json).map_err(|error| not_taken(error.to_string()))?;
    let origins = [Origin(url.to_string().into())];
    let options = RegistrationVerificationOptions::<Origin<'_>, Origin<'_>> {
        allowed_origins: &origins,
        // Some browsers add unrequested extensions, which are ignored.
        error_on_unsolicited_extensions: false,
        ..RegistrationVerificationOptions::default()
    };
    let rp = relying_party(url)?;
    let added =
        adding.state.verify(&rp, &registration, &options).map_err(|error| not_taken(error.to_string()))?;
    let fixed = added.static_state().encode().map_err(failed)?;
    let changing = added.dynamic_state().encode().map_err(|_| failed("the state has no form"))?;
    let id: &[u8] = added.id().into_inner();
    let inserted = db.execute(
        "INSERT INTO passkeys (user, credential, name, fixed, changing, created) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (credential) DO NOTHING",
        params![user, id, adding.name, fixed, changing, now.as_micros()],
    )?;
    if inserted == 0 {
        return Err(Problem::of(EXISTS));
    }
    Ok((db.last_insert_rowid(), adding.name))
}

/// Starts to sign in. The authenticator knows the user.
///
/// # Errors
/// 409 if the console has an IP address instead of a host name.
pub(crate) fn begin_signing_in(
    ceremonies: &Ceremonies<DiscoverableAuthenticationServerState>,
    url: &Url,
    uptime: Duration,
) -> Result<Options, Problem> {
    let rp = relying_party(url)?;
    let (server, client) =
        DiscoverableCredentialRequestOptions::passkey(&rp).start_ceremony().map_err(failed)?;
    let public_key = serde_json::to_value(&client).map_err(failed)?;
    Ok(Options { public_key, state: ceremonies.begin(server, uptime)? })
}

/// Returns the key of the user whose passkey answered; none if the answer does not match the ceremony.
///
/// # Errors
/// The database cannot be used.
pub(crate) fn finish_signing_in(
    db: &Connection,
    ceremony: DiscoverableAuthenticationServerState,
    url: &Url,
    credential: &Value,
    now: Timestamp,
) -> Result<Option<i64>, Problem> {
    let json = serde_json::to_vec(credential).map_err(failed)?;
    let Ok(answer) = DiscoverableAuthentication64::from_json_relaxed(&json) else { return Ok(None) };
    let id: &[u8] = answer.raw_id().into_inner();
    let row = |row: &rusqlite::Row<'_>| {
        let handle: Option<[u8; USER_HANDLE_MAX_LEN]> = row.get(3)?;
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, [u8; 7]>(2)?, handle))
    };
    let query = "SELECT user, fixed, changing, handle FROM passkeys JOIN users ON users.id = passkeys.user
        WHERE credential = ? AND password IS NOT NULL";
    let Some((user, fixed, changing, Some(handle))) = db.query_row(query, [id], row).optional()? else {
        return Ok(None);
    };
    let Ok(handle) = UserHandle64::decode(handle);
    let fixed = StaticState::<PublicKey>::decode(&fixed).map_err(failed)?;
    let changing = DynamicState::decode(changing).map_err(failed)?;
    let known = AuthenticatedCredential::new(answer.raw_id(), &handle, fixed, changing);
    let mut known = known.map_err(failed)?;
    let origins = [Origin(url.to_string().into())];
    let options = AuthenticationVerificationOptions::<Origin<'_>, Origin<'_>> {
        allowed_origins: &origins,
        error_on_unsolicited_extensions: false,
        ..AuthenticationVerificationOptions::default()
    };
    let rp = relying_party(url)?;
    if ceremony.verify(&rp, &answer, &mut known, &options).is_err() {
        return Ok(None);
    }
    let changing = known.dynamic_state().encode().map_err(|_| failed("the state has no form"))?;
    db.execute(
        "UPDATE passkeys SET changing = ?, last_used = ? WHERE credential = ?",
        params![changing, now.as_micros(), id],
    )?;
    Ok(Some(user))
}

/// Deletes a passkey of a user. Returns its name.
pub(crate) fn delete(db: &Connection, user: i64, id: i64) -> rusqlite::Result<Option<String>> {
    let query = "DELETE FROM passkeys WHERE id = ? AND user = ? RETURNING name";
    db.query_row(query, [id, user], |row| row.get(0)).optional()
}

/// Returns the handle that authenticators store for a user: random, the same for all passkeys of the user.
fn handle_of(db: &Connection, user: i64) -> Result<UserHandle64, Problem> {
    let fresh = secret::random::<USER_HANDLE_MAX_LEN>()?;
    db.execute("UPDATE users SET handle = ? WHERE id = ? AND handle IS NULL", params![fresh, user])?;
    let handle = db.query_row("SELECT handle FROM users WHERE id = ?", [user], |row| row.get(0))?;
    let Ok(handle) = UserHandle64::decode(handle);
    Ok(handle)
}

fn failed(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("passkeys: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceremonies_are_good_once_and_not_for_long_and_not_too_many() {
        let ceremonies = Ceremonies::default();
        let at = Duration::from_secs(100);
        let first = ceremonies.begin(1, at).unwrap();
        let second = ceremonies.begin(2, at).unwrap();
        assert_eq!(ceremonies.take("nonsense", at), None);
        assert_eq!(ceremonies.take(&first, at), Some(1));
        assert_eq!(ceremonies.take(&first, at), None);
        assert_eq!(ceremonies.take(&second, at + CEREMONY_AGE), None);
        let oldest = ceremonies.begin(3, at).unwrap();
        let next = ceremonies.begin(4, at).unwrap();
        for _ in 0..MAX_CEREMONIES - 1 {
            ceremonies.begin(5, at).unwrap();
        }
        assert_eq!(ceremonies.0.lock().unwrap().len(), MAX_CEREMONIES);
        assert_eq!(ceremonies.take(&oldest, at), None);
        assert_eq!(ceremonies.take(&next, at), Some(4));
    }

    #[test]
    fn passkeys_need_a_name_and_the_page_of_that_name() {
        for (url, host, fits) in [
            ("http://localhost:8600", "localhost:8600", true),
            ("http://localhost:8600", "127.0.0.1:8600", false),
            ("https://gate.example.org", "gate.example.org", true),
            ("https://gate.example.org", "localhost:8600", false),
            ("http://192.0.2.1:8600", "192.0.2.1:8600", false),
            ("http://[2001:db8::1]", "[2001:db8::1]", false),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(relying_party(&url).is_ok() && check_host(&url, host).is_ok(), fits, "{url} {host}");
        }
    }
}
