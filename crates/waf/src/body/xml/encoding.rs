//! The encoding of a document (XML 1.0 appendix F), and its text.

use std::borrow::Cow;

/// Returns the text of a body, and whether all of it could be decoded. If not, the text ends at the error (UTF-8) or contains
/// U+FFFD.
pub(super) fn decode(body: &[u8]) -> (Cow<'_, str>, bool) {
    let body = match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        [0xff, 0xfe, rest @ ..] => return transcode(encoding_rs::UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => return transcode(encoding_rs::UTF_16BE, rest),
        [b'<', 0, b'?', 0, ..] => return transcode(encoding_rs::UTF_16LE, body),
        [0, b'<', 0, b'?', ..] => return transcode(encoding_rs::UTF_16BE, body),
        _ => body,
    };
    match declared(body) {
        None | Some(b"UTF-8" | b"utf-8" | b"UTF8" | b"utf8") => utf8(body),
        Some(label) if label.eq_ignore_ascii_case(b"US-ASCII") || label.eq_ignore_ascii_case(b"ASCII") => {
            let ascii = body.iter().position(|byte| !byte.is_ascii()).unwrap_or(body.len());
            let (text, _) = utf8(&body[..ascii]);
            (text, ascii == body.len())
        }
        Some(label) => match encoding_rs::Encoding::for_label_no_replacement(label) {
            Some(encoding) if encoding == encoding_rs::UTF_8 => utf8(body),
            // A body that begins with a readable declaration is not UTF-16.
            Some(encoding) if encoding.is_ascii_compatible() => transcode(encoding, body),
            _ => (Cow::Borrowed(""), false),
        },
    }
}

fn utf8(body: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(body) {
        Ok(text) => (Cow::Borrowed(text), true),
        Err(error) => {
            let valid = std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default();
            (Cow::Borrowed(valid), false)
        }
    }
}

fn transcode<'a>(encoding: &'static encoding_rs::Encoding, body: &'a [u8]) -> (Cow<'a, str>, bool) {
    let (text, had_errors) = encoding.decode_without_bom_handling(body);
    (text, !had_errors)
}

/// Returns the encoding in the XML declaration.
fn declared(body: &[u8]) -> Option<&[u8]> {
    let declaration = body.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr::memmem::find(declaration, b"?>")?];
    let name = memchr::memmem::find(declaration, b"encoding")?;
    let value =
        declaration[name + b"encoding".len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, value) = value.split_first()?;
    let end = memchr::memchr(quote, value).filter(|_| matches!(quote, b'"' | b'\''))?;
    Some(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_that_could_hide_markup_are_not_guessed() {
        for label in ["UTF-7", "UTF-16", "EBCDIC-CP-US", "x-unknown", "iso-2022-kr", ""] {
            let body = format!("<?xml version=\"1.0\" encoding=\"{label}\"?><a>+ADw-</a>");
            assert_eq!(decode(body.as_bytes()), (Cow::Borrowed(""), false), "{label}");
        }
    }
}
