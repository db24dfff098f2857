//! The boundary of a multipart body, from Content-Type.

use super::disposition::is_token;
use super::flags::Flags;
use crate::cookies::is_space;
use crate::limits::MULTIPART_CONTENT_TYPE;

/// Returns the boundary in a Content-Type header, or the error in it.
pub(super) fn boundary<'c>(
    content_type: Option<&'c [u8]>,
    flags: &mut Flags,
) -> Result<&'c [u8], &'static str> {
    const PARAMETER: &[u8] = b"boundary";
    let content_type = content_type.ok_or("Content-Type header not available")?;
    if content_type.len() > MULTIPART_CONTENT_TYPE {
        return Err("Invalid boundary in C-T (length)");
    }
    let content_type = without_parameters(content_type);
    let media_type = b"multipart/form-data";
    if !content_type.get(..media_type.len()).is_some_and(|start| start.eq_ignore_ascii_case(media_type)) {
        return Err("Invalid MIME type");
    }
    if count_boundaries(content_type) > 1 {
        return Err("Multiple boundary parameters in C-T");
    }
    let Some(at) = memchr::memmem::find(content_type, PARAMETER) else {
        return Err(match count_boundaries(content_type) {
            0 => "Boundary not found in C-T",
            _ => "Invalid boundary in C-T (case sensitivity)",
        });
    };
    let mut semicolons = 0;
    for &byte in content_type[media_type.len()..at].iter().filter(|&&byte| !is_space(byte)) {
        semicolons += 1;
        if byte != b';' || semicolons > 1 {
            return Err("Invalid boundary in C-T (malformed)");
        }
    }
    flags.missing_semicolon = semicolons == 0;
    let parameter = &content_type[at + PARAMETER.len()..];
    let equals = memchr::memchr(b'=', parameter).ok_or("Invalid boundary in C-T (malformed)")?;
    if parameter[..equals].iter().any(|&byte| !is_space(byte)) {
        return Err("Invalid boundary in C-T (parameter name)");
    }
    let value = &parameter[equals + 1..];
    flags.boundary_whitespace = equals > 0 || value.first().is_some_and(|&byte| is_space(byte));
    let boundary = match value {
        [b'"', quoted @ .., b'"'] => {
            flags.boundary_quoted = true;
            quoted
        }
        [b'"', ..] | [_, .., b'"'] => return Err("Invalid boundary in C-T (quote)"),
        _ => value,
    };
    if count_boundaries(boundary) > 0 {
        return Err("Invalid boundary in C-T (content)");
    }
    // RFC 2046 §5.1.1.
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b" '()+_,-./:=?".contains(byte);
    if !boundary.iter().all(allowed) || boundary.ends_with(b" ") {
        return Err("Invalid boundary in C-T (characters)");
    }
    if boundary.is_empty() {
        return Err("Invalid boundary in C-T (empty)");
    }
    Ok(boundary)
}

/// Returns Content-Type without well-formed parameters after the boundary. ModSecurity reads them as a part of the boundary. A
/// parser that does the same searches for a longer boundary, and its boundary lines are errors here.
fn without_parameters(content_type: &[u8]) -> &[u8] {
    let value = memchr::memmem::find(content_type, b"boundary")
        .and_then(|at| memchr::memchr(b'=', &content_type[at..]).map(|equals| at + equals + 1));
    let Some(start) = value else { return content_type };
    let end = match &content_type[start..] {
        [b'"', quoted @ ..] => memchr::memchr(b'"', quoted).map(|end| start + end + 2),
        value => memchr::memchr(b';', value).map(|end| start + end),
    };
    match end {
        Some(end) if are_parameters(&content_type[end..]) => &content_type[..end],
        _ => content_type,
    }
}

/// Whether `text` consists of parameters (RFC 9110 §5.6.6) that no parser reads as a boundary: no quoted pairs, no word
/// `boundary`.
fn are_parameters(text: &[u8]) -> bool {
    let word = b"boundary";
    if text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)) {
        return false;
    }
    let mut rest = text;
    while let Some(parameter) = rest.strip_prefix(b";") {
        let parameter = parameter.trim_ascii_start();
        let token = |text: &[u8]| text.iter().take_while(|&&byte| is_token(byte)).count();
        let name = token(parameter);
        let Some(value) = parameter[name..].strip_prefix(b"=").filter(|_| name > 0) else { return false };
        rest = match value {
            [b'"', quoted @ ..] => match memchr::memchr(b'"', quoted) {
                Some(end) if !quoted[..end].contains(&b'\\') => &quoted[end + 1..],
                _ => return false,
            },
            _ => match token(value) {
                0 => return false,
                length => &value[length..],
            },
        };
    }
    rest.is_empty()
}

/// Counts the occurrences of the word that have a `=` anywhere after them.
fn count_boundaries(text: &[u8]) -> usize {
    let Some(last_equals) = memchr::memrchr(b'=', text) else { return 0 };
    let mut count = 0;
    let mut at = 0;
    while let Some(word) = text.get(at..at + 8) {
        if word.eq_ignore_ascii_case(b"boundary") && last_equals >= at + 8 {
            count += 1;
            at += 8;
        } else {
            at += 1;
        }
    }
    count
}
