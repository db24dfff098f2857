//! The Content-Disposition header of a part in a multipart body.

use super::multipart::Flags;
use std::borrow::Cow;

/// `form-data` and its parameters. ModSecurity accepts only `name` and `filename`: whatever else, `filename*` too, could be
/// read by applications in a way that rules do not see.
#[derive(Debug, Default)]
pub(super) struct Disposition<'a> {
    pub name: Option<Cow<'a, [u8]>>,
    pub filename: Option<Cow<'a, [u8]>>,
    /// The last of each that was read, duplicates included (MULTIPART_NAME, MULTIPART_FILENAME).
    pub last_name: Option<Cow<'a, [u8]>>,
    pub last_filename: Option<Cow<'a, [u8]>>,
}

impl<'a> Disposition<'a> {
    /// Reads a header value as far as it can; the error is ModSecurity's number for what is wrong.
    pub fn parse(value: &Cow<'a, [u8]>, flags: &mut Flags) -> (Self, Result<(), i32>) {
        let mut disposition = Disposition::default();
        let result = match value {
            Cow::Borrowed(value) => disposition.read(value, flags, |value| value),
            Cow::Owned(value) => disposition.read(value, flags, |value| Cow::Owned(value.into_owned())),
        };
        (disposition, result)
    }

    /// `keep` turns what is borrowed from `text` into what may outlive it.
    fn read<'t>(
        &mut self,
        text: &'t [u8],
        flags: &mut Flags,
        keep: impl Fn(Cow<'t, [u8]>) -> Cow<'a, [u8]>,
    ) -> Result<(), i32> {
        let rest = skip_blanks(text.strip_prefix(b"form-data").ok_or(-1)?);
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
            rest = skip_blanks(&rest[end..]);
            if rest.is_empty() {
                return Err(-5);
            }
            rest = skip_blanks(rest.strip_prefix(b"=").ok_or(-13)?);
            let (value, quote) = match *rest {
                [] => return Err(-6),
                [quote @ (b'"' | b'\''), ref after @ ..] => {
                    flags.invalid_quoting |= quote == b'\'';
                    let (value, after) = unquote(after, quote)?;
                    rest = after;
                    (value, Some(quote))
                }
                _ => {
                    let end = rest.iter().position(|&byte| !is_token(byte)).unwrap_or(rest.len());
                    let value = &rest[..end];
                    rest = &rest[end..];
                    (Cow::Borrowed(value), None)
                }
            };
            let (slot, last, duplicate) = match parameter {
                b"name" => (&mut self.name, &mut self.last_name, -14),
                b"filename" => (&mut self.filename, &mut self.last_filename, -15),
                _ => return Err(-11),
            };
            // Within double quotes a single one is an apostrophe.
            flags.invalid_quoting |= quote != Some(b'"') && value.contains(&b'\'');
            let value = keep(value);
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

/// The value up to the closing quote, and what follows it. A backslash escapes the quote and itself; before anything else
/// it stands for itself, as old browsers sent Windows paths.
fn unquote(text: &[u8], quote: u8) -> Result<(Cow<'_, [u8]>, &[u8]), i32> {
    if text.is_empty() {
        return Err(-7);
    }
    let mut unescaped: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == quote {
            let value = match unescaped {
                Some(value) => Cow::Owned(value),
                None => Cow::Borrowed(&text[..at]),
            };
            return Ok((value, &text[at + 1..]));
        }
        if byte == b'\\' {
            let next = *text.get(at + 1).ok_or(-8)?;
            if next == quote || next == b'\\' {
                unescaped.get_or_insert_with(|| text[..at].to_vec()).push(next);
                at += 2;
                continue;
            }
        }
        if let Some(value) = &mut unescaped {
            value.push(byte);
        }
        at += 1;
    }
    Err(-10)
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', after @ ..] = text {
        text = after;
    }
    text
}

/// A character of a token, RFC 2045 §5.1.
fn is_token(byte: u8) -> bool {
    (33..=126).contains(&byte) && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}
