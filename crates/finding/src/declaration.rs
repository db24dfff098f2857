//! Rows of the tables in which parts declare their findings.

use event::Severity;

use crate::{Example, Finding, Text, Translated};

/// A row of a part's table: one code with its severity and texts.
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
    /// Namespaced word: the part, a dot and the case, such as `gate.upstream_down`.
    pub code: &'static str,
    /// Severity of a finding with this code.
    pub severity: Severity,
    /// The fact in one line, without a full stop.
    pub title: Text,
    /// The reason, in sentences.
    pub cause: Text,
    /// The remedy, in sentences.
    pub cure: Text,
    /// The way to revert the remedy, if that is not obvious.
    pub undo: Option<Text>,
    /// Values of placeholders in an explanation of the code without a finding.
    pub examples: &'static [Example],
    /// Equivalent messages of other programs, as parts of their text in any case; `*` matches anything. `monban
    /// explain` searches for them.
    pub foreign: &'static [&'static str],
    /// Whether the finding stays until the owner acknowledges it.
    pub lasting: bool,
}

impl Declaration {
    /// Creates a row without undo and foreign messages, whose finding disappears with its cause.
    pub const fn new(code: &'static str, severity: Severity, title: Text, cause: Text, cure: Text) -> Self {
        Self { code, severity, title, cause, cure, undo: None, examples: &[], foreign: &[], lasting: false }
    }

    /// Adds the way to revert the remedy.
    #[must_use]
    pub const fn undo(mut self, undo: Text) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Adds example values of placeholders.
    #[must_use]
    pub const fn examples(mut self, examples: &'static [Example]) -> Self {
        self.examples = examples;
        self
    }

    /// Adds equivalent messages of other programs.
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

    /// Returns a text of this row with example values.
    pub fn explained(&self, text: &Text) -> Translated {
        text.with_examples(self.examples)
    }

    /// Creates a finding with this code.
    pub fn finding(&self, subject: impl Into<String>) -> Finding {
        Finding::new(*self, subject.into())
    }
}
