//! Zones and records, the same for every provider.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_NAME_BYTES, MAX_VALUE_BYTES};
use crate::value;

/// A zone of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Zone {
    /// The provider's identifier; empty where the name is enough.
    pub id: String,
    /// The name in lower case, without a final dot.
    pub name: String,
}

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

/// A record to add, or one that a provider lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The full name in lower case, without a final dot.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// The value as in a zone file, but a text without quotes and a host name without a final dot.
    pub value: String,
    /// Seconds that resolvers may cache the record; none for the provider's own default.
    pub ttl: Option<u32>,
}

impl Record {
    /// Creates a TXT record with the shortest TTL that providers commonly accept.
    pub fn txt(name: &str, value: &str) -> Self {
        Self { name: normal(name), kind: RecordType::Txt, value: value.to_owned(), ttl: Some(60) }
    }

    /// Returns whether both have the same name, type and value. The TTL does not count.
    pub fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && value::same(self.kind, &self.value, &other.value)
    }

    /// Checks name and value before anything is sent.
    ///
    /// # Errors
    /// A description of the fault.
    pub(crate) fn check(&self, zone: &Zone) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!("{:?} is not a domain name in lower case without a final dot", self.name));
        }
        if !is_within(&self.name, &zone.name) {
            return Err(format!("{} is not within the zone {}", self.name, zone.name));
        }
        if self.value.len() > MAX_VALUE_BYTES {
            return Err(format!("the value of {} is longer than {MAX_VALUE_BYTES} bytes", self.name));
        }
        value::check(self.kind, &self.value)
            .map_err(|what| format!("the value of {} {} {what}", self.name, self.kind))
    }
}

/// Returns the part of a name before its zone, or `@` at the zone's own name, as many APIs want it.
pub(crate) fn relative<'a>(name: &'a str, zone: &Zone) -> &'a str {
    match name.strip_suffix(&zone.name).and_then(|rest| rest.strip_suffix('.')) {
        Some(rest) => rest,
        None if name == zone.name => "@",
        None => name,
    }
}

/// Returns the full name of one that an API gave relative to its zone.
pub(crate) fn absolute(name: &str, zone: &Zone) -> String {
    if name == "@" || name.is_empty() { zone.name.clone() } else { format!("{}.{}", normal(name), zone.name) }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

/// A record that a provider holds, with what is needed to remove it later. A caller may write it to disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The provider's identifier of the record; none where records have none, or if it is not known.
    pub id: Option<String>,
    /// Its zone.
    pub zone: Zone,
    /// The record.
    pub record: Record,
}

/// Returns the zone with the longest name that is `name` or a parent of it. `name` may end in a dot and may have capital
/// letters.
pub fn zone_of<'a>(zones: &'a [Zone], name: &str) -> Option<&'a Zone> {
    let name = normal(name);
    zones.iter().filter(|zone| is_within(&name, &zone.name)).max_by_key(|zone| zone.name.len())
}

/// Returns the name in lower case, without a final dot.
pub(crate) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Returns whether `name` is `zone` or lies under it.
pub(crate) fn is_within(name: &str, zone: &str) -> bool {
    !zone.is_empty() && name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns whether a text is a domain name: labels of 1 to 63 letters in lower case, digits, hyphens and underscores, the
/// first perhaps `*`.
pub(crate) fn is_name(name: &str) -> bool {
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    let labels = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= MAX_NAME_BYTES && labels.split('.').all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone { id: "1".into(), name: name.into() }
    }

    #[test]
    fn c17_the_longest_zone_on_a_label_boundary_holds_a_name() {
        let zones = ["example.jp", "dev.example.jp", "ample.jp", "2.0.192.in-addr.arpa"].map(zone);
        for (name, expected) in [
            ("a.dev.example.jp", Some("dev.example.jp")),
            ("_acme-challenge.dev.example.jp", Some("dev.example.jp")),
            ("_ACME-challenge.Example.JP.", Some("example.jp")),
            ("example.jp", Some("example.jp")),
            ("notdev.example.jp", Some("example.jp")),
            ("xample.jp", None),
            ("jp", None),
            ("", None),
        ] {
            let found = zone_of(&zones, name).map(|zone| zone.name.as_str());
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(zone_of(&[zone("")], "example.jp"), None);
    }

    #[test]
    fn names_and_values_are_checked_before_anything_is_sent() {
        let long = "a.".repeat(127) + "jp";
        for (name, value, expected) in [
            ("_acme-challenge.example.jp", "v", None),
            ("*.example.jp", "v", None),
            ("Example.jp", "v", Some("lower case")),
            ("example.jp.", "v", Some("final dot")),
            ("a b.example.jp", "v", Some("not a domain name")),
            ("a..example.jp", "v", Some("not a domain name")),
            (&format!("{}.example.jp", "a".repeat(64)), "v", Some("not a domain name")),
            (&long, "v", Some("not a domain name")),
            ("example.org", "v", Some("not within the zone example.jp")),
            ("myexample.jp", "v", Some("not within")),
            ("example.jp", &"v".repeat(MAX_VALUE_BYTES + 1), Some("longer than 32768 bytes")),
        ] {
            let record = Record { name: name.into(), kind: RecordType::Txt, value: value.into(), ttl: None };
            match (record.check(&zone("example.jp")), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(expected)) => assert!(error.contains(expected), "{error}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_name_relative_to_its_zone() {
        for (name, expected) in [
            ("_acme-challenge.a.example.jp", "_acme-challenge.a"),
            ("*.example.jp", "*"),
            ("example.jp", "@"),
        ] {
            assert_eq!(relative(name, &zone("example.jp")), expected);
            assert_eq!(absolute(expected, &zone("example.jp")), name);
        }
    }

    #[test]
    fn what_was_stored_survives_a_restart() {
        let stored = Stored {
            id: Some("7".into()),
            zone: zone("example.jp"),
            record: Record::txt("_acme-challenge.Example.jp.", "v"),
        };
        let text = serde_json::to_string(&stored).unwrap();
        assert!(text.contains(r#""name":"_acme-challenge.example.jp","kind":"TXT""#), "{text}");
        assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored);
    }
}
