//! Response heads: [`ResponseParser`] and [`ResponseHead`]. The meaning of a head is in [`crate::framing`].

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, Fault};
use crate::head::{HeadReader, StartLine, Version};
use crate::headers::Headers;
use crate::limits::HeadLimits;

/// A response head: status line and fields.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    version: Version,
    status: u16,
    reason: Bytes,
    headers: Headers,
    raw: Bytes,
}

impl ResponseHead {
    /// Creates a head without the parser; [`ResponseHead::raw`] is empty, and the reason is the registered one.
    ///
    /// # Errors
    /// [`Fault::BadStatusLine`] for a status outside 100 to 999.
    pub fn new(status: u16, headers: Headers) -> Result<Self, Fault> {
        if !(100..=999).contains(&status) {
            return Err(Fault::BadStatusLine);
        }
        let reason = Bytes::from_static(reason_phrase(status).as_bytes());
        Ok(Self { version: Version::HTTP_11, status, reason, headers, raw: Bytes::new() })
    }

    /// Returns the version as sent and unchecked; see [`ResponseHead::framing`].
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the status code, 100 to 999.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the reason phrase; it may be empty.
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// Returns the fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns the fields for changes before forwarding.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Returns the head as received, without later changes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

/// A status line: version, three digits, reason (RFC 9112 §4). Without a reason, the space before it may be missing.
#[derive(Clone, Debug)]
struct StatusLine {
    version: Version,
    status: u16,
    reason: Range<usize>,
}

impl StartLine for StatusLine {
    const LEADING_EMPTY_LINES: usize = 0;
    const BAD_FIRST_BYTE: Fault = Fault::BadStatusLine;

    fn limit(limits: &HeadLimits) -> (usize, Fault) {
        (limits.head_bytes, Fault::HeadTooLarge)
    }

    fn parse(line: &[u8], base: usize, _limits: &HeadLimits) -> Result<Self, Error> {
        let bad = |at: usize| Error::new(Fault::BadStatusLine, base + at);
        let (version, rest) = line.split_at_checked("HTTP/1.1".len()).ok_or(bad(line.len()))?;
        let version = Version::parse(version).ok_or(bad(0))?;
        let (status, reason) = match rest {
            [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] => {
                let digit = |d: &u8| u16::from(d - b'0');
                (100 * digit(a) + 10 * digit(b) + digit(c), reason)
            }
            _ => return Err(bad("HTTP/1.1".len())),
        };
        let reason = match reason {
            [] => base + line.len()..base + line.len(),
            [b' ', ..] => base + "HTTP/1.1 200 ".len()..base + line.len(),
            _ => return Err(bad("HTTP/1.1 200".len())),
        };
        Ok(Self { version, status, reason })
    }
}

/// A parser of response heads in an upstream connection's buffer, including interim ones (1xx).
#[derive(Clone, Debug, Default)]
pub struct ResponseParser {
    reader: HeadReader<StatusLine>,
}

impl ResponseParser {
    /// Creates a parser at the start of a response.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a complete head from the front of `buf`; `None` if more bytes are needed. The bytes after it stay in `buf`.
    ///
    /// # Errors
    /// Errors of syntax or limits (`target_bytes` does not apply). The client gets a 502, and the upstream connection must be
    /// closed.
    pub fn parse(&mut self, buf: &mut BytesMut, limits: &HeadLimits) -> Result<Option<ResponseHead>, Error> {
        let Some(ranges) = self.reader.read(buf, limits)? else { return Ok(None) };
        let base = ranges.head.start;
        buf.advance(base);
        let raw = buf.split_to(ranges.head.end - base).freeze();
        let line = &ranges.start_line;
        Ok(Some(ResponseHead {
            version: line.version,
            status: line.status,
            reason: raw.slice(line.reason.start - base..line.reason.end - base),
            headers: ranges.headers(&raw),
            raw,
        }))
    }

    /// Whether no byte of a response has arrived.
    pub fn is_idle(&self, buf: &[u8]) -> bool {
        self.reader.is_idle(buf)
    }
}

/// Returns the registered reason phrase of a status (RFC 9110 §15, RFC 6585); empty for others.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}
