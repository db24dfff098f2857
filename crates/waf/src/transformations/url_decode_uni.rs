//! `urlDecodeUni`: like `urlDecode`, and also decodes `%uHHHH` of Microsoft IIS: by the Unicode map, or else to its lower byte
//! (full-width forms become ASCII). A `%u` without four digits stays.

use super::{Outcome, UnicodeMap, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>, map: Option<&UnicodeMap>) -> Outcome {
    let mut rest = input;
    let mut found = false;
    while let Some(at) = memchr::memchr2(b'%', b'+', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, length) = match rest {
            [b'+', ..] => (b' ', 1),
            [_, b'u' | b'U', ..] if bytes::has_hex(rest, 2, 4) => {
                (unicode([rest[2], rest[3], rest[4], rest[5]], map), 6)
            }
            _ if bytes::has_hex(rest, 1, 2) => (bytes::hex_byte(rest[1], rest[2]), 3),
            _ => (rest[0], 1),
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

fn unicode(digits: [u8; 4], map: Option<&UnicodeMap>) -> u8 {
    let low = bytes::hex_byte(digits[2], digits[3]);
    let code = u16::from_be_bytes([bytes::hex_byte(digits[0], digits[1]), low]);
    map.and_then(|map| map.get(code)).unwrap_or_else(|| bytes::narrow([digits[0], digits[1]], low))
}
