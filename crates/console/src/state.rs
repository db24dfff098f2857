//! `/healthz` and `/metrics`: how the daemon fares, for people and for what watches it.

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::AuditAction;
use crate::access::credentials::is_local;
use crate::access::identity::{Owner, identify};
use crate::openapi::Failure;
use crate::{Console, Problem};

/// The state of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` while there are problems.
    pub status: Status,
    /// What is wrong.
    pub problems: Vec<HealthProblem>,
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

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthProblem {
    /// What it is, for people, in English; one line.
    pub error: String,
    /// What kind of problem it is.
    pub code: HealthCode,
    /// What `error` names, by name: `{"channel": "ops"}`. Texts and numbers; where there are any.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(required = false)]
    pub values: Map<String, Value>,
}

impl HealthProblem {
    /// A problem of this kind; the text is for people, in English.
    pub fn new(code: HealthCode, error: impl Into<String>) -> Self {
        Self { error: error.into(), code, values: Map::new() }
    }

    /// With something that the text names.
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

/// What kind of problem it is: one of these words. Words may be added: who does not know one shows `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthCode {
    /// There are `values.count` problems; who may see them has to sign in.
    SignIn,
    /// The journal waits in memory, because the disk takes nothing: `values.why`.
    JournalWaits,
    /// `values.count` events were lost.
    EventsLost,
    /// The store takes no events, and the journal keeps them: `values.why`.
    StoreWaits,
    /// The disk failed to keep events, and they were written again: `values.why`. Until it is acknowledged.
    DiskFails,
    /// The damaged file `values.file` was moved aside. Until it is acknowledged, or the file is gone.
    StoreMovedAside,
    /// A log of the gate, or its journal, cannot be written: `values.why`.
    LogUnwritten,
    /// Events that sensors send are not stored: `values.why`.
    EventsRefused,
    /// A watched file cannot be followed: `values.why`.
    WatchFails,
    /// Notices by the channel `values.channel` fail (`values.why`); `values.waiting` of them wait.
    ChannelFails,
    /// Notices cannot work as they should: `values.why`.
    NoticesFail,
    /// The audit trail of the console is not written: `values.why`.
    AuditUnwritten,
    /// The console's accounts cannot be used: `values.why`.
    AccountsUnusable,
    /// Something is wrong with the file of exclusions: `values.why`.
    ExclusionsFile,
    /// Clients refuse the certificate of `values.file`, or will within 14 days: `values.why`.
    CertificateDates,
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
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(metrics)).routes(routes!(acknowledge))
}

/// The problems that were acknowledged.
#[derive(Debug, Serialize, ToSchema)]
struct Acknowledged {
    /// The problems' texts.
    acknowledged: Vec<String>,
}

/// Acknowledge problems of /healthz that do not pass by themselves
///
/// Damaged files that were moved aside, a disk that failed to keep events, and events that were lost. They are no problems any
/// more until it happens again.
#[utoipa::path(
    post,
    path = "/api/problems/acknowledge",
    operation_id = "acknowledge_problems",
    tag = "state",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    responses(
        (status = 200, body = Acknowledged),
        (status = 503, body = Failure, description = "The disk does not take it"),
    )
)]
async fn acknowledge(who: Owner, State(console): State<Console>) -> Result<Json<Acknowledged>, Problem> {
    let acknowledge = std::sync::Arc::clone(&console.acknowledge);
    let unavailable = |why: String| Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, why);
    let done = tokio::task::spawn_blocking(move || acknowledge()).await;
    let acknowledged = done.map_err(|error| unavailable(error.to_string()))?.map_err(unavailable)?;
    if !acknowledged.is_empty() {
        console.audit(&who, AuditAction::ProblemsAcknowledged, acknowledged.join("; ")).await;
    }
    Ok(Json(Acknowledged { acknowledged }))
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
        let count = health.problems.len();
        let told = format!("{count} problems; sign in to see them");
        health.problems = vec![HealthProblem::new(HealthCode::SignIn, told).value("count", count)];
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
