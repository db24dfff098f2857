//! `@verifyCC`, `@verifyCPF`, `@verifySSN`: numbers that an expression finds and a check confirms.
//!
//! PCRE2 matches the expression with MULTILINE and without empty matches. TX.0, and the variable of each further group, contain
//! the whole number.

use super::describe::join;
use super::{Captures, MatchError, Pattern, PatternError, PatternLimits};

/// The kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// A payment card's number, by its check digit (ISO/IEC 7812-1, Luhn).
    CreditCard,
    /// A Brazilian taxpayer's number, by its two check digits.
    Cpf,
    /// A social security number of the USA, by its form.
    Ssn,
}

/// A compiled `@verifyCC`, `@verifyCPF` or `@verifySSN`.
#[derive(Debug)]
pub struct Verify {
    number: Number,
    written: Box<[u8]>,
    pattern: pcre2::bytes::Regex,
}

impl Verify {
    pub(super) fn compile(
        number: Number,
        text: &[u8],
        limits: &PatternLimits,
    ) -> Result<Verify, PatternError> {
        Ok(Verify { number, written: text.into(), pattern: Pattern::compile_for_numbers(text, limits)? })
    }

    /// Returns the first confirmed number: its position, and the number of groups in the match.
    fn find(&self, input: &[u8]) -> Result<Option<(std::ops::Range<usize>, usize)>, MatchError> {
        let mut locations = self.pattern.capture_locations();
        let mut start = 0;
        while start < input.len() {
            let found =
                self.pattern.captures_read_at(&mut locations, input, start).map_err(MatchError::from_pcre)?;
            let Some(found) = found else { break };
            let range = found.start()..found.end();
            if self.is_valid(&input[range.clone()]) {
                let groups = (0..locations.len()).rev().find(|&group| locations.get(group).is_some());
                return Ok(Some((range, groups.map_or(1, |last| last + 1))));
            }
            start = range.start + 1;
        }
        Ok(None)
    }

    fn is_valid(&self, text: &[u8]) -> bool {
        let digits = text.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'));
        match self.number {
            Number::CreditCard => luhn(&digits.collect::<Vec<_>>()),
            Number::Cpf => cpf(&digits.take(11).collect::<Vec<_>>()),
            Number::Ssn => ssn(&digits.collect::<Vec<_>>()),
        }
    }

    pub(super) fn matches(&self, input: &[u8], captures: &mut Captures) -> Result<bool, MatchError> {
        let Some((range, groups)) = self.find(input)? else { return Ok(false) };
        if captures.wanted {
            captures.set_all(groups, range);
        }
        Ok(true)
    }

    pub(super) fn describe(&self, input: &[u8], variable: &[u8]) -> Vec<u8> {
        let name: &[u8] = match self.number {
            Number::CreditCard => b"CC# match \"",
            Number::Cpf => b"CPF# match \"",
            Number::Ssn => b"SSN# match \"",
        };
        let offset = self.find(input).ok().flatten().map_or(0, |(range, _)| range.start);
        let offset = format!(". [offset \"{offset}\"]");
        join(&[name, &self.written, b"\" at ", variable, offset.as_bytes()])
    }
}

fn luhn(digits: &[u32]) -> bool {
    let weighted = digits.iter().rev().enumerate().map(|(i, &digit)| match (i % 2, digit * 2) {
        (0, _) => digit,
        (_, double) if double > 9 => double - 9,
        (_, double) => double,
    });
    !digits.is_empty() && weighted.sum::<u32>() % 10 == 0
}

fn cpf(digits: &[u32]) -> bool {
    let [first @ .., a, b] = digits else { return false };
    let repeated = digits.iter().all(|&digit| digit == digits[0]);
    if digits.len() != 11 || repeated || digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0] {
        return false;
    }
    let check = |digits: &[u32]| {
        let sum: u32 = digits.iter().rev().zip(2..).map(|(digit, weight)| digit * weight).sum();
        if sum % 11 < 2 { 0 } else { 11 - sum % 11 }
    };
    check(first) == *a && check(&digits[..10]) == *b
}

fn ssn(digits: &[u32]) -> bool {
    if digits.len() != 9 {
        return false;
    }
    let value = |digits: &[u32]| digits.iter().fold(0, |value, digit| value * 10 + digit);
    let (area, group, serial) = (value(&digits[..3]), value(&digits[3..5]), value(&digits[5..]));
    let ascending = digits.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let repeated = digits.windows(2).all(|pair| pair[0] == pair[1]);
    !ascending && !repeated && area != 0 && group != 0 && serial != 0 && area < 740 && area != 666
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            (Number::CreditCard, r"\d{13,16}", "card 4111111111111111.", Some(5)),
            (Number::CreditCard, r"\d{16}", "4111111111111112", None),
            // A number within a number: the search continues one byte after the last start.
            (Number::CreditCard, r"\d{16}", "94111111111111111", Some(1)),
            (Number::CreditCard, r"(?:\d[ -]?){13,16}", "4111-1111-1111-1111", Some(0)),
            (Number::Cpf, r"[\d.-]{11,14}", "cpf 529.982.247-25", Some(4)),
            (Number::Cpf, r"\d{11}", "52998224724", None),
            (Number::Cpf, r"\d{11}", "11111111111", None),
            (Number::Ssn, r"\d{3}-?\d{2}-?\d{4}", "078-05-1120", Some(0)),
            (Number::Ssn, r"\d{9}", "123456789", None),
            (Number::Ssn, r"\d{9}", "666051120", None),
            (Number::Ssn, r"\d{9}", "740051120", None),
            (Number::Ssn, r"\d{9}", "078001120", None),
            (Number::CreditCard, r"x*", "nothing", None),
        ];
        for (number, pattern, input, expected) in cases {
            let verify = Verify::compile(number, pattern.as_bytes(), &PatternLimits::default()).unwrap();
            let found = verify.find(input.as_bytes()).unwrap().map(|(range, _)| range.start);
            assert_eq!(found, expected, "{number:?} {pattern} in {input}");
        }
    }
}
