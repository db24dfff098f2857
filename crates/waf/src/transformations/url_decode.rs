//! `urlDecode`: decodes `%HH` and `+`. Invalid escapes stay unchanged.

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut rest = input;
    let mut found = false;
    while let Some(at) = memchr::memchr2(b'%', b'+', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, length) = match rest[0] {
            b'+' => (b' ', 1),
            _ if bytes::has_hex(rest, 1, 2) => (bytes::hex_byte(rest[1], rest[2]), 3),
            other => (other, 1),
        };
        found |= byte != rest[0] || length > 1;
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
