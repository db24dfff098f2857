//! Translates PCRE's syntax to [`regex_syntax`]'s tree, byte for byte and with PCRE's meaning.
//!
//! Patterns mean what ModSecurity 2 makes of them: PCRE2 10.42 with DOTALL and DOLLAR_ENDONLY, without MULTILINE and without UTF.
//! This code builds the tree directly instead of writing another pattern, so nothing is read twice: `\x{e9}` is a byte, `\v` the
//! vertical-space class, `[[&&]` three literals, and `a{,3}` plain text.
//!
//! [`Beyond`] stands for everything that finite automata cannot express exactly: look-around, back-references, possessive
//! quantifiers, atomic groups, recursion, conditions, `\Z`, `\R`, `\K`, `^` in multi-line mode. It also stands for patterns that
//! PCRE may refuse or read in a way that is not worth repeating here; PCRE2 decides those.

use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, Repetition};

use super::class;
pub use super::parser::Beyond;
use super::parser::Parser;
use crate::limits;

/// Settings that `(?i)` and the like change up to the end of the group.
#[derive(Debug, Clone, Copy)]
struct Flags {
    ignore_case: bool,
    dot_all: bool,
    multi_line: bool,
}

/// Parses `pattern`.
pub fn translate(pattern: &[u8]) -> Result<Hir, Beyond> {
    let mut parser = Parser { pattern, at: 0, depth: 0, groups: 0, quoted: false };
    let hir = parser.alternation(Flags { ignore_case: false, dot_all: true, multi_line: false })?;
    if parser.at < pattern.len() {
        return parser.beyond("unmatched closing parenthesis");
    }
    Ok(hir)
}

/// A piece of a branch.
enum Item {
    /// An atom that a quantifier may follow.
    Atom(Hir),
    /// An assertion: `^`, `$`, `\b`.
    Look(Look),
    /// A comment or a change of flags. The bool says whether a quantifier would apply to the piece before.
    Nothing,
}

impl<'p> Parser<'p> {
    /// Parses branches up to a closing parenthesis or the end. A flag that one branch sets also applies to the branches after it.
    fn alternation(&mut self, mut flags: Flags) -> Result<Hir, Beyond> {
        let mut branches = vec![self.branch(&mut flags)?];
        while self.skip(b"|") {
            branches.push(self.branch(&mut flags)?);
        }
        Ok(Hir::alternation(branches))
    }

    fn branch(&mut self, flags: &mut Flags) -> Result<Hir, Beyond> {
        let mut items = Vec::new();
        loop {
            if !self.quoted && matches!(self.peek(), None | Some(b'|' | b')')) {
                break;
            }
            let start = self.at;
            match self.item(flags)? {
                Some(Item::Nothing) => {}
                Some(Item::Look(look)) => {
                    if self.quantifier()?.is_some() {
                        return Err(Beyond { feature: "quantified assertion", offset: start });
                    }
                    items.push(Hir::look(look));
                }
                Some(Item::Atom(atom)) => items.push(self.quantified(atom)?),
                None => break,
            }
        }
        Ok(Hir::concat(items))
    }

    /// Parses the next piece; none at the end of the pattern.
    fn item(&mut self, flags: &mut Flags) -> Result<Option<Item>, Beyond> {
        if self.quoted {
            if self.skip(b"\\E") {
                self.quoted = false;
                return Ok(Some(Item::Nothing));
            }
            return Ok(self.next().map(|byte| Item::Atom(literal(byte, *flags))));
        }
        let Some(byte) = self.next() else { return Ok(None) };
        let item = match byte {
            b'\\' => self.escape(*flags)?,
            b'[' => Item::Atom(self.bracket(*flags)?),
            b'(' => self.group(flags)?,
            b'.' if flags.dot_all => Item::Atom(any_byte()),
            b'.' => Item::Atom(class_of(&[(0, b'\n' - 1), (b'\n' + 1, 0xff)])),
            // PCRE does not match after a newline at the end of the input, but the automaton would.
            b'^' if flags.multi_line => return self.beyond("^ in multi-line mode"),
            b'^' => Item::Look(Look::Start),
            b'$' if flags.multi_line => Item::Look(Look::EndLF),
            b'$' => Item::Look(Look::End),
            b'*' | b'+' | b'?' => return self.beyond("quantifier without anything before it"),
            b'{' if self.counted(self.at - 1).is_some() => {
                return self.beyond("quantifier without anything before it");
            }
            other => Item::Atom(literal(other, *flags)),
        };
        Ok(Some(item))
    }

