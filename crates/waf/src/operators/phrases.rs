//! The notation of phrases in `@pm`, `@pmFromFile` and `@strmatch`: `|41 42|` for bytes, and a few escapes.

#![expect(clippy::cast_possible_truncation, reason = "a hexadecimal digit is below 16")]

/// Parses the notation of ModSecurity 2: bytes as hexadecimal digits between bars, a backslash before `: ; \ "`. Removes
/// quotes around the whole, and leading blanks.
///
/// Returns none for an empty result or an unknown escape; the operators then use the text unchanged. Bars without digits between
/// them do not count as notation, but still affect the text, as in ModSecurity.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let start = text.iter().position(|b| !b.is_ascii_whitespace() && *b != 0x0b).unwrap_or(text.len());
    let mut out = match &text[start..] {
        [b'"', inner @ .., b'"'] => inner.to_vec(),
        text => text.to_vec(),
    };
    if out.is_empty() {
        return None;
    }
    let mut length = 0;
    let mut between_bars = false;
    let mut escaped = false;
    let mut converted = false;
    let mut high: Option<u8> = None;
    for i in 0..out.len() {
        let byte = out[i];
        if byte == b'|' {
            between_bars = !between_bars;
            continue;
        }
        if byte == b'\\' && !escaped {
            escaped = true;
            continue;
        }
        let decoded = if between_bars {
            let Some(digit) = char::from(byte).to_digit(16).map(|digit| digit as u8) else { continue };
            match high.take() {
                None => {
                    high = Some(digit);
                    continue;
                }
                Some(high) => {
                    converted = true;
                    high << 4 | digit
                }
            }
        } else if escaped {
            if !matches!(byte, b':' | b';' | b'\\' | b'"') {
                return None;
            }
            (escaped, converted) = (false, true);
            byte
        } else {
            byte
        };
        out[length] = decoded;
        length += 1;
    }
    if converted {
        out.truncate(length);
    }
    Some(out)
}

/// Returns the text up to its first NUL, where ModSecurity's strings end.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation() {
        let cases: [(&[u8], Option<&[u8]>); 12] = [
            (b"plain text", Some(b"plain text")),
            (b"x|41 42|y", Some(b"xABy")),
            (b"|4 1|", Some(b"A")),
            (b"a\\:b\\;c\\\\d\\\"", Some(b"a:b;c\\d\"")),
            (b"bad\\.exe", None),
            (b"\"in quotes\"", Some(b"in quotes")),
            (b"\"at the start", Some(b"\"at the start")),
            (b"  blanks", Some(b"blanks")),
            (b"", None),
            (b"a|b", Some(b"a|b")),
            // ModSecurity leaves this odd rest of bars without digits.
            (b"x|y|z", Some(b"xzy|z")),
            (b"|fF|", Some(b"\xff")),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text).as_deref(), expected, "{}", text.escape_ascii());
        }
    }
}
