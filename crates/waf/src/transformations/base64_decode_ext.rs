//! `base64DecodeExt`: lenient. Skips all bytes outside the alphabet.
//!
//! Premature padding (after one letter of a group, and not doubled) makes the result empty. A NUL ends the input.

use super::Outcome;
use super::base64_decode::{decode, sextet};
use super::bytes;

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let end = memchr::memchr(0, input).unwrap_or(input.len());
    let input = &input[..end];
    let mut letters = 0_usize;
    for (i, &b) in input.iter().enumerate() {
        if b == b'=' && letters % 4 == 1 && bytes::at(input, i + 1) != b'=' {
            return Outcome::Written;
        }
        letters += usize::from(sextet(b).is_some());
    }
    decode(input.iter().filter_map(|&b| sextet(b)), out);
    Outcome::Written
}
