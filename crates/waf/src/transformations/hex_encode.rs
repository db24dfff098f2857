//! `hexEncode`: two lower-case digits for each byte.

use super::Outcome;

pub(super) const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    out.reserve(input.len() * 2);
    for &b in input {
        out.extend_from_slice(&[DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    }
    Outcome::Written
}
