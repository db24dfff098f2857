//! Credentials that are recognisable by their form, anywhere: signed tokens, private keys, keys of well-known services,
//! passwords in URLs.

use memchr::memmem;

use crate::ByteString;

/// Prefixes of services' keys, and the least number of characters after them.
const KEYS: &[(&[u8], usize)] = &[
    (b"ghp_", 30),
    (b"gho_", 30),
    (b"ghu_", 30),
    (b"ghs_", 30),
    (b"ghr_", 30),
    (b"github_pat_", 22),
    (b"glpat-", 20),
    (b"npm_", 30),
    (b"pypi-", 30),
    (b"xoxb-", 20),
    (b"xoxp-", 20),
    (b"xoxa-", 20),
    (b"xoxs-", 20),
    (b"xapp-", 20),
    (b"sk_live_", 16),
    (b"sk_test_", 16),
    (b"rk_live_", 16),
    (b"sk-", 32),
    (b"AIza", 35),
    (b"hvs.", 20),
    (b"dop_v1_", 40),
    (b"SG.", 40),
];
const BEGIN: &[u8] = b"-----BEGIN ";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
const DASHES: &[u8] = b"-----";

/// Replaces every credential in the text.
pub(super) fn redact(text: &mut ByteString) {
    let bytes = text.as_bytes();
    let mut places = Vec::new();
    let mut at = 0;
    // Whether a character of a token is before `at`.
    let mut adjoins = false;
    while at < bytes.len() {
        let found = match bytes[at] {
            b'-' if bytes[at..].starts_with(BEGIN) => private_key(&bytes[at..]),
            b':' => password(&bytes[at..]),
            _ if adjoins => None,
            b'e' => signed(&bytes[at..]),
            _ => key(&bytes[at..]),
        };
        if let Some((shown, end)) = found {
            places.push(at + shown..at + end);
            at += end;
            adjoins = false;
        } else if let [b'%', high, low, ..] = &bytes[at..]
            && high.is_ascii_hexdigit()
            && low.is_ascii_hexdigit()
        {
            at += 3;
            adjoins = false;
        } else {
            adjoins = is_of_token(bytes[at]);
            at += 1;
        }
    }
    super::replace(text, &places);
}

/// Returns whether a byte is in the alphabet of base64 for URLs (RFC 4648 §5).
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn token_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_of_token(**byte)).count()
}

/// Returns the range of a JSON Web Token (RFC 7519), signed or encrypted, without its header. The header names the
/// algorithm and stays, because attacks use it.
fn signed(text: &[u8]) -> Option<(usize, usize)> {
    // `{"`
    if !text.starts_with(b"eyJ") {
        return None;
    }
    let header = token_length(text);
    let mut end = header;
    let mut parts = 0;
    while text.get(end) == Some(&b'.') && parts < 4 {
        end += 1 + token_length(&text[end + 1..]);
        parts += 1;
    }
    (header >= 12 && parts >= 1 && end > header + parts).then_some((header + 1, end))
}

fn key(text: &[u8]) -> Option<(usize, usize)> {
    let (start, least) = KEYS.iter().find(|(start, _)| text.starts_with(start))?;
    let length = text[start.len()..].iter().take_while(|byte| is_of_token(**byte) || **byte == b'.').count();
    (length >= *least).then_some((start.len(), start.len() + length))
}

/// Returns the range between the lines of a private key in PEM (RFC 7468), which may be cut off.
fn private_key(text: &[u8]) -> Option<(usize, usize)> {
    let label = &text[BEGIN.len()..];
    let label_end = memmem::find(&label[..label.len().min(64)], DASHES)?;
    if !label[..label_end].ends_with(PRIVATE_KEY) {
        return None;
    }
    let start = BEGIN.len() + label_end + DASHES.len();
    let end = memmem::find(&text[start..], DASHES).map_or(text.len(), |end| start + end);
    (start < end).then_some((start, end))
}

/// Returns the range of the password in `://user:password@host` (RFC 3986 §3.2.1).
fn password(text: &[u8]) -> Option<(usize, usize)> {
    const LONGEST_USERINFO: usize = 512;
    let authority = text.strip_prefix(b"://")?;
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\')
    };
    let authority = &authority[..authority.len().min(LONGEST_USERINFO)];
    let end = authority.iter().position(ends).unwrap_or(authority.len());
    let at = memchr::memrchr(b'@', &authority[..end])?;
    let colon = memchr::memchr(b':', &authority[..at])?;
    (colon + 1 < at).then_some((3 + colon + 1, 3 + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d18_credentials_known_by_their_form() {
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n";
        let pem_redacted = "-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\n";
        for (text, expected) in [
            (
                "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln x",
                "Bearer eyJhbGciOiJIUzI1NiJ9.[redacted] x",
            ),
            ("/a?x=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.&y", "/a?x=eyJhbGciOiJub25lIn0.[redacted]&y"),
            ("%22eyJhbGciOiJIUzI1NiJ9.e30.c2ln%22", "%22eyJhbGciOiJIUzI1NiJ9.[redacted]%22"),
            ("eyJhbGciOiJSU0EifQ.a.b.c.d", "eyJhbGciOiJSU0EifQ.[redacted]"),
            (pem, pem_redacted),
            ("-----BEGIN PRIVATE KEY-----\\nMII", "-----BEGIN PRIVATE KEY-----[redacted]"),
            ("k=ghp_0123456789abcdefghijklmnopqrstuvwxyz;", "k=ghp_[redacted];"),
            ("https://bob:s3cr3t@a.example/b", "https://bob:[redacted]@a.example/b"),
            ("postgres://bob:a@b@db:5432/x", "postgres://bob:[redacted]@db:5432/x"),
            // Texts that are not credentials.
            ("eyJhbGci", "eyJhbGci"),
            ("xeyJhbGciOiJIUzI1NiJ9.e30.c2ln", "xeyJhbGciOiJIUzI1NiJ9.e30.c2ln"),
            (
                "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
                "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            ),
            ("http://a.example:8080/@b", "http://a.example:8080/@b"),
            ("http://bob@a.example", "http://bob@a.example"),
            ("mailto:a:b@c", "mailto:a:b@c"),
            ("risk-free-and-sk-short", "risk-free-and-sk-short"),
            ("", ""),
        ] {
            let mut once = ByteString::from(text);
            redact(&mut once);
            assert_eq!(once, expected.into(), "{text}");
            redact(&mut once);
            assert_eq!(once, expected.into(), "{text}, twice");
        }
    }
}
