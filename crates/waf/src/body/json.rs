//! The JSON body processor: every scalar becomes an argument, as in ModSecurity 2.9.7 with YAJL 2.1.
//!
//! A name consists of the names of the objects and arrays around the value, joined with dots: `{"a":{"b":[1,2]}}` gives
//! `a.b.b` twice. Numbers keep their text, and null is the empty value. The tokenizer is our own: serde_json refuses what YAJL
//! accepts (unpaired surrogates, vertical tabs as space) and has none of YAJL's errors; its streaming API recurses; and
//! arguments must keep order and duplicates without a tree. Nothing recurses: depth costs a few words for each level.
//!
//! It differs from ModSecurity where ModSecurity would hide from the rules what an application reads: a NUL does not cut a key,
//! an object or array without elements is an argument without a value, a dot in a key does not change the names of later values,
//! and half of a surrogate pair does not swallow the escape after it.
//!
//! ```
//! let parsed = waf::body::json::parse(br#"{"user":{"name":"x","age":1.50}}"#, &Default::default());
//! assert_eq!(&*parsed.arguments[1].name, b"user.age");
//! assert_eq!(&*parsed.arguments[1].value, b"1.50");
//! ```

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "every cast keeps the bits of UTF-8 that it names"
)]

use crate::limits::JSON_NAMES;
use crate::query::{Argument, hex};
use crate::transformations::bytes::position;
use std::borrow::Cow;

/// Settings from the rules' configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// SecRequestBodyJsonDepthLimit: depth of objects and arrays; 10,000 by default, 512 in the recommended configuration. The
    /// outermost object does not count, the outermost array does.
    pub depth_limit: usize,
    /// The arguments that SecArgumentsLimit still allows after the query string; 1000 by default.
    pub argument_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { depth_limit: 10_000, argument_limit: 1000 }
    }
}

/// The contents of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The arguments in order, up to an error. ModSecurity 2 has them in ARGS, but not in ARGS_POST.
    pub arguments: Vec<Argument<'a>>,
    /// REQBODY_ERROR_MSG; with an error REQBODY_ERROR is 1.
    pub error: Option<String>,
    /// Whether the error is that the text ends too early.
    pub incomplete: bool,
}

/// Parses a whole body. An empty body has no contents and is no error.
pub fn parse<'a>(body: &'a [u8], options: &Options) -> Parsed<'a> {
    if body.is_empty() {
        return Parsed::default();
    }
    let mut arguments =
        Arguments { options, list: Vec::new(), prefix: None, opened: Vec::new(), key: None, name_bytes: 0 };
    let mut lexer = Lexer { body, at: 0, finishing: false };
    let error = read(&mut lexer, &mut arguments).err().map(|problem| {
        // ModSecurity has two texts, depending on where it finds the error.
        let kind = if lexer.finishing { "JSON parser error" } else { "JSON parsing error" };
        match problem {
            Problem::Lexical(text) => format!("{kind}: lexical error: {text}\n"),
            Problem::Syntax(text) => format!("{kind}: parse error: {text}\n"),
            Problem::Depth => format!("{kind}: JSON depth limit exceeded"),
            Problem::Names => format!("{kind}: argument names over {JSON_NAMES} bytes"),
        }
    });
    Parsed { arguments: arguments.list, incomplete: error.is_some() && lexer.finishing, error }
}

