//! Bodies: the inspected part, and the values that processors find in the request's body.

#![expect(clippy::cast_possible_wrap, reason = "no collection has 2^63 members")]

use std::sync::Arc;

use seclang::action::BodyProcessor;
use seclang::setting::LimitAction;
use seclang::variable::Variable;

use super::values::{Field, Single};
use super::{BodyProgress, FaultKind, Intervention, InterventionAction, Mode, Transaction};
use crate::body::multipart::Text;
use crate::body::{json, multipart, urlencoded, xml};
use crate::limits::XML_VALUES;
use crate::memory::{Memory, Slice};
use crate::query::{self, Argument};
use crate::ruleset::RuleSet;
use crate::tx::Value;

/// The result of the MULTIPART processor.
#[derive(Debug, Default)]
pub(super) struct MultipartResult {
    pub(super) flags: multipart::Flags,
    /// Name: the field's name. Value: the file's name.
    pub(super) files: Vec<Field>,
    /// Name: the field's name. Value: the content, which is empty unless a rule reads it.
    pub(super) contents: Vec<Field>,
    /// Length of each content, in bytes.
    pub(super) sizes: Vec<usize>,
    /// Name: the part's name. Value: a header line.
    pub(super) part_headers: Vec<Field>,
    pub(super) last_name: Slice,
    pub(super) last_filename: Slice,
}

fn no_files_limit_words(limit: u64) -> String {
    format!(
        "request body no files data length is larger than the configured limit (SecRequestBodyNoFilesLimit {limit})"
    )
}

/// The status for a request beyond its limit (Content Too Large).
const TOO_LARGE: u16 = 413;
/// The status for a response beyond its limit.
const SERVER_ERROR: u16 = 500;

impl Transaction {
    /// Chooses the body processor by Content-Type, as ModSecurity does before phase 1. Rules may choose another one.
    pub(super) fn choose_body_processor(&mut self) {
        let content_type = self.header(b"content-type").unwrap_or(b"").to_ascii_lowercase();
        if content_type.starts_with(b"application/x-www-form-urlencoded") {
            self.options.body_processor = Some(BodyProcessor::UrlEncoded);
        } else if content_type.starts_with(b"multipart/form-data") {
            self.options.body_processor = Some(BodyProcessor::Multipart);
        }
    }

    /// Takes a part of the request body, in order. Beyond the limit the transaction is refused (`Reject` in mode On), or the
    /// rest is not inspected (`ProcessPartial`, and always in DetectionOnly).
    pub fn request_body(&mut self, chunk: &[u8]) -> BodyProgress {
        if let Some(intervention) = &self.intervention {
            return BodyProgress::Decided(intervention.clone());
        }
        self.input.has_body |= !chunk.is_empty();
        let limit = self.request_body_limit();
        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(self.input.body_length);
        if chunk.len() <= room {
            return self.take_request_body(chunk).unwrap_or(BodyProgress::More);
        }
        self.input.body_truncated = true;
        if self.limit_rejects(self.rules.settings.request_body_limit_action) {
            return self.refuse(TOO_LARGE, 2, self.request_limit_words());
        }
        self.take_request_body(&chunk[..room]).unwrap_or(BodyProgress::Full)
    }

    /// Stores a part of the body for its processor, or passes it to a processor that reads it on arrival.
    fn take_request_body(&mut self, bytes: &[u8]) -> Option<BodyProgress> {
        self.input.body_length += bytes.len();
        let multipart = self.options.body_processor == Some(BodyProcessor::Multipart);
        // A body with files is stored whole only if rules read it whole.
        if !multipart || self.options.force_request_body || self.rules.needs.full_request {
            self.input.body = self.memory.append(self.input.body, bytes);
        }
        if !multipart {
            return None;
        }
        let reader = match &mut self.input.reader {
            Some(reader) => reader,
            None => {
                let options = multipart::Options {
                    argument_limit: self.arguments_left(),
                    file_limit: self.rules.settings.file_limit(),
                    keep_files: self.rules.needs.file_contents,
                };
                let reader = multipart::Reader::new(self.header(b"content-type"), options);
                self.input.reader.insert(Box::new(reader))
            }
        };
        reader.feed(bytes);
        if reader.no_files_length() as u64 > self.rules.settings.request_body_no_files_limit {
            self.input.body_truncated = true;
            if self.limit_rejects(self.rules.settings.request_body_limit_action) {
                let limit = self.rules.settings.request_body_no_files_limit;
                return Some(self.refuse(TOO_LARGE, 2, no_files_limit_words(limit)));
            }
        }
        None
    }

