//! Native entries: sections between boundaries, `--1a2b3c4d-A--` to `--1a2b3c4d-Z--`.

use memchr::memmem;

use super::draft::{self, Draft};
use super::{Damage, Fault, dates, message};
use crate::limits::{MAX_AUDIT_ITEMS, MAX_AUDIT_PART_BYTES, MAX_BODY_BYTES};
use crate::{Body, ByteString, Disruptive, Durations, Engine, Header, MatchedRule, Response};

/// Returns the boundary and the letter of a line such as `--1a2b3c4d-A--`, without its line end.
pub(super) fn boundary(line: &[u8]) -> Option<(&[u8], u8)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let [boundary @ .., b'-', letter @ b'A'..=b'Z'] = line.strip_prefix(b"--")?.strip_suffix(b"--")? else {
        return None;
    };
    let known = (1..=64).contains(&boundary.len())
        && boundary.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@'));
    known.then_some((boundary, *letter))
}

/// An entry that is being read.
#[derive(Debug)]
pub(super) struct Native {
    boundary: Vec<u8>,
    letter: u8,
    header: Part,
    request: Part,
    request_body: Part,
    form: Part,
    response: Part,
    response_body: Part,
    trailer: Part,
    /// The sections that events do not use: D, G, J, K.
    other: Part,
    /// The first damaged boundary of the entry.
    damage: Option<Damage>,
}

#[derive(Debug)]
struct Part {
    bytes: Vec<u8>,
    total: u64,
    limit: usize,
    seen: bool,
}

impl Part {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), total: 0, limit, seen: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Native {
    /// Starts an entry at its line A.
    pub(super) fn new(boundary: &[u8]) -> Self {
        // Two more bytes, for the line end that follows a body.
        let body = || Part::new(MAX_BODY_BYTES + 2);
        let part = || Part::new(MAX_AUDIT_PART_BYTES);
        Self {
            boundary: boundary.to_vec(),
            letter: b'A',
            header: part(),
            request: part(),
            request_body: body(),
            form: body(),
            response: part(),
            response_body: body(),
            trailer: part(),
            other: Part::new(0),
            damage: None,
        }
    }

    /// Returns whether a boundary belongs to this entry.
    pub(super) fn is_own(&self, boundary: &[u8]) -> bool {
        self.boundary == boundary
    }

    /// Returns the letter of the section that begins at a damaged boundary. The line begins like the entry's own
    /// boundaries (`--1a2b3c4d-BB--`), which the sender of a body cannot know, or it has the form of a boundary and is
    /// outside a body.
    pub(super) fn damaged_boundary(&self, line: &[u8]) -> Option<u8> {
        let rest = line.strip_prefix(b"--")?;
        if let Some(rest) = rest.strip_prefix(&self.boundary[..]).and_then(|rest| rest.strip_prefix(b"-")) {
            return rest.first().copied().filter(|letter| rest.len() <= 8 && letter.is_ascii_uppercase());
        }
        let (_, letter) = boundary(line).filter(|_| !self.in_body())?;
        (letter != b'A').then_some(letter)
    }

    /// Returns whether a line without a line end is the beginning of one of the entry's own boundaries.
    pub(super) fn is_boundary_begun(&self, line: &[u8]) -> bool {
        let own = [b"--", &self.boundary[..], b"-"].concat();
        let common = line.len().min(own.len());
        (3..own.len() + 3).contains(&line.len()) && line[..common] == own[..common]
    }

    /// Records a damaged boundary, if it is the first.
    pub(super) fn damaged(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    /// Returns the damage of the first damaged boundary.
    pub(super) fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Starts a new section.
    pub(super) fn section(&mut self, letter: u8) {
        self.letter = letter;
        self.part().seen = true;
    }

    /// Adds content to the current section.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.part().add(bytes);
    }

    fn part(&mut self) -> &mut Part {
        match self.letter {
            b'A' => &mut self.header,
            b'B' => &mut self.request,
            b'C' => &mut self.request_body,
            b'I' => &mut self.form,
            b'F' => &mut self.response,
            b'E' => &mut self.response_body,
            b'H' => &mut self.trailer,
            _ => &mut self.other,
        }
    }

