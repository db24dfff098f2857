//! Declarations in a document type, except those of entities (XML 1.0 §3.2, §3.3, §4.7), and external identifiers. The parsers
//! accept the same declarations as libxml2 2.9.14.

use super::characters::{Cursor, Malformed, is_char};

/// Depth of parentheses in a content model, as in libxml2.
const CONTENT_DEPTH: usize = 128;

/// Parses an element declaration after `<!ELEMENT`, §3.2.
pub(super) fn element(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    required_space(cursor)?;
    cursor.name().ok_or(Malformed)?;
    required_space(cursor)?;
    if cursor.take("(") {
        cursor.space();
        if cursor.take("#PCDATA") { mixed(cursor)? } else { children(cursor, 0)? }
    } else if !cursor.take("EMPTY") && !cursor.take("ANY") {
        return Err(Malformed);
    }
    end(cursor)
}

/// Parses Mixed, §3.2.2, after `#PCDATA`.
fn mixed(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    cursor.space();
    if cursor.take(")") {
        cursor.take("*");
        return Ok(());
    }
    while cursor.take("|") {
        cursor.space();
        cursor.name().ok_or(Malformed)?;
        cursor.space();
    }
    if cursor.take(")*") { Ok(()) } else { Err(Malformed) }
}

/// Parses choice or seq, §3.2.1, after the parenthesis.
fn children(cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Malformed> {
    if depth > CONTENT_DEPTH {
        return Err(Malformed);
    }
    let mut separator = None;
    loop {
        cursor.space();
        if cursor.take("(") {
            children(cursor, depth + 1)?;
        } else {
            cursor.name().ok_or(Malformed)?;
            occurrence(cursor);
        }
        cursor.space();
        if cursor.take(")") {
            occurrence(cursor);
            return Ok(());
        }
        let next = cursor.rest.chars().next().filter(|next| matches!(next, ',' | '|')).ok_or(Malformed)?;
        if *separator.get_or_insert(next) != next {
            return Err(Malformed);
        }
        cursor.rest = &cursor.rest[1..];
    }
}

fn occurrence(cursor: &mut Cursor<'_>) {
    let _one = cursor.take("?") || cursor.take("*") || cursor.take("+");
}

/// Parses an attribute list after `<!ATTLIST`, §3.3. `value` checks a default.
pub(super) fn attributes(
    cursor: &mut Cursor<'_>,
    mut value: impl FnMut(&str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    required_space(cursor)?;
    cursor.name().ok_or(Malformed)?;
    cursor.space();
    while !cursor.take(">") {
        cursor.name().ok_or(Malformed)?;
        required_space(cursor)?;
        attribute_type(cursor)?;
        required_space(cursor)?;
        if !cursor.take("#REQUIRED") && !cursor.take("#IMPLIED") {
            if cursor.take("#FIXED") {
                required_space(cursor)?;
            }
            value(cursor.quoted().ok_or(Malformed)?)?;
        }
        if !cursor.space() && !cursor.rest.starts_with('>') {
            return Err(Malformed);
        }
    }
    Ok(())
}

/// AttType, §3.3.1.
fn attribute_type(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    // The longer names come first. The caller checks the character after the name.
    const TYPES: [&str; 8] = ["CDATA", "IDREFS", "IDREF", "ID", "ENTITY", "ENTITIES", "NMTOKENS", "NMTOKEN"];
    if TYPES.iter().any(|name| cursor.take(name)) {
        return Ok(());
    }
    let of_names = cursor.take("NOTATION");
    if of_names {
        required_space(cursor)?;
    }
    if !cursor.take("(") {
        return Err(Malformed);
    }
    loop {
        cursor.space();
        if of_names { cursor.name() } else { cursor.token() }.ok_or(Malformed)?;
        cursor.space();
        if cursor.take(")") {
            return Ok(());
        }
        if !cursor.take("|") {
            return Err(Malformed);
        }
    }
}

/// Parses a notation after `<!NOTATION`, §4.7.
pub(super) fn notation(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    required_space(cursor)?;
    cursor.name().ok_or(Malformed)?;
    required_space(cursor)?;
    external_id(cursor, false)?.ok_or(Malformed)?;
    end(cursor)
}

/// Parses ExternalID (§4.2.2) and its system literal. A notation may have only the public identifier.
pub(super) fn external_id<'t>(cursor: &mut Cursor<'t>, strict: bool) -> Result<Option<&'t str>, Malformed> {
    if cursor.take("SYSTEM") {
        required_space(cursor)?;
    } else if cursor.take("PUBLIC") {
        required_space(cursor)?;
        let public = cursor.quoted().ok_or(Malformed)?;
        if !public.chars().all(is_public) {
            return Err(Malformed);
        }
        let mut ahead = *cursor;
        let system = ahead.space() && ahead.rest.starts_with(['"', '\'']);
        if !system && !strict {
            return Ok(Some(""));
        }
        required_space(cursor)?;
    } else {
        return Ok(None);
    }
    let system = cursor.quoted().ok_or(Malformed)?;
    if system.chars().all(is_char) { Ok(Some(system)) } else { Err(Malformed) }
}

