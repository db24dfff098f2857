//! The document type declaration (XML 1.0 §2.8): its syntax, and the entities that it declares.

use super::Declared;
use super::characters::{Cursor, Malformed, is_char, is_space};
use super::declarations::{self, external_id, required_space};
use crate::limits::{XML_ENTITY_DEPTH, XML_EXPANSION, XML_IDENTIFIER, XML_REFERENCE};
use std::collections::HashMap;
use std::rc::Rc;

/// An entity of the internal subset.
#[derive(Debug, Clone)]
pub(super) enum Entity {
    /// The replacement text (§4.5), with character references resolved, but not entity references.
    Internal(Rc<str>),
    /// An entity outside the document, which is never read.
    External,
    /// Data that is not XML; a reference to it is an error.
    Unparsed,
}

/// The contents of the declaration.
#[derive(Debug, Default)]
pub(super) struct Doctype {
    pub general: HashMap<String, Entity>,
    parameter: HashMap<String, Entity>,
    /// Default values of attributes (§3.3.2). Many parsers pass them to applications as if the document contained them.
    pub defaults: Vec<String>,
    /// Whether an unknown entity is allowed (§4.1): the document has an external subset, or the parser read a parameter entity.
    /// As in libxml2, a parameter entity outside the document, which is never read, does not count.
    incomplete: bool,
    /// Whether the document is standalone: then an unknown entity is an error in any case.
    standalone: bool,
    /// Number of bytes of the entities read so far.
    expanded: usize,
    pub declared: Declared,
}

impl Doctype {
    /// Parses `text`, the part between `<!DOCTYPE` and its `>`.
    pub(super) fn parse(text: &str, standalone: bool) -> Result<Doctype, Malformed> {
        let mut doctype = Doctype { standalone, ..Doctype::default() };
        let mut cursor = Cursor::new(text);
        if !text.chars().all(is_char) {
            return Err(Malformed);
        }
        // libxml2 does not require the space.
        cursor.space();
        cursor.name().ok_or(Malformed)?;
        if cursor.space()
            && let Some(system) = external_id(&mut cursor, true)?
        {
            doctype.incomplete = true;
            doctype.declared.external_subset = Some(system.chars().take(XML_IDENTIFIER).collect());
            cursor.space();
        }
        if cursor.take("[") {
            let subset = cursor.rest;
            let rest = doctype.subset(subset, 0)?;
            cursor.rest = rest.strip_prefix(']').ok_or(Malformed)?;
            cursor.space();
        }
        if cursor.rest.is_empty() { Ok(doctype) } else { Err(Malformed) }
    }

