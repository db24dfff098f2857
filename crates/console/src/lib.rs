//! The owner's interface over HTTP: the page, the JSON API, health and metrics.
//!
//! It does not serve the gate's clients. It listens on loopback by default, and serves only requests whose Host is a loopback
//! name, an IP address or its own name, which prevents DNS rebinding. [`access`] decides about permissions.
//!
//! | path | response |
//! |---|---|
//! | `GET /healthz` | [`Health`] as JSON, always 200 while the process serves; `status` is `ok` or `degraded` |
//! | `GET /metrics` | metrics in OpenMetrics' text format, for this machine and for users who may read |
//! | `POST /api/findings/acknowledge` | acknowledges findings that do not pass by themselves |
//! | `GET /api/parts` | the parts of the daemon; each may have further routes ([`Routes`]) |
//! | `GET /api/openapi.json` | the API's description, OpenAPI 3.1; the same as docs/reference/openapi.json |
//! | `GET /api/events` | the newest events, see [`events::Parameters`] |
//! | `GET /api/events/{id}` | one event, or 404 |
//! | `GET /api/properties` | the properties of events: the parameters of a filter |
//! | `GET /api/count` | the number of events that match a filter, or a part of it with the place to continue |
//! | `GET /api/overview` | counts by hour or day, and the most frequent values |
//! | `GET /api/incidents` | groups of related events |
//! | `GET /api/live` | events as they arrive ([`live`]) |
//! | `/api/filters` | saved filters ([`filters`]) |
//! | `/api/rules`, `/api/exclusions`, `/api/history`, `/api/replays`, `/api/learning` | see [`tuning_api`] |
//! | `/api/session`, `/api/setup`, `/api/account`, `/api/users`, `/api/audit` | [`access`] |
//! | `GET` of anything else | the page; links in notifications lead to its `/events/{id}` |
//!
//! [`receiver`] accepts the events of other sensors, on its own listener.
//!
//! ```
//! use std::sync::Arc;
//! use console::access::{Access, Url};
//! use console::{Console, Health, Sources};
//!
//! # let data_dir = tempfile::tempdir()?;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = Url::of_listener(listener.local_addr()?);
//! let (access, _) = Access::open(data_dir.path(), url, Arc::new(spine::clock::SystemClock::default()))?;
//! let events = store::EventReader::open(data_dir.path())?;
//! let sources = Sources { health: Arc::new(Health::default), ..Sources::new(Arc::new(access), Arc::new(events)) };
//! // until the last argument is done
//! console::serve(listener, None, Console::new(sources), console::Routes::default(), async {}).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod access;
mod count;
pub mod events;
pub mod export;
pub mod filters;
mod incidents;
pub mod live;
pub mod openapi;
mod overview;
mod pages;
mod parts;
mod problem;
mod properties;
pub mod receiver;
mod routes;
mod serve;
mod state;
pub mod tuning_api;
mod values;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use finding::{AuditAction, ProblemCode};
use utoipa_axum::router::OpenApiRouter;

pub use parts::PartInfo;
pub use problem::{Input, Problem};
pub use routes::{PartRoutes, RouteError, Routes};
pub use state::{Health, Status};

/// The tables of findings of this crate.
pub const FINDINGS: &[&[finding::Declaration]] = &[state::FINDINGS, access::FINDINGS];

/// The tables of error responses of this crate.
pub const PROBLEMS: &[&[ProblemCode]] = &[
    problem::PROBLEMS,
    pages::PROBLEMS,
    access::PROBLEMS,
    access::guard::PROBLEMS,
    access::identity::PROBLEMS,
    access::password::PROBLEMS,
    access::second_factor::PROBLEMS,
    access::passkeys::PROBLEMS,
    access::tokens::PROBLEMS,
    access::users::PROBLEMS,
    access::api::account::PROBLEMS,
    access::api::session::PROBLEMS,
    access::api::setup::PROBLEMS,
    events::PROBLEMS,
    export::PROBLEMS,
    live::PROBLEMS,
    filters::PROBLEMS,
    tuning_api::PROBLEMS,
];

