//! Detection of cross-site scripting.
//!
//! An input is read as an HTML fragment in five contexts: as text, in a tag after an attribute without quotes, and inside values
//! quoted by `'`, `"` and backtick. It is an attack if any of these readings has a tag, attribute or comment that can run or load
//! something.
//! that can run or load something.

mod blocklist;
mod html;

use blocklist::Danger;
use html::{Context, Token, Tokenizer};

use super::scan;

const CONTEXTS: [Context; 5] =
    [Context::Text, Context::Tag, Context::Value(b'\''), Context::Value(b'"'), Context::Value(b'`')];

/// Whether `input` contains markup that runs or loads something.
///
/// The input may contain any bytes and have any length.
#[must_use]
pub fn xss(input: &[u8]) -> bool {
    // tags, comments and declarations begin with `<`, and attributes have values after `=`
    scan::either(input, b'<', b'=') && CONTEXTS.iter().any(|&context| is_attack(input, context))
}

fn is_attack(input: &[u8], context: Context) -> bool {
    let mut tokenizer = Tokenizer::new(input, context);
    let mut attribute = None;
    while let Some(token) = tokenizer.next() {
        let dangerous = match token {
            Token::Doctype => true,
            Token::TagName(name) => blocklist::is_tag(name),
            Token::Comment(text) => is_dangerous_comment(text),
            Token::AttributeValue(value) => attribute.is_some_and(|name| is_dangerous_value(name, value)),
            Token::AttributeName(_) | Token::Other => false,
        };
        if dangerous {
            return true;
        }
        // a name is tested only if a value follows it directly
        attribute = match token {
            Token::AttributeName(name) => Some(name),
            _ => None,
        };
    }
    false
}

fn is_dangerous_value(name: &[u8], value: &[u8]) -> bool {
    match blocklist::attribute(name) {
        None => false,
        Some(Danger::Always) => true,
        Some(Danger::Url) => blocklist::is_url(value),
        Some(Danger::Name) => blocklist::attribute(value).is_some(),
    }
}

/// Old versions of Internet Explorer end comments at a backtick, and execute conditional and XML comments.
fn is_dangerous_comment(text: &[u8]) -> bool {
    scan::byte(text, 0, b'`').is_some()
        || matches!(
            text,
            [b'[', b'i' | b'I', b'f' | b'F', _, ..] | [b'x' | b'X', b'm' | b'M', b'l' | b'L', _, ..]
        )
        || blocklist::is_comment_word(text, b"IMPORT")
        || blocklist::is_comment_word(text, b"ENTITY")
}
