//! Closed vocabularies of an event: outcomes and severities. JSON, the command line and the store spell each word the
//! same way. Gates and kinds are open words: see [`crate::kind`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An error: a word is not in its vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not {what} (one of {known})")]
pub struct UnknownWord {
    /// The word, cut to 64 characters.
    pub word: String,
    /// The vocabulary, with its article: `a severity`.
    pub what: &'static str,
    /// The words of the vocabulary.
    pub known: String,
}

/// Implements `ALL`, `as_str`, `Display` and `FromStr` (in any case) for an enum of plain variants.
macro_rules! words {
    ($type:ident, $what:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// All variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|known| known.as_str().eq_ignore_ascii_case(word)).ok_or_else(|| UnknownWord {
                    word: word.chars().take(64).collect(),
                    what: $what,
                    known: [$($word),+].join(", "),
                })
            }
        }
    };
}

/// The outcome of an event. The set is small, so that events of all gates can be counted and filtered together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The rules stopped it because of its content.
    Blocked,
    /// The rules would have stopped it, but only watch.
    Detected,
    /// It went through.
    Passed,
    /// It was turned away before any rule ran: malformed or ambiguous framing, beyond a limit, too slow.
    Refused,
    /// It was allowed, but could not be done: the upstream did not answer, a renewal failed.
    Failed,
    /// Somebody or something was let in: a login, a connection.
    Accepted,
    /// Somebody or something was kept out: a login, a packet.
    Denied,
    /// Something is different from before: a renewed certificate, an ended connection.
    Changed,
    /// The time of something is over: a certificate, a ban.
    Expired,
}

words!(Outcome, "an outcome", {
    Blocked => "blocked", Detected => "detected", Passed => "passed", Refused => "refused", Failed => "failed",
    Accepted => "accepted", Denied => "denied", Changed => "changed", Expired => "expired",
});

/// A severity of syslog (RFC 5424 §6.2.1), which ModSecurity shares. A lower number is worse and sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// 0
    Emergency,
    /// 1
    Alert,
    /// 2
    Critical,
    /// 3
    Error,
    /// 4
    Warning,
    /// 5
    Notice,
    /// 6
    Info,
    /// 7
    Debug,
}

words!(Severity, "a severity", {
    Emergency => "emergency", Alert => "alert", Critical => "critical", Error => "error", Warning => "warning",
    Notice => "notice", Info => "info", Debug => "debug",
});

impl Severity {
    /// Returns the number from 0 (emergency) to 7 (debug).
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the severity of a number from 0 to 7.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_in_json_and_text() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_string(outcome).unwrap(), format!("\"{outcome}\""));
            assert_eq!(outcome.as_str().to_uppercase().parse(), Ok(*outcome));
        }
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_string(severity).unwrap(), format!("\"{severity}\""));
            assert_eq!(Severity::from_number(severity.number()), Some(*severity));
        }
        assert_eq!(Severity::from_number(8), None);
        assert_eq!(
            "blokced".parse::<Outcome>().unwrap_err().to_string(),
            "`blokced` is not an outcome (one of blocked, detected, passed, refused, failed, accepted, denied, \
             changed, expired)"
        );
    }
}
