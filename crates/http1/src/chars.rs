//! Byte classes of RFC 9110 §5.6.2 and RFC 9112, and functions to split and trim that all parsers use.

use std::ops::Range;

use crate::error::Fault;

/// `tchar` of RFC 9110 §5.6.2, as a table, because every byte of every name is looked up.
#[allow(clippy::cast_possible_truncation, reason = "the loop ends at 255")]
const TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
        byte += 1;
    }
    table
};

pub(crate) const fn is_tchar(byte: u8) -> bool {
    TCHAR[byte as usize]
}

/// Whether the bytes are a token (RFC 9110 §5.6.2): one or more `tchar`.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_tchar(b))
}

pub(crate) const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Returns the first control character of a line, except tab, as a fault with its offset.
pub(crate) fn field_fault(bytes: &[u8]) -> Option<(Fault, usize)> {
    // almost no line has one: without an early exit the compiler vectorises this loop
    if !bytes.iter().fold(false, |found, &byte| found | is_control(byte)) {
        return None;
    }
    let at = bytes.iter().position(|&byte| is_control(byte))?;
    let fault = match bytes[at] {
        b'\r' => Fault::BareCr,
        b'\n' => Fault::BareLf,
        0 => Fault::Nul,
        _ => Fault::Control,
    };
    Some((fault, at))
}

/// Returns the range of `bytes` without spaces and tabs at both ends.
pub(crate) fn trim(bytes: &[u8]) -> Range<usize> {
    let Some(start) = bytes.iter().position(|&b| !is_blank(b)) else { return 0..0 };
    let end = bytes.iter().rposition(|&b| !is_blank(b)).map_or(start, |last| last + 1);
    start..end
}

/// Returns the non-empty elements of a comma-separated list, trimmed.
pub(crate) fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(|part| &part[trim(part)]).filter(|part| !part.is_empty())
}
