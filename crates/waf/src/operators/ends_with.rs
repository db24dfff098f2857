//! `@endsWith`: the input ends with the text.

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    input.ends_with(text)
}
