//! Byte classes of RFC 9110 §5.6.2 and RFC 9112, and the small cuts that all parsers share.

use std::ops::Range;

use crate::error::Fault;

/// `tchar` of RFC 9110 §5.6.2.
pub(crate) const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// A token: one or more `tchar`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_tchar(b))
}

pub(crate) const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The first control character of a line (tab is none) as a fault, and where it is.
pub(crate) fn field_fault(bytes: &[u8]) -> Option<(Fault, usize)> {
    let at = bytes.iter().position(|&b| (b < 0x20 && b != b'\t') || b == 0x7f)?;
    let fault = match bytes[at] {
        b'\r' => Fault::BareCr,
        b'\n' => Fault::BareLf,
        0 => Fault::Nul,
        _ => Fault::Control,
    };
    Some((fault, at))
}

/// What is left of `bytes` without spaces and tabs at both ends.
pub(crate) fn trim(bytes: &[u8]) -> Range<usize> {
    let Some(start) = bytes.iter().position(|&b| !is_blank(b)) else { return 0..0 };
    let end = bytes.iter().rposition(|&b| !is_blank(b)).map_or(start, |last| last + 1);
    start..end
}

/// The elements of a comma-separated list, trimmed, empty ones left out.
pub(crate) fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(|part| &part[trim(part)]).filter(|part| !part.is_empty())
}
