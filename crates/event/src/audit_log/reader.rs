//! Finds the entries in a stream of bytes.
//!
//! # Damage and forgery
//!
//! A native entry contains bodies as they were sent, so a body may contain text that looks like another entry. Within a
//! body, only the entry's own boundary counts, which its sender cannot know. If a log was cut off in the middle of a
//! body, however, the entry's own boundary never follows, and the apparent entry is a real one. The reader therefore
//! holds back the bytes from the first such line on. If the entry's own boundary follows, the held bytes are part of
//! the body. At the end of the log, after [`MAX_AUDIT_ENTRY_BYTES`], or at [`Reader::settle`], the entry counts as cut
//! off, and the reader reads the held bytes again.

use memchr::memchr;

use super::draft::Draft;
use super::native::{Native, boundary};
use super::{Damage, Entry, Fault, Format, IndexLine, Step, coraza, json_text, json_v2, json_v3};
use crate::limits::{MAX_AUDIT_ENTRY_BYTES, MAX_AUDIT_LINE_BYTES};

/// A reader of one sensor's audit log; see the [module](super).
///
/// Its memory is bounded: the current line (64 KiB, or 16 MiB of JSON), the kept parts of one entry (6 MiB), and the
/// bytes that are held back while the end of an entry is uncertain (16 MiB).
#[derive(Debug)]
pub struct Reader {
    sensor: String,
    /// The offset of the next byte in the log.
    offset: u64,
    /// The beginning of an incomplete line.
    carry: Vec<u8>,
    /// Whether the beginning of the current line was already processed.
    mid_line: bool,
    native: Option<Open>,
    /// The last damage, which the next bytes may extend.
    damage: Option<Damage>,
    /// Whether held bytes are being read again, so that every apparent entry is a real one.
    trusting: bool,
}

#[derive(Debug)]
struct Open {
    entry: Native,
    offset: u64,
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    offset: u64,
    held: Vec<u8>,
}

type Each<'a> = &'a mut dyn FnMut(Step);

impl Reader {
    /// Makes a reader that begins at the start of the log. `sensor` is the sensor's name.
    pub fn new(sensor: impl Into<String>) -> Self {
        Self::at(sensor, 0)
    }

    /// Makes a reader that begins at this offset, which must come from [`Reader::resume_offset`].
    pub fn at(sensor: impl Into<String>, offset: u64) -> Self {
        Self {
            sensor: sensor.into(),
            offset,
            carry: Vec::new(),
            mid_line: false,
            native: None,
            damage: None,
            trusting: false,
        }
    }

    /// Returns the offset before which everything was reported: a new reader may begin here.
    pub fn resume_offset(&self) -> u64 {
        let line = self.offset - self.carry.len() as u64;
        match (&self.native, &self.damage) {
            (Some(open), _) => open.offset,
            (None, Some(damage)) => damage.offset,
            (None, None) => line,
        }
    }

    /// Reads the next bytes of the log.
    pub fn push(&mut self, mut bytes: &[u8], each: Each<'_>) {
        while !bytes.is_empty() {
            // At most the length of a line at once, so that a line without an end uses no more memory.
            let window = &bytes[..bytes.len().min(MAX_AUDIT_LINE_BYTES)];
            let (piece, ended) = match memchr(b'\n', window) {
                Some(end) => (&bytes[..=end], true),
                None => (window, false),
            };
            bytes = &bytes[piece.len()..];
            let begin = self.offset;
            self.offset += piece.len() as u64;
            if self.mid_line {
                self.rest_of_line(piece, begin, each);
                self.mid_line = !ended;
            } else if ended && self.carry.is_empty() {
                self.line(piece, begin, each);
            } else {
                self.carry.extend_from_slice(piece);
                if ended || self.carry.len() >= self.line_limit() {
                    let line = std::mem::take(&mut self.carry);
                    self.line(&line, self.offset - line.len() as u64, each);
                    self.mid_line = !ended;
                    if line.capacity() <= MAX_AUDIT_LINE_BYTES * 4 {
                        self.carry = line;
                        self.carry.clear();
                    }
                }
            }
        }
    }

    /// Ends the log: an incomplete entry counts as cut off.
    pub fn finish(&mut self, each: Each<'_>) {
        let line = std::mem::take(&mut self.carry);
        let begun = self.native.as_ref().is_some_and(|open| open.entry.is_boundary_begun(&line));
        if !line.is_empty() && !begun {
            self.line(&line, self.offset - line.len() as u64, each);
        }
        self.mid_line = false;
        self.settle(each);
        self.cut_off(self.offset, each);
        self.flush(each);
    }

    /// Decides that an entry with an uncertain end was cut off. Call it if no bytes have arrived for a long time, so
    /// that the writer of the entry will not continue.
    pub fn settle(&mut self, each: Each<'_>) {
        let Some(Doubt { offset, held }) = self.native.as_mut().and_then(|open| open.doubt.take()) else {
            return;
        };
        self.cut_off(offset, each);
        self.trusting = true;
        let mut at = offset;
        for line in held.split_inclusive(|byte| *byte == b'\n') {
            self.line(line, at, each);
            at += line.len() as u64;
        }
        self.trusting = false;
    }

