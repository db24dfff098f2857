//! A text in both languages of monban.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Example, Translated, example};

/// A text in English and Japanese. `{name}` is a placeholder for the value of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// The English text.
    pub en: &'static str,
    /// The Japanese text.
    pub ja: &'static str,
}

impl Text {
    /// Creates a text from both languages.
    pub const fn new(en: &'static str, ja: &'static str) -> Self {
        Self { en, ja }
    }

    /// Creates a text that is the same in both languages, such as a path.
    pub const fn same(text: &'static str) -> Self {
        Self::new(text, text)
    }

    /// Returns the text of a language, with its placeholders.
    pub fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Japanese => self.ja,
        }
    }

    /// Returns the text with its values. A placeholder without a value stays unchanged.
    pub fn filled(&self, language: Language, values: &Map<String, Value>) -> String {
        filled(self.in_language(language), |name| match values.get(name)? {
            Value::String(value) => Some(value.clone()),
            value => Some(value.to_string()),
        })
    }

    /// Returns both texts with their values.
    pub fn translated(&self, values: &Map<String, Value>) -> Translated {
        let [en, ja] = Language::ALL.map(|language| self.filled(language, values));
        Translated { en, ja }
    }

    /// Returns both texts with example values: those of a row, else common ones. A placeholder without an example stays
    /// unchanged, which [`table::faults`](crate::table::faults) reports.
    pub fn with_examples(&self, examples: &[Example]) -> Translated {
        let [en, ja] = Language::ALL.map(|language| {
            let value = |name: &str| Some(example::find(examples, name)?.in_language(language).to_owned());
            filled(self.in_language(language), value)
        });
        Translated { en, ja }
    }

    /// Returns whether the text names values.
    pub fn has_placeholders(&self) -> bool {
        self.en.contains('{')
    }
}

/// A language of monban.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, with the code `en`.
    #[default]
    English,
    /// Japanese, with the code `ja`.
    Japanese,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// Returns the ISO 639 code, such as `en`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }
}

fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}').and_then(|(name, rest)| Some((value(name)?, rest))) {
            Some((value, after)) => {
                filled.push_str(&value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_place_of_their_names() {
        let text = Text::new("{who} has {count} of {nothing}, {", "{who}は{count}");
        let mut values = Map::new();
        values.insert("who".into(), "{count}".into());
        values.insert("count".into(), 3.into());
        let translated = text.translated(&values);
        assert_eq!(translated.en, "{count} has 3 of {nothing}, {");
        assert_eq!(translated.ja, "{count}は3");
    }

    #[test]
    fn an_example_of_the_row_comes_before_a_common_one() {
        let text = Text::new("{why}: {count}, {nothing}", "{why}、{count}");
        let translated = text.with_examples(&[("why", Text::new("it is late", "夜"))]);
        assert_eq!((translated.en.as_str(), translated.ja.as_str()), ("it is late: 3, {nothing}", "夜、3"));
        assert!(text.has_placeholders() && !Text::new("plain", "平文").has_placeholders());
    }
}
