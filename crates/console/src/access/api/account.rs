//! `/api/account`: a user's own account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Role;
use crate::access::attempts::Key;
use crate::access::identity::Account;
use crate::access::password::Who;
use crate::access::sessions::{self, Session};
use crate::access::{audit, users};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use finding::{AuditAction, ProblemCode, table};

table! {
    /// The error responses about a user's own account.
    pub(crate) PROBLEMS: ProblemCode {
        /// The password is wrong.
        pub(crate) WRONG_PASSWORD = ProblemCode::new(
            "account.wrong_password",
            422,
            "The password is wrong.",
            "パスワードが違います。",
        );
        /// Session {id} does not exist.
        pub(crate) NO_SUCH_SESSION = ProblemCode::new(
            "account.no_such_session",
            404,
            "Session {id} does not exist.",
            "セッション {id} は存在しません。",
        );
    }
}

table! {
    /// The actions of a user’s own account.
    pub(crate) ACTIONS: AuditAction {
        /// Password changed.
        pub(crate) PASSWORD_CHANGED = AuditAction::new("account.password_changed", "password changed", "パスワードを変更");
        /// Session ended.
        pub(crate) SESSION_ENDED = AuditAction::new("account.session_ended", "session ended", "セッションを終了");
    }
}

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
    /// Role of the user.
    role: Role,
    /// Whether signing in by password also needs a code.
    totp: bool,
    /// Number of unused recovery codes.
    recovery_codes_left: u32,
    /// The passkeys.
    passkeys: Vec<Passkey>,
}

/// A passkey, as its user sees it.
#[derive(Serialize, ToSchema)]
struct Passkey {
    /// Id in the database.
    id: i64,
    /// Name given by its user.
    name: String,
    /// Time of its registration.
    created: Timestamp,
    /// Time of the last use.
    last_used: Option<Timestamp>,
}

/// Get the caller's account
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

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The current password.
    old: String,
    /// The new password, of at least 12 characters.
    new: String,
}

/// Change the password and end the account's other sessions
#[utoipa::path(
    post,
    path = "/api/account/password",
    operation_id = "change_password",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = NewPassword,
    responses(
        (status = 204),
        (status = 422, body = Failure, description = "The current password is wrong, or the new one is not allowed"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
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
            Ok(audit::record(db, now, &who, PASSWORD_CHANGED, "")?)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks the password of a user who is signed in.
///
/// # Errors
/// 422 for a wrong password (not 401, because the session is valid), 429 after too many attempts.
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
        return Err(Problem::of(WRONG_PASSWORD));
    }
    access.attempts.give_back(&attempt);
    Ok(())
}

/// A user's sessions.
#[derive(Serialize, ToSchema)]
struct Sessions {
    /// The sessions, the last used one first.
    sessions: Vec<Session>,
}

/// List the caller's sessions
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

/// End one of the caller's sessions
#[utoipa::path(
    delete,
    path = "/api/account/sessions/{id}",
    operation_id = "end_session",
    tag = "account",
    security(("session" = ["viewer"])),
    params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = Failure, description = "The id does not exist"))
)]
async fn end_session(
    who: Account,
    State(console): State<Console>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let end = move |db: &rusqlite::Transaction<'_>, now| {
        if !sessions::end(db, who.user_id, id)? {
            return Err(Problem::of(NO_SUCH_SESSION).value("id", id));
        }
        Ok(audit::record(db, now, &who, SESSION_ENDED, &id.to_string())?)
    };
    console.access.run(end).await?;
    Ok(StatusCode::NO_CONTENT)
}
