//! Routes of passkeys: signing in with one, and managing those of an account.

use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Json, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::session::{self, SignedIn};
use crate::access::attempts::Key;
use crate::access::identity::Account;
use crate::access::{audit, passkeys};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use finding::{AuditAction, table};

table! {
    /// The actions of passkeys.
    pub(crate) ACTIONS: AuditAction {
        /// Passkey added.
        pub(crate) ADDED = AuditAction::new("passkey.added", "passkey added", "パスキーを追加");
        /// Passkey removed.
        pub(crate) DELETED = AuditAction::new("passkey.deleted", "passkey removed", "パスキーを削除");
    }
}

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(begin_signing_in))
        .routes(routes!(finish_signing_in))
        .routes(routes!(begin_adding))
        .routes(routes!(finish_adding))
        .routes(routes!(delete))
}

/// The options for the browser.
#[derive(Serialize, ToSchema)]
struct Begun {
    /// For `PublicKeyCredential.parseRequestOptionsFromJSON` or `parseCreationOptionsFromJSON` (WebAuthn Level 3).
    #[serde(rename = "publicKey")]
    #[schema(value_type = Object)]
    public_key: Value,
    /// Key of the ceremony. Send it back with the answer within five minutes.
    state: String,
}

impl From<passkeys::Options> for Begun {
    fn from(options: passkeys::Options) -> Self {
        Self { public_key: options.public_key, state: options.state }
    }
}

/// The authenticator's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Key of the ceremony.
    state: String,
    /// `PublicKeyCredential.toJSON()`.
    #[schema(value_type = Object)]
    credential: Value,
}

fn check_host(console: &Console, headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = console.access.url();
    passkeys::relying_party(&url)?;
    passkeys::check_host(&url, host)
}

/// Begin to sign in with a passkey
#[utoipa::path(
    post,
    path = "/api/session/passkey/begin",
    operation_id = "begin_passkey_sign_in",
    tag = "session",
    security(()),
    responses(
        (status = 200, body = Begun),
        (status = 409, body = Failure, description = "Passkeys do not work at this address; the text names the correct one"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
    )
)]
async fn begin_signing_in(State(console): State<Console>, parts: Parts) -> Result<Json<Begun>, Problem> {
    check_host(&console, &parts.headers)?;
    let access = &console.access;
    access.attempt(&[Key::PasskeyBegun(access.source(&parts).await?)])?;
    let uptime = access.clock.uptime();
    Ok(Json(passkeys::begin_signing_in(&access.signing_in, &access.url(), uptime)?.into()))
}

/// Sign in with a passkey
#[utoipa::path(
    post,
    path = "/api/session/passkey/finish",
    operation_id = "finish_passkey_sign_in",
    tag = "session",
    security(()),
    request_body = Answer,
    responses(
        (status = 200, body = SignedIn, description = "With the session's cookie"),
        (status = 401, body = Failure, description = "The passkey is not registered, or its answer is wrong or too late"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
    )
)]
async fn finish_signing_in(
    State(console): State<Console>,
    parts: Parts,
    Input(answer): Input<Answer>,
) -> Result<Response, Problem> {
    let (access, url) = (&console.access, console.access.url());
    let address = access.client_address(&parts);
    let source = access.source(&parts).await?;
    let attempt = [Key::Passkey(source.clone())];
    access.attempt(&attempt)?;
    let uptime = access.clock.uptime();
    let unknown = || Problem::of(passkeys::UNKNOWN);
    // Anybody can invent ceremonies, so the trail records only those that were started.
    let ceremony = access.signing_in.take(&answer.state, uptime).ok_or_else(unknown)?;
    let finish = move |db: &rusqlite::Transaction<'_>, now| {
        passkeys::finish_signing_in(db, ceremony, &url, &answer.credential, now)
    };
    let Some(user) = access.run(finish).await? else {
        session::refuse(&console, address, "", "passkey").await?;
        return Err(unknown());
    };
    access.attempts.give_back(&[Key::Passkey(source.clone()), Key::PasskeyBegun(source)]);
    session::begin(&console, user, address, &parts.headers, session::SIGNED_IN, "passkey").await
}

/// A passkey to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPasskey {
    /// Name given by its user.
    name: String,
}

/// Begin to register a passkey of the caller's account
#[utoipa::path(
    post,
    path = "/api/account/passkeys/begin",
    operation_id = "begin_passkey",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = NewPasskey,
    responses(
        (status = 200, body = Begun),
        (status = 409, body = Failure, description = "Passkeys do not work at this address; the text names the correct one"),
        (status = 422, body = Failure, description = "The name is not allowed"),
    )
)]
async fn begin_adding(
    who: Account,
    State(console): State<Console>,
    headers: HeaderMap,
    Input(NewPasskey { name }): Input<NewPasskey>,
) -> Result<Json<Begun>, Problem> {
    check_host(&console, &headers)?;
    let (access, url) = (&console.access, console.access.url());
    let uptime = access.clock.uptime();
    let ceremonies = std::sync::Arc::clone(&access.adding);
    let begin = move |db: &rusqlite::Transaction<'_>, _| {
        passkeys::begin_adding(db, &ceremonies, &url, (who.user_id, &who.user), name.trim(), uptime)
    };
    Ok(Json(access.run(begin).await?.into()))
}

/// A registered passkey.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyAdded)]
struct Added {
    /// Id in the database.
    id: i64,
    /// Name given by its user.
    name: String,
}

/// Register a passkey of the caller's account
#[utoipa::path(
    post,
    path = "/api/account/passkeys/finish",
    operation_id = "finish_passkey",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = Answer,
    responses(
        (status = 200, body = Added),
        (status = 409, body = Failure, description = "The passkey is already registered"),
        (status = 422, body = Failure, description = "The authenticator's answer is wrong or too late"),
    )
)]
async fn finish_adding(
    who: Account,
    State(console): State<Console>,
    Input(answer): Input<Answer>,
) -> Result<Json<Added>, Problem> {
    let (access, url) = (&console.access, console.access.url());
    let uptime = access.clock.uptime();
    let ceremonies = std::sync::Arc::clone(&access.adding);
    let finish = move |db: &rusqlite::Transaction<'_>, now| {
        let answer = (&*answer.state, &answer.credential);
        let (id, name) = passkeys::finish_adding(db, &ceremonies, &url, who.user_id, answer, (now, uptime))?;
        audit::record(db, now, &who, ADDED, &name)?;
        Ok(Added { id, name })
    };
    access.run(finish).await.map(Json)
}

/// Delete a passkey of the caller's account
#[utoipa::path(
    delete,
    path = "/api/account/passkeys/{id}",
    operation_id = "delete_passkey",
    tag = "account",
    security(("session" = ["viewer"])),
    params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = Failure, description = "The id does not exist"))
)]
async fn delete(
    who: Account,
    State(console): State<Console>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let delete = move |db: &rusqlite::Transaction<'_>, now| {
        let name = passkeys::delete(db, who.user_id, id)?;
        let name = name.ok_or_else(|| Problem::of(passkeys::NOT_FOUND).value("id", id))?;
        Ok(audit::record(db, now, &who, DELETED, &name)?)
    };
    console.access.run(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
