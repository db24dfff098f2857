//! The MULTIPART body processor: `multipart/form-data` (RFC 7578) as ModSecurity 2.9.7 reads it.
//!
//! Its main purpose is to detect evasions: input that applications may read in another way raises one of the [`Flags`] or ends
//! the parsing with an error. Values and file contents are slices of the body.
//!
//! It is stricter than 2.9.7 where parsers of web frameworks disagree (docs/conformance.md has the table): an empty file name
//! makes a part both a file and an argument, a name must not contain a quoted pair, a part's header must not contain a control
//! character, and the whole of a long line is searched for a boundary. It is more tolerant in two places: other parameters may
//! follow the boundary, and it distinguishes a line that merely begins with `--` from a line that resembles the boundary.
//!
//! [`Reader`] takes the body in pieces and drops the contents of files, unless [`Options::keep_files`] asks for them. Its
//! memory is bounded by the part headers and the values, not by the files. [`parse`] reads a whole body.
//!
//! ```
//! let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n";
//! let parsed = waf::body::multipart::parse(body, Some(b"multipart/form-data; boundary=x"), &Default::default());
//! assert_eq!(parsed.error, None);
//! assert_eq!(parsed.parts[0].content, b"1");
//! ```

use super::boundary::boundary;
use super::disposition::Disposition;
use super::escape_for_log;
pub use super::flags::Flags;
use crate::cookies::is_space;
use crate::limits::{MULTIPART_LINE, MULTIPART_PART_HEADERS, MULTIPART_PARTS};
use crate::query::LIMIT_EXCEEDED;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::ops::Range;

/// Settings from the rules' configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The arguments that SecArgumentsLimit still allows after the query string; 1000 by default.
    pub argument_limit: usize,
    /// SecUploadFileLimit if SecUploadKeepFiles or SecTmpSaveUploadedFiles extracts files, else none: ModSecurity counts files
    /// only then (measured with 2.9.7 under Apache; FILES_TMP_CONTENT and `@inspectFile` change nothing).
    pub file_limit: Option<usize>,
    /// Whether the contents of files are kept. Otherwise only their sizes are known.
    pub keep_files: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { argument_limit: 1000, file_limit: None, keep_files: true }
    }
}

/// One part with a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The parameter `name` of Content-Disposition without quotes and escapes.
    pub name: Cow<'a, [u8]>,
    /// The parameter `filename`. A part that has it is a file (FILES); a part without it is an argument (ARGS_POST).
    pub filename: Option<Cow<'a, [u8]>>,
    /// Header lines as sent, without line ends; folded lines are joined (MULTIPART_PART_HEADERS).
    pub headers: Vec<Cow<'a, [u8]>>,
    /// The bytes between the empty line and the line end before the next boundary.
    pub content: &'a [u8],
    /// Whether FILES_TMP_CONTENT has the content: false beyond SecUploadFileLimit, or if files are not extracted.
    pub extracted: bool,
    /// Whether the part is in ARGS_POST: a part without a file name, a file whose name is empty (a field to Django, busboy and
    /// Go, a file to PHP and Werkzeug), or a file whose Content-Disposition is not UTF-8 (a field to Rust's multer).
    pub is_argument: bool,
}

/// The contents of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The parts in order that were complete before an error.
    pub parts: Vec<Part<'a>>,
    /// The MULTIPART_* variables.
    pub flags: Flags,
    /// REQBODY_ERROR_MSG; with an error REQBODY_ERROR is 1.
    pub error: Option<String>,
    /// Bytes that count against SecRequestBodyNoFilesLimit: part headers and values, but not files.
    pub no_files_length: usize,
    /// MULTIPART_NAME: the last `name`, even in a refused part.
    pub last_name: Cow<'a, [u8]>,
    /// MULTIPART_FILENAME: the last `filename`.
    pub last_filename: Cow<'a, [u8]>,
    /// Number of parts that are arguments.
    arguments: usize,
}

