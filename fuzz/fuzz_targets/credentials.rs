//! The parts of a request that the console reads before sign-in: cookies, `Authorization`, `X-Forwarded-For`, the
//! cookie of a known browser, and its own address. No panic; an accepted secret has the form of one.
#![no_main]

use console::access::Url;
use console::access::devices::Device;
use console::access::limits::MAX_DEVICE_BYTES;
use console::access::credentials::{Credentials, TrustedProxies, client_address, is_local};
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

const NAMES: [HeaderName; 5] = [
    http::header::COOKIE,
    http::header::AUTHORIZATION,
    http::header::HOST,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("forwarded"),
];

fuzz_target!(|data: &[u8]| {
    let mut request = Request::builder();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((first, value)) = line.split_first() else { continue };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        request = request.header(&NAMES[usize::from(*first) % NAMES.len()], value);
    }
    let Ok(request) = request.body(()) else { return };
    let (parts, ()) = request.into_parts();
    match Credentials::read(&parts.headers, data.len() % 2 == 0) {
        Credentials::Session(secret) => assert!(is_secret(&secret)),
        Credentials::Token(token) => assert!(token.strip_prefix("monban_").is_some_and(is_secret)),
        Credentials::None | Credentials::Malformed => {}
    }
    // without a peer, the client is not on this machine
    assert!(client_address(&parts, &TrustedProxies::default()).is_unspecified() && !is_local(&parts));
    let text = String::from_utf8_lossy(data);
    if let Some(device) = Device::parse(&text, |_, _| true) {
        assert!(text.len() <= MAX_DEVICE_BYTES && text.starts_with(device.id()));
    }
    if let Ok(url) = text.parse::<Url>() {
        assert_eq!(url.to_string().parse::<Url>(), Ok(url));
    }
});

fn is_secret(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