    /// Refuses a body whose announced length (Content-Length) exceeds the limit before reading any of it, if the limit action is
    /// `Reject` in mode On. ModSecurity 2.9 does the same (apache2_io.c, `read_request_body`).
    pub fn request_body_length(&mut self, length: u64) -> Option<Intervention> {
        if length <= self.request_body_limit()
            || !self.limit_rejects(self.rules.settings.request_body_limit_action)
        {
            return None;
        }
        self.input.body_truncated = true;
        match self.refuse(TOO_LARGE, 2, self.request_limit_words()) {
            BodyProgress::Decided(intervention) => Some(intervention),
            BodyProgress::More | BodyProgress::Full => None,
        }
    }

    /// Returns the limit of the inspected part, in bytes. Only multipart bodies, which contain files, may exceed the smaller
    /// limit.
    fn request_body_limit(&self) -> u64 {
        match self.options.body_processor {
            Some(BodyProcessor::Multipart) => self.options.request_body_limit,
            _ => self.options.request_body_limit.min(self.rules.settings.request_body_no_files_limit),
        }
    }

    /// Returns the description of a refusal by [`request_body_limit`](Self::request_body_limit).
    fn request_limit_words(&self) -> String {
        let limit = self.request_body_limit();
        if limit < self.options.request_body_limit {
            return no_files_limit_words(limit);
        }
        format!("request body is larger than the configured limit (SecRequestBodyLimit {limit})")
    }

    fn refuse(&mut self, status: u16, phase: u8, words: String) -> BodyProgress {
        self.limit_reached = Some(words);
        let action = InterventionAction::Deny;
        let intervention = Intervention { status, action, rule_id: 0, phase };
        self.intervene(intervention.clone());
        BodyProgress::Decided(intervention)
    }

    pub(super) fn process_request_body(&mut self) {
        if !self.input.has_body {
            return;
        }
        let force = self.options.force_request_body;
        match self.options.body_processor {
            Some(BodyProcessor::UrlEncoded) => {
                self.input.body_variable = self.late_single(self.input.body);
                self.process_urlencoded();
            }
            Some(BodyProcessor::Multipart) => self.process_multipart(),
            Some(BodyProcessor::Json) => self.process_json(),
            Some(BodyProcessor::Xml) => self.process_xml(),
            None => {}
        }
        if force && self.input.body_variable.is_none() {
            self.input.body_variable = self.late_single(self.input.body);
        }
    }

    fn arguments_left(&self) -> usize {
        (self.rules.settings.arguments_limit as usize).saturating_sub(self.input.get.len())
    }

    fn process_urlencoded(&mut self) {
        let (limit, separator) = (self.arguments_left(), self.rules.settings.argument_separator);
        let body = Memory::arena_range(self.input.body);
        let (arena, mut adopter) = self.memory.split();
        let (values, post) = (&mut self.values, &mut self.input.post);
        let expected = memchr::memchr_iter(separator, &arena[body.clone()]).count().min(limit) + 1;
        values.make_room(2 * expected, &self.rules);
        post.reserve(expected);
        let oddities = urlencoded::each(&arena[body], separator, limit, |Argument { name, value }| {
            let (name, value) = (adopter.slice(name), adopter.slice(value));
            post.push(values.add_field(name, value));
        });
        self.input.urlencoded_error |= oddities.invalid_encoding;
        if oddities.limit_exceeded {
            self.input.body_error = Some(query::LIMIT_EXCEEDED.to_owned());
        }
    }

