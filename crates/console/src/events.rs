//! `/api/events`

use std::net::IpAddr;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::{Action, Event, EventId, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use store::{Filter, StoreError, Test};

use crate::{Console, Problem};

/// Which events: every parameter that is given must fit.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// At this time (RFC 3339) or later.
    pub since: Option<String>,
    /// Before this time.
    pub until: Option<String>,
    /// Of this site.
    pub site: Option<String>,
    /// By a client of this address or network.
    pub client: Option<String>,
    /// This rule matched.
    pub rule: Option<u64>,
    /// `blocked`, `detected`, `passed`, `refused` or `failed`.
    pub action: Option<String>,
    /// Holds this text.
    pub text: Option<String>,
    /// Older than the event of this id: `next` of the page before.
    pub before: Option<String>,
    /// How many; default 50, at most 1,000.
    pub limit: Option<usize>,
}

/// The answer to a list.
#[derive(Debug, Serialize)]
pub struct Events {
    /// Newest first.
    pub events: Vec<Event>,
    /// For `before` of the next page; null at the end.
    pub next: Option<EventId>,
}

impl Parameters {
    fn query(self) -> Result<store::Query, String> {
        fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
            name: &str,
            text: Option<String>,
        ) -> Result<Option<T>, String> {
            text.map(|text| text.parse().map_err(|error| format!("{name}: {error}"))).transpose()
        }
        let client = match self.client {
            Some(text) => match text.parse::<IpAddr>() {
                Ok(address) => Some(IpNet::from(address)),
                Err(_) => parsed("client", Some(text))?,
            },
            None => None,
        };
        let tests = [
            parsed::<Timestamp>("since", self.since)?.map(Test::Since),
            parsed::<Timestamp>("until", self.until)?.map(Test::Before),
            self.site.map(|site| Test::Site(vec![site])),
            client.map(|network| Test::Client(vec![network])),
            self.rule.map(|rule| Test::Rule(vec![rule])),
            parsed::<Action>("action", self.action)?.map(|action| Test::Action(vec![action])),
            self.text.map(Test::Text),
        ];
        let filter = tests.into_iter().flatten().fold(Filter::default(), Filter::with);
        let before = parsed("before", self.before)?;
        Ok(store::Query { filter, before, limit: self.limit.unwrap_or(50) })
    }
}

pub(crate) async fn list(
    State(console): State<Console>,
    parameters: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Events>, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let query = parameters.query().map_err(bad)?;
    let page = asked(move || console.events.query(&query)).await?;
    Ok(Json(Events { events: page.events, next: page.next }))
}

pub(crate) async fn show(
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Json<Event>, Problem> {
    let id: EventId = id.parse().map_err(|error: event::id::InvalidEventId| {
        Problem::new(StatusCode::BAD_REQUEST, error.to_string())
    })?;
    let event = asked(move || console.events.get(id)).await?;
    event.map(Json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no event {id}")))
}

/// Asks the store on a thread that may block.
async fn asked<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let unavailable = |what: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, what);
    match tokio::task::spawn_blocking(ask).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(error) => Err(unavailable(error.to_string())),
    }
}
