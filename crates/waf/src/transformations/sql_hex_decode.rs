//! `sqlHexDecode`: MySQL's `0x4142` becomes `AB`.
//!
//! The character after such a literal is copied without a test, so that only the first of two adjacent literals is decoded. A NUL
//! ends the value, even a decoded one.

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let end = memchr::memchr(0, input).unwrap_or(input.len());
    if end == input.len() && bytes::position(input, |b| matches!(b, b'x' | b'X')).is_none() {
        return Outcome::Unchanged;
    }
    let mut rest = &input[..end];
    while let Some((&b, tail)) = rest.split_first() {
        if b == b'0' && matches!(tail, [b'x' | b'X', ..]) && bytes::has_hex(tail, 1, 2) {
            rest = &tail[1..];
            while bytes::has_hex(rest, 0, 2) {
                let byte = bytes::hex_byte(rest[0], rest[1]);
                if byte == 0 {
                    return Outcome::Written;
                }
                out.push(byte);
                rest = &rest[2..];
            }
            let Some((&next, tail)) = rest.split_first() else { break };
            out.push(next);
            rest = tail;
        } else {
            out.push(b);
            rest = tail;
        }
    }
    Outcome::Written
}
