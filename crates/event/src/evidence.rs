//! The evidence of an event: the data that a gate recorded. Each gate has its own kind; a reader keeps unknown kinds.

pub mod request;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::redaction::Redactor;
use crate::{EventError, Fact, Outcome};
use request::RequestEvidence;

/// A kind of evidence. A gate implements it for its own type, in its own crate.
///
/// ```
/// use event::{Event, EventId, EvidenceKind, Fact, Gate, Kind, Outcome, Timestamp, redaction::Redactor};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Login { service: String, line: String }
///
/// impl EvidenceKind for Login {
///     const NAME: &'static str = "login";
///     fn summary(&self, outcome: Outcome) -> String { format!("login {outcome} by {}", self.service) }
///     fn facts(&self, _: Outcome) -> Vec<Fact> { vec![Fact::text("service", &*self.service)] }
///     fn redact(&mut self, redactor: &Redactor) { redactor.redact_text(&mut self.line); }
///     fn shrink(&mut self, bytes: usize) { self.line.truncate(self.line.floor_char_boundary(bytes)); }
/// }
///
/// let now = Timestamp::from_micros(1);
/// let id = EventId::derived(now, "vps1", "1");
/// let event = Event::new(id, now, "vps1", Gate::new("login")?, Kind::new("login.denied")?, Outcome::Denied);
/// let event = event.with(Login { service: "sshd".into(), line: "/?password=x".into() }, &Redactor::default(), 65_536)?;
/// assert_eq!(event.summary.as_deref(), Some("login denied by sshd"));
/// assert_eq!(event.facts, [Fact::text("service", "sshd")]);
/// assert!(event.to_json().ends_with(r#""evidence":{"login":{"service":"sshd","line":"/?password=[redacted]"}}}"#));
/// assert_eq!(event.evidence.get::<Login>()?.map(|login| login.service), Some("sshd".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait EvidenceKind: Serialize + DeserializeOwned {
    /// The name in an event's JSON, `{"evidence":{"NAME":…}}`: a word of the same form as a [`crate::Gate`].
    const NAME: &'static str;

    /// Returns one sentence for people. It contains no bytes that a client chose.
    fn summary(&self, outcome: Outcome) -> String;

    /// Returns the names and values by which people find and count the event.
    fn facts(&self, outcome: Outcome) -> Vec<Fact>;

    /// Replaces the secrets.
    fn redact(&mut self, redactor: &Redactor);

    /// Cuts the least valuable texts until all texts together have at most about this many bytes.
    fn shrink(&mut self, bytes: usize);
}

/// The evidence of an event. In JSON an object with one field, named after its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Evidence {
    /// No evidence beyond the envelope.
    #[default]
    None,
    /// An HTTP request and its response.
    Request(Box<RequestEvidence>),
    /// Evidence of any other kind.
    Other(OtherEvidence),
}

/// Evidence of a kind that this crate does not know, as JSON. [`Evidence::get`] deserialises it.
#[derive(Clone, Debug)]
pub struct OtherEvidence {
    name: Cow<'static, str>,
    json: Box<RawValue>,
}

impl OtherEvidence {
    /// Returns the name of its kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its JSON, which contains no line end.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// Returns the evidence without its secrets, which it finds by the names of fields and by their form. Returns none
    /// if it found no secret.
    pub(crate) fn redacted(&self, redactor: &Redactor) -> Option<Self> {
        let json = redactor.redacted_json(self.json())?;
        Some(Self { name: self.name.clone(), json: RawValue::from_string(json).ok()? })
    }
}

impl PartialEq for OtherEvidence {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), self.json()) == (other.name(), other.json())
    }
}

impl Evidence {
    /// Makes evidence of a gate's own kind.
    ///
    /// # Errors
    /// [`EventError::Evidence`] if serialising fails.
    pub fn of<K: EvidenceKind>(evidence: &K) -> Result<Self, EventError> {
        let failed =
            |error: serde_json::Error| EventError::Evidence { name: K::NAME, message: error.to_string() };
        let json = serde_json::value::to_raw_value(evidence).map_err(failed)?;
        if K::NAME == RequestEvidence::NAME {
            return Ok(Self::Request(serde_json::from_str(json.get()).map_err(failed)?));
        }
        Ok(Self::Other(OtherEvidence { name: Cow::Borrowed(K::NAME), json }))
    }

    /// Returns the name of its kind; none without evidence.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Request(_) => Some(RequestEvidence::NAME),
            Self::Other(other) => Some(other.name()),
        }
    }

    /// Deserialises evidence of a gate's own kind; none for another kind.
    ///
    /// # Errors
    /// [`EventError::Evidence`] if its JSON does not fit the type.
    pub fn get<K: EvidenceKind>(&self) -> Result<Option<K>, EventError> {
        match self {
            Self::Other(other) if other.name == K::NAME => serde_json::from_str(other.json())
                .map(Some)
                .map_err(|error| EventError::Evidence { name: K::NAME, message: error.to_string() }),
            _ => Ok(None),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl From<RequestEvidence> for Evidence {
    fn from(request: RequestEvidence) -> Self {
        Self::Request(Box::new(request))
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(usize::from(!self.is_none())))?;
        match self {
            Self::None => {}
            Self::Request(request) => map.serialize_entry(RequestEvidence::NAME, request)?,
            Self::Other(other) => map.serialize_entry(&other.name, &other.json)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneField;

        impl<'de> Visitor<'de> for OneField {
            type Value = Evidence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one field, named as the kind of evidence")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Evidence, A::Error> {
                let Some(name) = map.next_key::<Cow<'de, str>>()? else { return Ok(Evidence::None) };
                let evidence = if name == RequestEvidence::NAME {
                    Evidence::Request(map.next_value()?)
                } else if crate::kind::is_word(&name) {
                    let json = one_line(map.next_value::<Box<RawValue>>()?);
                    Evidence::Other(OtherEvidence { name: name.into_owned().into(), json })
                } else {
                    return Err(A::Error::custom("the name of the evidence is not a word"));
                };
                match map.next_entry::<IgnoredAny, IgnoredAny>()? {
                    None => Ok(evidence),
                    Some(_) => Err(A::Error::custom("evidence of more than one kind")),
                }
            }
        }
        deserializer.deserialize_map(OneField)
    }
}

/// Replaces line ends with spaces: in JSON they only occur between tokens, and an event is one line.
fn one_line(json: Box<RawValue>) -> Box<RawValue> {
    if memchr::memchr2(b'\n', b'\r', json.get().as_bytes()).is_none() {
        return json;
    }
    RawValue::from_string(json.get().replace(['\n', '\r'], " ")).unwrap_or(json)
}
