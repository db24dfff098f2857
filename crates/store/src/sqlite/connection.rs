//! Opens connections to the file, translates SQLite's errors, and moves a damaged file aside.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{number, schema};
use crate::event_store::StoreError;

/// Page cache of a reading connection, in KiB.
const READER_CACHE_KIB: i64 = 2 * 1024;
/// Page cache of the writing connection, in KiB.
const WRITER_CACHE_KIB: i64 = 4 * 1024;

pub(super) fn open_writer(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let fail = |error: &rusqlite::Error| explain(path, "open", error);
    create_private(path)?;
    let mut connection = Connection::open(path).map_err(|error| fail(&error))?;
    let set_up = |connection: &mut Connection| {
        connection.busy_timeout(busy_timeout)?;
        // This takes effect only in an empty file. It lets retention return pages to the file system.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // Size to which SQLite truncates the WAL after a checkpoint, in bytes.
        connection.pragma_update_and_check(None, "journal_size_limit", 8 * 1024 * 1024, |_| Ok(()))?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        let found = schema::create(connection)?;
        if found == schema::VERSION {
            // This detects damage now rather than at the first event.
            number(connection, "checkpoint")?;
        }
        Ok(found)
    };
    let found = set_up(&mut connection).map_err(|error| fail(&error))?;
    check_version(path, found).map(|()| connection)
}

/// Refuses tables of another version. A file that another process is just creating has none (version 0).
pub(super) fn check_version(path: &Path, found: u32) -> Result<(), StoreError> {
    let (path, known) = (path.to_path_buf(), schema::VERSION);
    match found {
        0 | schema::VERSION => Ok(()),
        older if older < known => Err(StoreError::OlderSchema { path, found, known }),
        _ => Err(StoreError::NewerSchema { path, found, known }),
    }
}

/// Creates the file with mode 0600. SQLite gives the WAL beside it the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.map(drop).map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path: path.to_path_buf() },
        _ => StoreError::Engine { path: path.to_path_buf(), doing: "create", what: error.to_string() },
    })
}

pub(super) fn open_reader(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(busy_timeout)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

pub(super) fn explain(path: &Path, doing: &'static str, error: &rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let what = error.to_string();
    // SQLite could not extend the index of the WAL: it reports a full disk in this way.
    if let rusqlite::Error::SqliteFailure(cause, _) = error
        && cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    {
        return StoreError::Full { path };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { path },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { path, what },
        _ => StoreError::Engine { path, doing, what },
    }
}

/// Renames a damaged file, its WAL and its index to the first free `NAME.damaged-N`. Returns the new path of the file.
///
/// # Errors
/// [`StoreError::Engine`].
pub fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let with_suffix = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let mut number = 1;
    let mut aside = with_suffix(path, ".damaged-1");
    while aside.exists() {
        number += 1;
        aside = with_suffix(path, &format!(".damaged-{number}"));
    }
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        match std::fs::rename(&from, to) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(StoreError::Engine { path: from, doing: "move aside", what: error.to_string() });
            }
        }
    }
    Ok(aside)
}
