//! `/api/incidents`: groups of related events.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::Timestamp;
use serde::Serialize;
use store::IncidentQuery;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::events::{Asked, Parameters, asked, at_least_one};
use crate::openapi::Failure;
use crate::{Console, Problem};

/// Default number of incidents per page.
const LIMIT: usize = 50;
/// Rules listed per incident.
const RULES: usize = 10;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Some incidents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Incidents {
    /// The one with the newest event first.
    pub incidents: Vec<Incident>,
    /// For `before` of the next page; null at the end.
    pub next: Option<String>,
}

/// Events that belong together: those of one actor without a pause of 30 minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Incident {
    /// Identifier. It stays the same while events are added.
    pub id: String,
    /// Property of the actor: `client`, `user`, `device`, `certificate` or `subject`.
    pub property: String,
    /// The actor: an address, an IPv6 /64 (`2001:db8::/64`), or a name.
    pub actor: String,
    /// The target of all events: `shop/basket` (subject and first segment of the path), `shop`, or `many`.
    pub target: String,
    /// The categories, those of most events first: `attack-xss`, `scanner`, `login.denied`.
    pub categories: Vec<CategoryEvents>,
    /// Time of the first event.
    pub first: Timestamp,
    /// Time of the last event.
    pub last: Timestamp,
    /// Number of events.
    pub events: u64,
    /// Number of events that went no further: blocked, refused or denied.
    pub stopped: u64,
    /// The highest anomaly score.
    pub highest_score: i64,
    /// The rules that matched in most events.
    pub rules: Vec<RuleEvents>,
    /// Number of events in each of up to 32 equal intervals.
    pub course: Vec<u64>,
    /// Start of the first interval.
    pub course_start: Timestamp,
    /// Length of an interval in seconds.
    pub course_step: u64,
    /// The filter that lists the events, as a query string.
    pub filter: String,
}

/// A category and the number of its events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryEvents {
    /// Category.
    pub category: String,
    /// Events.
    pub count: u64,
}

/// A rule and the number of events in which it matched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleEvents {
    /// Its id.
    pub id: u64,
    /// Events.
    pub count: u64,
}

/// Events grouped by actor
#[utoipa::path(
    get,
    path = "/api/incidents",
    operation_id = "incidents",
    tag = "events",
    params(
        ("since" = Option<Timestamp>, Query, description = "Incidents whose last event is at this time or later"),
        ("until" = Option<Timestamp>, Query, description = "Incidents whose last event is before this time"),
        ("before" = Option<String>, Query, description = "`next` of the previous page"),
        ("limit" = Option<u16>, Query, description = "Number of incidents; 50 by default, at most 500")
    ),
    responses((status = 200, body = Incidents), (status = 400, body = Failure, description = "A parameter is wrong"))
)]
async fn list(
    _: Viewer,
    State(console): State<Console>,
    parameters: Asked<Parameters>,
) -> Result<Json<Incidents>, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let query = read(parameters).map_err(bad)?;
    let page = asked(move || console.events.incidents(&query)).await?;
    Ok(Json(Incidents {
        incidents: page.incidents.into_iter().map(incident).collect(),
        next: page.next.map(|(last, id)| format!("{}-{id}", last.as_micros())),
    }))
}

fn read(parameters: Parameters) -> Result<IncidentQuery, String> {
    let mut query = IncidentQuery { limit: LIMIT, ..IncidentQuery::default() };
    for (name, value) in parameters {
        match name.as_str() {
            "since" => query.since = Some(value.parse().map_err(|error| format!("since: {error}"))?),
            "until" => query.until = Some(value.parse().map_err(|error| format!("until: {error}"))?),
            "limit" => query.limit = at_least_one(&value).map_err(|error| format!("limit: {error}"))?,
            "before" => {
                let parts = value.split_once('-').and_then(|(last, id)| {
                    Some((Timestamp::from_micros(last.parse().ok()?), id.parse().ok()?))
                });
                query.before = Some(parts.ok_or("before: not the `next` of a page")?);
            }
            _ => {
                return Err(format!(
                    "unknown parameter `{}`; known: since, until, before, limit",
                    name.chars().take(64).collect::<String>()
                ));
            }
        }
    }
    Ok(query)
}

fn incident(incident: store::Incident) -> Incident {
    let target = match (&incident.subject, &incident.path) {
        (Some(subject), Some(path)) => format!("{subject}{path}"),
        (Some(subject), None) => subject.clone(),
        (None, _) => "many".to_owned(),
    };
    Incident {
        id: incident.id.to_string(),
        target,
        categories: store::overview::largest(incident.categories.clone(), usize::MAX)
            .into_iter()
            .map(|(category, count)| CategoryEvents { category, count })
            .collect(),
        first: incident.first,
        last: incident.last,
        events: incident.events,
        stopped: incident.stopped,
        highest_score: incident.highest_score,
        rules: incident.top_rules(RULES).into_iter().map(|(id, count)| RuleEvents { id, count }).collect(),
        course: incident.course.counts().to_vec(),
        course_start: incident.course.start(),
        course_step: incident.course.step_seconds(),
        filter: filter(&incident),
        property: incident.actor.property,
        actor: incident.actor.value,
    }
}