impl<'a> Parsed<'a> {
    /// Returns ARGS_POST: parts without a file name or with an empty one, at most as many as the limit allows. As in ModSecurity
    /// it is empty if the parser stopped before the end of the body, although files and headers of complete parts are available.
    pub fn arguments(&self) -> impl Iterator<Item = &Part<'a>> {
        self.parts.iter().filter(|part| part.is_argument).take(self.arguments)
    }

    /// Returns FILES, FILES_NAMES, FILES_SIZES: parts with a file name.
    pub fn files(&self) -> impl Iterator<Item = &Part<'a>> {
        self.parts.iter().filter(|part| part.filename.is_some())
    }

    /// Returns FILES_COMBINED_SIZE, in bytes.
    pub fn files_combined_size(&self) -> usize {
        self.files().map(|part| part.content.len()).sum()
    }
}

/// Parses a whole body with its Content-Type header.
pub fn parse<'a>(body: &'a [u8], content_type: Option<&[u8]>, options: &Options) -> Parsed<'a> {
    // If it keeps everything, the reader keeps the body itself.
    let mut reader = Reader::new(content_type, Options { keep_files: true, ..options.clone() });
    reader.feed(body);
    let read = reader.finish();
    Parsed {
        parts: read.parts.iter().map(|part| part.within(body)).collect(),
        flags: read.flags,
        error: read.error,
        no_files_length: read.no_files_length,
        last_name: read.last_name.within(body),
        last_filename: read.last_filename.within(body),
        arguments: read.arguments,
    }
}

/// Number of bytes parsed at a time. Dropping a file's content moves the bytes after it in the same piece.
const PIECE: usize = 16 * 1024;

/// Contents of files below this length are kept: the headers of each are longer.
const SMALL_CONTENT: usize = 256;

/// Reads a body piece by piece.
#[derive(Debug)]
pub struct Reader {
    /// Kept bytes of the body, then the unparsed bytes.
    kept: Vec<u8>,
    parser: Parser,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    /// The final boundary has been read.
    Ended,
    Failed(Problem),
    /// The header names no usable boundary.
    Refused(String),
}

/// The result of parsing, as ranges of the kept bytes.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) kept: Vec<u8>,
    pub(crate) parts: Vec<ReadPart>,
    pub(crate) flags: Flags,
    pub(crate) error: Option<String>,
    pub(crate) no_files_length: usize,
    pub(crate) last_name: Text,
    pub(crate) last_filename: Text,
    arguments: usize,
}

/// A [`Part`] as ranges of the kept bytes.
#[derive(Debug)]
pub(crate) struct ReadPart {
    pub(crate) name: Text,
    pub(crate) filename: Option<Text>,
    pub(crate) headers: Vec<Text>,
    /// Empty if the content is not kept.
    pub(crate) content: Range<usize>,
    /// Length of the content, in bytes.
    pub(crate) size: usize,
    extracted: bool,
    pub(crate) is_argument: bool,
}

impl ReadPart {
    fn within<'a>(&self, kept: &'a [u8]) -> Part<'a> {
        Part {
            name: self.name.within(kept),
            filename: self.filename.as_ref().map(|name| name.within(kept)),
            headers: self.headers.iter().map(|line| line.within(kept)).collect(),
            content: &kept[self.content.clone()],
            extracted: self.extracted,
            is_argument: self.is_argument,
        }
    }
}

/// A range of the kept bytes, or bytes that occur there in another form.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Kept(Range<usize>),
    Own(Vec<u8>),
}

impl Default for Text {
    fn default() -> Text {
        Text::Own(Vec::new())
    }
}

impl Text {
    /// Converts slices of `kept` into ranges, by their address.
    fn of(kept: &[u8], text: Cow<'_, [u8]>) -> Text {
        match text {
            Cow::Owned(text) => Text::Own(text),
            Cow::Borrowed(text) => {
                let start = (text.as_ptr() as usize).wrapping_sub(kept.as_ptr() as usize);
                if start <= kept.len() && text.len() <= kept.len() - start {
                    Text::Kept(start..start + text.len())
                } else {
                    Text::Own(text.to_vec())
                }
            }
        }
    }

    fn within<'a>(&self, kept: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Text::Kept(range) => Cow::Borrowed(&kept[range.clone()]),
            Text::Own(text) => Cow::Owned(text.clone()),
        }
    }

    fn get<'t>(&'t self, kept: &'t [u8]) -> &'t [u8] {
        match self {
            Text::Kept(range) => &kept[range.clone()],
            Text::Own(text) => text,
        }
    }

    /// Removes and returns the bytes, so that the caller can change them.
    fn take(&mut self, kept: &[u8]) -> Vec<u8> {
        match self {
            Text::Kept(range) => kept[range.clone()].to_vec(),
            Text::Own(text) => std::mem::take(text),
        }
    }
}

