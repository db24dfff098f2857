//! Rows of the tables in which parts declare the error answers of their routes and the actions of the audit trail.

use crate::{Example, Text, Translated};

/// An error response of the API: one code, its status, and its text.
///
/// `{name}` in the text is a placeholder for a value of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemCode {
    /// Namespaced word: the API, a dot and the case, such as `account.wrong_password`.
    pub code: &'static str,
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The problem, in sentences.
    pub text: Text,
    /// Values of placeholders in an explanation of the code without a response.
    pub examples: &'static [Example],
}

impl ProblemCode {
    /// Creates a row.
    pub const fn new(code: &'static str, status: u16, en: &'static str, ja: &'static str) -> Self {
        Self { code, status, text: Text::new(en, ja), examples: &[] }
    }

    /// Adds example values of placeholders.
    #[must_use]
    pub const fn examples(mut self, examples: &'static [Example]) -> Self {
        self.examples = examples;
        self
    }

    /// Returns the text with example values.
    pub fn explained(&self) -> Translated {
        self.text.with_examples(self.examples)
    }
}

/// An action of the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditAction {
    /// Namespaced word: the part, a dot and the action, such as `console.signed_in`.
    pub code: &'static str,
    /// The action in a few words.
    pub text: Text,
}

impl AuditAction {
    /// Creates a row.
    pub const fn new(code: &'static str, en: &'static str, ja: &'static str) -> Self {
        Self { code, text: Text::new(en, ja) }
    }
}
