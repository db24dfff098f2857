//! `@contains`: the text stands somewhere in the input. The empty text is in every input.

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(input, text).is_some()
}