    /// Returns whether the current section is a body that a client or a server sent, which may contain anything.
    pub(super) fn in_body(&self) -> bool {
        !matches!(self.letter, b'A' | b'B' | b'F' | b'H')
    }

    /// Returns whether libmodsecurity 3 wrote the entry.
    pub(super) fn is_v3(&self) -> bool {
        self.boundary.starts_with(b"-")
    }

    /// Returns the fields of all sections, or of the sections that a `cut` entry has.
    ///
    /// # Errors
    /// [`Fault::Malformed`] for an invalid part A, [`Fault::CutOff`] for an incomplete one.
    pub(super) fn draft(self, cut: bool) -> Result<Draft, Fault> {
        let v3 = self.is_v3();
        let mut draft = header(&self.header.bytes)?;
        // A cut entry must continue after time, zone, unique id, client and port; otherwise the last of them might be
        // incomplete.
        let words = self.header.bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if cut && words.count() < 6 {
            return Err(Fault::CutOff);
        }
        // If the boundary of part B is unrecognisable, its lines follow those of part A.
        let request = if self.request.seen { &self.request.bytes } else { behind_header(&self.header.bytes) };
        let (line, headers) = head(request);
        draft.request.line = line.into();
        draft.request.headers = headers;
        let form = body(self.form, v3);
        draft.request.body = body(self.request_body, v3).or(form);
        let response_body = body(self.response_body, v3);
        if self.response.seen || response_body.is_some() {
            let (line, headers) = head(&self.response.bytes);
            let mut words = line.splitn(3, |byte| *byte == b' ');
            let mut word = || words.next().unwrap_or_default();
            let (protocol, status, reason) = (word(), word(), word());
            draft.request.response = Some(Response {
                protocol: ByteString::from(protocol).to_string(),
                status: number(status).unwrap_or(0),
                reason: reason.into(),
                headers,
                body: response_body,
            });
        }
        trailer(&self.trailer.bytes, v3, &mut draft);
        if cut {
            let response = draft.request.response.as_mut().and_then(|response| response.body.as_mut());
            match self.letter {
                b'C' | b'I' => draft.request.body.iter_mut().for_each(|body| body.truncated = true),
                b'E' => response.into_iter().for_each(|body| body.truncated = true),
                // The last message is incomplete and lacks its rule.
                b'H' if draft.request.rules.last().is_some_and(|rule| rule.id == 0) => {
                    draft.request.rules.pop();
                }
                _ => {}
            }
        }
        Ok(draft)
    }

    /// Returns whether part A has content after its one line.
    pub(super) fn header_goes_on(&self) -> bool {
        !behind_header(&self.header.bytes).trim_ascii().is_empty()
    }
}

/// Returns the text after the first line that is not empty, and after lines that may have been a boundary.
fn behind_header(part: &[u8]) -> &[u8] {
    let mut rest = part;
    let mut seen = false;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = rest[..end].trim_ascii();
        if seen && !line.starts_with(b"--") {
            break;
        }
        seen |= !line.is_empty();
        rest = &rest[end + 1..];
    }
    if seen { rest } else { &[] }
}

/// Parses `[23/Nov/2026:09:04:46.454636 +0000] id client port server port`.
fn header(part: &[u8]) -> Result<Draft, Fault> {
    let line = lines(part).find(|line| !line.is_empty()).unwrap_or_default();
    let malformed = || Fault::malformed("part A", line);
    let rest = line.strip_prefix(b"[").ok_or_else(malformed)?;
    let close = memchr::memchr(b']', rest).ok_or_else(malformed)?;
    let time = dates::clf(&rest[..close]).ok_or_else(malformed)?;
    let mut words = rest[close + 1..].split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut word = || words.next().unwrap_or_default();
    let (unique_id, client, client_port, server, server_port) = (word(), word(), word(), word(), word());
    let mut draft = Draft { time: Some(time), unique_id: unique_id.into(), ..Draft::default() };
    draft.client = draft::client(client, number(client_port));
    draft.request.server = draft::server(server, number(server_port));
    Ok(draft)
}

