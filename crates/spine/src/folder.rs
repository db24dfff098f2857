//! The data folder of one part, with a schema version and migrations.
//!
//! [`Folder::open`] creates `DATA_DIR/NAME` (mode 0700), takes its lock and migrates its content to the newest schema.
//! This module owns the files `schema` and `lock`; the rest belongs to the part.
//!
//! ```
//! use spine::folder::{Folder, Migration};
//!
//! /// Content of schema 1: `names`. Schema 2 calls the file `users`.
//! const MIGRATIONS: &[Migration] = &[Migration {
//!     name: "rename names to users",
//!     // A second run finds the work done, because a crash may come before the new schema is noted.
//!     run: |folder| match std::fs::rename(folder.join("names"), folder.join("users")) {
//!         Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
//!         done => done,
//!     },
//! }];
//!
//! # let data_dir = tempfile::tempdir()?;
//! let folder = Folder::open(data_dir.path(), "login", MIGRATIONS)?;
//! std::fs::write(folder.path().join("users"), "alice")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::limits::MAX_SCHEMA_BYTES;

const SCHEMA: &str = "schema";
const LOCK: &str = "lock";

/// A step from one schema to the next.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The change, for errors and the log.
    pub name: &'static str,
    /// Changes the content of the folder. It must be idempotent: a crash may happen after it ends and before the new
    /// schema is stored.
    pub run: fn(&Path) -> io::Result<()>,
}

/// A part's data folder, locked for this process until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// The failure to open a folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("{}: another process uses this folder; if it is the daemon, let the daemon do it or stop it first", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The content has a schema that is newer than this version.
    #[error(
        "{}: a newer version of monban wrote schema {found} here, and this one reads up to {known}; \
         install the newer version again, or restore a backup",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Schema in the folder.
        found: u32,
        /// Newest schema of this version.
        known: u32,
    },
    /// The schema file is missing or damaged although the folder has content.
    #[error("{}: the file names no schema; restore it from a backup, or move the folder away to start anew", path.display())]
    NoSchema {
        /// The schema file.
        path: PathBuf,
    },
    /// A migration failed. The folder keeps the schema before it.
    #[error("{}: migration to schema {to} ({name}): {source}", path.display())]
    Migration {
        /// The folder.
        path: PathBuf,
        /// The schema after the migration.
        to: u32,
        /// The name of the migration.
        name: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl Folder {
    /// Opens the folder `name` of `data_dir` and migrates its content. Content starts at schema 1, and each migration
    /// leads to the next schema, so the newest schema is the number of migrations plus 1. A new folder starts with the
    /// newest schema.
    ///
    /// # Errors
    /// [`FolderError`]; then no later migration runs.
    pub fn open(data_dir: &Path, name: &str, migrations: &[Migration]) -> Result<Self, FolderError> {
        let path = data_dir.join(name);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(at(&path))?;
        let lock = path.join(LOCK);
        let lock = open_lock(&lock).map_err(at(&lock))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(FolderError::Io { path, source }),
        }
        let folder = Self { path, _lock: lock };
        folder.migrate(migrations)?;
        Ok(folder)
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn migrate(&self, migrations: &[Migration]) -> Result<(), FolderError> {
        let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX).saturating_add(1);
        let found = match self.schema()? {
            Some(found) if found > known => {
                return Err(FolderError::Newer { path: self.path.clone(), found, known });
            }
            Some(found) => found,
            None => {
                self.note_schema(known)?;
                known
            }
        };
        for (to, migration) in (2..=known).zip(migrations) {
            if to <= found {
                continue;
            }
            let name = migration.name;
            tracing::info!("{}: migrating to schema {to}: {name}", self.path.display());
            (migration.run)(&self.path).map_err(|source| FolderError::Migration {
                path: self.path.clone(),
                to,
                name,
                source,
            })?;
            self.note_schema(to)?;
        }
        Ok(())
    }

    /// Returns the schema of the content, or none if the folder is empty.
    fn schema(&self) -> Result<Option<u32>, FolderError> {
        let path = self.path.join(SCHEMA);
        let io = |source| FolderError::Io { path: self.path.clone(), source };
        match files::regular_file::read(&path, MAX_SCHEMA_BYTES) {
            Ok(text) => {
                let text = std::str::from_utf8(&text).unwrap_or_default().trim();
                let found = text.parse().ok().filter(|found| *found > 0);
                found.map(Some).ok_or(FolderError::NoSchema { path })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                for entry in std::fs::read_dir(&self.path).map_err(io)? {
                    let name = entry.map_err(io)?.file_name();
                    // `schema.new`: left by a crash while the first schema was stored
                    if name != LOCK && name != "schema.new" {
                        return Err(FolderError::NoSchema { path });
                    }
                }
                Ok(None)
            }
            Err(source) => Err(FolderError::Io { path, source }),
        }
    }

    fn note_schema(&self, schema: u32) -> Result<(), FolderError> {
        let path = self.path.join(SCHEMA);
        files::replace_file(&path, |out| writeln!(out, "{schema}"))
            .map_err(|source| FolderError::Io { path, source })
    }
}