impl Reader {
    /// Makes a reader for a body with this Content-Type header.
    pub fn new(content_type: Option<&[u8]>, options: Options) -> Reader {
        let mut flags = Flags::default();
        let (boundary, state) = match boundary(content_type, &mut flags) {
            Ok(boundary) => (boundary, State::Reading),
            Err(problem) => {
                flags.fatal = true;
                (&[][..], State::Refused(format!("Multipart: {problem}.")))
            }
        };
        let parser = Parser {
            in_line: Finder::new(&[b"--", boundary].concat()).into_owned(),
            plain: boundary.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)),
            boundary: boundary.to_vec(),
            options,
            read: Read { flags, ..Read::default() },
            at: 0,
            gone: 0,
            starts_line: true,
            after_bare_lf: false,
            part: None,
            droppable: None,
            boundaries: 0,
            extracted: 0,
        };
        Reader { kept: Vec::new(), parser, state }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            match self.state {
                State::Reading => {}
                State::Ended => {
                    self.parser.read.flags.data_after = true;
                    return;
                }
                State::Failed(_) | State::Refused(_) => return,
            }
            self.kept.extend_from_slice(piece);
            match self.parser.run(&mut self.kept) {
                Ok(false) => {}
                Ok(true) => self.state = State::Ended,
                Err(problem) => self.state = State::Failed(problem),
            }
        }
    }

    /// Returns the number of bytes so far that count against SecRequestBodyNoFilesLimit: part headers and values, but not files.
    pub fn no_files_length(&self) -> usize {
        self.parser.read.no_files_length
    }

    /// Returns the number of kept bytes.
    pub fn held(&self) -> usize {
        self.kept.capacity()
    }

    /// Ends the body.
    pub(crate) fn finish(self) -> Read {
        self.end(Parser::end)
    }

    /// Ends a body whose rest exceeds the rules' limit: a missing end is no error.
    pub(crate) fn finish_partial(self) -> Read {
        self.end(Parser::cut_off)
    }

    fn end(mut self, end: impl FnOnce(&mut Parser, &[u8]) -> Result<(), Problem>) -> Read {
        let result = match self.state {
            State::Reading => end(&mut self.parser, &self.kept),
            State::Ended => Ok(()),
            State::Failed(problem) => Err(problem),
            State::Refused(error) => {
                self.parser.read.error = Some(error);
                return self.parser.read;
            }
        };
        let mut read = self.parser.read;
        match result {
            Ok(()) => {
                let fields = read.parts.iter().filter(|part| part.is_argument).count();
                if fields > self.parser.options.argument_limit {
                    read.error = Some(LIMIT_EXCEEDED.to_owned());
                }
                read.arguments = fields.min(self.parser.options.argument_limit);
            }
            Err(problem) => {
                read.error = Some(format!("Multipart parsing error: Multipart: {}", problem.text));
                read.flags.fatal = problem.fatal;
            }
        }
        read.kept = self.kept;
        read
    }
}

/// The reason why the parser stopped. ModSecurity does not report a missing boundary as a separate error.
#[derive(Debug)]
struct Problem {
    text: String,
    fatal: bool,
}

/// Makes an error in the input.
fn fatal<T>(text: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { text: text.into(), fatal: true })
}

/// Makes an error about a missing end.
fn incomplete<T>(text: &str) -> Result<T, Problem> {
    Err(Problem { text: text.to_owned(), fatal: false })
}

/// A part whose end is not parsed yet.
#[derive(Debug, Default)]
struct Building {
    /// Names as sent, and values with folded lines joined. The last header may continue.
    headers: Vec<(Text, Text)>,
    lines: Vec<Text>,
    name: Option<Text>,
    filename: Option<Text>,
    /// Whether rules read the content.
    keeps: bool,
    /// Start of the content in the kept bytes.
    kept_from: usize,
    in_content: bool,
    is_argument: bool,
    /// The content so far, without its last line end, as a range of the body; none before its first line.
    content: Option<Range<usize>>,
    extracted: bool,
}

impl Building {
    /// Whether its content is dropped after parsing.
    fn is_dropped(&self) -> bool {
        self.content.is_some() && !self.keeps
    }
}

