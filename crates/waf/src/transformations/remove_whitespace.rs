//! `removeWhitespace`: removes all white space, including the no-break space 0xA0.

use super::{Outcome, bytes};

fn is_blank(b: u8) -> bool {
    bytes::is_space(b) || b == bytes::NBSP
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, is_blank) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    out.extend(input[first..].iter().filter(|&&b| !is_blank(b)));
    Outcome::Written
}
