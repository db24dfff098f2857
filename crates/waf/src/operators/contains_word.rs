//! `@containsWord`: the input contains the text, with no letter, digit or underscore on either side.

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

pub(super) fn matches(input: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return true;
    }
    // Occurrences may overlap, so the search for the next one starts one byte after the last.
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&input[from..], text) {
        let start = from + at;
        let before = start.checked_sub(1).map(|i| input[i]);
        let after = input.get(start + text.len()).copied();
        if !before.is_some_and(is_word) && !after.is_some_and(is_word) {
            return true;
        }
        from = start + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries() {
        let cases = [
            ("a", "a", true),
            ("xa a", "a", true),
            ("xa ax a_ _a 1a", "a", false),
            ("-a-", "a", true),
            ("aaa", "aa", false),
            ("a a a", "a a", true),
            ("", "", true),
            ("xa", "", true),
            ("é a", "a", true),
        ];
        for (input, text, expected) in cases {
            assert_eq!(matches(input.as_bytes(), text.as_bytes()), expected, "{text} in {input}");
        }
    }
}