enum Problem {
    Lexical(&'static str),
    Syntax(&'static str),
    Depth,
    Names,
}

/// The tokens that are allowed next in the innermost object or array.
#[derive(Clone, Copy, PartialEq)]
enum State {
    ObjectStart,
    ObjectKey,
    ObjectColon,
    ObjectValue,
    ObjectNext,
    ArrayStart,
    ArrayValue,
    ArrayNext,
    /// Before or after the outermost value.
    Start,
    Complete,
}

fn read<'a>(lexer: &mut Lexer<'a>, arguments: &mut Arguments<'a, '_>) -> Result<(), Problem> {
    let mut stack = vec![State::Start];
    while let Some(state) = stack.last_mut() {
        let token = match lexer.next() {
            Err(Problem::Lexical(_)) if *state == State::Complete => {
                return Err(Problem::Syntax("trailing garbage"));
            }
            token => token?,
        };
        if matches!(token, Token::End) {
            return match state {
                State::Complete => Ok(()),
                _ => Err(Problem::Syntax("premature EOF")),
            };
        }
        let opened = match (*state, token) {
            (State::Complete, _) => return Err(Problem::Syntax("trailing garbage")),
            (State::ObjectStart | State::ObjectKey, Token::String(key)) => {
                arguments.key(key);
                *state = State::ObjectColon;
                continue;
            }
            (State::ObjectStart | State::ObjectNext, Token::CloseObject) => {
                if *state == State::ObjectStart {
                    arguments.empty()?;
                }
                arguments.close_object()?;
                stack.pop();
                continue;
            }
            (State::ObjectStart | State::ObjectKey, _) => {
                return Err(Problem::Syntax("invalid object key (must be a string)"));
            }
            (State::ObjectColon, Token::Colon) => {
                *state = State::ObjectValue;
                continue;
            }
            (State::ObjectColon, _) => {
                return Err(Problem::Syntax("object key and value must be separated by a colon (':')"));
            }
            (State::ObjectNext, Token::Comma) => {
                *state = State::ObjectKey;
                continue;
            }
            (State::ObjectNext, _) => {
                return Err(Problem::Syntax("after key and value, inside map, I expect ',' or '}'"));
            }
            (State::ArrayStart | State::ArrayNext, Token::CloseArray) => {
                if *state == State::ArrayStart {
                    arguments.empty()?;
                }
                arguments.close();
                stack.pop();
                continue;
            }
            (State::ArrayNext, Token::Comma) => {
                *state = State::ArrayValue;
                continue;
            }
            (State::ArrayNext, _) => return Err(Problem::Syntax("after array element, I expect ',' or ']'")),
            (_, Token::String(value) | Token::Scalar(value)) => {
                arguments.value(value)?;
                None
            }
            (_, Token::OpenObject) => {
                arguments.open_object()?;
                Some(State::ObjectStart)
            }
            (_, Token::OpenArray) => {
                arguments.open_array()?;
                Some(State::ArrayStart)
            }
            _ => return Err(Problem::Syntax("unallowed token at this point in JSON text")),
        };
        *state = match *state {
            State::Start => State::Complete,
            State::ObjectValue => State::ObjectNext,
            _ => State::ArrayNext,
        };
        stack.extend(opened);
    }
    Ok(())
}

/// The names of arguments, as ModSecurity builds them. ModSecurity cuts the prefix at its last dot when an object or array ends,
/// so the values after a key with a dot get a wrong name. This code restores the prefix.
struct Arguments<'a, 'o> {
    options: &'o Options,
    list: Vec<Argument<'a>>,
    prefix: Option<Vec<u8>>,
    /// Length of the prefix outside each open object and array.
    opened: Vec<Option<usize>>,
    key: Option<Cow<'a, [u8]>>,
    /// Bytes of prefixes and names, against [`JSON_NAMES`].
    name_bytes: usize,
}

impl<'a> Arguments<'a, '_> {
    fn spend(&mut self, bytes: usize) -> Result<(), Problem> {
        self.name_bytes += bytes;
        if self.name_bytes > JSON_NAMES { Err(Problem::Names) } else { Ok(()) }
    }

    fn key(&mut self, key: Cow<'a, [u8]>) {
        self.key = Some(key);
    }

    fn value(&mut self, value: Cow<'a, [u8]>) -> Result<(), Problem> {
        let key = self.key.get_or_insert_default();
        let name = match &self.prefix {
            Some(prefix) => {
                let mut name = Vec::with_capacity(prefix.len() + 1 + key.len());
                name.extend_from_slice(prefix);
                name.push(b'.');
                name.extend_from_slice(key);
                Cow::Owned(name)
            }
            None => key.clone(),
        };
        self.add(name, value)
    }

    /// Adds an object or array without elements: its name, and no value.
    fn empty(&mut self) -> Result<(), Problem> {
        match self.prefix.clone() {
            Some(prefix) => self.add(Cow::Owned(prefix), Cow::Borrowed(b"")),
            None => Ok(()),
        }
    }

