//! Collections that outlive a transaction: IP, GLOBAL, SESSION, USER, RESOURCE.
//!
//! All transactions of a gate share them. Each change locks its shard, so counters of concurrent requests add up. The
//! embedding program saves [`Collections::snapshot`] and restores it with [`Collections::restore`] after a restart.
//!
//! The collections have a budget in records and in bytes. Beyond it, the records that expire first are evicted;
//! [`Collections::holdings`] counts evictions.

#![expect(clippy::cast_possible_truncation, reason = "any part of a hash selects a shard")]

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use seclang::variable::Variable;
use sha1::{Digest, Sha1};

use crate::limits;
use crate::tx::leading_number;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A record's name: the collection, and the key of `initcol`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordName {
    /// IP, GLOBAL, SESSION, USER or RESOURCE.
    pub collection: Variable,
    /// The key, such as an address.
    pub key: Vec<u8>,
}

impl RecordName {
    /// Makes a name from a key of any length. Clients choose keys, such as session cookies, so the name keeps only the beginning
    /// and the hash of a long key.
    pub fn new(collection: Variable, mut key: Vec<u8>) -> RecordName {
        if key.len() > limits::COLLECTION_KEY {
            let hash = Sha1::digest(&key);
            key.truncate(limits::COLLECTION_KEY - 2 * hash.len() - 1);
            key.push(b'#');
            key.extend(hash.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
        }
        RecordName { collection, key }
    }

    fn cost(&self) -> usize {
        self.key.len() + limits::COLLECTION_OVERHEAD
    }
}

/// One variable of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its value.
    pub value: Vec<u8>,
    /// Time of expiry (`expirevar`), in µs since the epoch.
    pub expires: Option<i64>,
    /// Time of the last reduction by `deprecatevar`, in µs since the epoch.
    pub deprecated: Option<i64>,
}

/// The variables of one key, indexed by lower-case name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Time of creation, in µs since the epoch.
    pub created: i64,
    /// Time of the last change, in µs since the epoch.
    pub updated: i64,
    /// Time of expiry: `SecCollectionTimeout` after the last change, in µs since the epoch.
    pub expires: i64,
    /// Number of changes.
    pub updates: u64,
    /// The variables.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

/// The size of the collections, and their evictions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Number of records, including expired ones that are not yet removed.
    pub records: usize,
    /// Bytes of the records, as [`limits::COLLECTION_BYTES`] counts them.
    pub bytes: usize,
    /// Records evicted before their expiry since the program began.
    pub evicted: u64,
}

/// The shared collections.
#[derive(Debug)]
pub struct Collections {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    evicted: AtomicU64,
    /// Bytes that one shard may hold.
    records: usize,
    bytes: usize,
}

/// A part of the records, under one lock.
#[derive(Debug, Default)]
struct Shard {
    records: HashMap<RecordName, Record>,
    bytes: usize,
}

const SHARDS: usize = 16;

impl Default for Collections {
    fn default() -> Collections {
        Collections::within(limits::COLLECTION_RECORDS, limits::COLLECTION_BYTES)
    }
}

impl Record {
    fn drop_expired(&mut self, now: i64) {
        self.entries.retain(|_, entry| entry.expires.is_none_or(|at| at > now));
    }

    /// Sets or removes a variable. Returns false beyond a limit.
    fn change(&mut self, name: Vec<u8>, change: impl FnOnce(Option<&Entry>) -> Option<Entry>) -> bool {
        let known = self.entries.get(&name);
        let Some(entry) = change(known) else {
            self.entries.remove(&name);
            return true;
        };
        let fits = known.is_some() || self.entries.len() < limits::COLLECTION_VARIABLES;
        if !fits || name.len() > limits::COLLECTION_NAME || entry.value.len() > limits::COLLECTION_VALUE {
            return false;
        }
        self.entries.insert(name, entry);
        true
    }

    fn cost(&self) -> usize {
        let of_one =
            |(name, entry): (&Vec<u8>, &Entry)| name.len() + entry.value.len() + limits::COLLECTION_OVERHEAD;
        self.entries.iter().map(of_one).sum()
    }
}

