//! [`BodyDecoder`]: reads a body from a connection's buffer without copying it.

use bytes::{Buf, Bytes, BytesMut};

use crate::chars::{is_blank, is_tchar};
use crate::error::{Error, Fault};
use crate::framing::BodyFraming;
use crate::head::{Lines, field_line};
use crate::headers::{Header, Headers};
use crate::limits::{CHUNK_LINE_BYTES, LENGTH, TRAILER_BYTES, TRAILERS};

/// The result of [`BodyDecoder::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The next bytes of the content, as a slice of the buffer; never empty.
    Data(Bytes),
    /// The buffer needs more bytes.
    NeedMore,
    /// The body has ended, with these trailer fields. The buffer begins with the bytes after the message.
    End(Headers),
}

/// A decoder of one body.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Encoded bytes consumed so far.
    taken: u64,
    /// The position within an unfinished line at the front of the buffer.
    lines: Lines,
    trailers: Headers,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    End,
}

impl BodyDecoder {
    /// Creates a decoder at the first byte after the head.
    pub fn new(framing: BodyFraming) -> Self {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::End,
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::ChunkSize,
            BodyFraming::UntilClose => State::UntilClose,
        };
        Self { state, taken: 0, lines: Lines::default(), trailers: Headers::new(), trailer_bytes: 0 }
    }

    /// Whether the whole body has been read.
    pub fn is_end(&self) -> bool {
        self.state == State::End
    }

    /// Takes the next piece from the front of `buf`. Content is never held back or copied; at most [`CHUNK_LINE_BYTES`] of a
    /// chunk-size line and [`TRAILER_BYTES`] of a trailer field stay in `buf` until the line is complete.
    ///
    /// # Errors
    /// A malformed chunk or an exceeded limit; the connection must be closed.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, Error> {
        loop {
            match self.state {
                State::End => return Ok(Decoded::End(std::mem::take(&mut self.trailers))),
                State::Length(left) => {
                    let Some(data) = self.take_data(buf, left) else { return Ok(Decoded::NeedMore) };
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::End } else { State::Length(left) };
                    return Ok(Decoded::Data(data));
                }
                State::UntilClose => {
                    return Ok(self.take_data(buf, u64::MAX).map_or(Decoded::NeedMore, Decoded::Data));
                }
                State::ChunkData(left) => {
                    let Some(data) = self.take_data(buf, left) else { return Ok(Decoded::NeedMore) };
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    return Ok(Decoded::Data(data));
                }
                State::ChunkEnd => {
                    match buf[..] {
                        [] | [b'\r'] => return Ok(Decoded::NeedMore),
                        [b'\r', b'\n', ..] => self.take(buf, 2),
                        _ => return Err(self.error(Fault::BadChunkEnd, 0)),
                    }
                    self.state = State::ChunkSize;
                }
                State::ChunkSize => {
                    let limit = (CHUNK_LINE_BYTES, Fault::ChunkLineTooLong);
                    let Some(length) = self.line(buf, limit)? else { return Ok(Decoded::NeedMore) };
                    let size = chunk_size(&buf[..length]).map_err(|e| self.at(e))?;
                    self.take(buf, length + 2);
                    self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
                }
                State::Trailers => {
                    let limit = (TRAILER_BYTES - self.trailer_bytes, Fault::TrailersTooLarge);
                    let Some(length) = self.line(buf, limit)? else { return Ok(Decoded::NeedMore) };
                    if length == 0 {
                        self.take(buf, 2);
                        self.state = State::End;
                        continue;
                    }
                    self.trailer(buf, length)?;
                    self.trailer_bytes += length;
                }
            }
        }
    }

    /// Checks, after the connection has closed, that the body ended at that point.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if more was announced.
    pub fn closed(&mut self) -> Result<(), Error> {
        match self.state {
            State::End => Ok(()),
            State::UntilClose => {
                self.state = State::End;
                Ok(())
            }
            _ => Err(self.error(Fault::Truncated, 0)),
        }
    }

    fn error(&self, fault: Fault, offset: usize) -> Error {
        Error { fault, offset: self.taken + offset as u64 }
    }

    /// Converts an error's offset from the buffer to the body.
    fn at(&self, error: Error) -> Error {
        Error { fault: error.fault, offset: self.taken + error.offset }
    }

    fn take(&mut self, buf: &mut BytesMut, length: usize) {
        buf.advance(length);
        self.taken += length as u64;
        self.lines = Lines::default();
    }

    fn take_data(&mut self, buf: &mut BytesMut, most: u64) -> Option<Bytes> {
        if buf.is_empty() {
            return None;
        }
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(buf.len());
        self.taken += length as u64;
        Some(buf.split_to(length).freeze())
    }

    /// Returns the length of the line at the front of `buf`, without its CRLF; `None` until it is complete.
    fn line(&mut self, buf: &[u8], (limit, fault): (usize, Fault)) -> Result<Option<usize>, Error> {
        let found = self.lines.next(buf).map_err(|e| self.at(e));
        // the bytes that certainly belong to the line: the last one may be the CR of its end
        let known = match &found {
            Ok(Some(line)) => line.end,
            Ok(None) => buf.len().saturating_sub(1),
            Err(error) => usize::try_from(error.offset - self.taken).unwrap_or(usize::MAX),
        };
        if known > limit {
            return Err(self.error(fault, limit));
        }
        Ok(found?.map(|line| line.end))
    }

    /// Adds a trailer field (RFC 9110 §6.5). Refuses a field that would change framing or routing.
    fn trailer(&mut self, buf: &mut BytesMut, length: usize) -> Result<(), Error> {
        const FORBIDDEN: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Host", "Trailer"];
        if self.trailers.len() == TRAILERS {
            return Err(self.error(Fault::TooManyTrailers, 0));
        }
        let (name, value) = field_line(&buf[..length], 0).map_err(|e| self.at(e))?;
        if FORBIDDEN.iter().any(|forbidden| buf[name.clone()].eq_ignore_ascii_case(forbidden.as_bytes())) {
            return Err(self.error(Fault::ForbiddenTrailer, 0));
        }
        let line = buf.split_to(length).freeze();
        self.taken += length as u64;
        let (name_length, value_start) = (name.len(), value.start - name.start);
        self.trailers.push_trusted(Header::trusted(
            line.slice(name.start..value.end),
            name_length,
            value_start,
        ));
        self.take(buf, 2);
        Ok(())
    }
}

