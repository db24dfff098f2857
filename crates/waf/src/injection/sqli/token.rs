//! SQL tokens as the detector sees them: a kind, and the first bytes of the text.

use super::kind::{Kind, TEXT_LIMIT};
use super::vocabulary;

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
