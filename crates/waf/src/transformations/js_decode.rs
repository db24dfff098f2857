//! `jsDecode`: decodes escapes of JavaScript: `\uHHHH` (its lower byte; full-width forms become ASCII), `\xHH`, `\OOO`, and
//! single characters. A backslash before any other character is removed; at the end it stays.

#![expect(clippy::cast_possible_truncation, reason = "an octal escape keeps its low byte")]

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut rest = input;
    let mut found = false;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let Some(&escaped) = rest.get(1) else { break };
        found = true;
        let (byte, length) = match escaped {
            b'u' if bytes::has_hex(rest, 2, 4) => {
                (bytes::narrow([rest[2], rest[3]], bytes::hex_byte(rest[4], rest[5])), 6)
            }
            b'x' if bytes::has_hex(rest, 2, 2) => (bytes::hex_byte(rest[2], rest[3]), 4),
            b'0'..=b'7' => match bytes::octal(rest, 1) {
                // Three digits whose value exceeds a byte are two digits and a character.
                (value, 3) if value > 0xff => ((value >> 3) as u8, 3),
                (value, digits) => (value as u8, 1 + digits),
            },
            b'a' => (0x07, 2),
            b'b' => (0x08, 2),
            b'f' => (0x0c, 2),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'v' => (0x0b, 2),
            other => (other, 2),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    if !found {
        out.clear();
        return Outcome::Unchanged;
    }
    out.extend_from_slice(rest);
    Outcome::Written
}
