//! The kinds of SQL tokens.

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
