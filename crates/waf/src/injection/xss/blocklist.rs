//! Dangerous markup: tags, attributes and URL schemes.
//!
//! Old browsers ignored NUL anywhere in a name, so comparisons of names ignore it.

use crate::injection::scan;

/// Tags that load or run something.
const TAGS: [&[u8]; 20] = [
    b"APPLET",
    b"BASE",
    b"COMMENT",
    b"EMBED",
    b"FRAME",
    b"FRAMESET",
    b"HANDLER",
    b"IFRAME",
    b"IMPORT",
    b"ISINDEX",
    b"LINK",
    b"LISTENER",
    b"META",
    b"NOSCRIPT",
    b"OBJECT",
    b"SCRIPT",
    b"STYLE",
    b"VMLFRAME",
    b"XML",
    b"XSS",
];

/// The first three letters of families of tags: SVG, and XSL style sheets.
const TAG_FAMILIES: [&[u8]; 2] = [b"SVG", b"XSL"];

/// The first five letters of attributes that change the meaning of tag names and links.
const ATTRIBUTE_FAMILIES: [&[u8]; 2] = [b"XMLNS", b"XLINK"];

/// Attributes whose value is code, or may run code.
const ATTRIBUTES: [(&[u8], Danger); 20] = [
    (b"ACTION", Danger::Url),
    (b"ATTRIBUTENAME", Danger::Name),
    (b"BACKGROUND", Danger::Url),
    (b"BY", Danger::Url),
    (b"DATAFORMATAS", Danger::Always),
    (b"DATASRC", Danger::Always),
    (b"DYNSRC", Danger::Url),
    (b"FILTER", Danger::Always),
    (b"FOLDER", Danger::Url),
    (b"FORMACTION", Danger::Url),
    (b"FROM", Danger::Url),
    (b"HANDLER", Danger::Url),
    (b"HREF", Danger::Url),
    (b"LOWSRC", Danger::Url),
    (b"POSTER", Danger::Url),
    (b"SRC", Danger::Url),
    (b"STYLE", Danger::Always),
    (b"TO", Danger::Url),
    (b"VALUES", Danger::Url),
    (b"XLINK:HREF", Danger::Url),
];

/// Prefixes of URLs that run or reveal something; JAVA covers JAVASCRIPT too.
const SCHEMES: [&[u8]; 4] = [b"DATA", b"VIEW-SOURCE", b"JAVA", b"VBSCRIPT"];

/// Largest value of a character reference; beyond it the reference is text.
const REFERENCE_LIMIT: u32 = 0x10_00ff;

/// The condition under which an attribute is dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// With any value.
    Always,
    /// When the value is a URL with a dangerous scheme.
    Url,
    /// If the value is the name of a dangerous attribute (SVG animations).
    Name,
}

/// Whether a tag of this name is dangerous.
pub(super) fn is_tag(name: &[u8]) -> bool {
    name.len() >= 3
        && (TAG_FAMILIES.iter().any(|family| begins(name, family))
            || TAGS.iter().any(|tag| is_name(name, tag)))
}

/// Returns the condition under which an attribute of this name is dangerous, if there is one.
pub(super) fn attribute(name: &[u8]) -> Option<Danger> {
    if name.len() >= 5 {
        // all event handlers, known or not
        let family = name.get(..5).unwrap_or_default();
        if begins(name, b"ON") || ATTRIBUTE_FAMILIES.iter().any(|known| is_name(family, known)) {
            return Some(Danger::Always);
        }
    }
    ATTRIBUTES.iter().find(|(known, _)| is_name(name, known)).map(|&(_, danger)| danger)
}

/// Whether a URL has a dangerous scheme, in any encoding.
pub(super) fn is_url(url: &[u8]) -> bool {
    let start = scan::span(url, 0, |byte| !byte.is_ascii_graphic());
    let url = url.get(start..).unwrap_or_default();
    SCHEMES.iter().any(|scheme| is_scheme(url, scheme))
}

