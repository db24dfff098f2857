//! `removeComments`, `replaceComments`, `removeCommentsChar`: comments of SQL, C and HTML.

use super::{Outcome, bytes};

fn opens(b: u8) -> bool {
    matches!(b, b'/' | b'*' | b'<' | b'-' | b'#')
}

/// Runs `removeComments`: removes `/* */` and `<!-- -->`, and the rest after `--` or `#`. An unclosed comment becomes a space.
///
/// Copies the byte after a closed comment without a test, as ModSecurity does: a comment directly after another stays, and a
/// comment at the end of the input leaves a NUL.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let Some(first) = bytes::position(input, opens) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    let mut i = first;
    let mut inside = false;
    while i < input.len() {
        let rest = &input[i..];
        if !inside {
            if rest.starts_with(b"/*") {
                (inside, i) = (true, i + 2);
            } else if rest.starts_with(b"<!--") {
                (inside, i) = (true, i + 4);
            } else if rest.starts_with(b"--") || rest[0] == b'#' {
                break;
            } else {
                let kept = 1 + bytes::position(&rest[1..], opens).unwrap_or(rest.len() - 1);
                out.extend_from_slice(&rest[..kept]);
                i += kept;
            }
        } else {
            let close = if rest.starts_with(b"*/") {
                2
            } else if rest.starts_with(b"-->") {
                3
            } else {
                i += 1;
                continue;
            };
            inside = false;
            out.push(bytes::at(rest, close));
            i += close + 1;
        }
    }
    if inside {
        out.push(b' ');
    }
    Outcome::Written
}

/// Runs `replaceComments`: each `/* */` becomes a space, even an unclosed one.
pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut rest = input;
    let mut found = false;
    while let Some(open) = memchr::memmem::find(rest, b"/*") {
        found = true;
        out.extend_from_slice(&rest[..open]);
        out.push(b' ');
        rest = &rest[open + 2..];
        rest = memchr::memmem::find(rest, b"*/").map_or(&[][..], |close| &rest[close + 2..]);
    }
    if !found {
        return Outcome::Unchanged;
    }
    out.extend_from_slice(rest);
    Outcome::Written
}

/// Runs `removeCommentsChar`: removes the marks `/*`, `*/`, `<!--`, `-->`, `--` and `#`, but not the text between them.
pub(super) fn remove_markers(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    const MARKERS: [&[u8]; 6] = [b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
    let mut rest = input;
    while let Some(at) = bytes::position(rest, opens) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match MARKERS.iter().find(|marker| rest.starts_with(marker)) {
            Some(marker) => rest = &rest[marker.len()..],
            None => {
                out.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    if out.is_empty() && rest.len() == input.len() {
        return Outcome::Unchanged;
    }
    out.extend_from_slice(rest);
    Outcome::Written
}
