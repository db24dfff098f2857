//! The forwarded request head: the inspected bytes without the hop-by-hop fields, plus the fields that identify the client.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use http1::{RequestHead, Version, is_hop_by_hop};

use crate::decoding;

/// Fields that identify the client. They are dropped unless the peer is a trusted proxy, because applications trust them. `_`
/// counts as `-`, because CGI maps both to the same variable.
const FORWARDING: [&str; 6] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "forwarded",
];

/// The forwarded parts of a head.
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    head: &'a RequestHead,
    trusted: bool,
    /// The Host field to add, if the request lacks one (HTTP/1.0).
    host: Option<&'a [u8]>,
    /// Whether Accept-Encoding is replaced.
    reduced: bool,
    added: Vec<(&'static str, Vec<u8>)>,
}

impl<'a> Forward<'a> {
    /// Forwards the head of a request from `peer`. `trusted` means that the peer is a trusted proxy, `tls` that the request
    /// arrived over TLS. `authority` is the upstream's own, for a request without a host.
    pub(crate) fn new(
        head: &'a RequestHead,
        peer: IpAddr,
        trusted: bool,
        tls: bool,
        authority: &'a str,
    ) -> Self {
        let lacks_host = head.version() < Version::HTTP_11 && !head.headers().contains("Host");
        let mut forward = Self {
            head,
            trusted,
            host: lacks_host.then(|| head.host().unwrap_or(authority.as_bytes())),
            reduced: false,
            added: Vec::new(),
        };
        let mut chain = Vec::with_capacity(48);
        if trusted {
            for value in head.headers().get_all("X-Forwarded-For") {
                chain.extend_from_slice(value);
                chain.extend_from_slice(b", ");
            }
        }
        chain.extend_from_slice(peer.to_canonical().to_string().as_bytes());
        forward.added.push(("X-Forwarded-For", chain));
        if !(trusted && head.headers().contains("X-Forwarded-Proto")) {
            forward.added.push(("X-Forwarded-Proto", if tls { b"https".to_vec() } else { b"http".to_vec() }));
        }
        if let Some(host) = head.host()
            && !(trusted && head.headers().contains("X-Forwarded-Host"))
        {
            forward.added.push(("X-Forwarded-Host", host.to_vec()));
        }
        forward
    }

    /// If rules inspect the response body, limits Accept-Encoding to codings that they can read.
    pub(crate) fn inspected(mut self, inspects: bool) -> Self {
        if inspects && let Some(codings) = decoding::inspectable(self.head.headers()) {
            self.reduced = true;
            self.added.push(("Accept-Encoding", codings));
        }
        self
    }

    /// Returns the head whose fields are forwarded.
    pub(crate) fn head(&self) -> &'a RequestHead {
        self.head
    }

    /// Returns the host of the request.
    pub(crate) fn host(&self) -> &'a [u8] {
        self.host.or_else(|| self.head.host()).unwrap_or(b"localhost")
    }

    /// Returns the forwarded fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let kept = self.head.headers().iter().map(|field| (field.name(), field.value()));
        let added = self.added.iter().map(|(name, value)| (name.as_bytes(), &value[..]));
        let kept = kept.filter(|(name, _)| self.keeps(name));
        let host = self.host.map(|host| (&b"Host"[..], host));
        host.into_iter().chain(kept.map(|(name, value)| (name, plain_length(name, value)))).chain(added)
    }

    fn keeps(&self, name: &[u8]) -> bool {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is_hop_by_hop(name) || is("Expect") || (self.reduced && is("Accept-Encoding")) {
            return false;
        }
        let forwarding = FORWARDING.iter().position(|other| same_variable(name, other.as_bytes()));
        match forwarding {
            // the first field is merged into one field above
            Some(at) => self.trusted && at != 0,
            None => true,
        }
    }

    /// Appends the head as HTTP/1.1, with `ending` (whole lines) after its fields.
    pub(crate) fn encode(&self, out: &mut BytesMut, ending: &[u8]) {
        out.reserve(self.head.raw().len() + 160);
        out.put_slice(self.head.method());
        out.put_u8(b' ');
        out.put_slice(self.head.target());
        out.put_slice(b" HTTP/1.1\r\n");
        for (name, value) in self.fields() {
            out.put_slice(name);
            out.put_slice(b": ");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
        out.put_slice(ending);
        out.put_slice(b"\r\n");
    }
}

