//! `utf8toUnicode`: multi-byte UTF-8 becomes `%uHHHH` (lower case, at least four digits).
//!
//! Invalid sequences give ModSecurity's results: it drops the lead byte of a broken sequence, copies stray continuation bytes,
//! and writes an overlong form or a surrogate, followed by its lead byte. NUL bytes are dropped.

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, |b| b == 0 || b >= 0x80) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    let mut i = first;
    while i < input.len() {
        let lead = input[i];
        // Length of the sequence, bits of the lead byte, and the smallest code point that needs this length.
        let (length, bits, least) = match lead {
            0 => {
                i += 1;
                continue;
            }
            0xc0..=0xdf => (2, 0x1f, 0x80),
            0xe0..=0xef => (3, 0x0f, 0x800),
            0xf0..=0xf7 => (4, 0x07, 0x1_0000),
            _ => {
                out.push(lead);
                i += 1;
                continue;
            }
        };
        if lead >= 0xf5 {
            out.push(lead);
        }
        let sequence = input.get(i + 1..i + length).filter(|tail| tail.iter().all(|b| b & 0xc0 == 0x80));
        let Some(tail) = sequence else {
            i += 1;
            continue;
        };
        let code = tail.iter().fold(u32::from(lead & bits), |code, b| code << 6 | u32::from(b & 0x3f));
        out.extend_from_slice(b"%u");
        let digits = if code > 0xffff { (31 - code.leading_zeros()) / 4 + 1 } else { 4 };
        out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(code >> (digit * 4) & 0xf) as usize]));
        if code < least || (0xd800..=0xdfff).contains(&code) {
            out.push(lead);
        }
        i += length;
    }
    Outcome::Written
}
