//! `urlEncode`: every byte except ASCII letters, digits and `*` becomes `%hh` (lower case); a space becomes `+`.

use super::hex_encode::DIGITS;
use super::{Outcome, bytes};

fn stays(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'*'
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, |b| !stays(b)) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    for &b in &input[first..] {
        match b {
            b' ' => out.push(b'+'),
            b if stays(b) => out.push(b),
            b => out.extend_from_slice(&[b'%', DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]),
        }
    }
    Outcome::Written
}
