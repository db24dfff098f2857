//! The shared parts of request and response heads: lines, field lines, [`Version`].
//!
//! This parser reads field lines itself. `httparse` accepts a bare LF as the end of a line, gives no position for an error, and
//! starts again at each call, which is quadratic when a client sends one byte at a time (measured in `tests/parsers`).

use std::ops::Range;

use bytes::Bytes;

use crate::chars::{field_fault, is_blank, is_tchar, trim};
use crate::error::{Error, Fault};
use crate::headers::{Header, Headers};
use crate::limits::HeadLimits;

/// The version of a message. The parser accepts every `HTTP/d.d`; `framing()` refuses all but 1.0 and 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The digit before the point.
    pub major: u8,
    /// The digit after the point.
    pub minor: u8,
}

impl Version {
    /// HTTP/1.0.
    pub const HTTP_10: Self = Self { major: 1, minor: 0 };
    /// HTTP/1.1.
    pub const HTTP_11: Self = Self { major: 1, minor: 1 };

    /// Parses `HTTP-version` of RFC 9112 §2.3, in capital letters.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => {
                Some(Self { major: major - b'0', minor: minor - b'0' })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP/{}.{}", self.major, self.minor)
    }
}

/// A field line as ranges of the buffer.
#[derive(Clone, Debug)]
struct FieldRange {
    name: Range<usize>,
    value: Range<usize>,
}

/// A reader of lines that end in CRLF, in a growing buffer. It reads each byte once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Start of the unfinished line.
    pub(crate) start: usize,
    /// The bytes before this offset contain no unreported LF.
    scanned: usize,
}

impl Lines {
    /// Returns the next complete line without its CRLF; `None` until its end arrives.
    pub(crate) fn next(&mut self, buf: &[u8]) -> Result<Option<Range<usize>>, Error> {
        let Some(found) = memchr::memchr(b'\n', &buf[self.scanned..]) else {
            self.scanned = buf.len();
            return Ok(None);
        };
        let lf = self.scanned + found;
        if lf == self.start || buf[lf - 1] != b'\r' {
            return Err(Error::new(Fault::BareLf, lf));
        }
        let line = self.start..lf - 1;
        self.start = lf + 1;
        self.scanned = lf + 1;
        Ok(Some(line))
    }
}

/// The first line of a kind of head.
pub(crate) trait StartLine: Sized {
    /// Empty lines that may precede it.
    const LEADING_EMPTY_LINES: usize;
    /// The fault of a message whose first byte is invalid.
    const BAD_FIRST_BYTE: Fault;

    /// Returns the longest line in bytes without CRLF, and the fault of a longer one.
    fn limit(limits: &HeadLimits) -> (usize, Fault);
    /// Parses the line, which has no control character except tab; `base` is its offset in the buffer.
    fn parse(line: &[u8], base: usize, limits: &HeadLimits) -> Result<Self, Error>;
}

/// A reader of a head in a growing buffer. It keeps its position between calls.
#[derive(Clone, Debug)]
pub(crate) struct HeadReader<S> {
    lines: Lines,
    empty_lines: usize,
    /// Start of the first line, after the empty lines.
    start: usize,
    start_line: Option<S>,
    fields: Vec<FieldRange>,
}

impl<S> Default for HeadReader<S> {
    fn default() -> Self {
        Self { lines: Lines::default(), empty_lines: 0, start: 0, start_line: None, fields: Vec::new() }
    }
}

/// The parts of a complete head, as ranges of the buffer.
pub(crate) struct HeadRanges<S> {
    /// From the first line to the last CRLF.
    pub(crate) head: Range<usize>,
    pub(crate) start_line: S,
    fields: Vec<FieldRange>,
}

impl<S> HeadRanges<S> {
    /// Returns the fields as slices of `raw`, the bytes of the head.
    pub(crate) fn headers(&self, raw: &Bytes) -> Headers {
        let base = self.head.start;
        let mut headers = Headers::with_capacity(self.fields.len());
        for field in &self.fields {
            let FieldRange { name, value } = field;
            headers.push_trusted(Header::trusted(
                raw.slice(name.start - base..value.end - base),
                name.len(),
                value.start - name.start,
            ));
        }
        headers
    }
}