impl Shard {
    /// Removes expired records. If that frees too little, it also evicts the eighth of the records that expire first, so that the
    /// next insertions need no search. Returns the number of evicted records.
    fn make_room(&mut self, keep: &RecordName, now: i64, records: usize, bytes: usize) -> u64 {
        self.drop_where(|name, record| record.expires > now || name == keep);
        let mut evicted = 0;
        while self.records.len() > records || self.bytes > bytes {
            let mut expiries: Vec<i64> = self
                .records
                .iter()
                .filter(|(name, _)| *name != keep)
                .map(|(_, record)| record.expires)
                .collect();
            if expiries.is_empty() {
                break;
            }
            let eighth = expiries.len() / 8;
            let (_, &mut last, _) = expiries.select_nth_unstable(eighth);
            let before = self.records.len();
            self.drop_where(|name, record| record.expires > last || name == keep);
            evicted += (before - self.records.len()) as u64;
        }
        evicted
    }

    fn drop_where(&mut self, stays: impl Fn(&RecordName, &Record) -> bool) {
        let Shard { records, bytes } = self;
        records.retain(|name, record| {
            let stays = stays(name, record);
            if !stays {
                *bytes -= name.cost() + record.cost();
            }
            stays
        });
    }
}

impl Collections {
    /// Makes empty collections with this budget.
    pub fn within(records: usize, bytes: usize) -> Collections {
        Collections {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            evicted: AtomicU64::new(0),
            records: records / SHARDS,
            bytes: bytes / SHARDS,
        }
    }

