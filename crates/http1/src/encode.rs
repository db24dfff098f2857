//! Encodes heads, chunks and trailers as bytes.

use bytes::{BufMut, BytesMut};

use crate::head::Version;
use crate::headers::Headers;
use crate::request::RequestHead;
use crate::response::ResponseHead;

impl RequestHead {
    /// Appends the head as HTTP/1.1: method, target, names and values unchanged, one space after each colon.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.method().len() + self.target().len() + 16 + encoded_len(self.headers()));
        out.put_slice(self.method());
        out.put_u8(b' ');
        out.put_slice(self.target());
        out.put_slice(b" HTTP/1.1\r\n");
        put_fields(self.headers(), out);
    }
}

impl ResponseHead {
    /// Appends the head as HTTP/1.1.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.reason().len() + 16 + encoded_len(self.headers()));
        out.put_slice(b"HTTP/1.1 ");
        let status = self.status();
        out.put_slice(&[status / 100, status / 10 % 10, status % 10].map(digit));
        out.put_u8(b' ');
        out.put_slice(self.reason());
        out.put_slice(b"\r\n");
        put_fields(self.headers(), out);
    }
}

/// Appends the size line of a chunk of `length` bytes, which must not be zero. The bytes and [`CHUNK_END`] follow it; one
/// vectored write can send all three.
pub fn chunk_start(length: usize, out: &mut BytesMut) {
    debug_assert!(length > 0, "a chunk of no bytes ends the body");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[length >> (4 * digit) & 0xf]);
    }
    out.put_slice(b"\r\n");
}

/// The end of a chunk's bytes.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the end of a chunked body.
pub fn last_chunk(trailers: &Headers, out: &mut BytesMut) {
    out.put_slice(b"0\r\n");
    put_fields(trailers, out);
}

fn encoded_len(headers: &Headers) -> usize {
    headers.iter().map(|h| h.name().len() + h.value().len() + 4).sum::<usize>() + 2
}

/// Returns the ASCII digit of a number up to 9.
fn digit(number: u16) -> u8 {
    b"0123456789"[usize::from(number % 10)]
}

fn put_fields(headers: &Headers, out: &mut BytesMut) {
    for header in headers {
        out.put_slice(header.name());
        out.put_slice(b": ");
        out.put_slice(header.value());
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

/// Returns the `Connection` option for a response to a client of `version`, if one is needed (RFC 9112 §9.3).
pub fn connection_option(version: Version, persist: bool) -> Option<&'static str> {
    match (version >= Version::HTTP_11, persist) {
        (true, true) | (false, false) => None,
        (true, false) => Some("close"),
        (false, true) => Some("keep-alive"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        BodyDecoder, BodyFraming, Decoded, HeadLimits, RequestParser, ResponseParser, reason_phrase,
    };

    #[test]
    fn a_request_goes_out_as_it_came_in() {
        let raw = b"GET /?a=\"<>\xff HTTP/1.1\r\nHost: a\r\nX-ODD_name: caf\xe9 \"\r\nx-odd_name: \r\n\r\n";
        let mut buf = BytesMut::from(&raw[..]);
        let head = RequestParser::new().parse(&mut buf, &HeadLimits::default()).unwrap().unwrap();
        let mut out = BytesMut::new();
        head.encode(&mut out);
        assert_eq!(&out[..], raw);
        assert_eq!(&head.raw()[..], raw);
    }

    #[test]
    fn a_request_of_http_2_is_built_and_edited() {
        let mut headers = Headers::new();
        headers.push("host", "a").unwrap();
        let mut head = RequestHead::new("POST", "/x?y", Version::HTTP_11, headers).unwrap();
        head.headers_mut().set("X-Forwarded-For", "192.0.2.1").unwrap();
        let mut out = BytesMut::new();
        head.encode(&mut out);
        assert_eq!(&out[..], b"POST /x?y HTTP/1.1\r\nhost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
        for (method, target) in [("GE T", "/"), ("", "/"), ("GET", ""), ("GET", "/ x"), ("GET", "/\r\nX: y")]
        {
            let built = RequestHead::new(method, target, Version::HTTP_11, Headers::new());
            assert!(built.is_err(), "{method:?} {target:?}");
        }
    }

    #[test]
    fn a_response_goes_out_as_http_11() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
            (b"HTTP/1.1 299\r\n\r\n", b"HTTP/1.1 299 \r\n\r\n"),
            (b"HTTP/1.1 404 Pas trouv\xe9\r\n\r\n", b"HTTP/1.1 404 Pas trouv\xe9\r\n\r\n"),
        ];
        for (raw, expected) in cases {
            let mut buf = BytesMut::from(*raw);
            let head = ResponseParser::new().parse(&mut buf, &HeadLimits::default()).unwrap().unwrap();
            let mut out = BytesMut::new();
            head.encode(&mut out);
            assert_eq!(&out[..], *expected);
        }
    }

    #[test]
    fn a_response_of_our_own_has_its_registered_reason() {
        let mut out = BytesMut::new();
        ResponseHead::new(403, Headers::new()).unwrap().encode(&mut out);
        assert_eq!(&out[..], b"HTTP/1.1 403 Forbidden\r\n\r\n");
        assert_eq!(reason_phrase(599), "");
        assert!(ResponseHead::new(99, Headers::new()).is_err());
        assert!(ResponseHead::new(1000, Headers::new()).is_err());
    }

    #[test]
    fn chunks_decode_to_what_was_encoded() {
        for length in [1, 9, 15, 16, 255, 256, 4095, 70_000] {
            let content = Bytes::from(vec![b'x'; length]);
            let mut out = BytesMut::new();
            chunk_start(length, &mut out);
            assert_eq!(&out[..], format!("{length:x}\r\n").as_bytes());
            out.extend_from_slice(&content);
            out.extend_from_slice(CHUNK_END);
            let mut trailers = Headers::new();
            trailers.push("X-Sum", "1").unwrap();
            last_chunk(&trailers, &mut out);
            let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
            assert_eq!(decoder.decode(&mut out).unwrap(), Decoded::Data(content));
            assert_eq!(decoder.decode(&mut out).unwrap(), Decoded::End(trailers));
        }
        let mut end = BytesMut::new();
        last_chunk(&Headers::new(), &mut end);
        assert_eq!(&end[..], LAST_CHUNK);
    }

    #[test]
    fn the_option_is_said_only_where_it_is_not_the_default() {
        assert_eq!(connection_option(Version::HTTP_11, true), None);
        assert_eq!(connection_option(Version::HTTP_11, false), Some("close"));
        assert_eq!(connection_option(Version::HTTP_10, true), Some("keep-alive"));
        assert_eq!(connection_option(Version::HTTP_10, false), None);
    }
}
