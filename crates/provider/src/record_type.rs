//! The types of records.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// An alias.
    Cname,
    /// A mail server: `10 mail.example.org`.
    Mx,
    /// Text. The value is the text itself, without quotes.
    Txt,
    /// A certification authority: `0 issue "letsencrypt.org"` (RFC 8659).
    Caa,
    /// A certificate of a service: `3 1 1 9f86d0…` (RFC 6698).
    Tlsa,
}

impl RecordType {
    /// Returns the mnemonic, such as `TXT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Caa => "CAA",
            Self::Tlsa => "TLSA",
        }
    }

    /// Returns the type with this mnemonic, in any case.
    pub fn parse(mnemonic: &str) -> Option<Self> {
        [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Txt, Self::Caa, Self::Tlsa]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(mnemonic))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
