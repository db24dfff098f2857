//! `cmdLine`: removes characters that shells ignore (`\ " ' ^`), turns runs of blanks, commas and semicolons into one space,
//! removes a space before `/` and `(`, and converts to lower case. A NUL ends the value.

#![expect(clippy::cast_possible_truncation, reason = "the table has 256 entries")]

use super::{Outcome, bytes};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// A byte that removes a space before it.
    Joins,
    Space,
    /// A byte that becomes a space.
    Blank,
    Dropped,
    End,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut number = 0;
    while number < 256 {
        classes[number] = match number as u8 {
            0 => Class::End,
            b'"' | b'\'' | b'\\' | b'^' => Class::Dropped,
            b' ' => Class::Space,
            b',' | b';' | b'\t' | b'\r' | b'\n' => Class::Blank,
            b'/' | b'(' => Class::Joins,
            _ => Class::Plain,
        };
        number += 1;
    }
    classes
};

fn class_at(input: &[u8], at: usize) -> Class {
    input.get(at).map_or(Class::Plain, |&b| CLASSES[usize::from(b)])
}

/// Returns the position of the first byte that changes, ignoring case; the input's length if no byte changes.
fn first_change(input: &[u8], from: usize, after_space: bool) -> usize {
    if after_space && matches!(class_at(input, from), Class::Space | Class::Blank | Class::Joins) {
        return from;
    }
    let mut at = from;
    while at < input.len() {
        let stays = |b: &u8| matches!(CLASSES[usize::from(*b)], Class::Plain | Class::Joins);
        at += input[at..].iter().position(|b| !stays(b)).unwrap_or(input.len() - at);
        // Most spaces are single spaces between words.
        if class_at(input, at) != Class::Space
            || matches!(class_at(input, at + 1), Class::Space | Class::Blank | Class::Joins)
        {
            break;
        }
        at += 1;
    }
    at
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut at = first_change(input, 0, false);
    if at == input.len() && bytes::position(input, |b| b.is_ascii_uppercase()).is_none() {
        return Outcome::Unchanged;
    }
    out.extend_from_slice(&input[..at]);
    let mut after_space = out.last() == Some(&b' ');
    while at < input.len() {
        match class_at(input, at) {
            Class::End => break,
            Class::Space | Class::Blank => {
                if !after_space {
                    out.push(b' ');
                }
                after_space = true;
            }
            Class::Joins => {
                if after_space {
                    out.pop();
                }
                out.push(input[at]);
                after_space = false;
            }
            Class::Dropped | Class::Plain => {}
        }
        let from = at + 1;
        at = first_change(input, from, after_space);
        if at > from {
            out.extend_from_slice(&input[from..at]);
            after_space = input[at - 1] == b' ';
        }
    }
    out.make_ascii_lowercase();
    Outcome::Written
}
