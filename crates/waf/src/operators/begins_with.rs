//! `@beginsWith`: the input starts with the text.

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    input.starts_with(text)
}
