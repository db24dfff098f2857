//! `@streq`: the input equals the text, byte for byte.

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    input == text
}
