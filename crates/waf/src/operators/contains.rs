//! `@contains`: the input contains the text. Every input contains the empty text.

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(input, text).is_some()
}
