//! Values that the rules of one request hide (`sanitiseArg`, `sanitiseMatched` and the like).

use std::borrow::Cow;

use memchr::memmem;

use super::names::Names;
use super::{Found, REDACTED, collection};
use crate::{ByteString, RequestEvidence};

/// Fields of one request that its rules hide, as names and as values.
///
/// Names are compared without case, as in ModSecurity 2. The name of an argument in a JSON body is its path; redaction
/// searches the body for the last part of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Arguments.
    pub arguments: Vec<HiddenField>,
    /// Headers of the request.
    pub request_headers: Vec<HiddenField>,
    /// Headers of the response.
    pub response_headers: Vec<HiddenField>,
    /// Texts to hide everywhere.
    pub texts: Vec<Vec<u8>>,
    /// Whether rules hide more than the limit. If so, every argument, the request's body and the texts of rules are
    /// hidden.
    pub everything: bool,
}

/// A hidden field of a request or response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenField {
    /// The field's name.
    pub name: Vec<u8>,
    /// Its values, decoded.
    pub values: Vec<Vec<u8>>,
    /// If not empty, only these parts of the values are hidden; a value that contains none of them is hidden as a
    /// whole.
    pub parts: Vec<HiddenPart>,
}

/// A part of a value, from `sanitiseMatchedBytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenPart {
    /// The text of the part.
    pub text: Vec<u8>,
    /// Bytes at its beginning that stay visible.
    pub first: usize,
    /// Bytes at its end that stay visible.
    pub last: usize,
}

impl Hidden {
    /// Returns whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.arguments.is_empty()
            && self.request_headers.is_empty()
            && self.response_headers.is_empty()
            && self.texts.is_empty()
            && !self.everything
    }

    /// Replaces the texts to hide everywhere.
    pub(super) fn replace_texts(&self, text: &mut ByteString) {
        if !self.texts.is_empty() {
            let mut found = Found::default();
            self.texts.iter().for_each(|text| found.add_hidden(text, REDACTED.into()));
            found.sort();
            found.replace(text);
        }
    }

    /// Replaces them in every text of a request and its response.
    pub(super) fn replace_texts_in(&self, request: &mut RequestEvidence) {
        if let Some(body) = request.body.as_mut().filter(|_| self.everything) {
            body.bytes = REDACTED.into();
            body.windows.clear();
        }
        self.replace_texts(&mut request.line);
        let (headers, body) = match &mut request.response {
            Some(response) => (&mut response.headers[..], response.body.as_mut()),
            None => (&mut [][..], None),
        };
        for header in request.headers.iter_mut().chain(headers) {
            self.replace_texts(&mut header.value);
        }
        for body in request.body.iter_mut().chain(body) {
            self.replace_texts(&mut body.bytes);
            body.windows.iter_mut().for_each(|window| self.replace_texts(&mut window.bytes));
        }
    }

    /// Adds the values to search for in the texts of rules.
    pub(super) fn find_in_texts(&self, found: &mut Found) {
        found.too_many |= self.everything;
        for field in self.arguments.iter().chain(&self.request_headers).chain(&self.response_headers) {
            for part in &field.parts {
                found.add_hidden(&part.text, part.shown());
            }
            for value in field.values.iter().filter(|_| field.parts.is_empty()) {
                found.add_hidden(value, REDACTED.into());
            }
        }
        for text in &self.texts {
            found.add_hidden(text, REDACTED.into());
        }
    }
}

