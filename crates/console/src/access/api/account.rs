//! `/api/account`: what users see and change of their own account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::attempts::Key;
use crate::access::identity::{Account, Role};
use crate::access::password::Who;
use crate::access::sessions::{self, Session};
use crate::access::{AuditAction, audit, users};
use crate::openapi::Failure;
use crate::{Code, Console, Input, Problem};

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(change_password))
        .routes(routes!(list_sessions))
        .routes(routes!(end_session))
}

/// An account, as its user sees it.
#[derive(Serialize, ToSchema)]
struct Own {
    /// The name.
    user: String,
    /// What the user may do.
    role: Role,
    /// Whether signing in by password takes a code as well.
    totp: bool,
    /// Recovery codes that were not used yet.
    recovery_codes_left: u32,
    /// The passkeys.
    passkeys: Vec<Passkey>,
}

/// A passkey, as its user sees it.
#[derive(Serialize, ToSchema)]
struct Passkey {
    /// Its key.
    id: i64,
    /// What its user calls it.
    name: String,
    /// When it was added.
    created: Timestamp,
    /// When it was last used.
    last_used: Option<Timestamp>,
}

/// The own account
#[utoipa::path(
    get,
    path = "/api/account",
    operation_id = "account",
    tag = "account",
    security(("session" = ["viewer"])),
    responses((status = 200, body = Own))
)]
async fn show(who: Account, State(console): State<Console>) -> Result<Json<Own>, Problem> {
    let (id, user, role) = (who.user_id, who.user.clone(), who.role);
    let read = move |db: &rusqlite::Transaction<'_>, _| {
        let totp = db.query_row("SELECT totp IS NOT NULL FROM users WHERE id = ?", [id], |row| row.get(0))?;
        let recovery_codes_left =
            db.query_row("SELECT count(*) FROM recovery_codes WHERE user = ?", [id], |row| row.get(0))?;
        let passkeys = db
            .prepare("SELECT id, name, created, last_used FROM passkeys WHERE user = ? ORDER BY id")?
            .query_map([id], |row| {
                Ok(Passkey {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    created: Timestamp::from_micros(row.get(2)?),
                    last_used: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Own { user, role, totp, recovery_codes_left, passkeys })
    };
    console.access.run(read).await.map(Json)
}

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The present one.
    old: String,
    /// The one to be, of at least 12 characters.
    new: String,
}

/// Change the password; the account's other sessions end
#[utoipa::path(
    post,
    path = "/api/account/password",
    operation_id = "change_password",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = NewPassword,
    responses(
        (status = 204),
        (status = 422, body = Failure, description = "The old one is wrong, or the new one will not do"),
        (status = 429, body = Failure, description = "Too many attempts: see Retry-After"),
    )
)]
async fn change_password(
    who: Account,
    State(console): State<Console>,
    Input(change): Input<NewPassword>,
) -> Result<StatusCode, Problem> {
    check_password(&console, &who, change.old).await?;
    let hash = console.access.hasher.hash(&who.user, change.new).await?;
    console
        .access
        .run(move |db, now| {
            users::set_password(db, who.user_id, &hash)?;
            sessions::end_others(db, who.user_id, Some(who.session_id))?;
            Ok(audit::record(db, now, &who, AuditAction::PasswordChanged, "")?)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the one who has signed in still knows the password.
///
/// # Errors
/// 422 where it is wrong (not 401: the session is good), 429 after too many attempts.
pub(crate) async fn check_password(
    console: &Console,
    who: &Account,
    password: String,
) -> Result<(), Problem> {
    let access = &console.access;
    let attempt = [Key::Account(who.user_id)];
    access.attempt(&attempt)?;
    let id = who.user_id;
    let hash = access.run(move |db, _| Ok(users::get(db, id)?.and_then(|user| user.password))).await?;
    if !access.hasher.verify(Who::Known, password, hash).await? {
        return Err(Problem::of(Code::WrongPassword, "the password is wrong"));
    }
    access.attempts.give_back(&attempt);
    Ok(())
}

/// A user's sessions.
#[derive(Serialize, ToSchema)]
struct Sessions {
    /// The last used one first.
    sessions: Vec<Session>,
}

/// The own sessions
#[utoipa::path(
    get,
    path = "/api/account/sessions",
    operation_id = "sessions",
    tag = "account",
    security(("session" = ["viewer"])),
    responses((status = 200, body = Sessions))
)]
async fn list_sessions(who: Account, State(console): State<Console>) -> Result<Json<Sessions>, Problem> {
    let list = move |db: &rusqlite::Transaction<'_>, now| {
        Ok(sessions::of_user(db, who.user_id, who.session_id, now)?)
    };
    Ok(Json(Sessions { sessions: console.access.run(list).await? }))
}

/// End one of the own sessions
#[utoipa::path(
    delete,
    path = "/api/account/sessions/{id}",
    operation_id = "end_session",
    tag = "account",
    security(("session" = ["viewer"])),
    params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = Failure, description = "There is none of this id"))
)]
async fn end_session(
    who: Account,
    State(console): State<Console>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let end = move |db: &rusqlite::Transaction<'_>, now| {
        if !sessions::end(db, who.user_id, id)? {
            return Err(Problem::of(Code::NoSuchSession, format!("there is no session {id}")).value("id", id));
        }
        Ok(audit::record(db, now, &who, AuditAction::SessionEnded, &id.to_string())?)
    };
    console.access.run(end).await?;
    Ok(StatusCode::NO_CONTENT)
}
