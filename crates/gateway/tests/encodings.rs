//! Rules inspect responses without their content codings; the client gets the original bytes.

use std::io::Write;
use std::sync::Arc;

use event::{Outcome, Uninspected};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::{Answer, Gate, Upstream, config};

const RULES: &str = r#"
    SecResponseBodyAccess On
    SecResponseBodyMimeType text/html
    SecResponseBodyLimit 100000
    SecResponseBodyLimitAction ProcessPartial
    SecRule RESPONSE_BODY "@contains ORA-00933" "id:6,phase:4,deny,status:503,msg:'database error'"
    SecRule ARGS:tell "@eq 1" "id:7,phase:1,pass,log,msg:'an event'"
"#;

fn rules(text: &str) -> Option<Arc<waf::RuleSet>> {
    let document = seclang::load::parse_str("test.conf", text).unwrap();
    Some(Arc::new(waf::RuleSet::compile(&document, &waf::operators::NoFiles).unwrap()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns a compressible page of one megabyte with a leak at its start or end.
fn page(leak_at: usize) -> Vec<u8> {
    let mut page = vec![b' '; 1_000_000];
    page[leak_at..leak_at + 9].copy_from_slice(b"ORA-00933");
    page
}

fn response(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{fields}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn chunked(fields: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n{fields}\r\n")
            .into_bytes();
    for piece in body.chunks(10) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\nX-Sum: 1\r\n\r\n");
    bytes
}

#[test]
fn a3_rules_see_a_leak_in_a_coded_response() {
    let coded = |coding: &str| format!("Content-Encoding: {coding}\r\n");
    let leak = page(50_000);
    let brotli = [0x0b, 0x04, 0x80].iter().copied().chain(*b"ORA-00933").chain([0x03]).collect::<Vec<u8>>();
    for (answer, status) in [
        (response("", &leak), 503),
        (response(&coded("gzip"), &gzip(&leak)), 503),
        (response(&coded("x-gzip"), &gzip(&leak)), 503),
        (response(&coded("deflate"), &zlib(&leak)), 503),
        (response(&coded("deflate, gzip"), &gzip(&zlib(&leak))), 503),
        (chunked(&coded("gzip"), &gzip(&leak)), 503),
        (response(&coded("br"), &brotli), 503),
        (response(&coded("gzip"), &gzip(&page(500_000))), 200),
        (response(&coded("gzip"), &gzip(b"harmless")), 200),
        // cut off after the leak
        (response(&coded("gzip"), &gzip(&leak)[..300]), 503),
    ] {
        let upstream = Upstream::start(move |_| Answer::Bytes(answer.clone()));
        let gate = Gate::with_rules(&config(&upstream.url()), rules(RULES));
        let answer = gate.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.status, status, "{:?}", answer.header("content-encoding"));
    }
}

#[test]
fn a3_the_client_gets_the_bytes_as_they_came() {
    let body = gzip(&page(900_000));
    let bytes = body.clone();
    let upstream = Upstream::start(move |seen| {
        let coded = "Content-Encoding: gzip\r\n";
        Answer::Bytes(match seen.head.split([' ', '?']).nth(1).unwrap() {
            "/chunked" => chunked(coded, &bytes),
            "/length" => response(coded, &bytes),
            "/broken" => response(coded, b"not gzip"),
            "/unknown" => response("Content-Encoding: dcb\r\n", &bytes),
            _ => b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n".to_vec(),
        })
    });
    let gate = Gate::with_rules(&config(&upstream.url()), rules(RULES));
    let mut client = gate.client();
    for (path, want) in
        [("/chunked", &body[..]), ("/length", &body), ("/broken", b"not gzip"), ("/unknown", &body)]
    {
        client.send(format!("GET {path}?tell=1 HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.response();
        assert!(answer.status == 200 && answer.body == want, "{path}");
    }
    client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response_to_head().status, 200);
    // the limit, an error and an unknown coding
    let events = gate.events(4);
    for event in &events {
        let evidence = event.request().unwrap();
        assert_eq!(event.outcome, Outcome::Passed);
        let what: Vec<_> = evidence.not_inspected.iter().map(|part| part.what).collect();
        assert_eq!(what, [Uninspected::ResponseBody], "{}", evidence.line.as_bytes().escape_ascii());
    }
}

#[test]
fn a3_upstreams_are_asked_for_codings_that_can_be_inspected() {
    let upstream = Upstream::echo();
    for (text, sent, wanted) in [
        (RULES, "gzip, dcb;q=0.9, br", Some("gzip, br")),
        (RULES, "gzip, deflate, br, zstd", Some("gzip, deflate, br, zstd")),
        (RULES, "*", Some("identity")),
        ("SecResponseBodyAccess Off", "gzip, dcb;q=0.9, br", Some("gzip, dcb;q=0.9, br")),
    ] {
        let gate = Gate::with_rules(&config(&upstream.url()), rules(text));
        gate.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {sent}\r\n\r\n"));
        let seen = upstream.seen_now();
        assert_eq!(seen.last().unwrap().header("accept-encoding"), wanted, "{sent}");
    }
}
