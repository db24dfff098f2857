//! Values that `sanitise…` actions hide in logs and events.

use event::redaction::{Hidden, HiddenField, HiddenPart};
use seclang::action::Sanitise;

use super::Transaction;
use crate::limits;
use crate::operators::Captures;
use crate::plan::source::Source;
use crate::rule::Link;

/// Fields of a matched variable.
enum Place {
    Arguments,
    RequestHeaders,
    ResponseHeaders,
}

impl Transaction {
    /// Returns the values to hide in all records of this transaction; none if nothing is to be hidden. Call it after
    /// [`Transaction::logging`].
    pub fn hidden(&self) -> Option<Hidden> {
        // Rules that did not run because of the deadline might have hidden something.
        let not_run = self.rules.sanitised.iter().filter(|_| self.overrun().is_some());
        let mut hidden = match &self.hidden {
            Some(hidden) => (**hidden).clone(),
            None if self.overrun().is_some() && !self.rules.sanitised.is_empty() => Hidden::default(),
            None => return None,
        };
        for (what, name) in not_run {
            if let Some(fields) = fields_of(&mut hidden, *what) {
                add_name(fields, name);
            }
        }
        for field in &mut hidden.arguments {
            for source in [Source::Get, Source::Post, Source::Json] {
                for (key, value, _) in self.inputs(source).iter() {
                    if key.is_some_and(|key| self.memory.get(key).eq_ignore_ascii_case(&field.name)) {
                        field.values.push(self.memory.get(value).to_vec());
                    }
                }
            }
        }
        Some(hidden)
    }

    /// Runs `sanitiseArg` and similar actions.
    pub(super) fn sanitise(&mut self, what: Sanitise, name: &[u8], link: &Link) {
        let mut hidden = self.hidden.take().unwrap_or_default();
        match what {
            Sanitise::Arg | Sanitise::RequestHeader | Sanitise::ResponseHeader => {
                if let Some(fields) = fields_of(&mut hidden, what) {
                    add_name(fields, name);
                }
            }
            Sanitise::Matched => self.sanitise_matched(&mut hidden, None, link),
            Sanitise::MatchedBytes => self.sanitise_matched(&mut hidden, Some(kept(name)), link),
        }
        let names = [&hidden.arguments, &hidden.request_headers, &hidden.response_headers];
        if names.iter().any(|fields| fields.len() > limits::HIDDEN_FIELDS)
            || hidden.texts.len() > limits::HIDDEN_FIELDS
        {
            *hidden = Hidden { everything: true, ..Hidden::default() };
        }
        self.hidden = Some(hidden);
    }

    /// Hides the field that matched last. With `kept` it hides only the operator's matches, except this number of bytes at their
    /// start and end.
    fn sanitise_matched(&self, hidden: &mut Hidden, kept: Option<(usize, usize)>, link: &Link) {
        // A variable in `noted` is a number that rules computed.
        let Some(matched) = self.matched.as_ref().filter(|_| self.noted.is_none()) else { return };
        let (name, value) = (self.memory.get(matched.name), self.memory.get(matched.value));
        let (collection, selector) = match memchr::memchr(b':', name) {
            Some(colon) => (&name[..colon], Some(&name[colon + 1..])),
            None => (name, None),
        };
        let (place, is_name) = match collection {
            b"ARGS" | b"ARGS_GET" | b"ARGS_POST" => (Place::Arguments, false),
            b"ARGS_NAMES" | b"ARGS_GET_NAMES" | b"ARGS_POST_NAMES" => (Place::Arguments, true),
            b"REQUEST_HEADERS" => (Place::RequestHeaders, false),
            b"REQUEST_HEADERS_NAMES" => (Place::RequestHeaders, true),
            b"RESPONSE_HEADERS" => (Place::ResponseHeaders, false),
            b"RESPONSE_HEADERS_NAMES" => (Place::ResponseHeaders, true),
            // Cookies are always hidden.
            b"REQUEST_COOKIES" | b"REQUEST_COOKIES_NAMES" => return,
            _ => {
                hide_text(hidden, value);
                return;
            }
        };
        let Some(selector) = selector else { return };
        let fields = match place {
            Place::Arguments => &mut hidden.arguments,
            Place::RequestHeaders => &mut hidden.request_headers,
            Place::ResponseHeaders => &mut hidden.response_headers,
        };
        match kept.filter(|_| !is_name) {
            None => add_name(fields, selector),
            Some(kept) => add_parts(fields, selector, self.matched_parts(value, link), kept),
        }
    }

