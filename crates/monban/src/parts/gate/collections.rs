//! Persistent collections of the rules, converted between the engine's form and the store's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::Timestamp;
use seclang::variable::Variable;
use store::collections::{CollectionRecord, CollectionVariable, CollectionsError};
use waf::Collections;
use waf::collections::{Entry, Record, RecordName};

/// The collections of a data folder.
pub struct SavedCollections {
    path: PathBuf,
    collections: Arc<Collections>,
    /// Evicted records that were already logged.
    evicted: AtomicU64,
}

impl SavedCollections {
    /// Restores the last saved collections. Moves a damaged file aside.
    pub fn open(data_dir: &Path) -> Self {
        let (path, collections) = (store::collections_path(data_dir), Arc::new(Collections::default()));
        if let Err(error) = restore(&collections, &path, crate::now()) {
            tracing::error!("the persistent collections start empty: {error}");
            // Otherwise the next save would overwrite a file that may still be repaired.
            if let CollectionsError::Damaged { path, .. } = &error
                && let Err(error) = store::sqlite::move_aside(path)
            {
                tracing::error!("cannot keep the damaged collections: {error}");
            }
        }
        Self { path, collections, evicted: AtomicU64::new(0) }
    }

    /// Returns the collections.
    pub fn collections(&self) -> &Arc<Collections> {
        &self.collections
    }

    /// Saves the collections. Logs an error; then the previous snapshot stays.
    pub fn save(&self) {
        if let Err(error) = save(&self.collections, &self.path, crate::now()) {
            tracing::error!("cannot save the persistent collections: {error}");
        }
    }

    /// Logs the number of records evicted since the last call.
    pub fn log_evictions(&self) {
        let holdings = self.collections.holdings();
        let new = holdings.evicted - self.evicted.swap(holdings.evicted, Ordering::Relaxed);
        if new > 0 {
            tracing::warn!(
                "{new} records of persistent collections (IP, SESSION …) were evicted before they expired: {} remain, {} KiB; the rules' counters start anew for those clients",
                holdings.records,
                holdings.bytes / 1024
            );
        }
    }
}

const NAMES: [(Variable, &str); 5] = [
    (Variable::Ip, "ip"),
    (Variable::Global, "global"),
    (Variable::Session, "session"),
    (Variable::User, "user"),
    (Variable::Resource, "resource"),
];

/// Loads the last saved collections.
///
/// # Errors
/// If the file cannot be read; the collections stay unchanged.
fn restore(collections: &Collections, path: &Path, now: Timestamp) -> Result<(), CollectionsError> {
    let saved = store::collections::load(path, now)?;
    let micros = now.as_micros();
    collections.restore(saved.into_iter().filter_map(|record| {
        let (collection, _) = NAMES.iter().find(|(_, name)| *name == record.collection)?;
        let entries = record.variables.into_iter().map(|variable| {
            let entry = Entry {
                value: variable.value.into_bytes(),
                expires: variable.expires.map(Timestamp::as_micros),
                deprecated: variable.deprecated.map(Timestamp::as_micros),
            };
            (variable.name.into_bytes(), entry)
        });
        let restored = Record {
            created: record.created.map_or(micros, Timestamp::as_micros),
            updated: record.updated.map_or(micros, Timestamp::as_micros),
            expires: record.expires.map_or(i64::MAX, Timestamp::as_micros),
            updates: record.updates,
            entries: entries.collect(),
        };
        Some((RecordName { collection: *collection, key: record.key.into_bytes() }, restored))
    }));
    Ok(())
}

/// Saves the collections.
///
/// # Errors
/// If the file cannot be written; the previous snapshot stays.
fn save(collections: &Collections, path: &Path, now: Timestamp) -> Result<(), CollectionsError> {
    let records: Vec<CollectionRecord> = collections
        .snapshot(now.as_micros())
        .into_iter()
        .filter_map(|(name, record)| {
            let (_, collection) = NAMES.iter().find(|(variable, _)| *variable == name.collection)?;
            let variables = record.entries.into_iter().map(|(name, entry)| CollectionVariable {
                name: name.into(),
                value: entry.value.into(),
                expires: entry.expires.map(Timestamp::from_micros),
                deprecated: entry.deprecated.map(Timestamp::from_micros),
            });
            Some(CollectionRecord {
                collection: (*collection).to_owned(),
                key: name.key.into(),
                created: Some(Timestamp::from_micros(record.created)),
                updated: Some(Timestamp::from_micros(record.updated)),
                updates: record.updates,
                expires: Some(Timestamp::from_micros(record.expires)),
                variables: variables.collect(),
            })
        })
        .collect();
    store::collections::save(path, &records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back_without_what_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.json");
        let now = 1_800_000_000_000_000;
        let collections = Collections::default();
        let set = |collection, key: &str, timeout, value: &str| {
            let name = RecordName { collection, key: key.into() };
            let entry = Entry { value: value.into(), expires: None, deprecated: Some(now - 5) };
            assert!(collections.change(&name, b"counter", timeout, now, |_| Some(entry)));
        };
        for (collection, _) in NAMES {
            set(collection, "long", 3600, "7");
            set(collection, "short", 60, "8");
        }
        save(&collections, &path, Timestamp::from_micros(now)).unwrap();
        let later = now + 61_000_000;
        let restored = Collections::default();
        restore(&restored, &path, Timestamp::from_micros(later)).unwrap();
        for (collection, _) in NAMES {
            let record = restored.read(&RecordName { collection, key: "long".into() }, later).unwrap();
            assert_eq!(record.entries[&b"counter"[..]].value, b"7");
            assert_eq!(record.entries[&b"counter"[..]].deprecated, Some(now - 5));
            assert_eq!((record.created, record.updated, record.updates), (now, now, 1));
            assert_eq!(record.expires, now + 3_600_000_000);
            assert!(!restored.contains(&RecordName { collection, key: "short".into() }, later));
        }
    }
}
