//! The shared vocabulary of monban: what a gate reports and what a watcher reads.
//!
//! Everything that guards makes [`Event`]s, everything that watches reads them; nothing else couples the two. This crate
//! says what an event is, how it is written as JSON, how secrets are taken out of it before it is kept, and how it looks
//! in ModSecurity's own logs.
//!
//! It is not where events are kept (that is `store`) and it does not decide anything about a request (`waf`). It is pure:
//! no files, sockets, clock or randomness. The time and a random seed are passed in.
//!
//! # Map
//!
//! - [`id`]: [`EventId`], a ULID, and [`IdSource`], which makes them
//! - [`time`]: [`Timestamp`], microseconds in UTC
//! - [`bytes`]: [`ByteString`], bytes as they were sent, and their form in JSON
//! - [`evidence`]: [`RequestEvidence`], what was asked, answered and matched
//! - [`redaction`]: secrets out of an event
//! - [`modsec`]: the event in ModSecurity's error log and audit log
//! - [`audit_log`]: audit logs of other sensors, read
//! - [`sink`]: [`EventSink`], where every gate sends its events
//! - [`written`]: lists and time spans as configuration has them
//! - [`limits`]: every limit of this crate
//!
//! # The JSON form
//!
//! One event is one JSON object on one line. Its `v` is the version of the form, [`FormatVersion::CURRENT`]. A reader
//! ignores fields that it does not know and refuses a `v` above its own. Absent optional fields are left out. Times are
//! RFC 3339 in UTC with six decimals; fields that end in `_us` are microseconds. Bytes follow [`ByteString`].
//!
//! ```
//! use event::{Action, ByteString, Client, Event, Evidence, Gate, IdSource, RequestEvidence, Severity, Timestamp};
//!
//! let ids = IdSource::new("vps1", 0x5eed);
//! let now = Timestamp::from_micros(1_795_424_686_454_636);
//! let event = Event {
//!     site: Some("shop".into()),
//!     client: Some(Client { address: "203.0.113.7".parse()?, port: Some(38596) }),
//!     severity: Severity::Critical,
//!     action: Action::Blocked,
//!     ..Event::new(ids.next(now), now, "vps1", Gate::Request, Evidence::from(RequestEvidence {
//!         line: ByteString::from(&b"GET /?name=\"><script>\xff HTTP/1.1"[..]),
//!         ..RequestEvidence::default()
//!     }))
//! };
//! let json = event.to_json();
//! assert!(json.starts_with(r#"{"v":1,"id":"01"#));
//! assert!(json.contains(r#""time":"2026-11-23T09:04:46.454636Z","node":"vps1","site":"shop""#));
//! assert_eq!(Event::from_json(json.as_bytes())?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod audit_log;
pub mod bytes;
pub mod evidence;
pub mod id;
pub mod limits;
pub mod modsec;
mod multipart;
#[cfg(feature = "openapi")]
mod openapi;
pub mod redaction;
pub mod sink;
pub mod time;
mod vocabulary;
pub mod written;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use bytes::ByteString;
pub use evidence::{
    Body, Disruptive, Durations, Engine, Evidence, Header, MatchedRule, NotInspected, RequestEvidence,
    Response, Scores, Uninspected,
};
pub use id::{EventId, IdSource};
pub use sink::EventSink;
pub use time::Timestamp;
pub use vocabulary::{Action, Client, Gate, Severity, UnknownWord};

/// One thing that a gate saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Version of the JSON form.
    #[serde(rename = "v")]
    pub version: FormatVersion,
    /// Unique in the whole fleet; sorts by time. Also the `unique_id` in ModSecurity's logs and on the block page.
    pub id: EventId,
    /// When the gate began to deal with it.
    pub time: Timestamp,
    /// Name of the machine (for events received from another sensor: the sensor's name).
    pub node: String,
    /// Name of the site, where the gate knows sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Which kind of gate reported it.
    pub gate: Gate,
    /// As syslog counts (RFC 5424 §6.2.1), which is also how ModSecurity counts.
    pub severity: Severity,
    /// Who was at the gate, where somebody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// What the gate did.
    pub action: Action,
    /// One line for people: why it was refused, or how the upstream failed. Holds no bytes of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The identifier that a foreign sensor gave to this event (ModSecurity's unique id); none for our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<String>,
    /// What the gate saw.
    pub evidence: Evidence,
}

impl Event {
    /// An event with action [`Action::Passed`], severity [`Severity::Info`], and neither site nor client.
    pub fn new(
        id: EventId,
        time: Timestamp,
        node: impl Into<String>,
        gate: Gate,
        evidence: Evidence,
    ) -> Self {
        Self {
            version: FormatVersion,
            id,
            time,
            node: node.into(),
            site: None,
            gate,
            severity: Severity::Info,
            client: None,
            action: Action::Passed,
            reason: None,
            origin_id: None,
            evidence,
        }
    }

    /// The event as one line of JSON, without the line end.
    #[expect(
        clippy::expect_used,
        reason = "writing to memory; every map key is a string and no value can fail"
    )]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event serialises")
    }

    /// Reads one event.
    ///
    /// # Errors
    /// [`EventError::TooLong`] beyond [`limits::MAX_JSON_BYTES`]; [`EventError::Json`] with line and column for text
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

    /// The request, for events that are about one.
    pub fn request(&self) -> Option<&RequestEvidence> {
        match &self.evidence {
            Evidence::Request(request) => Some(request),
        }
    }
}

/// Why a text is not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Longer than [`limits::MAX_JSON_BYTES`].
    #[error("event of {length} bytes is longer than the limit of {} bytes", limits::MAX_JSON_BYTES)]
    TooLong {
        /// Bytes given.
        length: usize,
    },
    /// Not JSON, or not the JSON of an event.
    #[error("not an event: {message}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1 (0 at the start of a line).
        column: usize,
        /// What is wrong, with line and column.
        message: String,
    },
}

/// The `v` of an event: always [`FormatVersion::CURRENT`] in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatVersion;

impl FormatVersion {
    /// The version that this crate writes, and the highest that it reads.
    pub const CURRENT: u32 = 1;
}

impl Serialize for FormatVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::CURRENT)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1..=Self::CURRENT => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!(
                "event version {other} is not one of 1 to {}",
                Self::CURRENT
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_minimal_event_and_ignores_unknown_fields() {
        let json = r#"{"v":1,"later":{"x":[1]},"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46Z",
            "node":"n","gate":"request","severity":"critical","action":"blocked","evidence":{"request":{"line":"GET / HTTP/1.1"}}}"#;
        let event = Event::from_json(json.as_bytes()).unwrap();
        assert_eq!(event.severity, Severity::Critical);
        assert_eq!(event.request().unwrap().line, ByteString::from("GET / HTTP/1.1"));
        assert_eq!(event.site, None);
    }

    #[test]
    fn refuses_what_is_no_event_and_says_where() {
        let newer = r#"{"v":2,"id":"01KYD00000000000000000000Z"}"#;
        let cases = [
            (newer, "event version 2 is not one of 1 to 1 at line 1 column 6"),
            ("{\n\"v\":1,\n\"id\":\"short\"}", "event id"),
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"v":1}"#, "missing field `id`"),
        ];
        for (json, expected) in cases {
            let error = Event::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let long = vec![b' '; limits::MAX_JSON_BYTES + 1];
        assert_eq!(Event::from_json(&long), Err(EventError::TooLong { length: long.len() }));
    }
}