/// Parses a chunk-size line (RFC 9112 §7.1) and checks its extensions, which are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, Error> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let bad = |at| Error::new(Fault::BadChunkSize, at);
    if digits == 0 {
        return Err(bad(0));
    }
    let mut size = 0u64;
    for (at, &digit) in line[..digits].iter().enumerate() {
        let value = (digit as char).to_digit(16).ok_or(bad(at))?;
        size = size.checked_mul(16).map(|s| s + u64::from(value)).filter(|&s| s <= LENGTH).ok_or(bad(at))?;
    }
    check_extensions(&line[digits..]).map_err(|at| {
        let fault = if at == 0 { Fault::BadChunkSize } else { Fault::BadChunkExtension };
        Error::new(fault, digits + at)
    })?;
    Ok(size)
}

/// Checks `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`; the error is an offset.
fn check_extensions(text: &[u8]) -> Result<(), usize> {
    let skip_blanks = |mut at: usize| {
        while text.get(at).copied().is_some_and(is_blank) {
            at += 1;
        }
        at
    };
    let token = |start: usize| {
        let length = text[start..].iter().take_while(|&&b| is_tchar(b)).count();
        if length == 0 { Err(start) } else { Ok(start + length) }
    };
    let mut at = 0;
    while at < text.len() {
        let semicolon = skip_blanks(at);
        if text.get(semicolon) != Some(&b';') {
            // "5 " and "5 x" are sizes with invalid text after them, not extensions.
            return Err(at);
        }
        at = token(skip_blanks(semicolon + 1))?;
        let equals = skip_blanks(at);
        if text.get(equals) == Some(&b'=') {
            let value = skip_blanks(equals + 1);
            at = if text.get(value) == Some(&b'"') { quoted_string(text, value)? } else { token(value)? };
        }
    }
    Ok(())
}

