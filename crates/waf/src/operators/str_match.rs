//! `@strmatch`: `@contains` with the notation of `@pm` for bytes, and without macros.

use memchr::memmem::Finder;

use super::OperatorError;
use super::describe::{escape, join};
use super::phrases::{decode, until_nul};
use seclang::operator::OperatorName;

/// A compiled `@strmatch`.
#[derive(Debug)]
pub struct StrMatch {
    written: Box<[u8]>,
    finder: Finder<'static>,
}

impl StrMatch {
    pub(super) fn compile(argument: &[u8]) -> Result<StrMatch, OperatorError> {
        let text = decode(argument).ok_or_else(|| {
            OperatorError::argument(OperatorName::StrMatch, "the text is missing or has an unknown escape")
        })?;
        Ok(StrMatch { written: argument.into(), finder: Finder::new(until_nul(&text)).into_owned() })
    }

    /// Returns the text to find.
    pub fn needle(&self) -> &[u8] {
        self.finder.needle()
    }

    pub(super) fn matches(&self, input: &[u8]) -> bool {
        self.finder.find(input).is_some()
    }

    pub(super) fn describe(&self, variable: &[u8]) -> Vec<u8> {
        join(&[b"Pattern match \"", &escape(&self.written), b"\" at ", variable, b"."])
    }
}
