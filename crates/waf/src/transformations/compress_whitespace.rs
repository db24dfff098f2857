//! `compressWhitespace`: each run of whitespace, the no-break space 0xA0 among it, becomes one space.

use super::{Outcome, bytes};

fn is_blank(b: u8) -> bool {
    bytes::is_space(b) || b == bytes::NBSP
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, is_blank) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    let mut in_run = false;
    for &b in &input[first..] {
        let blank = is_blank(b);
        if !blank {
            out.push(b);
        } else if !in_run {
            out.push(b' ');
        }
        in_run = blank;
    }
    Outcome::Written
}
