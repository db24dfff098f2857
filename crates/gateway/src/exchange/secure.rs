//! Redirects of plain requests to https, and Strict-Transport-Security.

use http1::{Headers, ResponseHead};

use super::Exchange;
use crate::block_page::date;
use crate::gate::HttpsPort;
use crate::incoming::{Ending, ResponseWriter};
use crate::router::{host_name, is_usual_host};
use crate::tls::is_challenge;

/// Time for which clients may use a redirect without asking again, so that the owner can take it back.
const REDIRECT_LIFE: &str = "max-age=3600";

impl Exchange<'_> {
    /// Whether the client uses https, with this gate or with a trusted proxy that reports it.
    fn is_secure(&self) -> bool {
        let fields = self.request.head.headers();
        let reported = || {
            let proto = fields.get("X-Forwarded-Proto").map(|proto| proto.eq_ignore_ascii_case(b"https"));
            proto.or_else(|| fields.get("Forwarded").map(forwarded_https)).unwrap_or(false)
        };
        self.peer.tls || (self.trusted && reported())
    }

    /// Returns the destination to which a plain request is redirected, or an error if it has no usable host. Other programs may answer
    /// challenges over http.
    pub(super) fn https_location(&self) -> Option<Result<Vec<u8>, String>> {
        let port = self.site.https?;
        let target = self.request.head.target();
        if self.is_secure() || is_challenge(target) {
            return None;
        }
        let host = self.request.head.host().unwrap_or_default();
        Some(location(host, target, self.peer.local.port(), port))
    }

    /// Redirects a plain request. GET and HEAD get 301, which every client knows; 308 keeps other methods and their bodies.
    pub(super) async fn redirect<W: ResponseWriter>(&mut self, location: Vec<u8>, writer: &mut W) -> Ending {
        let status = if matches!(self.request.head.method(), b"GET" | b"HEAD") { 301 } else { 308 };
        let mut fields = Headers::new();
        let fields = fields
            .push("Date", date())
            .and_then(|()| fields.push("Location", location))
            .and_then(|()| fields.push("Cache-Control", REDIRECT_LIFE))
            .and_then(|()| fields.push("Content-Length", "0"))
            .map(|()| fields);
        match fields.and_then(|fields| ResponseHead::new(status, fields)) {
            Ok(head) => self.send_own(head, bytes::Bytes::new(), writer).await,
            Err(_) => self.refuse(400, "host or target cannot be redirected".to_owned(), writer).await,
        }
    }

    /// Sets Strict-Transport-Security if the site has it. RFC 6797 §7.2 forbids it in plain responses.
    pub(super) fn set_hsts(&self, head: &mut ResponseHead) {
        let Some(value) = &self.site.hsts else { return };
        let fields = head.headers_mut();
        match self.is_secure() {
            // the value is a constant and a number
            true => drop(fields.set("Strict-Transport-Security", value)),
            false => drop(fields.remove("Strict-Transport-Security")),
        }
    }
}

/// Whether the last proxy reports https in a `Forwarded` field (RFC 7239 §5.4).
fn forwarded_https(value: &[u8]) -> bool {
    let last = value.rsplit(|b| *b == b',').next().unwrap_or_default();
    last.split(|b| *b == b';').any(|pair| {
        let pair = pair.trim_ascii();
        pair.eq_ignore_ascii_case(b"proto=https") || pair.eq_ignore_ascii_case(b"proto=\"https\"")
    })
}

/// Returns the same URL with https. Path and query stay byte for byte. `local` is the port to which the client connected.
fn location(host: &[u8], target: &[u8], local: u16, https: HttpsPort) -> Result<Vec<u8>, String> {
    let name = host_name(host);
    if name.is_empty() || !is_usual_host(&name) {
        return Err("a request without a usual host cannot be redirected to https".to_owned());
    }
    // a client that names no port used 80: if that is another port here, ports are forwarded, 443 too
    let names_port = host.strip_suffix(b".").unwrap_or(host).len() > name.len();
    let port = if local == 80 || names_port { https.0 } else { 443 };
    let mut location = [b"https://", name.as_bytes()].concat();
    if port != 443 {
        location.extend_from_slice(format!(":{port}").as_bytes());
    }
    let path = match target.iter().position(|b| *b == b'/') {
        Some(0) => target,
        // http://host/path
        _ => {
            let after = target.windows(3).position(|w| w == b"://").map_or(&[][..], |at| &target[at + 3..]);
            after.iter().position(|b| matches!(b, b'/' | b'?')).map_or(&[][..], |at| &after[at..])
        }
    };
    if path.first() != Some(&b'/') {
        location.push(b'/');
    }
    location.extend_from_slice(path);
    Ok(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_keep_path_and_query() {
        for (host, target, local, https, want) in [
            ("a.test", "/", 80, 443, "https://a.test/"),
            ("A.Test:80", "/x%2f?q=\"<", 80, 443, "https://a.test/x%2f?q=\"<"),
            ("a.test.", "//b/../c?", 80, 443, "https://a.test//b/../c?"),
            ("a.test:8080", "/", 8080, 8443, "https://a.test:8443/"),
            ("a.test:8080", "/", 8080, 443, "https://a.test/"),
            ("a.test", "/", 80, 8443, "https://a.test:8443/"),
            // forwarded from port 80
            ("a.test", "/", 8080, 8443, "https://a.test/"),
            ("a.test:", "/", 8080, 8443, "https://a.test:8443/"),
            ("[::1]:8080", "/", 8080, 443, "https://[::1]/"),
            ("a.test", "http://a.test/x?y", 80, 443, "https://a.test/x?y"),
            ("a.test", "http://a.test?y", 80, 443, "https://a.test/?y"),
            ("a.test", "http://a.test", 80, 443, "https://a.test/"),
            ("a.test", "*", 80, 443, "https://a.test/"),
        ] {
            let found = location(host.as_bytes(), target.as_bytes(), local, HttpsPort(https)).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), want, "{host} {target}");
        }
        for host in ["", "a..test", "127.1", "a.test;x", "evil\t"] {
            assert!(location(host.as_bytes(), b"/", 80, HttpsPort(443)).is_err(), "{host}");
        }
    }

    #[test]
    fn the_last_proxy_tells_the_protocol() {
        for (value, want) in [
            ("for=192.0.2.1;proto=https", true),
            ("proto=http, for=192.0.2.1; Proto=\"HTTPS\"", true),
            ("proto=https, for=192.0.2.1;proto=http", false),
            ("for=192.0.2.1", false),
            ("for=\"proto=https\"", false),
        ] {
            assert_eq!(forwarded_https(value.as_bytes()), want, "{value}");
        }
    }
}
