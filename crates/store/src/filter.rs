//! Filters of events: conditions that can be combined and inverted.

use std::cell::OnceCell;
use std::net::IpAddr;

use event::{Event, Fact, Outcome, Severity, Timestamp};
use ipnet::IpNet;

mod pattern;
mod text;

pub use pattern::{Pattern, ValuePattern};
pub use text::{ConditionError, inverted};

/// A list of conditions that must all hold. An empty filter matches every event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The test.
    pub test: Test,
    /// Whether the test must fail. An event that lacks the tested value fails the test.
    pub inverted: bool,
}

/// A test of one property. An event passes a list if it matches any of its members; no event passes an empty list.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The event's time is this time or later.
    Since(Timestamp),
    /// The event's time is before this time.
    Until(Timestamp),
    /// The event comes from one of these nodes.
    Node(Vec<Pattern>),
    /// The event comes from one of these gates.
    Gate(Vec<Pattern>),
    /// The event has one of these kinds.
    Kind(Vec<Pattern>),
    /// The event has one of these subjects.
    Subject(Vec<Pattern>),
    /// The actor's address lies in one of these networks; a single address is a network of full length.
    Client(Vec<IpNet>),
    /// The event has one of these outcomes.
    Outcome(Vec<Outcome>),
    /// The event is at least this severe.
    Severity(Severity),
    /// The event has a fact of this name ([`Event::all_facts`]) with one of these values.
    Fact(String, Vec<ValuePattern>),
    /// The event's JSON contains this text; the case of ASCII letters does not matter. Write the text as it was sent:
    /// the test escapes it as JSON does.
    Text(String),
}

impl Filter {
    /// Adds a condition that must hold.
    #[must_use]
    pub fn with(mut self, test: Test) -> Self {
        self.conditions.push(Condition { test, inverted: false });
        self
    }

    /// Adds a condition that must not hold.
    #[must_use]
    pub fn without(mut self, test: Test) -> Self {
        self.conditions.push(Condition { test, inverted: true });
        self
    }

    /// Returns whether the event passes. Stores whose engine cannot evaluate a condition use this; all stores must
    /// agree with it.
    pub fn matches(&self, event: &Event) -> bool {
        Condition::all_hold(&self.conditions, event)
    }
}

impl Condition {
    /// Returns whether the event meets all of these conditions.
    pub(crate) fn all_hold<'a>(conditions: impl IntoIterator<Item = &'a Self>, event: &Event) -> bool {
        let facts = OnceCell::new();
        conditions.into_iter().all(|condition| condition.test.passes(event, &facts) != condition.inverted)
    }
}

impl Test {
    /// Returns a test of a fact.
    pub fn fact<V: Into<ValuePattern>>(name: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::Fact(name.to_owned(), values.into_iter().map(Into::into).collect())
    }

    fn passes(&self, event: &Event, facts: &OnceCell<Vec<Fact>>) -> bool {
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        match self {
            Self::Since(time) => event.time >= *time,
            Self::Until(time) => event.time < *time,
            Self::Node(nodes) => any(nodes, &event.node),
            Self::Gate(gates) => any(gates, event.gate.as_str()),
            Self::Kind(kinds) => any(kinds, event.kind.as_str()),
            Self::Subject(subjects) => event.subject.as_ref().is_some_and(|subject| any(subjects, subject)),
            Self::Client(networks) => event.address().is_some_and(|address| {
                networks.iter().any(|network| {
                    let (first, last) = (address_key(network.network()), address_key(network.broadcast()));
                    (first..=last).contains(&address_key(address))
                })
            }),
            Self::Outcome(outcomes) => outcomes.contains(&event.outcome),
            Self::Severity(severity) => event.severity <= *severity,
            Self::Fact(name, values) => facts
                .get_or_init(|| event.all_facts())
                .iter()
                .any(|fact| fact.name == *name && values.iter().any(|value| value.matches(&fact.value))),
            Self::Text(text) if text.len() > crate::limits::MAX_TEXT_BYTES => false,
            Self::Text(text) => {
                let json = event.to_json().to_ascii_lowercase();
                json.contains(&text_needle(text).to_ascii_lowercase())
            }
        }
    }
}

/// Returns an address as 16 sortable bytes, with IPv4 as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
pub(crate) fn address_key(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Returns the text as it appears within a JSON string.
pub(crate) fn text_needle(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
