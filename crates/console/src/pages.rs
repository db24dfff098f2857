//! The program for the browser, compiled in: `web/dist` as build.rs found it.
//!
//! Files below `/assets/` have a hash of their content in their names, so browsers keep them for good; every other address is
//! one of the program's own and gets `index.html`, which names the files of this very build and is never kept.

use axum::http::{HeaderName, Method, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::{Code, Problem};

/// A file of the program.
struct Asset {
    /// `app-4JX2.js`
    name: &'static str,
    /// Its Content-Type, without the character set.
    kind: &'static str,
    /// Its content, compressed: whoever names no coding that it takes, takes any (RFC 9110 §12.5.3).
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Scripts and styles come from files alone, and no text ever becomes markup or code: what an attacker wrote into a request
/// stays text even where the program errs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Answers whatever no other route does.
pub(crate) async fn serve(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let is_page = !["/api", "/assets", "/rpc"]
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    // a browser's own idea, such as /favicon.ico and /robots.txt, is no page
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    if method != Method::GET && method != Method::HEAD {
        return nothing();
    }
    if is_page && !is_file {
        return index(INDEX);
    }
    match path.strip_prefix("/assets/").and_then(|name| ASSETS.iter().find(|asset| asset.name == name)) {
        Some(asset) => file(asset),
        None => nothing(),
    }
}

fn nothing() -> Response {
    Problem::of(Code::NothingHere, "there is nothing here").into_response()
}

fn index(page: Option<&'static [u8]>) -> Response {
    let Some(page) = page else {
        let what =
            "this monban was built without its page: run `make web`, then build it again; the API is here";
        return Problem::of(Code::WithoutPage, what).into_response();
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

fn file(asset: &Asset) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format!("{}; charset=utf-8", asset.kind)),
        (header::CONTENT_ENCODING, "gzip".to_owned()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
    ];
    (headers, asset.gzip).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(method: Method, path: &str) -> u16 {
        serve(method, path.parse().unwrap()).await.status().as_u16()
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
        let asset = Asset { name: "a-1.js", kind: "text/javascript", gzip: b"x" };
        let answer = file(&asset);
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

    /// All that the page names is there.
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