#[derive(Debug)]
struct Parser {
    boundary: Vec<u8>,
    /// Whether the boundary has none of the characters at which parsers cut it, such as PHP at a comma.
    plain: bool,
    /// Finds `--` and the boundary.
    in_line: Finder<'static>,
    options: Options,
    read: Read,
    /// Start of the next line in the body.
    at: usize,
    /// Number of bytes of the body before `at` that are not kept.
    gone: usize,
    starts_line: bool,
    after_bare_lf: bool,
    part: Option<Building>,
    /// Start of the content of the part that has just ended in the kept bytes, if it is dropped.
    droppable: Option<usize>,
    boundaries: usize,
    extracted: usize,
}

impl Parser {
    /// Parses all complete lines, and drops from `kept` the bytes that no rule reads. Returns true after the final boundary.
    fn run(&mut self, kept: &mut Vec<u8>) -> Result<bool, Problem> {
        loop {
            let at = self.at - self.gone;
            let Some(length) = line_length(&kept[at..]) else { break };
            let line = &kept[at..at + length];
            let starts_line = line.ends_with(b"\n");
            let after_bare_lf = starts_line && !line.ends_with(b"\r\n");
            if self.starts_line && self.boundary_line(line)? {
                if self.part.is_none() {
                    self.read.flags.data_after = at + length < kept.len();
                    return Ok(true);
                }
                if let Some(from) = self.droppable.take() {
                    self.drop_content(kept, from);
                }
            } else {
                // Werkzeug reads a bare CR as the line end before a boundary, in a line of any length.
                let from = if self.starts_line { at + 1 } else { at.saturating_sub(self.boundary.len() + 1) };
                let window = &kept[from..at + length];
                self.read.flags.unmatched_boundary |= self.in_line.find(window).is_some();
                self.other_line(kept, line)?;
            }
            self.at += length;
            self.starts_line = starts_line;
            self.after_bare_lf = after_bare_lf;
        }
        match &self.part {
            Some(part) if part.is_dropped() => self.drop_content(kept, part.kept_from),
            None if !self.options.keep_files => self.drop_content(kept, 0),
            _ => {}
        }
        Ok(false)
    }

    /// Drops the bytes before the next line from `kept`.
    fn drop_content(&mut self, kept: &mut Vec<u8>, from: usize) {
        // a boundary in the middle of a long line may begin in the parsed bytes
        let to = (self.at - self.gone).saturating_sub(self.boundary.len() + 1);
        if to >= from + SMALL_CONTENT {
            kept.drain(from..to);
            self.gone += to - from;
        }
    }

    /// Parses the rest after the last complete line, which may be the final boundary without its line end.
    fn end(&mut self, kept: &[u8]) -> Result<(), Problem> {
        if self.at == 0 && kept.is_empty() {
            return Ok(());
        }
        if self.boundaries == 0 {
            return incomplete("No boundaries found in payload.");
        }
        let rest = kept[self.at - self.gone..].strip_prefix(b"--");
        if !self.starts_line || rest.and_then(|rest| rest.strip_prefix(&self.boundary[..])) != Some(b"--") {
            return incomplete("Final boundary missing.");
        }
        self.read.flags.lf_line |= self.after_bare_lf;
        self.read.flags.invalid_part |= !self.content_seen();
        self.finish_part()
    }

    /// Adds the received bytes of the last line to the open part, unless they may be the beginning of a boundary.
    fn cut_off(&mut self, kept: &[u8]) -> Result<(), Problem> {
        let rest = &kept[self.at - self.gone..];
        let in_content = self.part.as_ref().is_some_and(|part| part.in_content);
        if in_content && !rest.is_empty() && !(self.starts_line && rest.starts_with(b"-")) {
            self.other_line(kept, rest)?;
        }
        if self.content_seen() { self.finish_part() } else { Ok(()) }
    }