/// Whether the first six bytes of a comment are `word`, without NULs.
pub(super) fn is_comment_word(comment: &[u8], word: &[u8]) -> bool {
    comment.get(..6).is_some_and(|first| is_name(first, word))
}

fn begins(name: &[u8], known: &[u8]) -> bool {
    name.get(..known.len()).is_some_and(|first| first.eq_ignore_ascii_case(known))
}

fn is_name(name: &[u8], known: &[u8]) -> bool {
    let letters =
        name.iter().inspect(|_| scan::note(1)).filter(|&&byte| byte != 0).map(u8::to_ascii_uppercase);
    letters.eq(known.iter().copied())
}

/// Returns whether `url` begins with `scheme`, after decoding character references and removing NULs, line feeds and leading
/// control characters.
fn is_scheme(url: &[u8], scheme: &[u8]) -> bool {
    let mut rest = url;
    let mut expected = scheme.iter();
    let mut wanted = expected.next();
    let mut leading = true;
    while let Some(&letter) = wanted {
        let Some((character, after)) = character(rest) else {
            return false;
        };
        scan::note(rest.len() - after.len());
        rest = after;
        if (leading && character <= u32::from(b' ')) || matches!(character, 0 | 0x0a) {
            continue;
        }
        leading = false;
        // C truncates to a byte after it changes the case, so U+014A passes for J, and U+016A does not
        let upper = match character {
            0x61..=0x7a => character - 0x20,
            other => other & 0xff,
        };
        if upper != u32::from(letter) {
            return false;
        }
        wanted = expected.next();
    }
    true
}

/// Returns the first character of `text`, and the rest. A numeric reference is one character, with or without its semicolon; a
/// named one is plain text.
fn character(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = text.split_first()?;
    let plain = Some((u32::from(first), rest));
    let (radix, digits) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (16, digits),
        [b'&', b'#', digits @ ..] => (10, digits),
        _ => return plain,
    };
    let mut value = 0;
    let mut count = 0;
    for &byte in digits {
        let Some(digit) = char::from(byte).to_digit(radix) else {
            break;
        };
        value = value * radix + digit;
        count += 1;
        if value > REFERENCE_LIMIT {
            return plain;
        }
    }
    if count == 0 {
        return plain;
    }
    let after = digits.get(count..).unwrap_or_default();
    Some((value, after.strip_prefix(b";").unwrap_or(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [&b"script"[..], b"SCRIPT", b"s\0cr\0ipt", b"svg", b"SVGfoo", b"xsl:x"] {
            assert!(is_tag(name), "{name:?}");
        }
        for name in [&b"b"[..], b"scripts", b"scrip", b"s\0vg", b"", b"\0\0\0"] {
            assert!(!is_tag(name), "{name:?}");
        }
        let cases: [(&[u8], Option<Danger>); 9] = [
            (b"onclick", Some(Danger::Always)),
            (b"onxxx", Some(Danger::Always)),
            (b"onxx", None),
            (b"xmlns:a", Some(Danger::Always)),
            (b"xlink:href", Some(Danger::Always)),
            (b"hr\0ef", Some(Danger::Url)),
            (b"attributename", Some(Danger::Name)),
            (b"class", None),
            (b"", None),
        ];
        for (name, danger) in cases {
            assert_eq!(attribute(name), danger, "{name:?}");
        }
    }

    #[test]
    fn urls() {
        for url in [
            &b"javascript:x"[..],
            b" \xe3\x80\x80JAVA",
            b"&#106;avascript",
            b"&#x6a&#X61;va",
            b"j\na\0va",
            b"&#1;data:",
            b"view-source:",
            b"&#x14a;ava",
        ] {
            assert!(is_url(url), "{:?}", url.escape_ascii().to_string());
        }
        for url in [
            &b""[..],
            b"http://x",
            b"jav",
            b"&#x16a;ava",
            b"&#;java",
            b"&#x;java",
            b"&jav",
            b"&#9999999;data",
        ] {
            assert!(!is_url(url), "{:?}", url.escape_ascii().to_string());
        }
    }
}