/// Whether this matches PubidChar (§2.3).
fn is_public(character: char) -> bool {
    character.is_ascii_alphanumeric() || " \r\n-'()+,./:=?;!*#@$_%".contains(character)
}

/// Parses a URI reference (RFC 3986 §4.1) as libxml2 does. Returns true if it has a fragment.
pub(super) fn uri(text: &str) -> Result<bool, Malformed> {
    let (text, fragment) = match text.split_once('#') {
        Some((text, fragment)) => (text, Some(fragment)),
        None => (text, None),
    };
    if fragment.is_some_and(|fragment| !is_made_of(fragment, ":@/?[]")) {
        return Err(Malformed);
    }
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    if !is_made_of(query, ":@/?") {
        return Err(Malformed);
    }
    let scheme = text.split_once(':').filter(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let rest = scheme.map_or(text, |(_, rest)| rest);
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let slash = rest.find('/').unwrap_or(rest.len());
            if !is_authority(&rest[..slash]) {
                return Err(Malformed);
            }
            &rest[slash..]
        }
        // The first segment of a relative path must not contain a colon.
        None if scheme.is_none() && rest.split('/').next().is_some_and(|first| first.contains(':')) => {
            return Err(Malformed);
        }
        None => rest,
    };
    if is_made_of(path, ":@/") { Ok(fragment.is_some()) } else { Err(Malformed) }
}

fn is_authority(text: &str) -> bool {
    let host = match text.split_once('@') {
        Some((user, host)) if is_made_of(user, ":") => host,
        Some(_) => return false,
        None => text,
    };
    let port = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((_, port)) => port,
            None => return false,
        },
        None => {
            let colon = host.find(':').unwrap_or(host.len());
            if !is_made_of(&host[..colon], "") {
                return false;
            }
            &host[colon..]
        }
    };
    match port.strip_prefix(':') {
        None => port.is_empty(),
        // libxml2 keeps the port in an int.
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<i32>().is_ok(),
    }
}

/// Whether a text consists of unreserved characters, sub-delimiters, percent encodings and `more` (RFC 3986 §2).
fn is_made_of(text: &str, more: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let known = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
        let mut encoded = || {
            let mut digit = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
            byte == b'%' && digit() && digit()
        };
        if !known && !more.as_bytes().contains(&byte) && !encoded() {
            return false;
        }
    }
    true
}

pub(super) fn required_space(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    if cursor.space() { Ok(()) } else { Err(Malformed) }
}

/// Parses the end of a declaration.
pub(super) fn end(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    cursor.space();
    if cursor.take(">") { Ok(()) } else { Err(Malformed) }
}
