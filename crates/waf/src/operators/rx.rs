//! `@rx`: a regular expression. Its groups become TX.0 to TX.9.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::describe::{escape_cut, join};
use super::{Captures, MatchError, Pattern, PatternError, PatternLimits};
use crate::limits;

/// A compiled `@rx`.
#[derive(Debug)]
pub struct Rx {
    source: Source,
    limits: PatternLimits,
    /// The pattern without macros, as in the log; computed at the first match.
    logged: OnceLock<Vec<u8>>,
}

#[derive(Debug)]
enum Source {
    Fixed(Pattern),
    /// A pattern with macros, whose text is known only at evaluation.
    Expanded(Mutex<VecDeque<Arc<Pattern>>>),
}

impl Rx {
    pub(super) fn compile(text: &[u8], has_macros: bool, limits: PatternLimits) -> Result<Rx, PatternError> {
        let source = if has_macros {
            Source::Expanded(Mutex::new(VecDeque::new()))
        } else {
            Source::Fixed(Pattern::compile(text, &limits)?)
        };
        Ok(Rx { source, limits, logged: OnceLock::new() })
    }

    /// Returns the expression, unless it contains macros.
    pub fn pattern(&self) -> Option<&Pattern> {
        match &self.source {
            Source::Fixed(pattern) => Some(pattern),
            Source::Expanded(_) => None,
        }
    }

    pub(super) fn matches(
        &self,
        input: &[u8],
        argument: Option<&[u8]>,
        captures: &mut Captures,
    ) -> Result<bool, MatchError> {
        match &self.source {
            Source::Fixed(pattern) => pattern.find_at(input, 0, captures),
            Source::Expanded(cache) => {
                self.expanded(cache, argument.unwrap_or_default())?.find_at(input, 0, captures)
            }
        }
    }

    fn expanded(
        &self,
        cache: &Mutex<VecDeque<Arc<Pattern>>>,
        text: &[u8],
    ) -> Result<Arc<Pattern>, MatchError> {
        // A panic under the lock cannot leave a partial change in the queue.
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.iter().find(|pattern| pattern.text() == text) {
            return Ok(Arc::clone(known));
        }
        let pattern = Arc::new(Pattern::compile(text, &self.limits).map_err(MatchError::Pattern)?);
        cache.truncate(limits::EXPANDED_PATTERNS - 1);
        cache.push_front(Arc::clone(&pattern));
        Ok(pattern)
    }

    pub(super) fn describe(&self, argument: Option<&[u8]>, variable: &[u8]) -> Vec<u8> {
        let sentence = |text: &[u8]| join(&[b"Pattern match \"", text, b"\" at ", variable, b"."]);
        match self.pattern() {
            Some(pattern) => sentence(self.logged.get_or_init(|| escape_cut(pattern.text()))),
            None => sentence(&escape_cut(argument.unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expanded_patterns_are_compiled_once_and_only_some_are_kept() {
        let rx = Rx::compile(b"^%{tx.a}$", true, PatternLimits::default()).unwrap();
        let mut captures = Captures::new(true);
        assert!(rx.matches(b"abc", Some(b"^a(b)c$"), &mut captures).unwrap());
        assert_eq!(captures.get(1, b"abc"), Some(&b"b"[..]));
        for i in 0..100 {
            let text = format!("^{i}$");
            assert!(rx.matches(i.to_string().as_bytes(), Some(text.as_bytes()), &mut captures).unwrap());
        }
        let Source::Expanded(cache) = &rx.source else { panic!("not expanded") };
        assert_eq!(cache.lock().unwrap().len(), limits::EXPANDED_PATTERNS);
    }

    #[test]
    fn a_bad_expanded_pattern_is_an_error_not_a_match() {
        let rx = Rx::compile(b"%{tx.a}", true, PatternLimits::default()).unwrap();
        let error = rx.matches(b"a", Some(b"(a"), &mut Captures::new(false)).unwrap_err();
        assert!(matches!(error, MatchError::Pattern(PatternError::Syntax { offset: 2, .. })), "{error}");
    }
}
