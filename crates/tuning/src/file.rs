//! The file of exclusions: rule text that a person can edit. monban adds to it and leaves unknown text unchanged.
//!
//! An exclusion is a paragraph: it begins with the comment line `# monban exclusion` and ends at an empty line. Comment lines of
//! the form `#   key: value` give its reason, and the rules after them define its effect:
//!
//! ```text
//! # monban exclusion
//! #   reason: people write apostrophes
//! #   author: alice
//! #   created: 2026-11-24T09:00:00.000000Z
//! #   expires: 2027-02-22
//! #   site: shop
//! SecRule REQUEST_FILENAME "@streq /comment" "id:80000,phase:1,pass,nolog,t:none,ctl:ruleRemoveTargetById=942100;ARGS:text"
//! ```
//!
//! In values, control characters and backslashes are written as `\xhh`, so that no value can end its comment. All other text
//! belongs to the owner and stays unchanged byte for byte.

use std::collections::HashMap;
use std::ops::Range;

use event::{ByteString, EventId, Timestamp};
use seclang::action::{Action, Ctl};
use seclang::ast::{DirectiveKind, Selector, Target};
use seclang::variable::Variable;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::exclusion::{self, Exclusion, PathMatch};
use crate::limits;
use crate::refused::Refused;
use crate::site::Sites;

/// The first line of an exclusion after its `#`.
const HEADER: &[u8] = b"monban exclusion";

/// Reason, author and duration of an exclusion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Note {
    /// The reason, for people.
    pub reason: String,
    /// The author.
    pub author: String,
    /// Time of creation.
    pub created: Option<Timestamp>,
    /// Time of expiry; null if it does not expire.
    pub expires: Option<Timestamp>,
    /// The event that led to the exclusion.
    pub event: Option<EventId>,
}

/// An exclusion in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
// the audit trail has entries too: if two schemas have the same name, the API description keeps only one
#[cfg_attr(feature = "openapi", schema(as = ExclusionEntry))]
pub struct Entry {
    /// Id of its rule.
    pub id: u64,
    /// The exclusion, if its text has the form that monban writes. The path of a hand-written pattern is missing, and only the
    /// first of several excluded rules is given. The site is the one in the comment.
    #[serde(flatten)]
    pub exclusion: Exclusion,
    /// Reason, author and duration.
    #[serde(flatten)]
    pub note: Note,
    /// The whole paragraph, with bytes that are not UTF-8 replaced.
    pub seclang: String,
    /// Its first line, counted from 1.
    pub line: u32,
    #[serde(skip)]
    span: Range<usize>,
}

/// An error in the file: a paragraph that only looks like an exclusion, or one that cannot expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Problem))]
pub struct FileProblem {
    /// The line, counted from 1.
    pub line: u32,
    /// The error.
    pub message: String,
}

/// A parsed file of exclusions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExclusionFile {
    text: Vec<u8>,
    entries: Vec<Entry>,
    problems: Vec<FileProblem>,
}

impl ExclusionFile {
    /// Parses the text of a file. Text other than exclusions stays unchanged.
    ///
    /// # Errors
    /// [`Refused::TooLong`] beyond [`limits::FILE_BYTES`].
    pub fn read(text: impl Into<Vec<u8>>) -> Result<Self, Refused> {
        let text = text.into();
        if text.len() > limits::FILE_BYTES {
            return Err(Refused::TooLong { what: "the file", limit: limits::FILE_BYTES, unit: "bytes" });
        }
        let mut file = Self { text, ..Self::default() };
        for block in blocks(&file.text) {
            if !block.is_exclusion {
                continue;
            }
            match entry(&file.text, &block, &mut file.problems) {
                Ok(entry) => file.entries.push(entry),
                Err(message) => file.problems.push(FileProblem { line: block.line, message }),
            }
        }
        file.problems.truncate(limits::PROBLEMS);
        Ok(file)
    }

    /// Returns the text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the exclusions in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the errors in the file.
    pub fn problems(&self) -> &[FileProblem] {
        &self.problems
    }

