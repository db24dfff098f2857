//! XPath 1.0 expressions in targets such as `XML:/*` and `XML://item[@id='7']`: location paths with predicates.
//!
//! Own code, since the documents here are those of a lenient, bounded reader, and its work must be bounded too. What
//! selects nothing in ModSecurity 2 or would need what a [`Document`] does not keep is an error when rules are loaded:
//! relative paths, expressions that are no node-set, comments and processing instructions, variables, `id()` and `lang()`,
//! and the axes `following`, `preceding` and `namespace`.

mod evaluate;
mod functions;
mod parse;
mod value;

use super::document::{Document, Name};
use crate::limits::XML_VALUES;
use evaluate::Evaluation;
use functions::Function;
use std::borrow::Cow;

/// An expression that was understood; it selects nodes.
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

/// Where a path begins.
#[derive(Debug, Clone, PartialEq)]
enum Start {
    /// `/`
    Root,
    /// The node that a predicate is asked of.
    Context,
    /// `(…)[…]`
    Filter(Box<Expr>, Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expr>,
    /// Whether a predicate asks for the position among the nodes that one context node selects.
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
    /// None without a prefix, which with `*` is any namespace and with a name is none.
    namespace: Option<String>,
    /// None for `*`.
    local: Option<String>,
}

impl XPath {
    /// Understands an expression such as `/a/b`, `//a[@id='1']`, `/a/b[2]/text()`, `//a|//b`. The error says what is wrong
    /// or not supported, and where.
    pub fn parse(text: &str) -> Result<XPath, String> {
        XPath::parse_with_namespaces(text, &[])
    }

    /// The same for expressions with prefixes: `namespaces` are pairs of prefix and name, from actions `xmlns`.
    pub fn parse_with_namespaces(text: &str, namespaces: &[(&str, &str)]) -> Result<XPath, String> {
        parse::parse(text, namespaces).map(XPath)
    }

    /// The string-values of the nodes that it selects, in document order. Those of elements include all text within them.
    ///
    /// At most [`XML_VALUES`] bytes are copied, and at most [`XPATH_WORK`](crate::limits::XPATH_WORK) is done; what is beyond
    /// is left out, and `false` comes back.
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