    fn add(&mut self, name: Cow<'a, [u8]>, value: Cow<'a, [u8]>) -> Result<(), Problem> {
        if self.list.len() >= self.options.argument_limit {
            return Err(Problem::Syntax("client cancelled parse via callback return value"));
        }
        self.spend(name.len())?;
        self.list.push(Argument { name, value });
        Ok(())
    }

    fn open_object(&mut self) -> Result<(), Problem> {
        if self.key.is_none() {
            return Ok(());
        }
        self.open()
    }

    fn open_array(&mut self) -> Result<(), Problem> {
        if self.key.is_none() && self.prefix.is_none() {
            self.opened.push(None);
            self.prefix = Some(b"array".to_vec());
            self.key = Some(Cow::Borrowed(b"array"));
            return self.deeper();
        }
        self.open()
    }

    /// Appends the current key to the prefix.
    fn open(&mut self) -> Result<(), Problem> {
        let key = self.key.get_or_insert_default();
        let added = key.len() + 1;
        self.opened.push(self.prefix.as_ref().map(Vec::len));
        match &mut self.prefix {
            Some(prefix) => {
                prefix.push(b'.');
                prefix.extend_from_slice(key);
            }
            None => self.prefix = Some(key.to_vec()),
        }
        self.spend(added)?;
        self.deeper()
    }

    fn deeper(&self) -> Result<(), Problem> {
        if self.opened.len() > self.options.depth_limit { Err(Problem::Depth) } else { Ok(()) }
    }

    fn close_object(&mut self) -> Result<(), Problem> {
        if let Some(last) = self.close() {
            self.spend(last.len())?;
            self.key = Some(Cow::Owned(last));
        }
        Ok(())
    }

    /// Removes and returns the last part of the prefix.
    fn close(&mut self) -> Option<Vec<u8>> {
        let outside = self.opened.pop()?;
        let prefix = self.prefix.as_mut()?;
        match outside {
            Some(length) => {
                let last = prefix[length + 1..].to_vec();
                prefix.truncate(length);
                Some(last)
            }
            None => self.prefix.take(),
        }
    }
}

#[derive(PartialEq)]
enum Token<'a> {
    OpenObject,
    CloseObject,
    OpenArray,
    CloseArray,
    Colon,
    Comma,
    /// A string without quotes and escapes.
    String(Cow<'a, [u8]>),
    /// A number as written, true, false, or an empty text for null.
    Scalar(Cow<'a, [u8]>),
    End,
}

struct Lexer<'a> {
    body: &'a [u8],
    at: usize,
    /// Whether the lexer reached the end of the body.
    finishing: bool,
}

impl<'a> Lexer<'a> {
    /// Returns the byte at the position. After the end YAJL gets one space, to finish an open token.
    fn peek(&mut self) -> Option<u8> {
        let byte = self.body.get(self.at).copied();
        self.finishing |= byte.is_none();
        if self.at == self.body.len() { Some(b' ') } else { byte }
    }

