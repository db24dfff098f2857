//! Reads markup into a document, and checks that it is well-formed.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a document of 4 GiB is never parsed: see document::Index"
)]

use super::Declared;
use super::characters::{Cursor, Malformed, is_char, is_space};
use super::doctype::{Doctype, Entity, character, predefined};
use super::document::{Attribute, Document, Index, Kind, Name, Node, Value};
use crate::limits::{XML_DEPTH, XML_ENTITY_DEPTH, XML_EXPANSION, XML_NODES, XML_REFERENCE};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Returns the well-formed part of the document, whether that is the whole document, and the declarations of its document type.
pub(super) fn read(source: Cow<'_, str>) -> (Document<'_>, bool, Declared) {
    let mut builder = Builder { source: &source, ..Builder::default() };
    let well_formed = builder.document().is_ok();
    let Builder { mut nodes, attributes, namespaces, open, doctype, .. } = builder;
    let end = nodes.len() as Index;
    for element in &open {
        nodes[element.node].end = end;
    }
    let declared = doctype.map(|doctype| doctype.declared).unwrap_or_default();
    (Document { nodes, attributes, namespaces, source }, well_formed, declared)
}

/// An element whose end tag was not read yet.
struct Open<'s> {
    node: usize,
    name: &'s str,
    /// Prefixes that the element declares.
    prefixes: Vec<&'s str>,
}

/// A start tag. Attribute values are normalized (XML 1.0 §3.3.3).
struct Tag<'t> {
    name: &'t str,
    attributes: Vec<(&'t str, Cow<'t, str>)>,
}

#[derive(Default)]
struct Builder<'s> {
    source: &'s str,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    namespaces: Vec<String>,
    open: Vec<Open<'s>>,
    /// The namespaces of each prefix, here and in the enclosing elements.
    scope: HashMap<&'s str, Vec<Option<Index>>>,
    doctype: Option<Doctype>,
    standalone: bool,
    /// Bytes that entities added.
    expanded: usize,
    /// Whether the last node is a text that the next text extends.
    in_text: bool,
}

