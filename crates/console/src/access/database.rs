//! `console.sqlite` in the data folder: the accounts. It is separate from the events, so that it survives when they are deleted or
//! their store is damaged. Only monban's user can read it (mode 0600).

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use event::Timestamp;
use rusqlite::Connection;

use super::limits::CACHE_KIBIBYTES;
use crate::Problem;

/// Returns the path of the file in the data folder.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("console.sqlite")
}

/// Time for which another process, such as a backup, may lock the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Migrations. Each raises the version of the file (`PRAGMA user_version`) by one.
const MIGRATIONS: [&str; 3] = [
    // Times are microseconds since 1970; of secrets only the SHA-256 is stored.
    "CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        role TEXT NOT NULL,
        password TEXT,                 -- PHC string; null until the invitation is taken
        created INTEGER NOT NULL,
        last_seen INTEGER,
        totp BLOB,                     -- null while it is off
        totp_step INTEGER,             -- the last step that was used
        totp_offered BLOB              -- shown, not yet confirmed
    ) STRICT;
    CREATE TABLE recovery_codes (
        user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        hash BLOB NOT NULL,
        PRIMARY KEY (user, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE passkeys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        credential BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        state TEXT NOT NULL,           -- public key and counter, JSON
        created INTEGER NOT NULL,
        last_used INTEGER
    ) STRICT;
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        hash BLOB NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        address TEXT NOT NULL,
        user_agent TEXT NOT NULL
    ) STRICT;
    CREATE INDEX sessions_of_user ON sessions (user);
    CREATE TABLE links (
        hash BLOB PRIMARY KEY,
        purpose TEXT NOT NULL,         -- owner, invitation, reset
        user INTEGER REFERENCES users ON DELETE CASCADE,
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user INTEGER REFERENCES users ON DELETE CASCADE, -- null: made by a command on this machine
        hash BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,          -- words, with spaces between
        created INTEGER NOT NULL,
        expires INTEGER,
        last_used INTEGER
    ) STRICT;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time INTEGER NOT NULL,
        user TEXT NOT NULL,            -- the name: entries outlive accounts
        via TEXT NOT NULL,
        address TEXT NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_what ON audit (what, id);",
    // Passkeys; no earlier version stored any.
    "ALTER TABLE users ADD COLUMN handle BLOB;
    DROP TABLE passkeys;
    CREATE TABLE passkeys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        credential BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        fixed BLOB NOT NULL,           -- public key, as webauthn_rp writes it
        changing BLOB NOT NULL,        -- counter and flags, likewise
        created INTEGER NOT NULL,
        last_used INTEGER
    ) STRICT;
    CREATE INDEX passkeys_of_user ON passkeys (user);",
    // Known browsers; counts of refusals.
    "CREATE TABLE keys (name TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
    ALTER TABLE users ADD COLUMN devices_since INTEGER NOT NULL DEFAULT 0; -- seconds: earlier ones are not known
    ALTER TABLE audit ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE audit ADD COLUMN last INTEGER; -- of several: when the last one was",
];

/// The reason why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("{}: {error}", .path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The error.
        error: std::io::Error,
    },
    /// SQLite refused.
    #[error("{}: {error}", .path.display())]
    Sqlite {
        /// Path of the file.
        path: PathBuf,
        /// The error.
        error: rusqlite::Error,
    },
    /// A newer monban wrote the file.
    #[error("{}: the file has version {found}, but this monban supports only {known}; start a newer monban", .path.display())]
    Newer {
        /// Path of the file.
        path: PathBuf,
        /// Version of the file.
        found: usize,
        /// Newest version that this monban knows.
        known: usize,
    },
}

impl OpenError {
    /// Returns whether the file cannot be opened because the disk is full.
    pub fn is_no_room(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::File { error, .. } => [StorageFull, QuotaExceeded].contains(&error.kind()),
            Self::Sqlite { error: rusqlite::Error::SqliteFailure(cause, _), .. } => {
                cause.code == rusqlite::ErrorCode::DiskFull
                    // SQLite could not extend the index of the WAL
                    || cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
            }
            _ => false,
        }
    }

    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, Self::Sqlite { error, .. } if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }
}

/// The open file. One thread uses it at a time.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    /// The connection; none if the disk is too full to open it.
    connection: Mutex<Option<Connection>>,
}