    /// Whether a reference to an undeclared entity is allowed.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.incomplete && !self.standalone
    }

    /// Parses intSubset. Returns the rest.
    fn subset<'t>(&mut self, text: &'t str, depth: usize) -> Result<&'t str, Malformed> {
        let mut cursor = Cursor::new(text);
        loop {
            cursor.space();
            if cursor.rest.is_empty() || depth == 0 && cursor.rest.starts_with(']') {
                return Ok(cursor.rest);
            }
            if cursor.take("%") {
                let name = cursor.name().ok_or(Malformed)?;
                if !cursor.take(";") {
                    return Err(Malformed);
                }
                match self.parameter.get(name).cloned() {
                    Some(Entity::Internal(replacement)) => {
                        self.expand(&replacement, if depth > 0 { XML_REFERENCE } else { name.len() }, depth)?;
                        self.incomplete = true;
                        if !self.subset(&replacement, depth + 1)?.is_empty() {
                            return Err(Malformed);
                        }
                    }
                    Some(_) => {}
                    None if self.may_be_elsewhere() => {}
                    None => return Err(Malformed),
                }
            } else if cursor.take("<!--") {
                let comment = cursor.until("--").ok_or(Malformed)?;
                if !cursor.take(">") || comment.contains("--") {
                    return Err(Malformed);
                }
            } else if cursor.take("<?") {
                let target = cursor.name().ok_or(Malformed)?;
                let data = cursor.until("?>").ok_or(Malformed)?;
                if target.eq_ignore_ascii_case("xml") || !data.is_empty() && !data.starts_with(is_space) {
                    return Err(Malformed);
                }
            } else if cursor.take("<!ENTITY") {
                self.entity(&mut cursor, depth)?;
            } else if depth > 0 && starts_declaration(cursor.rest) {
                self.declaration_with_references(&mut cursor, depth)?;
            } else {
                self.declaration(&mut cursor)?;
            }
        }
    }

    /// Counts an entity against the limits.
    fn expand(&mut self, replacement: &str, cost: usize, depth: usize) -> Result<(), Malformed> {
        self.expanded += replacement.len() + cost;
        if depth == XML_ENTITY_DEPTH || self.expanded > XML_EXPANSION { Err(Malformed) } else { Ok(()) }
    }

    /// Parses any declaration except that of an entity.
    fn declaration(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        if cursor.take("<!ELEMENT") {
            declarations::element(cursor)
        } else if cursor.take("<!ATTLIST") {
            declarations::attributes(cursor, |value| {
                self.defaults.push(value.to_owned());
                self.default_value(value, 0)
            })
        } else if cursor.take("<!NOTATION") {
            declarations::notation(cursor)
        } else {
            Err(Malformed)
        }
    }

    /// Parses such a declaration within a parameter entity, where references may stand between the words (§4.4.8).
    fn declaration_with_references(
        &mut self,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<(), Malformed> {
        let mut text = String::new();
        loop {
            let at = cursor.rest.find(['%', '"', '\'', '>']).ok_or(Malformed)?;
            text.push_str(&cursor.rest[..at]);
            cursor.rest = &cursor.rest[at..];
            if cursor.take(">") {
                text.push('>');
                break;
            }
            if cursor.take("%") {
                let name = cursor.name().ok_or(Malformed)?;
                if !cursor.take(";") {
                    return Err(Malformed);
                }
                text.push(' ');
                self.parameter_text(name, depth, &mut text)?;
                text.push(' ');
            } else {
                let start = cursor.rest;
                cursor.quoted().ok_or(Malformed)?;
                text.push_str(&start[..start.len() - cursor.rest.len()]);
            }
        }
        let mut whole = Cursor::new(&text);
        self.declaration(&mut whole)?;
        if whole.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// Returns the replacement text of a parameter entity, with the parameter entities in it resolved.
    fn parameter_text(&mut self, name: &str, depth: usize, output: &mut String) -> Result<(), Malformed> {
        match self.parameter.get(name).cloned() {
            Some(Entity::Internal(replacement)) => {
                self.expand(&replacement, XML_REFERENCE, depth)?;
                self.incomplete = true;
                self.replacement(&replacement, depth + 1, output)
            }
            Some(_) => Ok(()),
            None if self.may_be_elsewhere() => Ok(()),
            None => Err(Malformed),
        }
    }

    /// Parses EntityDecl, §4.2.
    fn entity(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Malformed> {
        required_space(cursor)?;
        let is_parameter = cursor.take("%");
        if is_parameter {
            required_space(cursor)?;
        }
        let name = cursor.name().ok_or(Malformed)?;
        required_space(cursor)?;
        self.declared.entities += 1;
        let entity = if let Some(system) = external_id(cursor, true)? {
            self.declared.external_entities += 1;
            let address = declarations::uri(system);
            if matches!(address, Ok(true)) {
                // The system identifier has a fragment.
                return Err(Malformed);
            }
            let space = cursor.space();
            if !is_parameter && cursor.take("NDATA") {
                if !space {
                    return Err(Malformed);
                }
                required_space(cursor)?;
                // libxml2 accepts a notation without a name.
                cursor.name();
                Some(Entity::Unparsed)
            } else if is_parameter && address.is_err() {
                // libxml2 does not declare it at all, so a reference to it is an error.
                None
            } else {
                Some(Entity::External)
            }
        } else {
            let mut text = String::new();
            self.replacement(cursor.quoted().ok_or(Malformed)?, depth, &mut text)?;
            Some(Entity::Internal(text.into()))
        };
        declarations::end(cursor)?;
        // The first declaration of a name wins.
        let table = if is_parameter { &mut self.parameter } else { &mut self.general };
        if let Some(entity) = entity {
            table.entry(name.to_owned()).or_insert(entity);
        }
        Ok(())
    }

    /// Parses EntityValue, §4.5. It may contain references to parameter entities only within a parameter entity.
    fn replacement(&mut self, value: &str, depth: usize, output: &mut String) -> Result<(), Malformed> {
        let mut cursor = Cursor::new(value);
        while let Some(at) = cursor.rest.find(['&', '%']) {
            output.push_str(&cursor.rest[..at]);
            cursor.rest = &cursor.rest[at..];
            if cursor.take("&#") {
                let digits = cursor.until(";").ok_or(Malformed)?;
                output.push(character(digits).ok_or(Malformed)?);
                continue;
            }
            let is_parameter = cursor.take("%");
            if !is_parameter {
                cursor.take("&");
            }
            let name = cursor.name().ok_or(Malformed)?;
            if !cursor.take(";") || is_parameter && depth == 0 {
                return Err(Malformed);
            }
            if is_parameter {
                self.parameter_text(name, depth, output)?;
            } else {
                output.push('&');
                output.push_str(name);
                output.push(';');
            }
        }
        output.push_str(cursor.rest);
        Ok(())
    }

    /// Parses the default of an attribute (§3.3.2). Its entities must be internal and declared before it.
    fn default_value(&mut self, value: &str, depth: usize) -> Result<(), Malformed> {
        if value.contains('<') {
            return Err(Malformed);
        }
        let mut cursor = Cursor::new(value);
        while let Some(at) = cursor.rest.find('&') {
            cursor.rest = &cursor.rest[at + 1..];
            let name = cursor.until(";").ok_or(Malformed)?;
            if let Some(digits) = name.strip_prefix('#') {
                character(digits).ok_or(Malformed)?;
                continue;
            }
            if predefined(name).is_some() {
                continue;
            }
            if Cursor::new(name).name() != Some(name) {
                return Err(Malformed);
            }
            match self.general.get(name).cloned() {
                Some(Entity::Internal(replacement)) => {
                    self.expand(&replacement, XML_REFERENCE, depth)?;
                    self.default_value(&replacement, depth + 1)?;
                }
                Some(_) => return Err(Malformed),
                None if self.may_be_elsewhere() => {}
                None => return Err(Malformed),
            }
        }
        Ok(())
    }
}

fn starts_declaration(text: &str) -> bool {
    ["<!ELEMENT", "<!ATTLIST", "<!NOTATION"].iter().any(|start| text.starts_with(start))
}

/// Returns the character of a reference without its `&#` and `;` (§4.1).
pub(super) fn character(digits: &str) -> Option<char> {
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    // from_str_radix would accept a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(digits.trim_start_matches('0'), radix).ok()?;
    char::from_u32(code).filter(|&character| is_char(character))
}

/// Returns the entities that need no declaration (§4.6).
pub(super) fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}
