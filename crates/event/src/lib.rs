//! The events of monban: gates report them, watchers read them.
//!
//! Gates make [`Event`]s and watchers read them; nothing else couples the two. This crate defines the event, its JSON,
//! the redaction of secrets, and its form in ModSecurity's logs.
//!
//! The crate `store` keeps events, `waf` judges requests. This crate is pure: it uses no files, sockets, clock or
//! randomness. The caller passes the time and a random seed.
//!
//! # The envelope and the evidence
//!
//! Every event has the same envelope: time, node, [`Gate`], [`Kind`], [`Outcome`], [`Severity`], subject, [`Actor`], a
//! sentence for people, and [`Fact`]s by which people find it. All other data of a gate is its [`Evidence`], with a
//! type of the gate's own ([`EvidenceKind`]). A reader keeps evidence of an unknown kind and shows it as JSON.
//!
//! # Map
//!
//! - [`id`]: [`EventId`], a ULID, and [`IdSource`], which makes them
//! - [`time`]: [`Timestamp`], microseconds in UTC
//! - [`bytes`]: [`ByteString`], bytes from the network, and their form in JSON
//! - [`kind`]: [`Gate`] and [`Kind`], open words
//! - [`actor`]: [`Actor`], the cause of an event
//! - [`fact`]: [`Fact`], a name and a value to find events by
//! - [`property`]: [`Property`], a name by which people find events
//! - [`evidence`]: [`Evidence`] and the trait of its kinds
//! - [`evidence::request`]: [`RequestEvidence`], an HTTP request, its response and the rules that matched
//! - [`redaction`]: replaces the secrets of an event
//! - [`modsec`]: the event in ModSecurity's error log and audit log
//! - [`audit_log`]: reads audit logs of other sensors
//! - [`sink`]: [`EventSink`], where every gate sends its events
//! - [`written`]: lists and time spans in the configuration
//! - [`limits`]: every limit of this crate
//!
//! # The JSON form
//!
//! One event is one JSON object on one line. Its `v` is the version of the form, [`FormatVersion::CURRENT`]. A reader
//! ignores fields that it does not know and refuses any other `v`. Absent optional fields are left out. Times are
//! RFC 3339 in UTC with six decimals; fields that end in `_us` are microseconds. Bytes follow [`ByteString`].
//!
//! ```
//! use event::{Actor, ByteString, Event, IdSource, Outcome, RequestEvidence, Severity, Timestamp};
//!
//! let ids = IdSource::new("vps1", 0x5eed);
//! let now = Timestamp::from_micros(1_795_424_686_454_636);
//! let evidence = RequestEvidence {
//!     line: ByteString::from(&b"GET /?name=\"><script>\xff HTTP/1.1"[..]),
//!     ..RequestEvidence::default()
//! };
//! let event = Event {
//!     subject: Some("shop".into()),
//!     actor: Some(Actor::at("203.0.113.7".parse()?, Some(38596))),
//!     severity: Severity::Critical,
//!     ..Event::of_request(ids.next(now), now, "vps1", Outcome::Blocked, evidence)
//! };
//! let json = event.to_json();
//! assert!(json.starts_with(r#"{"v":2,"id":"01"#));
//! assert!(json.contains(r#""node":"vps1","gate":"request","kind":"request.blocked","outcome":"blocked""#));
//! assert_eq!(Event::from_json(json.as_bytes())?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod actor;
pub mod audit_log;
pub mod bytes;
pub mod evidence;
pub mod fact;
pub mod id;
pub mod kind;
pub mod limits;
pub mod modsec;
mod multipart;
#[cfg(feature = "openapi")]
mod openapi;
pub mod property;
pub mod redaction;
pub mod sink;
pub mod time;
mod words;
pub mod written;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use actor::Actor;
pub use bytes::ByteString;
pub use evidence::request::{
    Body, BodyWindow, Disruptive, Durations, Engine, Header, MatchedRule, NotInspected, Omitted,
    RequestEvidence, Response, Scores, Uninspected,
};
pub use evidence::{Evidence, EvidenceKind, OtherEvidence};
pub use fact::{Fact, FactValue};
pub use id::{EventId, IdSource};
pub use kind::{Gate, InvalidWord, Kind};
pub use property::{Properties, Property};
pub use sink::EventSink;
pub use time::Timestamp;
pub use words::{Outcome, Severity, UnknownWord};

use redaction::Redactor;