impl<S: StartLine> HeadReader<S> {
    /// Continues reading. `buf` begins with the same bytes as at the last call and may have more.
    pub(crate) fn read(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<HeadRanges<S>>, Error> {
        loop {
            let begin = self.lines.start;
            if self.start_line.is_none() {
                Self::check_first_byte(buf, begin)?;
            }
            let line = match self.lines.next(buf) {
                // limits are checked first, so that the result does not depend on how the bytes arrive
                Err(error) => {
                    let at = usize::try_from(error.offset).unwrap_or(usize::MAX);
                    self.check_size(begin, at, at, limits)?;
                    return Err(error);
                }
                Ok(None) => {
                    // The last byte of an unfinished line may be the CR of its end.
                    self.check_size(begin, buf.len().saturating_sub(1).max(begin), buf.len(), limits)?;
                    return Ok(None);
                }
                Ok(Some(line)) => line,
            };
            self.check_size(begin, line.end, self.lines.start, limits)?;
            if let Some(start_line) = self.take_line(buf, line, limits)? {
                let done = std::mem::take(self);
                return Ok(Some(HeadRanges {
                    head: done.start..done.lines.start,
                    start_line,
                    fields: done.fields,
                }));
            }
        }
    }

    /// Whether only empty lines have arrived.
    pub(crate) fn is_idle(&self, buf: &[u8]) -> bool {
        self.start_line.is_none() && buf.iter().all(|b| matches!(b, b'\r' | b'\n'))
    }

    /// Reads one complete line. Returns the start line when the head is complete.
    fn take_line(&mut self, buf: &[u8], line: Range<usize>, limits: &HeadLimits) -> Result<Option<S>, Error> {
        let bytes = &buf[line.clone()];
        if self.start_line.is_none() {
            if line.is_empty() {
                if self.empty_lines == S::LEADING_EMPTY_LINES {
                    return Err(Error::new(Fault::LeadingEmptyLines, line.start));
                }
                self.empty_lines += 1;
                self.start = self.lines.start;
                return Ok(None);
            }
            if let Some((fault, at)) = field_fault(bytes) {
                return Err(Error::new(fault, line.start + at));
            }
            self.start_line = Some(S::parse(bytes, line.start, limits)?);
            return Ok(None);
        }
        if line.is_empty() {
            return Ok(self.start_line.take());
        }
        if self.fields.is_empty() {
            // as many fields as a browser sends, so the list rarely grows
            self.fields.reserve(16);
        }
        if self.fields.len() == limits.headers {
            return Err(Error::new(Fault::TooManyHeaders, line.start));
        }
        let (name, value) = field_line(bytes, line.start)?;
        self.fields.push(FieldRange { name, value });
        Ok(None)
    }

    /// Refuses another protocol (a TLS hello has no LF) before a line is complete.
    fn check_first_byte(buf: &[u8], begin: usize) -> Result<(), Error> {
        match buf[begin..] {
            [b'\r', b'\n', ..] | [b'\r'] | [] => Ok(()),
            [b'\r', ..] => Err(Error::new(Fault::BareCr, begin)),
            [b'\n', ..] => Err(Error::new(Fault::BareLf, begin)),
            [first, ..] if is_tchar(first) => Ok(()),
            _ => Err(Error::new(S::BAD_FIRST_BYTE, begin)),
        }
    }

    /// Checks the limits. `line_end` and `seen` are lower bounds: the line's content reaches at least this far.
    fn check_size(
        &self,
        begin: usize,
        line_end: usize,
        seen: usize,
        limits: &HeadLimits,
    ) -> Result<(), Error> {
        let (longest, fault) = S::limit(limits);
        if self.start_line.is_none() && line_end - begin > longest {
            return Err(Error::new(fault, begin + longest));
        }
        if seen - self.start > limits.head_bytes {
            return Err(Error::new(Fault::HeadTooLarge, self.start + limits.head_bytes));
        }
        Ok(())
    }
}

/// Parses a field line (RFC 9112 §5) without its CRLF. It begins at `base` of the buffer, to which the ranges refer.
pub(crate) fn field_line(line: &[u8], base: usize) -> Result<(Range<usize>, Range<usize>), Error> {
    if let Some((fault, at)) = field_fault(line) {
        return Err(Error::new(fault, base + at));
    }
    if line.first().is_some_and(|&b| is_blank(b)) {
        return Err(Error::new(Fault::Folding, base));
    }
    let Some(colon) = memchr::memchr(b':', line) else {
        return Err(Error::new(Fault::MissingColon, base));
    };
    let name = &line[..colon];
    if name.is_empty() {
        return Err(Error::new(Fault::EmptyName, base));
    }
    if let Some(at) = name.iter().position(|&b| !is_tchar(b)) {
        let blank_to_the_colon = name[at..].iter().all(|&b| is_blank(b));
        let fault = if blank_to_the_colon { Fault::SpaceBeforeColon } else { Fault::BadName };
        return Err(Error::new(fault, base + at));
    }
    let value = trim(&line[colon + 1..]);
    let begin = base + colon + 1;
    Ok((base..base + colon, begin + value.start..begin + value.end))
}

/// Returns the offset of `part`, a slice of `whole`.
pub(crate) fn offset_within(whole: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if offset <= whole.len() { offset } else { 0 }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::{RequestParser, ResponseParser, limits};

    fn parse(input: &[u8], limits: &HeadLimits) -> Result<Option<crate::RequestHead>, Error> {
        RequestParser::new().parse(&mut BytesMut::from(input), limits)
    }

    /// Returns the result for `input`, after checking that it is the same when each byte arrives separately.
    fn fault(input: &[u8], limits: &HeadLimits) -> Option<Fault> {
        let whole = parse(input, limits).map(|head| head.map(|h| h.raw().clone()));
        let mut parser = RequestParser::new();
        let mut buf = BytesMut::new();
        let mut single = Ok(None);
        for &byte in input {
            buf.extend_from_slice(&[byte]);
            single = parser.parse(&mut buf, limits).map(|head| head.map(|h| h.raw().clone()));
            if !matches!(single, Ok(None)) {
                break;
            }
        }
        assert_eq!(single, whole, "byte by byte: {:?}", String::from_utf8_lossy(input));
        whole.err().map(|e| e.fault)
    }

    #[test]
    fn each_byte_is_looked_at_once() {
        let mut lines = Lines::default();
        let mut buf = Vec::new();
        for i in 0..1000 {
            buf.push(b'a');
            assert_eq!(lines.next(&buf), Ok(None));
            assert_eq!(lines.scanned, i + 1);
        }
        buf.extend_from_slice(b"\r\nb\r\n");
        assert_eq!(lines.next(&buf), Ok(Some(0..1000)));
        assert_eq!(lines.next(&buf), Ok(Some(1002..1003)));
        assert_eq!(lines.next(&buf), Ok(None));
    }

    #[test]
    fn a_parser_goes_on_with_the_next_head() {
        let mut buf = BytesMut::from(
            &b"\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nGET /3 HTT"[..],
        );
        let mut parser = RequestParser::new();
        let limits = HeadLimits::default();
        let first = parser.parse(&mut buf, &limits).unwrap().unwrap();
        assert_eq!(&first.raw()[..], b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
        let second = parser.parse(&mut buf, &limits).unwrap().unwrap();
        assert_eq!((second.target(), second.host()), (&b"/2"[..], Some(&b"b"[..])));
        assert!(parser.parse(&mut buf, &limits).unwrap().is_none());
        assert_eq!(&buf[..], b"GET /3 HTT");
        buf.extend_from_slice(b"P/1.0\r\n\r\n");
        let third = parser.parse(&mut buf, &limits).unwrap().unwrap();
        assert_eq!((third.target(), third.version()), (&b"/3"[..], Version::HTTP_10));
        assert!(buf.is_empty());
    }

    #[test]
    fn nothing_is_copied() {
        let mut buf = BytesMut::from(&b"GET /x HTTP/1.1\r\nHost: abc\r\n\r\n"[..]);
        let start = buf.as_ptr() as usize;
        let head = RequestParser::new().parse(&mut buf, &HeadLimits::default()).unwrap().unwrap();
        assert_eq!(head.target().as_ptr() as usize - start, 4);
        assert_eq!(head.headers().get("host").unwrap().as_ptr() as usize - start, 23);
    }

    #[test]
    fn idle_is_when_nothing_but_empty_lines_has_come() {
        let limits = HeadLimits::default();
        let mut parser = RequestParser::new();
        let mut buf = BytesMut::new();
        assert!(parser.is_idle(&buf));
        buf.extend_from_slice(b"\r\n");
        assert!(parser.parse(&mut buf, &limits).unwrap().is_none());
        assert!(parser.is_idle(&buf));
        buf.extend_from_slice(b"G");
        assert!(!parser.is_idle(&buf));
    }

    #[test]
    fn head_limits_hold_with_and_without_the_end_of_the_line() {
        let limits = HeadLimits { head_bytes: 300, headers: 3, target_bytes: 40 };
        let request = |target: usize, value: usize| {
            format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "t".repeat(target), "v".repeat(value))
        };
        let overhead = request(0, 0).len();
        assert_eq!(fault(request(39, 300 - overhead - 39).as_bytes(), &limits), None);
        assert_eq!(fault(request(39, 301 - overhead - 39).as_bytes(), &limits), Some(Fault::HeadTooLarge));
        assert_eq!(fault(request(40, 1).as_bytes(), &limits), Some(Fault::TargetTooLong));
        // The skipped empty line does not count.
        assert_eq!(fault(format!("\r\n{}", request(39, 261 - overhead)).as_bytes(), &limits), None);
        let longest = format!("{} /{} HTTP/1.1\r\n\r\n", "M".repeat(limits::METHOD_BYTES), "t".repeat(39));
        assert_eq!(fault(longest.as_bytes(), &limits), None);
        assert_eq!(fault(request(9000, 1).as_bytes(), &limits), Some(Fault::TargetTooLong));
        assert_eq!(fault(format!("GET /{}", "t".repeat(90)).as_bytes(), &limits), Some(Fault::TargetTooLong));
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(500));
        assert_eq!(fault(endless.as_bytes(), &limits), Some(Fault::HeadTooLarge));
        let fields = |n| format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(n));
        assert_eq!(fault(fields(3).as_bytes(), &limits), None);
        assert_eq!(fault(fields(4).as_bytes(), &limits), Some(Fault::TooManyHeaders));
        let method = |n| format!("{} / HTTP/1.1\r\n\r\n", "M".repeat(n));
        assert_eq!(fault(method(limits::METHOD_BYTES).as_bytes(), &limits), None);
        assert_eq!(fault(method(limits::METHOD_BYTES + 1).as_bytes(), &limits), Some(Fault::MethodTooLong));
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_byte() {
        for (input, expected) in [
            (&b"\x16\x03\x01"[..], Fault::BadMethod),
            (b"\0", Fault::BadMethod),
            (b" GET", Fault::BadMethod),
            (b"\rGET", Fault::BareCr),
            (b"\n", Fault::BareLf),
        ] {
            assert_eq!(fault(input, &HeadLimits::default()), Some(expected), "{input:?}");
        }
    }

