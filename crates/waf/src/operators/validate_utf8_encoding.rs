//! `@validateUtf8Encoding`: matches if the input is not UTF-8 (RFC 3629).

use super::describe::join;

/// A fault in the encoding of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NotEnoughBytes,
    InvalidByte,
    Overlong,
    Restricted,
}

/// Returns the first fault, in the order of ModSecurity's checks, and the start of its character.
fn fault(input: &[u8]) -> Option<(Fault, usize)> {
    let mut start = 0;
    while start < input.len() {
        match std::str::from_utf8(&input[start..]) {
            Ok(_) => return None,
            Err(error) => start += error.valid_up_to(),
        }
        match character(&input[start..]) {
            Ok(length) => start += length,
            Err(fault) => return Some((fault, start)),
        }
    }
    None
}

fn character(text: &[u8]) -> Result<usize, Fault> {
    let lead = text[0];
    let (length, bits, least) = match lead {
        0..=0x7f => return Ok(1),
        0xc0..=0xdf => (2, 0x1f, 0x80),
        0xe0..=0xef => (3, 0x0f, 0x800),
        0xf0..=0xf4 => (4, 0x07, 0x1_0000),
        0xf5..=0xf7 => return Err(Fault::Restricted),
        _ => return Err(Fault::InvalidByte),
    };
    let tail = text.get(1..length).ok_or(Fault::NotEnoughBytes)?;
    if tail.iter().any(|b| b & 0xc0 != 0x80) {
        return Err(Fault::InvalidByte);
    }
    let code = tail.iter().fold(u32::from(lead & bits), |code, b| code << 6 | u32::from(b & 0x3f));
    if (0xd800..=0xdfff).contains(&code) {
        return Err(Fault::Restricted);
    }
    // ModSecurity does not notice that F4 90 80 80 is beyond the last code point.
    if code < least { Err(Fault::Overlong) } else { Ok(length) }
}

pub(super) fn matches(input: &[u8]) -> bool {
    fault(input).is_some()
}

pub(super) fn describe(input: &[u8], variable: &[u8]) -> Vec<u8> {
    let Some((fault, offset)) = fault(input) else { return Vec::new() };
    let what: &[u8] = match fault {
        Fault::NotEnoughBytes => b"not enough bytes in character",
        Fault::InvalidByte => b"invalid byte value in character",
        Fault::Overlong => b"overlong character detected",
        Fault::Restricted => b"use of restricted character",
    };
    let offset = format!(". [offset \"{offset}\"]");
    join(&[b"Invalid UTF-8 encoding: ", what, b" at ", variable, offset.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        let at = |fault, offset| Some((fault, offset));
        let cases: [(&[u8], _); 11] = [
            (b"plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", None),
            (b"", None),
            (b"a\xc0\x80", at(Fault::Overlong, 1)),
            (b"a\xed\xa0\x80", at(Fault::Restricted, 1)),
            (b"a\xc3", at(Fault::NotEnoughBytes, 1)),
            (b"a\xf5\x80\x80\x80", at(Fault::Restricted, 1)),
            (b"a\xff", at(Fault::InvalidByte, 1)),
            (b"\xc3a", at(Fault::InvalidByte, 0)),
            (b"\xe0\x80\x80", at(Fault::Overlong, 0)),
            (b"\xf4\x90\x80\x80", None),
            (b"\xf4\x90\x80\x80\x80", at(Fault::InvalidByte, 4)),
        ];
        for (input, expected) in cases {
            assert_eq!(fault(input), expected, "{}", input.escape_ascii());
        }
    }
}
