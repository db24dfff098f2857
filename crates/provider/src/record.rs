//! Zones and records, the same for every provider.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_VALUE_BYTES;
use crate::name::{is_name, is_within, normal};
use crate::record_type::RecordType;
use crate::value;

/// A zone of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Zone {
    /// The provider's identifier; empty where the name is enough.
    pub id: String,
    /// The name in lower case, without a final dot.
    pub name: String,
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
