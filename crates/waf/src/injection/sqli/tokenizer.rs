//! Splits bytes into SQL tokens, with a grammar loose enough for all dialects at once.

#![expect(clippy::cast_possible_truncation, reason = "the table has 256 classes")]

use super::kind::{Kind, TEXT_LIMIT};
use super::token::Token;
use super::vocabulary;
use crate::injection::scan;

/// The reading of `#` and `--`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `--` always begins a comment, `#` is an operator.
    Ansi,
    /// `#` begins a comment, `--` only before white space or at the end.
    MySql,
}

/// Produces the tokens of an input in order.
pub(super) struct Tokenizer<'a> {
    input: &'a [u8],
    dialect: Dialect,
    /// The quote that the input is assumed to continue, if any.
    within: Option<u8>,
    position: usize,
    /// Number of tokens produced so far, comments included.
    pub(super) produced: usize,
    /// Whether MySQL would read some part differently.
    pub(super) ambiguous: bool,
}

impl<'a> Tokenizer<'a> {
    /// Starts at the beginning of `input`, which continues a string delimited by `within`, if that is given.
    pub(super) fn new(input: &'a [u8], dialect: Dialect, within: Option<u8>) -> Self {
        Self { input, dialect, within, position: 0, produced: 0, ambiguous: false }
    }

