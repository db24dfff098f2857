//! The names in a certificate: host names, wildcards and IP addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_LABEL_BYTES, MAX_NAME_BYTES};

/// A name of a certificate, as an ACME identifier (RFC 8555 §7.1.4, RFC 8738).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Name {
    /// A host name in lower case, without a trailing dot; `*.example.org` for a wildcard.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

/// The fault of a text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot be in a certificate: {why}")]
pub struct NameError {
    text: String,
    why: &'static str,
}

impl Name {
    /// Returns the host name without the wildcard's `*.`, or the address.
    pub fn bare(&self) -> String {
        match self {
            Self::Dns(name) => name.strip_prefix("*.").unwrap_or(name).to_owned(),
            Self::Ip(address) => address.to_string(),
        }
    }

    /// Returns whether the name is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.starts_with("*."))
    }

    /// Returns the SNI of a TLS-ALPN-01 handshake: the host name, or an address's name under in-addr.arpa or ip6.arpa
    /// (RFC 8738 §6).
    pub fn sni(&self) -> String {
        match self {
            Self::Dns(_) => self.bare(),
            Self::Ip(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Self::Ip(IpAddr::V6(address)) => {
                let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
                let labels: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
                format!("{labels}ip6.arpa")
            }
        }
    }

    /// Returns the name of the TXT record of a DNS-01 challenge (RFC 8555 §8.4); none for an address.
    pub fn challenge_record(&self) -> Option<String> {
        matches!(self, Self::Dns(_)).then(|| format!("_acme-challenge.{}", self.bare()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = |why| NameError { text: text.chars().take(80).collect(), why };
        let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bracketed.unwrap_or(text).parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        if name.len() > MAX_NAME_BYTES {
            return Err(wrong("a host name has at most 253 bytes"));
        }
        if !labels.contains('.') {
            return Err(wrong("no public authority certifies a name without a dot"));
        }
        if labels.contains('*') {
            return Err(wrong("`*` is allowed as the whole first label only, as in *.example.org"));
        }
        if !labels.is_ascii() {
            return Err(wrong("write letters beyond ASCII as an xn-- label (punycode)"));
        }
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=MAX_LABEL_BYTES).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !labels.split('.').all(is_label) {
            return Err(wrong(
                "each label has 1 to 63 letters, digits and hyphens, and neither begins nor ends with a hyphen",
            ));
        }
        if labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(wrong("it ends like an address but is none"));
        }
        Ok(Self::Dns(name))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_refused() {
        let good = [
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("*.example.org", "*.example.org"),
            ("xn--r8jz45g.jp", "xn--r8jz45g.jp"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ];
        for (text, want) in good {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), want);
        }
        let bad = [
            "",
            "localhost",
            "*",
            "a.*.org",
            "*.*.org",
            "w*.example.org",
            "-a.org",
            "a-.org",
            "a..org",
            "例え.jp",
            "a_b.org",
            "192.0.2.256",
            "192.0.2",
            "a b.org",
            "a/b.org",
            "a.org\n",
        ];
        for text in bad {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        let long = format!("{}.org", ["a"; 126].join("."));
        assert!(long.parse::<Name>().unwrap_err().to_string().contains("253 bytes"));
        assert!(format!("{}.org", "a".repeat(64)).parse::<Name>().is_err());
    }

    #[test]
    fn challenges_have_names_of_their_own() {
        let of = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(of("*.example.org").challenge_record(), of("example.org").challenge_record());
        assert_eq!(of("192.0.2.1").challenge_record(), None);
        assert_eq!(of("192.0.2.1").sni(), "1.2.0.192.in-addr.arpa");
        let six = of("2001:db8::1").sni();
        assert_eq!(six, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }
}