/// Returns the filter of an incident's events. It has no categories if the incident has more than it counts.
fn filter(incident: &store::Incident) -> String {
    let after = Timestamp::from_micros(incident.last.as_micros() + 1);
    let mut filter = String::new();
    let mut add = |property: &str, value: &str| {
        let separator = if filter.is_empty() { "" } else { "&" };
        filter += &format!("{separator}{property}=");
        // a value that begins with `!` would be inverted
        filter += if value.starts_with('!') { "%5C" } else { "" };
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'/' => {
                    filter.push(char::from(byte));
                }
                other => filter += &format!("%{other:02X}"),
            }
        }
    };
    add(&incident.actor.property, &incident.actor.value);
    add("since", &incident.first.to_string());
    add("until", &after.to_string());
    if incident.categories.len() < store::limits::INCIDENT_CATEGORIES {
        incident.categories.keys().for_each(|category| add("category", category));
    }
    filter
}

#[cfg(test)]
mod tests {
    use event::{Actor, Event, EventId, MatchedRule, Outcome, RequestEvidence};

    use super::*;

    #[test]
    fn the_filter_of_an_incident_takes_its_events() {
        let time: Timestamp = "2026-11-24T12:00:00.000001Z".parse().unwrap();
        for (tag, kind, written) in [
            ("attack-xss", "attack-xss", "attack-xss"),
            ("attack-reputation-scanner", "scanner", "scanner"),
            ("attack-own&x", "attack-own&x", "attack-own%26x"),
            ("own", "other", "other"),
        ] {
            let rule = MatchedRule { id: 7, tags: vec![tag.to_owned()].into(), ..MatchedRule::default() };
            let evidence = RequestEvidence {
                line: "GET /a/b HTTP/1.1".into(),
                rules: vec![rule],
                ..RequestEvidence::default()
            };
            let event = Event {
                subject: Some("shop".to_owned()),
                actor: Some(Actor::at("2001:db8::1".parse().unwrap(), None)),
                ..Event::of_request(EventId::derived(time, "n", ""), time, "n", Outcome::Blocked, evidence)
            };
            let shown = incident(store::Incident::of(&event).unwrap());
            assert_eq!((shown.categories[0].category.as_str(), shown.target.as_str()), (kind, "shop/a"));
            assert_eq!((shown.course, shown.rules.len()), (vec![1], 1));
            let span = "since=2026-11-24T12:00:00.000001Z&until=2026-11-24T12:00:00.000002Z";
            assert_eq!(shown.filter, format!("client=2001:db8::/64&{span}&category={written}"));
            let uri = format!("/?{}", shown.filter).parse().unwrap();
            let Query(parameters) = Query::<Parameters>::try_from_uri(&uri).unwrap();
            assert!(
                crate::events::query(&event::Properties::default(), parameters)
                    .unwrap()
                    .filter
                    .matches(&event),
                "{}",
                shown.filter
            );
        }
    }

    #[test]
    fn the_filter_of_a_name_keeps_every_character() {
        let time: Timestamp = "2026-11-24T12:00:00.000001Z".parse().unwrap();
        for user in ["alice", "!bob", "a&b=c d+é%41"] {
            let kind = event::Kind::new("login.denied").unwrap();
            let id = EventId::derived(time, "n", user);
            let event = Event {
                actor: Some(Actor { user: Some(user.to_owned()), ..Actor::default() }),
                ..Event::new(id, time, "n", event::Gate::new("login").unwrap(), kind, Outcome::Denied)
            };
            let shown = incident(store::Incident::of(&event).unwrap());
            assert_eq!((shown.property.as_str(), shown.actor.as_str()), ("user", user));
            let uri = format!("/?{}", shown.filter).parse().unwrap();
            let Query(parameters) = Query::<Parameters>::try_from_uri(&uri).unwrap();
            let filter = crate::events::query(&event::Properties::default(), parameters).unwrap().filter;
            assert!(filter.matches(&event), "{}", shown.filter);
        }
    }

    #[test]
    fn parameters() {
        let read = |name: &str, value: &str| read(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(read("before", "12-7").unwrap().before, Some((Timestamp::from_micros(12), 7)));
        assert_eq!(read("limit", "3").unwrap().limit, 3);
        for (name, value) in
            [("before", "12"), ("before", "a-b"), ("limit", "-1"), ("since", "x"), ("site", "a")]
        {
            let error = read(name, value).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}
