//! Gates and kinds of events. They are open words, so that a new gate needs no change here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Outcome;
use crate::limits::MAX_WORD_BYTES;

/// An error: a text is not a word of the expected form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidWord {
    /// The text, cut to 64 characters.
    pub text: String,
    /// The expected form, with an example.
    pub expected: &'static str,
}

/// Returns whether a text is a word: a lowercase letter, then up to 31 lowercase letters, digits, `_` and `-`.
pub(crate) fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD_BYTES
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Implements the methods that both words share.
macro_rules! open_word {
    ($type:ident, $is_valid:expr, $expected:literal) => {
        impl $type {
            /// Makes the word from a text.
            ///
            /// # Errors
            /// [`InvalidWord`] for a text of another form.
            pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, InvalidWord> {
                let text = text.into();
                let is_valid: fn(&str) -> bool = $is_valid;
                match is_valid(&text) {
                    true => Ok(Self(text)),
                    false => Err(InvalidWord { text: text.chars().take(64).collect(), expected: $expected }),
                }
            }

            /// Returns the word.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidWord;

            fn from_str(text: &str) -> Result<Self, InvalidWord> {
                Self::new(text.to_ascii_lowercase())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::known(&text)
                    .map_or_else(|| Self::new(text.into_owned()), Ok)
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The gate that reported an event: `request`, `mlogc`, `login`. Each part names its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Gate(Cow<'static, str>);

open_word!(
    Gate,
    is_word,
    "a gate such as `request`: a lower-case letter, then up to 31 of a-z, 0-9, _ and -"
);

/// The gates that report requests.
pub(crate) const REQUESTS: &[&str] = &["request", "mlogc"];

impl Gate {
    /// HTTP requests at monban's own gateway.
    pub const REQUEST: Self = Self(Cow::Borrowed(REQUESTS[0]));
    /// HTTP requests that ModSecurity on another machine reported.
    pub const MLOGC: Self = Self(Cow::Borrowed(REQUESTS[1]));

    fn known(text: &str) -> Option<Self> {
        [Self::REQUEST, Self::MLOGC].into_iter().find(|gate| gate.0 == text)
    }
}

/// The kind of an event: two words, the topic and the change (`request.blocked`, `login.accepted`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Kind(Cow<'static, str>);

open_word!(
    Kind,
    |text| text.split_once('.').is_some_and(|(of, what)| is_word(of) && is_word(what)),
    "a kind such as `request.blocked`: two words with a dot between"
);

impl Kind {
    /// Returns the kind of a request with this outcome: `request.blocked` for [`Outcome::Blocked`].
    pub fn of_request(outcome: Outcome) -> Self {
        Self(Cow::Borrowed(match outcome {
            Outcome::Blocked => "request.blocked",
            Outcome::Detected => "request.detected",
            Outcome::Passed => "request.passed",
            Outcome::Refused => "request.refused",
            Outcome::Failed => "request.failed",
            Outcome::Accepted => "request.accepted",
            Outcome::Denied => "request.denied",
            Outcome::Changed => "request.changed",
            Outcome::Expired => "request.expired",
        }))
    }

    fn known(text: &str) -> Option<Self> {
        Outcome::ALL[..5].iter().map(|outcome| Self::of_request(*outcome)).find(|kind| kind.0 == text)
    }

    /// Returns the first word, the topic.
    pub fn about(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_and_kinds_are_words_of_their_form() {
        for (text, gate, kind) in [
            ("login", true, false),
            ("login.accepted", false, true),
            ("a-b_9", true, false),
            ("9a", false, false),
            ("", false, false),
            ("a.", false, false),
            (".a", false, false),
            ("a.b.c", false, false),
            ("a b", false, false),
            ("\u{e9}", false, false),
            (&"a".repeat(MAX_WORD_BYTES), true, false),
            (&"a".repeat(MAX_WORD_BYTES + 1), false, false),
            (&format!("a.{}", "b".repeat(MAX_WORD_BYTES + 1)), false, false),
        ] {
            assert_eq!(
                (Gate::new(text.to_owned()).is_ok(), Kind::new(text.to_owned()).is_ok()),
                (gate, kind),
                "{text}"
            );
        }
        assert_eq!("Login".parse::<Gate>().unwrap().as_str(), "login");
        let error = Kind::new("x".repeat(100)).unwrap_err().to_string();
        assert!(
            error.ends_with("x` is not a kind such as `request.blocked`: two words with a dot between"),
            "{error}"
        );
    }

    #[test]
    fn requests_have_a_kind_for_each_outcome() {
        for outcome in Outcome::ALL {
            let kind = Kind::of_request(*outcome);
            assert_eq!(kind.as_str(), format!("request.{outcome}"));
            let read: Kind = serde_json::from_str(&serde_json::to_string(&kind).unwrap()).unwrap();
            assert_eq!((read.about(), &read), ("request", &kind));
        }
    }
}
