//! Where in a configuration file stands what a check has found wrong with its values.
//!
//! Checks tell of values, not of places. A fault begins with what it is about (`[[sensors]] web3: …`, `[receiver] …`,
//! `data_dir …`), and tells the key or the value that it is about; that is looked for in the document.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What its text begins with.
    Text,
    /// A table, or one of the tables of a list.
    Table(&'static str, Option<usize>),
    /// A place that is told already, or none in this file.
    Elsewhere,
}

/// Where the document has what a fault is about: the key, or the table where no key is told.
pub fn find(document: &Spanned<DeTable<'_>>, about: About, fault: &str) -> Option<Range<usize>> {
    let top = document.get_ref();
    match about {
        About::Elsewhere => None,
        About::Table(name, index) => match (value(top, name)?, index) {
            (found, None) => within(found, fault),
            (found, Some(index)) => within(found.get_ref().as_array()?.get(index)?, fault),
        },
        About::Text => match fault.strip_prefix("[[").and_then(|rest| rest.split_once("]]")) {
            Some((name, rest)) => {
                let elements = value(top, name)?.get_ref().as_array()?;
                within(
                    elements
                        .iter()
                        .filter_map(|element| Some((named(element, rest)?, element)))
                        .max_by_key(|(length, _)| *length)?
                        .1,
                    rest,
                )
            }
            None => match fault.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((name, rest)) => within(value(top, name)?, rest),
                None => key_told(top, fault),
            },
        },
    }
}

/// The value of a key such as `waf` or `notify.slack`.
fn value<'a, 'text>(table: &'a DeTable<'text>, name: &str) -> Option<&'a Spanned<DeValue<'text>>> {
    match name.split_once('.') {
        Some((first, rest)) => value(table.get(first)?.get_ref().as_table()?, rest),
        None => table.get(name),
    }
}

/// How long the name or the path is by which the text calls this element.
fn named(element: &Spanned<DeValue<'_>>, text: &str) -> Option<usize> {
    let table = element.get_ref().as_table()?;
    let of = |key: &str| table.get(key)?.get_ref().as_str();
    // A path was made absolute since.
    match (of("name"), of("path")) {
        (Some(name), _) => {
            let text = text.trim_start().trim_start_matches("name ").trim_start_matches(['`', '"']);
            let rest = text.strip_prefix(name)?;
            (!rest.starts_with(|c: char| c.is_alphanumeric())).then_some(name.len())
        }
        (None, path) => path.filter(|path| text.contains(path)).map(str::len),
    }
}

fn within(value: &Spanned<DeValue<'_>>, text: &str) -> Option<Range<usize>> {
    let key = value.get_ref().as_table().and_then(|table| key_told(table, text));
    Some(key.unwrap_or_else(|| value.span()))
}

/// The key that a text tells, or the value of which it tells; within tables, too.
fn key_told(table: &DeTable<'_>, text: &str) -> Option<Range<usize>> {
    let words = || text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let told = |value: &DeValue<'_>| match value {
        DeValue::String(value) => value.len() > 1 && text.contains(&**value),
        DeValue::Array(values) => values.iter().any(|value| {
            value.get_ref().as_str().is_some_and(|value| value.len() > 1 && text.contains(value))
        }),
        _ => false,
    };
    let keys = || table.iter().filter(|(key, _)| !matches!(&**key.get_ref(), "name" | "hosts"));
    let by_name = keys().find(|(key, _)| words().any(|word| word == &**key.get_ref()));
    let found = by_name.or_else(|| keys().find(|(_, value)| told(value.get_ref())));
    found
        .map(|(key, _)| key.span())
        .or_else(|| table.iter().find_map(|(_, value)| key_told(value.get_ref().as_table()?, text)))
}
