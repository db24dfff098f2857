//! The entries of one source in one set, and their file.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use event::Timestamp;
use ipnet::{IpNet, Ipv4Net};
use prefix_trie::joint::JointPrefixMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{MAX_ENTRIES, MAX_NAME_BYTES, MAX_REASON_BYTES, MAX_SET_FILE_BYTES};

/// The addresses that an entry covers.
///
/// As text: `192.0.2.1`, `2001:db8::/32`, `JP` (a country, ISO 3166-1), `AS64496` (an autonomous system).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// An address or a network, without host bits.
    Network(IpNet),
    /// A country: two upper-case letters.
    Country([u8; 2]),
    /// The number of an autonomous system.
    Asn(u32),
}

impl From<IpNet> for Member {
    fn from(network: IpNet) -> Self {
        let network = network.trunc();
        let mapped = match network {
            IpNet::V6(mapped) if mapped.prefix_len() >= 96 => mapped.addr().to_ipv4_mapped(),
            _ => None,
        };
        // the prefix is 96 to 128 here
        let network = mapped
            .and_then(|address| Ipv4Net::new(address, network.prefix_len() - 96).ok())
            .map_or(network, IpNet::V4);
        Self::Network(network)
    }
}

impl From<IpAddr> for Member {
    fn from(address: IpAddr) -> Self {
        Self::Network(address.to_canonical().into())
    }
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(network.into());
        }
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => return Ok(Self::Country([*a, *b])),
            [b'A', b'S', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
                if let Ok(number) = text[2..].parse() {
                    return Ok(Self::Asn(number));
                }
            }
            _ => {}
        }
        Err("is not an address, network, country (JP) or autonomous system (AS64496)".to_owned())
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Network(network) => network.fmt(f),
            Self::Country([a, b]) => write!(f, "{}{}", char::from(*a), char::from(*b)),
            Self::Asn(number) => write!(f, "AS{number}"),
        }
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The number of a batch of entries, which identifies the batch for an undo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UndoId(pub(super) u64);

/// The attributes of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The reason, as readable text.
    pub reason: Arc<str>,
    /// The time at which it was added.
    pub added: Timestamp,
    /// The time at which it leaves the set; none if it stays.
    pub ends: Option<Timestamp>,
    /// The batch that added it.
    pub undo: UndoId,
}

impl Entry {
    /// Returns whether the entry applies at `now`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }
}

/// The entries of one source in one set.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub(super) networks: JointPrefixMap<IpNet, Entry>,
    pub(super) countries: BTreeMap<[u8; 2], Entry>,
    pub(super) asns: BTreeMap<u32, Entry>,
    /// The distinct reasons.
    reasons: HashSet<Arc<str>>,
    reason_bytes: usize,
}

impl Table {
    /// Adds an entry, and replaces one with the same member.
    pub(super) fn insert(
        &mut self,
        member: Member,
        reason: &str,
        added: Timestamp,
        ends: Option<Timestamp>,
        undo: UndoId,
    ) {
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
        let reason = match self.reasons.get(reason) {
            Some(reason) => Arc::clone(reason),
            None => {
                let reason: Arc<str> = reason.into();
                self.reason_bytes += reason.len();
                self.reasons.insert(Arc::clone(&reason));
                reason
            }
        };
        let entry = Entry { reason, added, ends, undo };
        match member {
            Member::Network(network) => drop(self.networks.insert(network, entry)),
            Member::Country(code) => drop(self.countries.insert(code, entry)),
            Member::Asn(number) => drop(self.asns.insert(number, entry)),
        }
    }

    /// Returns the entries for which `keep` holds, or none if all of them do.
    pub(super) fn retained(&self, keep: impl Fn(&Member, &Entry) -> bool) -> Option<Self> {
        if self.iter().all(|(member, entry)| keep(&member, entry)) {
            return None;
        }
        let mut table = Self::default();
        for (member, entry) in self.iter().filter(|(member, entry)| keep(member, entry)) {
            table.insert(member, &entry.reason, entry.added, entry.ends, entry.undo);
        }
        Some(table)
    }

    /// Returns all entries: networks by address, then countries, then autonomous systems.
    pub fn iter(&self) -> impl Iterator<Item = (Member, &Entry)> {
        let networks = self.networks.iter().map(|(network, entry)| (Member::Network(network), entry));
        let countries = self.countries.iter().map(|(code, entry)| (Member::Country(*code), entry));
        let asns = self.asns.iter().map(|(number, entry)| (Member::Asn(*number), entry));
        networks.chain(countries).chain(asns)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.networks.len() + self.countries.len() + self.asns.len()
    }

    /// Returns whether the table has no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of the distinct reasons.
    pub(super) fn reason_bytes(&self) -> usize {
        self.reason_bytes
    }

    /// Reads the file of a table.
    ///
    /// # Errors
    /// If the text is longer than [`MAX_SET_FILE_BYTES`], is not a table or has more than [`MAX_ENTRIES`] entries.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_SET_FILE_BYTES {
            return Err(format!("longer than {MAX_SET_FILE_BYTES} bytes"));
        }
        let stored: Stored<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if stored.v != VERSION {
            return Err(format!("has the version {}, not {VERSION}", stored.v));
        }
        if stored.entries.len() > MAX_ENTRIES {
            return Err(format!("more than {MAX_ENTRIES} entries"));
        }
        let mut table = Self::default();
        for entry in &stored.entries {
            table.insert(entry.member, &entry.reason, entry.added, entry.ends, entry.undo);
        }
        Ok(table)
    }

    /// Writes the file of the table.
    pub(super) fn write(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let entries = self.iter().map(|(member, entry)| StoredEntry {
            member,
            reason: entry.reason.as_ref().into(),
            added: entry.added,
            ends: entry.ends,
            undo: entry.undo,
        });
        serde_json::to_writer(out, &Stored { v: VERSION, entries: entries.collect() }).map_err(Into::into)
    }
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    v: u32,
    #[serde(borrow)]
    entries: Vec<StoredEntry<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry<'a> {
    member: Member,
    #[serde(borrow)]
    reason: std::borrow::Cow<'a, str>,
    added: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<Timestamp>,
    undo: UndoId,
}

/// Returns whether a text can name a set or a source. The name becomes part of a file name.
pub(super) fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(good)
}
