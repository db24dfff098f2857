//! `/api/session`: signing in and signing out.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{AppendHeaders, IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{session_cookie, set_cookie, user_agent};
use crate::access::Role;
use crate::access::attempts::{Key, Source};
use crate::access::credentials::Cookie;
use crate::access::devices::Device;
use crate::access::identity::{Account, Identity, Via};
use crate::access::limits::DEVICE_AGE;
use crate::access::password::Who;
use crate::access::second_factor::{self, Fit};
use crate::access::users::{self, User};
use crate::access::{audit, secret, sessions};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use finding::{AuditAction, ProblemCode, table};

table! {
    /// The error responses to signing in.
    pub(crate) PROBLEMS: ProblemCode {
        /// Wrong user name or password.
        pub(crate) WRONG_CREDENTIALS = ProblemCode::new(
            "session.wrong_credentials",
            401,
            "Wrong user name or password.",
            "ユーザー名またはパスワードが違います。",
        );
        /// Enter the code of your authenticator app.
        pub(crate) CODE_NEEDED = ProblemCode::new(
            "session.code_needed",
            401,
            "Enter the code of your authenticator app.",
            "確認コードを入力してください。",
        );
        /// The code is wrong or was already used.
        pub(crate) CODE_REFUSED = ProblemCode::new(
            "session.wrong_code",
            401,
            "The code is wrong or was already used.",
            "確認コードが違うか、すでに使用されています。",
        );
    }
}

table! {
    /// The actions of sessions.
    pub(crate) ACTIONS: AuditAction {
        /// Signed in.
        pub(crate) SIGNED_IN = AuditAction::new("console.signed_in", "signed in", "サインイン");
        /// Signed out.
        pub(crate) SIGNED_OUT = AuditAction::new("console.signed_out", "signed out", "サインアウト");
    }
}

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(show, sign_in, sign_out))
}

/// The user of the session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedIn {
    /// The user's name.
    user: String,
    /// Role of the user.
    role: Role,
    /// The `X-CSRF-Token` that every change needs.
    csrf: String,
    /// Whether signing in by password also needs a code.
    second_factor: bool,
    /// Number of passkeys.
    passkeys: u32,
}

impl SignedIn {
    fn new(user: User, csrf: String) -> Self {
        let second_factor = user.totp.is_some();
        Self { user: user.name, role: user.role, csrf, second_factor, passkeys: user.passkeys }
    }
}

/// Get the user of the session
#[utoipa::path(
    get,
    path = "/api/session",
    operation_id = "session",
    tag = "session",
    security(("session" = ["viewer"])),
    responses(
        (status = 200, body = SignedIn),
        (status = 401, body = Failure, description = "No session; `setup` is true if no owner exists"),
    )
)]
async fn show(who: Account, State(console): State<Console>) -> Result<Json<SignedIn>, Problem> {
    let id = who.user_id;
    let user = console.access.run(move |db, _| Ok(users::get(db, id)?)).await?;
    let user = user.ok_or_else(|| Problem::of(users::ACCOUNT_GONE))?;
    Ok(Json(SignedIn::new(user, who.csrf)))
}

/// The credentials to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// User name, ignoring case.
    user: String,
    /// The password.
    password: String,
    /// Six digits of the authenticator app, or a recovery code, if the account requires one.
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
        (status = 401, body = Failure, description = "Wrong credentials; `second_factor_needed` is true if only the code is missing"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
    )
)]
async fn sign_in(
    State(console): State<Console>,
    parts: Parts,
    Input(credentials): Input<Credentials>,
) -> Result<Response, Problem> {
    let access = &console.access;
    let address = access.client_address(&parts);
    let Credentials { user: name, password, code } = credentials;
    let device = access.device(&parts.headers).await?;
    let (user, source) = {
        let (name, network) = (name.clone(), Source::network(address));
        let find = move |db: &rusqlite::Transaction<'_>, now| {
            let user = users::find(db, &name)?;
            let source = match (&user, device) {
                (Some(user), Some(device)) if device.is_of(db, user.id, now)? => {
                    Source::Device(device.id().to_owned())
                }
                _ => network,
            };
            Ok((user, source))
        };
        access.run(find).await?
    };
    let attempt = Key::passwords(source.clone(), &name);
    access.attempt(&attempt)?;
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let who = match source {
        Source::Network(_) => Who::Stranger,
        Source::Device(_) => Who::Known,
    };
    let right = access.hasher.verify(who, password, hash).await?;
    let Some(user) = user.filter(|_| right) else {
        refuse(&console, address, &name, "password").await?;
        let problem = Problem::of(WRONG_CREDENTIALS);
        return Err(problem.with("second_factor_needed", false));
    };
    let mut how = "password";
    if user.totp.is_some() {
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            access.attempts.give_back(&attempt);
            let problem = Problem::of(CODE_NEEDED);
            return Err(problem.with("second_factor_needed", true));
        };
        // The client knows the password and could guess codes from many addresses.
        let code_attempt = match source {
            Source::Network(_) => vec![Key::Code(user.id)],
            Source::Device(_) => Vec::new(),
        };
        access.attempt(&code_attempt).inspect_err(|_| access.attempts.give_back(&attempt))?;
        let id = user.id;
        let fit = access.run(move |db, now| second_factor::take(db, id, &code, now)).await?;
        let Some(fit) = fit else {
            refuse(&console, address, &name, "code").await?;
            let problem = Problem::of(CODE_REFUSED);
            return Err(problem.with("second_factor_needed", true));
        };
        access.attempts.give_back(&code_attempt);
        how = match fit {
            Fit::App => "password and code",
            Fit::Recovery => "password and recovery code",
        };
    }
    access.attempts.give_back(&attempt);
    begin(&console, user.id, address, &parts.headers, SIGNED_IN, how).await
}

/// Counts and records a wrong attempt. An unknown name is not recorded, because it may be a password in the wrong field.
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
        Ok(audit::record(db, now, &who, audit::SIGN_IN_REFUSED, what)?)
    };
    console.access.run(record).await
}

/// Starts a session. The response sets its cookie and that of a known browser.
pub(super) async fn begin(
    console: &Console,
    user: i64,
    address: IpAddr,
    headers: &HeaderMap,
    what: AuditAction,
    detail: &'static str,
) -> Result<Response, Problem> {
    let agent = user_agent(headers);
    let known = console.access.device(headers).await?;
    let (user, secret, device) = console
        .access
        .run(move |db, now| {
            let secret = sessions::begin(db, user, address, &agent, now)?;
            let user = users::get(db, user)?.ok_or_else(|| Problem::of(users::ACCOUNT_GONE))?;
            let (name, role) = (user.name.clone(), user.role);
            let who = Identity { user: name, role, via: Via::Session, address, user_id: None, session: None };
            audit::record(db, now, &who, what, detail)?;
            let device = Device::remember(db, known, user.id, now)?;
            Ok((user, secret, device))
        })
        .await?;
    let url = console.access.url();
    let cookies = AppendHeaders([
        (header::SET_COOKIE, session_cookie(&url, Some(&secret))?),
        (header::SET_COOKIE, set_cookie(&url, Cookie::Device, &device, DEVICE_AGE)?),
    ]);
    Ok((cookies, Json(SignedIn::new(user, secret::csrf(&secret)))).into_response())
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
            Ok(audit::record(db, now, &identity, SIGNED_OUT, "")?)
        })
        .await?;
    let cookie = session_cookie(&console.access.url(), None)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}
