//! `@within`: the input stands somewhere in the text. The empty input does.

use super::describe::{escape, join};

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(text, input).is_some()
}

pub(super) fn describe(input: &[u8], text: &[u8], variable: &[u8]) -> Vec<u8> {
    let text = if input.is_empty() { Vec::new() } else { escape(text) };
    join(&[b"String match within \"", &text, b"\" at ", variable, b"."])
}
