//! Captures of a match for TX.0 to TX.9, in a buffer that each evaluation reuses.

use std::ops::Range;

use crate::limits;

/// The buffer that [`Operator::matches`](super::Operator::matches) fills.
///
/// Its values are ranges of the input, or short texts that it owns. It is filled only if [`wanted`](Captures::wanted) is set.
#[derive(Debug, Clone, Default)]
pub struct Captures {
    /// Whether the rule has `capture`. Operators are faster without it.
    pub wanted: bool,
    /// Whether TX.0 to TX.9 keep the values that this match does not set. ModSecurity 2 clears them for most operators;
    /// `@detectSQLi` and `@detectXSS` set only TX.0.
    pub keeps_others: bool,
    values: [Value; limits::CAPTURES],
    count: usize,
    text: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
enum Value {
    #[default]
    Empty,
    Input(Range<usize>),
    /// The whole of `text`.
    Text,
}

impl Captures {
    /// Makes a buffer for a rule with or without `capture`.
    pub fn new(wanted: bool) -> Captures {
        Captures { wanted, ..Captures::default() }
    }

    /// Clears the captures of the last match.
    pub fn clear(&mut self) {
        self.count = 0;
        self.keeps_others = false;
        self.text.clear();
    }

    /// Returns the number of values that are set, counted from TX.0.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no value is set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the value for TX.`index`; `input` is the input of [`Operator::matches`](super::Operator::matches). A group that
    /// took no part in the match is empty if a later one did, and otherwise not set.
    pub fn get<'a>(&'a self, index: usize, input: &'a [u8]) -> Option<&'a [u8]> {
        match self.values[..self.count].get(index)? {
            Value::Empty => Some(b""),
            Value::Input(range) => input.get(range.clone()),
            Value::Text => Some(&self.text),
        }
    }

    /// Returns the part of the input that matched, if the operator knows it.
    pub fn matched_range(&self) -> Option<Range<usize>> {
        match self.values[..self.count].first()? {
            Value::Input(range) => Some(range.clone()),
            _ => None,
        }
    }

    /// Returns the groups that are parts of the input, with their numbers.
    pub(super) fn input_ranges(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.values[..self.count].iter().enumerate().filter_map(|(i, value)| match value {
            Value::Input(range) => Some((i, range.clone())),
            _ => None,
        })
    }

    /// Sets the groups of a regular expression. Those after the last group that took part in the match stay unset.
    pub(super) fn set_groups(&mut self, groups: impl Iterator<Item = Option<(usize, usize)>>) {
        self.clear();
        for (i, group) in groups.take(limits::CAPTURES).enumerate() {
            self.values[i] = match group {
                Some((start, end)) => {
                    self.count = i + 1;
                    Value::Input(start..end)
                }
                None => Value::Empty,
            };
        }
    }

    /// Sets one group, and keeps those already set (`@rxGlobal`).
    pub(super) fn set_group(&mut self, index: usize, range: Range<usize>) {
        for value in &mut self.values[self.count.min(index)..index] {
            *value = Value::Empty;
        }
        self.values[index] = Value::Input(range);
        self.count = self.count.max(index + 1);
    }

    /// Sets the first `count` values to the same part of the input.
    pub(super) fn set_all(&mut self, count: usize, range: Range<usize>) {
        self.set_groups((0..count).map(|_| Some((range.start, range.end))));
    }

    /// Sets TX.0 to a text that is not part of the input.
    pub(super) fn set_text(&mut self, text: &[u8], keeps_others: bool) {
        self.clear();
        self.text.extend_from_slice(text);
        self.values[0] = Value::Text;
        self.count = 1;
        self.keeps_others = keeps_others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_behind_the_last_that_matched_are_not_set_and_those_before_are_empty() {
        let mut captures = Captures::new(true);
        captures.set_groups([Some((0, 2)), None, Some((1, 2)), None].into_iter());
        assert_eq!(captures.len(), 3);
        assert_eq!(captures.get(0, b"ab"), Some(&b"ab"[..]));
        assert_eq!(captures.get(1, b"ab"), Some(&b""[..]));
        assert_eq!(captures.get(2, b"ab"), Some(&b"b"[..]));
        assert_eq!(captures.get(3, b"ab"), None);
        assert_eq!(captures.matched_range(), Some(0..2));
    }

    #[test]
    fn a_text_is_no_part_of_the_input() {
        let mut captures = Captures::new(true);
        captures.set_text(b"s&1c", true);
        assert_eq!(captures.get(0, b""), Some(&b"s&1c"[..]));
        assert_eq!(captures.matched_range(), None);
        assert!(captures.keeps_others);
        captures.clear();
        assert!(captures.is_empty());
    }
}
