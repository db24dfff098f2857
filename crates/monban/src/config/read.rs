//! From TOML text to a [`Config`], with every fault at its place.
//!
//! serde stops at the first fault. So the value at fault is taken out of the document and the rest is read again, until it is
//! read without a fault or a key that was taken out is missing.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::Config;

/// Faults of one file; more are not told.
const MAX_FAULTS: usize = 100;

pub fn read(name: &str, text: &str) -> Result<Config, Vec<String>> {
    let (mut document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        let mut faults: Vec<(usize, String)> = syntax
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), one_line(error.message())))
            .collect();
        faults.truncate(MAX_FAULTS);
        return Err(located(name, text, faults));
    }
    let mut faults: Vec<(usize, String)> = Vec::new();
    loop {
        let error = match Config::deserialize(Deserializer::from(document.clone())) {
            Ok(config) if faults.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(error) => error,
        };
        let Some(span) = error.span() else {
            faults.push((0, one_line(error.message())));
            break;
        };
        let missing = error.message().strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        // A key that is missing because it was taken out has been told of.
        let taken_out = missing.is_some() && faults.iter().any(|(at, _)| span.contains(at));
        if !taken_out {
            faults.push((span.start, message(error.message())));
        }
        if faults.len() >= MAX_FAULTS || !take_out(document.get_mut(), &span) {
            break;
        }
    }
    Err(located(name, text, faults))
}

/// Removes the innermost entry whose key or value has the span. False if there is none.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let deeper = table.iter_mut().any(|(_, value)| take_out_of_value(value.get_mut(), span));
    if deeper {
        return true;
    }
    let found = table.iter().find(|(key, value)| within(key.span()) || within(value.span()));
    match found.map(|(key, _)| key.clone()) {
        Some(key) => table.remove(&key).is_some(),
        None => false,
    }
}

fn take_out_of_value(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(array) => {
            if array.iter_mut().any(|element| take_out_of_value(element.get_mut(), span)) {
                return true;
            }
            let within = |element: &Spanned<DeValue<'_>>| {
                element.span().start <= span.start && span.end <= element.span().end
            };
            let Some(at) = array.iter().position(within) else { return false };
            let mut rest = DeArray::new();
            for (_, element) in array.iter().enumerate().filter(|(index, _)| *index != at) {
                rest.push(element.clone());
            }
            *array = rest;
            true
        }
        _ => false,
    }
}

/// serde's words in those of a configuration file.
fn message(error: &str) -> String {
    let names =
        |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    for what in ["field", "variant"] {
        if let Some(rest) = error.strip_prefix(&format!("unknown {what} `")) {
            let (found, known) = rest.split_once("`, ").unwrap_or((rest, ""));
            let kind = if what == "field" { "key" } else { "value" };
            let known = names(known);
            return match nearest(found, &known) {
                Some(near) => format!("unknown {kind} `{found}`; did you mean `{near}`?"),
                None => format!("unknown {kind} `{found}`; known: {}", known.join(", ")),
            };
        }
    }
    if let Some(rest) = error.strip_prefix("missing field ") {
        return format!("missing key {rest}");
    }
    if error.contains("untagged enum Written") {
        return "not a time span: write seconds or a text like \"500ms\", \"30s\", \"5m\", \"1h\"".to_owned();
    }
    if error.contains("untagged enum OneOrMany") {
        return "neither a value of the right form nor a list of them".to_owned();
    }
    one_line(error)
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
