//! Identifiers of events: ULIDs, made without a clock or a random source.
//!
//! A ULID (<https://github.com/ulid/spec>) has 48 bits of milliseconds since 1970 and 80 bits that make it unique. It
//! prints as 26 characters of Crockford's base 32, so that texts sort like identifiers. From the top, the 80 bits are:
//! 24 bits of a hash of the node's name, a counter of 24 bits, and 32 bits from the seed of the process.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest, Sha1};

use crate::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TEXT_LENGTH: usize = 26;

/// The identifier of an event: a ULID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// Derives the identifier of another sensor's event. The same arguments give the same identifier, so that an event
    /// that arrives twice is recognised. `origin` is the sensor's own identifier (ModSecurity's unique id). The bits
    /// below the time depend on the other two arguments only, so that an event is recognised even if its time is less
    /// exact.
    pub fn derived(time: Timestamp, node: &str, origin: &str) -> Self {
        let mut hash = Sha1::new();
        hash.update(node.as_bytes());
        hash.update([0]);
        hash.update(origin.as_bytes());
        let digest = hash.finalize();
        let unique = digest.iter().take(10).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        Self(milliseconds(time) << 80 | unique)
    }

    /// Returns the time of its event, in milliseconds.
    pub fn time(self) -> Timestamp {
        let milliseconds = i64::try_from(self.0 >> 80).unwrap_or(i64::MAX);
        Timestamp::from_micros(milliseconds.saturating_mul(1000))
    }

    /// Returns whether two derived identifiers have the same node and origin, whatever their times.
    pub fn is_same_origin(self, other: Self) -> bool {
        (self.0 ^ other.0) << 48 == 0
    }

    /// Returns the 16 bytes, most significant first: they sort like the text.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Makes an identifier from 16 bytes, most significant first.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

fn milliseconds(time: Timestamp) -> u128 {
    // Never negative (Timestamp::MIN is 0) and below 2^48 until the year 10889.
    u128::from(time.as_micros().unsigned_abs() / 1000)
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; TEXT_LENGTH];
        let mut bits = self.0;
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        f.pad(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// An error: a text is not the identifier of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event id (26 characters of 0-9 and A-Z without I, L, O, U; the first is 0 to 7)")]
pub struct InvalidEventId(String);

impl FromStr for EventId {
    type Err = InvalidEventId;

    /// Parses 26 characters in either case.
    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let invalid = || InvalidEventId(text.chars().take(64).collect());
        if text.len() != TEXT_LENGTH {
            return Err(invalid());
        }
        let mut bits = 0_u128;
        for (position, byte) in text.bytes().enumerate() {
            let upper = byte.to_ascii_uppercase();
            let value = ALPHABET.iter().position(|letter| *letter == upper).ok_or_else(invalid)?;
            // 26 letters have 130 bits, so the first letter has only three.
            if position == 0 && value > 7 {
                return Err(invalid());
            }
            bits = bits << 5 | value as u128;
        }
        Ok(Self(bits))
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Makes the identifiers of one process. Threads may share it.
#[derive(Debug)]
pub struct IdSource {
    node: u128,
    seed: u64,
    counter: AtomicU64,
}

impl IdSource {
    /// Makes a source for the node with this name. `seed` must differ between two runs of the process: take it from the
    /// operating system's random source.
    pub fn new(node: &str, seed: u64) -> Self {
        let digest = Sha1::digest(node.as_bytes());
        let node = digest.iter().take(3).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        Self { node, seed, counter: AtomicU64::new(0) }
    }

    /// Returns the next identifier, for an event of this time. Two identifiers of the same millisecond sort in the
    /// order of creation, until the counter wraps after 2^24 events.
    pub fn next(&self, time: Timestamp) -> EventId {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let random = mix(self.seed ^ mix(count));
        EventId(
            milliseconds(time) << 80
                | self.node << 56
                | u128::from(count & 0xff_ffff) << 32
                | u128::from(random >> 32),
        )
    }
}

/// Spreads a counter over all bits: the finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOON: Timestamp = Timestamp::MIN;

    #[test]
    fn text_and_bytes_round_trip_and_sort_alike() {
        let ids: Vec<EventId> = [0, 1, 31, 32, u128::MAX >> 1, u128::MAX].map(EventId).to_vec();
        let texts: Vec<String> = ids.iter().map(EventId::to_string).collect();
        assert!(texts.is_sorted());
        assert_eq!(texts[0], "00000000000000000000000000");
        assert_eq!(texts[5], "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        for (id, text) in ids.iter().zip(&texts) {
            assert_eq!(text.parse(), Ok(*id));
            assert_eq!(text.to_lowercase().parse(), Ok(*id));
            assert_eq!(EventId::from_bytes(id.to_bytes()), *id);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "",
            "0",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "I0000000000000000000000000",
            "é000000000000000000000000é",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_of_one_source_are_unique_and_in_order_within_a_millisecond() {
        let source = IdSource::new("vps1", 7);
        let ids: Vec<EventId> = (0..10_000).map(|_| source.next(NOON)).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn two_runs_and_two_nodes_do_not_collide() {
        let first = IdSource::new("vps1", 7).next(NOON);
        assert_ne!(first, IdSource::new("vps1", 8).next(NOON));
        assert_ne!(first, IdSource::new("vps2", 7).next(NOON));
    }

    #[test]
    fn derived_ids_depend_on_every_argument() {
        let time = Timestamp::from_micros(1_795_424_686_454_636);
        let id = EventId::derived(time, "web3", "awQBrifgYqmKvVSXXZUMnwAAAEA");
        assert_eq!(id, EventId::derived(time, "web3", "awQBrifgYqmKvVSXXZUMnwAAAEA"));
        assert_eq!(&id.to_string()[..10], &IdSource::new("web3", 1).next(time).to_string()[..10]);
        assert_ne!(id, EventId::derived(time, "web4", "awQBrifgYqmKvVSXXZUMnwAAAEA"));
        assert_ne!(id, EventId::derived(time, "web3", "awQBrifgYqmKvVSXXZUMnwAAAEB"));
        let later = EventId::derived(
            Timestamp::from_micros(1_795_424_686_455_636),
            "web3",
            "awQBrifgYqmKvVSXXZUMnwAAAEA",
        );
        assert!(id != later && id.is_same_origin(later));
        assert!(!id.is_same_origin(EventId::derived(time, "web4", "awQBrifgYqmKvVSXXZUMnwAAAEA")));
    }
}
