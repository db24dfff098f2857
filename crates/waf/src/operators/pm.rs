//! `@pm` and `@pmFromFile`: many phrases at once, ignoring ASCII case.
//!
//! The reported phrase, which becomes TX.0, is the one that ends first in the input; of several, the longest. It is reported as
//! the rule writes it.

use aho_corasick::{AhoCorasick, MatchKind};

use super::describe::{escape_cut, join};
use super::phrases::{decode, until_nul};
use super::{Captures, DataFiles, OperatorError};
use crate::limits;
use seclang::operator::OperatorName;

/// A compiled `@pm` or `@pmFromFile`.
#[derive(Debug)]
pub struct Pm {
    automaton: AhoCorasick,
    phrases: Vec<Box<[u8]>>,
}

impl Pm {
    /// Parses the phrases of an argument, separated by whitespace.
    pub(super) fn from_argument(argument: &[u8]) -> Result<Pm, OperatorError> {
        let decoded = decode(argument).unwrap_or_else(|| argument.to_vec());
        let words = until_nul(&decoded).split(|b| is_space(*b)).filter(|word| !word.is_empty());
        Pm::new(OperatorName::Pm, words.map(Box::from).collect())
    }

    /// Parses files of phrases, one in each line. The argument has the files' names, separated by whitespace.
    pub(super) fn from_files(
        argument: &[u8],
        rule_file: &str,
        files: &dyn DataFiles,
    ) -> Result<Pm, OperatorError> {
        let mut phrases = Vec::new();
        let mut found = false;
        for name in argument.split(|b| is_space(*b)).filter(|name| !name.is_empty()) {
            found = true;
            let text = super::read_file(OperatorName::PmFromFile, name, rule_file, files)?;
            phrases.extend(lines(&text).map(Box::from));
        }
        if !found {
            return Err(OperatorError::argument(OperatorName::PmFromFile, "the name of a file is missing"));
        }
        Pm::new(OperatorName::PmFromFile, phrases)
    }

    fn new(operator: OperatorName, phrases: Vec<Box<[u8]>>) -> Result<Pm, OperatorError> {
        if operator == OperatorName::Pm && phrases.is_empty() {
            return Err(OperatorError::argument(operator, "a phrase is missing"));
        }
        let bytes: usize = phrases.iter().map(|phrase| phrase.len()).sum();
        if bytes > limits::PHRASES_BYTES {
            let text = format!("{bytes} bytes of phrases, more than {}", limits::PHRASES_BYTES);
            return Err(OperatorError::argument(operator, &text));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&phrases)
            .map_err(|error| OperatorError::argument(operator, &error.to_string()))?;
        Ok(Pm { automaton, phrases })
    }

    /// Returns the phrases in order. They match ignoring ASCII case.
    pub fn phrases(&self) -> &[Box<[u8]>] {
        &self.phrases
    }

    fn find(&self, input: &[u8]) -> Option<&[u8]> {
        self.automaton.find(input).map(|found| &*self.phrases[found.pattern().as_usize()])
    }

    pub(super) fn matches(&self, input: &[u8], captures: &mut Captures) -> bool {
        if !captures.wanted {
            return self.automaton.is_match(input);
        }
        let Some(phrase) = self.find(input) else { return false };
        captures.set_text(phrase, false);
        true
    }

    pub(super) fn describe(&self, input: &[u8], variable: &[u8]) -> Vec<u8> {
        let phrase = self.find(input).unwrap_or_default();
        join(&[b"Matched phrase \"", &escape_cut(phrase), b"\" at ", variable, b"."])
    }
}

fn is_space(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

/// Returns the phrases of a file, without empty lines, comments and surrounding blanks. Like ModSecurity 2 it drops phrases of
/// one character.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    text.split_inclusive(|&b| b == b'\n').filter_map(|line| {
        let line = until_nul(line);
        let decoded = decode(line).unwrap_or_else(|| line.to_vec());
        let decoded = until_nul(&decoded);
        let start = decoded.iter().position(|b| !is_space(*b))?;
        let end = decoded.iter().rposition(|b| !is_space(*b))? + 1;
        let phrase = &decoded[start..end];
        (phrase.len() > 1 && phrase[0] != b'#').then(|| phrase.to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file() {
        let text =
            b"evil\n#comment\na\n  \n\"quoted\"\n  spaced phrase  \nx|41 42|y\nbad\\.esc\n\r\ncr\r\nlast";
        let expected: [&[u8]; 7] =
            [b"evil", b"\"quoted\"", b"spaced phrase", b"xABy", b"bad\\.esc", b"cr", b"last"];
        assert_eq!(lines(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reports_the_phrase_that_ends_first_as_it_is_written() {
        let pm = Pm::from_argument(b"QUO quot bcd abcde abcd d ABC").unwrap();
        let mut captures = Captures::new(true);
        for (input, phrase) in [("xquotx", "QUO"), ("abcde", "ABC"), ("xbcd", "bcd"), ("d", "d")] {
            assert!(pm.matches(input.as_bytes(), &mut captures), "{input}");
            assert_eq!(captures.get(0, b""), Some(phrase.as_bytes()), "{input}");
            assert!(pm.matches(input.as_bytes(), &mut Captures::new(false)));
        }
        assert!(!pm.matches(b"nothing", &mut captures));
        assert!(!pm.matches(b"", &mut captures));
    }

    #[test]
    fn too_many_phrases_are_refused() {
        let phrases = vec![vec![b'a'; limits::PHRASES_BYTES + 1].into()];
        assert!(Pm::new(OperatorName::PmFromFile, phrases).is_err());
        assert!(Pm::from_argument(b"  ").is_err());
    }
}
