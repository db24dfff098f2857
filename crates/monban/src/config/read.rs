//! From TOML text to a [`Config`], with every fault at its place.
//!
//! serde stops at the first fault. So the value at fault is taken out of the document and the rest is read again, until it is
//! read without a fault or a key that was taken out is missing.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::Config;
use super::places::{self, About};

/// Faults of one file; more are not told.
const MAX_FAULTS: usize = 100;

pub fn read(name: &str, text: &str) -> Result<Config, Vec<String>> {
    let (config, _, faults) = recover(text);
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(located(name, text, faults)),
    }
}

/// Everything that is wrong with a text, also with its values, as `check` finds it. What is wrong with values of one of a list of
/// tables is not told where something was taken out of that: it may come from that.
pub fn examine(name: &str, text: &str, check: impl FnOnce(Config) -> Vec<(About, String)>) -> Vec<String> {
    let (config, document, mut faults) = recover(text);
    let taken: Vec<usize> = faults.iter().map(|(at, _)| *at).collect();
    let mut elsewhere = Vec::new();
    for (about, fault) in config.map(check).into_iter().flatten() {
        match places::find(&document, about, &fault) {
            Some(place) => {
                // One of a list goes on to the next header; in other tables no key needs another.
                let begin = text[..place.start].rfind("\n[").map_or(0, |at| at + 1);
                let end = text[place.start..].find("\n[").map_or(text.len(), |at| place.start + at);
                let needs_others = text[begin..].starts_with("[[");
                if !needs_others || !taken.iter().any(|at| (begin..end).contains(at)) {
                    faults.push((place.start, fault));
                }
            }
            None if about == About::Elsewhere => elsewhere.push(fault),
            None if taken.is_empty() => elsewhere.push(format!("{name}: {fault}")),
            None => {}
        }
    }
    located(name, text, faults).into_iter().chain(elsewhere).collect()
}

/// What can be read of a text, and every fault with its place. Of what is no TOML, there is no configuration.
fn recover(text: &str) -> (Option<Config>, Spanned<DeTable<'_>>, Vec<(usize, String)>) {
    let (mut document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        let mut faults: Vec<(usize, String)> = syntax
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), one_line(error.message())))
            .collect();
        faults.truncate(MAX_FAULTS);
        return (None, document, faults);
    }
    let mut faults: Vec<(usize, String)> = Vec::new();
    let mut taken: Vec<(usize, String)> = Vec::new();
    let config = loop {
        let error = match Config::deserialize(Deserializer::from(document.clone())) {
            Ok(config) => break Some(config),
            Err(error) => error,
        };
        let Some(span) = error.span() else {
            faults.push((0, one_line(error.message())));
            break None;
        };
        let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        // A key that is missing because it was taken out, or misspelt, has been told of.
        let told = |(at, key): &(usize, String)| {
            Some(key.as_str()) == missing
                && text.get(span.start..*at).is_some_and(|between| !between.contains("\n["))
        };
        let is_told = taken.iter().any(told);
        let key = take_out(document.get_mut(), &span);
        let (fault, near) = message(error.message(), key.as_deref().unwrap_or_default());
        if !is_told {
            faults.push((span.start, fault));
        }
        match near.or(key) {
            Some(key) if faults.len() < MAX_FAULTS => taken.push((span.start, key)),
            _ => break None,
        }
    };
    (config, document, faults)
}

/// Removes the innermost entry whose key or value has the span, or an element of a list. Returns the nearest key.
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

/// As [`take_out`]; the key is empty if an element of this very list went.
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

/// serde's words in those of a configuration file, for a fault at `key`; and the known key that an unknown one may mean.
fn message(error: &str, key: &str) -> (String, Option<String>) {
    let plain = |text: &str| (text.to_owned(), None);
    for what in ["field", "variant"] {
        if let Some(rest) = error.strip_prefix(&format!("unknown {what} `")) {
            let (found, known) = rest.split_once("`, ").unwrap_or((rest, ""));
            let kind = if what == "field" { "key" } else { "value" };
            let known: Vec<String> = known.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            return match nearest(found, &known) {
                Some(near) => (
                    format!("unknown {kind} `{found}`; did you mean `{near}`?"),
                    (what == "field").then(|| near.clone()),
                ),
                None => (format!("unknown {kind} `{found}`; known: {}", known.join(", ")), None),
            };
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
            "tls" => "`tls` takes { certificate = \"FILE\", key = \"FILE\" } or a list of them",
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

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

/// The known name that a slip may have made this one of.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    // Nobody mistypes a long text into a name, and the distance takes quadratic time.
    let allowed = if name.len() > 64 { return None } else { (name.len() / 3).clamp(1, 4) };
    known
        .iter()
        .map(|known| (strsim::osa_distance(&name.to_ascii_lowercase(), known), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `file:line:column: fault`, in the order of the text; columns count characters.
fn located(name: &str, text: &str, mut faults: Vec<(usize, String)>) -> Vec<String> {
    faults.sort();
    faults.dedup();
    let place = |at: usize| {
        let before = &text[..text.floor_char_boundary(at)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    };
    faults
        .into_iter()
        .map(|(at, fault)| {
            let (line, column) = place(at);
            format!("{name}:{line}:{column}: {fault}")
        })
        .collect()
}
