//! Results of expressions, and conversions between their types (XPath 1.0 §4).

use std::borrow::Cow;

use crate::body::xml::document::Index;

/// A node. Nodes are in document order: an element, then its attributes, then its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeRef {
    /// 0 for the root of the document, above the root element; else the index of an element or text plus one.
    pub(super) node: Index,
    /// 0 for the node itself; else the number of one of its attributes plus one.
    pub(super) attribute: Index,
}

#[derive(Debug, Clone)]
pub(super) enum Value<'d> {
    /// Nodes in document order, each once.
    Nodes(Vec<NodeRef>),
    Number(f64),
    Text(Cow<'d, str>),
    Boolean(bool),
}

impl Value<'_> {
    /// Converts to a boolean as `boolean()` does.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Nodes(nodes) => !nodes.is_empty(),
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
            Value::Boolean(boolean) => *boolean,
        }
    }
}

/// Converts a text to a number as `number()` does: digits with at most one point, and an optional minus sign before them.
/// Anything else is NaN.
pub(super) fn number_of(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// Converts a number to a text as `string()` does.
pub(super) fn text_of(number: f64) -> String {
    match number {
        number if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        0.0 => "0".to_owned(),
        number => number.to_string(),
    }
}
