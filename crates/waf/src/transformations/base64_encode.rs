//! `base64Encode`: RFC 4648 §4, with padding.

use super::Outcome;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    out.reserve(input.len().div_ceil(3) * 4);
    for group in input.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for letter in 0..4 {
            let sextet = (bits >> (18 - 6 * letter) & 0x3f) as usize;
            out.push(if letter <= group.len() { ALPHABET[sextet] } else { b'=' });
        }
    }
    Outcome::Written
}
