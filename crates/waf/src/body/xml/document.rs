//! A document as a flat list of nodes in document order.

use std::borrow::Cow;
use std::ops::Range;

/// The elements of a document, their attributes and texts. Comments and processing instructions are not kept.
#[derive(Debug, Default)]
pub struct Document<'a> {
    pub(super) source: Cow<'a, str>,
    pub(super) nodes: Vec<Node>,
    pub(super) attributes: Vec<Attribute>,
    /// Namespace names; [`Name::namespace`] is an index.
    pub(super) namespaces: Vec<String>,
}

/// An index into [`Document::nodes`] and the like. A parsed document is always smaller than 4 GiB.
pub(super) type Index = u32;

#[derive(Debug)]
pub(super) struct Node {
    /// The index after the last node inside this one; for a text its own index plus one.
    pub end: Index,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Element {
        name: Name,
        attributes: Range<Index>,
    },
    Text(Value),
    /// The text of an entity. Expressions do not select it, but it is part of its element's value.
    Entity(Value),
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub name: Name,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Name {
    pub namespace: Option<Index>,
    /// Position of the local part in the source.
    pub local: Range<Index>,
}

/// A text of the source, or another text.
#[derive(Debug)]
pub(super) enum Value {
    Source(Range<Index>),
    Own(String),
}

impl Document<'_> {
    pub(super) fn text<'d>(&'d self, value: &'d Value) -> &'d str {
        match value {
            Value::Source(range) => self.source_text(range),
            Value::Own(text) => text,
        }
    }

    pub(super) fn source_text(&self, range: &Range<Index>) -> &str {
        self.source.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// Returns the string-value of a node (XPath 1.0 §5): for an element, all text in it.
    pub(super) fn content(&self, index: usize) -> Cow<'_, str> {
        let Some(node) = self.nodes.get(index) else { return Cow::Borrowed("") };
        let within = &self.nodes[index..node.end as usize];
        let mut texts = within.iter().filter_map(|node| match &node.kind {
            Kind::Text(value) | Kind::Entity(value) => Some(self.text(value)),
            Kind::Element { .. } => None,
        });
        let Some(first) = texts.next() else { return Cow::Borrowed("") };
        let Some(second) = texts.next() else { return Cow::Borrowed(first) };
        let mut content = [first, second].concat();
        texts.for_each(|text| content.push_str(text));
        Cow::Owned(content)
    }
}
