//! The words of an event: gates, actions, severities, clients. Each word has one spelling, in JSON, on the command line and
//! in the store.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is not one of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not {what} (one of {known})")]
pub struct UnknownWord {
    /// The word, cut to 64 characters.
    pub word: String,
    /// What it should have been, with its article.
    pub what: &'static str,
    /// The words that are known.
    pub known: String,
}

/// Gives an enum of plain variants its words: `ALL`, `as_str`, `Display` and `FromStr` (in any case).
macro_rules! words {
    ($type:ident, $what:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
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

/// The kind of gate that reported an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// HTTP requests: our own gateway.
    Request,
    /// HTTP requests that ModSecurity of another machine reported.
    Mlogc,
    /// Denied packets.
    Firewall,
    /// VPN connections.
    Vpn,
    /// Logins to the machine.
    Login,
    /// Certificates.
    Acme,
    /// Findings in captured traffic.
    Packet,
}

words!(Gate, "a gate", {
    Request => "request", Mlogc => "mlogc", Firewall => "firewall", Vpn => "vpn", Login => "login", Acme => "acme",
    Packet => "packet",
});

/// What the gate did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Stopped because of what it is: the rules denied it.
    Blocked,
    /// The rules would have denied it, but only watch.
    Detected,
    /// Let through.
    Passed,
    /// Not even looked at: malformed or ambiguous framing, beyond a limit, too slow.
    Refused,
    /// Let through, but what stands behind did not answer (502, 504).
    Failed,
}

words!(Action, "an action", {
    Blocked => "blocked", Detected => "detected", Passed => "passed", Refused => "refused", Failed => "failed",
});

/// How bad it is: the severities of syslog (RFC 5424 §6.2.1), which ModSecurity shares. A lower number is worse, and sorts
/// first.
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
    /// 0 (emergency) to 7 (debug).
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The severity of a number from 0 to 7.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Who was at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Client {
    /// The address, after trusted proxies were taken into account.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: IpAddr,
    /// The port, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_in_json_and_text() {
        for gate in Gate::ALL {
            assert_eq!(serde_json::to_string(gate).unwrap(), format!("\"{gate}\""));
            assert_eq!(gate.as_str().parse(), Ok(*gate));
        }
        for action in Action::ALL {
            assert_eq!(serde_json::to_string(action).unwrap(), format!("\"{action}\""));
            assert_eq!(action.as_str().to_uppercase().parse(), Ok(*action));
        }
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_string(severity).unwrap(), format!("\"{severity}\""));
            assert_eq!(Severity::from_number(severity.number()), Some(*severity));
        }
        assert_eq!(Severity::from_number(8), None);
        assert_eq!(
            "blokced".parse::<Action>().unwrap_err().to_string(),
            "`blokced` is not an action (one of blocked, detected, passed, refused, failed)"
        );
    }
}