/// One thing that a gate saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Version of the JSON form.
    #[serde(rename = "v")]
    pub version: FormatVersion,
    /// Unique in the whole fleet; sorts by time. Also the `unique_id` in ModSecurity's logs and on the block page.
    pub id: EventId,
    /// Time at which the gate began to handle it.
    pub time: Timestamp,
    /// Name of the machine; for events received from another sensor, the sensor's name.
    pub node: String,
    /// The gate that reported it.
    pub gate: Gate,
    /// Kind of event, such as `request.blocked`: two words, the topic and what happened.
    pub kind: Kind,
    /// Outcome.
    pub outcome: Outcome,
    /// Severity, on the scale of syslog (RFC 5424 §6.2.1).
    pub severity: Severity,
    /// Subject: the site of a request, the service of a login, the name of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Actor that caused it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// One sentence for people: why the gate refused it, or how the upstream failed. It contains no bytes of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Identifier that another sensor assigned, such as ModSecurity's unique id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<String>,
    /// Names and values by which it is found, beyond those that the envelope and a request's evidence give:
    /// [`Event::all_facts`] returns them together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Evidence of the gate.
    #[serde(default, skip_serializing_if = "Evidence::is_none")]
    pub evidence: Evidence,
}

impl Event {
    /// Makes an event of severity [`Severity::Info`], without subject, actor and evidence.
    pub fn new(
        id: EventId,
        time: Timestamp,
        node: impl Into<String>,
        gate: Gate,
        kind: Kind,
        outcome: Outcome,
    ) -> Self {
        Self {
            version: FormatVersion,
            id,
            time,
            node: node.into(),
            gate,
            kind,
            outcome,
            severity: Severity::Info,
            subject: None,
            actor: None,
            summary: None,
            origin_id: None,
            facts: Vec::new(),
            evidence: Evidence::None,
        }
    }

    /// Makes an event of a request at monban's own gateway, with severity [`Severity::Info`], without subject and
    /// actor.
    pub fn of_request(
        id: EventId,
        time: Timestamp,
        node: impl Into<String>,
        outcome: Outcome,
        evidence: RequestEvidence,
    ) -> Self {
        let event = Self::new(id, time, node, Gate::REQUEST, Kind::of_request(outcome), outcome);
        Self { evidence: evidence.into(), ..event }
    }

    /// Adds evidence of a gate's own kind, without its secrets and cut to about `bytes`, and sets the summary and the
    /// facts.
    ///
    /// # Errors
    /// [`EventError::Evidence`] if serialising fails.
    pub fn with<K: EvidenceKind>(
        self,
        mut evidence: K,
        redactor: &Redactor,
        bytes: usize,
    ) -> Result<Self, EventError> {
        evidence.redact(redactor);
        evidence.shrink(bytes);
        let mut facts = evidence.facts(self.outcome);
        facts.truncate(limits::MAX_FACTS);
        let summary = Some(evidence.summary(self.outcome));
        Ok(Self { evidence: Evidence::of(&evidence)?, facts, summary, ..self })
    }