    fn content_seen(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.content.is_some())
    }

    /// Handles a boundary line. Returns true if the line was a boundary. No part is open after the final boundary.
    fn boundary_line(&mut self, line: &[u8]) -> Result<bool, Problem> {
        // Boundaries end at a NUL, as ModSecurity's strings do.
        let text = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
        let boundary = &self.boundary[..];
        let Some(after) = text.strip_prefix(b"--").filter(|_| text.len() > 3) else {
            self.read.flags.unmatched_boundary |= self.in_line.find(line).is_some();
            return Ok(false);
        };
        let Some(end) = after.strip_prefix(boundary) else {
            let quoted = after.strip_prefix(b"\"").is_some_and(|after| after.starts_with(boundary));
            if quoted && self.read.flags.boundary_quoted {
                return fatal("Invalid boundary (quotes).");
            }
            let spaces = after.iter().take_while(|&&byte| is_space(byte)).count();
            if spaces > 0 && after[spaces..].starts_with(boundary) {
                return fatal("Invalid boundary (whitespace).");
            }
            self.read.flags.unmatched_boundary |= !self.plain;
            self.read.flags.leading_dashes = true;
            return Ok(false);
        };
        self.read.flags.lf_line |= self.after_bare_lf;
        if self.boundaries > 0 && !self.content_seen() {
            self.read.flags.invalid_part = true;
            return Ok(false);
        }
        let (end, is_final) = match end.strip_prefix(b"--") {
            Some(end) => (end, true),
            None => (end, false),
        };
        match end {
            b"\r\n" => self.read.flags.crlf_line = true,
            b"\n" => self.read.flags.lf_line = true,
            _ => return fatal(format!("Invalid boundary: {}", escape_for_log(text))),
        }
        self.finish_part()?;
        self.part = (!is_final).then(Building::default);
        self.boundaries += 1;
        Ok(true)
    }

    /// Handles a line that is not a boundary, or a piece of a long line.
    fn other_line(&mut self, kept: &[u8], line: &[u8]) -> Result<(), Problem> {
        let Some(part) = &mut self.part else {
            self.read.flags.data_before = true;
            return Ok(());
        };
        if !part.in_content {
            if line.len() == MULTIPART_LINE || !line.ends_with(b"\n") {
                return fatal(format!("Part header line over {MULTIPART_LINE} bytes long"));
            }
            return self.header_line(kept, line);
        }
        let at = self.at;
        let end = at + without_line_end(line).len();
        let start = match &part.content {
            Some(content) => content.start,
            None => {
                part.kept_from = at - self.gone;
                at
            }
        };
        // A line end counts as content only when more content follows it.
        let from = part.content.as_ref().map_or(at, |content| content.end);
        part.content = Some(start..end);
        if part.is_argument {
            self.read.no_files_length += end - from;
        }
        if part.filename.is_some() && from == at && start == at && !part.extracted {
            // ModSecurity opens a file at the first line of its content.
            match self.options.file_limit {
                Some(limit) if self.extracted >= limit => self.read.flags.file_limit_exceeded = true,
                Some(_) => {
                    self.extracted += 1;
                    part.extracted = true;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn header_line(&mut self, kept: &[u8], line: &[u8]) -> Result<(), Problem> {
        let Some(part) = &mut self.part else { return Ok(()) };
        let flags = &mut self.read.flags;
        if memchr::memchr(0, line).is_some() {
            return fatal("Nul byte in part headers.");
        }
        self.read.no_files_length += line.len();
        if line.ends_with(b"\r\n") {
            flags.crlf_line = true;
        } else {
            flags.lf_line = true;
        }
        let text = without_line_end(line);
        if text.is_empty() {
            return self.end_of_headers(kept);
        }
        if is_space(line[0]) {
            flags.header_folding = true;
            let folding = line.iter().take_while(|&&byte| is_space(byte));
            let data = text.get(folding.clone().count()..).unwrap_or_default();
            // The line end is part of the folding only if the line contains nothing else.
            flags.invalid_header_folding |= folding.clone().any(|byte| !matches!(byte, b' ' | b'\t'));
            let (Some((name, value)), Some(last)) = (part.headers.last_mut(), part.lines.last_mut()) else {
                return fatal("Invalid part header (folding error).");
            };
            let mut folded = value.take(kept);
            folded.push(b' ');
            folded.extend_from_slice(data);
            if folded.len() > MULTIPART_LINE {
                return fatal("Part header too long.");
            }
            *last = Text::Own([name.get(kept), &b": "[..], &folded].concat());
            *value = Text::Own(folded);
            return Ok(());
        }
        let name = match memchr::memchr(b':', line) {
            None => return fatal(format!("Invalid part header (colon missing): {}.", escape_for_log(line))),
            Some(0) => return fatal("Invalid part header (header name missing)."),
            Some(colon) => &line[..colon],
        };
        // ModSecurity 2.9.8 requires this only of the name. Some parsers end a line at a bare CR, or continue after other control
        // characters.
        let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if !name.iter().all(|byte| byte.is_ascii_graphic()) || text[name.len()..].iter().any(control) {
            return fatal("Invalid part header (contains invalid character)");
        }
        if part.headers.iter().any(|(other, _)| other.get(kept).eq_ignore_ascii_case(name)) {
            return fatal(format!("Duplicate part header: {}.", escape_for_log(name)));
        }
        if part.headers.len() == MULTIPART_PART_HEADERS {
            return fatal(format!("More than {MULTIPART_PART_HEADERS} part headers."));
        }
        let mut value = text.get(name.len() + 1..).unwrap_or_default();
        while let [b' ' | b'\t', after @ ..] = value {
            value = after;
        }
        let run = |text| Text::of(kept, Cow::Borrowed(text));
        part.headers.push((run(name), run(value)));
        part.lines.push(run(text));
        Ok(())
    }

    /// Handles the empty line after the headers: Content-Disposition decides the kind of part.
    fn end_of_headers(&mut self, kept: &[u8]) -> Result<(), Problem> {
        let Some(part) = &mut self.part else { return Ok(()) };
        let header =
            part.headers.iter().find(|(name, _)| name.get(kept).eq_ignore_ascii_case(b"Content-Disposition"));
        let Some((_, value)) = header else {
            return fatal("Part missing Content-Disposition header.");
        };
        let value = value.get(kept);
        let (disposition, result) = Disposition::parse(&Cow::Borrowed(value), &mut self.read.flags);
        let own = |text: Cow<'_, [u8]>| Text::of(kept, text);
        if let Some(name) = disposition.last_name {
            self.read.last_name = own(name);
        }
        if let Some(filename) = disposition.last_filename {
            self.read.last_filename = own(filename);
        }
        if let Err(code) = result {
            let value = escape_for_log(value);
            return fatal(format!("Invalid Content-Disposition header ({code}): {value}."));
        }
        if disposition.name.is_none() {
            return fatal("Content-Disposition header missing name field.");
        }
        if disposition.filename.is_some() && memchr::memmem::find(value, b"filename=").is_none() {
            return fatal("Invalid Content-Disposition header (filename).");
        }
        let filename = disposition.filename.as_ref();
        part.is_argument =
            filename.is_none_or(|filename| filename.is_empty()) || std::str::from_utf8(value).is_err();
        part.name = disposition.name.map(own);
        part.keeps = self.options.keep_files || part.is_argument;
        part.filename = disposition.filename.map(own);
        part.in_content = true;
        Ok(())
    }

    /// Adds the open part to the list, if there is one.
    fn finish_part(&mut self) -> Result<(), Problem> {
        let Some(part) = self.part.take() else { return Ok(()) };
        let droppable = part.is_dropped().then_some(part.kept_from);
        let Some(name) = part.name else {
            self.read.flags.invalid_part = true;
            return Ok(());
        };
        if self.read.parts.len() == MULTIPART_PARTS {
            return fatal(format!("More than {MULTIPART_PARTS} parts."));
        }
        self.droppable = droppable;
        let size = part.content.as_ref().map_or(0, ExactSizeIterator::len);
        let kept = |content: &Range<usize>| content.start - self.gone..content.end - self.gone;
        self.read.parts.push(ReadPart {
            name,
            filename: part.filename,
            headers: part.lines,
            content: part.content.as_ref().filter(|_| part.keeps).map_or(0..0, kept),
            size,
            extracted: part.extracted,
            is_argument: part.is_argument,
        });
        Ok(())
    }
}

/// Returns the length of the next piece: a line, or [`MULTIPART_LINE`] bytes of it, or one byte less so that CR LF stays whole.
/// None if the body ends before that.
fn line_length(rest: &[u8]) -> Option<usize> {
    let window = &rest[..rest.len().min(MULTIPART_LINE)];
    if let Some(end) = memchr::memchr(b'\n', window) {
        return Some(end + 1);
    }
    match window.last() {
        Some(b'\r') if window.len() == MULTIPART_LINE => Some(MULTIPART_LINE - 1),
        _ if window.len() == MULTIPART_LINE => Some(MULTIPART_LINE),
        _ => None,
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line_end = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
    &line[..line.len() - line_end]
}

#[cfg(test)]
mod tests;
