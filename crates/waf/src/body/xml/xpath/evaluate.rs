//! Evaluates an expression to the nodes that it selects. Each visited node and each byte of a compared value counts as work,
//! which is limited.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a document of 4 GiB is never parsed: see document::Index"
)]

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use super::value::{NodeRef, Value, number_of};
use super::{Axis, Expr, Operator, Start, Step, Test};
use crate::body::xml::document::{Attribute, Document, Index, Kind, Name};
use crate::limits::XPATH_WORK;

const ROOT: NodeRef = NodeRef { node: 0, attribute: 0 };

/// The context of an evaluation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) node: NodeRef,
    /// Position in the context, from 1.
    pub(super) position: usize,
    pub(super) size: usize,
}

pub(super) struct Evaluation<'d> {
    document: &'d Document<'d>,
    work: Cell<usize>,
    /// The parent of each node; computed when an axis first goes up.
    parents: OnceCell<Vec<Index>>,
}

impl<'d> Evaluation<'d> {
    pub(super) fn new(document: &'d Document<'_>) -> Evaluation<'d> {
        Evaluation { document, work: Cell::new(0), parents: OnceCell::new() }
    }

    /// Whether the evaluation exceeded the limit of work.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work.get() > XPATH_WORK
    }

    /// Counts work. Returns false beyond the limit.
    fn works(&self, amount: usize) -> bool {
        self.work.set(self.work.get().saturating_add(amount));
        !self.is_exhausted()
    }

    /// Returns the nodes that an expression selects.
    pub(super) fn select(&self, expr: &Expr) -> Vec<NodeRef> {
        self.nodes(expr, Context { node: ROOT, position: 1, size: 1 })
    }

    fn nodes(&self, expr: &Expr, context: Context) -> Vec<NodeRef> {
        match self.value(expr, context) {
            Value::Nodes(nodes) => nodes,
            // The parser lets no other type reach this.
            _ => Vec::new(),
        }
    }

    pub(super) fn value(&self, expr: &Expr, context: Context) -> Value<'d> {
        match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Literal(text) => Value::Text(text.clone().into()),
            Expr::Call(function, arguments) => self.call(*function, arguments, context),
            Expr::Negate(inner) => Value::Number(-self.number(self.value(inner, context))),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, context),
            Expr::Union(all) => {
                let mut nodes: Vec<_> = all.iter().flat_map(|expr| self.nodes(expr, context)).collect();
                nodes.sort_unstable();
                nodes.dedup();
                Value::Nodes(nodes)
            }
            Expr::Path(start, steps) => {
                let mut nodes = match start {
                    Start::Root => vec![ROOT],
                    Start::Context => vec![context.node],
                    Start::Filter(inner, predicates) => {
                        let mut nodes = self.nodes(inner, context);
                        predicates.iter().for_each(|predicate| self.filter(&mut nodes, predicate));
                        nodes
                    }
                };
                for step in steps {
                    nodes = self.step(&nodes, step);
                }
                Value::Nodes(nodes)
            }
        }
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr, context: Context) -> Value<'d> {
        let value = |expr| self.value(expr, context);
        let numbers = || (self.number(value(left)), self.number(value(right)));
        match operator {
            Operator::Or => Value::Boolean(value(left).is_true() || value(right).is_true()),
            Operator::And => Value::Boolean(value(left).is_true() && value(right).is_true()),
            Operator::Add => Value::Number(numbers().0 + numbers().1),
            Operator::Subtract => Value::Number(numbers().0 - numbers().1),
            Operator::Multiply => Value::Number(numbers().0 * numbers().1),
            Operator::Divide => Value::Number(numbers().0 / numbers().1),
            Operator::Modulo => Value::Number(numbers().0 % numbers().1),
            _ => Value::Boolean(self.compares(operator, value(left), value(right))),
        }
    }

    /// Compares values. A node-set satisfies the comparison if one of its nodes does (§3.4).
    fn compares(&self, operator: Operator, left: Value<'d>, right: Value<'d>) -> bool {
        match (left, right) {
            (Value::Boolean(boolean), other) => {
                self.compares_plain(operator, &Value::Boolean(boolean), &Value::Boolean(other.is_true()))
            }
            (other, Value::Boolean(boolean)) => {
                self.compares_plain(operator, &Value::Boolean(other.is_true()), &Value::Boolean(boolean))
            }
            (Value::Nodes(left), Value::Nodes(right)) => {
                let texts: Vec<_> = right.iter().map(|&node| Value::Text(self.string(node))).collect();
                left.iter().any(|&node| {
                    let text = Value::Text(self.string(node));
                    self.works(texts.len())
                        && texts.iter().any(|other| self.compares_plain(operator, &text, other))
                })
            }
            (Value::Nodes(nodes), other) => nodes
                .iter()
                .any(|&node| self.compares_plain(operator, &Value::Text(self.string(node)), &other)),
            (other, Value::Nodes(nodes)) => nodes
                .iter()
                .any(|&node| self.compares_plain(operator, &other, &Value::Text(self.string(node)))),
            (left, right) => self.compares_plain(operator, &left, &right),
        }
    }

    /// Compares values that are not node-sets.
    fn compares_plain(&self, operator: Operator, left: &Value<'d>, right: &Value<'d>) -> bool {
        let number = |value: &Value<'d>| match value {
            Value::Text(text) => number_of(text),
            other => self.number(other.clone()),
        };
        let (as_number, equals) = match (left, right) {
            (Value::Text(left), Value::Text(right)) => (false, left == right),
            (Value::Boolean(left), Value::Boolean(right)) => (false, left == right),
            _ => (true, false),
        };
        match operator {
            Operator::Equal if as_number => number(left) == number(right),
            Operator::NotEqual if as_number => number(left) != number(right),
            Operator::Equal => equals,
            Operator::NotEqual => !equals,
            Operator::Less => number(left) < number(right),
            Operator::LessOrEqual => number(left) <= number(right),
            Operator::Greater => number(left) > number(right),
            _ => number(left) >= number(right),
        }
    }

    /// Keeps the nodes for which a predicate is true.
    fn filter(&self, nodes: &mut Vec<NodeRef>, predicate: &Expr) {
        let size = nodes.len();
        let mut position = 0;
        nodes.retain(|&node| {
            position += 1;
            self.works(1)
                && match self.value(predicate, Context { node, position, size }) {
                    Value::Number(number) => number == position as f64,
                    value => value.is_true(),
                }
        });
    }

    fn step(&self, context: &[NodeRef], step: &Step) -> Vec<NodeRef> {
        let mut selected = Vec::new();
        // Nodes below this index were visited from an enclosing context node.
        let mut done = 0;
        for &node in context {
            let first = selected.len();
            if step.positional {
                let mut found = Vec::new();
                self.walk(node, step, &mut 0, &mut found);
                if matches!(step.axis, Axis::Ancestor | Axis::AncestorOrSelf | Axis::PrecedingSibling) {
                    found.reverse();
                }
                step.predicates.iter().for_each(|predicate| self.filter(&mut found, predicate));
                selected.append(&mut found);
            } else {
                self.walk(node, step, &mut done, &mut selected);
            }
            if self.is_exhausted() {
                selected.truncate(first);
                break;
            }
        }
        // Children of nested context nodes follow the order of their parents.
        selected.sort_unstable();
        selected.dedup();
        if !step.positional {
            step.predicates.iter().for_each(|predicate| self.filter(&mut selected, predicate));
        }
        selected
    }

    /// Returns the nodes of an axis that match the test, in document order.
    fn walk(&self, from: NodeRef, step: &Step, done: &mut usize, found: &mut Vec<NodeRef>) {
        let nodes = &self.document.nodes;
        let mut push = |node: NodeRef| {
            if self.works(1) && self.means(node, step) {
                found.push(node);
            }
        };
        // A node's descendants have the indices between these two.
        let (below, end) = match from {
            NodeRef { attribute: 1.., .. } => (0, 0),
            ROOT => (0, nodes.len()),
            NodeRef { node, .. } => (node as usize, nodes[node as usize - 1].end as usize),
        };
        match step.axis {
            Axis::Itself => push(from),
            Axis::Attribute => {
                if let Some(element) = self.element_of(from) {
                    (0..element.len() as Index).for_each(|n| push(NodeRef { attribute: n + 1, ..from }));
                }
            }
            Axis::Child => {
                let mut child = below;
                while child < end {
                    push(at(child));
                    child = nodes[child].end as usize;
                }
            }
            Axis::Descendant | Axis::DescendantOrSelf => {
                let or_self = step.axis == Axis::DescendantOrSelf;
                if or_self && (from == ROOT || from.attribute > 0) {
                    push(from);
                }
                let first = if or_self { below.saturating_sub(1) } else { below };
                (first.max(*done)..end).for_each(|index| push(at(index)));
                *done = (*done).max(end);
            }
            Axis::Parent => self.parent(from).into_iter().for_each(push),
            Axis::Ancestor | Axis::AncestorOrSelf => {
                let mut up = if step.axis == Axis::Ancestor { self.parent(from) } else { Some(from) };
                let mut chain = Vec::new();
                while let Some(node) = up {
                    chain.push(node);
                    up = self.parent(node);
                }
                chain.into_iter().rev().for_each(push);
            }
            Axis::FollowingSibling | Axis::PrecedingSibling => {
                let Some(parent) = self.parent(from).filter(|_| from.attribute == 0) else { return };
                let mut sibling = parent.node as usize;
                let end = if parent == ROOT { nodes.len() } else { nodes[sibling - 1].end as usize };
                while sibling < end {
                    let follows = at(sibling) > from;
                    if at(sibling) != from && follows == (step.axis == Axis::FollowingSibling) {
                        push(at(sibling));
                    } else if !self.works(1) {
                        return;
                    }
                    sibling = nodes[sibling].end as usize;
                }
            }
        }
    }

    fn means(&self, node: NodeRef, step: &Step) -> bool {
        if node == ROOT {
            return step.test == Test::Node;
        }
        let kind = &self.document.nodes[node.node as usize - 1].kind;
        match (&step.test, kind) {
            (_, Kind::Entity(_)) => false,
            (Test::Node, _) => true,
            (Test::Text, kind) => node.attribute == 0 && matches!(kind, Kind::Text(_)),
            // The axis `attribute` selects attributes, every other axis selects elements (§2.3).
            (Test::Name(test), _) if (node.attribute > 0) == (step.axis == Axis::Attribute) => {
                self.name(node).is_some_and(|name| test.matches(self.document, name))
            }
            (Test::Name(_), _) => false,
        }
    }

    fn parent(&self, node: NodeRef) -> Option<NodeRef> {
        if node.attribute > 0 {
            return Some(NodeRef { attribute: 0, ..node });
        }
        let index = node.node.checked_sub(1)?;
        let parents = self.parents.get_or_init(|| parents(self.document));
        Some(NodeRef { node: parents[index as usize], attribute: 0 })
    }

    /// Returns the attributes of an element.
    fn element_of(&self, node: NodeRef) -> Option<&'d [Attribute]> {
        let index = node.node.checked_sub(1).filter(|_| node.attribute == 0)?;
        match &self.document.nodes[index as usize].kind {
            Kind::Element { attributes, .. } => {
                Some(&self.document.attributes[attributes.start as usize..attributes.end as usize])
            }
            Kind::Text(_) | Kind::Entity(_) => None,
        }
    }

    fn attribute(&self, node: NodeRef) -> Option<&'d Attribute> {
        let number = node.attribute.checked_sub(1)?;
        self.element_of(NodeRef { attribute: 0, ..node })?.get(number as usize)
    }

    fn name(&self, node: NodeRef) -> Option<&'d Name> {
        if node.attribute > 0 {
            return self.attribute(node).map(|attribute| &attribute.name);
        }
        match &self.document.nodes.get(node.node.checked_sub(1)? as usize)?.kind {
            Kind::Element { name, .. } => Some(name),
            Kind::Text(_) | Kind::Entity(_) => None,
        }
    }

    pub(super) fn local_name(&self, node: NodeRef) -> &'d str {
        self.name(node).map_or("", |name| self.document.source_text(&name.local))
    }

    /// Returns the name with its prefix, as written.
    pub(super) fn qualified_name(&self, node: NodeRef) -> &'d str {
        let Some(name) = self.name(node) else { return "" };
        let before = self.document.source_text(&(0..name.local.start));
        let start = match before.strip_suffix(':') {
            Some(prefix) if name.namespace.is_some() => {
                prefix.rfind(|c: char| c == '<' || c.is_ascii_whitespace()).map_or(0, |at| at + 1)
            }
            _ => before.len(),
        };
        self.document.source_text(&(start as Index..name.local.end))
    }

    pub(super) fn namespace(&self, node: NodeRef) -> &'d str {
        let index = self.name(node).and_then(|name| name.namespace);
        index.and_then(|index| self.document.namespaces.get(index as usize)).map_or("", String::as_str)
    }

    /// Returns the string-value of a node (§5).
    pub(super) fn string(&self, node: NodeRef) -> Cow<'d, str> {
        let text = match self.attribute(node) {
            Some(attribute) => Cow::Borrowed(self.document.text(&attribute.value)),
            None => self.document.content(node.node.saturating_sub(1) as usize),
        };
        self.works(text.len());
        text
    }
}

fn at(index: usize) -> NodeRef {
    NodeRef { node: index as Index + 1, attribute: 0 }
}

/// Returns the parent's number for each node, as in [`NodeRef`].
fn parents(document: &Document<'_>) -> Vec<Index> {
    let mut parents = Vec::with_capacity(document.nodes.len());
    let mut open: Vec<(Index, Index)> = Vec::new();
    for (index, node) in (0..).zip(&document.nodes) {
        while open.last().is_some_and(|&(_, end)| end <= index) {
            open.pop();
        }
        parents.push(open.last().map_or(0, |&(parent, _)| parent));
        open.push((index + 1, node.end));
    }
    parents
}