    /// Changes the outcome of a request, and its kind accordingly.
    pub fn set_request_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.kind = Kind::of_request(outcome);
    }

    /// Returns the address of the actor.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.actor.as_ref()?.address
    }

    /// Returns the facts of the event, sorted, without duplicates: its own, those of the actor (`user`, `device`,
    /// `certificate`), its `category` ([`Event::category`]) and those of a request's evidence. Of its own facts, it
    /// includes at most [`limits::MAX_FACTS`], and only those that a store can index.
    pub fn all_facts(&self) -> Vec<Fact> {
        self.facts_named(&|_| true)
    }

    /// Returns those of [`Event::all_facts`] whose name passes a test.
    pub fn facts_named(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Fact> {
        let own = self.facts.iter().filter(|fact| fact.is_plain()).take(limits::MAX_FACTS);
        let mut facts: Vec<Fact> = own.filter(|fact| wanted(&fact.name)).cloned().collect();
        if let Some(actor) = &self.actor {
            let known =
                [("user", &actor.user), ("device", &actor.device), ("certificate", &actor.certificate)];
            let known = known.into_iter().filter(|(name, _)| wanted(name));
            facts.extend(known.filter_map(|(name, value)| Some(Fact::text(name, value.as_ref()?))));
        }
        if let Evidence::Request(request) = &self.evidence {
            request.add_facts(wanted, &mut facts);
        }
        if wanted("category") {
            facts.extend(self.category().map(|category| Fact::text("category", category)));
        }
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    /// Returns the category, by which events are grouped into incidents; none for an event outside any incident.
    ///
    /// The category of a request that rules matched or that the gate stopped is:
    ///
    /// - `scanner` if a rule with the tag `attack-reputation-scanner` matched;
    /// - otherwise, the most frequent tag `attack-…` of the matched rules; of equally frequent ones, the first in the
    ///   alphabet. `attack-protocol`, here `protocol`, counts only without other tags, and `attack-generic`, the tag of
    ///   the rules that add up scores, only without either;
    /// - without such a tag, `protocol` for a refused request, and `other` for any other.
    ///
    /// The category of an event of another kind that was blocked, detected, denied or refused, or that failed, is its
    /// kind.
    pub fn category(&self) -> Option<&str> {
        use Outcome::{Blocked, Denied, Detected, Failed, Refused};
        match self.request() {
            Some(request) => request.category(self.outcome),
            None => matches!(self.outcome, Blocked | Detected | Denied | Refused | Failed)
                .then(|| self.kind.as_str()),
        }
    }

    /// Returns the event as one line of JSON, without the line end.
    #[expect(
        clippy::expect_used,
        reason = "writing to memory; every map key is a string and no value can fail"
    )]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event serialises")
    }

    /// Parses one event.
    ///
    /// # Errors
    /// [`EventError::TooLong`] beyond [`limits::MAX_JSON_BYTES`]; [`EventError::Json`], with line and column, for text
    /// that is not an event of a version that this crate knows.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        if json.len() > limits::MAX_JSON_BYTES {
            return Err(EventError::TooLong { length: json.len() });
        }
        serde_json::from_slice(json).map_err(|error| EventError::Json {
            line: error.line(),
            column: error.column(),
            message: error.to_string(),
        })
    }

    /// Cuts the evidence of a request to its budget, [`limits::MAX_EVIDENCE_BYTES`] of JSON. Redact the event first,
    /// because redaction recognises secrets by the text around them. A second call changes nothing.
    pub fn shrink(&mut self) {
        if let Evidence::Request(request) = &mut self.evidence {
            request.shrink_to(limits::MAX_EVIDENCE_BYTES);
        }
    }

    /// Cuts the event for a list: removes bodies but keeps their lengths, and cuts long texts and lists. Removes long
    /// evidence of an unknown kind.
    pub fn summarize(&mut self) {
        match &mut self.evidence {
            Evidence::Request(request) => request.summarize(),
            Evidence::Other(other) if other.json().len() > limits::MAX_SUMMARY_EVIDENCE_BYTES => {
                self.evidence = Evidence::None;
            }
            Evidence::Other(_) | Evidence::None => {}
        }
    }

    /// Estimates the size of the event in bytes.
    pub fn rough_bytes(&self) -> usize {
        let evidence = match &self.evidence {
            Evidence::Request(request) => request.rough_bytes(),
            Evidence::Other(other) => other.json().len(),
            Evidence::None => 0,
        };
        size_of::<Self>() + evidence
    }

    /// Returns the evidence of a request.
    pub fn request(&self) -> Option<&RequestEvidence> {
        match &self.evidence {
            Evidence::Request(request) => Some(request),
            Evidence::None | Evidence::Other(_) => None,
        }
    }

    /// Returns the evidence of a request for changing.
    pub fn request_mut(&mut self) -> Option<&mut RequestEvidence> {
        match &mut self.evidence {
            Evidence::Request(request) => Some(request),
            Evidence::None | Evidence::Other(_) => None,
        }
    }
}

/// An error in reading or making an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Evidence fails to serialise, or does not fit the type of its kind.
    #[error("evidence `{name}`: {message}")]
    Evidence {
        /// The name of the kind.
        name: &'static str,
        /// The cause.
        message: String,
    },
    /// The JSON is longer than [`limits::MAX_JSON_BYTES`].
    #[error("event of {length} bytes is longer than the limit of {} bytes", limits::MAX_JSON_BYTES)]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
    /// The text is not JSON, or not the JSON of an event.
    #[error("not an event: {message}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1 (0 at the start of a line).
        column: usize,
        /// The cause, with line and column.
        message: String,
    },
}

/// The `v` of an event, in memory always [`FormatVersion::CURRENT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatVersion;

impl FormatVersion {
    /// The version that this crate writes and reads.
    pub const CURRENT: u32 = 2;
}

