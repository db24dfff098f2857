//! Makes events from the fields of entries, for all formats.

use std::net::{IpAddr, SocketAddr};

use memchr::memmem;

use super::Fault;
use crate::limits::{MAX_AUDIT_EVENT_BYTES, MAX_ORIGIN_ID_BYTES};
use crate::{
    Actor, Body, ByteString, Disruptive, Engine, Event, EventId, Gate, MatchedRule, Outcome, RequestEvidence,
    Scores, Severity, Timestamp,
};

/// The fields of an entry, from which an event is made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The time; none if it is missing or malformed.
    pub time: Option<Timestamp>,
    /// The sensor's identifier.
    pub unique_id: ByteString,
    /// The client.
    pub client: Option<Actor>,
    /// The evidence.
    pub request: RequestEvidence,
    /// Whether the sensor stopped the transaction.
    pub intercepted: bool,
    /// Whether monban wrote the entry: its unique id is then an [`EventId`].
    pub own: bool,
}

impl Draft {
    /// Returns the event.
    ///
    /// # Errors
    /// [`Fault::Missing`] and [`Fault::Malformed`] for the time and the unique id.
    pub(super) fn into_event(mut self, sensor: &str) -> Result<Event, Fault> {
        let time = self.time.ok_or(Fault::Missing("readable time"))?;
        if self.unique_id.is_empty() {
            return Err(Fault::Missing("unique id"));
        }
        if self.unique_id.len() > MAX_ORIGIN_ID_BYTES {
            return Err(Fault::malformed("unique id", &self.unique_id));
        }
        let origin = self.unique_id.to_string();
        let own = if self.own { origin.parse().ok() } else { None };
        let id = own.unwrap_or_else(|| EventId::derived(time, sensor, &origin));
        self.request.bound(MAX_AUDIT_EVENT_BYTES);
        self.request.protocol = protocol(&self.request.line);
        self.request.scores = scores(&self.request.rules);
        let severities = self.request.rules.iter().filter_map(|rule| rule.severity);
        let severity = severities.min().unwrap_or(Severity::Info);
        let watching = self.request.engine == Engine::DetectionOnly && severity <= Severity::Warning;
        let outcome = match (self.intercepted, watching) {
            (true, _) => Outcome::Blocked,
            (false, true) => Outcome::Detected,
            (false, false) => Outcome::Passed,
        };
        Ok(Event {
            gate: Gate::MLOGC,
            severity,
            actor: self.client,
            origin_id: Some(origin),
            ..Event::of_request(id, time, sensor, outcome, self.request)
        })
    }
}

/// Returns the last word of a request line if it is a protocol.
pub(super) fn protocol(line: &[u8]) -> String {
    let last = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match last {
        [b'H', b'T', b'T', b'P', b'/', version @ ..] if (1..=3).contains(&version.len()) => {
            ByteString::from(last).to_string()
        }
        _ => String::new(),
    }
}

/// Parses a client's address; none if the text is not an address.
pub(super) fn client(address: &[u8], port: Option<u16>) -> Option<Actor> {
    let address: IpAddr = str::from_utf8(address).ok()?.parse().ok()?;
    Some(Actor::at(address, port.filter(|port| *port != 0)))
}

/// Parses the server's address; none if a text is invalid.
pub(super) fn server(address: &[u8], port: Option<u16>) -> Option<SocketAddr> {
    Some(SocketAddr::new(str::from_utf8(address).ok()?.parse().ok()?, port?))
}

/// Returns a whole body; none for an empty one.
pub(super) fn body(bytes: &[u8]) -> Option<Body> {
    (!bytes.is_empty()).then(|| Body::capture(bytes, bytes.len() as u64, usize::MAX))
}

/// Parses the engine's mode: `ENABLED` and `On`, `DETECTION_ONLY` and `DetectionOnly`.
pub(super) fn engine(word: &[u8]) -> Engine {
    let word = word.to_ascii_lowercase();
    match word.as_slice() {
        b"enabled" | b"on" => Engine::On,
        b"detection_only" | b"detectiononly" => Engine::DetectionOnly,
        _ => Engine::Off,
    }
}

/// Returns whether a rule is one of CRS's rules that deny by score.
pub(super) fn is_blocking_rule(rule: &MatchedRule) -> bool {
    matches!(rule.id / 1000, 949 | 959)
}

/// Marks the CRS rule that denied, for formats that do not name it.
pub(super) fn mark_blocking_rule(rules: &mut [MatchedRule], status: u16) {
    if rules.iter().all(|rule| rule.disruptive.is_none())
        && let Some(rule) = rules.iter_mut().find(|rule| is_blocking_rule(rule))
    {
        rule.disruptive = Some(Disruptive::Deny { status });
    }
}

/// Returns the scores in CRS's messages: `(Total Score: 20)` of 949xxx and 959xxx, and `SQLI=0,XSS=20` of 980xxx.
fn scores(rules: &[MatchedRule]) -> Scores {
    let mut scores = Scores::default();
    for rule in rules {
        let total = || {
            let at = memmem::find(&rule.message, b"Score: ")?;
            leading(&rule.message[at + 7..])
        };
        match rule.id / 1000 {
            949 => scores.inbound = scores.inbound.max(total().unwrap_or(0)),
            959 => scores.outbound = scores.outbound.max(total().unwrap_or(0)),
            980 => {
                for (at, _) in rule.message.iter().enumerate().filter(|(_, byte)| **byte == b'=') {
                    let name: Vec<u8> = rule.message[..at]
                        .iter()
                        .rev()
                        .take_while(|byte| byte.is_ascii_uppercase())
                        .copied()
                        .collect();
                    let name = name
                        .iter()
                        .rev()
                        .map(|byte| char::from(byte.to_ascii_lowercase()))
                        .collect::<String>();
                    if let Some(score) = leading(&rule.message[at + 1..]).filter(|score| *score > 0)
                        && (2..=8).contains(&name.len())
                    {
                        scores.categories.insert(name, score);
                    }
                }
            }
            _ => {}
        }
    }
    scores
}

fn leading(text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&text[..digits.min(9)]).ok()?.parse().ok()
}
