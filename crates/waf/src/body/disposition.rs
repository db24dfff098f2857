//! The Content-Disposition header of a part in a multipart body.

use super::flags::Flags;
use std::borrow::Cow;

/// The error for a well-formed value that parsers read in different ways. The numbers from -1 to -15 are ModSecurity's.
const TWO_READINGS: i32 = -16;

/// `form-data` and its parameters. ModSecurity accepts only `name` and `filename`: applications could read any other
/// parameter, even `filename*`, in a way that rules do not see.
#[derive(Debug, Default)]
pub(super) struct Disposition<'a> {
    pub name: Option<Cow<'a, [u8]>>,
    pub filename: Option<Cow<'a, [u8]>>,
    /// The last of each, including duplicates (MULTIPART_NAME, MULTIPART_FILENAME).
    pub last_name: Option<Cow<'a, [u8]>>,
    pub last_filename: Option<Cow<'a, [u8]>>,
}

impl<'a> Disposition<'a> {
    /// Parses a header value until the first fault. The error is ModSecurity's number for the fault.
    pub(super) fn parse(value: &Cow<'a, [u8]>, flags: &mut Flags) -> (Self, Result<(), i32>) {
        let mut disposition = Disposition::default();
        let result = match value {
            Cow::Borrowed(value) => disposition.read(value, flags, |value| value),
            Cow::Owned(value) => disposition.read(value, flags, |value| Cow::Owned(value.into_owned())),
        };
        (disposition, result)
    }

    /// Makes the value outlive `text`: `keep` converts what it borrows.
    fn read<'t>(
        &mut self,
        text: &'t [u8],
        flags: &mut Flags,
        keep: impl Fn(Cow<'t, [u8]>) -> Cow<'a, [u8]>,
    ) -> Result<(), i32> {
        let rest = text.strip_prefix(b"form-data").ok_or(-1)?;
        if memchr::memchr(b'\t', rest).is_some() {
            // Django drops tabs. defnull's multipart does not read the text after them as a parameter.
            return Err(TWO_READINGS);
        }
        let rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(());
        }
        let mut rest = rest.strip_prefix(b";").ok_or(-2)?;
        while !rest.is_empty() {
            rest = skip_blanks(rest);
            if rest.is_empty() {
                return Err(-3);
            }
            let end = rest.iter().position(|byte| matches!(byte, b'=' | b'\t' | b' ')).ok_or(-4)?;
            let parameter = &rest[..end];
            let blank = rest[end] != b'=';
            rest = skip_blanks(&rest[end..]);
            if rest.is_empty() {
                return Err(-5);
            }
            rest = rest.strip_prefix(b"=").ok_or(-13)?;
            if blank || rest.first() == Some(&b' ') {
                // Werkzeug does not read this as a parameter.
                return Err(TWO_READINGS);
            }
            let (value, quote) = match *rest {
                [] => return Err(-6),
                [quote @ (b'"' | b'\''), ref after @ ..] => {
                    flags.invalid_quoting |= quote == b'\'';
                    let (value, after) = unquoted(after, quote)?;
                    if parameter == b"name" && has_special_pair(value) {
                        return Err(TWO_READINGS);
                    }
                    rest = after;
                    (value, Some(quote))
                }
                _ => {
                    let end = rest.iter().position(|&byte| !is_token(byte)).unwrap_or(rest.len());
                    let value = &rest[..end];
                    rest = &rest[end..];
                    (value, None)
                }
            };
            let (slot, last, duplicate) = match parameter {
                b"name" => (&mut self.name, &mut self.last_name, -14),
                b"filename" => (&mut self.filename, &mut self.last_filename, -15),
                _ => return Err(-11),
            };
            // formidable and multiparty find `name=` and `filename=` anywhere. formidable also requires `; ` or the end of the
            // header after a file name.
            if has_name(value) || (parameter == b"filename" && !matches!(rest, [] | [b';', b' ', ..])) {
                return Err(TWO_READINGS);
            }
            // A single quote inside double quotes is an apostrophe.
            flags.invalid_quoting |= quote != Some(b'"') && value.contains(&b'\'');
            let value = keep(Cow::Borrowed(value));
            *last = Some(value.clone());
            if slot.is_some() {
                return Err(duplicate);
            }
            *slot = Some(value);
            rest = skip_blanks(rest);
            if let [other, after @ ..] = rest {
                if *other != b';' {
                    let last = text[..text.len() - rest.len()].last();
                    flags.invalid_quoting |= matches!(last, Some(b'\'' | b'"'));
                    return Err(-12);
                }
                rest = after;
            }
        }
        Ok(())
    }
}

/// Returns the value up to the closing quote, and the rest.
///
/// A backslash before the quote or another backslash is an error: half of the parsers read it as an escape; the others end
/// `name="a\"` there, and another name or file name follows. Browsers write `%22`. Before any other character a backslash is
/// literal, because old browsers sent Windows paths.
fn unquoted(text: &[u8], quote: u8) -> Result<(&[u8], &[u8]), i32> {
    if text.is_empty() {
        return Err(-7);
    }
    let end = text.iter().position(|&byte| byte == quote || byte == b'\\');
    let mut at = end.ok_or(-10)?;
    while text[at] != quote {
        match text.get(at + 1) {
            None => return Err(-8),
            Some(&next) if next == quote || next == b'\\' => return Err(TWO_READINGS),
            Some(_) => {}
        }
        let rest = &text[at + 1..];
        at += 1 + rest.iter().position(|&byte| byte == quote || byte == b'\\').ok_or(-10)?;
    }
    Ok((&text[..at], &text[at + 1..]))
}

/// Whether the value contains text that looks like the parameter `name` or `filename`.
fn has_name(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(equals) = memchr::memchr(b'=', rest) {
        if rest[..equals].len() >= 4 && rest[equals - 4..equals].eq_ignore_ascii_case(b"name") {
            return true;
        }
        rest = &rest[equals + 1..];
    }
    false
}

/// Whether a backslash precedes a special character. Go reads that as an escape, others as a backslash.
fn has_special_pair(value: &[u8]) -> bool {
    value.windows(2).any(|pair| pair[0] == b'\\' && b"()<>@,;:/[]?=".contains(&pair[1]))
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', after @ ..] = text {
        text = after;
    }
    text
}

/// Whether this is a token character (RFC 2045 §5.1).
pub(super) fn is_token(byte: u8) -> bool {
    (33..=126).contains(&byte) && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}
