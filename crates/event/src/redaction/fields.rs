//! Names and values in forms, cookies, multipart bodies, JSON and XML. Each function returns the text with the values
//! of secret fields replaced and every other byte unchanged. None uses a stack, so nesting costs no memory.

use super::hidden::Secrets;
use super::{Found, REDACTED};
use crate::multipart::Part;

/// Redacts `application/x-www-form-urlencoded`, also in the query of a URL.
pub(super) fn form(text: &[u8], names: Secrets<'_>, found: &mut Found) -> Vec<u8> {
    pairs(text, b'&', found, |name, value| {
        let name = form_decode(name);
        names.secret(&name).then(|| names.shown(&name, value))
    })
}

/// Redacts every value of a Cookie header.
pub(super) fn cookies(text: &[u8], found: &mut Found) -> Vec<u8> {
    pairs(text, b';', found, |_, _| Some(REDACTED.into()))
}

/// Redacts the first value of a Set-Cookie header; the attributes stay.
pub(super) fn set_cookie(text: &[u8], found: &mut Found) -> Vec<u8> {
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    let mut redacted = cookies(&text[..end], found);
    redacted.extend_from_slice(&text[end..]);
    redacted
}

/// Redacts pairs of names and values. `secret` returns the replacement of a secret value; none for other values.
fn pairs(
    text: &[u8],
    separator: u8,
    found: &mut Found,
    secret: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    for (number, pair) in text.split(|byte| *byte == separator).enumerate() {
        if number > 0 {
            redacted.push(separator);
        }
        // A cookie without a name is a value (RFC 6265bis §5.5).
        if separator == b';' && !pair.contains(&b'=') && !pair.trim_ascii().is_empty() {
            found.add(pair);
            redacted.extend_from_slice(REDACTED.as_bytes());
            continue;
        }
        // A value may contain pairs: `a=1;password=2`, `next=/login?password=2`. The first secret name counts.
        let mut name_at = 0;
        let (mut shown, mut instead) = (pair.len(), None);
        while let Some(equals) = memchr::memchr(b'=', &pair[name_at..]).map(|equals| name_at + equals) {
            instead = secret(&pair[name_at..equals], &pair[equals + 1..]);
            if instead.is_some() {
                shown = equals + 1;
                break;
            }
            let within = memchr::memchr3(b';', b'?', b'#', &pair[equals + 1..]);
            let Some(within) = within else { break };
            name_at = equals + 1 + within + 1;
        }
        let value = &pair[shown..];
        redacted.extend_from_slice(&pair[..shown]);
        if let Some(instead) = instead.filter(|_| !value.is_empty()) {
            if instead == REDACTED.as_bytes() {
                found.add(value);
                found.add(&form_decode(value));
            }
            redacted.extend_from_slice(&instead);
        }
    }
    redacted
}

/// Redacts session identifiers in paths: `/shop;jsessionid=1A2B?q=x`.
pub(super) fn session_in_path(url: &mut crate::ByteString, found: &mut Found) {
    let path_end = memchr::memchr2(b'?', b'#', url).unwrap_or(url.len());
    let mut at = 0;
    while let Some(equals) = memchr::memchr(b'=', &url[at..path_end]).map(|equals| at + equals) {
        at = equals + 1;
        let Some(semicolon) = memchr::memrchr(b';', &url[..equals]) else { continue };
        let name = &url[semicolon + 1..equals];
        if !SESSIONS.iter().any(|session| name.eq_ignore_ascii_case(session)) {
            continue;
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b';' | b'/' | b'?' | b'#');
        let length = url[at..].iter().position(ends).unwrap_or(url.len() - at);
        let value = &url[at..at + length];
        if !value.is_empty() && value != REDACTED.as_bytes() {
            found.add(value);
            let redacted = [&url[..at], REDACTED.as_bytes(), &url[at + length..]].concat();
            *url = redacted.into();
            // One path has one session.
            return;
        }
    }
}

/// Path parameters with a session identifier, of Java's containers (Servlet 6 §7.1.3), PHP and ColdFusion.
const SESSIONS: [&[u8]; 5] = [b"jsessionid", b"phpsessid", b"sessionid", b"sid", b"cftoken"];

fn form_decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    crate::modsec::percent_decode(&spaced)
}

