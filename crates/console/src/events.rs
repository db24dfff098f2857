//! `/api/events`: stored events.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::Properties;
use event::{Event, EventId, Timestamp};
use serde::Serialize;
use store::{Condition, ConditionError, Order, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::openapi::{Failure, Filter, Paging};
use crate::{Console, Problem};
use finding::{ProblemCode, Text, table};

table! {
    /// The error responses about events.
    pub(crate) PROBLEMS: ProblemCode {
        /// “{id}” is no event id: an id has 26 letters and digits.
        pub(crate) BAD_ID = ProblemCode::new(
            "events.bad_id",
            400,
            "“{id}” is no event id: an id has 26 letters and digits.",
            "「{id}」はイベント ID ではありません（26 文字の英数字です）。",
        ).examples(&[("id", Text::same("x"))]);
        /// Event {id} does not exist.
        pub(crate) NO_SUCH_EVENT = ProblemCode::new(
            "events.no_such_event",
            404,
            "Event {id} does not exist.",
            "イベント {id} は存在しません。",
        );
    }
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// The parameters of a list, in any order:
///
/// - properties ([`Properties`]) with values as [`Condition::parse`] reads them: `subject=shop`, `outcome=!passed`. An event must
///   pass any of several values of one property, and each inverted value and each text
/// - `before`: only events that come after the one of this id in the order, `next` of the previous page
/// - `order`: `newest` or `oldest` first; `newest` by default
/// - `limit`: the largest number of events, 50 by default and 1,000 at most
pub type Parameters = Vec<(String, String)>;

/// Parameters, or the error of their extractor.
pub(crate) type Asked<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

/// The answer to a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Events {
    /// Events in the order asked for, without bodies and with long texts and lists cut; `GET /api/events/{id}` returns all of one. Large
    /// events make a page shorter than `limit`; then `next` is set.
    pub events: Vec<Event>,
    /// Value for `before` of the next page; null at the end.
    pub next: Option<EventId>,
    /// Time up to which all events were searched in the order of the list, if the search stopped before the page was full; the next page continues
    /// there. Null otherwise.
    pub searched_to: Option<Timestamp>,
}

/// Parses the limit of a list, which must be at least one.
pub(crate) fn at_least_one(value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(0) => Err("0 would show nothing; ask for 1 or more".to_owned()),
        number => number.map_err(|error: std::num::ParseIntError| error.to_string()),
    }
}

/// Parses [`Parameters`].
///
/// # Errors
/// The first invalid parameter, with the reason.
pub fn query(properties: &Properties, parameters: Parameters) -> Result<store::Query, String> {
    let mut query = store::Query::newest(store::Filter::default(), 50);
    let mut conditions = Vec::new();
    for (name, value) in parameters {
        let wrong = |what: String| format!("{name}: {what}");
        match name.as_str() {
            "before" => {
                let id =
                    value.parse().map_err(|error: event::id::InvalidEventId| wrong(error.to_string()))?;
                query.before = Some(id);
            }
            "order" => {
                query.order = match value.as_str() {
                    "newest" => Order::NewestFirst,
                    "oldest" => Order::OldestFirst,
                    _ => return Err(wrong("not `newest` or `oldest`".to_owned())),
                };
            }
            "limit" => {
                query.limit = at_least_one(&value).map_err(wrong)?;
            }
            property => {
                let condition = Condition::parse(properties, property, &value);
                conditions.push(condition.map_err(|error| match error {
                    ConditionError::UnknownProperty { .. } => format!("{error}, before, order, limit"),
                    ConditionError::BadValue(what) => wrong(what),
                })?);
            }
        }
    }
    query.filter = conditions.into_iter().collect();
    Ok(query)
}

/// The first events that the filter takes
#[utoipa::path(
    get,
    path = "/api/events",
    operation_id = "events",
    tag = "events",
    params(Filter, Paging),
    responses((status = 200, body = Events), (status = 400, body = Failure, description = "A parameter is wrong"))
)]
pub(crate) async fn list(
    _: Viewer,
    State(console): State<Console>,
    parameters: Asked<Parameters>,
) -> Result<Json<Events>, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let query = query(&console.properties, parameters).map_err(bad)?;
    let mut page = asked(move || console.events.query(&query)).await?;
    page.events.iter_mut().for_each(Event::summarize);
    Ok(Json(Events { events: page.events, next: page.next, searched_to: page.searched_to }))
}

/// One event
#[utoipa::path(
    get,
    path = "/api/events/{id}",
    operation_id = "event",
    tag = "events",
    params(("id" = EventId, Path)),
    responses(
        (status = 200, body = Event),
        (status = 400, body = Failure, description = "The id is not an event id"),
        (status = 404, body = Failure, description = "No event has this id")
    )
)]
pub(crate) async fn show(
    _: Viewer,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Json<Event>, Problem> {
    let id: EventId = id.parse().map_err(|_| Problem::of(BAD_ID).value("id", id.as_str()))?;
    let event = asked(move || console.events.get(id)).await?;
    let none = || Problem::of(NO_SUCH_EVENT).value("id", id.to_string());
    event.map(Json).ok_or_else(none)
}

/// Runs a query of the store on a thread that may block.
pub(crate) async fn asked<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let unavailable = |what: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, what);
    match tokio::task::spawn_blocking(ask).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(error) => Err(unavailable(error.to_string())),
    }
}
