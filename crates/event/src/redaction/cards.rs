//! Payment card numbers (ISO/IEC 7812): 13 to 19 digits, the last of which is a check digit (Luhn).

use super::REDACTED;
use crate::ByteString;

const SHORTEST: usize = 13;
const LONGEST: usize = 19;
/// Digits of the shortest group in a number that is written in groups.
const SHORTEST_GROUP: usize = 3;

/// Replaces every card number in the text.
pub(super) fn redact(text: &mut ByteString) {
    let bytes = text.as_bytes();
    let mut redacted = Vec::new();
    let mut rest = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let groups = groups(bytes, at);
        at = groups.last().map_or(at + 1, |(_, end)| *end);
        // The fraction of a number with a decimal point is no card.
        let fraction = groups.first().is_some_and(|(start, _)| follows_decimal_point(&bytes[..*start]));
        let mut first = usize::from(fraction);
        while first < groups.len() {
            match card(bytes, &groups[first..]) {
                Some(count) => {
                    redacted.extend_from_slice(&bytes[rest..groups[first].0]);
                    redacted.extend_from_slice(REDACTED.as_bytes());
                    rest = groups[first + count - 1].1;
                    first += count;
                }
                None => first += 1,
            }
        }
    }
    if rest > 0 {
        redacted.extend_from_slice(&bytes[rest..]);
        *text = redacted.into();
    }
}

fn follows_decimal_point(before: &[u8]) -> bool {
    matches!(before, [.., digit, b'.'] if digit.is_ascii_digit())
}

/// The groups of digits from `start` on that single separators join: their begins and ends.
fn groups(bytes: &[u8], start: usize) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let mut begin = start;
    loop {
        let digits = bytes[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = begin + digits;
        groups.push((begin, end));
        let separator = match &bytes[end..] {
            [b' ' | b'-' | b'+', ..] => 1,
            [b'%', b'2', b'0' | b'd' | b'D' | b'b' | b'B', ..] => 3,
            _ => return groups,
        };
        begin = end + separator;
        if !bytes.get(begin).is_some_and(u8::is_ascii_digit) {
            return groups;
        }
    }
}

/// How many of the first groups are a card number.
fn card(bytes: &[u8], groups: &[(usize, usize)]) -> Option<usize> {
    let mut digits = Vec::with_capacity(LONGEST);
    for (number, (start, end)) in groups.iter().enumerate() {
        let group = &bytes[*start..*end];
        if digits.len() + group.len() > LONGEST || group.len() < SHORTEST_GROUP {
            return None;
        }
        digits.extend(group.iter().map(|digit| digit - b'0'));
        // Cards of the networks in use begin with 2 to 6; times in milliseconds, for one, do not.
        if digits.len() >= SHORTEST && matches!(digits[0], 2..=6) && luhn(&digits) {
            return Some(number + 1);
        }
    }
    None
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers() {
        for (text, expected) in [
            ("4111111111111111", "[redacted]"),
            ("n=4111 1111 1111 1111&x", "n=[redacted]&x"),
            ("4111-1111-1111-1111", "[redacted]"),
            ("4111+1111+1111+1111", "[redacted]"),
            ("4111%201111%2D1111%2d1111", "[redacted]"),
            ("%3D4111111111111111%26", "%3D[redacted]%26"),
            ("378282246310005 5555555555554444", "[redacted] [redacted]"),
            ("3782 822463 10005", "[redacted]"),
            ("123 4111 1111 1111 1111 9", "123 [redacted] 9"),
            ("6304000000000000000", "[redacted]"),
            ("4222222222222", "[redacted]"),
            // Not: wrong check digit, too long, too short, other beginnings, fractions, small groups.
            ("4111111111111112", "4111111111111112"),
            ("41111111111111111111", "41111111111111111111"),
            ("411111111111", "411111111111"),
            ("1795424686454", "1795424686454"),
            ("0.4111111111111111", "0.4111111111111111"),
            ("41 11 11 11 11 11 11 11", "41 11 11 11 11 11 11 11"),
            ("4111  1111 1111 1111", "4111  1111 1111 1111"),
            ("", ""),
            ("7", "7"),
        ] {
            let mut redacted = ByteString::from(text);
            redact(&mut redacted);
            assert_eq!(redacted, expected.into(), "{text}");
        }
    }
}
