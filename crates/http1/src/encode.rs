//! Heads, chunks and trailers as bytes.

use bytes::{BufMut, BytesMut};

use crate::headers::Headers;
use crate::request::RequestHead;
use crate::response::ResponseHead;

impl RequestHead {
    /// Appends the head as an HTTP/1.1 one: method, target, names and values byte for byte as they came, one
    /// space behind each colon.
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
    /// Appends the head as an HTTP/1.1 one.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.reason().len() + 16 + encoded_len(self.headers()));
        out.put_slice(b"HTTP/1.1 ");
        let status = self.status();
        out.put_slice(&[status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8));
        out.put_u8(b' ');
        out.put_slice(self.reason());
        out.put_slice(b"\r\n");
        put_fields(self.headers(), out);
    }
}

/// Appends the size line of a chunk of `length` bytes, which is not zero. Behind it go the bytes and
/// [`CHUNK_END`]; the three can be written at once with a vectored write.
pub fn chunk_start(length: usize, out: &mut BytesMut) {
    debug_assert!(length > 0, "a chunk of no bytes ends the body");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[length >> (4 * digit) & 0xf]);
    }
    out.put_slice(b"\r\n");
}

/// What ends the bytes of a chunk.
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

fn put_fields(headers: &Headers, out: &mut BytesMut) {
    for header in headers {
        out.put_slice(header.name());
        out.put_slice(b": ");
        out.put_slice(header.value());
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}
