//! Parts of the sentences in which ModSecurity 2 logs a match.

use crate::limits;

/// Escapes quotes, backslashes and control characters, as ModSecurity 2 does before it logs a pattern.
pub(super) fn escape(text: &[u8]) -> Vec<u8> {
    escape_beyond(text, usize::MAX)
}

/// Escapes as [`escape`] does, but stops after `length` bytes of output.
fn escape_beyond(text: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().min(length.saturating_add(8)));
    for &byte in text {
        if out.len() > length {
            break;
        }
        let letter = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            0..=0x1f | 0x7f.. => {
                out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
    out
}

/// Escapes as [`escape`] does, cuts the result to [`limits::LOGGED_PATTERN_BYTES`], and marks a cut text.
pub(super) fn escape_cut(text: &[u8]) -> Vec<u8> {
    // Patterns of rule sets can have kilobytes.
    let mut out = escape_beyond(text, limits::LOGGED_PATTERN_BYTES);
    if out.len() > limits::LOGGED_PATTERN_BYTES {
        out.truncate(limits::LOGGED_PATTERN_BYTES);
        out.extend_from_slice(b" ...");
    }
    out
}

/// Joins the parts of a sentence.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_the_log_does() {
        assert_eq!(escape(b"a\"\\\n\x01\xff:."), b"a\\\"\\\\\\n\\x01\\xff:.");
        assert_eq!(escape_cut(&[b'a'; 252]), [b'a'; 252]);
        assert_eq!(escape_cut(&[b'"'; 200]).len(), 256);
        let pattern = b"[\\x00-\"]{2}\xff".repeat(1000);
        let mut cut = escape(&pattern);
        cut.truncate(limits::LOGGED_PATTERN_BYTES);
        cut.extend_from_slice(b" ...");
        assert_eq!(escape_cut(&pattern), cut);
    }
}