impl Database {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = Mutex::new(Some(connect(path)?));
        Ok(Self { path: path.to_owned(), connection })
    }

    /// Opens the file. Moves a damaged one aside, creates a new one and returns the path of the old one: the gate then starts
    /// without accounts, and only the server's owner sees the link to a new first one. On a full disk, opens the file when space
    /// becomes available.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open_or_start_over(
        path: &Path,
        now: Timestamp,
    ) -> Result<(Self, Option<PathBuf>), OpenError> {
        match Self::open(path) {
            Err(error) if error.is_no_room() => {
                Ok((Self { path: path.to_owned(), connection: Mutex::default() }, None))
            }
            Err(error) if error.is_damage() => {
                let stamp = now.as_micros() / 1_000_000;
                let aside = path.with_extension(format!("sqlite.damaged-{stamp}"));
                std::fs::rename(path, &aside)
                    .map_err(|error| OpenError::File { path: path.to_owned(), error })?;
                for suffix in ["-wal", "-shm"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(suffix);
                    // the file may not exist
                    let _ = std::fs::remove_file(PathBuf::from(name));
                }
                Self::open(path).map(|database| (database, Some(aside)))
            }
            opened => opened.map(|database| (database, None)),
        }
    }

    /// Runs `work` with the file. Blocks while another thread uses it.
    ///
    /// # Errors
    /// Those of `work`, and 503 if the file cannot be opened.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.path).map_err(|error| {
                Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            })?),
        };
        work(connection)
    }

    /// Returns the reason why the file cannot be used. Tries to open it if it is not open.
    pub(crate) fn problem(&self) -> Option<String> {
        // If another thread has the lock, the file is in use and works.
        let mut connection = self.connection.try_lock().ok()?;
        if connection.is_some() {
            return None;
        }
        match connect(&self.path) {
            Ok(opened) => {
                *connection = Some(opened);
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let in_file = |error| OpenError::File { path: path.to_owned(), error };
    let in_sqlite = |error| OpenError::Sqlite { path: path.to_owned(), error };
    // SQLite gives its other files the mode of this one.
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o600))).map_err(in_file)?;
    let mut connection = Connection::open(path).map_err(in_sqlite)?;
    prepare(&mut connection).map_err(in_sqlite)?;
    let known = MIGRATIONS.len();
    let found = migrate(&mut connection).map_err(in_sqlite)?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(connection)
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A session that was ended must not come back after a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIBIBYTES)
}

/// Migrates the file. Returns its version, which is higher than ours if a newer monban wrote it.
fn migrate(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found >= MIGRATIONS.len() {
        return Ok(found);
    }
    for migration in &MIGRATIONS[found..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(MIGRATIONS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_for_its_owner_only_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(folder.path());
        for _ in 0..2 {
            let database = Database::open(&file).unwrap();
            let fill = |connection: &mut Connection| {
                connection.execute("DELETE FROM users", [])?;
                Ok(connection
                    .execute("INSERT INTO users (name, role, created) VALUES ('a', 'owner', 0)", [])?)
            };
            database.with(fill).unwrap();
            for entry in std::fs::read_dir(folder.path()).unwrap() {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{:?}", entry.file_name());
            }
        }
    }

    #[test]
    fn a_file_of_the_first_version_keeps_its_users() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(folder.path());
        let old = Connection::open(&file).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute("INSERT INTO users (name, role, created) VALUES ('anna', 'owner', 7)", []).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let database = Database::open(&file).unwrap();
        let query = "SELECT name, handle IS NULL, (SELECT count(*) FROM passkeys) FROM users";
        let found = database.with(|connection| {
            Ok(connection.query_row(query, [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, i64>(2)?))
            })?)
        });
        assert_eq!(found.unwrap(), ("anna".to_owned(), true, 0));
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_a_newer_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(folder.path());
        std::fs::write(&file, [b'x'; 8192]).unwrap();
        assert!(Database::open(&file).is_err());
        let (database, aside) =
            Database::open_or_start_over(&file, Timestamp::from_micros(7_000_000)).unwrap();
        let aside = aside.unwrap();
        assert!(aside.to_string_lossy().ends_with("console.sqlite.damaged-7"), "{aside:?}");
        assert_eq!(std::fs::read(&aside).unwrap(), [b'x'; 8192]);
        database.with(|connection| Ok(connection.pragma_update(None, "user_version", 99)?)).unwrap();
        drop(database);
        let error = Database::open_or_start_over(&file, Timestamp::MIN).unwrap_err().to_string();
        let expected = "the file has version 99, but this monban supports only 3; start a newer monban";
        assert!(error.ends_with(expected), "{error}");
    }
}
