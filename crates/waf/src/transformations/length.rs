//! `length`: the number of bytes, in decimal.

use super::Outcome;

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(input.len().to_string().as_bytes());
    Outcome::Written
}
