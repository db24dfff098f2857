//! Conversion of TOML text to sections, with the location of every fault.
//!
//! serde stops at the first fault. The parser therefore removes the faulty value from the document and reads the rest
//! again, until no fault remains or a removed key is missing.

use std::fmt;
use std::ops::Range;

use finding::{Fault, Key, KeyPath, Place};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

/// Faults of one file; further faults are not reported.
const MAX_FAULTS: usize = 100;

/// A fault with its location in a file, for people and for `--json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Located {
    /// The file.
    pub file: String,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The key that a check reports, such as `listen[0].tls`; empty for a fault of the text itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The fault, in one line.
    pub what: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Located {
    /// Creates a fault of a file, without a key.
    pub fn in_file(file: &str, line: Option<usize>, what: String) -> Self {
        Self { file: file.to_owned(), line, column: None, key: String::new(), what, hint: None }
    }
}

/// Writes `file:line:column: key: fault; hint`.
impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// A document whose sections are being parsed.
pub struct Parsed<'a> {
    name: &'a str,
    text: &'a str,
    /// The document as written.
    whole: Spanned<DeTable<'a>>,
    is_toml: bool,
    /// Faults of the text.
    faults: Vec<(usize, String)>,
    /// Faults from checks.
    checked: Vec<Located>,
}

