//! SQL tokens as the detector sees them: a kind, and the first bytes of the text.

use super::vocabulary;

/// Number of bytes of a token's text that are kept. No decision uses the rest.
pub(super) const TEXT_LIMIT: usize = 31;

/// The kind of a token. The discriminant is the kind's letter in a fingerprint.
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
    /// Syntax that cannot be parsed reliably and has no harmless use, such as nested comments.
    Evil = b'X',
    Backslash = b'\\',
}

impl Kind {
    /// Returns the kind of a vocabulary entry; none for letters that are not kinds of words or operators.
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

    /// Kinds that cannot form an attack alone. Folding turns them into no other kind, unless words form a phrase.
    pub(super) const PLAIN: [Self; 8] = [
        Self::Bareword,
        Self::Number,
        Self::Operator,
        Self::Function,
        Self::Comma,
        Self::Dot,
        Self::Colon,
        Self::Unknown,
    ];

    /// Whether the kind is one of [`Self::PLAIN`].
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        const PLAIN: [bool; 128] = {
            let mut plain = [false; 128];
            let mut number = 0;
            while number < Kind::PLAIN.len() {
                plain[Kind::PLAIN[number] as usize] = true;
                number += 1;
            }
            plain
        };
        PLAIN[self as usize]
    }

    /// Returns the kind's letter in a fingerprint.
    pub(super) fn letter(self) -> u8 {
        self as u8
    }
}

/// A token of an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    /// At most [`TEXT_LIMIT`] bytes of the input; for a phrase, its entry in the vocabulary.
    text: &'a [u8],
    pub(super) kind: Kind,
    /// The delimiter that opened a string; 0 if the string began before the input, or if this is not a string.
    pub(super) open: u8,
    /// The delimiter that closed a string; 0 if the input ended first, or if this is not a string.
    pub(super) close: u8,
}

impl<'a> Token<'a> {
    /// Makes a token of `kind` with the first [`TEXT_LIMIT`] bytes of `text`.
    #[inline]
    pub(super) fn new(kind: Kind, text: &'a [u8]) -> Self {
        Self { text: text.get(..TEXT_LIMIT).unwrap_or(text), kind, open: 0, close: 0 }
    }

    /// Returns the kept text.
    #[inline]
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Returns the first byte of the text; 0 if it is empty.
    pub(super) fn first(&self) -> u8 {
        self.text.first().copied().unwrap_or(0)
    }

    /// Whether the text is `word`, which is in upper case.
    pub(super) fn is_word(&self, word: &[u8]) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// Whether this is an operator that may precede its operand without changing the expression's shape.
    #[inline]
    pub(super) fn is_unary_operator(&self) -> bool {
        self.kind == Kind::Operator
            && (matches!(self.text, b"+" | b"-" | b"!" | b"~" | b"!!") || self.is_word(b"NOT"))
    }

    /// Whether this is a one-byte arithmetic operator.
    pub(super) fn is_arithmetic_operator(&self) -> bool {
        self.kind == Kind::Operator && matches!(self.text, b"*" | b"/" | b"-" | b"+" | b"%")
    }

    /// Returns the phrase that `self` and `next` form, such as UNION ALL or NOT IN, if they form one. Its text is in upper case;
    /// nothing depends on the case of a text.
    #[inline]
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
        if !first || !second {
            return None;
        }
        let (text, kind) = vocabulary::phrase(self.text, next.text)?;
        Some(Self { text, kind, ..*self })
    }
}