    /// Returns the exclusion with this id.
    pub fn find(&self, id: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Returns the version: two texts with the same version are equal.
    pub fn version(&self) -> String {
        version(&self.text)
    }

    /// Returns a file with one more exclusion at its end, and the exclusion's id: the lowest id that is neither in the file, nor
    /// below `least`, nor `taken` by another rule.
    ///
    /// # Errors
    /// The reasons in [`Refused`]. The file must load without the change.
    pub fn add(
        &self,
        exclusion: &Exclusion,
        note: &Note,
        sites: &Sites,
        least: u64,
        taken: &dyn Fn(u64) -> bool,
    ) -> Result<(Self, u64), Refused> {
        for (what, text, limit) in [
            ("the reason", &note.reason, limits::REASON_CHARS),
            ("the author", &note.author, limits::AUTHOR_CHARS),
        ] {
            if text.chars().count() > limit {
                return Err(Refused::TooLong { what, limit, unit: "characters" });
            }
        }
        if note.expires.zip(note.created).is_some_and(|(expires, created)| expires <= created) {
            return Err(Refused::Expired);
        }
        let id = self.free_ids(least, taken)?.next().ok_or(Refused::TooMany)?;
        let mut same = self.entries.iter().filter(|entry| entry.exclusion.rule == exclusion.rule);
        if let Some(entry) = same.find(|entry| is_text_of(entry, exclusion, sites)) {
            return Err(Refused::InForce(entry.id));
        }
        let paragraph = paragraph(exclusion, note, &exclusion.to_seclang(id, sites)?);
        self.with_paragraph(paragraph.as_bytes(), id)
    }

    /// Returns the exclusion of the file that covers at least as much as this one. It ignores hand-written exclusions in another
    /// form than monban's, because their coverage is uncertain.
    pub fn covering(&self, exclusion: &Exclusion, sites: &Sites) -> Option<&Entry> {
        let covers =
            |entry: &&Entry| entry.exclusion.covers(exclusion) && is_text_of(entry, &entry.exclusion, sites);
        self.entries.iter().find(covers)
    }

    /// Returns the ids of the next exclusions in order; see [`ExclusionFile::add`].
    ///
    /// # Errors
    /// [`Refused::TooMany`], and [`Refused::File`] if the file does not load without the change.
    pub fn free_ids<'a>(
        &self,
        least: u64,
        taken: &'a dyn Fn(u64) -> bool,
    ) -> Result<impl Iterator<Item = u64> + use<'a>, Refused> {
        if self.entries.len() >= limits::EXCLUSIONS {
            return Err(Refused::TooMany);
        }
        let before = seclang::parse_str("exclusions.conf", &self.text);
        let ids = ids(&before.map_err(|errors| Refused::File(first(&errors)))?);
        let from = least.max(limits::FIRST_ID);
        let from = self
            .entries
            .iter()
            .map(|entry| entry.id + 1)
            .filter(|id| *id <= limits::LAST_ID)
            .fold(from, u64::max);
        let all = (from..=limits::LAST_ID).chain(limits::FIRST_ID..from);
        Ok(all.filter(move |id| !ids.contains(id) && !taken(*id)))
    }

    /// Adds a paragraph at the end. It must parse as one exclusion, and all other exclusions must parse as before.
    fn with_paragraph(&self, paragraph: &[u8], id: u64) -> Result<(Self, u64), Refused> {
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        if !text.is_empty() {
            text.push(b'\n');
        }
        text.extend_from_slice(paragraph);
        let file = Self::read(text)?;
        let (last, others) = match file.entries.split_last() {
            Some((last, others)) if last.id == id => (last, others),
            _ => return Err(Refused::File("it ends within a directive or a comment".to_owned())),
        };
        let same = others.iter().map(|entry| entry.id).eq(self.entries.iter().map(|entry| entry.id));
        if !same || last.seclang.as_bytes() != paragraph.trim_ascii_end() {
            return Err(Refused::File("it ends within a directive or a comment".to_owned()));
        }
        if let Err(errors) = seclang::parse_str("exclusions.conf", &file.text) {
            return Err(Refused::File(first(&errors)));
        }
        Ok((file, id))
    }

    /// Returns a file without the exclusion `id`.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn remove(&self, id: u64) -> Result<Self, Refused> {
        let entry = self.find(id).ok_or(Refused::Unknown(id))?;
        Self::read(without(&self.text, &entry.span))
    }

    /// Returns a file without expired exclusions, and these exclusions; none if nothing has expired.
    pub fn expire(&self, now: Timestamp) -> Option<(Self, Vec<Entry>)> {
        let over = |entry: &&Entry| entry.note.expires.is_some_and(|expires| expires <= now);
        let gone: Vec<Entry> = self.entries.iter().filter(over).cloned().collect();
        if gone.is_empty() {
            return None;
        }
        let mut text = self.text.clone();
        for entry in gone.iter().rev() {
            text = without(&text, &entry.span);
        }
        // shorter than a text that was already parsed
        Self::read(text).ok().map(|file| (file, gone))
    }

    /// Checks that a change from `before` to `after` can be undone.
    ///
    /// # Errors
    /// [`Refused::ChangedSince`] if something that the change added or removed has changed since.
    pub fn check_undo(&self, before: &[u8], after: &[u8]) -> Result<(), Refused> {
        if self.text == after {
            return Ok(());
        }
        let around = || Refused::ChangedSince("the text around the exclusions".to_owned());
        let since = |entry: &Entry| Err(Refused::ChangedSince(format!("exclusion {}", entry.id)));
        let (was, is) = (paragraphs(before), paragraphs(after));
        let mut added = Vec::new();
        for paragraph in less(&is, &was) {
            let entry = alone(paragraph).ok_or_else(around)?;
            if !self.entries.iter().any(|known| self.text[known.span.clone()] == *paragraph) {
                return since(&entry);
            }
            added.push(entry.id);
        }
        for paragraph in less(&was, &is) {
            let entry = alone(paragraph).ok_or_else(around)?;
            if !added.contains(&entry.id) && self.find(entry.id).is_some() {
                return since(&entry);
            }
        }
        Ok(())
    }

    /// Returns a file in which a change from `before` to `after` is undone and all other changes are kept.
    ///
    /// # Errors
    /// [`Refused::ChangedSince`] if something that the change added or removed has changed since; [`Refused::File`] as for `add`.
    pub fn undo(&self, before: &Self, after: &Self) -> Result<Self, Refused> {
        if self.text == after.text {
            return Ok(before.clone());
        }
        self.check_undo(&before.text, &after.text)?;
        let (was, is) = (paragraphs(&before.text), paragraphs(&after.text));
        let mut file = self.clone();
        for entry in less(&is, &was).into_iter().filter_map(alone) {
            file = file.remove(entry.id)?;
        }
        for paragraph in less(&was, &is) {
            let Some(entry) = alone(paragraph) else { continue };
            let mut paragraph = paragraph.to_vec();
            if !paragraph.ends_with(b"\n") {
                paragraph.push(b'\n');
            }
            file = file.with_paragraph(&paragraph, entry.id)?.0;
        }
        Ok(file)
    }
}