impl<'s> Builder<'s> {
    fn document(&mut self) -> Result<(), Malformed> {
        let mut reader = reader(self.source);
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|_| Malformed)?;
            let markup = self.source.get(start..reader.buffer_position() as usize).ok_or(Malformed)?;
            match event {
                Event::Text(_) => self.characters(markup)?,
                Event::GeneralRef(_) => self.reference(markup)?,
                Event::Start(_) => self.start(inside(markup, "<", ">")?)?,
                Event::Empty(_) => {
                    self.start(inside(markup, "<", "/>")?)?;
                    self.close();
                }
                Event::End(_) => {
                    let name = end_tag(markup)?;
                    if self.open.last().is_none_or(|element| element.name != name) {
                        return Err(Malformed);
                    }
                    self.close();
                }
                Event::CData(_) => {
                    let text = cdata(markup)?;
                    if self.open.is_empty() {
                        return Err(Malformed);
                    }
                    self.in_text = false;
                    self.push_text(text)?;
                    self.in_text = false;
                }
                Event::Comment(_) => {
                    comment(markup)?;
                    self.in_text = false;
                }
                Event::Decl(_) | Event::PI(_) if start == 0 && is_declaration(markup) => {
                    self.standalone = declaration(markup)?;
                }
                Event::Decl(_) | Event::PI(_) => {
                    instruction(markup)?;
                    self.in_text = false;
                }
                Event::DocType(_) => {
                    if self.doctype.is_some() || !self.nodes.is_empty() {
                        return Err(Malformed);
                    }
                    self.doctype = Some(Doctype::parse(inside(markup, "<!DOCTYPE", ">")?, self.standalone)?);
                }
                Event::Eof => {
                    return if self.open.is_empty() && !self.nodes.is_empty() {
                        Ok(())
                    } else {
                        Err(Malformed)
                    };
                }
            }
        }
    }

    /// Handles character data, which must be white space outside the root element.
    fn characters(&mut self, text: &'s str) -> Result<(), Malformed> {
        if self.open.is_empty() {
            return if text.chars().all(is_space) { Ok(()) } else { Err(Malformed) };
        }
        if text.contains("]]>") {
            return Err(Malformed);
        }
        match text.find(|character| !is_char(character)) {
            None => self.push_text(text),
            Some(end) => {
                self.push_text(&text[..end])?;
                Err(Malformed)
            }
        }
    }

    fn reference(&mut self, markup: &str) -> Result<(), Malformed> {
        if self.open.is_empty() {
            return Err(Malformed);
        }
        let name = inside(markup, "&", ";")?;
        if let Some(character) = plain_reference(name)? {
            return self.append(Value::Own(character.to_string()));
        }
        if let Some(replacement) = self.entity(name, 0)? {
            let mut text = String::new();
            self.content(&replacement, 1, &mut text)?;
            self.node(Kind::Entity(Value::Own(text)))?;
            self.in_text = false;
        }
        Ok(())
    }

    /// Returns the replacement text of a declared entity; none for an external entity. `depth` is the number of entities around
    /// the reference.
    fn entity(&mut self, name: &str, depth: usize) -> Result<Option<std::rc::Rc<str>>, Malformed> {
        if Cursor::new(name).name() != Some(name) || depth == XML_ENTITY_DEPTH {
            return Err(Malformed);
        }
        let doctype = self.doctype.as_ref().ok_or(Malformed)?;
        match doctype.general.get(name) {
            Some(Entity::Internal(replacement)) => {
                // A reference within an entity has a cost even if its replacement is empty.
                self.expanded += replacement.len() + if depth > 0 { XML_REFERENCE } else { 0 };
                if self.expanded > XML_EXPANSION { Err(Malformed) } else { Ok(Some(replacement.clone())) }
            }
            Some(Entity::External) => Ok(None),
            Some(Entity::Unparsed) => Err(Malformed),
            None if doctype.may_be_elsewhere() => Ok(None),
            None => Err(Malformed),
        }
    }

    /// Handles an entity's text in content. It must be well-formed by itself (§4.3.2).
    fn content(&mut self, replacement: &str, depth: usize, output: &mut String) -> Result<(), Malformed> {
        let mut reader = reader(replacement);
        let mut open = Vec::new();
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|_| Malformed)?;
            let markup = replacement.get(start..reader.buffer_position() as usize).ok_or(Malformed)?;
            match event {
                Event::Text(_) if markup.contains("]]>") || !markup.chars().all(is_char) => {
                    return Err(Malformed);
                }
                Event::Text(_) => output.push_str(&with_line_ends(markup)),
                Event::GeneralRef(_) => {
                    let name = inside(markup, "&", ";")?;
                    if let Some(character) = plain_reference(name)? {
                        output.push(character);
                    } else if let Some(replacement) = self.entity(name, depth)? {
                        self.content(&replacement, depth + 1, output)?;
                    }
                }
                Event::Start(_) => {
                    open.push(self.tag(inside(markup, "<", ">")?, depth)?.name);
                    if self.open.len() + open.len() > XML_DEPTH {
                        return Err(Malformed);
                    }
                }
                Event::Empty(_) => {
                    self.tag(inside(markup, "<", "/>")?, depth)?;
                }
                Event::End(_) if open.pop() == Some(end_tag(markup)?) => {}
                Event::CData(_) => output.push_str(&with_line_ends(cdata(markup)?)),
                // libxml2 reads comments in entities as text.
                Event::Comment(_) => output.push_str(comment(markup)?),
                Event::PI(_) => instruction(markup)?,
                Event::Eof if open.is_empty() => return Ok(()),
                Event::End(_) | Event::Decl(_) | Event::DocType(_) | Event::Eof => return Err(Malformed),
            }
        }
    }

    /// Parses the contents of a start tag.
    fn tag<'t>(&mut self, text: &'t str, depth: usize) -> Result<Tag<'t>, Malformed> {
        let mut cursor = Cursor::new(text);
        let name = cursor.name().ok_or(Malformed)?;
        let mut attributes = Vec::new();
        let mut names = HashSet::new();
        loop {
            let space = cursor.space();
            if cursor.rest.is_empty() {
                return Ok(Tag { name, attributes });
            }
            let attribute = cursor.name().filter(|_| space).ok_or(Malformed)?;
            cursor.space();
            if !cursor.take("=") || !names.insert(attribute) {
                return Err(Malformed);
            }
            cursor.space();
            let value = cursor.quoted().ok_or(Malformed)?;
            let plain =
                |character| is_char(character) && !matches!(character, '<' | '&' | '\t' | '\n' | '\r');
            let value = if value.chars().all(plain) {
                Cow::Borrowed(value)
            } else {
                let mut normalized = String::with_capacity(value.len());
                self.attribute_value(&with_line_ends(value), depth, &mut normalized)?;
                Cow::Owned(normalized)
            };
            attributes.push((attribute, value));
        }
    }

    fn attribute_value(&mut self, value: &str, depth: usize, output: &mut String) -> Result<(), Malformed> {
        let mut cursor = Cursor::new(value);
        while let Some(next) = cursor.rest.chars().next() {
            cursor.rest = &cursor.rest[next.len_utf8()..];
            match next {
                '&' => {
                    let name = cursor.until(";").ok_or(Malformed)?;
                    if let Some(character) = plain_reference(name)? {
                        output.push(character);
                    } else if let Some(replacement) = self.entity(name, depth)? {
                        self.attribute_value(&replacement, depth + 1, output)?;
                    } else if let Some(Entity::External) =
                        self.doctype.as_ref().and_then(|d| d.general.get(name))
                    {
                        return Err(Malformed);
                    }
                }
                '<' => return Err(Malformed),
                '\t' | '\n' | '\r' => output.push(' '),
                _ if !is_char(next) => return Err(Malformed),
                _ => output.push(next),
            }
        }
        Ok(())
    }

    /// Adds the default values of attributes to the root's attributes, without a name, so that `//@*` selects them. libxml2 as
    /// ModSecurity uses it omits them; expat and others pass them to applications.
    fn defaults(&mut self) -> Result<(), Malformed> {
        let defaults = self.doctype.as_mut().map(|doctype| std::mem::take(&mut doctype.defaults));
        for default in defaults.unwrap_or_default() {
            let mut value = String::new();
            self.attribute_value(&with_line_ends(&default), 0, &mut value)?;
            self.room()?;
            let name = Name { namespace: None, local: 0..0 };
            self.attributes.push(Attribute { name, value: Value::Own(value) });
        }
        Ok(())
    }

    fn start(&mut self, text: &'s str) -> Result<(), Malformed> {
        if self.open.len() == XML_DEPTH || self.open.is_empty() && !self.nodes.is_empty() {
            return Err(Malformed);
        }
        let tag = self.tag(text, 0)?;
        let mut prefixes = Vec::new();
        for (name, value) in &tag.attributes {
            if let Some(prefix) = declared_prefix(name) {
                let namespace = (!value.is_empty()).then_some(self.namespaces.len() as Index);
                self.namespaces.extend(namespace.map(|_| value.to_string()));
                self.scope.entry(prefix).or_default().push(namespace);
                prefixes.push(prefix);
            }
        }
        let first = self.attributes.len() as Index;
        for (name, value) in tag.attributes {
            if declared_prefix(name).is_none() {
                let value = match value {
                    Cow::Borrowed(value) => Value::Source(self.range(value)),
                    Cow::Owned(value) => Value::Own(value),
                };
                let name = self.resolve(name, false);
                self.attributes.push(Attribute { name, value });
            }
        }
        if self.nodes.is_empty() {
            self.defaults()?;
        }
        let name = self.resolve(tag.name, true);
        let attributes = first..self.attributes.len() as Index;
        let node = self.nodes.len();
        self.node(Kind::Element { name, attributes })?;
        self.open.push(Open { node, name: tag.name, prefixes });
        self.in_text = false;
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        self.nodes[element.node].end = self.nodes.len() as Index;
        for prefix in element.prefixes {
            if let Some(scope) = self.scope.get_mut(prefix) {
                scope.pop();
            }
        }
        self.in_text = false;
    }

    /// Resolves a name. An undeclared prefix is part of the name, as in libxml2. The default namespace does not apply to
    /// attributes.
    fn resolve(&mut self, name: &'s str, default: bool) -> Name {
        let (prefix, local) = match name.split_once(':') {
            Some((prefix, local)) if !prefix.is_empty() && !local.is_empty() => (prefix, local),
            _ => ("", name),
        };
        if prefix == "xml" && !self.scope.contains_key("xml") {
            self.scope.insert("xml", vec![Some(self.namespaces.len() as Index)]);
            self.namespaces.push("http://www.w3.org/XML/1998/namespace".to_owned());
        }
        let namespace = match prefix {
            "" if !default => None,
            _ => self.scope.get(prefix).and_then(|scope| scope.last().copied().flatten()),
        };
        let local = if namespace.is_none() { name } else { local };
        Name { namespace, local: self.range(local) }
    }

    /// Returns the range of a part of the source.
    fn range(&self, part: &str) -> Range<Index> {
        let start = part.as_ptr() as usize - self.source.as_ptr() as usize;
        start as Index..(start + part.len()) as Index
    }

    fn push_text(&mut self, text: &'s str) -> Result<(), Malformed> {
        let value = match with_line_ends(text) {
            Cow::Borrowed(text) => Value::Source(self.range(text)),
            Cow::Owned(text) => Value::Own(text),
        };
        self.append(value)
    }

    /// Adds a text. It extends the previous text if nothing stands between them.
    fn append(&mut self, value: Value) -> Result<(), Malformed> {
        let source = self.source;
        let text = |value: &Value| match value {
            Value::Source(range) => source[range.start as usize..range.end as usize].to_owned(),
            Value::Own(text) => text.clone(),
        };
        if self.in_text
            && let Some(Node { kind: Kind::Text(last), .. }) = self.nodes.last_mut()
        {
            if let Value::Source(_) = last {
                *last = Value::Own(text(last));
            }
            if let Value::Own(last) = last {
                last.push_str(&text(&value));
            }
            return Ok(());
        }
        self.node(Kind::Text(value))?;
        self.in_text = true;
        Ok(())
    }

    /// Fails if the document has reached the limit of nodes, attributes and namespaces.
    fn room(&self) -> Result<(), Malformed> {
        let taken = self.nodes.len() + self.attributes.len() + self.namespaces.len();
        if taken < XML_NODES { Ok(()) } else { Err(Malformed) }
    }

    fn node(&mut self, kind: Kind) -> Result<(), Malformed> {
        self.room()?;
        let end = self.nodes.len() as Index + 1;
        self.nodes.push(Node { end, kind });
        Ok(())
    }
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    // This module compares the names itself, so that it can keep the partial document.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    reader
}