    fn next(&mut self) -> Result<Token<'a>, Problem> {
        while let Some(b' ' | b'\t'..=b'\r') = self.body.get(self.at) {
            self.at += 1;
        }
        let Some(&byte) = self.body.get(self.at) else {
            self.finishing = true;
            return Ok(Token::End);
        };
        let start = self.at;
        self.at += 1;
        Ok(match byte {
            b'{' => Token::OpenObject,
            b'}' => Token::CloseObject,
            b'[' => Token::OpenArray,
            b']' => Token::CloseArray,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => self.string()?,
            b't' => self.word(b"rue", b"true")?,
            b'f' => self.word(b"alse", b"false")?,
            b'n' => self.word(b"ull", b"")?,
            b'-' | b'0'..=b'9' => {
                self.at = start;
                self.number()?;
                Token::Scalar(Cow::Borrowed(&self.body[start..self.at]))
            }
            b'/' => {
                return Err(Problem::Lexical(
                    "probable comment found in input text, comments are not enabled.",
                ));
            }
            _ => return Err(Problem::Lexical("invalid char in json text.")),
        })
    }

    fn word(&mut self, rest: &[u8], value: &'static [u8]) -> Result<Token<'a>, Problem> {
        let text = &self.body[self.at..];
        if !text.starts_with(rest) {
            self.finishing = rest.starts_with(text);
            return Err(Problem::Lexical("invalid string in json text."));
        }
        self.at += rest.len();
        Ok(Token::Scalar(Cow::Borrowed(value)))
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at > start
    }

    /// Parses a number, RFC 8259 §6.
    fn number(&mut self) -> Result<(), Problem> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !self.digits() {
            return Err(Problem::Lexical("malformed number, a digit is required after the minus sign."));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.digits() {
                return Err(Problem::Lexical(
                    "malformed number, a digit is required after the decimal point.",
                ));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !self.digits() {
                return Err(Problem::Lexical("malformed number, a digit is required after the exponent."));
            }
        }
        Ok(())
    }

    /// Parses a string from after the opening quote to after the closing one.
    fn string(&mut self) -> Result<Token<'a>, Problem> {
        let start = self.at;
        let mut escapes = false;
        loop {
            self.at += plain(self.body.get(self.at..).unwrap_or_default());
            let Some(byte) = self.peek() else { break };
            self.at += 1;
            match byte {
                b'"' => {
                    let text = &self.body[start..self.at - 1];
                    return Ok(Token::String(if escapes {
                        Cow::Owned(unescape(text))
                    } else {
                        Cow::Borrowed(text)
                    }));
                }
                b'\\' => {
                    escapes = true;
                    self.escape()?;
                }
                0..0x20 => return Err(Problem::Lexical("invalid character inside string.")),
                0x20..0x80 => {}
                _ => self.utf8(byte)?,
            }
        }
        self.at = self.body.len();
        Ok(Token::End)
    }

    fn escape(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(digit) if hex(digit).is_some() => self.at += 1,
                        None => return Ok(()),
                        Some(_) => {
                            return Err(Problem::Lexical(
                                "invalid (non-hex) character occurs after '\\u' inside string.",
                            ));
                        }
                    }
                }
                Ok(())
            }
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            None => Ok(()),
            Some(_) => {
                Err(Problem::Lexical("inside a string, '\\' occurs before a character which it may not."))
            }
        }
    }

    /// YAJL tests only the bits that mark the length, so overlong forms and surrogates pass.
    fn utf8(&mut self, first: u8) -> Result<(), Problem> {
        let following = match first {
            0xc0..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf7 => 3,
            _ => return Err(Problem::Lexical("invalid bytes in UTF8 string.")),
        };
        for _ in 0..following {
            match self.peek() {
                Some(0x80..=0xbf) => self.at += 1,
                None => return Ok(()),
                Some(_) => return Err(Problem::Lexical("invalid bytes in UTF8 string.")),
            }
        }
        Ok(())
    }
}

/// Returns the length of the text before the first quote, escape, control character or byte beyond ASCII.
fn plain(text: &[u8]) -> usize {
    /// Most strings are shorter, and then testing single bytes is faster.
    const SHORT: usize = 24;
    let is_special = |byte: u8| ((byte as i8) < 0x20) | (byte == b'"') | (byte == b'\\');
    let (short, long) = text.split_at(text.len().min(SHORT));
    match short.iter().position(|&byte| is_special(byte)) {
        Some(at) => at,
        None => short.len() + position(long, is_special).unwrap_or(long.len()),
    }
}

/// Decodes the escapes of a string that the lexer accepted.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(backslash) = memchr::memchr(b'\\', &text[at..]) {
        output.extend_from_slice(&text[at..at + backslash]);
        at += backslash + 2;
        match text.get(at - 1) {
            Some(b'b') => output.push(0x08),
            Some(b'f') => output.push(0x0c),
            Some(b'n') => output.push(b'\n'),
            Some(b'r') => output.push(b'\r'),
            Some(b't') => output.push(b'\t'),
            Some(b'u') => {
                let mut code = unit(text, at);
                at += 4;
                if code & 0xfc00 == 0xd800 {
                    let second =
                        text.get(at..at + 2).filter(|escape| escape == b"\\u").map(|_| unit(text, at + 2));
                    match second {
                        Some(second) if second & 0xfc00 == 0xdc00 => {
                            code = 0x10000 + ((code & 0x3ff) << 10) + (second & 0x3ff);
                            at += 6;
                        }
                        // YAJL accepts any second unit as the other half, and so hides it.
                        _ => {
                            output.push(b'?');
                            continue;
                        }
                    }
                }
                push_code_point(&mut output, code);
            }
            Some(&other) => output.push(other),
            None => {}
        }
    }
    output.extend_from_slice(&text[at..]);
    output
}

