//! Rows of the tables in which parts declare the kinds of events that they record.

use event::Severity;

use crate::Text;

/// A kind of event that a part records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// The value of an event's `kind`: the gate, a dot and the case, such as `login.accepted`.
    pub name: &'static str,
    /// The severity of most events of this kind.
    pub severity: Severity,
    /// The display name, in a few words.
    pub title: Text,
}

impl EventKind {
    /// Creates a row.
    pub const fn new(name: &'static str, severity: Severity, en: &'static str, ja: &'static str) -> Self {
        Self { name, severity, title: Text::new(en, ja) }
    }
}
