//! `@eq`, `@ge`, `@gt`, `@le`, `@lt`: compare both sides as C's `atoi` reads them.

#![expect(clippy::cast_possible_truncation, reason = "atoi of C wraps, and rules rely on it")]

use std::cmp::Ordering;

/// Parses leading white space, a sign and digits, and ignores the rest. Returns 0 without digits. A number beyond the range of
/// `long` becomes its limit. The result is the lower 32 bits.
pub fn atoi(text: &[u8]) -> i32 {
    let start = text.iter().position(|b| !(b.is_ascii_whitespace() || *b == 0x0b)).unwrap_or(text.len());
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let step = |value: i64, digit: &u8| {
        let digit = i64::from(digit - b'0');
        let value = value.saturating_mul(10);
        if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) }
    };
    digits.iter().take_while(|b| b.is_ascii_digit()).fold(0, step) as i32
}

/// One of the five comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `@eq`
    Eq,
    /// `@ge`
    Ge,
    /// `@gt`
    Gt,
    /// `@le`
    Le,
    /// `@lt`
    Lt,
}

impl Comparison {
    /// Whether this relation holds between `left`, a variable's value, and `right`, the operator's argument.
    pub fn holds(self, left: i32, right: i32) -> bool {
        let ordering = left.cmp(&right);
        match self {
            Comparison::Eq => ordering == Ordering::Equal,
            Comparison::Ge => ordering != Ordering::Less,
            Comparison::Gt => ordering == Ordering::Greater,
            Comparison::Le => ordering != Ordering::Greater,
            Comparison::Lt => ordering == Ordering::Less,
        }
    }

    pub(super) fn describe(self, right: i32, variable: &[u8]) -> Vec<u8> {
        let name = match self {
            Comparison::Eq => "EQ",
            Comparison::Ge => "GE",
            Comparison::Gt => "GT",
            Comparison::Le => "LE",
            Comparison::Lt => "LT",
        };
        super::describe::join(&[format!("Operator {name} matched {right} at ").as_bytes(), variable, b"."])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_reads_them() {
        let cases = [
            ("5", 5),
            (" \t\n\x0b\x0c\r-7x", -7),
            ("+3", 3),
            ("--3", 0),
            ("", 0),
            ("abc", 0),
            ("0x10", 0),
            ("007", 7),
            ("2147483648", i32::MIN),
            ("4294967296", 0),
            ("99999999999999999999", -1),
            ("-99999999999999999999", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(atoi(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn relations() {
        use Comparison::{Eq, Ge, Gt, Le, Lt};
        for (left, right, holds) in [(1, 2, vec![Le, Lt]), (2, 2, vec![Eq, Ge, Le]), (3, 2, vec![Ge, Gt])] {
            for comparison in [Eq, Ge, Gt, Le, Lt] {
                assert_eq!(
                    comparison.holds(left, right),
                    holds.contains(&comparison),
                    "{left} {comparison:?} {right}"
                );
            }
        }
    }
}
