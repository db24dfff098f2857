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
//! | `GET /api/events` | the newest events, see [`events::Parameters`] |
//! | `GET /api/events/{id}` | one event, 404 if there is none |
//! | `GET /events/{id}` | where links in notices lead: on to `/api/events/{id}` |
//! | `GET /api/notices` | how the channels of notices fare: `notify::Status` as JSON |
//!
//! What other sensors report comes in by [`receiver`], on a listener of its own.
//!
//! ```
//! use std::sync::Arc;
//! use console::{Console, Health};
//!
//! # let data_dir = tempfile::tempdir()?;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let console = Console {
//!     health: Arc::new(Health::default),
//!     metrics: Arc::new(String::new),
//!     events: Arc::new(store::EventReader::open(data_dir.path())?),
//!     notices: Arc::new(|| "{}".to_owned()),
//! };
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! console::serve(listener, console, async {}).await?; // until the last argument is done
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod events;
pub mod receiver;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Serialize;

/// What the console shows; the functions are asked for each request.
#[derive(Clone)]
pub struct Console {
    /// The state now.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// The metrics now, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The events.
    pub events: Arc<dyn store::EventQuery>,
    /// How the channels of notices fare, as a JSON object.
    pub notices: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The state of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `ok`, or `degraded` while there are problems.
    pub status: Status,
    /// What is wrong, one line each.
    pub problems: Vec<String>,
    /// Events that wait in memory because the disk takes none.
    pub waiting: usize,
    /// Events that were lost since the start, because neither disk nor memory took them.
    pub lost: u64,
    /// Events that came into the store since the start.
    pub ingested: u64,
    /// Events that retention ever removed.
    pub removed: u64,
    /// Rules in force.
    pub rules: usize,
}

/// The state in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    #[default]
    Ok,
    /// The gate serves, but something is wrong.
    Degraded,
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
    Router::new()
        .route("/healthz", get(async |State(console): State<Console>| Json((console.health)())))
        .route("/metrics", get(metrics))
        .route("/api/events", get(events::list))
        .route("/api/events/{id}", get(events::show))
        .route("/events/{id}", get(events::page))
        .route("/api/notices", get(notices))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(axum::middleware::from_fn(guard))
        .with_state(console)
}

async fn metrics(State(console): State<Console>) -> Response {
    let text = (console.metrics)();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}

async fn notices(State(console): State<Console>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], (console.notices)()).into_response()
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
        response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
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
pub(crate) struct Problem {
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
