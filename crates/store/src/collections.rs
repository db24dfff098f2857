//! Saves the rule engine's persistent collections (IP, GLOBAL, SESSION, USER, RESOURCE) across a restart.
//!
//! The engine keeps them in memory. The daemon saves a snapshot at intervals and when it stops, and loads it when it
//! starts. A killed process loses the changes since the last snapshot: they are counters of recent behaviour, not
//! evidence.
//!
//! The file is one JSON object, `{"v":1,"records":[…]}`, with mode 0600. A new snapshot replaces the whole file: it is
//! written beside it, synced and renamed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use event::{ByteString, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_COLLECTIONS_BYTES;
use files::replace_file;

/// One instance of a collection, such as IP for one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionRecord {
    /// `ip`, `global`, `session`, `user`, `resource`, or another name given to `initcol`.
    pub collection: String,
    /// Key of the instance: the value given to `initcol`.
    pub key: ByteString,
    /// Time of creation; none in files of versions that did not save it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Time of the last change; none in files of versions that did not save it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// Number of changes.
    #[serde(default)]
    pub updates: u64,
    /// Time at which the whole instance expires; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The variables of the instance.
    pub variables: Vec<CollectionVariable>,
}

/// One variable of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionVariable {
    /// The name of the variable.
    pub name: ByteString,
    /// The value of the variable.
    pub value: ByteString,
    /// Time at which the variable expires (`expirevar`); none: with its instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Time up to which `deprecatevar` has decreased the value; none: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Timestamp>,
}

/// An error while loading or saving collections.
#[derive(Debug, thiserror::Error)]
pub enum CollectionsError {
    /// A file operation failed.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not a snapshot. It stays in place, and the next save replaces it unless it is moved aside.
    #[error("{}: not a snapshot of collections: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault and its location.
        what: String,
    },
}

#[derive(Serialize)]
struct Snapshot<'a> {
    v: u32,
    records: &'a [CollectionRecord],
}

#[derive(Deserialize)]
struct OwnedSnapshot {
    v: u32,
    records: Vec<CollectionRecord>,
}

/// Loads the last snapshot, without anything that has expired at `now`. Returns nothing if the file does not exist.
///
/// # Errors
/// [`CollectionsError`]; the caller continues with empty collections.
pub fn load(path: &Path, now: Timestamp) -> Result<Vec<CollectionRecord>, CollectionsError> {
    load_within(path, now, MAX_COLLECTIONS_BYTES)
}

fn load_within(path: &Path, now: Timestamp, limit: u64) -> Result<Vec<CollectionRecord>, CollectionsError> {
    let io = |doing| move |source| CollectionsError::Io { doing, path: path.to_path_buf(), source };
    let damaged = |what: String| CollectionsError::Damaged { path: path.to_path_buf(), what };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("open")(error)),
    };
    let mut json = Vec::new();
    file.take(limit + 1).read_to_end(&mut json).map_err(io("read"))?;
    if json.len() as u64 > limit {
        return Err(damaged(format!("longer than {limit} bytes")));
    }
    let snapshot: OwnedSnapshot =
        serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    if snapshot.v != 1 {
        return Err(damaged(format!("version {} is not 1", snapshot.v)));
    }
    let lives = |expires: Option<Timestamp>| expires.is_none_or(|expires| expires > now);
    let mut records = snapshot.records;
    records.retain_mut(|record| {
        record.variables.retain(|variable| lives(variable.expires));
        lives(record.expires) && !record.variables.is_empty()
    });
    Ok(records)
}

/// Replaces the last snapshot. After an error the former snapshot remains.
///
/// # Errors
/// [`CollectionsError::Io`].
pub fn save(path: &Path, records: &[CollectionRecord]) -> Result<(), CollectionsError> {
    replace_file(path, |out| serde_json::to_writer(out, &Snapshot { v: 1, records }).map_err(io::Error::from))
        .map_err(|source| CollectionsError::Io { doing: "save", path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, expires: Option<i64>, variables: &[(&str, &[u8], Option<i64>)]) -> CollectionRecord {
        let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        CollectionRecord {
            collection: "ip".into(),
            key: key.into(),
            created: Some(time(1)),
            updated: Some(time(2)),
            updates: 3,
            expires: expires.map(time),
            variables: variables
                .iter()
                .map(|(name, value, expires)| CollectionVariable {
                    name: (*name).into(),
                    value: (*value).into(),
                    expires: expires.map(time),
                    deprecated: Some(time(4)),
                })
                .collect(),
        }
    }

    #[test]
    fn a_snapshot_comes_back_without_what_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.json");
        let now = Timestamp::from_micros(100_000_000);
        assert_eq!(load(&path, now).unwrap(), []);
        let saved = [
            record(
                "a",
                Some(200),
                &[("n", b"\xff1", None), ("gone", b"1", Some(100)), ("kept", b"2", Some(101))],
            ),
            record("b", Some(100), &[("n", b"1", None)]),
            record("c", None, &[("n", b"1", Some(99))]),
            record("d", None, &[("n", b"1", None)]),
        ];
        save(&path, &saved).unwrap();
        let expected = [
            record("a", Some(200), &[("n", b"\xff1", None), ("kept", b"2", Some(101))]),
            record("d", None, &[("n", b"1", None)]),
        ];
        assert_eq!(load(&path, now).unwrap(), expected);
        save(&path, &[]).unwrap();
        assert_eq!(load(&path, now).unwrap(), []);
    }

    #[test]
    fn a_snapshot_without_times_and_counts_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.json");
        let text =
            r#"{"v":1,"records":[{"collection":"ip","key":"a","variables":[{"name":"n","value":"1"}]}]}"#;
        std::fs::write(&path, text).unwrap();
        let loaded = load(&path, Timestamp::MIN).unwrap();
        let [record] = &loaded[..] else { panic!("{loaded:?}") };
        assert_eq!((record.created, record.updated, record.updates), (None, None, 0));
        assert_eq!(record.variables[0].deprecated, None);
    }

    #[test]
    fn a_snapshot_beyond_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.json");
        save(&path, &[record("a", None, &[("n", b"1", None)])]).unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(load_within(&path, Timestamp::MIN, length).unwrap().len(), 1);
        let error = load_within(&path, Timestamp::MIN, length - 1).unwrap_err();
        assert!(error.to_string().ends_with(&format!("longer than {} bytes", length - 1)), "{error}");
    }

    #[test]
    fn damage_is_reported_and_a_failed_save_keeps_the_former_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.json");
        let saved = [record("a", None, &[("n", b"1", None)])];
        save(&path, &saved).unwrap();
        std::fs::create_dir(folder.path().join("collections.json.new")).unwrap();
        assert!(matches!(save(&path, &[]), Err(CollectionsError::Io { doing: "save", .. })));
        assert_eq!(load(&path, Timestamp::MIN).unwrap(), saved);
        for text in ["", "{}", "{\"v\":1,\"records\":[", "{\"v\":2,\"records\":[]}", "\0\0\0\0"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(load(&path, Timestamp::MIN), Err(CollectionsError::Damaged { .. })), "{text:?}");
        }
    }
}
