//! Results of other parsers for unusual targets and lines: the measurements behind docs/adr/0001.

mod hyper;

use bytes::BytesMut;
use http1::{Fault, HeadLimits, RequestParser};

/// Returns the bytes that a parser refuses in a target, except control characters and space.
fn refused(accepts: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    (0x21..=0xff).filter(|&b| b != 0x7f).filter(|&b| !accepts(&[b'/', b'?', b, b'x'])).collect()
}

fn ours(target: &[u8]) -> bool {
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let mut buf = BytesMut::from(&request[..]);
    let head = RequestParser::new().parse(&mut buf, &HeadLimits::default());
    head.is_ok_and(|head| head.is_some_and(|head| head.target() == target && head.framing().is_ok()))
}

fn httparse(request: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut headers);
    let complete = parsed.parse(request).is_ok_and(|status| status.is_complete());
    complete.then(|| parsed.headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect())
}

fn httparse_target(target: &[u8]) -> bool {
    httparse(&[b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).is_some()
}

fn http_uri(target: &[u8]) -> bool {
    http::Uri::try_from(target).is_ok()
}

fn high() -> Vec<u8> {
    (0x80..=0xff).collect()
}

#[test]
fn only_our_parser_lets_every_target_byte_in() {
    assert_eq!(refused(ours), b"");
    assert_eq!(refused(http_uri), [b"\"<>".to_vec(), high()].concat());
    assert_eq!(refused(httparse_target), high());
}

type Fields = &'static [(&'static str, &'static str)];

/// The text between `Host: a` and the end of the head, httparse's result, and our fault.
const LINES: &[(&str, Option<Fields>, Option<Fault>)] = &[
    ("X: b\nY: c\r\n", Some(&[("X", "b"), ("Y", "c")]), Some(Fault::BareLf)),
    ("X: b\r\n\n", Some(&[("X", "b")]), Some(Fault::BareLf)),
    ("X: b\rY: c\r\n", None, Some(Fault::BareCr)),
    ("X: b\r\n c\r\n", None, Some(Fault::Folding)),
    ("X : b\r\n", None, Some(Fault::SpaceBeforeColon)),
    ("X: b\0c\r\n", None, Some(Fault::Nul)),
    ("X: b\x01c\r\n", None, Some(Fault::Control)),
    ("X\r\n", None, Some(Fault::MissingColon)),
    (": b\r\n", None, Some(Fault::EmptyName)),
    ("X(): b\r\n", None, Some(Fault::BadName)),
    ("x_Y.z:  b\tc \t\r\n", Some(&[("x_Y.z", "b\tc")]), None),
    ("X: caf\u{e9}\r\nX:\r\n", Some(&[("X", "caf\u{e9}"), ("X", "")]), None),
];

#[test]
fn httparse_takes_a_bare_line_feed_for_the_end_of_a_line() {
    for (line, theirs, fault) in LINES {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n");
        let parsed = httparse(request.as_bytes()).map(|fields| fields[1..].to_vec());
        let expected = theirs.map(|fields| {
            fields.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect::<Vec<_>>()
        });
        assert_eq!(parsed, expected, "httparse: {line:?}");

        let mut buf = BytesMut::from(request.as_bytes());
        let result = RequestParser::new().parse(&mut buf, &HeadLimits::default());
        assert_eq!(result.as_ref().err().map(|e| e.fault), *fault, "ours: {line:?}");
        if let (Ok(head), Some(expected)) = (result, expected) {
            let head = head.unwrap();
            let fields = head.headers().iter().skip(1);
            let fields = fields.map(|h| (String::from_utf8(h.name().to_vec()).unwrap(), h.value().to_vec()));
            assert_eq!(fields.collect::<Vec<_>>(), expected);
        }
    }
}