    #[test]
    fn status_lines() {
        let cases: &[(&str, Option<(u16, &str)>)] = &[
            ("HTTP/1.1 200 OK", Some((200, "OK"))),
            ("HTTP/1.0 200 ", Some((200, ""))),
            ("HTTP/1.1 200", Some((200, ""))),
            ("HTTP/1.1 999 a  b", Some((999, "a  b"))),
            ("HTTP/1.1 099 x", None),
            ("HTTP/1.1 20 OK", None),
            ("HTTP/1.1 2000 OK", None),
            ("HTTP/1.1 200OK", None),
            ("HTTP/1.1  200 OK", None),
            ("HTTP/1.1\t200 OK", None),
            ("HTTP/1 200 OK", None),
            ("ICY 200 OK", None),
            ("http/1.1 200 OK", None),
            ("<html>", None),
            ("HTTP/1.1", None),
            ("HTTP/1.1 +20 OK", None),
        ];
        for (line, expected) in cases {
            let mut buf = BytesMut::from(format!("{line}\r\n\r\nbody").as_bytes());
            match (ResponseParser::new().parse(&mut buf, &HeadLimits::default()), expected) {
                (Ok(Some(head)), Some((status, reason))) => {
                    assert_eq!((head.status(), head.reason()), (*status, reason.as_bytes()), "{line}");
                    assert_eq!(&buf[..], b"body");
                }
                (Err(error), None) => assert_eq!(error.fault, Fault::BadStatusLine, "{line}"),
                (got, _) => panic!("{line}: {got:?}"),
            }
        }
    }
}
