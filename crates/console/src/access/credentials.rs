//! Credentials of a request (an API token or a session cookie), and the address of its client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;

use super::limits::FORWARDED_HOPS;
use super::tokens::PREFIX;

/// A cookie of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// The session cookie.
    Session,
    /// The cookie of a known browser.
    Device,
}

impl Cookie {
    /// Returns the cookie's name. Browsers accept a name that begins with `__Host-` only from this host over HTTPS (RFC 6265bis
    /// §4.1.3.2), so that neither a neighbouring site nor an attacker on the network can set such a cookie.
    pub fn name(self, is_https: bool) -> &'static str {
        match (self, is_https) {
            (Self::Session, true) => "__Host-monban_session",
            (Self::Session, false) => "monban_session",
            (Self::Device, true) => "__Host-monban_device",
            (Self::Device, false) => "monban_device",
        }
    }

    /// Returns the value of the first cookie with this name.
    pub fn read(self, headers: &HeaderMap, is_https: bool) -> Option<&str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name(is_https)).map(|(_, value)| value)
    }
}
/// Length of a secret in characters: 256 bits in base64url.
const SECRET_CHARS: usize = 43;

/// Credentials of a request. They are well-formed; a later step checks whether they are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// No credentials.
    None,
    /// `Authorization: Bearer`, the whole token.
    Token(String),
    /// The session cookie's value.
    Session(String),
    /// Malformed: another scheme, two headers, or another form.
    Malformed,
}

impl Credentials {
    /// Reads the headers. `is_https` says whether the console has an https address. `Authorization` takes precedence over the
    /// cookie; of several cookies the first counts.
    pub fn read(headers: &HeaderMap, is_https: bool) -> Self {
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
        match Cookie::Session.read(headers, is_https) {
            None => Self::None,
            Some(value) if is_secret(value) => Self::Session(value.to_owned()),
            Some(_) => Self::Malformed,
        }
    }
}

/// Returns the token of `Bearer monban_…`. The scheme is case-insensitive (RFC 9110 §11.1).
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

/// Trusted proxies in front of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Proxies whose `X-Forwarded-For` is trusted; loopback addresses by default, for monban's own gate.
    pub console: Vec<IpNet>,
    /// Proxies in front of the gate, whose addresses are not those of clients either.
    pub gate: Vec<IpNet>,
}

impl Default for TrustedProxies {
    fn default() -> Self {
        let net = |address: IpAddr, bits| IpNet::new(address, bits).map(|net| net.trunc()).ok();
        let loopback = [net(Ipv4Addr::LOCALHOST.into(), 8), net(Ipv6Addr::LOCALHOST.into(), 128)];
        Self { console: loopback.into_iter().flatten().collect(), gate: Vec::new() }
    }
}

impl TrustedProxies {
    /// Returns whether this peer's `X-Forwarded-For` is trusted.
    pub fn believes(&self, peer: IpAddr) -> bool {
        holds(&self.console, peer)
    }
}

fn holds(nets: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    nets.iter().any(|net| net.contains(&address))
}

/// Returns the client's address, for limits and the audit trail. `X-Forwarded-For` counts if a trusted proxy sent it. Each proxy
/// appends the address that it saw, so the client's is the last address that does not belong to a trusted proxy. The client can
/// invent everything before it.
pub fn client_address(parts: &Parts, trusted: &TrustedProxies) -> IpAddr {
    let peer = peer(parts);
    if !trusted.believes(peer) {
        return peer;
    }
    let fields = parts.headers.get_all("x-forwarded-for").iter().rev();
    let hops = fields.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    let mut client = peer;
    for hop in hops.take(FORWARDED_HOPS) {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| hop.trim().parse::<IpAddr>().ok())
        else {
            break;
        };
        client = address.to_canonical();
        if !trusted.believes(client) && !holds(&trusted.gate, client) {
            break;
        }
    }
    client
}

/// Returns whether the request comes directly from this machine, not through a proxy. Health and metrics then need no
/// sign-in.
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
            assert_eq!(Credentials::read(&map, false), *expected, "{headers:?}");
        }
    }

    #[test]
    fn where_requests_come_from() {
        let proxies = TrustedProxies::default();
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
            assert_eq!(client_address(&parts, &proxies).to_string(), address, "{peer} {headers:?}");
            assert_eq!(is_local(&parts), local, "{peer} {host} {headers:?}");
        }
    }

    #[test]
    fn e21_cookies_of_https_are_of_this_host_only() {
        let secret = "A".repeat(43);
        for (cookie, https, expected) in [
            (format!("monban_session={secret}"), true, Credentials::None),
            (format!("__Host-monban_session={secret}"), true, Credentials::Session(secret.clone())),
            (
                format!("monban_session=x; __Host-monban_session={secret}"),
                true,
                Credentials::Session(secret.clone()),
            ),
            (format!("__Host-monban_session={secret}"), false, Credentials::None),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
            assert_eq!(Credentials::read(&headers, https), expected, "{cookie} {https}");
        }
    }

    #[test]
    fn e21_the_client_behind_gate_and_balancer_is_resolved_and_no_forged_header_believed() {
        let nets = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>();
        let behind = TrustedProxies { gate: nets(&["10.0.0.0/8"]), ..TrustedProxies::default() };
        let elsewhere = TrustedProxies { console: nets(&["192.0.2.80/32"]), gate: Vec::new() };
        let nobody = TrustedProxies { console: Vec::new(), gate: nets(&["10.0.0.0/8"]) };
        for (trusted, peer, fields, client) in [
            // The gate appends the balancer's address to the balancer's header.
            (&behind, "127.0.0.1:1", &["198.51.100.7, 10.0.0.1"][..], "198.51.100.7"),
            (&behind, "127.0.0.1:1", &["198.51.100.7", "10.0.0.1"], "198.51.100.7"),
            (&behind, "127.0.0.1:1", &["1.2.3.4, 198.51.100.7, 10.0.0.1, 10.9.9.9"], "198.51.100.7"),
            (&behind, "127.0.0.1:1", &["10.0.0.1"], "10.0.0.1"),
            (&behind, "127.0.0.1:1", &["198.51.100.7, nonsense, 10.0.0.1"], "10.0.0.1"),
            (&behind, "127.0.0.1:1", &[], "127.0.0.1"),
            // A balancer that connects to the console directly is not one of the console's proxies.
            (&behind, "10.0.0.1:1", &["198.51.100.7"], "10.0.0.1"),
            (&elsewhere, "192.0.2.80:1", &["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
            (&elsewhere, "127.0.0.1:1", &["198.51.100.7"], "127.0.0.1"),
            (&elsewhere, "192.0.2.81:1", &["127.0.0.1"], "192.0.2.81"),
            (&nobody, "127.0.0.1:1", &["198.51.100.7"], "127.0.0.1"),
        ] {
            let mut request = axum::http::Request::builder();
            for field in fields {
                request = request.header("x-forwarded-for", *field);
            }
            let peer: SocketAddr = peer.parse().unwrap();
            let (parts, ()) = request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts();
            assert_eq!(client_address(&parts, trusted).to_string(), client, "{peer} {fields:?}");
        }
        let long = vec!["10.0.0.1"; FORWARDED_HOPS + 1].join(",");
        let request =
            axum::http::Request::builder().header("x-forwarded-for", format!("198.51.100.7,{long}"));
        let peer: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let (parts, ()) = request.extension(ConnectInfo(peer)).body(()).unwrap().into_parts();
        assert_eq!(client_address(&parts, &behind).to_string(), "10.0.0.1", "beyond the limit");
    }
}
