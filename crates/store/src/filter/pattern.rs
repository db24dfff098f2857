//! Patterns: values to compare with.

use std::ops::RangeInclusive;

use event::FactValue;
use event::limits::MAX_FACT_BYTES;

/// A text to compare with, or a prefix of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    is_prefix: bool,
}

impl Pattern {
    /// Returns whether the text matches.
    pub fn matches(&self, text: &str) -> bool {
        if self.is_prefix { text.starts_with(&self.text) } else { text == self.text }
    }

    /// Returns the text, without a `*` at the end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern matches every text with this prefix.
    pub fn is_prefix(&self) -> bool {
        self.is_prefix
    }

    /// Returns the text, if the pattern matches no other one.
    pub fn exact(&self) -> Option<&str> {
        (!self.is_prefix).then_some(&self.text)
    }
}

impl From<String> for Pattern {
    /// Returns the pattern of a text, in which a `*` at the end matches any rest.
    fn from(mut text: String) -> Self {
        let is_prefix = text.ends_with('*');
        text.truncate(text.len() - usize::from(is_prefix));
        Self { text, is_prefix }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A pattern for the values of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePattern {
    /// Numbers that match.
    numbers: Option<RangeInclusive<i64>>,
    /// Texts that match.
    text: Option<Pattern>,
}

impl ValuePattern {
    /// Combines numbers and a text in one pattern, for a fact of unknown type.
    pub(super) fn either(numbers: Option<RangeInclusive<i64>>, text: Self) -> Self {
        Self { numbers, ..text }
    }

    /// Returns whether the value matches.
    pub fn matches(&self, value: &FactValue) -> bool {
        match value {
            FactValue::Number(number) => self.numbers.as_ref().is_some_and(|range| range.contains(number)),
            FactValue::Text(text) => self.text.as_ref().is_some_and(|pattern| pattern.matches(text)),
        }
    }

    /// Returns the numbers that match.
    pub fn numbers(&self) -> Option<&RangeInclusive<i64>> {
        self.numbers.as_ref()
    }

    /// Returns the texts that match.
    pub fn text(&self) -> Option<&Pattern> {
        self.text.as_ref()
    }
}

impl From<i64> for ValuePattern {
    fn from(number: i64) -> Self {
        (number..=number).into()
    }
}

impl From<RangeInclusive<i64>> for ValuePattern {
    fn from(numbers: RangeInclusive<i64>) -> Self {
        Self { numbers: Some(numbers), text: None }
    }
}

impl From<&str> for ValuePattern {
    /// Returns the pattern of a text, cut to the maximum length of a fact as the fact itself is.
    fn from(text: &str) -> Self {
        let mut pattern = Pattern::from(text);
        pattern.text.truncate(pattern.text.floor_char_boundary(MAX_FACT_BYTES));
        Self { numbers: None, text: Some(pattern) }
    }
}

/// Reads numbers: `404`, `4xx` for 400 to 499, `200-399`, `500-` for 500 and more.
pub(super) fn numbers(text: &str) -> Option<RangeInclusive<i64>> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number..=number);
    }
    let digits = text.trim_end_matches('x');
    if digits.len() < text.len() {
        let class: i64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        let width = 10_i64.checked_pow(u32::try_from(text.len() - digits.len()).ok()?)?;
        let first = class.checked_mul(width)?;
        return Some(first..=first.checked_add(width - 1)?);
    }
    // the first character may be the sign of a number
    let dash = text.char_indices().skip(1).find(|(_, c)| *c == '-')?.0;
    let first = text[..dash].parse().ok()?;
    let last = if dash + 1 == text.len() { i64::MAX } else { text[dash + 1..].parse().ok()? };
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_single_or_classes_or_ranges() {
        for (text, expected) in [
            ("404", Some(404..=404)),
            ("-7", Some(-7..=-7)),
            ("4xx", Some(400..=499)),
            ("942xxx", Some(942_000..=942_999)),
            ("0x", Some(0..=9)),
            ("200-399", Some(200..=399)),
            ("-9--3", Some(-9..=-3)),
            ("-9-3", Some(-9..=3)),
            ("500-", Some(500..=i64::MAX)),
            ("399-200", None),
            ("xx", None),
            ("-4xx", None),
            ("4x4", None),
            ("", None),
            ("-", None),
            ("--5", None),
            ("a-b", None),
            ("é-5", None),
            ("99999999999999999999", None),
            ("9xxxxxxxxxxxxxxxxxxxxxxxx", None),
            ("9999999999999999999x", None),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_are_whole_or_beginnings() {
        let fits = |pattern: &str, text: &str| Pattern::from(pattern).matches(text);
        assert!(fits("a", "a") && !fits("a", "ab") && !fits("a", "A"));
        assert!(fits("a*", "a") && fits("a*", "ab") && !fits("a*", "ba") && fits("*", ""));
        assert!(fits("a**", "a*b") && !fits("*a", "ba"));
        // facts are cut to the maximum length
        let long = "x".repeat(2 * MAX_FACT_BYTES);
        let event::Fact { value, .. } = event::Fact::text("path", long.as_str());
        assert!(ValuePattern::from(long.as_str()).matches(&value));
        assert!(ValuePattern::from(format!("{long}*").as_str()).matches(&value));
        assert!(!ValuePattern::from("x").matches(&value));
    }
}
