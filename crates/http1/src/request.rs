//! Request heads: [`RequestParser`] and [`RequestHead`]. The meaning of a head is in [`crate::framing`].

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::chars::{field_fault, is_blank, is_token};
use crate::error::{Error, Fault};
use crate::head::{HeadReader, StartLine, Version};
use crate::headers::Headers;
use crate::limits::{HeadLimits, LEADING_EMPTY_LINES, METHOD_BYTES};

/// A request head: request line and fields. All parts are slices of one read buffer.
#[derive(Clone, Debug)]
pub struct RequestHead {
    method: Bytes,
    target: Bytes,
    version: Version,
    headers: Headers,
    raw: Bytes,
}

impl RequestHead {
    /// Creates a head without the parser, such as one of HTTP/2; [`RequestHead::raw`] is empty.
    ///
    /// # Errors
    /// [`Fault::BadMethod`] for a method that is not a token, [`Fault::BadTarget`] for an empty target or one with a space, and
    /// the fault of a control character in the target.
    pub fn new(
        method: impl Into<Bytes>,
        target: impl Into<Bytes>,
        version: Version,
        headers: Headers,
    ) -> Result<Self, Fault> {
        let (method, target) = (method.into(), target.into());
        if !is_token(&method) {
            return Err(Fault::BadMethod);
        }
        if let Some((fault, _)) = field_fault(&target) {
            return Err(fault);
        }
        if target.is_empty() || target.iter().any(|&b| is_blank(b)) {
            return Err(Fault::BadTarget);
        }
        Ok(Self { method, target, version, headers, raw: Bytes::new() })
    }

    /// Returns the method, in its original case.
    pub fn method(&self) -> &[u8] {
        &self.method
    }

    /// Returns the method as shared bytes.
    pub fn method_bytes(&self) -> &Bytes {
        &self.method
    }

    /// Returns the target as sent: any bytes except control characters and space.
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// Returns the target as shared bytes.
    pub fn target_bytes(&self) -> &Bytes {
        &self.target
    }

    /// Returns the version as sent and unchecked; see [`RequestHead::framing`].
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns the fields for changes before forwarding.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Returns the head as received, from the request line to the empty line, without later changes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

/// A request line: method, target and version, with one space between them (RFC 9112 §3).
#[derive(Clone, Debug)]
struct RequestLine {
    method: Range<usize>,
    target: Range<usize>,
    version: Version,
}

impl StartLine for RequestLine {
    const LEADING_EMPTY_LINES: usize = LEADING_EMPTY_LINES;
    const BAD_FIRST_BYTE: Fault = Fault::BadMethod;

    fn limit(limits: &HeadLimits) -> (usize, Fault) {
        (METHOD_BYTES + 1 + limits.target_bytes + " HTTP/1.1".len(), Fault::TargetTooLong)
    }

    fn parse(line: &[u8], base: usize, limits: &HeadLimits) -> Result<Self, Error> {
        if let Some(tab) = memchr::memchr(b'\t', line) {
            return Err(Error::new(Fault::BadRequestLine, base + tab));
        }
        let Some(first) = memchr::memchr(b' ', line) else {
            return Err(Error::new(Fault::BadRequestLine, base + line.len()));
        };
        let method = &line[..first];
        if !is_token(method) {
            return Err(Error::new(Fault::BadMethod, base));
        }
        if method.len() > METHOD_BYTES {
            return Err(Error::new(Fault::MethodTooLong, base + METHOD_BYTES));
        }
        let rest = first + 1;
        let Some(second) = memchr::memchr(b' ', &line[rest..]) else {
            let fault = if rest == line.len() { Fault::BadRequestLine } else { Fault::MissingVersion };
            return Err(Error::new(fault, base + line.len()));
        };
        let target = rest..rest + second;
        if target.is_empty() {
            return Err(Error::new(Fault::BadRequestLine, base + rest));
        }
        if target.len() > limits.target_bytes {
            return Err(Error::new(Fault::TargetTooLong, base + rest + limits.target_bytes));
        }
        let version = target.end + 1;
        if let Some(space) = memchr::memchr(b' ', &line[version..]) {
            return Err(Error::new(Fault::BadRequestLine, base + version + space));
        }
        Ok(Self {
            method: base..base + first,
            target: base + target.start..base + target.end,
            version: Version::parse(&line[version..]).ok_or(Error::new(Fault::BadVersion, base + version))?,
        })
    }
}

/// A parser of request heads in a connection's buffer, one after another.
///
/// It keeps its position between calls, so that a client that sends one byte at a time costs no more than another.
#[derive(Clone, Debug, Default)]
pub struct RequestParser {
    reader: HeadReader<RequestLine>,
}

impl RequestParser {
    /// Creates a parser at the start of a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a complete head from the front of `buf`; `None` if more bytes are needed. The bytes after the head (its
    /// body, a pipelined request) stay in `buf`. Between calls, only append to `buf`.
    ///
    /// # Errors
    /// Errors of syntax or limits; the bytes stay in `buf` as evidence. The connection must be closed, because the start of the
    /// next request is unknown.
    pub fn parse(&mut self, buf: &mut BytesMut, limits: &HeadLimits) -> Result<Option<RequestHead>, Error> {
        let Some(ranges) = self.reader.read(buf, limits)? else { return Ok(None) };
        let base = ranges.head.start;
        buf.advance(base);
        let raw = buf.split_to(ranges.head.end - base).freeze();
        let line = &ranges.start_line;
        Ok(Some(RequestHead {
            method: raw.slice(line.method.start - base..line.method.end - base),
            target: raw.slice(line.target.start - base..line.target.end - base),
            version: line.version,
            headers: ranges.headers(&raw),
            raw,
        }))
    }

    /// Whether no byte of a request has arrived (empty lines do not count). In this state a close or a timeout ends an idle
    /// connection and needs no response.
    pub fn is_idle(&self, buf: &[u8]) -> bool {
        self.reader.is_idle(buf)
    }
}
