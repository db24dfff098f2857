//! `cmdLine`: undoes what shells ignore. Removes `\ " ' ^`, makes runs of blanks, commas and semicolons one space,
//! removes a space before `/` and `(`, and lowers the case. A NUL ends the value.

use super::{Outcome, bytes};

fn may_change(b: u8) -> bool {
    matches!(b, 0 | b'"' | b'\'' | b'\\' | b'^' | b',' | b';' | b'\t' | b'\r' | b'\n' | b' ')
        || b.is_ascii_uppercase()
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, may_change) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    let mut after_space = false;
    for &b in &input[first..] {
        match b {
            0 => break,
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !after_space {
                    out.push(b' ');
                    after_space = true;
                }
            }
            b'/' | b'(' => {
                if after_space {
                    out.pop();
                    after_space = false;
                }
                out.push(b);
            }
            _ => {
                out.push(b.to_ascii_lowercase());
                after_space = false;
            }
        }
    }
    Outcome::Written
}
