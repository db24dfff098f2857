//! Parses the Cookie header into names and values, as ModSecurity 2 does: without percent decoding. Names keep their case;
//! cookies without a name are dropped.
//!
//! Each call takes one header value. Apache joins several Cookie headers with `, ` before ModSecurity sees them; HTTP/2 requires
//! `; ` (RFC 9113 §8.2.3).
//!
//! ```
//! use waf::cookies::{CookieFormat, parse};
//! let cookies = parse(b"a=1; b=2", CookieFormat::default());
//! assert_eq!(cookies.len(), 2);
//! assert_eq!(&*cookies[1].value, b"2");
//! ```

use crate::limits::COOKIE_ATTRIBUTE_NAMES;
use crate::query::Argument;
use std::borrow::Cow;

/// The format of cookies, by SecCookieFormat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieFormat {
    /// 0, the Netscape format that browsers use: `;` separates cookies, all other bytes belong to a name or a value.
    #[default]
    Netscape,
    /// 0 with SecCookieV0Separator: that byte separates cookies.
    Separated(u8),
    /// 1, RFC 2109: `;` or `,` separates cookies, values may be quoted, and `$Path` and similar names belong to the cookie
    /// before.
    Rfc2109,
}

/// Parses the cookies of one header value, in order.
pub fn parse(header: &[u8], format: CookieFormat) -> Vec<Argument<'_>> {
    match format {
        CookieFormat::Netscape => separated(header, netscape_separator(header)),
        CookieFormat::Separated(separator) => separated(header, separator),
        CookieFormat::Rfc2109 => rfc2109(header),
    }
}

/// Returns the separator. ModSecurity uses the comma if the header has no semicolon and a space follows the first comma.
fn netscape_separator(header: &[u8]) -> u8 {
    let comma = || memchr::memchr(b',', header).is_some_and(|at| header.get(at + 1) == Some(&b' '));
    if memchr::memchr(b';', header).is_none() && comma() { b',' } else { b';' }
}

fn separated(header: &[u8], separator: u8) -> Vec<Argument<'_>> {
    header
        .split(|&byte| byte == separator)
        .filter_map(|cookie| {
            let cookie = trim_start(cookie);
            let (name, value) = match memchr::memchr(b'=', cookie) {
                Some(at) => (&cookie[..at], &cookie[at + 1..]),
                None => (cookie, &cookie[cookie.len()..]),
            };
            (!name.is_empty()).then_some(Argument { name: Cow::Borrowed(name), value: Cow::Borrowed(value) })
        })
        .collect()
}

fn rfc2109(header: &[u8]) -> Vec<Argument<'_>> {
    let separator = |byte: &u8| matches!(byte, b';' | b',');
    let mut cookies = Vec::new();
    let mut previous: &[u8] = b"";
    let mut attribute_names = 0;
    let mut rest = header;
    while !rest.is_empty() {
        rest = trim_start(rest);
        let end = rest.iter().position(|byte| *byte == b'=' || separator(byte)).unwrap_or(rest.len());
        let name = trim_end(&rest[..end]);
        let mut value: &[u8] = b"";
        let has_value = rest.get(end) == Some(&b'=');
        rest = rest.get(end + 1..).unwrap_or_default();
        if has_value {
            rest = trim_start(rest);
            if let Some(quoted) = rest.strip_prefix(b"\"") {
                let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
                value = &quoted[..end];
                rest = quoted.get(end + 1..).unwrap_or_default();
            } else {
                let end = rest.iter().position(separator).unwrap_or(rest.len());
                value = trim_end(&rest[..end]);
                rest = rest.get(end + 1..).unwrap_or_default();
            }
        }
        if let Some(&first) = name.first() {
            let copied = previous.len() + name.len() + 1;
            let name = if first == b'$'
                && !previous.is_empty()
                && attribute_names + copied <= COOKIE_ATTRIBUTE_NAMES
            {
                attribute_names += copied;
                Cow::Owned([b"$", previous, b"_", &name[1..]].concat())
            } else {
                Cow::Borrowed(name)
            };
            if let Cow::Borrowed(name) = name
                && first != b'$'
            {
                previous = name;
            }
            cookies.push(Argument { name, value: Cow::Borrowed(value) });
        }
        let next = rest.iter().position(|byte| !separator(byte) && !is_space(*byte)).unwrap_or(rest.len());
        rest = &rest[next..];
    }
    cookies
}

/// Whether C's `isspace` accepts the byte in the C locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len())..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|&byte| !is_space(byte)).map_or(0, |at| at + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_attribute_names_are_limited() {
        let header = format!("{}=1{}", "n".repeat(10_000), "; $a=1".repeat(10_000));
        let cookies = parse(header.as_bytes(), CookieFormat::Rfc2109);
        assert_eq!(cookies.len(), 10_001);
        assert_eq!(cookies[1].name.len(), 10_003);
        assert_eq!(&*cookies[10_000].name, b"$a");
        let owned = cookies.iter().filter(|cookie| matches!(cookie.name, Cow::Owned(_))).count();
        assert_eq!(owned, COOKIE_ATTRIBUTE_NAMES / 10_003);
    }
}