/// Redacts the parts of a multipart body.
pub(super) fn multipart(text: &[u8], parts: &[Part<'_>], names: Secrets<'_>, found: &mut Found) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    let mut rest = 0;
    for part in parts.iter().filter(|part| !part.value.is_empty()) {
        let end = part.start + part.value.len();
        let value = if names.secret(part.name) {
            let shown = names.shown(part.name, part.value);
            if shown == REDACTED.as_bytes() {
                found.add(part.value);
            }
            shown
        } else {
            match part.value.trim_ascii_start().first() {
                Some(b'{' | b'[') => json(part.value, names, found),
                Some(b'<') => xml(part.value, names, found),
                _ => continue,
            }
        };
        redacted.extend_from_slice(&text[rest..part.start]);
        redacted.extend_from_slice(&value);
        rest = end;
    }
    redacted.extend_from_slice(&text[rest..]);
    redacted
}

/// Names of members and elements that contain the name of a field, next to its value: `{"name":"pin","value":"1"}`.
const NAMING: [&[u8]; 5] = [b"name", b"key", b"field", b"param", b"id"];

/// Returns whether a member or element with this name contains the value next to a name.
fn is_value(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"value") || name.eq_ignore_ascii_case(b"val")
}

fn is_naming(name: &[u8]) -> bool {
    NAMING.iter().any(|naming| name.eq_ignore_ascii_case(naming))
}

/// Redacts JSON, which may be cut off or malformed: a string before a colon is a name, and its value follows.
pub(super) fn json(text: &[u8], names: Secrets<'_>, found: &mut Found) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    let mut at = 0;
    // Whether the object has the name of a secret field and its value is still missing.
    let mut named = false;
    while at < text.len() {
        let Some(quote) = memchr::memchr(b'"', &text[at..]).map(|quote| at + quote) else { break };
        redacted.extend_from_slice(&text[at..quote]);
        named &= !text[at..quote].contains(&b'}');
        let end = string_end(text, quote);
        at = end;
        let colon = skip_space(text, end);
        let name = json_unescape(text.get(quote + 1..end.saturating_sub(1)).unwrap_or_default());
        if text.get(colon) != Some(&b':') {
            match names.shown_value(&name) {
                Some(shown) => redacted.extend_from_slice(&json_string(&shown)),
                None => redacted.extend_from_slice(&text[quote..end]),
            }
            continue;
        }
        redacted.extend_from_slice(&text[quote..end]);
        let value = skip_space(text, colon + 1);
        if text.get(value) == Some(&b'"') && is_naming(&name) {
            let field = text[value + 1..string_end(text, value)].strip_suffix(b"\"").unwrap_or_default();
            named = names.secret(&json_unescape(field));
        }
        if value < text.len() && (names.secret_key(&name) || named && is_value(&name)) {
            let value_end = value_end(text, value);
            let inner = &text[value..value_end];
            let mut shown = None;
            match inner.strip_prefix(b"\"") {
                Some(string) => {
                    let string = string.strip_suffix(b"\"").unwrap_or(string);
                    let plain = json_unescape(string);
                    shown = names.shown_value(&plain);
                    if shown.is_none() {
                        found.add(string);
                        found.add(&plain);
                    }
                }
                None => found.add(inner),
            }
            redacted.extend_from_slice(&text[end..value]);
            redacted.extend_from_slice(&json_string(shown.as_deref().unwrap_or(REDACTED.as_bytes())));
            at = value_end;
        }
    }
    redacted.extend_from_slice(&text[at..]);
    redacted
}

/// Returns the offset after the string that begins at `quote`.
fn string_end(text: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at.min(text.len())..]) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

