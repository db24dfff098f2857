//! `/api/properties/{name}/values`: values of a property, for completion.

use std::cmp::Reverse;
use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::property::{Field, Source, Values};
use event::{Event, Evidence, FactValue, Properties, Property};
use serde::{Deserialize, Serialize};
use store::{Condition, Filter, Test};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::events::{Asked, asked};
use crate::openapi::Failure;
use crate::{Console, Problem};

/// Events whose values are collected: the newest ones that may have a value with this beginning.
const EVENTS: usize = 500;
/// Values of an answer.
const MAX_VALUES: usize = 20;
/// Bytes of a value; longer ones are left out, because nobody completes them.
const MAX_BYTES: usize = 200;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The beginning of a value.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Beginning {
    /// Beginning of the value; of a rule, also a text in its message.
    prefix: String,
}

/// Values of a property.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PropertyValues {
    /// Those of most events first.
    pub values: Vec<PropertyValue>,
}

/// A value of a property.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PropertyValue {
    /// The value.
    pub value: String,
    /// The message of a rule; null for other properties.
    pub message: Option<String>,
    /// The events that have it, of the newest 500 that were looked at.
    pub events: u64,
}

/// List the values that events have for a property
///
/// Searches the newest 500 events that may have a value with this prefix, and returns at most 20 values.
#[utoipa::path(
    get,
    path = "/api/properties/{name}/values",
    operation_id = "propertyValues",
    tag = "events",
    params(("name" = String, Path, description = "The name of a property in `/api/properties`"), Beginning),
    responses(
        (status = 200, body = PropertyValues),
        (status = 400, body = Failure, description = "A parameter is wrong"),
        (status = 404, body = Failure, description = "The property does not exist")
    )
)]
async fn list(
    _: Viewer,
    State(console): State<Console>,
    Path(name): Path<String>,
    beginning: Asked<Beginning>,
) -> Result<Json<PropertyValues>, Problem> {
    let Query(Beginning { prefix }) =
        beginning.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let Some(property) = console.properties.get(&name) else {
        let known = console.properties.names();
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("unknown property; known: {known}")));
    };
    let filter = narrowed(&console.properties, property, &prefix);
    asked(move || {
        let page = console.events.query(&store::Query::newest(filter, EVENTS))?;
        Ok(Json(PropertyValues { values: collect(&page.events, property, &prefix) }))
    })
    .await
}

/// Returns a filter that every event with a value of this beginning passes.
fn narrowed(properties: &Properties, property: &Property, prefix: &str) -> Filter {
    let conditions = match prefix {
        "" => None,
        // the message of a rule
        text if property.name == "rule" && !is_number(text) => {
            Some(Condition { test: Test::Text(text.to_owned()), inverted: false })
        }
        // of a number, not even the next digit is known, and a network is no text
        text if matches!(property.values, Values::Text | Values::Lowercase) => {
            Condition::parse(properties, property.name, &escaped(text)).ok()
        }
        _ => None,
    };
    conditions.into_iter().collect()
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the pattern of texts with this beginning.
fn escaped(prefix: &str) -> String {
    let sign = if prefix.starts_with('!') { "\\" } else { "" };
    format!("{sign}{prefix}*")
}

/// Returns the values with this beginning, those of most events first.
fn collect(events: &[Event], property: &Property, prefix: &str) -> Vec<PropertyValue> {
    let prefix = prefix.to_lowercase();
    let mut found: HashMap<String, PropertyValue> = HashMap::new();
    for event in events {
        for value in of(event, property).into_iter().filter(|value| value.len() <= MAX_BYTES) {
            let message = (property.name == "rule").then(|| message(event, &value)).flatten();
            let holds = |text: &String| !is_number(&prefix) && text.to_lowercase().contains(&prefix);
            if value.to_lowercase().starts_with(&prefix) || message.as_ref().is_some_and(holds) {
                let new = || PropertyValue { value: value.clone(), message, events: 0 };
                found.entry(value.clone()).or_insert_with(new).events += 1;
            }
        }
    }
    let mut values: Vec<PropertyValue> = found.into_values().collect();
    values.sort_unstable_by(|a, b| (Reverse(a.events), &a.value).cmp(&(Reverse(b.events), &b.value)));
    values.truncate(MAX_VALUES);
    values
}

/// Returns the values that an event has for a property.
pub(crate) fn of(event: &Event, property: &Property) -> Vec<String> {
    let one = |value: Option<String>| value.into_iter().collect();
    match property.source {
        Source::Fact => {
            let facts = event.facts_named(&|name| name == property.name).into_iter();
            let text = |value| match value {
                FactValue::Number(number) => number.to_string(),
                FactValue::Text(text) => text,
            };
            facts.map(|fact| text(fact.value)).collect()
        }
        Source::Envelope(field) => match field {
            Field::Node => vec![event.node.clone()],
            Field::Gate => vec![event.gate.to_string()],
            Field::Kind => vec![event.kind.to_string()],
            Field::Subject => one(event.subject.clone()),
            Field::Address => one(event.address().map(|address| address.to_string())),
            Field::Outcome => vec![event.outcome.to_string()],
            Field::Severity => vec![event.severity.to_string()],
            Field::Since | Field::Until | Field::Facts | Field::Json => Vec::new(),
        },
    }
}

/// Returns the message of a rule in an event.
fn message(event: &Event, rule: &str) -> Option<String> {
    let Evidence::Request(request) = &event.evidence else { return None };
    let rule = request.rules.iter().find(|of| of.id.to_string() == rule)?;
    (!rule.message.is_empty()).then(|| rule.message.to_string())
}

#[cfg(test)]
mod tests {
    use event::{EventId, MatchedRule, Outcome, RequestEvidence, Timestamp};

    use super::*;

    #[test]
    fn rules_are_found_by_number_and_by_message() {
        let rule = |id, message: &str| MatchedRule { id, message: message.into(), ..MatchedRule::default() };
        let event = |rules: Vec<MatchedRule>| {
            let time = Timestamp::from_micros(1_795_424_686_000_000);
            let request = RequestEvidence { rules, ..RequestEvidence::default() };
            Event::of_request(EventId::derived(time, "n", ""), time, "n", Outcome::Blocked, request)
        };
        let sql = || rule(942_100, "SQL Injection Attack Detected");
        let events = [event(vec![sql(), rule(913_100, "Scanner")]), event(vec![sql()])];
        let rules = Properties::default();
        let rules = rules.get("rule").unwrap();
        let found = |prefix: &str| {
            let values = collect(&events, rules, prefix).into_iter();
            values.map(|value| (value.value, value.message.unwrap(), value.events)).collect::<Vec<_>>()
        };
        let sql = ("942100".to_owned(), "SQL Injection Attack Detected".to_owned(), 2);
        let scanner = ("913100".to_owned(), "Scanner".to_owned(), 1);
        assert_eq!(found("9"), [sql.clone(), scanner.clone()]);
        assert_eq!((found("sql inj"), found("913")), (vec![sql], vec![scanner]));
        assert_eq!(found("2"), []);
    }
}
