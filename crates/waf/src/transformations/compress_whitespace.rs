//! `compressWhitespace`: each run of whitespace, including the no-break space 0xA0, becomes one space.

#![expect(clippy::cast_possible_truncation, reason = "the table has 256 entries")]

use super::{Outcome, bytes};

static BLANKS: [bool; 256] = {
    let mut blanks = [false; 256];
    let mut number = 0;
    while number < 256 {
        blanks[number] = bytes::is_space(number as u8) || number as u8 == bytes::NBSP;
        number += 1;
    }
    blanks
};

fn is_blank(b: u8) -> bool {
    BLANKS[usize::from(b)]
}

/// Returns the position of the first blank that is not a single space; the input's length if every blank is one.
fn first_change(input: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < input.len() {
        at += input[at..].iter().position(|&b| is_blank(b)).unwrap_or(input.len() - at);
        if input.get(at) != Some(&b' ') || input.get(at + 1).is_some_and(|&next| is_blank(next)) {
            break;
        }
        at += 1;
    }
    at
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut at = first_change(input, 0);
    if at == input.len() {
        return Outcome::Unchanged;
    }
    out.extend_from_slice(&input[..at]);
    while at < input.len() {
        out.push(b' ');
        let from = at + input[at..].iter().take_while(|&&b| is_blank(b)).count();
        at = first_change(input, from);
        out.extend_from_slice(&input[from..at]);
    }
    Outcome::Written
}