fn inside<'t>(markup: &'t str, start: &str, end: &str) -> Result<&'t str, Malformed> {
    markup.strip_prefix(start).and_then(|text| text.strip_suffix(end)).ok_or(Malformed)
}

fn end_tag(markup: &str) -> Result<&str, Malformed> {
    Ok(inside(markup, "</", ">")?.trim_end_matches(is_space))
}

fn cdata(markup: &str) -> Result<&str, Malformed> {
    let text = inside(markup, "<![CDATA[", "]]>")?;
    if text.chars().all(is_char) { Ok(text) } else { Err(Malformed) }
}

fn comment(markup: &str) -> Result<&str, Malformed> {
    let text = inside(markup, "<!--", "-->")?;
    if text.contains("--") || text.ends_with('-') || !text.chars().all(is_char) {
        Err(Malformed)
    } else {
        Ok(text)
    }
}

/// Parses a processing instruction, §2.6.
fn instruction(markup: &str) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(inside(markup, "<?", "?>")?);
    let target = cursor.name().ok_or(Malformed)?;
    let data = cursor.rest;
    if target.eq_ignore_ascii_case("xml") || !data.is_empty() && !cursor.space() || !data.chars().all(is_char)
    {
        return Err(Malformed);
    }
    Ok(())
}

fn is_declaration(markup: &str) -> bool {
    markup.strip_prefix("<?xml").is_some_and(|rest| rest.starts_with(is_space) || rest.starts_with('?'))
}