/// Parses four hexadecimal digits.
fn unit(text: &[u8], at: usize) -> u32 {
    let digits = text.get(at..at + 4).unwrap_or_default();
    digits.iter().fold(0, |code, &digit| code << 4 | u32::from(hex(digit).unwrap_or(0)))
}

/// Writes UTF-8 (RFC 3629) for any number below 0x110000, even for a lone second half of a surrogate pair.
fn push_code_point(output: &mut Vec<u8>, code: u32) {
    let six = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => output.push(code as u8),
        0x80..0x800 => output.extend([0xc0 | (code >> 6) as u8, six(0)]),
        0x800..0x10000 => output.extend([0xe0 | (code >> 12) as u8, six(6), six(0)]),
        _ => output.extend([0xf0 | (code >> 18) as u8, six(12), six(6), six(0)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &[u8], options: &Options) -> String {
        parse(body, options).error.unwrap_or_default()
    }

    #[test]
    fn strings_without_escapes_are_borrowed() {
        let parsed = parse(br#"{"a":"b","c":1,"d":"\n"}"#, &Options::default());
        let borrowed: Vec<bool> =
            parsed.arguments.iter().map(|argument| matches!(argument.value, Cow::Borrowed(_))).collect();
        assert_eq!(borrowed, [true, true, false]);
        assert!(matches!(parsed.arguments[0].name, Cow::Borrowed(b"a")));
    }

    fn pairs(body: &[u8]) -> Vec<(String, String)> {
        let parsed = parse(body, &Options::default());
        assert_eq!(parsed.error, None);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        parsed.arguments.iter().map(|argument| (text(&argument.name), text(&argument.value))).collect()
    }

    #[test]
    fn a1_nothing_of_a_document_is_hidden() {
        let expected = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (body, arguments) in [
            (&br#"{"a":"\ud83d\u003cb"}"#[..], &[("a", "?<b")][..]),
            (br#"{"a":"\ud83d\ud83d\ude00"}"#, &[("a", "?\u{1f600}")]),
            (br#"{"a\u0000b":1}"#, &[("a\0b", "1")]),
            (br#"{"a.b":{"c":1},"d":2}"#, &[("a.b.c", "1"), ("d", "2")]),
            (br#"{"a.":{},"d":[{"e.f":{"g":[1]}},2]}"#, &[("a.", ""), ("d.d.e.f.g.g", "1"), ("d.d", "2")]),
            (br#"{"a":{},"b":[],"c":{"d":{}}}"#, &[("a", ""), ("b", ""), ("c.d", "")]),
            (b"{}", &[]),
        ] {
            assert_eq!(pairs(body), expected(arguments), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn depth_is_limited_and_costs_no_stack() {
        let body = b"[".repeat(1_000_000);
        assert_eq!(error(&body, &Options::default()), "JSON parsing error: JSON depth limit exceeded");
        let unlimited = Options { depth_limit: usize::MAX, argument_limit: 1000 };
        assert_eq!(error(&body, &unlimited), "JSON parser error: parse error: premature EOF\n");
        let objects = br#"{"a":"#.repeat(1_000_000);
        assert_eq!(error(&objects, &Options::default()), "JSON parsing error: JSON depth limit exceeded");
    }

    #[test]
    fn a_million_values_stop_at_the_limit() {
        let body = [b"[".to_vec(), b"1,".repeat(1_000_000), b"1]".to_vec()].concat();
        let parsed = parse(&body, &Options::default());
        assert_eq!(parsed.arguments.len(), 1000);
        assert!(parsed.error.is_some());
    }

    #[test]
    fn repeated_names_are_limited() {
        // Each empty object in the array would copy the name of 100,000 bytes.
        let key = "K".repeat(100_000);
        let body = format!("{{\"{key}\":[{}{{}}]}}", "{},".repeat(100_000));
        let names = "JSON parsing error: argument names over 16777216 bytes";
        assert_eq!(error(body.as_bytes(), &Options::default()), names);
        let body = format!("{{\"{key}\":[{}1]}}", "1,".repeat(900));
        assert_eq!(error(body.as_bytes(), &Options::default()), names);
    }
}
