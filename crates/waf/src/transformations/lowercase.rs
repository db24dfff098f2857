//! `lowercase`: converts ASCII letters only.

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, |b| b.is_ascii_uppercase()) else { return Outcome::Unchanged };
    out.extend_from_slice(input);
    out[first..].make_ascii_lowercase();
    Outcome::Written
}
