//! Detection of SQL injection.
//!
//! An input is read as the SQL fragment that it would be in three places: bare, inside `'…'`, inside `"…"`; in standard SQL and,
//! where that differs, as MySQL. Each reading is tokenized and folded to at most five tokens, and their letters make the
//! fingerprint. A fingerprint in the vocabulary of attacks counts, unless further tests show that harmless text has it too.

mod fold;
mod kind;
mod plain;
mod token;
mod tokenizer;
mod vocabulary;

use std::fmt;

use fold::{Folded, LIMIT, fold};
use kind::Kind;
use token::Token;
use tokenizer::{Dialect, Tokenizer};

use super::scan;

/// The shape of an attack: a letter for each of at most five folded tokens.
///
/// ModSecurity logs it and captures it as TX.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    letters: [u8; LIMIT],
    length: u8,
}

impl Fingerprint {
    fn of(tokens: &[Token<'_>]) -> Self {
        let mut fingerprint = Self { letters: [0; LIMIT], length: 0 };
        for (slot, token) in fingerprint.letters.iter_mut().zip(tokens) {
            *slot = token.kind.letter();
            fingerprint.length += 1;
        }
        fingerprint
    }

    /// One to five ASCII letters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.letters.get(..self.length.into()).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|&letter| fmt::Write::write_char(formatter, letter.into()))
    }
}

/// Returns the fingerprint of the attack that `input` contains; none if it looks harmless.
///
/// The input may contain any bytes and have any length. Usually its beginning decides.
#[must_use]
pub fn sqli(input: &[u8]) -> Option<Fingerprint> {
    if plain::is_plain(input) {
        return None;
    }
    let has = |quote| scan::byte(input, 0, quote).is_some();
    read_both(input, None)
        .or_else(|| has(b'\'').then(|| read_both(input, Some(b'\'')))?)
        // only MySQL delimits strings with double quotes
        .or_else(|| has(b'"').then(|| Reading::new(input, Dialect::MySql, Some(b'"')).verdict())?)
}

fn read_both(input: &[u8], within: Option<u8>) -> Option<Fingerprint> {
    let standard = Reading::new(input, Dialect::Ansi, within);
    standard.verdict().or_else(|| {
        let differs = standard.ambiguous;
        differs.then(|| Reading::new(input, Dialect::MySql, within).verdict())?
    })
}

/// An input, read in one context.
struct Reading<'a> {
    input: &'a [u8],
    folded: Folded<'a>,
    fingerprint: Fingerprint,
    /// Number of tokens read before folding.
    produced: usize,
    ambiguous: bool,
}

impl<'a> Reading<'a> {
    fn new(input: &'a [u8], dialect: Dialect, within: Option<u8>) -> Self {
        let mut tokenizer = Tokenizer::new(input, dialect, within);
        let mut folded = fold(&mut tokenizer);
        // an opening backtick at the end cuts off the rest of a query, as a comment does
        if let [_, _, .., last] = folded.tokens_mut()
            && last.kind == Kind::Bareword
            && (last.open, last.close) == (b'`', 0)
            && last.text().is_empty()
        {
            last.kind = Kind::Comment;
        }
        if folded.tokens().iter().any(|token| token.kind == Kind::Evil) {
            folded = Folded::evil();
        }
        let fingerprint = Fingerprint::of(folded.tokens());
        Self { input, folded, fingerprint, produced: tokenizer.produced, ambiguous: tokenizer.ambiguous }
    }

    fn verdict(&self) -> Option<Fingerprint> {
        let fingerprint = self.fingerprint;
        (vocabulary::is_attack(fingerprint.as_bytes()) && !self.is_honest()).then_some(fingerprint)
    }

    /// Whether this input is more likely harmless text, although it has the fingerprint of an attack.
    fn is_honest(&self) -> bool {
        // SQL Server omits statements with this word from its log
        if let [_, .., b'c'] = self.fingerprint.as_bytes()
            && scan::bytes(self.input, 0, b"sp_password").is_some()
        {
            return false;
        }
        match self.folded.tokens() {
            [first, second] => self.is_honest_pair(first, second),
            [first, second, third] => self.is_honest_triple(first, second, third),
            _ => false,
        }
    }

    fn is_honest_pair(&self, first: &Token<'_>, second: &Token<'_>) -> bool {
        if second.kind == Kind::Union {
            // "1 union" is a phrase; it is an attack only if tokens were folded away
            return self.produced == 2;
        }
        if second.first() == b'#' {
            return true;
        }
        let comment = second.kind == Kind::Comment;
        match first.kind {
            Kind::Bareword if comment && second.first() != b'/' => true,
            Kind::Number if comment => {
                // "1--" and "1 --", but no text that only begins like a number: 1234-ABCD--
                let after = self.input.get(first.text().len()..).unwrap_or_default();
                let separated = match after {
                    [] | [0..=b' ' | 0x80.., ..] => true,
                    _ => after.starts_with(b"/*") || after.starts_with(b"--"),
                };
                second.first() != b'/' && self.produced <= 2 && !separated
            }
            // people write -- in text, so it counts only at the end of the input
            _ => second.text().len() > 2 && second.first() == b'-',
        }
    }

    fn is_honest_triple(&self, first: &Token<'_>, second: &Token<'_>, third: &Token<'_>) -> bool {
        match self.fingerprint.as_bytes() {
            // foo' + 'bar continues strings on both sides; any other text is a quotation
            b"sos" | b"s&s" => (first.open, third.close) != (0, 0) || first.close != third.open,
            b"s&n" | b"n&1" | b"1&1" | b"1&v" | b"1&s" => self.produced == 3,
            _ => {
                // of the keywords in the middle, only INTO OUTFILE and INTO DUMPFILE are dangerous
                let text = second.text();
                let into =
                    text.len() > 4 && text.get(..4).is_some_and(|four| four.eq_ignore_ascii_case(b"INTO"));
                second.kind == Kind::Keyword && !into
            }
        }
    }
}