/// Returns the first line and the headers.
fn head(part: &[u8]) -> (&[u8], Vec<Header>) {
    let mut lines = lines(part).skip_while(|line| line.is_empty());
    let first = lines.next().unwrap_or_default();
    let headers = lines.filter(|line| !line.is_empty()).take(MAX_AUDIT_ITEMS).map(|line| {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        Header::new(&line[..colon], value.trim_ascii())
    });
    (first, headers.collect())
}

fn lines(part: &[u8]) -> impl Iterator<Item = &[u8]> {
    part.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Returns a body without the line end that follows it and the empty line of libmodsecurity 3; none for an empty body.
fn body(part: Part, v3: bool) -> Option<Body> {
    let mut bytes = &part.bytes[..];
    let mut total = part.total;
    if part.total == part.bytes.len() as u64 {
        for _ in 0..if v3 { 2 } else { 1 } {
            if let Some(shorter) = bytes.strip_suffix(b"\n") {
                bytes = shorter;
                total -= 1;
            }
        }
    } else {
        total -= 1;
    }
    if bytes.is_empty() {
        return None;
    }
    if v3 {
        let plain = unescape_v3(bytes);
        // Only the escapes in the kept part reduce the total; the length of the rest stays as it was logged.
        total -= (bytes.len() - plain.len()) as u64;
        return Some(Body::capture(&plain, total, usize::MAX));
    }
    Some(Body::capture(bytes, total, usize::MAX))
}

/// Undoes libmodsecurity 3's escapes. It writes unprintable bytes as `\xhh` and does not escape backslashes, so only
/// the escape of an unprintable byte is decoded.
fn unescape_v3(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if let (b'\\', [b'x', high, low, after @ ..]) = (byte, tail)
            && let Some(plain @ (..=0x1f | 0x7f..)) = message::hex(*high, *low)
        {
            bytes.push(plain);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

/// Parses part H.
fn trailer(part: &[u8], v3: bool, draft: &mut Draft) {
    let request = &mut draft.request;
    if v3 {
        // Part H of libmodsecurity 3 does not contain the mode.
        request.engine = Engine::On;
    }
    for line in lines(part) {
        let (name, value) = match memmem::find(line, b": ") {
            Some(colon) => (&line[..colon], &line[colon + 2..]),
            None => continue,
        };
        match name {
            b"Message" | b"ModSecurity" if request.rules.len() < MAX_AUDIT_ITEMS => {
                request.rules.push(message::parse(value));
            }
            b"Action" if value.starts_with(b"Intercepted") => draft.intercepted = true,
            b"Stopwatch2" => request.durations = durations(value),
            b"Producer" => draft.own = value.starts_with(b"monban/"),
            b"Engine-Mode" => request.engine = draft::engine(unquoted(value.trim_ascii())),
            _ => {}
        }
    }
    draft.intercepted |= v3 && request.rules.iter().any(stops);
}

fn stops(rule: &MatchedRule) -> bool {
    matches!(rule.disruptive, Some(Disruptive::Deny { .. } | Disruptive::Drop | Disruptive::Redirect { .. }))
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    text.strip_suffix(b"\"").unwrap_or(text)
}

/// Parses `1795424686454636 14253; combined=1641, p1=494, p2=1039, …`.
fn durations(value: &[u8]) -> Durations {
    let mut durations = Durations::default();
    let words = value.split(|byte| matches!(byte, b' ' | b',' | b';')).filter(|word| !word.is_empty());
    for (position, word) in words.enumerate() {
        match word {
            [b'p', phase @ b'1'..=b'5', b'=', micros @ ..] => {
                durations.phases_us[usize::from(phase - b'1')] = number(micros).unwrap_or(0);
            }
            _ if position == 1 => durations.total_us = number(word).unwrap_or(0),
            _ => {}
        }
    }
    durations
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}
