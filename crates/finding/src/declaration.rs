//! Findings, and the rows of the tables that declare their codes.

use event::Severity;
use serde_json::{Map, Value};

use crate::Text;

/// A row of a part's table: one code, and what monban knows about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declaration {
    /// Namespaced word: the part, a stop and the case, such as `gate.upstream_down`.
    pub code: &'static str,
    /// Severity of a finding with this code.
    pub severity: Severity,
    /// The fact in one line.
    pub title: Text,
    /// Why it happens.
    pub cause: Text,
    /// What to do.
    pub cure: Text,
    /// How to take the cure back, where that is not obvious.
    pub undo: Option<Text>,
    /// Messages of other programs that mean this: parts of their text, in any case. `monban explain` looks for them.
    pub foreign: &'static [&'static str],
}

impl Declaration {
    /// A finding with this code.
    pub fn finding(&'static self, subject: impl Into<String>) -> Finding {
        Finding { declaration: self, subject: subject.into(), evidence: Map::new() }
    }
}

/// Something wrong with a host, found by a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The row of its code.
    pub declaration: &'static Declaration,
    /// The thing that it is about: a file, a channel, an address.
    pub subject: String,
    /// What the check saw, by name. The texts of the row name these values.
    pub evidence: Map<String, Value>,
}

impl Finding {
    /// Adds a value to the evidence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }
}
