//! Reduces tokens to the five that make a fingerprint.
//!
//! An expression such as `1+2*3` reveals no more about an attack than `1` does. Folding keeps a window of at most six tokens,
//! applies rules to two and then three of them from a moving start, and merges or drops tokens that add nothing. The outcome
//! depends on the order of the rules, on how far each goes back, and on the fact that a rule always drops the newest token of the
//! window (even when it meant an older one). The fingerprints of attacks were collected with these rules, so do not tidy them.

use super::kind::Kind;
use super::token::Token;
use super::tokenizer::Tokenizer;

/// Number of tokens in a fingerprint.
pub(super) const LIMIT: usize = 5;
/// Number of tokens that are read: one more, to settle the last token of the fingerprint.
const WINDOW: usize = LIMIT + 1;

/// Words that are functions only when a parenthesis follows.
const CALLABLE: [&[u8]; 11] = [
    b"USER_ID",
    b"USER_NAME",
    b"DATABASE",
    b"PASSWORD",
    b"USER",
    b"CURRENT_USER",
    b"CURRENT_DATE",
    b"CURRENT_TIME",
    b"CURRENT_TIMESTAMP",
    b"LOCALTIME",
    b"LOCALTIMESTAMP",
];

/// The outcome of a rule.
enum Step {
    /// The window changed. The rules run again from the start that the rule set.
    Again,
    /// No rule applies at this start.
    Pass,
    /// The input is an attack, whatever else it contains.
    Evil,
}

/// The rest of an input after folding.
pub(super) struct Folded<'a> {
    tokens: [Token<'a>; WINDOW],
    count: usize,
}

impl<'a> Folded<'a> {
    /// At most [`LIMIT`] tokens.
    pub(super) fn tokens(&self) -> &[Token<'a>] {
        self.tokens.get(..self.count).unwrap_or_default()
    }

    pub(super) fn tokens_mut(&mut self) -> &mut [Token<'a>] {
        self.tokens.get_mut(..self.count).unwrap_or_default()
    }

    /// Returns the result for an input that contains [`Kind::Evil`].
    pub(super) fn evil() -> Self {
        Self { tokens: [Token::new(Kind::Evil, b"X"); WINDOW], count: 1 }
    }
}

/// Reads as many tokens as needed and folds them.
pub(super) fn fold<'a>(tokenizer: &mut Tokenizer<'a>) -> Folded<'a> {
    let mut window = Window {
        tokens: [Token::new(Kind::Unknown, b""); WINDOW],
        count: 0,
        start: 0,
        trailing_comment: None,
        more: true,
    };
    window.skip_prefix(tokenizer);
    loop {
        window.restart_after_bracketed_operand();
        if !window.more || window.start >= LIMIT {
            break;
        }
        window.fill(tokenizer, 2);
        let Some(pair) = window.pair() else {
            window.start = window.count;
            continue;
        };
        match window.fold_pair(pair) {
            Step::Again => continue,
            Step::Evil => return Folded::evil(),
            Step::Pass => {}
        }
        window.fill(tokenizer, 3);
        let Some(triple) = window.triple() else {
            window.start = window.count;
            continue;
        };
        if let Step::Pass = window.fold_triple(triple) {
            window.start += 1;
        }
    }
    window.finish()
}

struct Window<'a> {
    tokens: [Token<'a>; WINDOW],
    /// Number of tokens in the window; the index of the next one.
    count: usize,
    /// Index at which the rules apply. The tokens before it are settled for now.
    start: usize,
    /// The last comment, unless another token came after it.
    trailing_comment: Option<Token<'a>>,
    /// Whether the tokenizer may return more tokens.
    more: bool,
}

impl<'a> Window<'a> {
    /// Drops comments, opening parentheses, types and unary operators at the beginning.
    fn skip_prefix(&mut self, tokenizer: &mut Tokenizer<'a>) {
        loop {
            let Some(token) = tokenizer.next() else {
                self.more = false;
                return;
            };
            let skip = matches!(token.kind, Kind::Comment | Kind::LeftParenthesis | Kind::SqlType);
            if !skip && !token.is_unary_operator() {
                self.push(token);
                return;
            }
        }
    }

    #[inline]
    fn push(&mut self, token: Token<'a>) {
        if let Some(slot) = self.tokens.get_mut(self.count) {
            *slot = token;
            self.count += 1;
        }
    }

