//! SQL tokens as the detector sees them: a kind, and the first bytes of the text.

use super::vocabulary;

/// Bytes of a token's text that are kept; what follows takes no part in any decision.
pub(super) const TEXT_LIMIT: usize = 31;

/// What a token is. The discriminant is the kind's letter in a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Keyword = b'k',
    Union = b'U',
    Group = b'B',
    Expression = b'E',
    SqlType = b't',
    Function = b'f',
    Bareword = b'n',
    Number = b'1',
    Variable = b'v',
    String = b's',
    Operator = b'o',
    LogicOperator = b'&',
    Comment = b'c',
    Collate = b'A',
    LeftParenthesis = b'(',
    RightParenthesis = b')',
    LeftBrace = b'{',
    RightBrace = b'}',
    Dot = b'.',
    Comma = b',',
    Colon = b':',
    Semicolon = b';',
    Tsql = b'T',
    Unknown = b'?',
    /// Syntax that cannot be parsed reliably and has no honest use, such as nested comments.
    Evil = b'X',
    Backslash = b'\\',
}

impl Kind {
    /// The kind of a vocabulary entry, `None` for letters that are not kinds of words or operators.
    pub(super) fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'k' => Self::Keyword,
            b'U' => Self::Union,
            b'B' => Self::Group,
            b'E' => Self::Expression,
            b't' => Self::SqlType,
            b'f' => Self::Function,
            b'n' => Self::Bareword,
            b'1' => Self::Number,
            b'v' => Self::Variable,
            b'o' => Self::Operator,
            b'&' => Self::LogicOperator,
            b'A' => Self::Collate,
            b'T' => Self::Tsql,
            _ => return None,
        })
    }

    /// The kind's letter in a fingerprint.
    pub(super) fn letter(self) -> u8 {
        self as u8
    }
}

/// A token; 35 bytes, copied freely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The delimiter that opened a string; 0 when the string began before the input, or is no string.
    pub(super) open: u8,
    /// The delimiter that closed a string; 0 when the input ended first, or is no string.
    pub(super) close: u8,
    length: u8,
    text: [u8; TEXT_LIMIT],
}

impl Token {
    /// A token of `kind` with the first [`TEXT_LIMIT`] bytes of `text`.
    pub(super) fn new(kind: Kind, text: &[u8]) -> Self {
        let mut token = Self { kind, open: 0, close: 0, length: 0, text: [0; TEXT_LIMIT] };
        for (slot, &byte) in token.text.iter_mut().zip(text) {
            *slot = byte;
            token.length += 1;
        }
        token
    }

    /// The kept text.
    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..self.length.into()).unwrap_or_default()
    }

    /// First byte of the text, 0 when it is empty.
    pub(super) fn first(&self) -> u8 {
        self.text().first().copied().unwrap_or(0)
    }

    /// Whether the text is `word`, which is in upper case.
    pub(super) fn is_word(&self, word: &[u8]) -> bool {
        self.text().eq_ignore_ascii_case(word)
    }

    /// An operator that may stand before its operand and leave the expression's shape alone.
    pub(super) fn is_unary_operator(&self) -> bool {
        self.kind == Kind::Operator
            && (matches!(self.text(), b"+" | b"-" | b"!" | b"~" | b"!!") || self.is_word(b"NOT"))
    }

    /// A one-byte arithmetic operator.
    pub(super) fn is_arithmetic_operator(&self) -> bool {
        self.kind == Kind::Operator && matches!(self.text(), b"*" | b"/" | b"-" | b"+" | b"%")
    }

    /// The phrase that `self` and `next` make together, such as UNION ALL or NOT IN, if there is one.
    pub(super) fn merged(&self, next: &Self) -> Option<Self> {
        use Kind::{Bareword, Expression, Function, Keyword, LogicOperator, Operator, SqlType, Tsql, Union};
        let first = matches!(
            self.kind,
            Keyword | Bareword | Operator | Union | Function | Expression | Tsql | SqlType
        );
        let second = matches!(
            next.kind,
            Keyword | Bareword | Operator | Union | Function | Expression | Tsql | SqlType | LogicOperator
        );
        let (left, right) = (self.text(), next.text());
        if !first || !second || left.len() + 1 + right.len() > TEXT_LIMIT {
            return None;
        }
        let mut phrase = Self { length: 0, ..*self };
        for &byte in left.iter().chain(b" ").chain(right) {
            *phrase.text.get_mut(usize::from(phrase.length))? = byte;
            phrase.length += 1;
        }
        phrase.kind = vocabulary::word(phrase.text())?;
        Some(phrase)
    }
}