/// Returns the offset after a quoted string that begins at `start` (RFC 9110 §5.6.4).
fn quoted_string(text: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start + 1;
    loop {
        match (text.get(at), text.get(at + 1)) {
            (Some(b'"'), _) => return Ok(at + 1),
            (Some(b'\\'), Some(&next)) if is_quotable(next) => at += 2,
            (Some(&byte), _) if byte != b'\\' && is_quotable(byte) => at += 1,
            _ => return Err(at.min(text.len())),
        }
    }
}

fn is_quotable(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` in pieces of `step` bytes. Returns the content, the trailers and the rest.
    fn decode(framing: BodyFraming, input: &[u8], step: usize) -> Result<(Vec<u8>, Headers, usize), Error> {
        let mut decoder = BodyDecoder::new(framing);
        let mut buf = BytesMut::new();
        let mut pieces = input.chunks(step);
        let mut content = Vec::new();
        loop {
            match decoder.decode(&mut buf)? {
                Decoded::Data(data) => {
                    assert!(!data.is_empty());
                    content.extend_from_slice(&data);
                }
                Decoded::End(trailers) => {
                    assert!(decoder.is_end());
                    return Ok((content, trailers, buf.len() + pieces.map(<[u8]>::len).sum::<usize>()));
                }
                Decoded::NeedMore => match pieces.next() {
                    Some(piece) => buf.extend_from_slice(piece),
                    None => decoder.closed()?,
                },
            }
        }
    }

    fn fault(framing: BodyFraming, input: &[u8]) -> (Fault, u64) {
        let whole = decode(framing, input, input.len().max(1)).unwrap_err();
        assert_eq!(decode(framing, input, 1).unwrap_err(), whole, "byte by byte");
        (whole.fault, whole.offset)
    }

    #[test]
    fn every_framing_ends_where_it_should() {
        for step in [1, 2, 3, 100] {
            let all = |framing, input: &[u8]| {
                let (content, _, rest) = decode(framing, input, step).unwrap();
                (String::from_utf8(content).unwrap(), rest)
            };
            assert_eq!(all(BodyFraming::None, b"GET"), (String::new(), 3));
            assert_eq!(all(BodyFraming::Length(0), b"GET"), (String::new(), 3));
            assert_eq!(all(BodyFraming::Length(5), b"helloGET"), ("hello".into(), 3));
            assert_eq!(all(BodyFraming::UntilClose, b"helloGET"), ("helloGET".into(), 0));
            assert_eq!(all(BodyFraming::UntilClose, b""), (String::new(), 0));
            let chunks = b"3\r\nhel\r\n002 ; a = \"\\\"\"\r\nlo\r\n0\r\n\r\nGET";
            assert_eq!(all(BodyFraming::Chunked, chunks), ("hello".into(), 3));
        }
    }

    #[test]
    fn content_is_not_copied() {
        let mut buf = BytesMut::from(&b"5\r\nhello\r\n"[..]);
        let content = buf[3..].as_ptr();
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
        let Decoded::Data(data) = decoder.decode(&mut buf).unwrap() else { panic!("content is there") };
        assert_eq!((data.as_ptr(), &data[..]), (content, &b"hello"[..]));
    }

    #[test]
    fn content_is_never_held_back() {
        let mut buf = BytesMut::from(&b"ffffffff\r\nab"[..]);
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
        assert_eq!(decoder.decode(&mut buf).unwrap(), Decoded::Data("ab".into()));
        assert_eq!(decoder.decode(&mut buf).unwrap(), Decoded::NeedMore);
        assert!(!decoder.is_end());
    }

    #[test]
    fn trailers_come_with_the_end() {
        let input = b"0\r\nX-Sum:  1 \r\nx-sum:\r\n\r\n";
        for step in [1, 100] {
            let (_, trailers, rest) = decode(BodyFraming::Chunked, input, step).unwrap();
            assert_eq!(trailers.get_all("X-Sum").collect::<Vec<_>>(), [&b"1"[..], b""]);
            assert_eq!(rest, 0);
        }
    }

    #[test]
    fn malformed_chunks_are_refused_at_their_place() {
        let cases: &[(&[u8], Fault, u64)] = &[
            (b"x\r\n", Fault::BadChunkSize, 0),
            (b"\r\n", Fault::BadChunkSize, 0),
            (b"5\r\nhello\r\n1 \r\n", Fault::BadChunkSize, 11),
            (b"7fffffffffffffff0\r\n", Fault::BadChunkSize, 16),
            (b"8000000000000000\r\n", Fault::BadChunkSize, 15),
            (b"3\nabc", Fault::BareLf, 1),
            (b"3;a\nabc", Fault::BareLf, 3),
            (b"3\r\nabcd\r\n", Fault::BadChunkEnd, 6),
            (b"3\r\nabc\n", Fault::BadChunkEnd, 6),
            (b"3\r\nabc\rx", Fault::BadChunkEnd, 6),
            (b"3;\r\n", Fault::BadChunkExtension, 2),
            (b"3;a=\r\n", Fault::BadChunkExtension, 4),
            (b"3;a=\"b\r\n", Fault::BadChunkExtension, 6),
            (b"3;a=\"b\\\r\n", Fault::BadChunkExtension, 6),
            (b"3;a b\r\n", Fault::BadChunkExtension, 3),
            (b"3;a\rb\r\n", Fault::BadChunkExtension, 3),
            (b"0\r\nX: 1\r\n 2\r\n\r\n", Fault::Folding, 9),
            (b"0\r\nX\r\n\r\n", Fault::MissingColon, 3),
            (b"0\r\nX: 1\n", Fault::BareLf, 7),
            (b"0\r\nX: a\0\r\n", Fault::Nul, 7),
            (b"0\r\ncontent-length: 1\r\n\r\n", Fault::ForbiddenTrailer, 3),
            (b"0\r\nHOST: a\r\n\r\n", Fault::ForbiddenTrailer, 3),
        ];
        for &(input, expected, offset) in cases {
            let text = String::from_utf8_lossy(input);
            assert_eq!(fault(BodyFraming::Chunked, input), (expected, offset), "{text:?}");
        }
    }

    #[test]
    fn largest_chunk_size_is_let_in() {
        let mut buf = BytesMut::from(&b"7fffffffffffffff\r\na"[..]);
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
        assert_eq!(decoder.decode(&mut buf).unwrap(), Decoded::Data("a".into()));
    }

    #[test]
    fn limits_hold_with_and_without_the_end_of_the_line() {
        let at_limit = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(CHUNK_LINE_BYTES - 2));
        assert_eq!(decode(BodyFraming::Chunked, at_limit.as_bytes(), 7).unwrap().0, b"a");
        let (line, endless) = (format!("1;{}\r\n", "x".repeat(CHUNK_LINE_BYTES - 1)), "0".repeat(1000));
        for input in [line, endless] {
            let expected = (Fault::ChunkLineTooLong, CHUNK_LINE_BYTES as u64);
            assert_eq!(fault(BodyFraming::Chunked, input.as_bytes()), expected);
        }

        let trailers = |n| format!("0\r\n{}\r\n", "X: 1\r\n".repeat(n));
        assert_eq!(decode(BodyFraming::Chunked, trailers(TRAILERS).as_bytes(), 5).unwrap().1.len(), TRAILERS);
        let too_many = fault(BodyFraming::Chunked, trailers(TRAILERS + 1).as_bytes());
        assert_eq!(too_many.0, Fault::TooManyTrailers);

        let long = |n| format!("0\r\nX: {}\r\nY:\r\n\r\n", "x".repeat(n));
        let fits = TRAILER_BYTES - "X: Y:".len();
        assert!(decode(BodyFraming::Chunked, long(fits).as_bytes(), 11).is_ok());
        for n in [fits + 1, fits + 10_000] {
            assert_eq!(fault(BodyFraming::Chunked, long(n).as_bytes()).0, Fault::TrailersTooLarge);
        }
    }

    #[test]
    fn an_early_close_is_no_end() {
        let inputs: &[(BodyFraming, &[u8])] = &[
            (BodyFraming::Length(5), b"hell"),
            (BodyFraming::Length(5), b""),
            (BodyFraming::Chunked, b""),
            (BodyFraming::Chunked, b"5\r\nhello"),
            (BodyFraming::Chunked, b"5\r\nhello\r\n"),
            (BodyFraming::Chunked, b"5\r\nhello\r\n0\r\n"),
            (BodyFraming::Chunked, b"5\r\nhello\r\n0\r\nX: 1\r\n"),
        ];
        for &(framing, input) in inputs {
            assert_eq!(fault(framing, input).0, Fault::Truncated, "{input:?}");
        }
    }
}
