//! `/api/count`: the number of events that match a filter.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::{EventId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::events::{Asked, Parameters, asked, query};
use crate::openapi::{Failure, Filter};
use crate::{Console, Problem};

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(count))
}

/// A count, or a part of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    /// Events that pass, of those that were looked at.
    pub count: u64,
    /// Whether that is all of them.
    pub complete: bool,
    /// Value for `before` of the next call; null if the count is complete.
    pub next: Option<EventId>,
    /// Time down to which all events are counted; null if the count is complete.
    pub searched_to: Option<Timestamp>,
}

/// Count the events that a filter takes
///
/// Counts for about 0.1 s, from the newest event or from `before` to older ones. If the count is incomplete, ask again with
/// `before` = `next` and add the counts.
#[utoipa::path(
    get,
    path = "/api/count",
    operation_id = "count",
    tag = "events",
    params(Filter, ("before" = Option<String>, Query, description = "`next` of the previous call")),
    responses((status = 200, body = Count), (status = 400, body = Failure, description = "A parameter is wrong"))
)]
async fn count(
    _: Viewer,
    State(console): State<Console>,
    parameters: Asked<Parameters>,
) -> Result<Json<Count>, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let query = query(&console.properties, parameters).map_err(bad)?;
    let counted = asked(move || console.events.count_some(&query.filter, query.before)).await?;
    Ok(Json(Count {
        count: counted.count,
        complete: counted.next.is_none(),
        next: counted.next,
        searched_to: counted.searched_to(),
    }))
}