impl<'a> Parsed<'a> {
    /// Parses the text.
    pub fn new(name: &'a str, text: &'a str) -> Self {
        let (whole, syntax) = DeTable::parse_recoverable(text);
        let mut faults: Vec<(usize, String)> = syntax
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), one_line(error.message())))
            .collect();
        faults.truncate(MAX_FAULTS);
        Self { name, text, whole, is_toml: faults.is_empty(), faults, checked: Vec::new() }
    }

    /// Returns whether the text is TOML. If not, it has no sections.
    pub fn is_toml(&self) -> bool {
        self.is_toml
    }

    /// Reports top-level keys that are not in `known`.
    pub fn refuse_unknown_keys(&mut self, known: &[&str]) {
        if !self.is_toml {
            return;
        }
        let known: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
        for key in
            self.whole.get_ref().keys().filter(|key| !known.iter().any(|known| known == &**key.get_ref()))
        {
            if self.faults.len() < MAX_FAULTS {
                self.faults.push((key.span().start, unknown("key", key.get_ref(), &known).0));
            }
        }
    }

    /// Reads a section, which is the part of the document with these keys. Returns none if it cannot be read at all.
    pub fn section<T: DeserializeOwned>(&mut self, keys: &[&str]) -> Option<T> {
        if !self.is_toml {
            return None;
        }
        let mut document = self.whole.clone();
        let others: Vec<_> =
            document.get_ref().keys().filter(|key| !keys.contains(&&**key.get_ref())).cloned().collect();
        for key in others {
            document.get_mut().remove(&key);
        }
        let mut taken: Vec<(usize, String)> = Vec::new();
        loop {
            let error = match T::deserialize(Deserializer::from(document.clone())) {
                Ok(section) => return Some(section),
                Err(error) => error,
            };
            let Some(span) = error.span() else {
                self.faults.push((0, one_line(error.message())));
                return None;
            };
            let missing =
                error.message().strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
            // A key that is missing because it was removed or misspelt has already been reported.
            let is_reported = taken.iter().any(|(at, key)| {
                Some(key.as_str()) == missing
                    && self.text.get(span.start..*at).is_some_and(|between| !between.contains("\n["))
            });
            let key = take_out(document.get_mut(), &span);
            let (fault, near) = message(error.message(), key.as_deref().unwrap_or_default());
            if !is_reported {
                self.faults.push((span.start, fault));
            }
            match near.or(key) {
                Some(key) if self.faults.len() < MAX_FAULTS => taken.push((span.start, key)),
                _ => return None,
            }
        }
    }

    /// Adds faults that checks found in the sections. Omits a fault in an element of a list whose text has a fault, and
    /// one without a location if the text has any fault, because that may be the cause.
    pub fn add(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            let span = self.span(&fault);
            let follows = match (&span, &fault.place) {
                (_, Place::File { .. }) => false,
                (None, _) => !self.faults.is_empty(),
                (Some(place), _) => {
                    // An element extends to the next header; in other tables no key depends on another.
                    let begin = self.text[..place.start].rfind("\n[").map_or(0, |at| at + 1);
                    let end =
                        self.text[place.start..].find("\n[").map_or(self.text.len(), |at| place.start + at);
                    self.text[begin..].starts_with("[[")
                        && self.faults.iter().any(|(at, _)| (begin..end).contains(at))
                }
            };
            if !follows {
                let located = self.located(fault, span);
                if !self.checked.contains(&located) {
                    self.checked.push(located);
                }
            }
        }
    }

    /// Returns the locations of faults.
    pub fn locate(&self, faults: Vec<Fault>) -> Vec<Located> {
        faults
            .into_iter()
            .map(|fault| {
                let span = self.span(&fault);
                self.located(fault, span)
            })
            .collect()
    }

    /// Returns the faults of the text and of checks, in order of location.
    pub fn faults(&self) -> Vec<Located> {
        let of_text = self.faults.iter().map(|(at, what)| {
            let (line, column) = self.place(*at);
            Located {
                line: Some(line),
                column: Some(column),
                ..Located::in_file(self.name, None, what.clone())
            }
        });
        let mut all: Vec<Located> = of_text.chain(self.checked.iter().cloned()).collect();
        // other files come last, in the order of the checks
        all.sort_by_key(|located| (located.file != self.name, located.line, located.column));
        all.dedup();
        all
    }

    /// Returns the byte range of a fault's key, or of the nearest enclosing table.
    fn span(&self, fault: &Fault) -> Option<Range<usize>> {
        match &fault.place {
            Place::Span(span) => Some(span.clone()),
            Place::File { .. } => None,
            Place::Key => span_of(self.whole.get_ref(), &fault.key),
        }
    }

    fn located(&self, fault: Fault, span: Option<Range<usize>>) -> Located {
        let Fault { key, place, what, hint } = fault;
        let (file, line, column) = match (place, span) {
            (Place::File { path, line, column }, _) => (path.display().to_string(), line, column),
            (_, Some(span)) => {
                let (line, column) = self.place(span.start);
                (self.name.to_owned(), Some(line), Some(column))
            }
            (_, None) => (self.name.to_owned(), None, None),
        };
        Located { file, line, column, key: key.to_string(), what, hint }
    }

    /// Returns line and column of a byte. Columns count characters.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }
}

/// Returns the range of a key: its name, or the element of a list. If the document lacks it, returns the nearest
/// enclosing table.
fn span_of(table: &DeTable<'_>, path: &KeyPath) -> Option<Range<usize>> {
    let mut found = None;
    let mut table = Some(table);
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for key in &path.0 {
        match key {
            Key::Name(name) => {
                let entry = table?.iter().find(|(key, _)| &**key.get_ref() == name.as_str());
                let Some((key, inner)) = entry else { return found };
                found = Some(key.span());
                value = Some(inner);
            }
            Key::Index(index) => {
                let Some(element) = value.and_then(|value| value.get_ref().as_array()?.get(*index)) else {
                    // a single value may stand for a list of one
                    continue;
                };
                found = Some(element.span());
                value = Some(element);
            }
        }
        table = value.and_then(|value| value.get_ref().as_table());
        if table.is_none() && !value.is_some_and(|value| value.get_ref().is_array()) {
            return found;
        }
    }
    found
}

