//! Which events are wanted: conditions that can be combined and inverted.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use event::{ByteString, Event, Gate, Outcome, Severity, Timestamp};
use ipnet::IpNet;

mod text;

pub use text::{ConditionError, PROPERTIES, inverted};

/// Conditions that must all hold. An empty filter takes every event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is tested.
    pub test: Test,
    /// Whether it must fail instead. An event that lacks what is tested fails the test.
    pub inverted: bool,
}

/// A test of one property. A list is passed by any of its members; an empty list by none.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// At this time or later.
    Since(Timestamp),
    /// Before this time.
    Before(Timestamp),
    /// From one of these nodes.
    Node(Vec<String>),
    /// For one of these sites.
    Site(Vec<String>),
    /// From one of these gates.
    Gate(Vec<Gate>),
    /// By a client in one of these networks; a single address is a network of full length.
    Client(Vec<IpNet>),
    /// One of these rules matched.
    Rule(Vec<u64>),
    /// The gate did one of these.
    Action(Vec<Outcome>),
    /// At least this severe.
    Severity(Severity),
    /// Answered with a status code in one of these ranges.
    Status(Vec<RangeInclusive<u16>>),
    /// Asked with one of these methods, case included.
    Method(Vec<String>),
    /// Asked for one of these paths, as they were sent and without their queries; `*` at the end stands for anything.
    Path(Vec<String>),
    /// Asked of one of these hosts, without port and without regard to the case of ASCII letters.
    Host(Vec<String>),
    /// A rule matched that has one of these tags.
    Tag(Vec<String>),
    /// Of one of these kinds (`login.denied`), or in an incident of one of these kinds: see [`crate::incident`].
    Kind(Vec<String>),
    /// The anomaly score of the request is at least this.
    Score(i64),
    /// Contains this text, without regard to the case of ASCII letters. What is searched is the event's JSON; write the text as
    /// it was sent, it is escaped as JSON escapes.
    Text(String),
}

impl Filter {
    /// This filter with a further condition that must hold.
    #[must_use]
    pub fn with(mut self, test: Test) -> Self {
        self.conditions.push(Condition { test, inverted: false });
        self
    }

    /// This filter with a further condition that must not hold.
    #[must_use]
    pub fn without(mut self, test: Test) -> Self {
        self.conditions.push(Condition { test, inverted: true });
        self
    }

    /// Whether the event is wanted. Backends that cannot ask their engine use this; all must agree with it.
    pub fn matches(&self, event: &Event) -> bool {
        self.conditions.iter().all(|condition| condition.holds(event))
    }
}

impl Condition {
    pub(crate) fn holds(&self, event: &Event) -> bool {
        self.test.passes(event) != self.inverted
    }
}

impl Test {
    fn passes(&self, event: &Event) -> bool {
        match self {
            Self::Since(time) => event.time >= *time,
            Self::Before(time) => event.time < *time,
            Self::Node(nodes) => nodes.contains(&event.node),
            Self::Site(sites) => event.subject.as_ref().is_some_and(|site| sites.contains(site)),
            Self::Gate(gates) => gates.contains(&event.gate),
            Self::Client(networks) => event.address().is_some_and(|address| {
                networks.iter().any(|network| {
                    let (first, last) = (address_key(network.network()), address_key(network.broadcast()));
                    (first..=last).contains(&address_key(address))
                })
            }),
            Self::Rule(ids) => {
                event.request().is_some_and(|request| request.rules.iter().any(|rule| ids.contains(&rule.id)))
            }
            Self::Action(actions) => actions.contains(&event.outcome),
            Self::Severity(severity) => event.severity <= *severity,
            Self::Status(ranges) => {
                status(event).is_some_and(|status| ranges.iter().any(|range| range.contains(&status)))
            }
            Self::Method(methods) => method(event).is_some_and(|found| methods.contains(&found)),
            Self::Path(paths) => event.request().is_some_and(|request| {
                let path = ByteString::from(request.path()).to_string();
                paths.iter().any(|wanted| match wanted.strip_suffix('*') {
                    Some(start) => path.starts_with(start),
                    None => path == *wanted,
                })
            }),
            Self::Host(hosts) => event.request().and_then(|request| request.host()).is_some_and(|host| {
                let host = ByteString::from(host).to_string();
                hosts.iter().any(|wanted| wanted.eq_ignore_ascii_case(&host))
            }),
            Self::Kind(kinds) => {
                let is_of = |kind: &str| kinds.iter().any(|wanted| wanted == kind);
                is_of(event.kind.as_str()) || crate::incident::kind(event).is_some_and(|kind| is_of(&kind))
            }
            Self::Score(least) => event.request().is_some_and(|request| request.scores.inbound >= *least),
            Self::Tag(tags) => event.request().is_some_and(|request| {
                request.rules.iter().any(|rule| rule.tags.iter().any(|tag| tags.contains(tag)))
            }),
            Self::Text(text) if text.len() > crate::limits::MAX_TEXT_BYTES => false,
            Self::Text(text) => {
                let json = event.to_json().to_ascii_lowercase();
                json.contains(&text_needle(text).to_ascii_lowercase())
            }
        }
    }
}

/// An address as 16 bytes that sort, IPv4 as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
pub(crate) fn address_key(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

pub(crate) fn status(event: &Event) -> Option<u16> {
    event.request()?.response.as_ref().map(|response| response.status)
}

pub(crate) fn method(event: &Event) -> Option<String> {
    event.request().map(|request| ByteString::from(request.method()).to_string())
}

/// The text as it stands within a JSON string.
pub(crate) fn text_needle(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