/// The tables of audit actions of this crate.
pub const ACTIONS: &[&[AuditAction]] = &[
    access::audit::ACTIONS,
    access::links::ACTIONS,
    access::tokens::ACTIONS,
    access::api::account::ACTIONS,
    access::api::passkey::ACTIONS,
    access::api::session::ACTIONS,
    access::api::setup::ACTIONS,
    access::api::totp::ACTIONS,
    access::api::user::ACTIONS,
    state::ACTIONS,
    tuning_api::exclusions::ACTIONS,
    tuning_api::history::ACTIONS,
    tuning_api::learning::ACTIONS,
];

/// State that the handlers of requests share. A clone is the same console, and costs as much as one counter.
#[derive(Clone)]
pub struct Console(Arc<Sources>);

/// The data that the console shows. Each request calls the functions.
pub struct Sources {
    /// Returns the current state.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// Returns the current metrics, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Acknowledges the findings that do not resolve by themselves. Returns one line for each, or the reason why it cannot. May
    /// block.
    pub acknowledge: Arc<dyn Fn() -> Result<Vec<String>, String> + Send + Sync>,
    /// The tables of actions that the audit trail may contain.
    pub actions: Arc<[&'static [AuditAction]]>,
    /// The parts of the daemon.
    pub parts: Arc<[PartInfo]>,
    /// Accounts, sessions and tokens.
    pub access: Arc<access::Access>,
    /// The events.
    pub events: Arc<dyn store::EventQuery>,
    /// The properties of events.
    pub properties: Arc<event::Properties>,
    /// Exclusions, their history and learning.
    pub tuning: Arc<dyn tuning::Tuning>,
    /// The running replays.
    pub replays: tuning_api::replays::Replays,
    /// The room for exports.
    pub exports: export::Exports,
    /// The filters that users have saved.
    pub filters: Arc<filters::Saved>,
    /// The countries of addresses.
    pub geoip: Arc<spine::geoip::GeoipFiles>,
    /// The open live views.
    pub live: live::Live,
}

impl Sources {
    /// Returns the sources of a console of these events. The other fields have values without a daemon; set them with `Sources {
    /// health, ..Sources::new(access, events) }`.
    pub fn new(access: Arc<access::Access>, events: Arc<dyn store::EventQuery>) -> Self {
        Self {
            access,
            health: Arc::new(Health::default),
            actions: ACTIONS.into(),
            parts: Arc::default(),
            metrics: Arc::new(String::new),
            acknowledge: Arc::new(|| Ok(Vec::new())),
            events,
            properties: Arc::default(),
            tuning: Arc::new(tuning::NoGate),
            replays: tuning_api::replays::Replays::default(),
            exports: export::Exports::default(),
            filters: Arc::default(),
            geoip: Arc::default(),
            live: live::Live::default(),
        }
    }
}

impl Console {
    /// Makes a console of these sources.
    pub fn new(sources: Sources) -> Self {
        Self(Arc::new(sources))
    }
}

impl std::ops::Deref for Console {
    type Target = Sources;

    fn deref(&self) -> &Sources {
        &self.0
    }
}

/// Serves the routes, over TLS if there are settings for it, until `stop` completes, then waits for running requests.
///
/// # Errors
/// The socket fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
    console: Console,
    routes: Routes,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let live = console.live.clone();
    let stop = async move {
        stop.await;
        live.stop();
    };
    let access = Arc::clone(&console.access);
    let is_shared = move |peer| access.is_proxy(peer);
    serve::serve(listener, tls, router(console, routes), is_shared, stop).await
}

fn router(console: Console, routes: Routes) -> Router {
    let document = Arc::new(openapi::Packed::new(&routes.document(&console.properties)));
    let api = routes.router(&console);
    api.route("/api/openapi.json", get(move || async move { document.answer() }))
        .fallback(pages::serve)
        .layer(axum::middleware::from_fn(serve::whole_body))
        .layer(axum::middleware::from_fn_with_state(console.clone(), access::guard::guard))
        .layer(axum::middleware::from_fn(problem::in_language))
        .with_state(console)
}

/// Returns the console's own routes.
fn api() -> OpenApiRouter<Console> {
    OpenApiRouter::with_openapi(openapi::head())
        .merge(state::routes())
        .merge(parts::routes())
        .merge(access::api::routes())
        .merge(events::routes())
        .merge(count::routes())
        .merge(export::routes())
        .merge(properties::routes())
        .merge(values::routes())
        .merge(overview::routes())
        .merge(incidents::routes())
        .merge(live::routes())
        .merge(filters::routes())
        .merge(tuning_api::routes())
}

#[cfg(test)]
mod tests;
