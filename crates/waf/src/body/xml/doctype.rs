//! The document type declaration (XML 1.0 §2.8): its syntax, and the entities that it declares.

use super::characters::{Cursor, is_char};
use crate::limits::{XML_ENTITY_DEPTH, XML_EXPANSION, XML_REFERENCE};
use std::collections::HashMap;
use std::rc::Rc;

/// An entity of the internal subset.
#[derive(Debug, Clone)]
pub(super) enum Entity {
    /// Its replacement text (§4.5): character references are resolved, entity references not yet.
    Internal(Rc<str>),
    /// Something outside the document, never read.
    External,
    /// Data that is not XML: may not be referred to.
    Unparsed,
}

/// What the declaration says.
#[derive(Debug, Default)]
pub(super) struct Doctype {
    pub general: HashMap<String, Entity>,
    parameter: HashMap<String, Entity>,
    /// There are declarations elsewhere, so that an unknown entity is no error (§4.1).
    pub incomplete: bool,
    /// Default values of attributes (§3.3.2), which many parsers give to applications as if the document held them.
    pub defaults: Vec<String>,
    /// Bytes of parameter entities that were read.
    expanded: usize,
}

/// Not well-formed.
pub(super) struct Malformed;

impl Doctype {
    /// `text` is what stands between `<!DOCTYPE` and its `>`.
    pub fn parse(text: &str) -> Result<Doctype, Malformed> {
        let mut doctype = Doctype::default();
        let mut cursor = Cursor::new(text);
        if !text.chars().all(is_char) {
            return Err(Malformed);
        }
        // libxml2 does not ask for the space.
        cursor.space();
        cursor.name().ok_or(Malformed)?;
        if cursor.space() && external_id(&mut cursor, false)? {
            doctype.incomplete = true;
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

    /// intSubset; returns what follows it.
    fn subset<'t>(&mut self, text: &'t str, depth: usize) -> Result<&'t str, Malformed> {
        let mut cursor = Cursor::new(text);
        loop {
            cursor.space();
            if cursor.rest.is_empty() || cursor.rest.starts_with(']') {
                return Ok(cursor.rest);
            }
            if cursor.take("%") {
                let name = cursor.name().ok_or(Malformed)?;
                if !cursor.take(";") {
                    return Err(Malformed);
                }
                match self.parameter.get(name).cloned() {
                    Some(Entity::Internal(replacement)) => {
                        self.expanded +=
                            replacement.len() + if depth > 0 { XML_REFERENCE } else { name.len() };
                        if depth == XML_ENTITY_DEPTH || self.expanded > XML_EXPANSION {
                            return Err(Malformed);
                        }
                        if !self.subset(&replacement, depth + 1)?.is_empty() {
                            return Err(Malformed);
                        }
                    }
                    Some(_) => self.incomplete = true,
                    None if self.incomplete => {}
                    None => return Err(Malformed),
                }
            } else if cursor.take("<!--") {
                let comment = cursor.until("--").ok_or(Malformed)?;
                if !cursor.take(">") || comment.contains("--") {
                    return Err(Malformed);
                }
            } else if cursor.take("<?") {
                let target = cursor.name().ok_or(Malformed)?;
                cursor.until("?>").ok_or(Malformed)?;
                if target.eq_ignore_ascii_case("xml") {
                    return Err(Malformed);
                }
            } else if cursor.take("<!ENTITY") {
                self.entity(&mut cursor)?;
            } else if cursor.take("<!ATTLIST") {
                let defaults = &mut self.defaults;
                other(&mut cursor, |default| defaults.push(default.to_owned()))?;
            } else if cursor.take("<!ELEMENT") || cursor.take("<!NOTATION") {
                other(&mut cursor, |_| {})?;
            } else {
                return Err(Malformed);
            }
        }
    }

    /// EntityDecl, §4.2.
    fn entity(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        if !cursor.space() {
            return Err(Malformed);
        }
        let is_parameter = cursor.take("%");
        if is_parameter && !cursor.space() {
            return Err(Malformed);
        }
        let name = cursor.name().ok_or(Malformed)?;
        if !cursor.space() {
            return Err(Malformed);
        }
        let entity = if external_id(cursor, false)? {
            let space = cursor.space();
            if space && !is_parameter && cursor.take("NDATA") {
                if !cursor.space() {
                    return Err(Malformed);
                }
                cursor.name().ok_or(Malformed)?;
                Entity::Unparsed
            } else {
                Entity::External
            }
        } else {
            Entity::Internal(replacement(cursor.quoted().ok_or(Malformed)?)?.into())
        };
        cursor.space();
        if !cursor.take(">") {
            return Err(Malformed);
        }
        // The first declaration counts.
        let table = if is_parameter { &mut self.parameter } else { &mut self.general };
        table.entry(name.to_owned()).or_insert(entity);
        Ok(())
    }
}

/// ExternalID, §4.2.2, or with `public_only` what a notation may have.
fn external_id(cursor: &mut Cursor<'_>, public_only: bool) -> Result<bool, Malformed> {
    if cursor.take("SYSTEM") {
        if !cursor.space() {
            return Err(Malformed);
        }
    } else if cursor.take("PUBLIC") {
        if !cursor.space() {
            return Err(Malformed);
        }
        cursor.quoted().ok_or(Malformed)?;
        if !cursor.space() && !public_only {
            return Err(Malformed);
        }
        if public_only && cursor.rest.starts_with('>') {
            return Ok(true);
        }
    } else {
        return Ok(false);
    }
    cursor.quoted().ok_or(Malformed)?;
    Ok(true)
}

/// A declaration that says nothing about entities: only its shape is looked at, and what stands in quotes given to `take`.
fn other(cursor: &mut Cursor<'_>, mut take: impl FnMut(&str)) -> Result<(), Malformed> {
    if !cursor.space() {
        return Err(Malformed);
    }
    cursor.name().ok_or(Malformed)?;
    if !cursor.space() || cursor.rest.starts_with('>') {
        return Err(Malformed);
    }
    loop {
        let end = cursor.rest.find(['"', '\'', '>', '<']).ok_or(Malformed)?;
        cursor.rest = &cursor.rest[end..];
        if cursor.take(">") {
            return Ok(());
        }
        take(cursor.quoted().ok_or(Malformed)?);
    }
}

/// EntityValue, §4.5. Parameter entities may not stand in declarations of the internal subset.
fn replacement(value: &str) -> Result<String, Malformed> {
    let mut output = String::with_capacity(value.len());
    let mut cursor = Cursor::new(value);
    while let Some(at) = cursor.rest.find(['&', '%']) {
        output.push_str(&cursor.rest[..at]);
        cursor.rest = &cursor.rest[at..];
        if cursor.take("&#") {
            let digits = cursor.until(";").ok_or(Malformed)?;
            output.push(character(digits).ok_or(Malformed)?);
        } else if cursor.take("&") {
            let name = cursor.name().ok_or(Malformed)?;
            if !cursor.take(";") {
                return Err(Malformed);
            }
            output.push('&');
            output.push_str(name);
            output.push(';');
        } else {
            return Err(Malformed);
        }
    }
    output.push_str(cursor.rest);
    Ok(output)
}

/// The character of a reference without its `&#` and `;` (§4.1).
pub(super) fn character(digits: &str) -> Option<char> {
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    // from_str_radix would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(digits.trim_start_matches('0'), radix).ok()?;
    char::from_u32(code).filter(|&character| is_char(character))
}

/// The entities that need no declaration (§4.6).
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