/// Removes the innermost entry whose key or value contains the span, or an element of a list. Returns the nearest key.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table.iter_mut() {
        if let Some(taken) = take_out_of_value(value.get_mut(), span) {
            let key = key.get_ref().to_string();
            return Some(if taken.is_empty() { key } else { taken });
        }
    }
    let found = table.iter().find(|(key, value)| within(key.span()) || within(value.span()));
    let key = found.map(|(key, _)| key.clone())?;
    table.remove(&key);
    Some(key.get_ref().to_string())
}

/// Removes as [`take_out`] does. The returned key is empty if an element of this list was removed.
fn take_out_of_value(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(array) => {
            if let Some(key) = array.iter_mut().find_map(|element| take_out_of_value(element.get_mut(), span))
            {
                return Some(key);
            }
            let within = |element: &Spanned<DeValue<'_>>| {
                element.span().start <= span.start && span.end <= element.span().end
            };
            let at = array.iter().position(within)?;
            let mut rest = DeArray::new();
            for (_, element) in array.iter().enumerate().filter(|(index, _)| *index != at) {
                rest.push(element.clone());
            }
            *array = rest;
            Some(String::new())
        }
        _ => None,
    }
}

/// Rewrites serde's message in terms of the configuration file, for a fault at `key`. Also returns the known key
/// closest to an unknown one.
fn message(error: &str, key: &str) -> (String, Option<String>) {
    let plain = |text: &str| (text.to_owned(), None);
    for what in ["field", "variant"] {
        if let Some(rest) = error.strip_prefix(&format!("unknown {what} `")) {
            let (found, known) = rest.split_once("`, ").unwrap_or((rest, ""));
            let known: Vec<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let (message, near) = unknown(if what == "field" { "key" } else { "value" }, found, &known);
            return (message, near.filter(|_| what == "field"));
        }
    }
    if let Some(rest) = error.strip_prefix("missing field ") {
        return (format!("missing key {rest}"), None);
    }
    if error.contains("untagged enum Written") {
        return plain("not a time span: write seconds or a text like \"500ms\", \"30s\", \"5m\", \"1h\"");
    }
    if error.contains("untagged enum OneOrMany") {
        return plain(match key {
            "tls" => "`tls` takes \"auto\", { certificate = \"FILE\", key = \"FILE\" } or a list of them",
            "upstream" => "`upstream` takes an address such as \"http://127.0.0.1:3000\" or a list of them",
            _ => "takes a text or a list of texts",
        });
    }
    if error == "invalid socket address syntax" {
        return plain("not an address with a port, such as \"127.0.0.1:8600\" or \"[::]:443\"");
    }
    let mut text = one_line(error);
    let unsigned = |bits: u32| format!("expected a number from 0 to {}", u64::MAX >> (64 - bits));
    for (theirs, ours) in [
        ("expected path string", "expected a path".to_owned()),
        ("expected a sequence", "expected a list".to_owned()),
        ("invalid type: map", "invalid type: table".to_owned()),
        ("expected u16", unsigned(16)),
        ("expected u32", unsigned(32)),
        ("expected u64", unsigned(63)),
        ("expected usize", unsigned(63)),
    ] {
        text = text.replace(theirs, &ours);
    }
    match text.split_once("expected struct ") {
        Some((before, _)) => (format!("{before}expected a table"), None),
        None => (text, None),
    }
}

/// Returns the message for an unknown key or value, and the known one closest to it.
fn unknown(kind: &str, found: &str, known: &[String]) -> (String, Option<String>) {
    match nearest(found, known) {
        Some(near) => (format!("unknown {kind} `{found}`; did you mean `{near}`?"), Some(near.clone())),
        None => (format!("unknown {kind} `{found}`; known: {}", known.join(", ")), None),
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

/// Returns the known name of which `name` may be a misspelling.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    // A long text is not a mistyped name, and the distance takes quadratic time.
    let allowed = if name.len() > 64 { return None } else { (name.len() / 3).clamp(1, 4) };
    known
        .iter()
        .map(|known| (strsim::osa_distance(&name.to_ascii_lowercase(), known), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