/// Parses XMLDecl, §2.8. Returns true if it declares the document standalone.
fn declaration(markup: &str) -> Result<bool, Malformed> {
    let mut cursor = Cursor::new(inside(markup, "<?xml", "?>")?);
    let version = pseudo_attribute(&mut cursor, "version")?.ok_or(Malformed)?;
    if !version.strip_prefix("1.").is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Malformed);
    }
    if let Some(encoding) = pseudo_attribute(&mut cursor, "encoding")?
        && !(encoding.starts_with(|first: char| first.is_ascii_alphabetic())
            && encoding.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)))
    {
        return Err(Malformed);
    }
    let standalone = match pseudo_attribute(&mut cursor, "standalone")? {
        None | Some("no") => false,
        Some("yes") => true,
        Some(_) => return Err(Malformed),
    };
    cursor.space();
    if cursor.rest.is_empty() { Ok(standalone) } else { Err(Malformed) }
}

fn pseudo_attribute<'t>(cursor: &mut Cursor<'t>, name: &str) -> Result<Option<&'t str>, Malformed> {
    let mut ahead = *cursor;
    if !ahead.space() || !ahead.take(name) {
        return Ok(None);
    }
    ahead.space();
    if !ahead.take("=") {
        return Err(Malformed);
    }
    ahead.space();
    let value = ahead.quoted().ok_or(Malformed)?;
    *cursor = ahead;
    Ok(Some(value))
}

/// Returns the prefix that an attribute declares; empty for the default namespace.
fn declared_prefix(attribute: &str) -> Option<&str> {
    match attribute.strip_prefix("xmlns")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}

/// Resolves a character reference or a predefined entity.
fn plain_reference(name: &str) -> Result<Option<char>, Malformed> {
    match name.strip_prefix('#') {
        Some(digits) => character(digits).map(Some).ok_or(Malformed),
        None => Ok(predefined(name)),
    }
}

/// Converts line ends to U+000A (§2.11).
fn with_line_ends(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
}
