//! The character classes of XML 1.0, fifth edition, and a cursor over text that uses them.

/// Whether this matches Char (§2.2).
pub(super) fn is_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether this matches S (§2.3).
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// Whether this matches NameStartChar (§2.3).
fn starts_name(character: char) -> bool {
    matches!(character,
        ':' | 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// Whether this matches NameChar (§2.3).
fn in_name(character: char) -> bool {
    starts_name(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// An error: the document is not well-formed.
pub(super) struct Malformed;

/// A cursor over text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    pub rest: &'t str,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Cursor { rest: text }
    }

    /// Skips `literal` if it is next.
    pub(super) fn take(&mut self, literal: &str) -> bool {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Skips white space. Returns true if there was any.
    pub(super) fn space(&mut self) -> bool {
        let rest = self.rest.trim_start_matches(is_space);
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some
    }

    /// Parses a Name.
    pub(super) fn name(&mut self) -> Option<&'t str> {
        self.rest.chars().next().filter(|&first| starts_name(first))?;
        let end = self.rest.find(|character| !in_name(character)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(name)
    }

    /// Parses an Nmtoken.
    pub(super) fn token(&mut self) -> Option<&'t str> {
        let end = self.rest.find(|character| !in_name(character)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Parses the text between two equal quotes.
    pub(super) fn quoted(&mut self) -> Option<&'t str> {
        let quote = self.rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
        let (value, rest) = self.rest[1..].split_once(quote)?;
        self.rest = rest;
        Some(value)
    }

    /// Parses the text before `end`, and skips `end`.
    pub(super) fn until(&mut self, end: &str) -> Option<&'t str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }
}