    /// Returns the parts of a value that the link's operator matches; none if the operator does not report them, or if they are
    /// too many.
    fn matched_parts(&self, value: &[u8], link: &Link) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let Some(test) = link.test.as_ref().filter(|test| !test.negated && test.argument.is_none()) else {
            return parts;
        };
        let mut rest = value;
        while !rest.is_empty() && parts.len() <= limits::HIDDEN_PARTS {
            let mut captures = Captures::new(true);
            if !matches!(test.operator.matches(rest, None, &mut captures), Ok(true)) {
                return parts;
            }
            let Some(range) = captures.matched_range() else {
                parts.extend(captures.get(0, rest).filter(|text| !text.is_empty()).map(<[u8]>::to_vec));
                return parts;
            };
            if !range.is_empty() {
                parts.push(rest[range.clone()].to_vec());
            }
            rest = &rest[range.end.max(range.start + 1).min(rest.len())..];
        }
        if parts.len() > limits::HIDDEN_PARTS { Vec::new() } else { parts }
    }
}

/// Returns the list of fields for an action with a name.
fn fields_of(hidden: &mut Hidden, what: Sanitise) -> Option<&mut Vec<HiddenField>> {
    match what {
        Sanitise::Arg => Some(&mut hidden.arguments),
        Sanitise::RequestHeader => Some(&mut hidden.request_headers),
        Sanitise::ResponseHeader => Some(&mut hidden.response_headers),
        Sanitise::Matched | Sanitise::MatchedBytes => None,
    }
}

/// Adds a field that is hidden as a whole.
fn add_name(fields: &mut Vec<HiddenField>, name: &[u8]) {
    match fields.iter_mut().find(|field| field.name.eq_ignore_ascii_case(name)) {
        Some(field) => field.parts.clear(),
        None => fields.push(HiddenField { name: name.to_vec(), ..HiddenField::default() }),
    }
}

/// Adds parts of a field. A field that is hidden as a whole stays so; without parts, the whole field is hidden.
fn add_parts(fields: &mut Vec<HiddenField>, name: &[u8], parts: Vec<Vec<u8>>, (first, last): (usize, usize)) {
    if parts.is_empty() {
        return add_name(fields, name);
    }
    let parts = parts.into_iter().map(|text| HiddenPart { text, first, last });
    match fields.iter_mut().find(|field| field.name.eq_ignore_ascii_case(name)) {
        Some(field) if field.parts.is_empty() => {}
        Some(field) if field.parts.len() > limits::HIDDEN_PARTS => field.parts.clear(),
        Some(field) => {
            for part in parts {
                if !field.parts.contains(&part) {
                    field.parts.push(part);
                }
            }
        }
        None => fields.push(HiddenField { name: name.to_vec(), parts: parts.collect(), values: Vec::new() }),
    }
}

/// Hides a text wherever it occurs. A short text is not hidden, because it occurs in harmless text.
fn hide_text(hidden: &mut Hidden, text: &[u8]) {
    if text.len() > limits::HIDDEN_TEXT {
        hidden.everything = true;
    } else if text.len() >= limits::SHORTEST_HIDDEN_TEXT && !hidden.texts.iter().any(|known| known == text) {
        hidden.texts.push(text.to_vec());
    }
}

/// Parses `1/4`: numbers of bytes to show at the start and at the end.
fn kept(text: &[u8]) -> (usize, usize) {
    let number = |text: &str| text.trim().parse().unwrap_or(0);
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.split_once('/'))
        .map_or((0, 0), |(first, last)| (number(first), number(last)))
}
