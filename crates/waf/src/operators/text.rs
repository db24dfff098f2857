//! The argument of operators that compare with a text, which may contain macros.

use super::describe::{escape, join};

/// An operator's argument: fixed, or expanded for each evaluation.
#[derive(Debug, Clone)]
pub struct Text(Box<[u8]>);

impl Text {
    pub(super) fn new(text: &[u8]) -> Text {
        Text(text.into())
    }

    /// Returns the text as written, with macros.
    pub fn as_written(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn resolve<'a>(&'a self, expanded: Option<&'a [u8]>) -> &'a [u8] {
        expanded.unwrap_or(&self.0)
    }
}

/// Returns `String match "text" at ARGS:x.`
pub(super) fn describe(text: &[u8], variable: &[u8]) -> Vec<u8> {
    join(&[b"String match \"", &escape(text), b"\" at ", variable, b"."])
}
