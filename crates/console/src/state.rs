//! `/healthz` and `/metrics`: how the daemon fares, for people and for what watches it.

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::credentials::is_local;
use crate::access::identity::identify;
use crate::{Console, Problem};

/// The state of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
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
    /// Events that the store's indices do not have yet; until they do, searches for texts and overviews take longer.
    pub unindexed: u64,
    /// Rules in force.
    pub rules: usize,
}

/// The state in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    #[default]
    Ok,
    /// The gate serves, but something is wrong.
    Degraded,
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(metrics))
}

/// How the daemon fares
///
/// Answers 200 while the process serves. What the problems are is told to this machine, and to whoever may read; others learn
/// that there are some.
#[utoipa::path(get, path = "/healthz", tag = "state", security(()), responses((status = 200, body = Health)))]
async fn healthz(State(console): State<Console>, parts: Parts) -> Json<Health> {
    let mut health = (console.health)();
    let told = health.problems.is_empty() || is_local(&parts) || identify(&parts, &console).await.is_ok();
    if !told {
        health.problems = vec![format!("{} problems; sign in to see them", health.problems.len())];
    }
    Json(health)
}

/// The metrics, in Prometheus' text format
///
/// To this machine without signing in.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "state",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
async fn metrics(State(console): State<Console>, parts: Parts) -> Result<Response, Problem> {
    if !is_local(&parts) {
        identify(&parts, &console).await?;
    }
    let text = (console.metrics)();
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response())
}