/// Returns the difference of two texts: each line of removed paragraphs with `-`, and of added ones with `+`.
pub fn difference(before: &[u8], after: &[u8]) -> String {
    let (was, is) = (paragraphs(before), paragraphs(after));
    let mut text = String::new();
    for (sign, paragraphs) in [('-', less(&was, &is)), ('+', less(&is, &was))] {
        for paragraph in paragraphs {
            for line in String::from_utf8_lossy(paragraph).lines() {
                text.push(sign);
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Returns the exclusions that a change between two texts removed, and those that it added. Their line numbers start at their own
/// first line.
pub fn changes(before: &[u8], after: &[u8]) -> [Vec<Entry>; 2] {
    let (was, is) = (paragraphs(before), paragraphs(after));
    [less(&was, &is), less(&is, &was)].map(|paragraphs| paragraphs.into_iter().filter_map(alone).collect())
}

/// Returns the exclusion of a paragraph.
fn alone(paragraph: &[u8]) -> Option<Entry> {
    ExclusionFile::read(paragraph).ok()?.entries.pop()
}

/// Whether the rules of an entry are exactly those that monban writes for this exclusion.
fn is_text_of(entry: &Entry, exclusion: &Exclusion, sites: &Sites) -> bool {
    exclusion.to_seclang(entry.id, sites).is_ok_and(|rules| entry.seclang.ends_with(rules.trim_end()))
}

/// Returns the version of a text; see [`ExclusionFile::version`].
pub fn version(text: &[u8]) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn first(errors: &[seclang::LoadError]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}

fn ids(document: &seclang::ast::Document) -> std::collections::HashSet<u64> {
    let actions = document.directives.iter().flat_map(|directive| actions(&directive.kind));
    actions.filter_map(|action| if let Action::Id(id) = action { Some(*id) } else { None }).collect()
}

fn actions(kind: &DirectiveKind) -> &[Action] {
    match kind {
        DirectiveKind::Rule(rule) => &rule.actions,
        DirectiveKind::Action(actions) => actions,
        _ => &[],
    }
}

/// Returns the elements of `from` that are not in `other`, each as often as it is missing.
fn less<'a>(from: &[&'a [u8]], other: &[&[u8]]) -> Vec<&'a [u8]> {
    let mut there: HashMap<&[u8], usize> = HashMap::new();
    for paragraph in other {
        *there.entry(paragraph).or_default() += 1;
    }
    let is_missing = |paragraph: &&&[u8]| match there.get_mut(**paragraph) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    from.iter().filter(is_missing).copied().collect()
}

fn paragraphs(text: &[u8]) -> Vec<&[u8]> {
    blocks(text).map(|block| &text[block.span]).collect()
}

/// Returns the text without a part and the empty line after it.
fn without(text: &[u8], span: &Range<usize>) -> Vec<u8> {
    let mut end = span.end;
    if text[end..].starts_with(b"\n") {
        end += 1;
    } else if text[end..].starts_with(b"\r\n") {
        end += 2;
    }
    [&text[..span.start], &text[end..]].concat()
}

/// A paragraph: lines up to an empty one, which is not part of it.
struct Block {
    span: Range<usize>,
    line: u32,
    is_exclusion: bool,
}

fn blocks(text: &[u8]) -> impl Iterator<Item = Block> {
    let mut lines = logical_lines(text).peekable();
    std::iter::from_fn(move || {
        while lines.next_if(|line| is_blank(&text[line.span.clone()])).is_some() {}
        let first = lines.next()?;
        let is_exclusion = is_header(&text[first.span.clone()]);
        let mut end = first.span.end;
        let more = |line: &LogicalLine| {
            let bytes = &text[line.span.clone()];
            !is_blank(bytes) && !is_header(bytes)
        };
        while let Some(line) = lines.next_if(more) {
            end = line.span.end;
        }
        Some(Block { span: first.span.start..end, line: first.line, is_exclusion })
    })
}

/// A line together with those that its backslash joins to it, as Apache reads them.
struct LogicalLine {
    span: Range<usize>,
    line: u32,
}

fn logical_lines(text: &[u8]) -> impl Iterator<Item = LogicalLine> {
    let mut at = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        if at >= text.len() {
            return None;
        }
        let (start, line) = (at, number + 1);
        loop {
            let length = text[at..].iter().position(|byte| *byte == b'\n');
            let content = &text[at..length.map_or(text.len(), |length| at + length)];
            let continues = content.strip_suffix(b"\r").unwrap_or(content).ends_with(b"\\");
            at += content.len() + usize::from(length.is_some());
            number += 1;
            if length.is_none() || !continues || at >= text.len() {
                return Some(LogicalLine { span: start..at, line });
            }
        }
    })
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn is_header(line: &[u8]) -> bool {
    let Some(comment) = line.trim_ascii_start().strip_prefix(b"#") else { return false };
    comment.trim_ascii() == HEADER
}

