//! The console's page, embedded from `web/dist` by build.rs.
//!
//! The name of a file below `/assets/` contains a hash of its content, so browsers cache it forever. Every other address is a
//! page of the program and gets `index.html`, which names the files of this build; browsers do not cache it.

use std::io::Write;

use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::Problem;
use finding::{ProblemCode, table};

table! {
    /// The error responses of the pages.
    pub(crate) PROBLEMS: ProblemCode {
        /// This page does not exist.
        pub(crate) NOTHING_HERE = ProblemCode::new(
            "page.nothing_here",
            404,
            "This page does not exist.",
            "このページは存在しません。",
        );
        /// This monban was built without the console page.
        pub(crate) NOT_BUILT = ProblemCode::new(
            "page.not_built",
            503,
            "This monban was built without the console page. The API works; `make` builds monban with the page.",
            "この monban は画面なしでビルドされています。API は利用できます。`make` で画面付きの monban をビルドできます。",
        );
    }
}

/// An embedded file.
struct Asset {
    /// The name, such as `app-4JX2.js`.
    name: &'static str,
    /// Its Content-Type, without the character set.
    kind: &'static str,
    /// Its content, compressed. A client that sends no Accept-Encoding accepts every coding (RFC 9110 §12.5.3).
    gzip: &'static [u8],
    /// The same content, compressed with brotli, some 10 % smaller. Browsers accept it over HTTPS and from localhost.
    brotli: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Allows scripts and styles only from files and no conversion of text into markup or code: bytes of an attacker stay text even
/// if the program has a bug.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Serves requests that no other route handles.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let is_page = !["/api", "/assets", "/rpc"]
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    // browsers ask for /favicon.ico and crawlers for /robots.txt: neither is a page
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    if method != Method::GET && method != Method::HEAD {
        return nothing();
    }
    if is_page && !is_file {
        return index(INDEX);
    }
    match path.strip_prefix("/assets/").and_then(|name| ASSETS.iter().find(|asset| asset.name == name)) {
        Some(asset) => file(asset, accepts(&headers, "br")),
        None => nothing(),
    }
}

fn nothing() -> Response {
    Problem::of(NOTHING_HERE).into_response()
}

fn index(page: Option<&'static [u8]>) -> Response {
    let Some(page) = page else {
        return Problem::of(NOT_BUILT).into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-write=(self), camera=(), \
             microphone=(), geolocation=()",
        ),
    ];
    (headers, page).into_response()
}

/// Returns whether the client names a coding among those that it accepts (RFC 9110 §12.5.3).
pub(crate) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(wanted) && weight != Some(0.0)
    })
}

fn file(asset: &Asset, brotli: bool) -> Response {
    let (coding, content) = if brotli { ("br", asset.brotli) } else { ("gzip", asset.gzip) };
    let headers = [
        (header::CONTENT_TYPE, format!("{}; charset=utf-8", asset.kind)),
        (header::CONTENT_ENCODING, coding.to_owned()),
        (header::VARY, "accept-encoding".to_owned()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
    ];
    (headers, content).into_response()
}

/// Returns a table that is the same for every user as JSON, compressed if the client accepts that. A table with secrets must not
/// be compressed beside text of an attacker: its length would reveal them.
pub(crate) fn table(headers: &HeaderMap, table: &impl Serialize) -> Response {
    // tables have texts as keys, which always serialise
    let json = serde_json::to_vec(table).unwrap_or_default();
    let fields = [(header::CONTENT_TYPE, "application/json"), (header::VARY, "accept-encoding")];
    let packed = accepts(headers, "gzip").then(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&json).and_then(|()| encoder.finish())
    });
    match packed {
        Some(Ok(packed)) => (fields, [(header::CONTENT_ENCODING, "gzip")], packed).into_response(),
        _ => (fields, json).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(method: Method, path: &str) -> u16 {
        serve(method, path.parse().unwrap(), HeaderMap::new()).await.status().as_u16()
    }

    #[tokio::test]
    async fn addresses() {
        let page = if INDEX.is_some() { 200 } else { 503 };
        let cases = [
            ("/", page),
            ("/events", page),
            ("/events/01KYD00000000000000000000Z", page),
            ("/apiary", page),
            ("/api", 404),
            ("/api/nothing", 404),
            ("/assets/", 404),
            ("/assets/app-0.js", 404),
            ("/assets/../Cargo.toml", 404),
            ("/favicon.ico", 404),
        ];
        for (path, expected) in cases {
            assert_eq!(status(Method::GET, path).await, expected, "{path}");
            assert_eq!(status(Method::POST, path).await, 404, "{path}");
        }
        for asset in ASSETS {
            assert_eq!(status(Method::GET, &format!("/assets/{}", asset.name)).await, 200, "{}", asset.name);
        }
    }

    #[test]
    fn headers() {
        let asset = Asset { name: "a-1.js", kind: "text/javascript", gzip: b"gzip", brotli: b"br" };
        assert_eq!(file(&asset, true).headers()[header::CONTENT_ENCODING], "br");
        let answer = file(&asset, false);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(answer.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));

        let answer = index(Some(b"<!doctype html>"));
        assert_eq!(answer.status(), 200);
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");

        let missing = index(None);
        assert_eq!(missing.status(), 503);
    }

    /// Most bytes that a browser can ever fetch, as the console sends them.
    const LIMIT_BYTES: usize = 300_000;

    #[test]
    fn all_files_stay_below_the_limit() {
        let Some(page) = INDEX else { return };
        let total = page.len() + ASSETS.iter().map(|asset| asset.gzip.len()).sum::<usize>();
        println!("{} files, {total} bytes compressed", ASSETS.len() + 1);
        assert!(total < LIMIT_BYTES, "{total} bytes compressed");
    }

    #[test]
    fn brotli_is_sent_to_who_accepts_it() {
        for (accepted, expected) in [
            (None, false),
            (Some("gzip, deflate"), false),
            (Some("gzip, deflate, br, zstd"), true),
            (Some("gzip;q=0.5,BR ; q=1"), true),
            (Some("br;q=0"), false),
            (Some("brotli"), false),
            (Some("br;q=many"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            }
            assert_eq!(accepts(&headers, "br"), expected, "{accepted:?}");
        }
    }

    /// Checks that every file named by the page is embedded.
    #[test]
    fn the_page_is_whole() {
        let Some(page) = INDEX else { return };
        let page = std::str::from_utf8(page).unwrap();
        let named: Vec<_> =
            page.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() >= 3, "{page}");
        for name in named {
            assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
        }
    }
}
