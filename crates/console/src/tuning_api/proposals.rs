//! `/api/rules/{id}` and `/api/events/{id}/exclusions`

use axum::extract::{Path, State};
use axum::response::Json;
use event::{ByteString, EventId};
use serde::Serialize;
use tuning::{Exclusion, PathMatch, RuleText, Width};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exclusions::{self, Shown};
use super::{Refusal, asked, not_found, number};
use crate::access::Viewer;
use crate::{Console, Problem};

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(rule)).routes(routes!(proposals))
}

/// The proposals for an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExclusionProposals)]
pub struct Proposals {
    /// Version of the file of exclusions for which they were made.
    pub version: String,
    /// The proposals, narrowest first.
    pub proposals: Vec<Proposal>,
    /// The rule that blocked the request.
    pub blocking_rule: Option<u64>,
    /// The exclusions that together let the event pass, each as narrow as possible.
    pub narrowest: Vec<Exclusion>,
    /// The current exclusions that cover some of the proposals.
    pub in_force: Vec<Shown>,
}

/// A possible exclusion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExclusionProposal)]
pub struct Proposal {
    /// The rule.
    pub rule: u64,
    /// Its message.
    pub message: ByteString,
    /// The variable that it matched on.
    pub variable: ByteString,
    /// The scope of the exclusion.
    pub scope: Scope,
    /// The way to compare its path.
    pub path_match: PathMatch,
    /// Its rule text; empty if it is refused. The narrowest have the ids that they would get together.
    pub seclang: String,
    /// The extent of the exclusion.
    pub width: Width,
    /// The reason why it cannot be created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// The id of the current exclusion that already covers it.
    pub in_force: Option<u64>,
}

/// The requests, and the variable in them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExclusionScope)]
pub struct Scope {
    /// A site's name, or a host; null for all sites.
    pub site: Option<String>,
    /// The path; null for all paths.
    pub path: Option<ByteString>,
    /// The variable; null for the whole rule.
    pub parameter: Option<ByteString>,
}

/// Get a rule as written, with the comment above it
#[utoipa::path(
    get,
    path = "/api/rules/{id}",
    operation_id = "rule",
    tag = "tuning",
    params(("id" = u64, Path, description = "The rule's id")),
    responses((status = 200, body = RuleText), (status = 404, body = crate::openapi::Failure))
)]
pub(crate) async fn rule(
    _: Viewer,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Json<RuleText>, Problem> {
    let id = number(&id, "rule")?;
    asked(console, move |console| Ok(console.tuning.rule(id)?)).await.map(Json)
}

/// List the exclusions that would have let an event pass
#[utoipa::path(
    get,
    path = "/api/events/{id}/exclusions",
    operation_id = "event_exclusions",
    tag = "tuning",
    params(("id" = String, Path, description = "The event's id")),
    responses((status = 200, body = Proposals), (status = 404, body = crate::openapi::Failure))
)]
pub(crate) async fn proposals(
    _: Viewer,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Json<Proposals>, Problem> {
    let id: EventId = id.parse().map_err(|error: event::id::InvalidEventId| not_found(error.to_string()))?;
    asked(console, move |console| {
        let event = console.events.get(id)?;
        let event = event.ok_or_else(|| not_found(format!("event {id} does not exist")))?;
        // read before the proposals, so that a change in between makes the version out of date
        let (file, path) = console.tuning.exclusions()?;
        let found = console.tuning.proposals(&event)?;
        let is_in_force = |id: u64| found.proposals.iter().any(|proposal| proposal.in_force == Some(id));
        let in_force =
            exclusions::shown(&file, &path).into_iter().filter(|shown| is_in_force(shown.entry.id)).collect();
        let narrowest = found.narrowest();
        let proposals = found.proposals.into_iter().map(|proposal| {
            let Exclusion { rule, site, path, path_match, parameter } = proposal.exclusion;
            let (seclang, refused) = match proposal.text {
                Ok(text) => (text, None),
                Err(refused) => (String::new(), Some(Refusal::from(&refused))),
            };
            Proposal {
                rule,
                message: proposal.message,
                variable: proposal.variable,
                scope: Scope { site, path, parameter },
                path_match,
                seclang,
                width: proposal.width,
                refused,
                in_force: proposal.in_force,
            }
        });
        let (version, proposals) = (file.version(), proposals.collect());
        Ok(Proposals { version, proposals, blocking_rule: found.blocking_rule, narrowest, in_force })
    })
    .await
    .map(Json)
}
