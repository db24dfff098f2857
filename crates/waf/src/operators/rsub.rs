//! `@rsub s/pattern/replacement/flags`: substitution in a stream variable. Flags: `i` ignores case; `d` escapes the
//! macros in the pattern.
//!
//! ModSecurity 2 applies it to STREAM_INPUT_BODY and STREAM_OUTPUT_BODY only; on other variables it is an error when
//! it is evaluated, and so no match.

use super::describe::join;
use super::phrases::decode;
use super::{Captures, MatchError, OperatorError, Pattern, PatternLimits};
use crate::limits;
use seclang::operator::OperatorName;

/// A compiled `@rsub`.
#[derive(Debug)]
pub struct Rsub {
    pattern: Pattern,
    replacement: Box<[u8]>,
}

impl Rsub {
    pub(super) fn compile(argument: &[u8], limits: &PatternLimits) -> Result<Rsub, OperatorError> {
        let error = |text: &str| OperatorError::argument(OperatorName::Rsub, text);
        let form = || error("the argument must be of the form s/pattern/replacement/flags");
        let [b's' | b'S', delimiter, rest @ ..] = argument else { return Err(form()) };
        let (pattern, rest) = part(rest, *delimiter).ok_or_else(form)?;
        let (replacement, flags) = part(rest, *delimiter).unwrap_or((rest.to_vec(), b""));
        let mut ignore_case = false;
        for flag in flags {
            match flag.to_ascii_lowercase() {
                b'i' => ignore_case = true,
                // Only macros in the pattern are escaped, and those are refused below.
                b'd' => {}
                _ => return Err(error("only the flags i and d are known")),
            }
        }
        if memchr::memmem::find(&pattern, b"%{").is_some()
            || memchr::memmem::find(&replacement, b"%{").is_some()
        {
            return Err(error("macros are not supported"));
        }
        let replacement =
            decode(&replacement).ok_or_else(|| error("the replacement is empty or has an unknown escape"))?;
        let text = if ignore_case { [b"(?i)", pattern.as_slice()].concat() } else { pattern };
        let pattern = Pattern::compile(&text, limits)
            .map_err(|error| OperatorError::Pattern { operator: OperatorName::Rsub, error })?;
        Ok(Rsub { pattern, replacement: replacement.into() })
    }

    pub(super) fn matches(&self) -> Result<bool, MatchError> {
        Err(MatchError::Failed("Operator rsub only works with STREAM_* variables".to_owned()))
    }

    /// `input` with each match replaced; `\1` to `\9` in the replacement are groups. After each match the search
    /// starts anew, so that `^` matches there. It ends at an empty match, or when the result exceeds `max` bytes.
    pub fn substitute(&self, input: &[u8], max: usize) -> Result<Vec<u8>, MatchError> {
        let mut captures = Captures::new(true);
        let mut out = Vec::new();
        let mut rest = input;
        while out.len() <= max && self.pattern.find_at(rest, 0, &mut captures)? {
            let Some(range) = captures.matched_range().filter(|range| !range.is_empty()) else { break };
            out.extend_from_slice(&rest[..range.start]);
            let mut text = &*self.replacement;
            while let Some((&byte, tail)) = text.split_first() {
                text = tail;
                match (byte, tail.first()) {
                    (b'\\', Some(digit @ b'1'..=b'9')) => {
                        let group = usize::from(digit - b'0').min(limits::CAPTURES - 1);
                        out.extend_from_slice(captures.get(group, rest).unwrap_or_default());
                        text = &tail[1..];
                    }
                    _ => out.push(byte),
                }
            }
            rest = &rest[range.end..];
        }
        if out.len() > max {
            return Err(MatchError::LimitExceeded);
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    pub(super) fn describe() -> Vec<u8> {
        join(&[b"Operator rsub succeeded."])
    }
}

/// The text up to the delimiter and what follows. A backslash before the delimiter makes it part of the text.
fn part(text: &[u8], delimiter: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at..)? {
            [b'\\', next, ..] if *next == delimiter => {
                out.push(delimiter);
                at += 2;
            }
            [byte, tail @ ..] if *byte == delimiter => return Some((out, tail)),
            [byte, ..] => {
                out.push(*byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutes() {
        let cases = [
            ("s/a/b/", "banana", "bbnbnb"),
            ("s/(a)(n)/|3c|x|3e|/", "banana", "b<x><x>a"),
            ("s/AN/x/i", "banana", "bxxa"),
            ("s#/a#b#", "/a/a", "bb"),
            (r"s/\/a/b/", "/a/a", "bb"),
            ("s/x*/y/", "abc", "abc"),
            ("s/^a/b/", "aaa", "bbb"),
        ];
        for (argument, input, expected) in cases {
            let rsub = Rsub::compile(argument.as_bytes(), &PatternLimits::default()).unwrap();
            let result = rsub.substitute(input.as_bytes(), 1000).unwrap();
            assert_eq!(result.escape_ascii().to_string(), expected, "{argument} of {input}");
        }
    }

    #[test]
    fn bad_arguments_and_limits() {
        for argument in ["", "s", "y/a/b/", "s/a", "s/a/b/x", "s/(/b/", "s/%{tx.a}/b/"] {
            assert!(Rsub::compile(argument.as_bytes(), &PatternLimits::default()).is_err(), "{argument}");
        }
        let rsub = Rsub::compile(b"s/a/bbbbbbbb/", &PatternLimits::default()).unwrap();
        assert_eq!(rsub.substitute(&[b'a'; 100], 50), Err(MatchError::LimitExceeded));
    }
}
