//! `escapeSeqDecode`: decodes the escapes of ANSI C: `\a \b \f \n \r \t \v
//! \? \' \"`, `\xHH` and `\OOO`. A backslash before any other character is removed; at the end it stays.

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
            b'a' => (0x07, 2),
            b'b' => (0x08, 2),
            b'f' => (0x0c, 2),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'v' => (0x0b, 2),
            b'x' | b'X' if bytes::has_hex(rest, 2, 2) => (bytes::hex_byte(rest[2], rest[3]), 4),
            b'0'..=b'7' => {
                let (value, digits) = bytes::octal(rest, 1);
                ((value & 0xff) as u8, 1 + digits)
            }
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
