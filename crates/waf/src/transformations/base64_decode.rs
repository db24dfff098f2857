//! `base64Decode`: strict. Decodes up to the first byte outside the alphabet.

use super::Outcome;

/// Returns the six bits of a base64 letter.
pub(super) fn sextet(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Appends the bytes of whole groups of eight bits. Drops the remaining bits.
pub(super) fn decode(sextets: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u32, 0);
    for sextet in sextets {
        bits = bits << 6 | u32::from(sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    decode(input.iter().map_while(|&b| sextet(b)), out);
    Outcome::Written
}
