//! Routes of accounts.

pub(crate) mod account;
mod audit_trail;
pub(crate) mod passkey;
pub(crate) mod session;
pub(crate) mod setup;
mod token;
pub(crate) mod totp;
pub(crate) mod user;

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, header};
use utoipa_axum::router::OpenApiRouter;

use super::Url;
use super::credentials::Cookie;
use super::limits::{MAX_BODY_BYTES, SESSION_AGE};
use crate::{Console, Problem};

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .merge(session::routes())
        .merge(passkey::routes())
        .merge(setup::routes())
        .merge(account::routes())
        .merge(totp::routes())
        .merge(token::routes())
        .merge(user::routes())
        .merge(audit_trail::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Returns the header that sets or removes a session cookie.
fn session_cookie(url: &Url, secret: Option<&str>) -> Result<HeaderValue, Problem> {
    let (value, age) = secret.map_or(("", Duration::ZERO), |secret| (secret, SESSION_AGE));
    set_cookie(url, Cookie::Session, value, age)
}

/// Returns a value of `Set-Cookie`.
fn set_cookie(url: &Url, cookie: Cookie, value: &str, age: Duration) -> Result<HeaderValue, Problem> {
    let secure = if url.is_https() { "; Secure" } else { "" };
    let (name, age) = (cookie.name(url.is_https()), age.as_secs());
    let invalid = |error: axum::http::header::InvalidHeaderValue| {
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    };
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
        .parse()
        .map_err(invalid)
}

fn user_agent(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