    fn process_json(&mut self) {
        let options = json::Options {
            depth_limit: self.rules.settings.json_depth_limit as usize,
            argument_limit: self.arguments_left(),
        };
        let (arena, mut adopter) = self.memory.split();
        let parsed = json::parse(&arena[Memory::arena_range(self.input.body)], &options);
        self.values.make_room(2 * parsed.arguments.len(), &self.rules);
        self.input.json.reserve(parsed.arguments.len());
        for Argument { name, value } in parsed.arguments {
            let (name, value) = (adopter.slice(name), adopter.slice(value));
            self.input.json.push(self.values.add_field(name, value));
        }
        // the limit cut off the rest of the text
        let cut = self.input.body_truncated && parsed.incomplete;
        if parsed.error.is_some() && !cut {
            self.input.body_error = parsed.error;
        }
    }

    fn process_multipart(&mut self) {
        // an empty body, although announced, has no reader
        let reader = self.input.reader.take().map_or_else(
            || multipart::Reader::new(self.header(b"content-type"), multipart::Options::default()),
            |reader| *reader,
        );
        let read = if self.input.body_truncated { reader.finish_partial() } else { reader.finish() };
        let kept = self.memory.adopt(read.kept);
        let mut result = MultipartResult { flags: read.flags, ..MultipartResult::default() };
        let (_, mut adopter) = self.memory.split();
        let mut slice = |text| match text {
            Text::Kept(range) => kept.part(range.start, range.end),
            Text::Own(text) => adopter.slice(text.into()),
        };
        let values = &mut self.values;
        for part in read.parts {
            let name = slice(part.name);
            for line in part.headers {
                result.part_headers.push(values.add_field(name, slice(line)));
            }
            let content = kept.part(part.content.start, part.content.end);
            if part.is_argument {
                self.input.post.push(values.add_field(name, content));
            }
            if let Some(filename) = part.filename {
                result.files.push(values.add_field(name, slice(filename)));
                result.contents.push(values.add_field(name, content));
                result.sizes.push(part.size);
            }
        }
        result.last_name = slice(read.last_name);
        result.last_filename = slice(read.last_filename);
        if read.error.is_some() {
            self.input.body_error = read.error;
        }
        self.input.multipart = Some(result);
    }

    /// Parses the document and evaluates every XPath expression of the rules on it.
    fn process_xml(&mut self) {
        let rules = Arc::clone(&self.rules);
        let (arena, mut adopter) = self.memory.split();
        let parsed = xml::parse(&arena[Memory::arena_range(self.input.body)]);
        let mut all_complete = true;
        for path in rules.paths.iter() {
            let (values, complete) = path.values(&parsed.document);
            let selected = values.into_iter().map(|value| self.values.add_single(adopter.slice(value)));
            self.input.xml.push(selected.collect());
            all_complete &= complete;
        }
        let xml::Parsed { document, error, declared } = parsed;
        drop(document);
        if error.is_some() {
            self.input.body_error = error;
        }
        if !all_complete {
            self.note_fault(FaultKind::XmlValues, 0, || {
                format!("an XPath expression selects more than {XML_VALUES} bytes: the rest is omitted")
            });
        }
        self.tell_declared(&declared, &rules);
    }

    /// Sets the TX variables for the declarations of an XML body, if rules name these variables.
    fn tell_declared(&mut self, declared: &xml::Declared, rules: &RuleSet) {
        let number = |count: usize| (count > 0).then_some(Value::Number(count as i64));
        let subset = declared.external_subset.as_ref().map(|name| Value::Bytes(name.as_bytes().into()));
        for (name, value) in [
            ("monban_xml_entities", number(declared.entities)),
            ("monban_xml_external_entities", number(declared.external_entities)),
            ("monban_xml_external_subset", subset),
        ] {
            if let (Some(value), Some(slot)) = (value, rules.names.find(name.as_bytes())) {
                self.tx.set(slot, value, &rules.names);
            }
        }
    }

