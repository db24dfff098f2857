//! `/api/account/totp`: the authenticator app.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::account::check_password;
use crate::access::attempts::Key;
use crate::access::identity::Account;
use crate::access::{audit, second_factor};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use finding::{AuditAction, table};

table! {
    /// The actions of authenticator apps.
    pub(crate) ACTIONS: AuditAction {
        /// Authenticator enabled.
        pub(crate) TOTP_ON = AuditAction::new("account.totp_on", "authenticator enabled", "認証アプリを有効化");
        /// Authenticator disabled.
        pub(crate) TOTP_OFF = AuditAction::new("account.totp_off", "authenticator disabled", "認証アプリを無効化");
        /// New recovery codes made.
        pub(crate) RECOVERY_CODES_MADE = AuditAction::new("account.recovery_codes_made", "new recovery codes made", "リカバリーコードを再発行");
    }
}

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(begin, confirm, remove)).routes(routes!(renew))
}

/// A new secret for an authenticator app. It becomes valid when one of its codes is confirmed.
#[derive(Serialize, ToSchema)]
struct TotpBegun {
    /// The secret in base 32; it is not shown again.
    secret: String,
    /// The secret and its user, as an `otpauth:` URL.
    url: String,
    /// The URL as a QR code: an SVG with one path.
    qr_svg: Option<String>,
}

/// Start the set-up of an authenticator app (TOTP, RFC 6238)
#[utoipa::path(
    post,
    path = "/api/account/totp",
    operation_id = "begin_totp",
    tag = "account",
    security(("session" = ["viewer"])),
    responses((status = 200, body = TotpBegun), (status = 409, body = Failure, description = "The authenticator app is already enabled"))
)]
async fn begin(who: Account, State(console): State<Console>) -> Result<Json<TotpBegun>, Problem> {
    let host = console.access.url().host().to_owned();
    let offer =
        move |db: &rusqlite::Transaction<'_>, _| second_factor::offer(db, who.user_id, &who.user, &host);
    let second_factor::Offer { secret, url, qr_svg } = console.access.run(offer).await?;
    Ok(Json(TotpBegun { secret, url, qr_svg }))
}

/// A code of the app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Code {
    /// Six digits.
    code: String,
}

/// Recovery codes, in case the user loses the app.
#[derive(Serialize, ToSchema)]
struct RecoveryCodes {
    /// The codes. Each works once. They are not shown again.
    recovery_codes: Vec<String>,
}

/// Enable the authenticator app with one of its codes
#[utoipa::path(
    put,
    path = "/api/account/totp",
    operation_id = "confirm_totp",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = Code,
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 409, body = Failure, description = "No set-up is in progress"),
        (status = 422, body = Failure, description = "The code is wrong"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
    )
)]
async fn confirm(
    who: Account,
    State(console): State<Console>,
    Input(Code { code }): Input<Code>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let access = &console.access;
    let attempt = [Key::Account(who.user_id)];
    access.attempt(&attempt)?;
    let confirm = move |db: &rusqlite::Transaction<'_>, now| {
        let codes = second_factor::confirm(db, who.user_id, &code, now)?;
        if codes.is_some() {
            audit::record(db, now, &who, TOTP_ON, "")?;
        }
        Ok(codes)
    };
    let wrong = || Problem::of(second_factor::WRONG_CODE);
    let recovery_codes = access.run(confirm).await?.ok_or_else(wrong)?;
    access.attempts.give_back(&attempt);
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// The current password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Password {
    /// The password.
    password: String,
}

/// Disable the authenticator app
#[utoipa::path(
    delete,
    path = "/api/account/totp",
    operation_id = "remove_totp",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = Password,
    responses(
        (status = 204),
        (status = 422, body = Failure, description = "The password is wrong"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
    )
)]
async fn remove(
    who: Account,
    State(console): State<Console>,
    Input(Password { password }): Input<Password>,
) -> Result<StatusCode, Problem> {
    check_password(&console, &who, password).await?;
    let forget = move |db: &rusqlite::Transaction<'_>, now| {
        second_factor::forget(db, who.user_id)?;
        Ok(audit::record(db, now, &who, TOTP_OFF, "")?)
    };
    console.access.run(forget).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace the recovery codes
#[utoipa::path(
    post,
    path = "/api/account/totp/recovery-codes",
    operation_id = "renew_recovery_codes",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = Password,
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 409, body = Failure, description = "The authenticator app is not enabled"),
        (status = 422, body = Failure, description = "The password is wrong"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
    )
)]
async fn renew(
    who: Account,
    State(console): State<Console>,
    Input(Password { password }): Input<Password>,
) -> Result<Json<RecoveryCodes>, Problem> {
    check_password(&console, &who, password).await?;
    let renew = move |db: &rusqlite::Transaction<'_>, now| {
        let recovery_codes = second_factor::renew(db, who.user_id)?;
        audit::record(db, now, &who, RECOVERY_CODES_MADE, "")?;
        Ok(RecoveryCodes { recovery_codes })
    };
    console.access.run(renew).await.map(Json)
}
