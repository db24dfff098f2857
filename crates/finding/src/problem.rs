//! Rows of the tables in which parts declare the error answers of their routes and the actions of the audit trail.

use crate::Text;

/// An error answer of the API: one code, its status, and the text that a person reads.
///
/// `{name}` in the text stands for a value of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemCode {
    /// Namespaced word: the API, a stop and the case, such as `account.wrong_password`.
    pub code: &'static str,
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// What is wrong, in sentences.
    pub text: Text,
}

impl ProblemCode {
    /// A row.
    pub const fn new(code: &'static str, status: u16, en: &'static str, ja: &'static str) -> Self {
        Self { code, status, text: Text::new(en, ja) }
    }
}

/// An action of the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditAction {
    /// Namespaced word: the part, a stop and the action, such as `console.signed_in`.
    pub code: &'static str,
    /// The action in a few words.
    pub text: Text,
}

impl AuditAction {
    /// A row.
    pub const fn new(code: &'static str, en: &'static str, ja: &'static str) -> Self {
        Self { code, text: Text::new(en, ja) }
    }
}