/// Returns the key and the value of a comment line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let comment = line.trim_ascii().strip_prefix(b"#")?;
    let colon = comment.iter().position(|byte| *byte == b':')?;
    Some((comment[..colon].trim_ascii(), comment[colon + 1..].trim_ascii()))
}

fn entry(text: &[u8], block: &Block, problems: &mut Vec<FileProblem>) -> Result<Entry, String> {
    let bytes = &text[block.span.clone()];
    let mut note = Note::default();
    let mut site = None;
    let mut line = block.line;
    for logical in logical_lines(bytes) {
        line = block.line + logical.line - 1;
        let Some((key, value)) = field(&bytes[logical.span]) else { continue };
        let value = ByteString::from_escaped(&String::from_utf8_lossy(value)).unwrap_or_else(|| value.into());
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut time = |what: &str| {
            let parsed = time(&value);
            if parsed.is_none() {
                let message = format!("{what}: not a time such as 2027-01-31 or 2027-01-31T12:00:00Z");
                problems.push(FileProblem { line, message });
            }
            parsed
        };
        match key {
            b"reason" => note.reason = value,
            b"author" => note.author = value,
            b"created" => note.created = time("created"),
            b"expires" => note.expires = time("expires (the exclusion stays without it)"),
            b"event" => note.event = value.parse().ok(),
            b"site" => site = Some(value),
            _ => {}
        }
    }
    let document = seclang::parse_str("exclusions.conf", bytes).map_err(|errors| match errors.first() {
        Some(error) => format!("in its line {}: {}", error.line, error.kind),
        None => String::new(),
    })?;
    let id = document.directives.iter().flat_map(|directive| actions(&directive.kind)).find_map(|action| {
        match action {
            Action::Id(id) => Some(*id),
            _ => None,
        }
    });
    let id = id.ok_or("an exclusion without a rule that has an id")?;
    let mut exclusion = excluded(&document)?;
    exclusion.site = site;
    if let Some(why) = exclusion::is_blocking(exclusion.rule) {
        problems
            .push(FileProblem { line, message: Refused::Blocking { rule: exclusion.rule, why }.to_string() });
    }
    let seclang = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    Ok(Entry { id, exclusion, note, seclang, line: block.line, span: block.span.clone() })
}

