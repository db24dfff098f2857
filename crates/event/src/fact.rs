//! Facts of an event: names and values by which people find and count events.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::MAX_FACT_BYTES;

/// One fact of an event. In JSON an array of two: `["service","sshd"]`, `["attempts",5]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// The name: a lowercase letter, then lowercase letters, digits, `_` and `-`, at most 32 bytes. One event may have
    /// several facts with the same name.
    pub name: Cow<'static, str>,
    /// The value.
    pub value: FactValue,
}

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactValue {
    /// An integer.
    Number(i64),
    /// A text of at most [`MAX_FACT_BYTES`] bytes.
    Text(String),
}

impl Fact {
    /// Makes a fact with a number.
    pub fn number(name: &'static str, value: i64) -> Self {
        Self { name: Cow::Borrowed(name), value: FactValue::Number(value) }
    }

    /// Makes a fact with a text, and cuts a text longer than [`MAX_FACT_BYTES`].
    pub fn text(name: &'static str, value: impl Into<String>) -> Self {
        let mut value = value.into();
        value.truncate(value.floor_char_boundary(MAX_FACT_BYTES));
        Self { name: Cow::Borrowed(name), value: FactValue::Text(value) }
    }

    /// Returns whether a store can index it: the name is a word and the value has at most [`MAX_FACT_BYTES`]. A later
    /// version may write other facts.
    pub fn is_plain(&self) -> bool {
        let short = match &self.value {
            FactValue::Number(_) => true,
            FactValue::Text(text) => text.len() <= MAX_FACT_BYTES,
        };
        short && crate::kind::is_word(&self.name)
    }
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            FactValue::Number(number) => (&self.name, number).serialize(serializer),
            FactValue::Text(text) => (&self.name, text).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Number(i64),
            Text(String),
        }
        let (name, value) = <(String, Value)>::deserialize(deserializer)?;
        let value = match value {
            Value::Number(number) => FactValue::Number(number),
            Value::Text(text) => FactValue::Text(text),
        };
        Ok(Self { name: name.into(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_json_and_are_bounded() {
        let facts = [Fact::text("service", "sshd"), Fact::number("attempts", -5)];
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(json, r#"[["service","sshd"],["attempts",-5]]"#);
        assert_eq!(serde_json::from_str::<[Fact; 2]>(&json).unwrap(), facts);
        let long = Fact::text("path", "\u{e9}".repeat(MAX_FACT_BYTES));
        assert!(long.is_plain() && long.value.to_string().len() <= MAX_FACT_BYTES);
        let foreign = |name: &str, bytes: usize| Fact {
            name: name.to_owned().into(),
            value: FactValue::Text("x".repeat(bytes)),
        };
        assert!(foreign("a", MAX_FACT_BYTES).is_plain());
        assert!(!foreign("a", MAX_FACT_BYTES + 1).is_plain() && !foreign("A b", 1).is_plain());
    }
}