    /// Reads tokens until `wanted` of them follow the start, the window is full, or the input ends.
    #[inline]
    fn fill(&mut self, tokenizer: &mut Tokenizer<'a>, wanted: usize) {
        while self.more && self.count < WINDOW && self.count - self.start < wanted {
            match tokenizer.next() {
                None => self.more = false,
                Some(token) if token.kind == Kind::Comment => self.trailing_comment = Some(token),
                Some(token) => {
                    self.trailing_comment = None;
                    self.push(token);
                }
            }
        }
    }

    #[inline]
    fn pair(&self) -> Option<[Token<'a>; 2]> {
        self.tokens.get(self.start..self.count)?.first_chunk().copied()
    }

    #[inline]
    fn triple(&self) -> Option<[Token<'a>; 3]> {
        self.tokens.get(self.start..self.count)?.first_chunk().copied()
    }

    /// Replaces the token at `offset` from the start.
    fn set(&mut self, offset: usize, token: Token<'a>) {
        if let Some(slot) = self.tokens.get_mut(self.start + offset) {
            *slot = token;
        }
    }

    fn set_kind(&mut self, offset: usize, kind: Kind) -> Step {
        if let Some(token) = self.tokens.get_mut(self.start + offset) {
            token.kind = kind;
        }
        Step::Again
    }

    /// Drops the newest `count` tokens, and starts again from `start`.
    fn drop_newest(&mut self, count: usize, start: usize) -> Step {
        self.count -= count;
        self.start = start;
        Step::Again
    }

    /// Drops an operand in parentheses, which fills the fingerprint without information, and moves the next tokens to its place.
    fn restart_after_bracketed_operand(&mut self) {
        use Kind::{Bareword, Comma, LeftParenthesis, Number, Operator, RightParenthesis};
        let Some(kinds) = self.tokens.first_chunk::<LIMIT>().filter(|_| self.count >= LIMIT) else {
            return;
        };
        let redundant = matches!(
            kinds.map(|token| token.kind),
            [Number, Operator | Comma, LeftParenthesis, Number, RightParenthesis]
                | [Bareword, Operator, LeftParenthesis, Bareword | Number, RightParenthesis]
                | [Number, RightParenthesis, Comma, LeftParenthesis, Number]
                | [Bareword, RightParenthesis, Operator, LeftParenthesis, Bareword]
        );
        if redundant {
            let newest = self.tokens.get(LIMIT).filter(|_| self.count > LIMIT).copied();
            self.count = 1;
            self.start = 0;
            if let Some(token) = newest {
                self.push(token);
            }
        }
    }