    /// Returns the bytes of memory in use for unread lines.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let doubt = self.native.as_ref().and_then(|open| open.doubt.as_ref());
        self.carry.capacity() + doubt.map_or(0, |doubt| doubt.held.capacity())
    }

    fn line_limit(&self) -> usize {
        if self.native.is_none() && self.carry.starts_with(b"{") {
            MAX_AUDIT_ENTRY_BYTES
        } else {
            MAX_AUDIT_LINE_BYTES
        }
    }

    /// Processes a line with its end, the beginning of a line that is too long, or the log's last line.
    fn line(&mut self, line: &[u8], offset: u64, each: Each<'_>) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let Some(open) = &mut self.native else { return self.outside(line, text, offset, each) };
        let mark = if text.starts_with(b"--") { boundary(text) } else { None };
        match mark {
            Some((boundary, letter)) if open.entry.is_own(boundary) && letter != b'A' => {
                open.doubt = None;
                return self.section(letter, offset + line.len() as u64, each);
            }
            _ => {}
        }
        if text.starts_with(b"--")
            && let Some(letter) = open.entry.damaged_boundary(text)
        {
            open.doubt = None;
            let fault = Fault::malformed("a boundary", text);
            open.entry.damaged(Damage { offset, length: line.len() as u64, fault });
            return self.section(letter, offset + line.len() as u64, each);
        }
        let begins = matches!(mark, Some((_, b'A'))) || text.starts_with(b"{\"transaction\":{");
        if begins && (self.trusting || !open.entry.in_body()) {
            self.cut_off(offset, each);
            return self.outside(line, text, offset, each);
        }
        if begins && open.doubt.is_none() {
            open.doubt = Some(Doubt { offset, held: Vec::new() });
        }
        self.content(line, each);
    }

    /// Starts the section of this letter. Z ends the entry.
    fn section(&mut self, letter: u8, end: u64, each: Each<'_>) {
        if letter != b'Z' {
            self.native.iter_mut().for_each(|open| open.entry.section(letter));
        } else if let Some(open) = self.native.take() {
            self.emit_native(open, end, each);
        }
    }

    /// Processes the rest of a line that was too long to be processed as a whole.
    fn rest_of_line(&mut self, piece: &[u8], offset: u64, each: Each<'_>) {
        if self.native.is_some() {
            self.content(piece, each);
        } else {
            self.damaged(offset, piece.len() as u64, Fault::UnknownFormat, each);
        }
    }

    fn content(&mut self, bytes: &[u8], each: Each<'_>) {
        let Some(open) = &mut self.native else { return };
        open.entry.add(bytes);
        if let Some(doubt) = &mut open.doubt {
            doubt.held.extend_from_slice(bytes);
            if doubt.held.len() >= MAX_AUDIT_ENTRY_BYTES {
                self.settle(each);
            }
        }
    }

    fn outside(&mut self, line: &[u8], text: &[u8], offset: u64, each: Each<'_>) {
        let length = line.len() as u64;
        if text.trim_ascii().is_empty() {
            // Empty lines separate entries; within damage they are part of it.
            if self.damage.is_some() {
                self.damaged(offset, length, Fault::UnknownFormat, each);
            }
        } else if let Some((boundary, b'A')) = boundary(text) {
            self.flush(each);
            self.native = Some(Open { entry: Native::new(boundary), offset, doubt: None });
        } else if text.starts_with(b"{") {
            if line.len() >= MAX_AUDIT_ENTRY_BYTES {
                return self.damaged(offset, length, Fault::TooLong, each);
            }
            match json(text) {
                Ok((draft, format)) => {
                    self.flush(each);
                    self.emit(draft, format, offset, length, None, each);
                }
                Err(fault) => self.damaged_json(line, text, offset, &fault, each),
            }
        } else if let Some(line) = IndexLine::parse(text, offset) {
            self.flush(each);
            each(Step::Index(Box::new(line)));
        } else if memchr::memmem::find(text, b"Invalid entry (failed to match regex): --").is_some() {
            self.damaged(offset, length, Fault::SerialForMlogc, each);
        } else {
            self.damaged(offset, length, Fault::UnknownFormat, each);
        }
    }

    /// Processes a line of JSON that was cut off, perhaps more than once, so that the next entry follows without a line
    /// end. Quotes within texts are escaped, so texts cannot contain the beginning of an entry.
    fn damaged_json(&mut self, line: &[u8], text: &[u8], offset: u64, fault: &Fault, each: Each<'_>) {
        let places = memchr::memmem::find_iter(text, b"\"transaction\":{")
            .filter(|at| *at > 1 && text[at - 1] == b'{');
        let begins: Vec<usize> = std::iter::once(0).chain(places.map(|at| at - 1)).collect();
        for (number, begin) in begins.iter().copied().enumerate() {
            let end = begins.get(number + 1).copied().unwrap_or(line.len());
            let piece = &line[begin..end];
            let (at, length) = (offset + begin as u64, piece.len() as u64);
            let read = if begins.len() == 1 { Err(fault.clone()) } else { json(piece.trim_ascii_end()) };
            let fault = match read {
                Ok((draft, format)) => {
                    self.flush(each);
                    self.emit(draft, format, at, length, None, each);
                    continue;
                }
                Err(fault) => fault,
            };
            let damage = Damage { offset: at, length, fault };
            if let Ok((draft, format)) = json(&json_text::closed(piece))
                && let Ok(event) = draft.into_event(&self.sensor)
            {
                self.flush(each);
                each(Step::Entry(Box::new(Entry { event: damage.told_in(event), offset: at, format })));
            }
            self.damaged(at, length, damage.fault, each);
        }
    }

    fn emit_native(&mut self, mut open: Open, end: u64, each: Each<'_>) {
        let format = if open.entry.is_v3() { Format::NativeV3 } else { Format::Native };
        let length = end - open.offset;
        if open.entry.header_goes_on() {
            let fault = Fault::Missing("boundary behind its part A");
            open.entry.damaged(Damage { offset: open.offset, length, fault });
        }
        let damage = open.entry.damage().cloned();
        match open.entry.draft(false) {
            Ok(draft) => {
                self.emit(draft, format, open.offset, length, damage.as_ref(), each);
                if let Some(Damage { offset, length, fault }) = damage {
                    self.damaged(offset, length, fault, each);
                    self.flush(each);
                }
            }
            Err(fault) => self.damaged(open.offset, length, fault, each),
        }
    }

    fn emit(
        &mut self,
        draft: Draft,
        format: Format,
        offset: u64,
        length: u64,
        damage: Option<&Damage>,
        each: Each<'_>,
    ) {
        match draft.into_event(&self.sensor) {
            Ok(mut event) => {
                if let Some(damage) = damage {
                    event = damage.told_in(event);
                }
                each(Step::Entry(Box::new(Entry { event, offset, format })));
            }
            Err(fault) => self.damaged(offset, length, fault, each),
        }
    }

    /// Ends the open entry, if there is one, without its part Z. Its readable part becomes an event if the line that
    /// identifies it is complete. If the whole entry arrives later, it is the same event and is not stored twice.
    fn cut_off(&mut self, end: u64, each: Each<'_>) {
        let Some(open) = self.native.take() else { return };
        let offset = open.offset;
        let damage = Damage { offset, length: end - offset, fault: Fault::CutOff };
        let format = if open.entry.is_v3() { Format::NativeV3 } else { Format::Native };
        if let Ok(event) = open.entry.draft(true).and_then(|draft| draft.into_event(&self.sensor)) {
            each(Step::Entry(Box::new(Entry { event: damage.told_in(event), offset, format })));
        }
        self.damaged(offset, damage.length, damage.fault, each);
        self.flush(each);
    }

    /// Records damage. Adjacent damage of the same kind extends the previous one.
    fn damaged(&mut self, offset: u64, length: u64, fault: Fault, each: Each<'_>) {
        if let Some(damage) = &mut self.damage {
            let goes_on = damage.offset + damage.length == offset;
            let same = damage.fault == fault || fault == Fault::UnknownFormat;
            if goes_on && same {
                damage.length += length;
                return;
            }
        }
        self.flush(each);
        self.damage = Some(Damage { offset, length, fault });
    }

    fn flush(&mut self, each: Each<'_>) {
        if let Some(damage) = self.damage.take() {
            each(Step::Damage(damage));
        }
    }
}

