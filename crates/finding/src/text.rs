//! A text in both languages of monban.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Translated;

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

    /// Returns the text of a language, with its placeholders.
    pub fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Japanese => self.ja,
        }
    }

    /// Returns the text with its values. A placeholder without a value stays unchanged.
    pub fn filled(&self, language: Language, values: &Map<String, Value>) -> String {
        filled(self.in_language(language), values)
    }

    /// Returns both texts with their values.
    pub fn translated(&self, values: &Map<String, Value>) -> Translated {
        Translated { en: self.english(values), ja: self.japanese(values) }
    }

    /// Returns the English text with its values. A placeholder without a value stays unchanged.
    pub fn english(&self, values: &Map<String, Value>) -> String {
        filled(self.en, values)
    }

    /// Returns the Japanese text with its values.
    pub fn japanese(&self, values: &Map<String, Value>) -> String {
        filled(self.ja, values)
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

fn filled(text: &str, values: &Map<String, Value>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}').and_then(|(name, rest)| Some((values.get(name)?, rest))) {
            Some((Value::String(value), after)) => {
                filled.push_str(value);
                rest = after;
            }
            Some((value, after)) => {
                filled.push_str(&value.to_string());
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
        assert_eq!(text.english(&values), "{count} has 3 of {nothing}, {");
        assert_eq!(text.japanese(&values), "{count}は3");
    }
}
