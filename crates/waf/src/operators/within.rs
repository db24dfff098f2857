//! `@within`: the text contains the input. Every text contains the empty input.

use super::describe::{escape, join};

/// Up to this length of the text, testing each position is faster than preparing a search: 65,536 comparisons at most.
const SHORT: usize = 256;

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    let Some(&first) = input.first() else { return true };
    if text.len() > SHORT {
        return memchr::memmem::find(text, input).is_some();
    }
    memchr::memchr_iter(first, text).any(|at| text[at..].starts_with(input))
}

pub(super) fn describe(input: &[u8], text: &[u8], variable: &[u8]) -> Vec<u8> {
    let text = if input.is_empty() { Vec::new() } else { escape(text) };
    join(&[b"String match within \"", &text, b"\" at ", variable, b"."])
}
