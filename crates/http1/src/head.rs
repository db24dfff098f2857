//! What request and response heads share: lines, field lines, [`Version`].
//!
//! Field lines are parsed here and not by `httparse`: it takes a bare LF for the end of a line, names no place
//! for an error, and begins anew at each call, which is quadratic when a client sends a byte at a time
//! (measured in `tests/parsers`).

use std::ops::Range;

use bytes::Bytes;

use crate::chars::{field_fault, is_blank, is_tchar, trim};
use crate::error::{Error, Fault};
use crate::headers::{Header, Headers};
use crate::limits::HeadLimits;

/// The version of a message. The parser lets in every `HTTP/d.d`; `framing()` refuses all but 1.0 and 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The digit before the point.
    pub major: u8,
    /// The digit behind it.
    pub minor: u8,
}

impl Version {
    /// HTTP/1.0.
    pub const HTTP_10: Self = Self { major: 1, minor: 0 };
    /// HTTP/1.1.
    pub const HTTP_11: Self = Self { major: 1, minor: 1 };

    /// `HTTP-version` of RFC 9112 §2.3, in capitals.
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

/// Finds the lines of a growing buffer that end in CRLF. Each byte is looked at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Where the line begins that has not ended yet.
    pub(crate) start: usize,
    /// Bytes before this offset hold no LF that has not been reported.
    scanned: usize,
}

impl Lines {
    /// The next whole line, without its CRLF; `None` until it has ended.
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

/// How a kind of head reads its first line.
pub(crate) trait StartLine: Sized {
    /// Empty lines that may come before it.
    const LEADING_EMPTY_LINES: usize;
    /// The fault of a message whose first byte cannot begin one.
    const BAD_FIRST_BYTE: Fault;

    /// The longest line in bytes, CRLF left out, and the fault of a longer one.
    fn limit(limits: &HeadLimits) -> (usize, Fault);
    /// Parses the line, which holds no control character but tab; `base` is its offset in the buffer.
    fn parse(line: &[u8], base: usize, limits: &HeadLimits) -> Result<Self, Error>;
}

/// Reads a head from a growing buffer, line by line, keeping its place between calls.
#[derive(Clone, Debug)]
pub(crate) struct HeadReader<S> {
    lines: Lines,
    empty_lines: usize,
    /// Where the first line begins, behind the empty lines.
    start: usize,
    start_line: Option<S>,
    fields: Vec<FieldRange>,
}

impl<S> Default for HeadReader<S> {
    fn default() -> Self {
        Self { lines: Lines::default(), empty_lines: 0, start: 0, start_line: None, fields: Vec::new() }
    }
}

/// Where the parts of a whole head are in the buffer.
pub(crate) struct HeadRanges<S> {
    /// From the first line to the last CRLF.
    pub(crate) head: Range<usize>,
    pub(crate) start_line: S,
    fields: Vec<FieldRange>,
}

impl<S> HeadRanges<S> {
    /// The fields as slices of `raw`, which is the head alone.
    pub(crate) fn headers(&self, raw: &Bytes) -> Headers {
        let base = self.head.start;
        let mut headers = Headers::with_capacity(self.fields.len());
        for field in &self.fields {
            headers.push_trusted(Header::trusted(
                raw.slice(field.name.start - base..field.name.end - base),
                raw.slice(field.value.start - base..field.value.end - base),
            ));
        }
        headers
    }
}

impl<S: StartLine> HeadReader<S> {
    /// Reads on; `buf` begins with the same bytes as at the last call and may have more.
    pub(crate) fn read(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<HeadRanges<S>>, Error> {
        loop {
            let begin = self.lines.start;
            if self.start_line.is_none() {
                Self::check_first_byte(buf, begin)?;
            }
            let line = match self.lines.next(buf) {
                // The limits come first, so that the answer does not depend on how the bytes arrive.
                Err(error) => {
                    self.check_size(begin, error.offset as usize, error.offset as usize, limits)?;
                    return Err(error);
                }
                Ok(None) => {
                    // One byte of an unfinished line may be the CR of its end.
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

    /// Whether nothing has come yet but empty lines.
    pub(crate) fn is_idle(&self, buf: &[u8]) -> bool {
        self.start_line.is_none() && buf.iter().all(|b| matches!(b, b'\r' | b'\n'))
    }

    /// Takes one whole line; gives the start line back when the head is complete.
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
        if self.fields.len() == limits.headers {
            return Err(Error::new(Fault::TooManyHeaders, line.start));
        }
        let (name, value) = field_line(bytes, line.start)?;
        self.fields.push(FieldRange { name, value });
        Ok(None)
    }

    /// Refuses a wrong protocol (a TLS hello has no LF) before a whole line has come.
    fn check_first_byte(buf: &[u8], begin: usize) -> Result<(), Error> {
        match buf[begin..] {
            [b'\r', b'\n', ..] | [b'\r'] | [] => Ok(()),
            [b'\r', ..] => Err(Error::new(Fault::BareCr, begin)),
            [b'\n', ..] => Err(Error::new(Fault::BareLf, begin)),
            [first, ..] if is_tchar(first) => Ok(()),
            _ => Err(Error::new(S::BAD_FIRST_BYTE, begin)),
        }
    }

    /// `line_end` and `seen` are what is certain of a line: its content reaches at least that far.
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

/// Parses a field line (RFC 9112 §5) without its CRLF; the ranges are of the buffer, where it begins at `base`.
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

/// Where `part` begins within `whole`, when it is a slice of it.
pub(crate) fn offset_within(whole: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if offset <= whole.len() { offset } else { 0 }
}
