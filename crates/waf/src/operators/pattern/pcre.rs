//! Expressions that only PCRE2 can run.
//!
//! The crate pcre2 has no settings for DOLLAR_ENDONLY and the limits. PCRE2's own verbs at the start of the expression set the
//! limits, and `\z` replaces `$` with the right meaning.

use pcre2::bytes::{Regex, RegexBuilder};

use super::{PatternError, PatternLimits};
use crate::limits::PCRE_JIT_STACK;
use crate::operators::{Captures, MatchError};

/// Compiles an expression of `@rx`.
pub(super) fn compile_rx(text: &[u8], limits: &PatternLimits) -> Result<Regex, PatternError> {
    build(&rewrite(text, Dollar::EndOnly)?, "", false, text, limits)
}

/// Compiles the expression of `@verifyCC`, `@verifyCPF` or `@verifySSN`.
pub(super) fn compile_for_numbers(text: &[u8], limits: &PatternLimits) -> Result<Regex, PatternError> {
    build(&rewrite(text, Dollar::AsIs)?, "(*NOTEMPTY)", true, text, limits)
}

fn build(
    rewritten: &str,
    verbs: &str,
    multi_line: bool,
    original: &[u8],
    limits: &PatternLimits,
) -> Result<Regex, PatternError> {
    let verbs = format!("(*LIMIT_MATCH={})(*LIMIT_DEPTH={}){verbs}", limits.match_limit, limits.depth_limit);
    let compile = |pattern: &str| {
        RegexBuilder::new()
            .dotall(true)
            .multi_line(multi_line)
            .jit_if_available(limits.depth_limit >= limits.match_limit)
            .max_jit_stack_size(Some(PCRE_JIT_STACK))
            .build(pattern)
    };
    compile(&format!("{verbs}{rewritten}")).map_err(|error| {
        // An offset in the rewritten text would mislead, so compile the author's text for its error.
        let unchanged = std::str::from_utf8(original).ok().and_then(|text| compile(text).err());
        let offset = unchanged.and_then(|error| error.offset()).or(error.offset()).unwrap_or(0);
        let text = error.to_string();
        let message = text.rsplit_once(": ").map_or(text.as_str(), |(_, message)| message).to_owned();
        PatternError::Syntax { message, offset: offset.min(original.len()) }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dollar {
    /// `$` as PCRE2 reads it without DOLLAR_ENDONLY.
    AsIs,
    /// `$` matches only at the end of the input.
    EndOnly,
}

/// Returns the expression as text: bytes beyond ASCII as `\xHH`, quotations resolved, and `$` with its meaning.
fn rewrite(pattern: &[u8], dollar: Dollar) -> Result<String, PatternError> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    let mut quoted = false;
    let mut in_class = false;
    let mut multi_line = None;
    let mut dollar_at = None;
    while let Some(&byte) = pattern.get(at) {
        let rest = &pattern[at..];
        if rest.starts_with(b"\\E") {
            quoted = false;
            at += 2;
            continue;
        }
        if quoted {
            push_literal(&mut out, byte);
            at += 1;
            continue;
        }
        let mut length = 1;
        match byte {
            b'\\' if rest.starts_with(b"\\Q") => {
                quoted = true;
                at += 2;
                continue;
            }
            b'\\' => length = 2,
            b'[' if !in_class => {
                in_class = true;
                // A closing bracket in first place is a member.
                length = match rest {
                    [_, b'^', b']', ..] => 3,
                    [_, b'^', ..] | [_, b']', ..] => 2,
                    _ => 1,
                };
            }
            // A POSIX name has its own closing bracket.
            b'[' if rest.starts_with(b"[:") => {
                let name = rest[2..].iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'^').count();
                if rest[2 + name..].starts_with(b":]") {
                    length = name + 4;
                }
            }
            b']' => in_class = false,
            b'(' if !in_class && rest.starts_with(b"(?#") => {
                length = memchr::memchr(b')', rest).map_or(rest.len(), |end| end + 1);
            }
            b'(' if !in_class && rest.starts_with(b"(?") => {
                let flags = rest[2..].iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'-').count();
                let set = &rest[2..2 + flags];
                if matches!(rest.get(2 + flags), Some(b')' | b':'))
                    && set.iter().any(|b| matches!(b, b'm' | b'x'))
                {
                    multi_line = Some(at);
                }
                length = 2;
            }
            b'$' if !in_class && dollar == Dollar::EndOnly => {
                dollar_at = Some(at);
                out.push_str("\\z");
                at += 1;
                continue;
            }
            _ => {}
        }
        for &byte in &rest[..length.min(rest.len())] {
            if byte.is_ascii() {
                out.push(char::from(byte));
            } else {
                push_literal(&mut out, byte);
            }
        }
        at += length;
    }
    match (multi_line, dollar_at) {
        (Some(offset), Some(_)) => {
            Err(PatternError::NotSupported { feature: "(?m) or (?x) with $ and back-tracking", offset })
        }
        _ => Ok(out),
    }
}

fn push_literal(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

pub(super) fn find_at(
    regex: &Regex,
    input: &[u8],
    start: usize,
    captures: &mut Captures,
) -> Result<bool, MatchError> {
    // Most values do not match, and a test needs no block for the groups.
    if !regex.is_match_at(input, start).map_err(MatchError::from_pcre)? {
        return Ok(false);
    }
    if !captures.wanted {
        return Ok(true);
    }
    let mut locations = regex.capture_locations();
    let found = regex.captures_read_at(&mut locations, input, start).map_err(MatchError::from_pcre)?;
    if found.is_some() {
        captures
            .set_groups((0..locations.len().min(crate::limits::CAPTURES)).map(|group| locations.get(group)));
    }
    Ok(found.is_some())
}
