//! XPath 1.0 expressions in targets such as `XML:/*` and `XML://@*`: absolute location paths of child and descendant steps.

use super::document::{Document, Kind, Name};
use crate::limits::XML_VALUES;
use std::borrow::Cow;

/// An expression that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// `//` stands before it.
    deep: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Element(NameTest),
    Attribute(NameTest),
    Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NameTest {
    /// None without a prefix, which with `*` is any namespace and with a name is none.
    namespace: Option<String>,
    /// None for `*`.
    local: Option<String>,
}

impl XPath {
    /// Understands `/a/b`, `//a`, `/*`, `/a//b`, `/a/@b`, `//@*`, `/a/text()` and their combinations. Whatever else, be it valid
    /// XPath, is an error that says what and where, since it would select nothing or something else.
    pub fn parse(text: &str) -> Result<XPath, String> {
        XPath::parse_with_namespaces(text, &[])
    }

    /// The same for expressions with prefixes: `namespaces` are pairs of prefix and name, from actions `xmlns`.
    pub fn parse_with_namespaces(text: &str, namespaces: &[(&str, &str)]) -> Result<XPath, String> {
        let error = |rest: &str, problem: &str| {
            Err(format!("{problem} at `{rest}` in the XPath expression `{text}`"))
        };
        let mut rest = text.trim();
        let mut steps: Vec<Step> = Vec::new();
        if rest == "/" {
            return Ok(XPath { steps });
        }
        while !rest.is_empty() {
            let Some(after) = rest.strip_prefix('/') else {
                let problem = if steps.is_empty() { "no leading slash" } else { "unsupported syntax" };
                return error(rest, problem);
            };
            let (deep, after) = match after.strip_prefix('/') {
                Some(after) => (true, after),
                None => (false, after),
            };
            if let Some(Step { test: Test::Attribute(_) | Test::Text, .. }) = steps.last() {
                return error(rest, "step below an attribute or a text");
            }
            let end = after.find('/').unwrap_or(after.len());
            let (step, next) = after.split_at(end);
            let step = step.trim();
            let test = match step.strip_prefix('@') {
                _ if step == "text()" => Test::Text,
                Some(name) => match name_test(name, namespaces) {
                    Ok(test) => Test::Attribute(test),
                    Err(problem) => return error(step, problem),
                },
                None => match name_test(step, namespaces) {
                    Ok(test) => Test::Element(test),
                    Err(problem) => return error(step, problem),
                },
            };
            steps.push(Step { deep, test });
            rest = next;
        }
        if steps.is_empty() {
            return error(rest, "no steps");
        }
        Ok(XPath { steps })
    }

    /// The string-values of the nodes that it selects, in document order. Those of elements include all text within them.
    ///
    /// At most [`XML_VALUES`] bytes are copied; the values beyond are left out, and `false` comes back.
    pub fn values<'d>(&self, document: &'d Document<'_>) -> (Vec<Cow<'d, [u8]>>, bool) {
        if document.nodes.is_empty() {
            return (Vec::new(), true);
        }
        let Some((last, path)) = self.steps.split_last() else {
            return (vec![document.content(0)], true);
        };
        // None stands for the root of the document, above the root element.
        let mut context: Vec<Option<usize>> = vec![None];
        for step in path {
            context = select(document, &context, step).into_iter().map(Some).collect();
        }
        let mut values = Vec::new();
        let mut copied = 0;
        for index in select(document, &context, last) {
            match (&document.nodes[index].kind, &last.test) {
                (Kind::Element { attributes, .. }, Test::Attribute(test)) => {
                    let attributes = &document.attributes[attributes.start as usize..attributes.end as usize];
                    let matching =
                        attributes.iter().filter(|attribute| test.matches(document, &attribute.name));
                    values
                        .extend(matching.map(|attribute| document.text(&attribute.value).as_bytes().into()));
                }
                _ => {
                    let value = document.content(index);
                    if let Cow::Owned(value) = &value {
                        copied += value.len();
                        if copied > XML_VALUES.max(document.source.len()) {
                            return (values, false);
                        }
                    }
                    values.push(value);
                }
            }
        }
        (values, true)
    }
}

/// The nodes of a step, sorted; for attributes the elements that may have them.
fn select(document: &Document<'_>, context: &[Option<usize>], step: &Step) -> Vec<usize> {
    let nodes = &document.nodes;
    let matches = |index: usize| match (&nodes[index].kind, &step.test) {
        (Kind::Element { name, .. }, Test::Element(test)) => test.matches(document, name),
        (Kind::Element { .. }, Test::Attribute(_)) | (Kind::Text(_), Test::Text) => true,
        _ => false,
    };
    let is_attribute = matches!(step.test, Test::Attribute(_));
    let mut selected = Vec::new();
    // Nodes below this were looked at for a context node around this one.
    let mut done = 0;
    for &node in context {
        // `//@x` also means the attributes of the context node itself.
        let (first, end) = match node {
            None => (0, nodes.len()),
            Some(node) => (if is_attribute { node } else { node + 1 }, nodes[node].end as usize),
        };
        if step.deep {
            selected.extend((first.max(done)..end).filter(|&index| matches(index)));
            done = done.max(end);
        } else if is_attribute {
            selected.extend(node.filter(|&index| matches(index)));
        } else {
            let mut child = first;
            while child < end {
                if matches(child) {
                    selected.push(child);
                }
                child = nodes[child].end as usize;
            }
        }
    }
    // Children of nested context nodes come in their parents' order.
    selected.sort_unstable();
    selected
}

fn name_test(text: &str, namespaces: &[(&str, &str)]) -> Result<NameTest, &'static str> {
    let (namespace, local) = match text.split_once(':') {
        None => (None, text),
        Some((prefix, local)) => {
            let declared = namespaces.iter().find(|(declared, _)| *declared == prefix);
            let (_, name) = declared.ok_or("undeclared prefix or unsupported axis")?;
            (Some((*name).to_owned()), local)
        }
    };
    if local == "*" {
        return Ok(NameTest { namespace, local: None });
    }
    let mut cursor = super::characters::Cursor::new(local);
    if cursor.name().is_none() || !cursor.rest.is_empty() || local.contains(':') || local.starts_with('.') {
        return Err("unsupported syntax");
    }
    Ok(NameTest { namespace, local: Some(local.to_owned()) })
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
