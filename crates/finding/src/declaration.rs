//! Rows of the tables in which parts declare their findings.

use event::Severity;

use crate::{Finding, Text};

/// A row of a part's table: one code, and what monban knows about it.
///
/// ```
/// use event::Severity;
/// use finding::{Declaration, Text};
///
/// const DISK_FULL: Declaration = Declaration::new(
///     "toy.disk_full",
///     Severity::Error,
///     Text::new("The disk of {subject} is full", "{subject} のディスクに空きがありません"),
///     Text::new("{bytes} bytes are left.", "残りは {bytes} バイトです。"),
///     Text::new("Delete something.", "不要なファイルを削除してください。"),
/// );
/// let finding = DISK_FULL.finding("/var").with("bytes", 12);
/// assert_eq!(finding.to_string(), "The disk of /var is full: 12 bytes are left.");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Declaration {
    /// Namespaced word: the part, a stop and the case, such as `gate.upstream_down`.
    pub code: &'static str,
    /// Severity of a finding with this code.
    pub severity: Severity,
    /// The fact in one line, without a stop.
    pub title: Text,
    /// Why it happens, in sentences.
    pub cause: Text,
    /// What to do, in sentences.
    pub cure: Text,
    /// How to take the cure back, where that is not obvious.
    pub undo: Option<Text>,
    /// Messages of other programs that mean this: parts of their text, in any case; `*` stands for anything.
    /// `monban explain` looks for them.
    pub foreign: &'static [&'static str],
    /// Whether the finding stays until the owner acknowledges it.
    pub lasting: bool,
}

impl Declaration {
    /// A row without undo and foreign messages, whose finding passes with its cause.
    pub const fn new(code: &'static str, severity: Severity, title: Text, cause: Text, cure: Text) -> Self {
        Self { code, severity, title, cause, cure, undo: None, foreign: &[], lasting: false }
    }

    /// Adds how to take the cure back.
    #[must_use]
    pub const fn undo(mut self, undo: Text) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Adds messages of other programs that mean this.
    #[must_use]
    pub const fn foreign(mut self, foreign: &'static [&'static str]) -> Self {
        self.foreign = foreign;
        self
    }

    /// Makes its findings stay until the owner acknowledges them.
    #[must_use]
    pub const fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// A finding with this code.
    pub fn finding(&self, subject: impl Into<String>) -> Finding {
        Finding::new(*self, subject.into())
    }
}
