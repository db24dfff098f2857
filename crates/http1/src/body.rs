//! [`BodyDecoder`]: takes a body off a connection's buffer without copying it.

use bytes::{Buf, Bytes, BytesMut};

use crate::chars::{is_blank, is_tchar};
use crate::error::{Error, Fault};
use crate::framing::BodyFraming;
use crate::head::{Lines, field_line};
use crate::headers::{Header, Headers};
use crate::limits::{CHUNK_LINE_BYTES, LENGTH, TRAILER_BYTES, TRAILERS};

/// What [`BodyDecoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The next bytes of the content, never empty: a slice of the buffer.
    Data(Bytes),
    /// The buffer must be filled further.
    NeedMore,
    /// The body has ended, with these trailer fields. The buffer begins with what follows the message.
    End(Headers),
}

/// Decodes one body.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Encoded bytes taken off the buffer so far.
    taken: u64,
    /// The place within an unfinished line at the front of the buffer.
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
    /// A decoder at the first byte behind the head.
    pub fn new(framing: BodyFraming) -> Self {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::End,
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::ChunkSize,
            BodyFraming::UntilClose => State::UntilClose,
        };
        Self { state, taken: 0, lines: Lines::default(), trailers: Headers::new(), trailer_bytes: 0 }
    }

    /// Whether the whole body has been taken.
    pub fn is_end(&self) -> bool {
        self.state == State::End
    }

    /// Takes the next piece off the front of `buf`. Content is never held back or copied; of a chunk-size line or
    /// a trailer field at most [`CHUNK_LINE_BYTES`] or [`TRAILER_BYTES`] stay in `buf` until the line is whole.
    ///
    /// # Errors
    /// A malformed chunk or a limit exceeded; the connection must be closed.
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

    /// The connection has closed: whether the body ended there.
    ///
    /// # Errors
    /// [`Fault::Truncated`] when more of it was announced.
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

    /// Moves an error within the buffer to its place within the body.
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

    /// The length of the line at the front of `buf`, without its CRLF; `None` until it is whole.
    fn line(&mut self, buf: &[u8], (limit, fault): (usize, Fault)) -> Result<Option<usize>, Error> {
        let found = self.lines.next(buf).map_err(|e| self.at(e));
        // What is certain to belong to the line: its last byte so far may be the CR of its end.
        let known = match &found {
            Ok(Some(line)) => line.end,
            Ok(None) => buf.len().saturating_sub(1),
            Err(error) => (error.offset - self.taken) as usize,
        };
        if known > limit {
            return Err(self.error(fault, limit));
        }
        Ok(found?.map(|line| line.end))
    }

    /// Takes a trailer field (RFC 9110 §6.5). One that would change framing or routing is refused.
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
        self.trailers.push_trusted(Header::trusted(line.slice(name), line.slice(value)));
        self.take(buf, 2);
        Ok(())
    }
}

/// Parses a chunk-size line (RFC 9112 §7.1) and checks its extensions, which mean nothing here.
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

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`; the error is an offset.
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
            // "5 " and "5 x" are sizes with something odd behind them, not extensions.
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

/// The offset behind a quoted string that begins at `start` (RFC 9110 §5.6.4).
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
