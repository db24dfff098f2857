//! Reports: what the observer saw, and their events.

use event::redaction::Redactor;
use event::{Actor, Event, EventError, EventId, EvidenceKind, Gate, Kind, Outcome, Severity, Timestamp};

use crate::claim::Source;
use crate::evidence::Login;
use crate::tables;

/// Bytes of the texts of one event's evidence. With its JSON it stays below the limit of evidence in lists
/// ([`event::limits::MAX_SUMMARY_EVIDENCE_BYTES`]), unless most of it are escapes.
const EVIDENCE_BYTES: usize = 2048;

/// One thing that the observer saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The place of its line, or the source and time of its burst: the same report has the same origin after a restart.
    pub origin: String,
    /// Time.
    pub time: Timestamp,
    /// The kind of event: a row of [`tables::KINDS`].
    pub kind: &'static str,
    /// The outcome.
    pub outcome: Outcome,
    /// The severity.
    pub severity: Severity,
    /// The user and the address.
    pub actor: Actor,
    /// The evidence.
    pub evidence: Login,
}

impl Report {
    /// Returns the event, whose id follows from node and origin, so that a report that is made again after a crash is
    /// stored once.
    ///
    /// # Errors
    /// If serialising fails, or a word is not one, which a test of this crate rules out.
    pub fn into_event(self, node: &str, redactor: &Redactor) -> Result<Event, EventError> {
        let invalid = |error: event::InvalidWord| EventError::Evidence {
            name: Login::NAME,
            message: error.to_string(),
        };
        let id = EventId::derived(self.time, node, &format!("{} {}", self.kind, self.origin));
        let gate = Gate::new(tables::GATE).map_err(invalid)?;
        let kind = Kind::new(self.kind).map_err(invalid)?;
        let mut event = Event::new(id, self.time, node, gate, kind, self.outcome);
        event.severity = self.severity;
        event.subject = Some(self.evidence.service.as_str().to_owned());
        event.actor = Some(self.actor).filter(|actor| *actor != Actor::default());
        event.with(self.evidence, redactor, EVIDENCE_BYTES)
    }
}

/// Returns the actor of a report.
pub(crate) fn actor(user: Option<String>, source: Option<Source>) -> Actor {
    let port = source.and_then(|source| source.port);
    Actor { user, address: source.map(|source| source.address), port, ..Actor::default() }
}
