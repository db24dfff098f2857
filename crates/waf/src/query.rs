//! Parses query strings and urlencoded bodies into arguments.
//!
//! The grammar is `application/x-www-form-urlencoded` (WHATWG URL §5.1) as ModSecurity 2 reads it. Every separator ends an
//! argument, so `&` by itself is one argument without name and value. Escapes that are not hexadecimal stay unchanged, and so
//! does `%u0041`, which the transformation urlDecodeUni decodes.
//!
//! ```
//! let parsed = waf::query::arguments(b"a=1&b=%3cscript%3e", b'&', 1000);
//! assert_eq!(&*parsed.arguments[1].value, b"<script>");
//! ```

use std::borrow::Cow;

/// A decoded name and value, borrowed from the input if decoding changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument<'a> {
    /// The name. It may be empty, and may contain any byte.
    pub name: Cow<'a, [u8]>,
    /// The value; empty if the argument has no `=`.
    pub value: Cow<'a, [u8]>,
}

/// The result of [`arguments`].
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    /// The arguments in the order of the input, at most `limit`.
    pub arguments: Vec<Argument<'a>>,
    /// Whether some `%` does not begin an escape (variable URLENCODED_ERROR).
    pub invalid_encoding: bool,
    /// Whether the input has more than `limit` arguments. The text of REQBODY_ERROR_MSG is [`LIMIT_EXCEEDED`].
    pub limit_exceeded: bool,
}

/// REQBODY_ERROR_MSG when the arguments, including those of the query string, exceed SecArgumentsLimit.
pub const LIMIT_EXCEEDED: &str = "SecArgumentsLimit exceeded";

/// Splits `input` at `separator` (SecArgumentSeparator, `&` by default), and decodes names and values.
///
/// Drops arguments beyond `limit`, but still checks their escapes.
pub fn arguments(input: &[u8], separator: u8, limit: usize) -> Arguments<'_> {
    let mut arguments = Vec::new();
    let Oddities { invalid_encoding, limit_exceeded } =
        each_argument(input, separator, limit, |argument| arguments.push(argument));
    Arguments { arguments, invalid_encoding, limit_exceeded }
}

/// Oddities of the arguments; see [`Arguments`].
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Oddities {
    pub(crate) invalid_encoding: bool,
    pub(crate) limit_exceeded: bool,
}

/// Calls `take` with each argument as soon as it is read: [`arguments`] without a list.
pub(crate) fn each_argument<'a>(
    input: &'a [u8],
    separator: u8,
    limit: usize,
    mut take: impl FnMut(Argument<'a>),
) -> Oddities {
    let mut oddities = Oddities::default();
    let mut count = 0;
    let mut rest = Some(input).filter(|input| !input.is_empty());
    while let Some(input) = rest {
        let (pair, after) = match memchr::memchr(separator, input) {
            // A separator at the end begins no further argument.
            Some(at) => (&input[..at], Some(&input[at + 1..]).filter(|after| !after.is_empty())),
            None => (input, None),
        };
        rest = after;
        let (name, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        let name = decode(name, &mut oddities.invalid_encoding);
        let value = decode(value, &mut oddities.invalid_encoding);
        if count < limit {
            count += 1;
            take(Argument { name, value });
        } else {
            oddities.limit_exceeded = true;
        }
    }
    oddities
}

/// Decodes `+` to a space and `%hh` to its byte. Keeps any other `%`, and sets `invalid`.
fn decode<'a>(input: &'a [u8], invalid: &mut bool) -> Cow<'a, [u8]> {
    let Some(first) = memchr::memchr2(b'%', b'+', input) else {
        return Cow::Borrowed(input);
    };
    let mut output = Vec::with_capacity(input.len());
    output.extend_from_slice(&input[..first]);
    let mut rest = &input[first..];
    loop {
        let percent = memchr::memchr(b'%', rest).unwrap_or(rest.len());
        let run = output.len();
        output.extend_from_slice(&rest[..percent]);
        for byte in &mut output[run..] {
            if *byte == b'+' {
                *byte = b' ';
            }
        }
        rest = match &rest[percent..] {
            [] => break,
            [_, high, low, after @ ..] if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                output.push(high << 4 | low);
                after
            }
            [_, after @ ..] => {
                *invalid = true;
                output.push(b'%');
                after
            }
        };
    }
    Cow::Owned(output)
}

/// Returns the value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_values_are_borrowed() {
        let parsed = arguments(b"a=b&c+=%41", b'&', 10);
        let borrowed = |value: &Cow<'_, [u8]>| matches!(value, Cow::Borrowed(_));
        assert!(borrowed(&parsed.arguments[0].name) && borrowed(&parsed.arguments[0].value));
        assert!(!borrowed(&parsed.arguments[1].name) && !borrowed(&parsed.arguments[1].value));
    }

    #[test]
    fn a_million_arguments_stop_at_the_limit() {
        let input = b"a=1&".repeat(1_000_000);
        let parsed = arguments(&input, b'&', 1000);
        assert_eq!(parsed.arguments.len(), 1000);
        assert!(parsed.limit_exceeded && !parsed.invalid_encoding);
    }

    #[test]
    fn escapes_beyond_the_limit_are_still_checked() {
        assert!(arguments(b"a&b&c=%zz", b'&', 1).invalid_encoding);
    }

    #[test]
    fn equals_sign_as_separator_makes_names_only() {
        let parsed = arguments(b"a=b", b'=', 10);
        assert_eq!(parsed.arguments.len(), 2);
        assert_eq!(&*parsed.arguments[1].name, b"b");
    }
}
