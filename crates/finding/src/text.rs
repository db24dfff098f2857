//! A text in both languages of monban.

use serde_json::{Map, Value};

/// A text in English and Japanese. `{name}` stands for a value of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Japanese.
    pub ja: &'static str,
}

impl Text {
    /// A text in both languages.
    pub const fn new(en: &'static str, ja: &'static str) -> Self {
        Self { en, ja }
    }

    /// The English text with its values. A name without a value stays as it is.
    pub fn english(&self, values: &Map<String, Value>) -> String {
        filled(self.en, values)
    }

    /// The Japanese text with its values.
    pub fn japanese(&self, values: &Map<String, Value>) -> String {
        filled(self.ja, values)
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
