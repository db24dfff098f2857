//! `normalizePath` and `normalizePathWin`: remove empty, `.` and `..` segments.
//!
//! A relative path keeps each `..` without a segment before it; an absolute path drops it. A slash at the end stays.
//! ModSecurity's result for segments that only end in dots is kept too: `a..` counts as a back-reference that removes only
//! itself.

use super::Outcome;

/// The separators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `/` only.
    Unix,
    /// `/` and `\`, which becomes `/`.
    Windows,
}

fn may_change(input: &[u8], style: Style) -> bool {
    matches!(input, [b'.'] | [.., b'.' | b'/' | b'\\', b'.'])
        || (style == Style::Windows && memchr::memchr(b'\\', input).is_some())
        || memchr::memchr_iter(b'/', input).any(|at| at > 0 && matches!(input[at - 1], b'/' | b'.'))
}

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>, style: Style) -> Outcome {
    if !may_change(input, style) {
        return Outcome::Unchanged;
    }
    let windows = style == Style::Windows;
    let is_separator = |b: u8| b == b'/' || (windows && b == b'\\');
    let separator_from = |from: usize| match windows {
        true => memchr::memchr2(b'/', b'\\', &input[from..]),
        false => memchr::memchr(b'/', &input[from..]),
    };
    let last = input.len() - 1;
    let relative = !is_separator(input[0]);
    // Whether a `..` had no segment to remove, so that those directly after it stay too.
    let mut at_root = false;
    let mut i = 0;
    while i <= last {
        // The whole segment stays, except its last byte.
        let kept = separator_from(i).unwrap_or(input.len() - i).saturating_sub(1);
        out.extend_from_slice(&input[i..i + kept]);
        i += kept;
        let head = i;
        let mut byte = if is_separator(input[i]) { b'/' } else { input[i] };
        let ends_segment = i == last || is_separator(input[i + 1]);
        if ends_segment && (byte != b'/' || i == last) {
            if byte == b'.' {
                match out.last() {
                    Some(b'.') if relative && (at_root || out.len() <= 2) => at_root = true,
                    Some(b'.') => {
                        let root = out[0];
                        pop_segment(out);
                        if out.is_empty() {
                            at_root = true;
                            if !relative && i == last {
                                out.push(root);
                            }
                        }
                        (i, byte) = (i + 1, b'/');
                    }
                    None => (i, byte) = (i + 1, b'/'),
                    Some(b'/') => {
                        if i < last {
                            out.pop();
                        }
                        (i, byte) = (i + 1, b'/');
                    }
                    Some(_) => {}
                }
                if i > last {
                    break;
                }
            } else if !out.is_empty() {
                at_root = false;
            }
        }
        if byte == b'/' {
            // The loop copies only the last of several slashes. If that is a backslash, it stays a backslash.
            while i < last && is_separator(input[i + 1]) {
                i += 1;
            }
            if i > head + 1 {
                byte = input[i];
            }
            if relative && out.is_empty() {
                i += 1;
                continue;
            }
        }
        out.push(byte);
        i += 1;
    }
    if !is_separator(input[last]) && out.last() == Some(&b'/') {
        out.pop();
    }
    Outcome::Written
}

/// Removes the segment before a back-reference whose first dot is already at the end of `out`.
fn pop_segment(out: &mut Vec<u8>) {
    let from = out.len().saturating_sub(3);
    let cut = out[..(from + 1).min(out.len())].iter().rposition(|&b| b == b'/').unwrap_or(0);
    out.truncate(cut);
}