    /// Returns the next token; none at the end of the input.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let token = match self.within.take() {
            Some(quote) => self.string(0, quote, 0),
            None => self.token()?,
        };
        self.produced += 1;
        Some(token)
    }

    fn token(&mut self) -> Option<Token<'a>> {
        self.position = scan::span(self.input, self.position, |byte| is(byte, BLANK));
        Some(match self.at(0)? {
            b'\'' | b'"' => self.quoted(self.position),
            b'`' => self.backtick(self.position),
            b'#' => self.hash(),
            b'$' => self.dollar(),
            b'-' => self.dash(),
            b'/' => self.slash(),
            b'.' | b'0'..=b'9' => self.number(),
            b'@' => self.variable(),
            b'[' => self.bracket(),
            b'\\' => self.backslash(),
            b'!' | b'&' | b'*' | b':' | b'<' | b'=' | b'>' | b'|' => self.operator(),
            b'%' | b'+' | b'^' | b'~' => self.take(Kind::Operator, 1),
            b'(' => self.take(Kind::LeftParenthesis, 1),
            b')' => self.take(Kind::RightParenthesis, 1),
            b'{' => self.take(Kind::LeftBrace, 1),
            b'}' => self.take(Kind::RightBrace, 1),
            b',' => self.take(Kind::Comma, 1),
            b';' => self.take(Kind::Semicolon, 1),
            b'?' | b']' => self.take(Kind::Unknown, 1),
            b'B' | b'b' => self.digit_string(|byte| matches!(byte, b'0' | b'1')),
            b'X' | b'x' => self.digit_string(|byte| byte.is_ascii_hexdigit()),
            b'E' | b'e' => self.prefixed_string(),
            b'N' | b'n' => self.national_string(),
            b'Q' | b'q' => self.oracle_string(0),
            b'U' | b'u' => self.unicode_string(),
            _ => self.word(),
        })
    }

    /// Returns the byte `offset` after the current position.
    fn at(&self, offset: usize) -> Option<u8> {
        self.input.get(self.position + offset).copied()
    }

    /// Whether at least `count` bytes are left.
    fn has(&self, count: usize) -> bool {
        self.input.len() - self.position >= count
    }

    /// Moves to `end` and makes a token of the bytes in between.
    fn take_to(&mut self, kind: Kind, end: usize) -> Token<'a> {
        let token = Token::new(kind, self.input.get(self.position..end).unwrap_or_default());
        self.position = end;
        token
    }

    fn take(&mut self, kind: Kind, length: usize) -> Token<'a> {
        self.take_to(kind, self.position + length)
    }

    /// Makes a string token of the text from `start` to `end`. Reading continues at `next`.
    fn take_string(&mut self, start: usize, end: usize, next: usize, quotes: (u8, u8)) -> Token<'a> {
        self.position = next;
        let mut token = Token::new(Kind::String, self.input.get(start..end).unwrap_or_default());
        (token.open, token.close) = quotes;
        token
    }

    /// Reads a string whose text begins at `start` and ends before `quote`, unless an odd number of backslashes or a doubled
    /// quote escapes it.
    fn string(&mut self, start: usize, quote: u8, open: u8) -> Token<'a> {
        let mut from = start;
        while let Some(end) = scan::byte(self.input, from, quote) {
            if scan::run_before(self.input, start, end, b'\\') % 2 == 1 {
                from = end + 1;
            } else if self.input.get(end + 1) == Some(&quote) {
                from = end + 2;
            } else {
                return self.take_string(start, end, end + 1, (open, quote));
            }
        }
        let end = self.input.len();
        self.take_string(start, end, end, (open, 0))
    }

    /// Reads a string that ends with `closing` and has no escapes. `delimiter` becomes the token's delimiter.
    fn raw_string(&mut self, start: usize, closing: &[u8], delimiter: u8) -> Token<'a> {
        match scan::bytes(self.input, start, closing) {
            Some(end) => self.take_string(start, end, end + closing.len(), (delimiter, delimiter)),
            None => {
                let end = self.input.len();
                self.take_string(start, end, end, (delimiter, 0))
            }
        }
    }

    /// Reads a string that begins with the quote at `start`.
    fn quoted(&mut self, start: usize) -> Token<'a> {
        let quote = self.input.get(start).copied().unwrap_or(0);
        self.string(start + 1, quote, quote)
    }

    /// Reads MySQL's quoted identifier: a bare word, except that a function stays a function.
    fn backtick(&mut self, start: usize) -> Token<'a> {
        let mut token = self.quoted(start);
        token.kind = match vocabulary::word(token.text()) {
            Some(Kind::Function) => Kind::Function,
            _ => Kind::Bareword,
        };
        token
    }

    fn hash(&mut self) -> Token<'a> {
        self.ambiguous = true;
        match self.dialect {
            Dialect::Ansi => self.take(Kind::Operator, 1),
            Dialect::MySql => self.line_comment(),
        }
    }

    fn dash(&mut self) -> Token<'a> {
        if self.at(1) != Some(b'-') {
            return self.take(Kind::Operator, 1);
        }
        if self.at(2).is_none_or(|byte| is(byte, WHITE)) {
            return self.line_comment();
        }
        match self.dialect {
            Dialect::Ansi => {
                self.ambiguous = true;
                self.line_comment()
            }
            Dialect::MySql => self.take(Kind::Operator, 1),
        }
    }

    fn line_comment(&mut self) -> Token<'a> {
        let end = scan::byte(self.input, self.position, b'\n').unwrap_or(self.input.len());
        let token = self.take_to(Kind::Comment, end);
        self.position = (end + 1).min(self.input.len());
        token
    }

    /// Reads a division or a comment. PostgreSQL nests comments, and MySQL executes those that begin with `!`. The meaning of
    /// such an input depends on the server, so both are [`Kind::Evil`].
    fn slash(&mut self) -> Token<'a> {
        if self.at(1) != Some(b'*') {
            return self.take(Kind::Operator, 1);
        }
        let body = self.position + 2;
        let closing = scan::bytes(self.input, body, b"*/");
        let nested = closing.is_some_and(|at| {
            let up_to_star = self.input.get(..=at).unwrap_or_default();
            scan::bytes(up_to_star, body, b"/*").is_some()
        });
        let conditional = self.at(2) == Some(b'!');
        let kind = if nested || conditional { Kind::Evil } else { Kind::Comment };
        self.take_to(kind, closing.map_or(self.input.len(), |at| at + 2))
    }

    fn backslash(&mut self) -> Token<'a> {
        // MySQL's other spelling of NULL
        if self.at(1) == Some(b'N') { self.take(Kind::Number, 2) } else { self.take(Kind::Backslash, 1) }
    }

    fn operator(&mut self) -> Token<'a> {
        let rest = self.input.get(self.position..).unwrap_or_default();
        if rest.starts_with(b"<=>") {
            return self.take(Kind::Operator, 3);
        }
        if let Some(kind) = rest.get(..2).and_then(vocabulary::word) {
            return self.take(kind, 2);
        }
        let colon = rest.len() > 1 && rest.first() == Some(&b':');
        self.take(if colon { Kind::Colon } else { Kind::Operator }, 1)
    }

    /// Reads `e'…'` of PostgreSQL or `n'…'` of MySQL.
    fn prefixed_string(&mut self) -> Token<'a> {
        if self.has(3) && self.at(1) == Some(b'\'') {
            self.string(self.position + 2, b'\'', b'\'')
        } else {
            self.word()
        }
    }

    fn national_string(&mut self) -> Token<'a> {
        if self.has(3) && self.at(1) == Some(b'\'') { self.prefixed_string() } else { self.oracle_string(1) }
    }

    /// Reads `q'[…]'` of Oracle, or `nq'[…]'` with an offset of 1: the byte after the quote chooses the delimiter.
    fn oracle_string(&mut self, offset: usize) -> Token<'a> {
        let delimiter = match (self.at(offset), self.at(offset + 1), self.at(offset + 2)) {
            (Some(b'q' | b'Q'), Some(b'\''), Some(opening @ 33..=127)) => opening,
            _ => return self.word(),
        };
        let closing = match delimiter {
            b'(' => b')',
            b'[' => b']',
            b'{' => b'}',
            b'<' => b'>',
            other => other,
        };
        self.raw_string(self.position + offset + 3, &[closing, b'\''], b'q')
    }

    /// Reads `u&'…'`.
    fn unicode_string(&mut self) -> Token<'a> {
        if self.at(1) != Some(b'&') || self.at(2) != Some(b'\'') {
            return self.word();
        }
        let mut token = self.quoted(self.position + 2);
        token.open = b'u';
        if token.close == b'\'' {
            token.close = b'u';
        }
        token
    }

    /// Reads `b'01'` or `x'0F'`.
    fn digit_string(&mut self, is_digit: impl Fn(u8) -> bool) -> Token<'a> {
        if self.has(3) && self.at(1) == Some(b'\'') {
            let end = scan::span(self.input, self.position + 2, |byte| byte == 0 || is_digit(byte));
            if self.input.get(end) == Some(&b'\'') {
                return self.take_to(Kind::Number, end + 1);
            }
        }
        self.word()
    }

    /// Reads SQL Server's quoted identifier.
    fn bracket(&mut self) -> Token<'a> {
        let end = scan::byte(self.input, self.position, b']').map_or(self.input.len(), |at| at + 1);
        self.take_to(Kind::Bareword, end)
    }

    fn word(&mut self) -> Token<'a> {
        let start = self.position;
        let mut end = scan::span(self.input, start, |byte| !is(byte, ENDS_PART));
        // SELECT.1 and SELECT`a` are a keyword and another token, a.b is one word. Only the kept part is searched, and a keyword
        // ends the word before the rest is read. For SELECT.SELECT.… the C library reads the whole rest again for each token.
        while let Some(b'.' | b'`') = self.input.get(end) {
            if end - start >= TEXT_LIMIT {
                end = scan::span(self.input, end, |byte| !is(byte, ENDS_WORD));
                break;
            }
            let keyword = self.input.get(start..end).and_then(vocabulary::word);
            if let Some(kind) = keyword.filter(|&kind| kind != Kind::Bareword) {
                return self.take_to(kind, end);
            }
            end = scan::span(self.input, end + 1, |byte| !is(byte, ENDS_PART));
        }
        let text = self.input.get(start..end).unwrap_or_default();
        self.take_to(vocabulary::word(text).unwrap_or(Kind::Bareword), end)
    }

    fn variable(&mut self) -> Token<'a> {
        let name = self.position + if self.at(1) == Some(b'@') { 2 } else { 1 };
        let mut token = match self.input.get(name) {
            Some(b'`') => self.backtick(name),
            Some(b'\'' | b'"') => self.quoted(name),
            _ => {
                self.position = name;
                let end = scan::span(self.input, name, |byte| !is(byte, ENDS_VARIABLE));
                self.take_to(Kind::Variable, end)
            }
        };
        token.kind = Kind::Variable;
        token
    }

    /// Reads an amount of money, PostgreSQL's `$$…$$` or `$tag$…$tag$`, or a single dollar sign.
    fn dollar(&mut self) -> Token<'a> {
        let start = self.position;
        let is_amount = |byte: u8| matches!(byte, 0 | b'0'..=b'9' | b'.' | b',');
        let amount = scan::span(self.input, start + 1, is_amount);
        if amount == start + 2 && self.at(1) == Some(b'.') {
            return self.word();
        }
        if amount > start + 1 {
            return self.take_to(Kind::Number, amount);
        }
        let tag = scan::span(self.input, start + 1, |byte| byte == 0 || byte.is_ascii_alphabetic());
        if self.input.get(tag) != Some(&b'$') {
            return self.take(Kind::Bareword, 1);
        }
        let input = self.input;
        self.raw_string(tag + 1, input.get(start..=tag).unwrap_or_default(), b'$')
    }

    fn number(&mut self) -> Token<'a> {
        if let (Some(b'0'), Some(base @ (b'x' | b'X' | b'b' | b'B'))) = (self.at(0), self.at(1)) {
            let hexadecimal = base.eq_ignore_ascii_case(&b'x');
            let end = scan::span(self.input, self.position + 2, |byte| match byte {
                0 | b'0' | b'1' => true,
                other => hexadecimal && other.is_ascii_hexdigit(),
            });
            let kind = if end == self.position + 2 { Kind::Bareword } else { Kind::Number };
            return self.take_to(kind, end);
        }
        let start = self.position;
        let mut end = scan::span(self.input, start, |byte| is(byte, DIGIT));
        if self.input.get(end) == Some(&b'.') {
            end = scan::span(self.input, end + 1, |byte| is(byte, DIGIT));
            if end == start + 1 {
                return self.take(Kind::Dot, 1);
            }
        }
        let mut kind = Kind::Number;
        if let Some(b'e' | b'E') = self.input.get(end) {
            end += 1;
            if let Some(b'+' | b'-') = self.input.get(end) {
                end += 1;
            }
            let exponent = end;
            end = scan::span(self.input, exponent, |byte| is(byte, DIGIT));
            if end == exponent {
                kind = Kind::Bareword;
            }
        }
        // Oracle's suffix for floating point; 1fUNION is 1f and UNION
        if let Some(b'd' | b'D' | b'f' | b'F') = self.input.get(end)
            && self
                .input
                .get(end + 1)
                .is_none_or(|&next| is(next, WHITE) || matches!(next, b';' | b'u' | b'U'))
        {
            end += 1;
        }
        self.take_to(kind, end)
    }
}