    /// Skips comments and empty quotations, which may stand between an atom and its quantifier.
    fn skip_to_quantifier(&mut self) {
        loop {
            if self.quoted {
                if !self.skip(b"\\E") {
                    return;
                }
                self.quoted = false;
            } else if self.rest().starts_with(b"(?#") {
                match memchr::memchr(b')', self.rest()) {
                    Some(end) => self.at += end + 1,
                    None => return,
                }
            } else if !self.skip(b"\\Q\\E") && !self.skip(b"\\E") {
                return;
            }
        }
    }

    fn quantified(&mut self, atom: Hir) -> Result<Hir, Beyond> {
        let Some((min, max)) = self.quantifier()? else { return Ok(atom) };
        let greedy = match self.peek() {
            Some(b'?') => false,
            Some(b'+') => return self.beyond("possessive quantifier"),
            _ => true,
        };
        self.at += usize::from(!greedy);
        self.skip_to_quantifier();
        let next = self.at;
        if self.quantifier()?.is_some() {
            return Err(Beyond { feature: "quantifier of a quantifier", offset: next });
        }
        if max == Some(0) {
            return self.beyond("quantifier of zero");
        }
        // PCRE ends a loop at its first empty iteration, and keeps the captures of that iteration; the automaton does neither.
        // The results are equal only if the empty match comes last and nothing is captured.
        let properties = atom.properties();
        let loops = max != Some(1) && properties.minimum_len() == Some(0);
        if loops && (properties.explicit_captures_len() > 0 || !prefers_text(&atom)) {
            return self.beyond("repeated group that may be empty");
        }
        Ok(Hir::repetition(Repetition { min, max, greedy, sub: Box::new(atom) }))
    }

    /// Parses the quantifier at this position, without its `?` or `+`.
    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, Beyond> {
        self.skip_to_quantifier();
        if self.quoted {
            return Ok(None);
        }
        let range = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => {
                let Some((min, max, end)) = self.counted(self.at) else { return Ok(None) };
                let too_big = |n: &u32| *n > limits::PCRE_MAX_REPEAT;
                if too_big(&min) || max.as_ref().is_some_and(too_big) || max.is_some_and(|max| max < min) {
                    return self.beyond("counted quantifier out of range");
                }
                self.at = end;
                return Ok(Some((min, max)));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(range))
    }

