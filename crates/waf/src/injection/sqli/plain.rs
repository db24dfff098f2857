//! A quick test that rules out most harmless inputs.
//!
//! Most values are words, numbers and punctuation, and no attack consists only of their tokens ([`Kind::PLAIN`]). Folding makes
//! no other tokens from them, except where words form a phrase. This test visits each byte once; tokenizing and folding take
//! twenty times as long. It may miss harmless inputs, but it must not pass an input that has another token in one of the dialects
//! or contexts.

#![expect(clippy::cast_possible_truncation, reason = "the table has 256 classes")]

use super::vocabulary;

/// Length in bytes beyond which the tokenizer decides, which rarely reads the whole input.
const LIMIT: usize = 256;

/// Classes of bytes. All others, such as quotes, parentheses and most control characters, are not plain.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const BLANK: u8 = 4;
/// A token by itself; next to another one it may begin a comment or form another operator.
const MARK: u8 = 8;
const DOT: u8 = 16;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut number = 0;
    while number < 256 {
        classes[number] = match number as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => LETTER,
            // these end words
            0xa0 => 0,
            0x80.. => LETTER,
            b'0'..=b'9' => DIGIT,
            b' ' | b'\t' | b'\r' | b'\n' => BLANK,
            b'!' | b'%' | b'&' | b'*' | b'+' | b',' | b'-' | b'/' | b':' | b'<' | b'=' | b'>' | b'?'
            | b'^' | b'|' | b'~' => MARK,
            b'.' => DOT,
            _ => 0,
        };
        number += 1;
    }
    classes
};

#[inline]
fn class_at(input: &[u8], at: usize) -> u8 {
    input.get(at).map_or(BLANK, |&byte| CLASSES[usize::from(byte)])
}

#[inline]
fn end_of(input: &[u8], mut at: usize, classes: u8) -> usize {
    while at < input.len() && class_at(input, at) & classes != 0 {
        at += 1;
    }
    at
}

/// Whether all tokens of `input` are plain in every reading, and none begins a phrase. A wrong "no" only costs time.
pub(super) fn is_plain(input: &[u8]) -> bool {
    if input.len() > LIMIT {
        return false;
    }
    super::scan::note(input.len());
    let mut at = 0;
    while at < input.len() {
        let start = at;
        match class_at(input, start) {
            LETTER => {
                at = end_of(input, at + 1, LETTER | DIGIT);
                if !input.get(start..at).is_some_and(vocabulary::is_plain) {
                    return false;
                }
            }
            DIGIT => {
                at = end_of(input, at + 1, DIGIT);
                if class_at(input, at) == DOT {
                    at = end_of(input, at + 1, DIGIT);
                }
                // an exponent, a suffix or another base changes how the following bytes are read
                if let Some(b'e' | b'E' | b'd' | b'D' | b'f' | b'F' | b'x' | b'X' | b'b' | b'B') =
                    input.get(at)
                {
                    return false;
                }
            }
            BLANK | DOT => at += 1,
            MARK => {
                at += 1;
                if class_at(input, at) == MARK {
                    return false;
                }
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

    use super::super::tokenizer::{Dialect, Tokenizer};
    use super::*;

    /// Whether the promise of `is_plain` holds.
    fn has_plain_tokens(input: &[u8]) -> bool {
        [Dialect::Ansi, Dialect::MySql].into_iter().all(|dialect| {
            let mut tokenizer = Tokenizer::new(input, dialect, None);
            let tokens = std::iter::from_fn(|| tokenizer.next());
            let mut tokens = tokens.inspect(|token| assert_eq!(token.open, 0));
            tokens.all(|token| token.kind.is_plain() && !begins_phrase(token.text()))
        }) && !input.iter().any(|byte| b"'\"`".contains(byte))
    }

    /// Does the same as [`vocabulary::begins_phrase`], without its false positives.
    fn begins_phrase(text: &[u8]) -> bool {
        vocabulary::begins_phrase(text)
            && SQL_KEYWORDS.iter().filter(|entry| entry.token_type != b'F').any(|entry| {
                let known = entry.word.as_bytes();
                known.get(text.len()) == Some(&b' ') && known[..text.len()].eq_ignore_ascii_case(text)
            })
    }

    #[test]
    fn plain_inputs_have_plain_tokens() {
        let words = SQL_KEYWORDS.iter().filter(|entry| entry.token_type != b'F').map(|entry| entry.word);
        let mut pieces: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
        // bytes and numbers are as frequent as words
        for _ in 0..4 {
            pieces.extend((0..=u8::MAX).map(|byte| vec![byte]));
        }
        for _ in 0..40 {
            let others = [
                "1",
                "20.",
                ".5",
                "1e",
                "2e-3",
                "0x",
                "0b1",
                "1d",
                "3f",
                " ",
                " ",
                ",",
                ".",
                "-",
                "word",
                "x_1",
                "\u{e9}t\u{e9}",
            ];
            pieces.extend(others.map(|piece| piece.as_bytes().to_vec()));
        }
        // xorshift, so that every run has the same inputs
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % limit as u64).unwrap()
        };
        let mut plain = 0;
        for _ in 0..300_000 {
            let count = 1 + below(5);
            let input: Vec<u8> = (0..count).flat_map(|_| pieces[below(pieces.len())].clone()).collect();
            if is_plain(&input) {
                assert!(has_plain_tokens(&input), "{}", input.escape_ascii());
                plain += 1;
            }
        }
        assert!(plain > 50_000, "{plain}");
    }

    #[test]
    fn ordinary_values_are_plain() {
        for value in [
            "",
            "a",
            "cushion, blue",
            "items.items.title",
            "12",
            "-3.50",
            "2024-05-01T10:00:00Z",
            "a-b_c",
            "10:30",
            "q=0.9",
            "50%",
            "caf\u{e9}",
        ] {
            assert!(is_plain(value.as_bytes()), "{value}");
        }
        for value in [
            "1 or 1", "select", "UNION", "left", "a--", "1/*", "it's", "1eunion", "1union", "f(", "#", "@a",
            "a\0b", "a&&b",
        ] {
            assert!(!is_plain(value.as_bytes()), "{value}");
        }
        assert!(!is_plain(&[b'a'; LIMIT + 1]));
    }
}
