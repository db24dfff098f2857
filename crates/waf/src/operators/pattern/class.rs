//! Sets of bytes in PCRE's patterns: `\d` and the like, bracket classes, POSIX names, and escapes of single bytes.

use regex_syntax::hir::{ClassBytes, ClassBytesRange};

use super::parser::{Beyond, Parser};

fn set(ranges: &[(u8, u8)]) -> ClassBytes {
    ClassBytes::new(ranges.iter().map(|&(start, end)| ClassBytesRange::new(start, end)))
}

const DIGIT: &[(u8, u8)] = &[(b'0', b'9')];
const UPPER: &[(u8, u8)] = &[(b'A', b'Z')];
const LOWER: &[(u8, u8)] = &[(b'a', b'z')];
const ALPHA: &[(u8, u8)] = &[(b'A', b'Z'), (b'a', b'z')];
const ALNUM: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')];
const WORD: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')];
const XDIGIT: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')];
/// White space with the vertical tab, as since Perl 5.18.
const SPACE: &[(u8, u8)] = &[(0x09, 0x0d), (b' ', b' ')];
/// Horizontal space of one byte, including 0xA0.
const HORIZONTAL: &[(u8, u8)] = &[(b'\t', b'\t'), (b' ', b' '), (0xa0, 0xa0)];
/// Vertical space of one byte, including NEL (0x85).
const VERTICAL: &[(u8, u8)] = &[(0x0a, 0x0d), (0x85, 0x85)];
const PUNCT: &[(u8, u8)] = &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')];

/// Returns the set of `\d`, `\D` and so on, without the backslash.
pub(super) fn shorthand(letter: u8) -> Option<ClassBytes> {
    let mut members = set(match letter.to_ascii_lowercase() {
        b'd' => DIGIT,
        b'w' => WORD,
        b's' => SPACE,
        b'h' => HORIZONTAL,
        b'v' => VERTICAL,
        b'n' if letter == b'N' => &[(b'\n', b'\n')],
        _ => return None,
    });
    if letter.is_ascii_uppercase() {
        members.negate();
    }
    Some(members)
}

/// Returns the set of a POSIX name, in the "C" locale.
fn posix(name: &[u8]) -> Option<ClassBytes> {
    Some(set(match name {
        b"alnum" => ALNUM,
        b"alpha" => ALPHA,
        b"ascii" => &[(0, 0x7f)],
        b"blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        b"cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        b"digit" => DIGIT,
        b"graph" => &[(b'!', b'~')],
        b"lower" => LOWER,
        b"print" => &[(b' ', b'~')],
        b"punct" => PUNCT,
        b"space" => SPACE,
        b"upper" => UPPER,
        b"word" => WORD,
        b"xdigit" => XDIGIT,
        _ => return None,
    }))
}

/// A member of a bracket class.
enum Member {
    Byte(u8),
    Set(ClassBytes),
    /// No member, such as `\E`.
    Nothing,
}

/// Parses the members of a bracket class up to its closing bracket, after the opening one and `^`.
pub(super) fn members(parser: &mut Parser<'_>) -> Result<ClassBytes, Beyond> {
    let mut result = ClassBytes::empty();
    let mut quoted = false;
    let mut first = true;
    // The previous byte, if it may start a range; and whether a set precedes, which a hyphen must not follow.
    let mut previous: Option<u8> = None;
    let mut after_set = false;
    loop {
        if quoted && parser.skip(b"\\E") {
            quoted = false;
            continue;
        }
        if !quoted && !first && parser.peek() == Some(b']') {
            parser.at += 1;
            return Ok(result);
        }
        if !quoted && parser.peek() == Some(b'-') && !first && !matches!(parser.rest(), [_, b']', ..]) {
            if after_set {
                return parser.beyond("hyphen after a set in a class");
            }
            if let Some(start) = previous.take() {
                parser.at += 1;
                if parser.rest().starts_with(b"\\Q") || parser.rest().starts_with(b"\\E") {
                    return parser.beyond("quotation in a range");
                }
                let end = match member(parser, false)? {
                    Member::Byte(end) if end >= start => end,
                    _ => return parser.beyond("range in a class"),
                };
                result.push(ClassBytesRange::new(start, end));
                continue;
            }
        }
        if !quoted && parser.skip(b"\\Q") {
            (quoted, after_set) = (true, false);
            continue;
        }
        match member(parser, quoted)? {
            Member::Byte(byte) => {
                result.push(ClassBytesRange::new(byte, byte));
                (previous, after_set) = (Some(byte), false);
            }
            Member::Set(members) => {
                result.union(&members);
                (previous, after_set) = (None, true);
            }
            Member::Nothing => continue,
        }
        first = false;
    }
}

