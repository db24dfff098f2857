//! `/api/overview`: counts over time.

use std::time::SystemTime;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::{Properties, Timestamp};
use serde::Serialize;
use store::{OverviewQuery, Step, Test};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::events::{Asked, Parameters, asked, query};
use crate::openapi::{Failure, Filter};
use crate::{Console, Problem};

/// Entries in each list of the most frequent rules, clients, paths, sites and countries.
const TOP: usize = 10;
/// Additional rules in the query, because rules that only add up scores are left out: they match whenever another rule
/// does.
const SUMS: usize = 16;
/// Clients whose countries are counted.
const CLIENTS: usize = 1000;
/// The largest offset of a zone, in minutes.
const MOST_OFFSET: i64 = 24 * 60 - 1;
/// Microseconds per day.
const DAY: i64 = 86_400_000_000;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// Counts over a span of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// A bucket for each step, the oldest first, without gaps.
    pub series: Vec<Bucket>,
    /// Totals of the span.
    pub totals: Totals,
    /// The most frequent values, in descending order.
    pub top: Top,
    /// Whether all events are counted.
    pub complete: bool,
    /// Time down to which events are counted, if not all are.
    pub counted_to: Option<Timestamp>,
}

/// A minute, an hour or a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Bucket {
    /// Start.
    pub time: Timestamp,
    /// Requests, including those without an event; null if unknown.
    pub requests: Option<u64>,
    /// Events.
    pub events: u64,
    /// Events with the outcome `blocked`.
    pub blocked: u64,
    /// Events with the outcome `detected`.
    pub detected: u64,
    /// Events with the outcome `blocked` or `detected` whose answer had a status below 400.
    pub attacks_answered_below_400: u64,
}

/// Totals of the span.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// Requests of the hours or days for which they are known; null if they are known for none.
    pub requests: Option<u64>,
    /// Events.
    pub events: u64,
    /// Events with the outcome `blocked`.
    pub blocked: u64,
    /// Events with the outcome `detected`.
    pub detected: u64,
    /// Events with the outcome `blocked` or `detected` whose answer had a status below 400.
    pub attacks_answered_below_400: u64,
}

/// The most frequent values.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Top {
    /// The rules that matched in most events; without those that add up scores, block by them or report them.
    pub rules: Vec<RuleCount>,
    /// The clients of most events.
    pub clients: Vec<NameCount>,
    /// The paths of most events.
    pub paths: Vec<NameCount>,
    /// The sites or other subjects of most events.
    pub sites: Vec<NameCount>,
    /// The kinds of most events.
    pub kinds: Vec<KindCount>,
    /// The facts of most events other than requests: name and value, with `=` between.
    pub facts: Vec<NameCount>,
    /// The countries of most events, by the thousand clients of most events; null where `geoip` names no readable database.
    pub countries: Option<Vec<CountryCount>>,
}

/// A rule and the number of events in which it matched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleCount {
    /// Its id.
    pub id: u64,
    /// One of its messages.
    pub message: String,
    /// Events.
    pub count: u64,
}

/// A name and its events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NameCount {
    /// Name.
    pub name: String,
    /// Events.
    pub count: u64,
}

/// A gate and a kind, and their events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindCount {
    /// Gate.
    pub gate: String,
    /// Kind, such as `request.blocked`.
    pub kind: String,
    /// Events.
    pub count: u64,
}

/// A country and its events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountryCount {
    /// ISO 3166-1, two letters.
    pub code: String,
    /// Events.
    pub count: u64,
}

/// Counts by hour or by day, and the most frequent values
///
/// The span is widened to whole minutes, hours or days (of UTC, or of the zone of `offset`). For filters of gates and subjects
/// alone, the counts by hour and by day are complete. With other filters, and by minute, the API counts the newest events for
/// about 0.1 s; if more remain, `complete` is false. It does not count requests by minute.
#[utoipa::path(
    get,
    path = "/api/overview",
    operation_id = "overview",
    tag = "events",
    params(
        Filter,
        ("step" = Option<String>, Query, description = "`minute`, `hour` or `day`; by default `day` for more than four days, else `hour`"),
        ("offset" = Option<i16>, Query, description = "Minutes that the zone of days is east of UTC, rounded down to hours; 0 by default")
    ),
    responses((status = 200, body = Overview), (status = 400, body = Failure, description = "A parameter is wrong"))
)]
async fn overview(
    _: Viewer,
    State(console): State<Console>,
    parameters: Asked<Parameters>,
) -> Result<Json<Overview>, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let mut query = read(&console.properties, parameters, Timestamp::from(SystemTime::now())).map_err(bad)?;
    asked(move || {
        let geoip = console.geoip.databases();
        if !geoip.is_empty() {
            query.top = CLIENTS;
        }
        let counts = console.events.overview(&query)?;
        let countries = (!geoip.is_empty()).then(|| {
            let countries = geoip.countries(counts.clients.iter().map(|(client, count)| (*client, *count)));
            countries.into_iter().take(TOP).map(|(code, count)| CountryCount { code, count }).collect()
        });
        Ok(Json(answer(counts, countries)))
    })
    .await
}