    /// Parses `{n}`, `{n,}` or `{n,m}` at `from`, and returns the position after it. Any other text there is literal.
    fn counted(&self, from: usize) -> Option<(u32, Option<u32>, usize)> {
        let text = self.pattern.get(from + 1..)?;
        let close = text.iter().take(24).position(|&b| b == b'}')?;
        let end = from + 1 + close + 1;
        let number = |digits: &[u8]| -> Option<u32> {
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // These are all digits, so a number that does not parse is too large.
            Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u32::MAX))
        };
        match text[..close].iter().position(|&b| b == b',') {
            None => number(&text[..close]).map(|n| (n, Some(n), end)),
            Some(comma) if comma + 1 == close => number(&text[..comma]).map(|n| (n, None, end)),
            Some(comma) => Some((number(&text[..comma])?, Some(number(&text[comma + 1..close])?), end)),
        }
    }

    fn bracket(&mut self, flags: Flags) -> Result<Hir, Beyond> {
        if matches!(self.peek(), Some(b':' | b'.' | b'=')) && class::posix_name(self.rest()).is_some() {
            return self.beyond("POSIX name outside a class");
        }
        let negated = self.skip(b"^");
        let mut set = class::members(self)?;
        if flags.ignore_case {
            set.case_fold_simple();
        }
        if negated {
            set.negate();
        }
        Ok(Hir::class(Class::Bytes(set)))
    }

    /// Parses a group, comment or change of flags, after the opening parenthesis.
    fn group(&mut self, flags: &mut Flags) -> Result<Item, Beyond> {
        if self.peek() == Some(b'*') {
            return self.beyond("verb");
        }
        if !self.skip(b"?") {
            return self.capture(*flags);
        }
        if self.skip(b"#") {
            let Some(end) = memchr::memchr(b')', self.rest()) else { return self.beyond("unclosed comment") };
            self.at += end + 1;
            return Ok(Item::Nothing);
        }
        if self.skip(b":") {
            return Ok(Item::Atom(self.nested(*flags)?));
        }
        let feature = match self.rest() {
            [b'<', b'=' | b'!', ..] => "look-behind",
            [b'=' | b'!', ..] => "look-ahead",
            [b'>', ..] => "atomic group",
            [b'(', ..] => "conditional group",
            [b'|', ..] => "branch reset group",
            [b'<' | b'\'', ..] | [b'P', b'<', ..] => return self.named(*flags),
            [b'i' | b's' | b'm' | b'-', ..] => return self.flags(flags),
            _ => "unusual group",
        };
        self.beyond(feature)
    }

    fn capture(&mut self, flags: Flags) -> Result<Item, Beyond> {
        self.groups += 1;
        let index = self.groups;
        let sub = Box::new(self.nested(flags)?);
        // Rules cannot refer to names, so the names are dropped.
        Ok(Item::Atom(Hir::capture(Capture { index, name: None, sub })))
    }

    fn named(&mut self, flags: Flags) -> Result<Item, Beyond> {
        self.skip(b"P");
        let close = if self.next() == Some(b'\'') { b'\'' } else { b'>' };
        let length = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let valid = (1..=limits::PCRE_MAX_NAME).contains(&length) && !self.rest()[0].is_ascii_digit();
        if !valid || self.rest().get(length) != Some(&close) {
            return self.beyond("group name");
        }
        self.at += length + 1;
        self.capture(flags)
    }

    /// Parses `(?i)` and `(?i:…)`. Supports only the letters i, s and m.
    fn flags(&mut self, flags: &mut Flags) -> Result<Item, Beyond> {
        let mut changed = *flags;
        let mut on = true;
        loop {
            match self.next() {
                Some(b'i') => changed.ignore_case = on,
                Some(b's') => changed.dot_all = on,
                Some(b'm') => changed.multi_line = on,
                Some(b'-') if on => on = false,
                Some(b')') => {
                    *flags = changed;
                    if self.quantifier()?.is_some() {
                        return self.beyond("quantifier without anything before it");
                    }
                    return Ok(Item::Nothing);
                }
                Some(b':') => return Ok(Item::Atom(self.nested(changed)?)),
                _ => return self.beyond("unusual flag"),
            }
        }
    }

    fn nested(&mut self, flags: Flags) -> Result<Hir, Beyond> {
        self.depth += 1;
        if self.depth > limits::PCRE_MAX_DEPTH {
            return self.beyond("nesting");
        }
        let hir = self.alternation(flags)?;
        if !self.skip(b")") {
            return self.beyond("missing closing parenthesis");
        }
        self.depth -= 1;
        Ok(hir)
    }

    /// Parses an escape outside brackets, after the backslash.
    fn escape(&mut self, flags: Flags) -> Result<Item, Beyond> {
        let Some(byte) = self.peek() else { return self.beyond("backslash at the end") };
        if let Some(set) = class::shorthand(byte) {
            self.at += 1;
            if byte == b'N' && self.peek() == Some(b'{') {
                return self.beyond("\\N{name}");
            }
            return Ok(Item::Atom(Hir::class(Class::Bytes(set))));
        }
        let look = match byte {
            b'b' => Look::WordAscii,
            b'B' => Look::WordAsciiNegate,
            b'A' => Look::Start,
            b'z' => Look::End,
            b'Q' => {
                (self.at, self.quoted) = (self.at + 1, true);
                return Ok(Item::Nothing);
            }
            b'E' => {
                self.at += 1;
                return Ok(Item::Nothing);
            }
            b'1'..=b'9' => return self.beyond("back-reference"),
            _ => return Ok(Item::Atom(literal(class::escaped_byte(self)?, flags))),
        };
        self.at += 1;
        Ok(Item::Look(look))
    }
}

/// Whether the search tries an empty match last, if one is possible.
fn prefers_text(hir: &Hir) -> bool {
    if hir.properties().minimum_len() != Some(0) {
        return true;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => true,
        HirKind::Repetition(repetition) => repetition.greedy && prefers_text(&repetition.sub),
        HirKind::Capture(capture) => prefers_text(&capture.sub),
        HirKind::Concat(parts) => parts.iter().all(prefers_text),
        HirKind::Alternation(branches) => {
            let may_be_empty = |branch: &Hir| branch.properties().minimum_len() == Some(0);
            branches
                .split_last()
                .is_some_and(|(last, others)| !others.iter().any(may_be_empty) && prefers_text(last))
        }
    }
}

fn literal(byte: u8, flags: Flags) -> Hir {
    if flags.ignore_case && byte.is_ascii_alphabetic() {
        let (upper, lower) = (byte.to_ascii_uppercase(), byte.to_ascii_lowercase());
        return class_of(&[(upper, upper), (lower, lower)]);
    }
    Hir::literal([byte])
}

fn any_byte() -> Hir {
    class_of(&[(0, 0xff)])
}

fn class_of(ranges: &[(u8, u8)]) -> Hir {
    let ranges = ranges.iter().map(|&(start, end)| ClassBytesRange::new(start, end));
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}
