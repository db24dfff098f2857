//! `@validateUrlEncoding`: matches if a `%` is not followed by two hexadecimal digits.

use super::describe::join;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    TooShort,
    NotHexadecimal,
}

fn fault(input: &[u8]) -> Option<Fault> {
    let mut rest = input;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let Some(digits) = rest.get(at + 1..at + 3) else { return Some(Fault::TooShort) };
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Some(Fault::NotHexadecimal);
        }
        rest = &rest[at + 3..];
    }
    None
}

pub(super) fn matches(input: &[u8]) -> bool {
    fault(input).is_some()
}

pub(super) fn describe(input: &[u8], variable: &[u8]) -> Vec<u8> {
    let text: &[u8] = match fault(input) {
        None => return join(&[b"Valid URL Encoding at ", variable, b"."]),
        Some(Fault::NotHexadecimal) => b"Invalid URL Encoding: Non-hexadecimal digits used at ",
        Some(Fault::TooShort) => b"Invalid URL Encoding: Not enough characters at the end of input at ",
    };
    join(&[text, variable, b"."])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        let cases = [
            ("", None),
            ("%41%zz", Some(Fault::NotHexadecimal)),
            ("%4", Some(Fault::TooShort)),
            ("100%", Some(Fault::TooShort)),
            ("%g", Some(Fault::TooShort)),
            ("%%41", Some(Fault::NotHexadecimal)),
            ("a%20b", None),
        ];
        for (input, expected) in cases {
            assert_eq!(fault(input.as_bytes()), expected, "{input}");
        }
    }
}
