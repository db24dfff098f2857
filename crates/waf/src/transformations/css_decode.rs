//! `cssDecode`: decodes escapes of CSS 2 (§4.1.3): a backslash and one to six hexadecimal digits, or a backslash before
//! another character.
//!
//! Only the last two digits count; with four or more (without leading zeros) full-width forms become ASCII. One white-space
//! character after the digits belongs to the escape. A backslash before a newline is removed together with the newline, and a
//! backslash at the end is removed.

use super::Outcome;
use super::bytes::{self, hex_byte, hex_digit, narrow};

const MAX_DIGITS: usize = 6;

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut rest = input;
    let mut found = false;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        found = true;
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let count = rest.iter().take(MAX_DIGITS).take_while(|b| b.is_ascii_hexdigit()).count();
        if count > 0 {
            out.push(decode(&rest[..count]));
            let skip = usize::from(rest.get(count).is_some_and(|&b| bytes::is_space(b)));
            rest = &rest[count + skip..];
        } else if let Some((&b, tail)) = rest.split_first() {
            if b != b'\n' {
                out.push(b);
            }
            rest = tail;
        }
    }
    if !found {
        return Outcome::Unchanged;
    }
    out.extend_from_slice(rest);
    Outcome::Written
}

fn decode(digits: &[u8]) -> u8 {
    match *digits {
        [low] => hex_digit(low),
        [.., a, b, high, low] if digits[..digits.len() - 4].iter().all(|&d| d == b'0') => {
            narrow([a, b], hex_byte(high, low))
        }
        [.., high, low] => hex_byte(high, low),
        [] => 0,
    }
}
