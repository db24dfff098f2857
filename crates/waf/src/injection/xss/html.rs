//! Splits markup into tokens, as old, lenient browsers read it.
//!
//! The states are those of the HTML standard's tokenizer (§13.2.5), reduced to those that bound tags, attributes and comments,
//! with the leniency of old browsers: NUL is ignored in many places, a backtick quotes, `<%` begins a comment.

use crate::injection::scan;

/// A piece of markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text, and the end of a tag.
    Other,
    TagName(&'a [u8]),
    AttributeName(&'a [u8]),
    AttributeValue(&'a [u8]),
    Comment(&'a [u8]),
    Doctype,
}

/// The context in which an input begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Between tags.
    Text,
    /// In a tag, after an attribute without quotes.
    Tag,
    /// In an attribute's value that ends with this quote.
    Value(u8),
}

#[derive(Clone, Copy)]
enum State {
    Data,
    TagOpen,
    TagNameClose,
    SelfClosing,
    BeforeAttributeName,
    AfterAttributeName,
    BeforeAttributeValue,
    QuotedValue(u8),
    AfterQuotedValue,
    End,
}

/// Produces the tokens of an input in order.
pub(super) struct Tokenizer<'a> {
    input: &'a [u8],
    position: usize,
    state: State,
    /// Whether the position is between `</` and the end of that tag's name.
    closing: bool,
}

impl<'a> Tokenizer<'a> {
    pub(super) fn new(input: &'a [u8], context: Context) -> Self {
        let state = match context {
            Context::Text => State::Data,
            Context::Tag => State::BeforeAttributeName,
            Context::Value(quote) => State::QuotedValue(quote),
        };
        Self { input, position: 0, state, closing: false }
    }

    /// Returns the next token; none after the last, which may come before the end of the input.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        match self.state {
            State::Data => self.data(),
            State::TagOpen => self.tag_open(),
            State::TagNameClose => {
                self.closing = false;
                self.position += 1;
                self.state = if self.position < self.input.len() { State::Data } else { State::End };
                Some(Token::Other)
            }
            State::SelfClosing => self.self_closing(),
            State::BeforeAttributeName => self.before_attribute_name(),
            State::AfterAttributeName => self.after_attribute_name(),
            State::BeforeAttributeValue => self.before_attribute_value(),
            State::QuotedValue(quote) => Some(self.quoted_value(self.position, quote)),
            State::AfterQuotedValue => self.after_quoted_value(),
            State::End => None,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.position).copied()
    }

    /// Makes a token of the text from the position to `end`. The tokenizer continues at `next`, in `state`.
    fn take(&mut self, end: usize, next: usize, state: State) -> &'a [u8] {
        let text = self.input.get(self.position..end).unwrap_or_default();
        self.position = next;
        self.state = state;
        text
    }

    /// Makes a token of the text up to `end` and skips `skip` bytes after it; without an `end`, makes a token of the whole rest.
    fn take_until(&mut self, end: Option<usize>, skip: usize, state: State) -> &'a [u8] {
        match end {
            Some(end) => self.take(end, end + skip, state),
            None => self.take(self.input.len(), self.input.len(), State::End),
        }
    }

    fn data(&mut self) -> Option<Token<'a>> {
        let start = self.position;
        let text = self.take_until(scan::byte(self.input, start, b'<'), 1, State::TagOpen);
        match (text, self.state) {
            ([], State::TagOpen) => self.tag_open(),
            ([], _) => None,
            _ => Some(Token::Other),
        }
    }

    fn tag_open(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            b'!' => {
                self.position += 1;
                Some(self.markup_declaration())
            }
            b'/' => {
                self.position += 1;
                self.closing = true;
                self.end_tag_open()
            }
            b'?' => {
                self.position += 1;
                Some(self.bogus_comment())
            }
            b'%' => {
                self.position += 1;
                let end = scan::bytes(self.input, self.position, b"%>");
                Some(Token::Comment(self.take_until(end, 2, State::Data)))
            }
            0 | b'a'..=b'z' | b'A'..=b'Z' => Some(self.tag_name()),
            _ => {
                self.state = State::Data;
                Some(Token::Other)
            }
        }
    }

    fn end_tag_open(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            // the state stays "closing": the name of the next tag is read as that of an end tag
            b'>' => self.data(),
            b'a'..=b'z' | b'A'..=b'Z' => Some(self.tag_name()),
            _ => {
                self.closing = false;
                Some(self.bogus_comment())
            }
        }
    }

    fn tag_name(&mut self) -> Token<'a> {
        let end = scan::span(self.input, self.position, |byte| {
            byte == 0 || !is_white(byte) && !matches!(byte, b'/' | b'>')
        });
        match self.input.get(end) {
            Some(b'>') if self.closing => {
                self.closing = false;
                self.take(end, end + 1, State::Data);
                Token::Other
            }
            Some(b'>') => Token::TagName(self.take(end, end, State::TagNameClose)),
            Some(b'/') => Token::TagName(self.take(end, end + 1, State::SelfClosing)),
            Some(_) => Token::TagName(self.take(end, end + 1, State::BeforeAttributeName)),
            None => Token::TagName(self.take(end, end, State::End)),
        }
    }

    /// Skips white space and NUL. The byte 0xff counts as the end of the input, as in C.
    fn skip_white(&mut self) -> Option<u8> {
        self.position = scan::span(self.input, self.position, is_white);
        self.peek().filter(|&byte| byte != 0xff)
    }

    fn self_closing(&mut self) -> Option<Token<'a>> {
        if self.peek()? == b'>' { Some(self.tag_end()) } else { self.before_attribute_name() }
    }

    fn before_attribute_name(&mut self) -> Option<Token<'a>> {
        loop {
            match self.skip_white()? {
                b'/' => self.position += 1,
                b'>' => return Some(self.tag_end()),
                _ => return Some(self.attribute_name()),
            }
            if self.peek()? == b'>' {
                return Some(self.tag_end());
            }
        }
    }

    /// Reads the `>` of a tag that has attributes or closes itself.
    fn tag_end(&mut self) -> Token<'a> {
        self.position += 1;
        self.state = State::Data;
        Token::Other
    }

    fn attribute_name(&mut self) -> Token<'a> {
        // the first byte always belongs to the name
        let end = scan::span(self.input, self.position + 1, |byte| {
            !is_white(byte) && !matches!(byte, b'/' | b'=' | b'>')
        });
        Token::AttributeName(match self.input.get(end) {
            Some(b'/') => self.take(end, end + 1, State::SelfClosing),
            Some(b'=') => self.take(end, end + 1, State::BeforeAttributeValue),
            Some(b'>') => self.take(end, end, State::TagNameClose),
            Some(_) => self.take(end, end + 1, State::AfterAttributeName),
            None => self.take(end, end, State::End),
        })
    }

    fn after_attribute_name(&mut self) -> Option<Token<'a>> {
        match self.skip_white()? {
            b'/' => {
                self.position += 1;
                self.self_closing()
            }
            b'=' => {
                self.position += 1;
                self.before_attribute_value()
            }
            b'>' => {
                self.state = State::TagNameClose;
                self.next()
            }
            _ => Some(self.attribute_name()),
        }
    }

    fn before_attribute_value(&mut self) -> Option<Token<'a>> {
        Some(match self.skip_white()? {
            quote @ (b'"' | b'\'' | b'`') => self.quoted_value(self.position + 1, quote),
            _ => self.unquoted_value(),
        })
    }

    fn quoted_value(&mut self, start: usize, quote: u8) -> Token<'a> {
        self.position = start;
        let end = scan::byte(self.input, start, quote);
        Token::AttributeValue(self.take_until(end, 1, State::AfterQuotedValue))
    }

    fn unquoted_value(&mut self) -> Token<'a> {
        let end = scan::span(self.input, self.position, |byte| !is_white(byte) && byte != b'>');
        Token::AttributeValue(match self.input.get(end) {
            Some(b'>') => self.take(end, end, State::TagNameClose),
            Some(_) => self.take(end, end + 1, State::BeforeAttributeName),
            None => self.take(end, end, State::End),
        })
    }

    fn after_quoted_value(&mut self) -> Option<Token<'a>> {
        match self.peek()? {
            b'/' => {
                self.position += 1;
                self.self_closing()
            }
            b'>' => Some(self.tag_end()),
            _ => self.before_attribute_name(),
        }
    }

    fn markup_declaration(&mut self) -> Token<'a> {
        let rest = self.input.get(self.position..).unwrap_or_default();
        if rest.get(..7).is_some_and(|word| word.eq_ignore_ascii_case(b"DOCTYPE")) {
            self.bogus_comment();
            Token::Doctype
        } else if rest.starts_with(b"[CDATA[") {
            self.position += 7;
            let end = scan::bytes(self.input, self.position, b"]]>");
            self.take_until(end, 3, State::Data);
            Token::Other
        } else if rest.starts_with(b"--") {
            self.position += 2;
            self.comment()
        } else {
            self.bogus_comment()
        }
    }

    fn bogus_comment(&mut self) -> Token<'a> {
        let end = scan::byte(self.input, self.position, b'>');
        Token::Comment(self.take_until(end, 1, State::Data))
    }

    /// Reads a comment up to `-->` or `-!>`. NULs may follow the first dash.
    fn comment(&mut self) -> Token<'a> {
        let mut from = self.position;
        while let Some(dash) = scan::byte(self.input, from, b'-') {
            let mark = scan::span(self.input, dash + 1, |byte| byte == 0);
            match self.input.get(mark..) {
                Some([b'-' | b'!', b'>', ..]) => {
                    return Token::Comment(self.take(dash, mark + 2, State::Data));
                }
                // the rest is only NULs, or too short for an end
                None | Some([] | [b'-' | b'!']) => break,
                Some(_) => from = dash + 1,
            }
        }
        Token::Comment(self.take_until(None, 0, State::End))
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: &[u8], context: Context) -> Vec<Token<'_>> {
        let mut tokenizer = Tokenizer::new(input, context);
        std::iter::from_fn(|| tokenizer.next()).filter(|token| *token != Token::Other).collect()
    }

    #[test]
    fn markup() {
        use Token::{AttributeName, AttributeValue, Comment, Doctype, TagName};
        let cases: [(&[u8], Context, &[Token<'_>]); 14] = [
            (b"text", Context::Text, &[]),
            (b"a < b", Context::Text, &[]),
            (b"<b>", Context::Text, &[TagName(b"b")]),
            (b"</b>", Context::Text, &[]),
            (b"</><b>", Context::Text, &[]),
            (b"<b/>x<i", Context::Text, &[TagName(b"b"), TagName(b"i")]),
            (
                b"<a b=c d='e' f=\"g\" h=`i` j>",
                Context::Text,
                &[
                    TagName(b"a"),
                    AttributeName(b"b"),
                    AttributeValue(b"c"),
                    AttributeName(b"d"),
                    AttributeValue(b"e"),
                    AttributeName(b"f"),
                    AttributeValue(b"g"),
                    AttributeName(b"h"),
                    AttributeValue(b"i"),
                    AttributeName(b"j"),
                ],
            ),
            (
                b"<!-- a --><!--b-!><!c><?d><%e>f%>",
                Context::Text,
                &[Comment(b" a "), Comment(b"b"), Comment(b"c"), Comment(b"d"), Comment(b"e>f")],
            ),
            (b"<!--a-\0->b", Context::Text, &[Comment(b"a")]),
            (b"<!doctype html>", Context::Text, &[Doctype]),
            (b"<![CDATA[<b>]]>", Context::Text, &[]),
            (b"a=b", Context::Tag, &[AttributeName(b"a"), AttributeValue(b"b")]),
            (
                b"a'b=c",
                Context::Value(b'\''),
                &[AttributeValue(b"a"), AttributeName(b"b"), AttributeValue(b"c")],
            ),
            (b"//\xff a=b", Context::Tag, &[]),
        ];
        for (input, context, expected) in cases {
            assert_eq!(
                tokens(input, context),
                expected,
                "{:?} in {context:?}",
                input.escape_ascii().to_string()
            );
        }
    }
}
