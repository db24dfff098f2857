//! The column of monban, and invariants of every case for any arrival of its bytes.

use bytes::BytesMut;
use http1::{BodyDecoder, Decoded, Error, HeadLimits, Headers, RequestParser};

use super::cases;

/// A parsed request.
#[derive(Debug, PartialEq)]
struct Request {
    content: Vec<u8>,
    trailers: Headers,
    /// The bytes after the request.
    rest: Vec<u8>,
}

/// Returns the first request of a connection with these pieces; `None` if it is incomplete.
fn read(pieces: &[&[u8]]) -> Result<Option<Request>, Error> {
    let mut buf = BytesMut::new();
    let mut pieces = pieces.iter();
    let mut parser = RequestParser::new();
    let head = loop {
        let Some(piece) = pieces.next() else { return Ok(None) };
        buf.extend_from_slice(piece);
        if let Some(head) = parser.parse(&mut buf, &HeadLimits::default())? {
            break head;
        }
    };
    let mut decoder = BodyDecoder::new(head.framing()?.body);
    let mut content = Vec::new();
    let trailers = loop {
        match decoder.decode(&mut buf)? {
            Decoded::Data(data) => content.extend_from_slice(&data),
            Decoded::End(trailers) => break trailers,
            Decoded::NeedMore => {
                let Some(piece) = pieces.next() else { return Ok(None) };
                buf.extend_from_slice(piece);
            }
        }
    };
    for piece in pieces {
        buf.extend_from_slice(piece);
    }
    Ok(Some(Request { content, trailers, rest: buf.to_vec() }))
}

#[test]
fn every_case_is_answered_as_the_table_says() {
    for case in cases() {
        let got = match read(&[&case.send]) {
            Ok(Some(request)) => format!("accept {}+{}", request.content.len(), request.rest.len()),
            Ok(None) => "incomplete".to_owned(),
            Err(error) => format!("{} {}", error.fault.status(), error.fault.name()),
        };
        assert_eq!(got, case.ours, "{}: {}", case.name, case.source);
    }
}

#[test]
fn no_answer_depends_on_how_the_bytes_arrive() {
    for case in cases() {
        let whole = read(&[&case.send]);
        let bytes: Vec<&[u8]> = case.send.chunks(1).collect();
        assert_eq!(read(&bytes), whole, "{}", case.name);
        for cut in (1..case.send.len()).step_by(1 + case.send.len() / 97) {
            let (a, b) = case.send.split_at(cut);
            assert_eq!(read(&[a, b]), whole, "{} cut at {cut}", case.name);
        }
    }
}

#[test]
fn faults_lie_within_what_was_sent() {
    for case in cases() {
        if let Err(error) = read(&[&case.send]) {
            assert!(error.offset <= case.send.len() as u64, "{}: {error}", case.name);
        }
    }
}
