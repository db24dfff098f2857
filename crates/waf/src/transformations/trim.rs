//! `trim`, `trimLeft`, `trimRight`: remove white space at the ends (0xA0 does not count here).

use super::Outcome;
use super::bytes::is_space;

fn start(input: &[u8]) -> usize {
    input.iter().position(|&b| !is_space(b)).unwrap_or(input.len())
}

fn end(input: &[u8]) -> usize {
    input.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1)
}

fn keep(input: &[u8], kept: &[u8], out: &mut Vec<u8>) -> Outcome {
    if kept.len() == input.len() {
        return Outcome::Unchanged;
    }
    out.extend_from_slice(kept);
    Outcome::Written
}

pub(super) fn both(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let left = &input[start(input)..];
    keep(input, &left[..end(left)], out)
}

pub(super) fn left(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    keep(input, &input[start(input)..], out)
}

pub(super) fn right(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    keep(input, &input[..end(input)], out)
}
