//! The escapes that ModSecurity and Apache use to make bytes printable.

use super::super::bytes::push_hex;

/// Escapes like ModSecurity's `log_escape`: letters for the usual control characters, `\xhh` for other bytes outside
/// printable ASCII, doubled backslashes, and escaped double quotes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    escape(bytes, true)
}

/// Does the same without escaping double quotes (`log_escape_nq`), for names of variables.
pub(super) fn unquoted(bytes: &[u8]) -> String {
    escape(bytes, false)
}

fn escape(bytes: &[u8], quotes: bool) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        match byte {
            b'"' if quotes => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            _ => push_plain(&mut text, byte),
        }
    }
    text
}

/// Escapes like ModSecurity's `log_escape_hex`, which it applies to `logdata`: `\xhh` for everything but printable
/// ASCII, and for double quotes and backslashes.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | ..=0x1f | 0x7f.. => {
                text.push_str("\\x");
                push_hex(&mut text, byte);
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

/// Escapes a line of the error log like Apache (`ap_escape_errorlog_item`): the same as [`unquoted`].
pub(super) fn error_log_item(text: &str) -> String {
    escape(text.as_bytes(), false)
}

fn push_plain(text: &mut String, byte: u8) {
    let letter = match byte {
        0x08 => 'b',
        b'\n' => 'n',
        b'\r' => 'r',
        b'\t' => 't',
        0x0b => 'v',
        ..=0x1f | 0x7f.. => {
            text.push_str("\\x");
            return push_hex(text, byte);
        }
        _ => return text.push(char::from(byte)),
    };
    text.push('\\');
    text.push(letter);
}

/// Encodes as `application/x-www-form-urlencoded`, as ModSecurity does in part I: letters, digits and `*` stay, a space
/// becomes `+`.
pub(super) fn form_encode(form: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b' ' => form.push(b'+'),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'*' => form.push(byte),
            _ => {
                let mut hex = String::with_capacity(3);
                hex.push('%');
                push_hex(&mut hex, byte);
                form.extend_from_slice(hex.as_bytes());
            }
        }
    }
}

/// Decodes `%hh`; other text stays unchanged.
pub(crate) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.extend(u8::try_from(high << 4 | low));
            rest = after;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_modsecurity_and_apache() {
        let bytes = b"a \"\\/:\n\r\t\x08\x0b\0\x1f\x7f\xe9";
        assert_eq!(quoted(bytes), r#"a \"\\/:\n\r\t\b\v\x00\x1f\x7f\xe9"#);
        assert_eq!(unquoted(bytes), r#"a "\\/:\n\r\t\b\v\x00\x1f\x7f\xe9"#);
        assert_eq!(hex(bytes), r#"a \x22\x5c/:\x0a\x0d\x09\x08\x0b\x00\x1f\x7f\xe9"#);
        let mut form = Vec::new();
        form_encode(&mut form, b"x y&\"z*-");
        assert_eq!(form, b"x+y%26%22z*%2d");
        assert_eq!(percent_decode(b"/p%20a%22th%5c%zz%4"), b"/p a\"th\\%zz%4");
    }
}