    /// Returns a MULTIPART_* flag as a number; 0 without a multipart body.
    pub(super) fn multipart_flag(&self, variable: Variable) -> Option<i64> {
        use Variable as V;
        let flags = self.input.multipart.as_ref().map(|m| m.flags).unwrap_or_default();
        let set = match variable {
            V::MultipartStrictError => flags.strict_error(),
            V::MultipartUnmatchedBoundary => return Some(i64::from(flags.unmatched())),
            V::MultipartBoundaryQuoted => flags.boundary_quoted,
            V::MultipartBoundaryWhitespace => flags.boundary_whitespace,
            V::MultipartCrlfLfLines => flags.crlf_lf_lines(),
            V::MultipartDataAfter => flags.data_after,
            V::MultipartDataBefore => flags.data_before,
            V::MultipartFileLimitExceeded => flags.file_limit_exceeded,
            V::MultipartHeaderFolding => flags.header_folding,
            V::MultipartInvalidHeaderFolding => flags.invalid_header_folding,
            V::MultipartInvalidPart => flags.invalid_part,
            V::MultipartInvalidQuoting => flags.invalid_quoting,
            V::MultipartLfLine => flags.lf_line,
            V::MultipartMissingSemicolon => flags.missing_semicolon,
            _ => return None,
        };
        Some(i64::from(set))
    }

    /// Whether rules read response bodies, whatever their type.
    pub fn reads_response_bodies(&self) -> bool {
        self.mode != Mode::Off && self.options.response_body_access
    }

    /// Returns the limit of the inspected part of a response body in bytes: `SecResponseBodyLimit`, or the value that ctl set.
    pub fn response_body_limit(&self) -> u64 {
        self.options.response_body_limit
    }

    /// Whether the response body must be passed to [`Transaction::response_body`]: SecResponseBodyAccess is On, and the type is
    /// in SecResponseBodyMimeType. Valid after [`Transaction::response_headers_done`].
    pub fn inspects_response_body(&self) -> bool {
        if !self.reads_response_bodies() {
            return false;
        }
        let types = &self.rules.settings.response_body_mime_types;
        match self.response.content_type {
            None => types.contains("null"),
            Some(content_type) => {
                let text = String::from_utf8_lossy(self.memory.get(content_type.value));
                let bare = text.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
                types.contains(&bare)
            }
        }
    }

    /// Takes a part of the response body, in order. The limit works as for [`Transaction::request_body`].
    pub fn response_body(&mut self, chunk: &[u8]) -> BodyProgress {
        if let Some(intervention) = &self.intervention {
            return BodyProgress::Decided(intervention.clone());
        }
        self.response.inspected = true;
        let limit = usize::try_from(self.options.response_body_limit).unwrap_or(usize::MAX);
        let room = limit.saturating_sub(self.response.body.len());
        let taken = chunk.len().min(room);
        let rejects = self.limit_rejects(self.rules.settings.response_body_limit_action);
        if taken < chunk.len() && rejects {
            self.response.body_truncated = true;
            let words =
                format!("response body is larger than the configured limit (SecResponseBodyLimit {limit})");
            return self.refuse(SERVER_ERROR, 4, words);
        }
        self.response.body = self.memory.append(self.response.body, &chunk[..taken]);
        self.response.body_length += taken;
        self.response.body_variable = match self.response.body_variable {
            Some(single) => {
                self.values.replace(single.id, self.response.body);
                Some(Single { value: self.response.body, id: single.id })
            }
            None => self.late_single(self.response.body),
        };
        if taken < chunk.len() {
            self.response.body_truncated = true;
            return BodyProgress::Full;
        }
        BodyProgress::More
    }

    /// Whether the limit action for response bodies lets a partly inspected body pass.
    pub fn passes_partial_response(&self) -> bool {
        self.rules.settings.response_body_limit_action == LimitAction::ProcessPartial
    }
}
