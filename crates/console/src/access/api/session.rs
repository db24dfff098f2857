//! `/api/session`: signing in and out.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, request::Parts};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{set_cookie, user_agent};
use crate::access::credentials::client_address;
use crate::access::identity::{Account, Identity, Role, Via};
use crate::access::second_factor::{self, Fit};
use crate::access::users::{self, User};
use crate::access::{AuditAction, audit, secret, sessions};
use crate::openapi::Failure;
use crate::{Code, Console, Input, Problem};

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(show, sign_in, sign_out))
}

/// Who has signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedIn {
    /// The user's name.
    user: String,
    /// What the user may do.
    role: Role,
    /// For `X-CSRF-Token` of every request that changes something.
    csrf: String,
    /// Whether signing in by password takes a code as well.
    second_factor: bool,
    /// How many passkeys there are.
    passkeys: u32,
}

impl SignedIn {
    fn new(user: User, csrf: String) -> Self {
        let second_factor = user.totp.is_some();
        Self { user: user.name, role: user.role, csrf, second_factor, passkeys: user.passkeys }
    }
}

/// Who has signed in
#[utoipa::path(
    get,
    path = "/api/session",
    operation_id = "session",
    tag = "session",
    security(("session" = ["viewer"])),
    responses(
        (status = 200, body = SignedIn),
        (status = 401, body = Failure, description = "Nobody has; `setup` is true while there is no owner"),
    )
)]
async fn show(who: Account, State(console): State<Console>) -> Result<Json<SignedIn>, Problem> {
    let id = who.user_id;
    let user = console.access.run(move |db, _| Ok(users::get(db, id)?)).await?;
    let user = user.ok_or_else(|| Problem::of(Code::AccountGone, "the account is gone"))?;
    Ok(Json(SignedIn::new(user, who.csrf)))
}

/// What signing in takes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The name, in any case.
    user: String,
    /// The password.
    password: String,
    /// Six digits, or a recovery code; where the account asks for it.
    code: Option<String>,
}

/// Sign in
#[utoipa::path(
    post,
    path = "/api/session",
    operation_id = "sign_in",
    tag = "session",
    security(()),
    request_body = Credentials,
    responses(
        (status = 200, body = SignedIn, description = "With the session's cookie"),
        (status = 401, body = Failure, description = "Wrong; `second_factor_needed` is true where only the code is missing"),
        (status = 429, body = Failure, description = "Too many attempts: see Retry-After"),
    )
)]
async fn sign_in(
    State(console): State<Console>,
    parts: Parts,
    Input(credentials): Input<Credentials>,
) -> Result<Response, Problem> {
    let address = client_address(&parts);
    let Credentials { user: name, password, code } = credentials;
    let access = &console.access;
    access.attempt(address, Some(&name))?;
    let user = {
        let name = name.clone();
        access.run(move |db, _| Ok(users::find(db, &name)?)).await?
    };
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let right = access.hasher.verify(password, hash).await?;
    let Some(user) = user.filter(|_| right) else {
        refuse(&console, address, &name, "password").await?;
        let problem = Problem::of(Code::WrongCredentials, "wrong name or password");
        return Err(problem.with("second_factor_needed", false));
    };
    let mut how = "password";
    if user.totp.is_some() {
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            access.attempts.give_back(address, Some(&name));
            let problem = Problem::of(Code::CodeNeeded, "the code is missing");
            return Err(problem.with("second_factor_needed", true));
        };
        let id = user.id;
        let fit = access.run(move |db, now| second_factor::take(db, id, &code, now)).await?;
        let Some(fit) = fit else {
            refuse(&console, address, &name, "code").await?;
            let problem = Problem::of(Code::CodeUsedOrWrong, "wrong code, or one that was used before");
            return Err(problem.with("second_factor_needed", true));
        };
        how = match fit {
            Fit::App => "password and code",
            Fit::Recovery => "password and recovery code",
        };
    }
    access.attempts.give_back(address, Some(&name));
    begin(&console, user.id, address, &parts.headers, AuditAction::SignIn, how).await
}

/// Counts a wrong attempt for good, and writes it down. A name that nobody has may be a password in the wrong field.
pub(super) async fn refuse(
    console: &Console,
    address: IpAddr,
    name: &str,
    what: &'static str,
) -> Result<(), Problem> {
    let name = name.to_owned();
    let record = move |db: &rusqlite::Transaction<'_>, now| {
        let known = users::find(db, &name)?.map_or_else(|| "(unknown)".to_owned(), |user| user.name);
        let who = Identity {
            user: known,
            role: Role::Viewer,
            via: Via::Session,
            address,
            user_id: None,
            session: None,
        };
        Ok(audit::record(db, now, &who, AuditAction::SignInRefused, what)?)
    };
    console.access.run(record).await
}

/// Begins a session; the answer has its cookie.
pub(super) async fn begin(
    console: &Console,
    user: i64,
    address: IpAddr,
    headers: &HeaderMap,
    what: AuditAction,
    detail: &'static str,
) -> Result<Response, Problem> {
    let agent = user_agent(headers);
    let (user, secret) = console
        .access
        .run(move |db, now| {
            let secret = sessions::begin(db, user, address, &agent, now)?;
            let user =
                users::get(db, user)?.ok_or_else(|| Problem::of(Code::AccountGone, "the account is gone"))?;
            let (name, role) = (user.name.clone(), user.role);
            let who = Identity { user: name, role, via: Via::Session, address, user_id: None, session: None };
            audit::record(db, now, &who, what, detail)?;
            Ok((user, secret))
        })
        .await?;
    let cookie = set_cookie(&console.access.url(), Some(&secret))?;
    Ok(([cookie], Json(SignedIn::new(user, secret::csrf(&secret)))).into_response())
}

/// Sign out
#[utoipa::path(
    delete,
    path = "/api/session",
    operation_id = "sign_out",
    tag = "session",
    security(("session" = ["viewer"])),
    responses((status = 204))
)]
async fn sign_out(who: Account, State(console): State<Console>) -> Result<Response, Problem> {
    let identity = who.identity.clone();
    console
        .access
        .run(move |db, now| {
            sessions::end(db, who.user_id, who.session_id)?;
            Ok(audit::record(db, now, &identity, AuditAction::SignOut, "")?)
        })
        .await?;
    Ok((StatusCode::NO_CONTENT, [set_cookie(&console.access.url(), None)?]).into_response())
}
