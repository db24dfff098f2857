//! XPath 1.0 expressions in targets such as `XML:/*` and `XML://item[@id='7']`: location paths with predicates.
//!
//! This is our own code, because the documents come from a lenient, bounded reader, and the work must be bounded too. Some
//! expressions select nothing in ModSecurity 2, or need data that a [`Document`] does not keep. Rules with these do not load:
//! relative paths, expressions that are not node-sets, comments and processing instructions, variables, `id()` and `lang()`, and
//! the axes `following`, `preceding` and `namespace`.

mod evaluate;
mod functions;
mod parse;
mod value;

use super::document::{Document, Name};
use crate::limits::XML_VALUES;
use evaluate::Evaluation;
use functions::Function;
use std::borrow::Cow;

/// A parsed expression that selects nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct XPath(Expr);

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Number(f64),
    Literal(String),
    Call(Function, Vec<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Union(Vec<Expr>),
    Path(Start, Vec<Step>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// The start of a path.
#[derive(Debug, Clone, PartialEq)]
enum Start {
    /// `/`
    Root,
    /// The node of the predicate.
    Context,
    /// `(…)[…]`
    Filter(Box<Expr>, Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expr>,
    /// Whether a predicate uses the position among the nodes selected from one context node.
    positional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    FollowingSibling,
    Parent,
    PrecedingSibling,
    Itself,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Name(NameTest),
    Text,
    Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NameTest {
    /// None without a prefix. Then `*` matches any namespace, and a name matches only names without a namespace.
    namespace: Option<String>,
    /// None for `*`.
    local: Option<String>,
}

impl XPath {
    /// Parses an expression such as `/a/b`, `//a[@id='1']`, `/a/b[2]/text()`, `//a|//b`. The error names the faulty or
    /// unsupported part and its place.
    pub fn parse(text: &str) -> Result<XPath, String> {
        XPath::parse_with_namespaces(text, &[])
    }

    /// Parses an expression with prefixes. `namespaces` contains pairs of prefix and namespace name, from the actions `xmlns`.
    pub fn parse_with_namespaces(text: &str, namespaces: &[(&str, &str)]) -> Result<XPath, String> {
        parse::parse(text, namespaces).map(XPath)
    }

    /// Returns the string-values of the selected nodes in document order. The value of an element includes all text in it.
    ///
    /// It copies at most [`XML_VALUES`] bytes and does at most [`XPATH_WORK`](crate::limits::XPATH_WORK) of work. Beyond either
    /// limit it omits values and returns `false`.
    pub fn values<'d>(&self, document: &'d Document<'_>) -> (Vec<Cow<'d, [u8]>>, bool) {
        if document.nodes.is_empty() {
            return (Vec::new(), true);
        }
        let evaluation = Evaluation::new(document);
        let mut values = Vec::new();
        let mut copied = 0;
        let nodes = evaluation.select(&self.0);
        let complete = !evaluation.is_exhausted();
        for node in nodes {
            let value = evaluation.string(node);
            if let Cow::Owned(value) = &value {
                copied += value.len();
                if copied > XML_VALUES.max(document.source.len()) {
                    return (values, false);
                }
            }
            values.push(match value {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            });
        }
        (values, complete)
    }
}

impl NameTest {
    fn matches(&self, document: &Document<'_>, name: &Name) -> bool {
        let namespace = name.namespace.and_then(|index| document.namespaces.get(index as usize));
        let same_namespace = match (&self.namespace, &self.local) {
            (None, None) => true,
            (wanted, _) => wanted.as_ref() == namespace,
        };
        same_namespace && self.local.as_ref().is_none_or(|local| document.source_text(&name.local) == local)
    }
}
