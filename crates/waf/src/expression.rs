//! Compiled texts with macros, in which numbers replace the names of TX variables.

use seclang::template::{Part, Template};
use seclang::variable::Variable;

use crate::names::Names;

/// A text whose macros a transaction expands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expression {
    pub(crate) parts: Box<[Piece]>,
    /// The text as written.
    pub(crate) text: Box<[u8]>,
}

/// A piece of an [`Expression`].
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Literal(Box<[u8]>),
    /// `%{tx.name}`
    Tx(u32),
    /// Any other variable, with its key as written.
    Variable {
        variable: Variable,
        key: Option<Box<[u8]>>,
    },
    /// A name that no variable has. It expands to an empty text.
    Unknown,
}

impl Expression {
    /// Compiles `template`.
    pub(crate) fn compile(template: &Template, names: &mut Names) -> Expression {
        let parts = template.parts.iter().map(|part| match part {
            Part::Literal(text) => Piece::Literal(text.as_slice().into()),
            Part::Macro(m) => match (m.variable, &m.key) {
                (Some(Variable::Tx), Some(key)) => Piece::Tx(names.intern(key)),
                (Some(variable), key) => Piece::Variable { variable, key: key.as_deref().map(Into::into) },
                (None, _) => Piece::Unknown,
            },
        });
        Expression { parts: parts.collect(), text: template.to_text().into() }
    }

    /// Returns the text, if it contains no macros.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}
