//! `@rxGlobal` of libmodsecurity 3: like `@rx`, but it finds all matches and keeps the last one of each group.

use super::{Captures, MatchError, Pattern, Rx};

/// A compiled `@rxGlobal`.
#[derive(Debug)]
pub struct RxGlobal(pub(super) Rx);

impl RxGlobal {
    pub(super) fn matches(
        &self,
        input: &[u8],
        argument: Option<&[u8]>,
        captures: &mut Captures,
    ) -> Result<bool, MatchError> {
        let Some(pattern) = self.0.pattern().filter(|_| captures.wanted) else {
            return self.0.matches(input, argument, captures);
        };
        all(pattern, input, captures)
    }

    /// Returns the expression, unless it contains macros.
    pub fn pattern(&self) -> Option<&Pattern> {
        self.0.pattern()
    }
}

fn all(pattern: &Pattern, input: &[u8], captures: &mut Captures) -> Result<bool, MatchError> {
    let mut one = Captures::new(true);
    let mut start = 0;
    let mut found = false;
    captures.clear();
    while start <= input.len() && pattern.find_at(input, start, &mut one)? {
        found = true;
        for (group, range) in one.input_ranges() {
            captures.set_group(group, range);
        }
        let Some(whole) = one.matched_range() else { break };
        start = if whole.is_empty() { whole.end + 1 } else { whole.end };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::PatternLimits;

    #[test]
    fn keeps_the_last_of_each_group() {
        let cases: [(&str, &str, bool, &[&str]); 4] = [
            ("(a)|(b)", "abab", true, &["b", "a", "b"]),
            ("x(.)", "x1x2x3", true, &["x3", "3"]),
            ("b*", "ab", true, &[""]),
            ("z", "ab", false, &[]),
        ];
        for (pattern, input, matches, expected) in cases {
            let rx = RxGlobal(Rx::compile(pattern.as_bytes(), false, PatternLimits::default()).unwrap());
            let mut captures = Captures::new(true);
            assert_eq!(rx.matches(input.as_bytes(), None, &mut captures), Ok(matches), "{pattern}");
            let values: Vec<_> = (0..10).map_while(|i| captures.get(i, input.as_bytes())).collect();
            let expected: Vec<_> = expected.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(values, expected, "{pattern}");
        }
    }
}
