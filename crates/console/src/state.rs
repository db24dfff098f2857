//! `/healthz` and `/metrics`: the state of the daemon, for people and for monitoring.

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Json, Response};
use event::Severity;
use finding::{Declaration, Finding, ShownFinding, Text, table};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::credentials::is_local;
use crate::access::identity::{Owner, identify};
use crate::openapi::Failure;
use crate::{Console, Problem};
use finding::AuditAction;

table! {
    /// The actions of findings.
    pub(crate) ACTIONS: AuditAction {
        /// Findings acknowledged.
        pub(crate) ACKNOWLEDGED = AuditAction::new("console.findings_acknowledged", "findings acknowledged", "問題を確認済みに変更");
    }
}

/// The state of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` if there are findings.
    pub status: Status,
    /// Findings, the worst first.
    #[schema(value_type = Vec<ShownFinding>)]
    pub findings: Vec<Finding>,
    /// Events that wait in memory because the disk accepts none.
    pub waiting: usize,
    /// Events lost since the start because neither disk nor memory had room.
    pub lost: u64,
    /// Events stored since the start.
    pub ingested: u64,
    /// Events that the retention has removed so far.
    pub removed: u64,
    /// Stored events that are not indexed yet. Until then, text searches and overviews take longer.
    pub unindexed: u64,
    /// Numbers of the running parts, by name: `{"gate": {"rules": 900}}`.
    pub parts: Map<String, Value>,
}

table! {
    /// The findings of the console.
    pub FINDINGS: Declaration {
        /// Strangers see the number of findings, but no details.
        HIDDEN = Declaration::new(
            "console.findings_hidden",
            Severity::Notice,
            Text::new("Sign in to see the findings", "詳細の確認にはサインインが必要"),
            Text::new("Number of findings: {count}.", "{count} 件の問題があります。"),
            Text::new("Sign in to the console.", "コンソールにサインインしてください。"),
        );
    }
}

/// The state in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything works.
    #[default]
    Ok,
    /// The gate serves, but has a problem.
    Degraded,
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(metrics)).routes(routes!(acknowledge))
}

/// The findings that were acknowledged.
#[derive(Debug, Serialize, ToSchema)]
struct Acknowledged {
    /// Acknowledged findings in English, one line each.
    acknowledged: Vec<String>,
}

/// Acknowledge findings of /healthz that do not resolve by themselves
///
/// These are damaged files that were moved aside, a disk that failed to store events, and lost events. /healthz no longer lists
/// them until they occur again.
#[utoipa::path(
    post,
    path = "/api/findings/acknowledge",
    operation_id = "acknowledge_findings",
    tag = "state",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    responses(
        (status = 200, body = Acknowledged),
        (status = 503, body = Failure, description = "monban cannot write to the data folder"),
    )
)]
async fn acknowledge(who: Owner, State(console): State<Console>) -> Result<Json<Acknowledged>, Problem> {
    let acknowledge = std::sync::Arc::clone(&console.acknowledge);
    let unavailable = |why: String| Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, why);
    let done = tokio::task::spawn_blocking(move || acknowledge()).await;
    let acknowledged = done.map_err(|error| unavailable(error.to_string()))?.map_err(unavailable)?;
    if !acknowledged.is_empty() {
        console.audit(&who, ACKNOWLEDGED, acknowledged.join("; ")).await;
    }
    Ok(Json(Acknowledged { acknowledged }))
}

/// Get the state of the daemon
///
/// Responds with 200 as long as the process serves. This machine and users who may read get the findings; others get their
/// number.
#[utoipa::path(get, path = "/healthz", tag = "state", security(()), responses((status = 200, body = Health)))]
async fn healthz(State(console): State<Console>, parts: Parts) -> Json<Health> {
    let mut health = (console.health)();
    let shown = health.findings.is_empty() || is_local(&parts) || identify(&parts, &console).await.is_ok();
    if !shown {
        health.findings = vec![HIDDEN.finding("monban").with("count", health.findings.len())];
    }
    Json(health)
}

/// Get the metrics, in Prometheus' text format
///
/// This machine gets them without signing in.
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