fn skip_space(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns the offset after the value that begins at `start`: a string, a whole object or array, or a word.
fn value_end(text: &[u8], start: usize) -> usize {
    match text[start] {
        b'"' => string_end(text, start),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut at = start;
            while at < text.len() {
                match text[at] {
                    b'"' => {
                        at = string_end(text, at);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        _ => {
            let word =
                text[start..].iter().take_while(|byte| !matches!(byte, b',' | b'}' | b']' | b'\n' | b'\r'));
            start + word.count()
        }
    }
}

/// Encodes a JSON string. Replaces bytes that are not UTF-8.
fn json_string(text: &[u8]) -> Vec<u8> {
    serde_json::Value::from(String::from_utf8_lossy(text)).to_string().into_bytes()
}

/// Decodes the escapes of a JSON string. Returns an invalid string unchanged.
fn json_unescape(text: &[u8]) -> Vec<u8> {
    if memchr::memchr(b'\\', text).is_none() {
        return text.to_vec();
    }
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).map_or_else(|_| text.to_vec(), String::into_bytes)
}

/// Redacts XML and HTML: the content of elements with secret names, and the values of attributes with secret names; in
/// HTML, the `value` of an input with a secret name; the text after a `<name>` or `name="…"` with a secret name
/// (XML-RPC, plist).
pub(super) fn xml(text: &[u8], names: Secrets<'_>, found: &mut Found) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    let mut at = 0;
    // Whether the next text is the value of a secret field.
    let mut named = false;
    let mut unclosed = 0;
    while let Some(open) = memchr::memchr(b'<', &text[at..]).map(|open| at + open) {
        if named && !text[at..open].trim_ascii().is_empty() {
            found.add(&text[at..open]);
            redacted.extend_from_slice(REDACTED.as_bytes());
            named = false;
        } else {
            redacted.extend_from_slice(&text[at..open]);
        }
        let close = memchr::memchr(b'>', &text[open..]).map_or(text.len(), |close| open + close + 1);
        let tag = &text[open..close];
        let name = tag[1..].split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/')).next();
        let name = name.unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let (attributes, calls_secret) = attributes(tag, names, found);
        redacted.extend_from_slice(&attributes);
        at = close;
        if name.is_empty() || tag.ends_with(b"/>") {
            continue;
        }
        if names.secret(local) {
            let end_tag = [b"</", name].concat();
            let end =
                if unclosed < MAX_UNCLOSED { memchr::memmem::find(&text[at..], &end_tag) } else { None };
            unclosed += usize::from(end.is_none());
            let end = end.or_else(|| memchr::memchr(b'<', &text[at..])).map_or(text.len(), |end| at + end);
            if !text[at..end].trim_ascii().is_empty() {
                let value =
                    text[at..end].strip_prefix(b"<![CDATA[").and_then(|text| text.strip_suffix(b"]]>"));
                found.add(value.unwrap_or(&text[at..end]));
                redacted.extend_from_slice(REDACTED.as_bytes());
                at = end;
            }
        } else if is_naming(local) {
            let end = memchr::memchr(b'<', &text[at..]).map_or(text.len(), |end| at + end);
            named = names.secret(text[at..end].trim_ascii());
            redacted.extend_from_slice(&text[at..end]);
            at = end;
            continue;
        }
        named |= calls_secret && !VOID.iter().any(|void| name.eq_ignore_ascii_case(void));
    }
    redacted.extend_from_slice(&text[at..]);
    redacted
}

/// Elements of HTML without content (HTML §13.1.2).
const VOID: [&[u8]; 4] = [b"input", b"meta", b"param", b"link"];

/// Failed searches for the end tag of a secret element before redaction stops searching; each one may scan the whole
/// text.
const MAX_UNCLOSED: usize = 16;

/// Returns a tag with the values of its secret attributes replaced, and whether an attribute such as `name="password"`
/// makes it a secret field.
fn attributes(tag: &[u8], names: Secrets<'_>, found: &mut Found) -> (Vec<u8>, bool) {
    let mut redacted = Vec::with_capacity(tag.len());
    let mut at = 0;
    // `name="password"` makes the `value` next to it a secret.
    let mut secret_field = false;
    while let Some(equals) = memchr::memchr(b'=', &tag[at..]).map(|equals| at + equals) {
        let before = tag[at..equals].trim_ascii_end();
        let name = before.rsplit(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let start = skip_space(tag, equals + 1);
        let (inner, end) = match tag.get(start) {
            Some(quote @ (b'"' | b'\'')) => {
                let length = memchr::memchr(*quote, &tag[start + 1..]).unwrap_or(tag.len() - start - 1);
                (start + 1, start + 1 + length)
            }
            _ => {
                let rest = tag.get(start..).unwrap_or_default();
                let word = rest.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'>');
                (start, start + word.count())
            }
        };
        let value = tag.get(inner..end).unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if local.eq_ignore_ascii_case(b"name") || local.eq_ignore_ascii_case(b"key") {
            secret_field = names.secret(value);
        }
        let secret = names.secret(local) || (secret_field && local.eq_ignore_ascii_case(b"value"));
        redacted.extend_from_slice(&tag[at..inner.min(tag.len())]);
        if secret && !value.is_empty() {
            found.add(value);
            redacted.extend_from_slice(REDACTED.as_bytes());
        } else {
            redacted.extend_from_slice(value);
        }
        at = end.min(tag.len());
    }
    redacted.extend_from_slice(&tag[at..]);
    (redacted, secret_field)
}
