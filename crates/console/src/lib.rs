//! The owner's side over HTTP: health, metrics and a small JSON API of events.
//!
//! It only reads. It does not take part in serving the gate's clients and has no login: it listens on loopback unless its
//! owner says otherwise, and answers only requests whose Host is a loopback name or an IP address, so that no web page can
//! reach it by rebinding a name (DNS rebinding).
//!
//! | path | answer |
//! |---|---|
//! | `GET /healthz` | [`Health`] as JSON, always 200 while the process serves; `status` is `ok` or `degraded` |
//! | `GET /metrics` | Prometheus' text format |
//! | `GET /api/openapi.json` | the description of all these, as OpenAPI 3.1; docs/reference/openapi.json is the same |
//! | `GET /api/events` | the newest events, see [`events::Parameters`] |
//! | `GET /api/events/{id}` | one event, 404 if there is none |
//! | `GET /api/notices` | how the channels of notices fare: `notify::Status` as JSON |
//! | `/api/rules`, `/api/exclusions`, `/api/history`, `/api/replays`, `/api/learning` | see [`mod@tuning`] |
//! | `GET` of anything else | the program for the browser; links in notices lead to its `/events/{id}` |
//!
//! What other sensors report comes in by [`receiver`], on a listener of its own.
//!
//! ```
//! use std::sync::Arc;
//! use console::{Console, Health};
//!
//! # let data_dir = tempfile::tempdir()?;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let events = store::EventReader::open(data_dir.path())?;
//! let console = Console { health: Arc::new(Health::default), ..Console::new(Arc::new(events)) };
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! console::serve(listener, console, async {}).await?; // until the last argument is done
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod access;
pub mod events;
mod notices;
pub mod openapi;
mod pages;
pub mod receiver;
mod state;
pub mod tuning;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

pub use state::{Health, Status};

/// What the console shows; the functions are asked for each request.
#[derive(Clone)]
pub struct Console {
    /// The state now.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// The metrics now, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The events.
    pub events: Arc<dyn store::EventQuery>,
    /// How the channels of notices fare.
    pub notices: Arc<dyn Fn() -> notify::Status + Send + Sync>,
    /// Exclusions, their history and learning.
    pub tuning: Arc<dyn tuning::Tuning>,
    /// The replays that run.
    pub replays: tuning::replays::Replays,
}

impl Console {
    /// A console of these events. Of the rest it shows what there is without a daemon: `Console { health, ..Console::new(events) }`.
    pub fn new(events: Arc<dyn store::EventQuery>) -> Self {
        Self {
            health: Arc::new(Health::default),
            metrics: Arc::new(String::new),
            events,
            notices: Arc::new(notify::Status::default),
            tuning: Arc::new(tuning::Nothing),
            replays: tuning::replays::Replays::default(),
        }
    }

    /// Notes in the audit trail what somebody has changed.
    pub(crate) fn noted(&self, _who: &access::Identity, _what: &str, _detail: &str) {}
}

/// Serves until `stop` is done, then lets running requests end.
///
/// # Errors
/// Those of the socket.
pub async fn serve(
    listener: tokio::net::TcpListener,
    console: Console,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(console)).with_graceful_shutdown(stop).await
}

fn router(console: Console) -> Router {
    let (api, document) = api().split_for_parts();
    let document: Arc<str> = openapi::text(&document).into();
    api.route("/api/openapi.json", get(move || async move { openapi::answer(&document) }))
        .fallback(pages::serve)
        .layer(axum::middleware::from_fn(guard))
        .with_state(console)
}

/// All that is described: each module's routes.
fn api() -> OpenApiRouter<Console> {
    OpenApiRouter::with_openapi(openapi::head())
        .merge(state::routes())
        .merge(events::routes())
        .merge(notices::routes())
        .merge(tuning::routes())
}

/// Refuses foreign names, and sets the headers that every answer has.
async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_own_name(host) {
        let what = "ask for this address by number or as localhost";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, what).into_response();
    }
    let mut response = next.run(request).await;
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        // pages have their own
        response.headers_mut().entry(name).or_insert(axum::http::HeaderValue::from_static(value));
    }
    response
}

fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// An error answer: `{"error": "…"}`.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    error: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.error }))).into_response()
    }
}

#[cfg(test)]
mod tests;
