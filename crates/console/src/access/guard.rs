//! The guard in front of every route. It serves only the console's own host names, refuses changes from other sites' pages, and
//! adds security headers to every response.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Url;
use crate::{Console, Problem};
use finding::{ProblemCode, table};

table! {
    /// The error responses of the guard.
    pub(crate) PROBLEMS: ProblemCode {
        /// The console does not answer to this host name.
        pub(crate) FOREIGN_HOST = ProblemCode::new(
            "request.foreign_host",
            421,
            "The console does not answer to this host name. Open it by IP address, as localhost, or by the name in `[console] url`.",
            "このホスト名では応答しません。IP アドレス、localhost、または `[console] url` の名前で開いてください。",
        );
        /// A page of another site sent this request.
        pub(crate) FOREIGN_PAGE = ProblemCode::new(
            "request.foreign_page",
            403,
            "A page of another site sent this request.",
            "別のサイトのページから送られたため、拒否しました。",
        );
    }
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every response.
const FIXED: [(HeaderName, &str); 8] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Checks the host name and the origin of a request, and adds the security headers to the response. A middleware.
pub(crate) async fn guard(State(console): State<Console>, request: Request, next: Next) -> Response {
    let url = console.access.url();
    let mut response = match refusal(&url, request.method(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        // The page sets some headers itself.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if url.is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    // The page's files have a hash in their names and may be cached.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(url: &Url, method: &Method, headers: &HeaderMap) -> Option<Problem> {
    let host = text(headers, &header::HOST).unwrap_or_default();
    if !is_own_name(url, host) {
        return Some(Problem::of(FOREIGN_HOST));
    }
    // Another site's page cannot set this header: CORS does not allow it.
    if method.is_safe()
        || headers.contains_key(header::AUTHORIZATION)
        || comes_from(url, headers) != Origin::Foreign
    {
        return None;
    }
    Some(Problem::of(FOREIGN_PAGE))
}

/// The page that sent a request, according to the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A page of the console.
    Own,
    /// A page of another site.
    Foreign,
    /// The browser did not say, or the client is not a browser.
    Unknown,
}

/// Reads `Sec-Fetch-Site` and `Origin`. If both are present, both must match.
pub(crate) fn comes_from(url: &Url, headers: &HeaderMap) -> Origin {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes() == b"same-origin");
    let origin = headers.get(header::ORIGIN).map(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Url>().ok());
        // A proxy may terminate TLS, so the scheme is unknown here.
        let host = text(headers, &header::HOST).and_then(|host| {
            ["http", "https"]
                .map(|scheme| format!("{scheme}://{host}").parse::<Url>().ok())
                .into_iter()
                .collect()
        });
        let own: Vec<Url> = host.unwrap_or_default();
        origin.is_some_and(|origin| origin == *url || own.contains(&origin))
    });
    match (site, origin) {
        (None, None) => Origin::Unknown,
        (site, origin) if site.unwrap_or(true) && origin.unwrap_or(true) => Origin::Own,
        _ => Origin::Foreign,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns the host of a `Host` header, without port and brackets.
pub(crate) fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_own_name(url: &Url, host: &str) -> bool {
    let name = host_name(host);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case(url.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let url: Url = "https://gate.example.org".parse().unwrap();
        let cases: &[(&[(&str, &str)], Origin)] = &[
            (&[("host", "gate.example.org")], Origin::Unknown),
            (&[("host", "gate.example.org"), ("origin", "https://gate.example.org")], Origin::Own),
            (&[("host", "localhost:8600"), ("origin", "https://gate.example.org")], Origin::Own),
            (&[("host", "localhost:8600"), ("origin", "http://localhost:8600")], Origin::Own),
            (&[("host", "localhost:8600"), ("origin", "http://localhost:8601")], Origin::Foreign),
            (&[("host", "localhost:8600"), ("origin", "null")], Origin::Foreign),
            (
                &[("host", "gate.example.org"), ("origin", "https://gate.example.org.evil.example")],
                Origin::Foreign,
            ),
            (&[("host", "gate.example.org"), ("sec-fetch-site", "same-origin")], Origin::Own),
            (&[("host", "gate.example.org"), ("sec-fetch-site", "same-site")], Origin::Foreign),
            (&[("host", "gate.example.org"), ("sec-fetch-site", "cross-site")], Origin::Foreign),
            (&[("host", "gate.example.org"), ("sec-fetch-site", "none")], Origin::Foreign),
            (
                &[("host", "gate"), ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
                Origin::Foreign,
            ),
        ];
        assert!(cases.len() >= 12);
        for (headers, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(comes_from(&url, &map), *expected, "{headers:?}");
        }
    }

    #[test]
    fn own_names() {
        let url: Url = "https://gate.example.org".parse().unwrap();
        for (host, own) in [
            ("localhost:8600", true),
            ("127.0.0.1", true),
            ("[::1]:8600", true),
            ("192.0.2.1:80", true),
            ("GATE.example.org", true),
            ("gate.example.org:8443", true),
            ("evil.example", false),
            ("gate.example.org.evil.example", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_own_name(&url, host), own, "{host}");
        }
    }
}