/// Classes of a byte; bits of [`CLASSES`].
const WHITE: u8 = 1;
/// A byte that separates tokens.
const BLANK: u8 = 1 << 1;
const DIGIT: u8 = 1 << 2;
const ENDS_WORD: u8 = 1 << 3;
/// A byte that ends the part of a word that may be a keyword.
const ENDS_PART: u8 = 1 << 4;
const ENDS_VARIABLE: u8 = 1 << 5;

/// The classes of each byte. A lookup takes one load; comparing with the ranges takes a dozen comparisons.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut number = 0;
    while number < 256 {
        classes[number] = classes_of(number as u8);
        number += 1;
    }
    classes
};

const fn classes_of(byte: u8) -> u8 {
    let white = matches!(byte, b' ' | b'\t'..=b'\r' | 0 | 0xa0);
    // all ASCII punctuation except `_` and these three
    let ends_word = white || (byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'`' | b'_' | b'$'));
    let ends_variable = match byte {
        0xa0 | b'[' | b']' | b'{' | b'}' => false,
        b'`' => true,
        _ => ends_word,
    };
    let mut classes = 0;
    if white {
        classes |= WHITE;
    }
    if matches!(byte, 0..=b' ' | 0x7f | 0xa0) {
        classes |= BLANK;
    }
    if byte.is_ascii_digit() {
        classes |= DIGIT;
    }
    if ends_word {
        classes |= ENDS_WORD;
    }
    if ends_word || matches!(byte, b'.' | b'`') {
        classes |= ENDS_PART;
    }
    if ends_variable {
        classes |= ENDS_VARIABLE;
    }
    classes
}

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}
