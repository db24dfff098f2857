//! Regular expressions with PCRE's meaning, on bytes.
//!
//! An expression becomes a finite automaton (crate regex-automata, linear time) if the automaton has exactly the same meaning.
//! Otherwise PCRE2 runs the expression, with a limit on its steps.

mod class;
mod parser;
mod pcre;
mod translate;

use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, PatternID};
use regex_syntax::hir::Hir;

pub use translate::{Beyond, translate};

use super::{Captures, MatchError};
use crate::limits;

/// PCRE2's limits in a match: `SecPcreMatchLimit` and `SecPcreMatchLimitRecursion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternLimits {
    /// Steps in one match.
    pub match_limit: u32,
    /// Depth of backtracking in one match. Only PCRE2's interpreter counts it, so a depth limit below `match_limit` prevents
    /// compilation to machine code. Otherwise a match reaches the match limit first, since each level is a step.
    pub depth_limit: u32,
}

/// A limit of PCRE2 that a match reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PcreLimit {
    /// See [`PatternLimits::match_limit`].
    #[error("PCRE2 reached its match limit (SecPcreMatchLimit)")]
    Match,
    /// See [`PatternLimits::depth_limit`].
    #[error("PCRE2 reached its depth limit (SecPcreMatchLimitRecursion)")]
    Depth,
    /// [`limits::PCRE_JIT_STACK`], or the interpreter's heap limit of 20 MB.
    #[error("PCRE2 reached its memory limit")]
    Memory,
}

impl Default for PatternLimits {
    fn default() -> Self {
        PatternLimits { match_limit: limits::PCRE_MATCH_LIMIT, depth_limit: limits::PCRE_DEPTH_LIMIT }
    }
}

/// An error in the compilation of an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// PCRE2 refuses the expression.
    #[error("{message} (at byte {offset} of the pattern)")]
    Syntax {
        /// PCRE2's message.
        message: String,
        /// Offset in bytes.
        offset: usize,
    },
    /// The expression is longer than [`limits::PATTERN_BYTES`].
    #[error("the pattern has {0} bytes, more than {max}", max = limits::PATTERN_BYTES)]
    TooLong(usize),
    /// Neither engine supports the expression with its exact meaning.
    #[error("{feature} is not supported (at byte {offset} of the pattern)")]
    NotSupported {
        /// The construct.
        feature: &'static str,
        /// Offset in bytes.
        offset: usize,
    },
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<[u8]>,
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Automaton(meta::Regex),
    Pcre(Box<pcre2::bytes::Regex>, Beyond),
}

impl Pattern {
    /// Compiles `text` as ModSecurity 2's `@rx` does.
    pub fn compile(text: &[u8], pattern_limits: &PatternLimits) -> Result<Pattern, PatternError> {
        if text.len() > limits::PATTERN_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        let engine = match translate(text).and_then(|hir| automaton(&hir)) {
            Ok(regex) => Engine::Automaton(regex),
            Err(beyond) => Engine::Pcre(Box::new(pcre::compile_rx(text, pattern_limits)?), beyond),
        };
        Ok(Pattern { text: text.into(), engine })
    }

    /// Compiles `text` as `@verifyCC` and similar operators do: with MULTILINE, and without empty matches.
    pub(super) fn compile_for_numbers(
        text: &[u8],
        limits: &PatternLimits,
    ) -> Result<pcre2::bytes::Regex, PatternError> {
        pcre::compile_for_numbers(text, limits)
    }

    /// Returns the expression as written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Parses the expression again and returns its tree; none if PCRE2 runs it.
    pub fn hir(&self) -> Option<Hir> {
        match self.engine {
            Engine::Automaton(_) => translate(&self.text).ok(),
            Engine::Pcre(..) => None,
        }
    }

    /// Returns the reason why PCRE2 runs the expression, if it does.
    pub fn beyond_automata(&self) -> Option<Beyond> {
        match self.engine {
            Engine::Automaton(_) => None,
            Engine::Pcre(_, beyond) => Some(beyond),
        }
    }

    /// Returns the heap size in bytes of the compiled expression, without caches; 0 if PCRE2 runs it, which does not report its
    /// size.
    pub fn memory_usage(&self) -> usize {
        match &self.engine {
            Engine::Automaton(regex) => regex.memory_usage(),
            Engine::Pcre(..) => 0,
        }
    }

    /// Finds the leftmost match that begins at or after `start`. Fills `captures` if they are wanted.
    pub fn find_at(&self, input: &[u8], start: usize, captures: &mut Captures) -> Result<bool, MatchError> {
        match &self.engine {
            Engine::Automaton(regex) => {
                let input = Input::new(input).range(start..);
                // Most values do not match, and a test needs no slots.
                Ok(regex.is_match(input.clone())
                    && (!captures.wanted || with_groups(regex, &input, captures)))
            }
            Engine::Pcre(regex, _) => pcre::find_at(regex, input, start, captures),
        }
    }
}

fn with_groups(regex: &meta::Regex, input: &Input<'_>, captures: &mut Captures) -> bool {
    let mut slots = [None::<NonMaxUsize>; limits::CAPTURES * 2];
    let groups = regex.group_info().group_len(PatternID::ZERO).min(limits::CAPTURES);
    if regex.search_slots(input, &mut slots[..groups * 2]).is_none() {
        return false;
    }
    let group = |pair: &[Option<NonMaxUsize>]| Some((pair[0]?.get(), pair[1]?.get()));
    captures.set_groups(slots[..groups * 2].chunks_exact(2).map(group));
    true
}

fn automaton(hir: &Hir) -> Result<meta::Regex, Beyond> {
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(limits::AUTOMATON_BYTES))
        .hybrid_cache_capacity(limits::LAZY_DFA_BYTES)
        .onepass(false)
        .dfa(false);
    meta::Builder::new()
        .configure(config)
        .build_from_hir(hir)
        .map_err(|_| Beyond { feature: "an automaton that is too large", offset: 0 })
}
