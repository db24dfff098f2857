//! `/api/replays`: running replays, and their results.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::EventId;
use serde::{Deserialize, Serialize};
use tuning::{Exclusion, Report};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exclusions::within_limit;
use super::{asked, not_found, refused, unavailable};
use crate::access::{Analyst, Role, Viewer};
use crate::{Console, Input, Problem};

/// Replays that may run at the same time. Each uses a core.
pub const RUNNING: usize = 2;
/// Replays whose results are kept.
pub const KEPT: usize = 20;
/// Default number of events of a replay.
pub const EVENTS: u64 = 10_000;
/// The most events of a replay.
pub const MAX_EVENTS: u64 = 1_000_000;
/// Events that are read from the store at a time.
const PAGE: usize = 200;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(show, cancel))
}

/// A replay to start.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewReplay)]
pub struct New {
    /// Exclusions that would be added; at most 200.
    pub add: Vec<Exclusion>,
    /// Exclusions that would be removed.
    pub remove: Vec<u64>,
    /// Rule files or patterns on the gate's machine that would replace all others; requires the role owner.
    pub rules: Vec<String>,
    /// The event in question, which is evaluated first, whatever the filter.
    pub event: Option<EventId>,
    /// The events to evaluate, as the query of /api/events; empty for all.
    pub filter: String,
    /// Most events, newest first; 10,000 by default.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit: Option<u64>,
}

/// The id of a replay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayStarted)]
pub struct Started {
    /// The id, for /api/replays/{id}.
    pub id: String,
}

/// The state of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReplayState)]
pub enum RunState {
    /// The replay is running.
    Running,
    /// The replay has finished.
    Done,
    /// The replay has failed; see `error`.
    Failed,
}

/// A replay and its results.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ReplayShown)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: RunState,
    /// Number of requests evaluated so far.
    pub done: u64,
    /// Number of all requests, if known.
    pub total: u64,
    /// The reason why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The results; empty until it has finished.
    #[serde(flatten)]
    pub report: Report,
}

/// The replays of a console.
#[derive(Clone, Default)]
pub struct Replays(Arc<Mutex<BTreeMap<u64, Arc<Run>>>>);

struct Run {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    /// None while it runs.
    outcome: Mutex<Option<Result<Report, String>>>,
}

impl Replays {
    /// Adds a replay; none if too many are running.
    fn open(&self) -> Option<(u64, Arc<Run>)> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.values().filter(|run| run.is_running()).count() >= RUNNING {
            return None;
        }
        let id = runs.last_key_value().map_or(1, |(id, _)| id + 1);
        while runs.len() >= KEPT {
            let oldest = runs.iter().find(|(_, run)| !run.is_running()).map(|(id, _)| *id);
            runs.remove(&oldest?);
        }
        let run = Arc::new(Run {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            outcome: Mutex::new(None),
        });
        runs.insert(id, Arc::clone(&run));
        Some((id, run))
    }

    fn find(&self, id: &str) -> Result<(u64, Arc<Run>), Problem> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = id.parse().ok().and_then(|id: u64| runs.get(&id).map(|run| (id, Arc::clone(run))));
        found.ok_or_else(|| not_found("the replay does not exist or was removed".to_owned()))
    }
}