/// Parses a time in the format of RFC 3339, or a date, which means its start in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_date { format!("{text}T00:00:00Z").parse().ok() } else { text.parse().ok() }
}

/// Returns the exclusion that the rules of a paragraph define.
fn excluded(document: &seclang::ast::Document) -> Result<Exclusion, &'static str> {
    let mut exclusion =
        Exclusion { rule: 0, site: None, path: None, path_match: PathMatch::Exact, parameter: None };
    for directive in &document.directives {
        if let DirectiveKind::Rule(rule) = &directive.kind
            && let [Target { variable: Variable::RequestFilename, counted: false, .. }] = &rule.targets[..]
            && !rule.operator.negated
            && let Some(argument) = rule.operator.argument.as_literal()
            && let Some((path, path_match)) = exclusion::path_of(rule.operator.name.name(), argument)
        {
            (exclusion.path, exclusion.path_match) = (Some(path), path_match);
        }
        let changes = actions(&directive.kind).iter();
        for change in
            changes.filter_map(|action| if let Action::Ctl(ctl) = action { Some(ctl) } else { None })
        {
            let (range, target) = match change {
                Ctl::RuleRemoveById(range) => (range, None),
                Ctl::RuleRemoveTargetById(range, target) => (range, Some(target)),
                _ => continue,
            };
            if exclusion.rule == 0 {
                exclusion.rule = range.first;
                exclusion.parameter = target.map(parameter);
            }
        }
    }
    if exclusion.rule == 0 {
        Err("an exclusion that excludes nothing from a rule with an id")
    } else {
        Ok(exclusion)
    }
}

/// Returns a target under the variable's name in events.
fn parameter(target: &Target) -> ByteString {
    let mut text = target.variable.name().as_bytes().to_vec();
    if let Some(Selector::Key(key)) = &target.selector {
        text.push(b':');
        text.extend_from_slice(key);
    }
    text.into()
}

fn paragraph(exclusion: &Exclusion, note: &Note, rules: &str) -> String {
    let mut text = String::from("# monban exclusion\n");
    let mut field = |key: &str, value: &str| {
        if !value.trim().is_empty() {
            text.push_str(&format!("#   {key}: {}\n", escaped(value.trim())));
        }
    };
    field("reason", &note.reason);
    field("author", &note.author);
    field("created", &note.created.map(|time| time.to_string()).unwrap_or_default());
    field("expires", &note.expires.map(|time| time.to_string()).unwrap_or_default());
    field("event", &note.event.map(|id| id.to_string()).unwrap_or_default());
    field("site", exclusion.site.as_deref().unwrap_or_default());
    text + rules
}

/// Writes control characters and backslashes as `\xhh`, byte by byte. Also escapes Unicode's other line ends, at which an editor
/// may break the line.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if character.is_control() || matches!(character, '\\' | '\u{2028}' | '\u{2029}') {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests;