impl Serialize for FormatVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::CURRENT)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            Self::CURRENT => Ok(Self),
            other => {
                Err(serde::de::Error::custom(format_args!("event version {other} is not {}", Self::CURRENT)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_minimal_event_and_ignores_unknown_fields() {
        let json = r#"{"v":2,"later":{"x":[1]},"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46Z",
            "node":"n","subject":"shop","gate":"request","kind":"request.blocked","severity":"critical",
            "actor":{"address":"192.0.2.1","port":7},"outcome":"blocked","summary":"why","evidence":{"request":{"line":"GET / HTTP/1.1"}}}"#;
        let event = Event::from_json(json.as_bytes()).unwrap();
        assert_eq!(
            (event.severity, event.outcome, event.kind.as_str()),
            (Severity::Critical, Outcome::Blocked, "request.blocked")
        );
        assert_eq!(event.request().unwrap().line, ByteString::from("GET / HTTP/1.1"));
        assert_eq!((event.subject.as_deref(), event.summary.as_deref()), (Some("shop"), Some("why")));
        assert_eq!(event.actor, Some(Actor::at([192, 0, 2, 1].into(), Some(7))));
        let again = Event::from_json(event.to_json().as_bytes()).unwrap();
        assert_eq!(again, event);
    }

    /// An event of a gate that this crate does not know.
    const UNKNOWN: &str = r#"{"v":2,"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46.000000Z","node":"n","gate":"tea","kind":"tea.brewed","outcome":"changed","severity":"notice","subject":"pot","actor":{"user":"alice","device":"kettle"},"summary":"tea is ready","facts":[["sort","green"],["cups",3]],"evidence":{"tea":{"z":1.50,"a":[{"password":"x"}],"deep":{"n":12345678901234567890123}}}}"#;

    #[test]
    fn an_event_of_an_unknown_kind_stays_as_it_is() {
        let event = Event::from_json(UNKNOWN.as_bytes()).unwrap();
        assert_eq!(event.to_json(), UNKNOWN);
        assert_eq!((event.request(), event.evidence.name()), (None, Some("tea")));
        let facts = [
            Fact::number("cups", 3),
            Fact::text("device", "kettle"),
            Fact::text("sort", "green"),
            Fact::text("user", "alice"),
        ];
        assert_eq!(event.all_facts(), facts);
        // Line ends, which an export of another program may have, are removed: an event is one line.
        let pretty = UNKNOWN.replace("[{", "[\n  {").replace(":1.50", ": 1.50");
        let read = Event::from_json(pretty.as_bytes()).unwrap();
        assert!(!read.to_json().contains('\n'), "{}", read.to_json());
        // The same without evidence.
        let bare = r#"{"v":2,"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46.000000Z","node":"n","gate":"tea","kind":"tea.brewed","outcome":"changed","severity":"notice"}"#;
        assert_eq!(Event::from_json(bare.as_bytes()).unwrap().to_json(), bare);
    }

    #[test]
    fn secrets_go_from_evidence_of_an_unknown_kind() {
        let mut event = Event::from_json(UNKNOWN.as_bytes()).unwrap();
        Redactor::default().redact(&mut event);
        let Evidence::Other(other) = &event.evidence else { panic!() };
        assert!(other.json().contains(r#"[{"password":"[redacted]"}]"#), "{}", other.json());
        let before = event.clone();
        Redactor::default().redact(&mut event);
        assert_eq!(event, before);
        let deep = UNKNOWN.replace(r#""x""#, &format!("{}{}", "[".repeat(500), "]".repeat(500)));
        let mut deep = Event::from_json(deep.as_bytes()).unwrap();
        Redactor::default().redact(&mut deep);
        assert!(deep.to_json().ends_with(r#""evidence":{"tea":"[redacted]"}}"#), "{}", deep.to_json());
    }

    #[test]
    fn facts_beyond_the_limit_do_not_count() {
        let mut event = Event::from_json(UNKNOWN.as_bytes()).unwrap();
        event.facts = (0..1000).map(|number| Fact::number("n", number)).collect();
        event.facts.push(Fact::text("late", "x"));
        assert_eq!(event.all_facts().len(), limits::MAX_FACTS + 2);
        assert_eq!(Event::from_json(event.to_json().as_bytes()).unwrap(), event);
    }

    #[test]
    fn refuses_what_is_no_event_and_says_where() {
        let newer = r#"{"v":3,"id":"01KYD00000000000000000000Z"}"#;
        let two = UNKNOWN.replace(r#""evidence":{"#, r#""evidence":{"request":{},"#);
        let odd = UNKNOWN.replace(r#""evidence":{"tea""#, r#""evidence":{"Tea Pot""#);
        let unkind = UNKNOWN.replace(r#""kind":"tea.brewed","#, "");
        let cases = [
            (newer, "event version 3 is not 2 at line 1 column 6"),
            ("{\n\"v\":2,\n\"id\":\"short\"}", "event id"),
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"v":2}"#, "missing field `id`"),
            (&two, "evidence of more than one kind"),
            (&odd, "the name of the evidence is not a word"),
            (&unkind, "missing field `kind`"),
            (&UNKNOWN.replace("tea.brewed", "tea"), "`tea` is not a kind such as"),
            (&UNKNOWN.replace(r#""gate":"tea""#, r#""gate":"Tea""#), "`Tea` is not a gate such as"),
        ];
        for (json, expected) in cases {
            let error = Event::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let long = vec![b' '; limits::MAX_JSON_BYTES + 1];
        assert_eq!(Event::from_json(&long), Err(EventError::TooLong { length: long.len() }));
    }
}