impl Run {
    fn is_running(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Evaluates all events. A cancelled replay returns an error that says so.
    fn run(&self, console: &Console, new: &New, filter: store::Filter) -> Result<Report, Problem> {
        let mut replay = console.tuning.replay(&new.add, &new.remove, &new.rules)?;
        let limit = new.limit.unwrap_or(EVENTS);
        let passed = console.tuning.passed();
        let stored = console.events.count(&filter)?.min(limit);
        let about = match new.event {
            Some(id) => console.events.get(id)?,
            None => None,
        };
        self.total.store(stored + (passed.len() + about.iter().len()) as u64, Ordering::Relaxed);
        if let Some(event) = &about {
            self.step()?;
            replay.event(event);
        }
        let mut left = limit;
        let mut query = store::Query::newest(filter, PAGE);
        while left > 0 {
            query.limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
            let page = console.events.query(&query)?;
            for event in page.events.iter().filter(|event| Some(event.id) != new.event) {
                self.step()?;
                replay.event(event);
            }
            left -= (page.events.len() as u64).min(left);
            match page.next {
                Some(next) => query.before = Some(next),
                None => break,
            }
        }
        for event in &passed {
            self.step()?;
            replay.passed(event);
        }
        self.total.store(self.done.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(replay.finish())
    }

    fn step(&self) -> Result<(), Problem> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(refused("cancelled".to_owned()));
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Start a replay of stored events and of the sample of passed requests
#[utoipa::path(
    post,
    path = "/api/replays",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "start_replay",
    tag = "tuning",
    request_body = New,
    responses(
        (status = 202, body = Started),
        (status = 422, body = crate::openapi::Failure),
        (status = 503, body = crate::openapi::Failure, description = "Too many replays are running")
    )
)]
pub(crate) async fn start(
    who: Analyst,
    State(console): State<Console>,
    Input(new): Input<New>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    // an error in a file quotes its text, and that could be any file
    if !new.rules.is_empty() && who.role < Role::Owner {
        return Err(refused("other rule files require the role owner".to_owned()));
    }
    within_limit(new.add.len().max(new.remove.len()))?;
    if new.limit.is_some_and(|limit| !(1..=MAX_EVENTS).contains(&limit)) {
        return Err(refused(format!("limit takes 1 to {MAX_EVENTS}")));
    }
    let parameters = parameters(&new.filter)?;
    let filter = crate::events::query(&console.properties, parameters).map_err(refused)?.filter;
    let open = console.replays.open();
    let (id, run) =
        open.ok_or_else(|| unavailable("too many replays are running; wait until one finishes".to_owned()))?;
    tokio::task::spawn_blocking(move || {
        let found = std::panic::AssertUnwindSafe(|| run.run(&console, &new, filter));
        let outcome = match std::panic::catch_unwind(found) {
            Ok(outcome) => outcome.map_err(|problem| problem.error().to_owned()),
            Err(_) => Err("the replay failed unexpectedly; please report it".to_owned()),
        };
        *run.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    });
    Ok((StatusCode::ACCEPTED, Json(Started { id: id.to_string() })))
}

/// Parses a query string into the parameters of the list of events.
pub(crate) fn parameters(query: &str) -> Result<crate::events::Parameters, Problem> {
    let uri = format!("/?{}", query.trim_start_matches('?'));
    let uri: axum::http::Uri = uri.parse().map_err(|_| refused("filter: not a query".to_owned()))?;
    let query = axum::extract::Query::<crate::events::Parameters>::try_from_uri(&uri);
    let parameters = query.map_err(|rejection| refused(rejection.body_text()))?.0;
    Ok(parameters.into_iter().filter(|(name, _)| !matches!(name.as_str(), "before" | "limit")).collect())
}

/// Get the state of a replay, and its results
#[utoipa::path(
    get,
    path = "/api/replays/{id}",
    operation_id = "replay",
    tag = "tuning",
    params(("id" = String, Path, description = "The replay's id")),
    responses((status = 200, body = Shown), (status = 404, body = crate::openapi::Failure))
)]
pub(crate) async fn show(
    _: Viewer,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Json<Shown>, Problem> {
    asked(console, move |console| {
        let (id, run) = console.replays.find(&id)?;
        let outcome = run.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (state, error, report) = match outcome {
            None => (RunState::Running, None, Report::default()),
            Some(Ok(report)) => (RunState::Done, None, report),
            Some(Err(error)) => (RunState::Failed, Some(error), Report::default()),
        };
        let (done, total) = (run.done.load(Ordering::Relaxed), run.total.load(Ordering::Relaxed));
        Ok(Shown { id: id.to_string(), state, done, total, error, report })
    })
    .await
    .map(Json)
}

/// Cancel or delete a replay; its results are lost
#[utoipa::path(
    delete,
    path = "/api/replays/{id}",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "cancel_replay",
    tag = "tuning",
    params(("id" = String, Path, description = "The replay's id")),
    responses((status = 204), (status = 404, body = crate::openapi::Failure))
)]
pub(crate) async fn cancel(
    _: Analyst,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (_, run) = console.replays.find(&id)?;
    run.cancelled.store(true, Ordering::Relaxed);
    Ok(StatusCode::NO_CONTENT)
}
