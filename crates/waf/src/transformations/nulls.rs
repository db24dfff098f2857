//! `removeNulls` and `replaceNulls`: remove NUL bytes, or replace them with spaces.

use super::Outcome;

pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = memchr::memchr(0, input) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    out.extend(input[first..].iter().filter(|&&b| b != 0));
    Outcome::Written
}

pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = memchr::memchr(0, input) else { return Outcome::Unchanged };
    out.extend_from_slice(input);
    out[first..].iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    Outcome::Written
}
