//! The collections that outlive a transaction: IP, GLOBAL, SESSION, USER, RESOURCE.
//!
//! They are shared by all transactions of a gate. A change is made under the lock of its shard at once, so counters of
//! concurrent requests add up. The embedding program saves [`Collections::snapshot`] and gives it back with
//! [`Collections::restore`] after a restart.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use seclang::variable::Variable;

use crate::limits;
use crate::tx::leading_number;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// A record's name: the collection and the key that `initcol` gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordName {
    /// IP, GLOBAL, SESSION, USER or RESOURCE.
    pub collection: Variable,
    /// Such as an address.
    pub key: Vec<u8>,
}

/// One variable of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its value.
    pub value: Vec<u8>,
    /// When it goes (`expirevar`), µs since the epoch.
    pub expires: Option<i64>,
    /// When `deprecatevar` last took something off, µs since the epoch.
    pub deprecated: Option<i64>,
}

/// The variables of one key, by lower-case name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// When it was made, µs since the epoch.
    pub created: i64,
    /// When it last changed, µs since the epoch.
    pub updated: i64,
    /// When all of it goes: `SecCollectionTimeout` after the last change, µs since the epoch.
    pub expires: i64,
    /// How often it changed.
    pub updates: u64,
    /// The variables.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

/// The shared collections.
#[derive(Debug)]
pub struct Collections {
    shards: Vec<Mutex<HashMap<RecordName, Record>>>,
    hasher: RandomState,
}

impl Default for Collections {
    fn default() -> Collections {
        Collections { shards: (0..16).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl Record {
    fn drop_expired(&mut self, now: i64) {
        self.entries.retain(|_, entry| entry.expires.is_none_or(|at| at > now));
    }
}

impl Collections {
    fn with<R>(&self, name: &RecordName, f: impl FnOnce(&mut HashMap<RecordName, Record>) -> R) -> R {
        let shard = self.hasher.hash_one(name) as usize % self.shards.len();
        // A poisoned shard holds whole records: each change is one insertion.
        f(&mut self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is a record of that name that has not expired.
    pub fn contains(&self, name: &RecordName, now: i64) -> bool {
        self.with(name, |records| records.get(name).is_some_and(|record| record.expires > now))
    }

    /// A copy of the record's state, without what has expired.
    pub fn read(&self, name: &RecordName, now: i64) -> Option<Record> {
        self.with(name, |records| {
            let record = records.get_mut(name).filter(|record| record.expires > now)?;
            record.drop_expired(now);
            Some(record.clone())
        })
    }

    /// One variable's value, by its lower-case name, unless it has expired.
    pub fn value(&self, name: &RecordName, variable: &[u8], now: i64) -> Option<Vec<u8>> {
        self.with(name, |records| {
            let record = records.get(name).filter(|record| record.expires > now)?;
            let entry = record.entries.get(variable)?;
            entry.expires.is_none_or(|at| at > now).then(|| entry.value.clone())
        })
    }

    /// Changes one variable: `change` gets the value that it has and returns the new one, or `None` to remove it.
    /// Beyond the limits of a shard the record that expires first makes room; beyond those of a record the change is
    /// not made and false comes back.
    pub fn change(
        &self,
        name: &RecordName,
        variable: &[u8],
        timeout: u32,
        now: i64,
        change: impl FnOnce(Option<&Entry>) -> Option<Entry>,
    ) -> bool {
        let variable = variable.to_ascii_lowercase();
        self.with(name, |records| {
            if !records.contains_key(name) && records.len() >= limits::COLLECTION_RECORDS / self.shards.len()
            {
                make_room(records, now);
            }
            let record = records
                .entry(name.clone())
                .and_modify(|record| {
                    if record.expires <= now {
                        *record = Record { created: now, ..Record::default() };
                    }
                })
                .or_insert_with(|| Record { created: now, ..Record::default() });
            record.drop_expired(now);
            match change(record.entries.get(&variable)) {
                Some(entry) => {
                    let fits = record.entries.contains_key(&variable)
                        || record.entries.len() < limits::COLLECTION_VARIABLES;
                    if !fits || entry.value.len() > limits::COLLECTION_VALUE {
                        return false;
                    }
                    record.entries.insert(variable, entry);
                }
                None => {
                    record.entries.remove(&variable);
                }
            }
            record.updated = now;
            record.updates += 1;
            record.expires = now + i64::from(timeout) * SECOND;
            true
        })
    }

    /// All records that have not expired, in the order of their names.
    pub fn snapshot(&self, now: i64) -> Vec<(RecordName, Record)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut records = shard.lock().unwrap_or_else(PoisonError::into_inner);
            records.retain(|_, record| record.expires > now);
            all.extend(records.iter().map(|(name, record)| (name.clone(), record.clone())));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Takes over saved records; those that are there already stay as they are.
    pub fn restore(&self, records: impl IntoIterator<Item = (RecordName, Record)>) {
        for (name, record) in records {
            self.with(&name.clone(), |shard| {
                if shard.len() < limits::COLLECTION_RECORDS / self.shards.len() {
                    shard.entry(name).or_insert(record);
                }
            });
        }
    }
}

/// Drops what has expired, or else the record that would expire first.
fn make_room(records: &mut HashMap<RecordName, Record>, now: i64) {
    let before = records.len();
    records.retain(|_, record| record.expires > now);
    if records.len() == before
        && let Some(name) =
            records.iter().min_by_key(|(_, record)| record.expires).map(|(name, _)| name.clone())
    {
        records.remove(&name);
    }
}

/// The value after `deprecatevar` of `amount` every `period` seconds, and the time up to which it is accounted for.
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
        for n in 0..limits::COLLECTION_RECORDS + 1000 {
            collections.change(&name(&n.to_string()), b"hits", 60, n as i64, add_one);
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