/// Opens or creates a lock file without following a link.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).unwrap_or(0);
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
}

/// Tests the migrations of a part in the empty folder `scratch`: `old` writes content of schema 1, and `check` asserts
/// that the content has the newest schema. The migrations run once without interruption, and once for each migration
/// with a crash after it and before its schema is stored.
///
/// # Panics
/// If a migration or `check` fails.
#[expect(clippy::expect_used, reason = "a helper of tests")]
pub fn assert_migrates(scratch: &Path, migrations: &[Migration], old: impl Fn(&Path), check: impl Fn(&Path)) {
    for crashed in std::iter::once(None).chain((0..migrations.len()).map(Some)) {
        let name = format!("after-{crashed:?}");
        let path = scratch.join(&name);
        let note = |schema: usize| std::fs::write(path.join(SCHEMA), format!("{schema}\n")).expect("a file");
        std::fs::create_dir(&path).expect("a folder in the scratch folder");
        note(1);
        old(&path);
        if let Some(crashed) = crashed {
            Folder::open(scratch, &name, &migrations[..=crashed]).expect("the first migrations run");
            note(crashed + 1);
        }
        Folder::open(scratch, &name, migrations).expect("the migrations run");
        check(&path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    fn append(folder: &Path, text: &str) -> io::Result<()> {
        let path = folder.join("steps");
        let mut steps = std::fs::read_to_string(&path).unwrap_or_default();
        if !steps.contains(text) {
            steps.push_str(text);
        }
        std::fs::write(path, steps)
    }

    const MIGRATIONS: &[Migration] = &[
        Migration { name: "add a", run: |folder| append(folder, "a") },
        Migration { name: "add b", run: |folder| append(folder, "b") },
        Migration { name: "add c", run: |folder| append(folder, "c") },
    ];

    fn steps(folder: &Folder) -> String {
        std::fs::read_to_string(folder.path().join("steps")).unwrap_or_default()
    }

    #[test]
    fn a_new_folder_is_private_and_has_the_newest_schema() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap();
        assert_eq!(folder.path(), data_dir.path().join("part"));
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(std::fs::read_to_string(folder.path().join(SCHEMA)).unwrap(), "4\n");
        assert_eq!(steps(&folder), "");
    }

    #[test]
    fn migrations_run_once_and_in_order() {
        let data_dir = tempfile::tempdir().unwrap();
        drop(Folder::open(data_dir.path(), "part", &[]).unwrap());
        let folder = Folder::open(data_dir.path(), "part", &MIGRATIONS[..2]).unwrap();
        assert_eq!(steps(&folder), "ab");
        drop(folder);
        std::fs::write(data_dir.path().join("part/steps"), "").unwrap();
        assert_eq!(steps(&Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap()), "c");
        let scratch = tempfile::tempdir().unwrap();
        assert_migrates(
            scratch.path(),
            MIGRATIONS,
            |folder| std::fs::write(folder.join("steps"), "-").unwrap(),
            |folder| assert_eq!(std::fs::read_to_string(folder.join("steps")).unwrap(), "-abc"),
        );
    }

    #[test]
    fn a_failed_migration_keeps_the_schema_before_it() {
        let data_dir = tempfile::tempdir().unwrap();
        drop(Folder::open(data_dir.path(), "part", &[]).unwrap());
        let fails = Migration { name: "fail", run: |_| Err(io::Error::other("no room")) };
        let error =
            Folder::open(data_dir.path(), "part", &[MIGRATIONS[0], fails, MIGRATIONS[2]]).unwrap_err();
        assert!(error.to_string().ends_with("part: migration to schema 3 (fail): no room"), "{error}");
        assert_eq!(steps(&Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap()), "abc");
    }

    #[test]
    fn a_newer_or_damaged_schema_is_refused() {
        let data_dir = tempfile::tempdir().unwrap();
        drop(Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap());
        let error = Folder::open(data_dir.path(), "part", &[]).unwrap_err().to_string();
        assert!(error.contains("wrote schema 4 here, and this one reads up to 1"), "{error}");
        let schema = data_dir.path().join("part/schema");
        for text in ["", "0", "-1", "four", "4294967296", &"1".repeat(1000)] {
            std::fs::write(&schema, text).unwrap();
            let error = Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap_err();
            assert!(matches!(error, FolderError::NoSchema { .. }), "{text}: {error}");
        }
        std::fs::remove_file(&schema).unwrap();
        std::fs::write(data_dir.path().join("part/steps"), "ab").unwrap();
        let error = Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap_err().to_string();
        assert!(error.contains("schema: the file names no schema"), "{error}");
    }

    #[test]
    fn a_folder_belongs_to_one_process() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(data_dir.path(), "part", &[]).unwrap();
        let error = Folder::open(data_dir.path(), "part", &[]).unwrap_err().to_string();
        assert!(error.contains("another process uses this folder"), "{error}");
        drop(folder);
        Folder::open(data_dir.path(), "part", &[]).unwrap();
        let lock = data_dir.path().join("part/lock");
        std::fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink("/dev/null", &lock).unwrap();
        assert!(matches!(Folder::open(data_dir.path(), "part", &[]), Err(FolderError::Io { .. })));
    }

    const CHILD: &str = "SPINE_TEST_FOLDER_OF_CHILD";

    /// Runs in the process that `kill_9_between_two_migrations_resumes` kills. On its own, this test does nothing.
    #[test]
    fn a_child_that_hangs_in_its_second_migration() {
        let Some(data_dir) = std::env::var_os(CHILD) else { return };
        let hangs = Migration {
            name: "hang",
            run: |folder| {
                append(folder, "b")?;
                std::fs::write(folder.join("hangs"), "")?;
                loop {
                    std::thread::park();
                }
            },
        };
        let _ = Folder::open(Path::new(&data_dir), "part", &[MIGRATIONS[0], hangs]);
    }

    #[test]
    fn kill_9_between_two_migrations_resumes() {
        let data_dir = tempfile::tempdir().unwrap();
        drop(Folder::open(data_dir.path(), "part", &[]).unwrap());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "folder::tests::a_child_that_hangs_in_its_second_migration"])
            .env(CHILD, data_dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let hangs = data_dir.path().join("part/hangs");
        testkit::net::wait_until("the second migration", testkit::net::START_DEADLINE, || hangs.exists());
        let in_use = Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap_err();
        assert!(matches!(in_use, FolderError::InUse { .. }), "{in_use}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(std::fs::read_to_string(data_dir.path().join("part/schema")).unwrap(), "2\n");
        assert_eq!(steps(&Folder::open(data_dir.path(), "part", MIGRATIONS).unwrap()), "abc");
    }
}
