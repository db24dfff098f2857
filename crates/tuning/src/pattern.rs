//! Literal bytes as regular expressions with the same meaning in every ModSecurity.

use std::fmt::Write;

/// Whether the byte is literal in a pattern, in a directive's quoted argument and in Apache's configuration.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/_-~!&,;=:@%<>#'`".contains(&byte)
}

/// Returns a pattern for exactly these bytes. Bytes with a special meaning in a pattern, a quoted argument, a macro or Apache are
/// written as `\xhh`, and the full stop as `\.`.
pub(crate) fn literal(bytes: &[u8]) -> String {
    let mut pattern = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        match byte {
            b'.' => pattern.push_str("\\."),
            _ if is_plain(byte) => pattern.push(char::from(byte)),
            _ => {
                // writing to a String does not fail
                let _ = write!(pattern, "\\x{byte:02x}");
            }
        }
    }
    pattern
}

/// Returns the bytes of a pattern that [`literal`] wrote; none for another kind of pattern.
pub(crate) fn literal_of(pattern: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'\\', [b'.', tail @ ..]) => {
                bytes.push(b'.');
                rest = tail;
            }
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
                rest = tail;
            }
            (byte, _) if is_plain(byte) => bytes.push(byte),
            _ => return None,
        }
    }
    Some(bytes)
}

/// Decodes `%hh` once, for sensors that see decoded paths. None if there is nothing to decode, or if the decoded bytes could be
/// read as another path: a slash, a dot segment, another escape, the start of a query.
pub(crate) fn decoded_path(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    let mut changed = false;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            decoded.push(first);
            continue;
        }
        let [high, low, tail @ ..] = tail else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        if matches!(byte, 0 | b'/' | b'\\' | b'%' | b'?' | b'#' | b'.') {
            return None;
        }
        decoded.push(byte);
        rest = tail;
        changed = true;
    }
    changed.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_and_none_can_end_a_quoted_argument() {
        for byte in 0..=255u8 {
            let pattern = literal(&[b'a', byte, b'b']);
            assert_eq!(literal_of(pattern.as_bytes()).as_deref(), Some(&[b'a', byte, b'b'][..]), "{pattern}");
            assert!(
                pattern.bytes().all(|b| b.is_ascii_graphic() && !b"\"${}()[]|*+?^".contains(&b)),
                "{pattern}"
            );
        }
        for other in ["a.b", "a|b", "\\d", "a\\", "\\x4", "(a)", "a$"] {
            assert_eq!(literal_of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn paths_are_decoded_where_they_stay_the_same_path() {
        for (path, decoded) in [
            ("/caf%C3%A9", Some(&b"/caf\xc3\xa9"[..])),
            ("/a%20b%22", Some(b"/a b\"")),
            ("/plain", None),
            ("/a%2Fb", None),
            ("/a%2e%2e/b", None),
            ("/a%252f", None),
            ("/a%zz", None),
            ("/a%4", None),
        ] {
            assert_eq!(decoded_path(path.as_bytes()).as_deref(), decoded, "{path}");
        }
    }
}
