//! `htmlEntityDecode`: decodes `&#DD;`, `&#xHH;`, and only the names quot, amp, lt, gt and nbsp (0xA0), ignoring case. The
//! semicolon may be missing. A number gives its lower byte.

#![expect(clippy::cast_sign_loss, reason = "ModSecurity keeps the low byte")]

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    let mut rest = input;
    let mut found = false;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match entity(rest) {
            Ok((byte, length)) => {
                found = true;
                out.push(byte);
                let semicolon = usize::from(rest.get(length) == Some(&b';'));
                rest = &rest[length + semicolon..];
            }
            Err(length) => {
                out.extend_from_slice(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    if !found {
        out.clear();
        return Outcome::Unchanged;
    }
    out.extend_from_slice(rest);
    Outcome::Written
}

/// Returns the byte and the length of the entity at the start of `text`, without its semicolon; or the number of bytes to copy
/// unchanged.
fn entity(text: &[u8]) -> Result<(u8, usize), usize> {
    let hex = matches!(text, [b'&', b'#', b'x' | b'X', ..]);
    if hex || text.starts_with(b"&#") {
        let start = if hex { 3 } else { 2 };
        let digits =
            text[start..].iter().take_while(|b| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() });
        // C's strtol stops at the largest long, whose lower byte is 0xff.
        let radix = if hex { 16 } else { 10 };
        let (value, count) = digits.fold((Some(0_i64), 0), |(value, count), &b| {
            let digit = i64::from(bytes::hex_digit(b));
            (value.and_then(|v| v.checked_mul(radix)?.checked_add(digit)), count + 1)
        });
        return if count == 0 {
            Err(start)
        } else {
            Ok(((value.unwrap_or(i64::MAX) & 0xff) as u8, start + count))
        };
    }
    let count = text[1..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let name = &text[1..1 + count];
    let known: [(&[u8], u8); 5] =
        [(b"quot", b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", bytes::NBSP)];
    match known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some(&(_, byte)) => Ok((byte, 1 + count)),
        None => Err(1 + count),
    }
}
