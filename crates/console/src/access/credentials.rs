//! What a request shows: an API token, or a session's cookie. And where it comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::tokens::PREFIX;

/// The cookie's name.
pub const COOKIE: &str = "monban_session";
/// Characters of a secret of ours: 256 bits in base64url.
const SECRET_CHARS: usize = 43;

/// What a request shows. The texts have the form of a secret of ours; whether they are one is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// `Authorization: Bearer`, the whole token.
    Token(String),
    /// The cookie.
    Session(String),
    /// Something that cannot be right: another scheme, two headers, another form.
    Malformed,
}

impl Credentials {
    /// Reads the headers. `Authorization` goes before the cookie, of which the first one of our name counts.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        if let Some(value) = authorizations.next() {
            if authorizations.next().is_some() {
                return Self::Malformed;
            }
            return match value.to_str().ok().and_then(token) {
                Some(token) => Self::Token(token.to_owned()),
                None => Self::Malformed,
            };
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        match pairs.find(|(name, _)| *name == COOKIE) {
            None => Self::None,
            Some((_, value)) if is_secret(value) => Self::Session(value.to_owned()),
            Some(_) => Self::Malformed,
        }
    }
}

/// The token of `Bearer monban_…`. The scheme's case does not count (RFC 9110 §11.1).
fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let is_token = token.strip_prefix(PREFIX).is_some_and(is_secret);
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

fn is_secret(text: &str) -> bool {
    text.len() == SECRET_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The client's address. A proxy on this machine, such as monban's own gate, is believed what it says of it
/// (`X-Forwarded-For`, its last entry); the address is for limits and the audit trail only.
pub fn client_address(parts: &Parts) -> IpAddr {
    let peer = peer(parts);
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
    let named = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    named.filter(|_| peer.is_loopback()).unwrap_or(peer).to_canonical()
}

/// Whether somebody on this machine asks, not through a proxy: metrics and health are theirs without signing in.
pub fn is_local(parts: &Parts) -> bool {
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = super::guard::host_name(host);
    let named =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    peer(parts).is_loopback() && named && !proxied.iter().any(|name| parts.headers.contains_key(*name))
}

fn peer(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_requests_show() {
        let secret = "A".repeat(43);
        let token = format!("monban_{secret}");
        let session = |text: &str| Credentials::Session(text.to_owned());
        let cases: &[(&[(&str, &str)], Credentials)] = &[
            (&[], Credentials::None),
            (&[("cookie", "a=b; c")], Credentials::None),
            (&[("cookie", &format!("a=b; monban_session={secret};c=d"))], session(&secret)),
            (&[("cookie", "a=b"), ("cookie", &format!("monban_session={secret}"))], session(&secret)),
            (&[("cookie", &format!("xmonban_session={secret}"))], Credentials::None),
            (&[("cookie", "monban_session=short")], Credentials::Malformed),
            (&[("cookie", &format!("monban_session=;monban_session={secret}"))], Credentials::Malformed),
            (&[("authorization", &format!("bearer  {token}"))], Credentials::Token(token.clone())),
            (
                &[
                    ("authorization", &format!("Bearer {token}")),
                    ("cookie", &format!("monban_session={secret}")),
                ],
                Credentials::Token(token.clone()),
            ),
            (&[("authorization", &format!("Bearer {secret}"))], Credentials::Malformed),
            (&[("authorization", "Basic YTpi")], Credentials::Malformed),
            (
                &[("authorization", &format!("Bearer {token}")), ("authorization", "x")],
                Credentials::Malformed,
            ),
        ];
        assert!(cases.len() >= 12);
        for (headers, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(Credentials::read(&map), *expected, "{headers:?}");
        }
    }

    #[test]
    fn where_requests_come_from() {
        for (peer, host, headers, address, local) in [
            ("127.0.0.1:1", "localhost:8600", &[][..], "127.0.0.1", true),
            ("[::1]:1", "[::1]:8600", &[], "::1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1", &[], "127.0.0.1", true),
            ("127.0.0.1:1", "gate.example.org", &[], "127.0.0.1", false),
            ("127.0.0.1:1", "localhost", &[("x-forwarded-for", "10.0.0.1, 192.0.2.7")], "192.0.2.7", false),
            ("127.0.0.1:1", "localhost", &[("forwarded", "for=192.0.2.7")], "127.0.0.1", false),
            ("127.0.0.1:1", "localhost", &[("x-forwarded-for", "nonsense")], "127.0.0.1", false),
            ("192.0.2.1:1", "localhost", &[("x-forwarded-for", "127.0.0.1")], "192.0.2.1", false),
            ("192.0.2.1:1", "localhost", &[], "192.0.2.1", false),
        ] {
            let mut request = axum::http::Request::builder().header("host", host);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let peer: SocketAddr = peer.parse().unwrap();
            let (parts, ()) = request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts();
            assert_eq!(client_address(&parts).to_string(), address, "{peer} {headers:?}");
            assert_eq!(is_local(&parts), local, "{peer} {host} {headers:?}");
        }
    }
}