/// Parses a line of JSON in one of its three formats, which differ in the name of the unique id.
fn json(line: &[u8]) -> Result<(Draft, Format), Fault> {
    let mut room = String::new();
    Ok(match form(line) {
        Format::JsonV3 => (json_text::read::<json_v3::Log>(line, &mut room)?, Format::JsonV3),
        Format::Coraza => (json_text::read::<coraza::Log>(line, &mut room)?, Format::Coraza),
        _ => (json_text::read::<json_v2::Log>(line, &mut room)?, Format::JsonV2),
    })
}

/// Returns the format of a line. Searches the object `transaction` only: quotes within texts are escaped, so a request
/// cannot contain its name.
fn form(line: &[u8]) -> Format {
    let mut places =
        memchr::memmem::find_iter(line, b"\"transaction\":{").filter(|at| *at == 0 || line[at - 1] != b'\\');
    let inside = places.next().map_or(&b""[..], |at| &line[at..]);
    // ModSecurity 2's object ends before the request begins; the other formats have the request inside it.
    let head = memchr::memmem::find(inside, b"\"request\":").map_or(inside, |end| &inside[..end]);
    let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    match () {
        () if has(b"\"transaction_id\":") => Format::JsonV2,
        () if has(b"\"unique_id\":") => Format::JsonV3,
        () if has(b"\"unix_timestamp\":") => Format::Coraza,
        () => Format::JsonV2,
    }
}