impl HiddenField {
    fn is_named(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns the replacement of a value.
    pub fn shown(&self, value: &[u8]) -> Vec<u8> {
        let mut shown = Cow::Borrowed(value);
        let mut parts: Vec<&HiddenPart> = self.parts.iter().filter(|part| !part.text.is_empty()).collect();
        // The longest part first, so that it is replaced before parts that it contains.
        parts.sort_by_key(|part| std::cmp::Reverse(part.text.len()));
        for part in parts {
            let lower = shown.to_ascii_lowercase();
            let wanted = part.text.to_ascii_lowercase();
            let mut replaced = Vec::new();
            let mut rest = 0;
            for at in memmem::find_iter(&lower, &wanted) {
                let whole = &shown[at..at + wanted.len()];
                replaced.extend_from_slice(&shown[rest..at]);
                replaced.extend_from_slice(&part.cut(whole));
                rest = at + wanted.len();
            }
            if rest > 0 {
                replaced.extend_from_slice(&shown[rest..]);
                shown = Cow::Owned(replaced);
            }
        }
        match shown {
            Cow::Owned(shown) => shown,
            // In a value that was already cut, the part is missing.
            Cow::Borrowed(value) if memmem::find(value, REDACTED.as_bytes()).is_some() => value.to_vec(),
            Cow::Borrowed(_) => REDACTED.into(),
        }
    }
}

impl HiddenPart {
    fn shown(&self) -> Vec<u8> {
        self.cut(&self.text)
    }

    /// Replaces the middle of the text, or all of it if the visible ends would meet.
    fn cut(&self, text: &[u8]) -> Vec<u8> {
        match self.first.checked_add(self.last) {
            Some(kept) if kept < text.len() => {
                [&text[..self.first], REDACTED.as_bytes(), &text[text.len() - self.last..]].concat()
            }
            _ => REDACTED.into(),
        }
    }
}

/// The secret names of one request, from the configuration and from its rules.
#[derive(Clone, Copy)]
pub(super) struct Secrets<'a> {
    pub names: &'a Names,
    pub hidden: Option<&'a Hidden>,
}

impl<'a> Secrets<'a> {
    /// Returns whether a field with this (decoded) name is a secret.
    pub(super) fn secret(&self, name: &[u8]) -> bool {
        self.field(name).is_some() || self.secret_argument(name)
    }

    /// Does the same as [`Secrets::secret`], without the names from rules.
    pub(super) fn secret_argument(&self, name: &[u8]) -> bool {
        self.hidden.is_some_and(|hidden| hidden.everything) || self.names.secret(name)
    }

    /// Returns the hidden field that a variable (`ARGS:pin`) names, from the rules.
    pub(super) fn variable(&self, variable: &[u8]) -> Option<&'a HiddenField> {
        let hidden = self.hidden?;
        let (collection, selector) = collection(variable);
        let fields = match collection.to_ascii_uppercase().as_slice() {
            b"ARGS" | b"ARGS_GET" | b"ARGS_POST" => &hidden.arguments,
            b"REQUEST_HEADERS" => &hidden.request_headers,
            b"RESPONSE_HEADERS" => &hidden.response_headers,
            _ => return None,
        };
        named(fields, selector?)
    }

    /// Does the same as [`Secrets::secret`] for a key in JSON, which may be the last part of an argument's name.
    pub(super) fn secret_key(&self, key: &[u8]) -> bool {
        self.secret(key)
            || self.hidden.is_some_and(|hidden| {
                hidden.arguments.iter().any(|field| last_part(&field.name).eq_ignore_ascii_case(key))
            })
    }

    /// Returns the replacement of a secret field's value.
    pub(super) fn shown(&self, name: &[u8], value: &[u8]) -> Vec<u8> {
        match self.field(name) {
            Some(field) if !self.names.secret(name) => field.shown(value),
            _ => REDACTED.into(),
        }
    }

    /// Returns the replacement of a JSON string that is the value of a hidden argument.
    pub(super) fn shown_value(&self, value: &[u8]) -> Option<Vec<u8>> {
        let hidden = self.hidden.filter(|_| !value.is_empty())?;
        let field = hidden.arguments.iter().find(|field| field.values.iter().any(|known| known == value))?;
        Some(field.shown(value))
    }

    fn field(&self, name: &[u8]) -> Option<&'a HiddenField> {
        named(&self.hidden?.arguments, name)
    }
}

/// Returns the hidden field with this name.
pub(super) fn named<'a>(hidden: &'a [HiddenField], name: &[u8]) -> Option<&'a HiddenField> {
    hidden.iter().find(|field| field.is_named(name))
}

fn last_part(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b'.').next().unwrap_or_default()
}