    #[inline]
    fn fold_pair(&mut self, [first, second]: [Token<'a>; 2]) -> Step {
        use Kind::*;
        let start = self.start;
        match (first.kind, second.kind) {
            // adjacent strings are one string; an empty statement has no effect
            (String, String) | (Semicolon, Semicolon) => return self.drop_newest(1, start),
            (Operator | LogicOperator, SqlType) => return self.drop_newest(1, 0),
            (Operator | LogicOperator, _) if second.is_unary_operator() => return self.drop_newest(1, 0),
            (LeftParenthesis, _) if second.is_unary_operator() => {
                return self.drop_newest(1, start.saturating_sub(1));
            }
            _ => {}
        }
        if let Some(phrase) = first.merged(&second) {
            self.set(0, phrase);
            return self.drop_newest(1, start.saturating_sub(1));
        }
        match (first.kind, second.kind) {
            // Transact-SQL: IF begins a statement
            (Semicolon, Function)
                if second.text().get(..2).is_some_and(|two| two.eq_ignore_ascii_case(b"IF")) =>
            {
                self.set_kind(1, Tsql)
            }
            (Bareword | Variable, LeftParenthesis) if CALLABLE.iter().any(|word| first.is_word(word)) => {
                self.set_kind(0, Function)
            }
            (Keyword, _) if first.is_word(b"IN") || first.is_word(b"NOT IN") => {
                self.set_kind(0, if second.kind == LeftParenthesis { Operator } else { Bareword })
            }
            (Operator, _) if first.is_word(b"LIKE") || first.is_word(b"NOT LIKE") => {
                if second.kind == LeftParenthesis {
                    self.set_kind(0, Function);
                }
                Step::Pass
            }
            // a cast or a declaration
            (SqlType, Bareword | Number | SqlType | LeftParenthesis | Function | Variable | String) => {
                self.set(0, second);
                self.drop_newest(1, 0)
            }
            (Collate, Bareword) => {
                // collations are too many to list, but all have an underscore
                if second.text().split(|&byte| byte == 0).next().is_some_and(|name| name.contains(&b'_')) {
                    self.set_kind(1, SqlType);
                    self.start = 0;
                }
                Step::Pass
            }
            // Transact-SQL reads \%1 as 0 % 1, and \1 as 1
            (Backslash, _) if second.is_arithmetic_operator() => {
                self.set_kind(0, Number);
                self.start = 0;
                Step::Again
            }
            (Backslash, _) => {
                self.set(0, second);
                self.drop_newest(1, 0)
            }
            (LeftParenthesis, LeftParenthesis) | (RightParenthesis, RightParenthesis) => {
                self.drop_newest(1, 0)
            }
            // {``.``.id} is valid in MySQL and too rare to be harmless
            (LeftBrace, Bareword) if second.text().is_empty() => Step::Evil,
            // {name expression} of ODBC
            (LeftBrace, Bareword) => self.drop_newest(2, 0),
            (_, RightBrace) => self.drop_newest(1, 0),
            _ => Step::Pass,
        }
    }

    #[inline]
    fn fold_triple(&mut self, [first, second, third]: [Token<'a>; 3]) -> Step {
        use Kind::*;
        let unary = second.is_unary_operator();
        match (first.kind, second.kind, third.kind) {
            (Number, Operator, Number)
            | (LogicOperator, _, LogicOperator)
            | (Variable, Operator, Variable | Number | Bareword)
            | (Bareword | Number, Operator, Number | Bareword)
            | (Bareword | Number | String | Variable, Comma, Number | Bareword | String | Variable)
            | (Bareword, Dot, Bareword) => self.drop_newest(2, 0),
            (Operator, between, Operator) if between != LeftParenthesis => self.drop_newest(2, 0),
            (Bareword | Number | Variable | String, Operator, SqlType) if second.text() == b"::" => {
                self.drop_newest(2, 0)
            }
            (Expression | Group | Comma, _, LeftParenthesis)
            | (Keyword | Expression | Group, _, Number | Bareword | Variable | String | Function)
            | (Comma, _, Function)
                if unary =>
            {
                self.set(1, third);
                self.drop_newest(1, 0)
            }
            // goes so far back that `1,-1` can become `1`
            (Comma, _, Number | Bareword | Variable | String) if unary => {
                self.set(1, third);
                self.drop_newest(3, 0)
            }
            (Expression, Dot, Bareword) => {
                self.set(1, third);
                self.drop_newest(1, 0)
            }
            // USER() is a function, USER(1) is not
            (Function, LeftParenthesis, after) if after != RightParenthesis && first.is_word(b"USER") => {
                self.set_kind(0, Bareword);
                Step::Pass
            }
            _ => Step::Pass,
        }
    }

    fn finish(mut self) -> Folded<'a> {
        if self.count < LIMIT
            && let Some(comment) = self.trailing_comment
        {
            self.push(comment);
        }
        Folded { tokens: self.tokens, count: self.count.min(LIMIT) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::Dialect;
    use super::*;

    fn shape(input: &str) -> std::string::String {
        let folded = fold(&mut Tokenizer::new(input.as_bytes(), Dialect::Ansi, None));
        folded.tokens().iter().map(|token| char::from(token.kind.letter())).collect()
    }

    #[test]
    fn folding() {
        let cases = [
            ("", ""),
            ("(((--", ""),
            ("1", "1"),
            ("1+2*3-4", "1"),
            ("1,2,3,'a',@b", "1"),
            ("1,-1", "1"),
            ("'a' 'b' 'c'", "s"),
            (";;;", ";"),
            ("a.b.c", "n"),
            ("x union all select y", "nUEn"),
            ("select - 1", "E1"),
            ("select -(1)", "E(1)"),
            ("1::int = 2", "1"),
            ("; if(1)", ";T(1)"),
            ("user(1)", "n(1)"),
            ("select user()", "Ef()"),
            ("{``.``.id}", "X"),
            ("{d 1}", "1"),
            ("\\%1", "1"),
            ("1 or 1 -- x", "1&1c"),
            ("1 /* a /* b */", "1X"),
            ("1 /*! a */", "1X"),
        ];
        for (input, expected) in cases {
            assert_eq!(shape(input), expected, "{input}");
        }
    }
}