    /// Returns the size of the collections and their evictions.
    pub fn holdings(&self) -> Holdings {
        let mut holdings = Holdings { evicted: self.evicted.load(Ordering::Relaxed), ..Holdings::default() };
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            holdings.records += shard.records.len();
            holdings.bytes += shard.bytes;
        }
        holdings
    }

    fn with<R>(&self, name: &RecordName, f: impl FnOnce(&mut Shard) -> R) -> R {
        let shard = self.hasher.hash_one(name) as usize % self.shards.len();
        // A poisoned shard contains only whole records, because each change is one insertion.
        f(&mut self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an unexpired record has that name.
    pub fn contains(&self, name: &RecordName, now: i64) -> bool {
        self.with(name, |shard| shard.records.get(name).is_some_and(|record| record.expires > now))
    }

    /// Returns a copy of the record without expired variables.
    pub fn read(&self, name: &RecordName, now: i64) -> Option<Record> {
        self.with(name, |shard| {
            let mut record = shard.records.get(name).filter(|record| record.expires > now)?.clone();
            record.drop_expired(now);
            Some(record)
        })
    }

    /// Returns a variable's value by its lower-case name, unless it has expired.
    pub fn value(&self, name: &RecordName, variable: &[u8], now: i64) -> Option<Vec<u8>> {
        self.with(name, |shard| {
            let record = shard.records.get(name).filter(|record| record.expires > now)?;
            let entry = record.entries.get(variable)?;
            entry.expires.is_none_or(|at| at > now).then(|| entry.value.clone())
        })
    }

    /// Changes one variable: `change` takes its value and returns the new one, or `None` to remove it. If the shard exceeds its
    /// budget, it evicts the record that expires first. If the record would exceed its limits, nothing changes and the result is
    /// false.
    pub fn change(
        &self,
        name: &RecordName,
        variable: &[u8],
        timeout: u32,
        now: i64,
        change: impl FnOnce(Option<&Entry>) -> Option<Entry>,
    ) -> bool {
        let variable = variable.to_ascii_lowercase();
        self.with(name, |shard| {
            let Shard { records, bytes } = shard;
            let record = match records.get_mut(name) {
                Some(record) => record,
                None => {
                    *bytes += name.cost();
                    records.entry(name.clone()).or_default()
                }
            };
            let before = record.cost();
            if record.expires <= now {
                *record = Record { created: now, ..Record::default() };
            }
            record.drop_expired(now);
            let changed = record.change(variable, change);
            if changed {
                record.updated = now;
                record.updates += 1;
                record.expires = now + i64::from(timeout) * SECOND;
            }
            *bytes = *bytes + record.cost() - before;
            if records.len() > self.records || *bytes > self.bytes {
                let evicted = shard.make_room(name, now, self.records, self.bytes);
                self.evicted.fetch_add(evicted, Ordering::Relaxed);
            }
            changed
        })
    }

    /// Returns all unexpired records, sorted by name.
    pub fn snapshot(&self, now: i64) -> Vec<(RecordName, Record)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.drop_where(|_, record| record.expires > now);
            all.extend(shard.records.iter().map(|(name, record)| (name.clone(), record.clone())));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Restores saved records within the budget. Existing records stay as they are.
    pub fn restore(&self, records: impl IntoIterator<Item = (RecordName, Record)>) {
        for (RecordName { collection, key }, record) in records {
            let name = RecordName::new(collection, key);
            self.with(&name.clone(), |shard| {
                let cost = name.cost() + record.cost();
                if shard.records.len() >= self.records || shard.bytes + cost > self.bytes {
                    self.evicted.fetch_add(1, Ordering::Relaxed);
                } else if !shard.records.contains_key(&name) {
                    shard.bytes += cost;
                    shard.records.insert(name, record);
                }
            });
        }
    }
}

/// Returns the value after `deprecatevar` by `amount` every `period` seconds, and the time of the last reduction.
pub(crate) fn deprecate(entry: &Entry, updated: i64, amount: i64, period: i64, now: i64) -> Entry {
    let since = entry.deprecated.unwrap_or(updated);
    let steps = (now - since).max(0) / (period * SECOND);
    let value = leading_number(&entry.value).saturating_sub(steps.saturating_mul(amount)).max(0);
    let deprecated = Some(since + steps * period * SECOND);
    Entry { value: value.to_string().into_bytes(), deprecated, ..entry.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> RecordName {
        RecordName { collection: Variable::Ip, key: key.into() }
    }

    fn add_one(entry: Option<&Entry>) -> Option<Entry> {
        let n = entry.map_or(0, |e| leading_number(&e.value)) + 1;
        Some(Entry { value: n.to_string().into_bytes(), expires: None, deprecated: None })
    }

    #[test]
    fn counters_of_many_threads_add_up() {
        let collections = Collections::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..500).for_each(|_| assert!(collections.change(&name("a"), b"Hits", 60, 0, add_one)))
                });
            }
        });
        let record = collections.read(&name("a"), 1).unwrap();
        assert_eq!(record.entries[&b"hits"[..]].value, b"2000");
        assert_eq!(record.updates, 2000);
    }

    #[test]
    fn records_and_variables_expire() {
        let collections = Collections::default();
        let short = |_: Option<&Entry>| {
            Some(Entry { value: b"1".to_vec(), expires: Some(5 * SECOND), deprecated: None })
        };
        collections.change(&name("a"), b"flag", 60, 0, short);
        collections.change(&name("a"), b"hits", 60, 0, add_one);
        assert_eq!(collections.read(&name("a"), 4 * SECOND).unwrap().entries.len(), 2);
        assert_eq!(collections.read(&name("a"), 5 * SECOND).unwrap().entries.len(), 1);
        assert!(collections.contains(&name("a"), 59 * SECOND));
        assert_eq!(collections.read(&name("a"), 60 * SECOND), None);
        collections.change(&name("a"), b"hits", 60, 61 * SECOND, add_one);
        assert_eq!(collections.read(&name("a"), 62 * SECOND).unwrap().entries[&b"hits"[..]].value, b"1");
    }

    #[test]
    fn a_snapshot_survives_a_restart() {
        let before = Collections::default();
        before.change(&name("a"), b"hits", 60, 0, add_one);
        let after = Collections::default();
        after.restore(before.snapshot(1));
        assert_eq!(after.snapshot(1), before.snapshot(1));
        assert_eq!(after.snapshot(1).len(), 1);
        assert!(after.snapshot(61 * SECOND).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let collections = Collections::default();
        for (now, n) in (0i64..).zip(0..limits::COLLECTION_RECORDS + 1000) {
            collections.change(&name(&n.to_string()), b"hits", 60, now, add_one);
        }
        assert!(collections.snapshot(0).len() <= limits::COLLECTION_RECORDS);
        for n in 0..limits::COLLECTION_VARIABLES {
            assert!(collections.change(&name("one"), n.to_string().as_bytes(), 60, 0, add_one));
        }
        assert!(!collections.change(&name("one"), b"more", 60, 0, add_one));
        let long = |_: Option<&Entry>| {
            Some(Entry { value: vec![0; limits::COLLECTION_VALUE + 1], expires: None, deprecated: None })
        };
        assert!(!collections.change(&name("two"), b"long", 60, 0, long));
    }

    fn set(value: &[u8]) -> impl Fn(Option<&Entry>) -> Option<Entry> {
        move |_| Some(Entry { value: value.to_vec(), expires: None, deprecated: None })
    }

    #[test]
    fn c16_a_long_key_is_hashed_and_a_long_name_has_no_effect() {
        let short = vec![b'k'; limits::COLLECTION_KEY];
        assert_eq!(RecordName::new(Variable::Ip, short.clone()).key, short);
        let long = vec![b'k'; 1024 * 1024];
        let name = RecordName::new(Variable::Ip, long.clone());
        assert_eq!(name.key.len(), limits::COLLECTION_KEY);
        assert_eq!(name, RecordName::new(Variable::Ip, long.clone()));
        assert_ne!(name, RecordName::new(Variable::Ip, [&long[..], b"k"].concat()));
        let collections = Collections::default();
        assert!(collections.change(&name, &long[..limits::COLLECTION_NAME], 60, 0, set(b"1")));
        assert!(!collections.change(&name, &long[..=limits::COLLECTION_NAME], 60, 0, set(b"1")));
    }

    #[test]
    fn c16_bytes_have_a_budget_and_what_goes_is_counted() {
        let budget = 1024 * 1024;
        let collections = Collections::within(limits::COLLECTION_RECORDS, budget);
        for n in 0..5000_i64 {
            // the first records live longest
            let timeout = if n < 10 { 100_000 } else { 3600 };
            collections.change(&name(&n.to_string()), b"v", timeout, n, set(&[b'x'; 1000]));
            assert!(collections.holdings().bytes <= budget);
        }
        let holdings = collections.holdings();
        assert!(holdings.bytes > budget / 2 && holdings.evicted > 3000, "{holdings:?}");
        assert_eq!(holdings.records as u64 + holdings.evicted, 5000);
        for n in (0..10).chain([4999]) {
            assert!(collections.contains(&name(&n.to_string()), 5000), "{n}");
        }
        let copy = Collections::within(100, budget / 2);
        copy.restore(collections.snapshot(5000));
        let copied = copy.holdings();
        assert!(copied.bytes <= budget / 2 && copied.records <= 100, "{copied:?}");
        assert_eq!(copied.records as u64 + copied.evicted, holdings.records as u64);
        // the counts equal the contents
        let counted: usize =
            collections.snapshot(5000).iter().map(|(name, record)| name.cost() + record.cost()).sum();
        assert_eq!(holdings.bytes, counted);
        for n in 0..5000 {
            collections.change(&name(&n.to_string()), b"v", 1, 5000, |_| None);
        }
        assert!(collections.snapshot(5000 + 2 * SECOND).is_empty());
        assert_eq!(collections.holdings().bytes, 0);
    }

    #[test]
    fn deprecation_takes_off_whole_periods_only() {
        let entry = Entry { value: b"100".to_vec(), expires: None, deprecated: None };
        let after = deprecate(&entry, 0, 60, 300, 299 * SECOND);
        assert_eq!(after.value, b"100");
        let after = deprecate(&entry, 0, 60, 300, 301 * SECOND);
        assert_eq!((after.value.as_slice(), after.deprecated), (&b"40"[..], Some(300 * SECOND)));
        assert_eq!(deprecate(&after, 0, 60, 300, 10_000 * SECOND).value, b"0");
    }
}