/// Parses `since`, `until`, `step` and `offset`; the other parameters are the filter.
fn read(properties: &Properties, parameters: Parameters, now: Timestamp) -> Result<OverviewQuery, String> {
    let (steps, others): (Parameters, Parameters) =
        parameters.into_iter().partition(|(name, _)| name == "step");
    let (offsets, filter): (Parameters, Parameters) =
        others.into_iter().partition(|(name, _)| name == "offset");
    let minutes = offsets.last().map_or(Ok(0), |(_, minutes)| minutes.parse::<i64>());
    let offset = minutes.ok().filter(|minutes| (-MOST_OFFSET..=MOST_OFFSET).contains(minutes));
    let offset = offset.ok_or("offset: not a number of minutes from -1439 to 1439")?.div_euclid(60);
    let mut filter = query(properties, filter)?.filter;
    let (mut since, mut until) = (None, None);
    filter.conditions.retain(|condition| {
        match &condition.test {
            Test::Since(time) if !condition.inverted => since = since.max(Some(*time)),
            Test::Until(time) if !condition.inverted => until = Some(until.map_or(*time, |t| (*time).min(t))),
            _ => return true,
        }
        false
    });
    let until = until.unwrap_or(now);
    let since = since.unwrap_or_else(|| Timestamp::from_micros(until.as_micros() - DAY));
    let step = match steps.last().map(|(_, step)| step.as_str()) {
        None if until.as_micros() - since.as_micros() > 4 * DAY => Step::Day,
        None | Some("hour") => Step::Hour,
        Some("day") => Step::Day,
        Some("minute") => Step::Minute,
        Some(_) => return Err("step: not `minute`, `hour` or `day`".to_owned()),
    };
    let query = OverviewQuery { filter, since, until, step, offset, top: TOP + SUMS };
    let most = store::limits::MAX_BUCKETS;
    if query.buckets() > most.unsigned_abs() {
        return Err(format!(
            "step: more than {most} steps between `since` and `until`; choose a longer step"
        ));
    }
    Ok(query)
}

fn answer(counts: store::Overview, countries: Option<Vec<CountryCount>>) -> Overview {
    let bucket = |bucket: store::overview::Bucket| {
        let store::overview::Bucket { time, requests, events, blocked, detected, attacks_answered_below_400 } =
            bucket;
        Bucket { time, requests, events, blocked, detected, attacks_answered_below_400 }
    };
    let rule = |rule: store::overview::RuleCount| {
        let store::overview::RuleCount { id, message, count } = rule;
        RuleCount { id, message, count }
    };
    let named = |(name, count): (String, u64)| NameCount { name, count };
    let store::overview::Totals { requests, events, blocked, detected, attacks_answered_below_400 } =
        counts.totals;
    Overview {
        series: counts.series.into_iter().map(bucket).collect(),
        totals: Totals { requests, events, blocked, detected, attacks_answered_below_400 },
        top: Top {
            rules: counts
                .rules
                .into_iter()
                .filter(|rule| tuning::exclusion::is_blocking(rule.id).is_none())
                .take(TOP)
                .map(rule)
                .collect(),
            clients: counts
                .clients
                .into_iter()
                .take(TOP)
                .map(|(client, count)| named((client.to_string(), count)))
                .collect(),
            paths: counts.paths.into_iter().take(TOP).map(named).collect(),
            sites: counts.sites.into_iter().take(TOP).map(named).collect(),
            kinds: counts
                .kinds
                .into_iter()
                .take(TOP)
                .map(|((gate, kind), count)| KindCount { gate, kind, count })
                .collect(),
            facts: counts.facts.into_iter().take(TOP).map(named).collect(),
            countries,
        },
        complete: counts.counted_to.is_none(),
        counted_to: counts.counted_to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_steps() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (parameters, expected) in [
            (&[][..], Ok("2026-11-23T12:00:00.000000Z 2026-11-24T12:00:00.000000Z Hour 0")),
            (
                &[("until", "2026-11-02T00:00:00Z")],
                Ok("2026-11-01T00:00:00.000000Z 2026-11-02T00:00:00.000000Z Hour 0"),
            ),
            (
                &[("since", "2026-11-01T00:00:00Z"), ("subject", "a")],
                Ok("2026-11-01T00:00:00.000000Z 2026-11-24T12:00:00.000000Z Day 1"),
            ),
            (
                &[("since", "2026-11-01T00:00:00Z"), ("since", "2026-11-03T00:00:00Z"), ("step", "hour")],
                Ok("2026-11-03T00:00:00.000000Z 2026-11-24T12:00:00.000000Z Hour 0"),
            ),
            (
                &[("since", "!2026-11-24T00:00:00Z"), ("step", "day")],
                Ok("2026-11-23T12:00:00.000000Z 2026-11-24T12:00:00.000000Z Day 1"),
            ),
            (
                &[("until", "2026-11-24T12:00:00Z"), ("step", "day"), ("offset", "-210")],
                Ok("2026-11-23T12:00:00.000000Z 2026-11-24T12:00:00.000000Z Day 0 -4"),
            ),
            (&[("offset", "1440")], Err("offset: not a number of minutes from -1439 to 1439")),
            (&[("offset", "x")], Err("offset: not a number of minutes")),
            (&[("step", "week")], Err("step: not `minute`, `hour` or `day`")),
            (
                &[("since", "2020-11-24T00:00:00Z"), ("step", "hour")],
                Err("step: more than 2400 steps between `since` and `until`; choose a longer step"),
            ),
            (&[("colour", "red")], Err("unknown property `colour`")),
        ] {
            let parameters: Parameters =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let found = read(&Properties::default(), parameters.clone(), now).map(|query| {
                let OverviewQuery { filter, since, until, step, offset, .. } = query;
                let offset = if offset == 0 { String::new() } else { format!(" {offset}") };
                format!("{since} {until} {step:?} {}{offset}", filter.conditions.len())
            });
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{parameters:?}"),
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{found}"),
                (found, expected) => panic!("{parameters:?}: {found:?} {expected:?}"),
            }
        }
    }
}