fn member(parser: &mut Parser<'_>, quoted: bool) -> Result<Member, Beyond> {
    let Some(byte) = parser.next() else { return parser.beyond("unclosed class") };
    if quoted {
        return Ok(Member::Byte(byte));
    }
    match byte {
        b'[' if matches!(parser.peek(), Some(b':' | b'.' | b'=')) => bracketed(parser),
        b'\\' => {
            let Some(letter) = parser.peek() else { return parser.beyond("unclosed class") };
            match letter {
                b'E' => {
                    parser.at += 1;
                    Ok(Member::Nothing)
                }
                b'b' => {
                    parser.at += 1;
                    Ok(Member::Byte(0x08))
                }
                b'N' | b'B' | b'R' | b'X' => parser.beyond("escape in a class"),
                b'0'..=b'7' => {
                    let digits = parser.rest().iter().take(3).take_while(|b| matches!(b, b'0'..=b'7'));
                    let (value, count) = digits
                        .fold((0_u32, 0), |(value, count), b| (value * 8 + u32::from(b - b'0'), count + 1));
                    parser.at += count;
                    u8::try_from(value).map(Member::Byte).or_else(|_| parser.beyond("octal escape"))
                }
                letter => match shorthand(letter) {
                    Some(members) => {
                        parser.at += 1;
                        Ok(Member::Set(members))
                    }
                    None => escaped_byte(parser).map(Member::Byte),
                },
            }
        }
        byte => Ok(Member::Byte(byte)),
    }
}

/// Parses `[:name:]`, or a literal opening bracket.
fn bracketed(parser: &mut Parser<'_>) -> Result<Member, Beyond> {
    let Some(name) = posix_name(parser.rest()) else { return Ok(Member::Byte(b'[')) };
    let (negated, plain) = name.strip_prefix(b"^").map_or((false, name), |plain| (true, plain));
    // With case ignored, PCRE2 turns upper and lower into alpha before the negation; this code folds after it.
    let foldable = negated && matches!(plain, b"upper" | b"lower");
    match posix(plain).filter(|_| parser.peek() == Some(b':') && !foldable) {
        Some(mut members) => {
            if negated {
                members.negate();
            }
            parser.at += 1 + name.len() + 2;
            Ok(Member::Set(members))
        }
        None => parser.beyond("POSIX class"),
    }
}

/// Returns the name in `:name:]`, by PCRE2's rule: a closing bracket, or another opening one with the same mark, ends the search,
/// and the bracket before is literal.
pub(super) fn posix_name(text: &[u8]) -> Option<&[u8]> {
    let (&mark, body) = text.split_first()?;
    let mut at = 0;
    loop {
        match *body.get(at..at + 2)? {
            [b'\\', b']' | b'\\'] => at += 1,
            [b'[', after] if after == mark => return None,
            [b']', _] => return None,
            [before, b']'] if before == mark => return Some(&body[..at]),
            _ => {}
        }
        at += 1;
    }
}

/// Parses an escape of one byte, inside or outside brackets, after the backslash.
pub(super) fn escaped_byte(parser: &mut Parser<'_>) -> Result<u8, Beyond> {
    let Some(letter) = parser.next() else { return parser.beyond("backslash at the end") };
    Ok(match letter {
        b'a' => 0x07,
        b'e' => 0x1b,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => {
            let digits = parser.rest().iter().take(2).take_while(|b| matches!(b, b'0'..=b'7'));
            let (value, count) = digits.fold((0, 0), |(value, count), b| (value * 8 + (b - b'0'), count + 1));
            parser.at += count;
            value
        }
        b'o' => braced(parser, 8)?,
        b'x' if parser.peek() == Some(b'{') => braced(parser, 16)?,
        b'x' => {
            let digits: Vec<u8> =
                parser.rest().iter().copied().take(2).take_while(u8::is_ascii_hexdigit).collect();
            parser.at += digits.len();
            number(&digits, 16).unwrap_or(0)
        }
        b'c' => match parser.next() {
            Some(byte @ 0x20..=0x7e) => byte.to_ascii_uppercase() ^ 0x40,
            _ => return parser.beyond("control character"),
        },
        letter if letter.is_ascii_alphanumeric() => {
            parser.at -= 1;
            return parser.beyond("unusual escape");
        }
        punctuation => punctuation,
    })
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix)
        .ok()
        .and_then(|value| u8::try_from(value).ok())
}

/// Parses `{…}` with the digits of a byte.
fn braced(parser: &mut Parser<'_>, radix: u32) -> Result<u8, Beyond> {
    let body = parser.rest().strip_prefix(b"{").unwrap_or_default();
    let value = body
        .iter()
        .position(|&b| b == b'}')
        .filter(|&end| body[..end].iter().all(|&b| char::from(b).is_digit(radix)))
        .and_then(|end| Some((number(&body[..end], radix)?, end)));
    let Some((value, end)) = value else { return parser.beyond("braced escape") };
    parser.at += end + 2;
    Ok(value)
}