/// Returns a Content-Length without leading zeros, which some readers parse as octal; any other value unchanged.
pub(crate) fn plain_length<'a>(name: &[u8], value: &'a [u8]) -> &'a [u8] {
    match value {
        [b'0', _, ..] if name.eq_ignore_ascii_case(b"Content-Length") => {
            let zeros = value.iter().take_while(|digit| **digit == b'0').count();
            &value[zeros.min(value.len() - 1)..]
        }
        _ => value,
    }
}

fn same_variable(name: &[u8], other: &[u8]) -> bool {
    name.len() == other.len()
        && name.iter().zip(other).all(|(a, b)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(request: &[u8], trusted: bool) -> String {
        let mut buf = BytesMut::from(request);
        let head =
            http1::RequestParser::new().parse(&mut buf, &http1::HeadLimits::default()).unwrap().unwrap();
        let mut out = BytesMut::new();
        let peer = "192.0.2.1".parse().unwrap();
        Forward::new(&head, peer, trusted, true, "up.test:8080").encode(&mut out, b"");
        String::from_utf8(out.to_vec()).unwrap()
    }

    const REQUEST: &[u8] = b"POST /?a=\"><b> HTTP/1.1\r\nHost: a.test\r\nX-Odd:  caf\r\nConnection: host, keep-alive\r\n\
Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\
X-Forwarded-For: 127.0.0.1\r\nx_forwarded_for: 127.0.0.2\r\nForwarded: for=::1\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-Proto: gopher\r\nCookie: a=b\r\n\r\n";

    #[test]
    fn what_an_untrusted_peer_says_of_the_client_is_dropped() {
        assert_eq!(
            forwarded(REQUEST, false),
            "POST /?a=\"><b> HTTP/1.1\r\nHost: a.test\r\nX-Odd: caf\r\nCookie: a=b\r\n\
             X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\n\r\n"
        );
    }

    #[test]
    fn b13_a_request_without_host_gets_one_and_a_length_its_plain_form() {
        for (request, want) in [
            (&b"GET / HTTP/1.0\r\n\r\n"[..], "GET / HTTP/1.1\r\nHost: up.test:8080\r\n"),
            (b"GET http://a.test/x HTTP/1.0\r\n\r\n", "GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n"),
            (b"GET / HTTP/1.0\r\nhost: b.test\r\n\r\n", "GET / HTTP/1.1\r\nhost: b.test\r\nX-"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0010\r\n\r\n", "Content-Length: 10\r\n"),
            (b"GET / HTTP/1.1\r\nHost: a\r\ncontent-length: 000\r\n\r\n", "content-length: 0\r\n"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX-Length: 0010\r\n\r\n", "X-Length: 0010\r\n"),
        ] {
            let got = forwarded(request, false);
            assert!(got.contains(want), "{got}");
            assert_eq!(got.to_ascii_lowercase().matches("\r\nhost: ").count(), 1, "{got}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_added_to_its_list() {
        assert_eq!(
            forwarded(REQUEST, true),
            "POST /?a=\"><b> HTTP/1.1\r\nHost: a.test\r\nX-Odd: caf\r\nForwarded: for=::1\r\nX-Real-IP: 127.0.0.1\r\n\
             X-Forwarded-Proto: gopher\r\nCookie: a=b\r\n\
             X-Forwarded-For: 127.0.0.1, 192.0.2.1\r\nX-Forwarded-Host: a.test\r\n\r\n"
        );
    }

    #[test]
    fn a2_no_field_is_removed_because_connection_names_it() {
        let fields = "Host: a.test\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nCookie: a=b\r\nAuthorization: x\r\n\
            X-Forwarded-Proto: https\r\nContent-Length: 0\r\nRange: bytes=0-1\r\nTrailer: x\r\nX-Api-Key: 1\r\n";
        let names: Vec<&str> =
            fields.lines().filter_map(|line| line.split_once(':')).map(|(n, _)| n).collect();
        for (connection, trusted) in [("Connection", true), ("cOnNection", true), ("Connection", false)] {
            let nominated = names.join(" ,, ").to_lowercase();
            let request = format!(
                "GET / HTTP/1.1\r\n{fields}{connection}: close, te, {nominated}\r\nTE: trailers\r\n\r\n"
            );
            let out = forwarded(request.as_bytes(), trusted);
            for name in &names {
                let count = out.lines().filter(|line| line.starts_with(&format!("{name}: "))).count();
                assert_eq!(count, 1, "{name} in {out}");
            }
            assert!(!out.contains("TE:") && !out.to_lowercase().contains("connection:"), "{out}");
        }
    }
}
