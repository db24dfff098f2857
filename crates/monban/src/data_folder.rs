//! The data folder: private to this user, and refused if others may access it.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use store::{Journal, JournalError, JournalOptions};

use crate::failure::Failure;

/// Bits of a folder's mode that give others access.
const OTHERS: u32 = 0o077;
/// Free bytes below which a disk counts as full: the size of a small file with its name.
const NO_ROOM: u64 = 64 * 1024;

/// Creates a folder that only this user may access.
pub fn create(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates the data folder, or uses the existing one.
///
/// # Errors
/// If the folder cannot be created, or others may access it.
pub fn prepare(path: &Path) -> Result<(), Failure> {
    create(path).map_err(|error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "`data_dir` must be a folder that this user may write to",
        )
    })?;
    match open_to_others(path) {
        Some((fault, cure)) => Err(Failure::environment(format!("data_dir {fault}"), cure)),
        None => Ok(()),
    }
}

/// Locks the data folder for a command that does its work without a daemon. No daemon starts while the journal, which
/// has the lock, is open.
///
/// # Errors
/// If the folder does not exist, belongs to another user, or a daemon has the lock.
pub fn lock(path: &Path) -> Result<Journal, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "monban creates `data_dir` at its first start; `--config FILE` names another configuration",
        )
    })?;
    // the daemon could not use files that another user makes
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(Failure::environment(
            format!("{}: belongs to the user {owner}, and no daemon runs", path.display()),
            "start monban, or run the command as that user: `runuser -u monban -- monban …`",
        ));
    }
    Journal::open(&store::journal_folder(path), JournalOptions::default()).map_err(|error| {
        let hint = match error {
            JournalError::Locked { .. } => "another monban starts, stops or imports; repeat the command",
            _ => "check the disk and the permissions of `data_dir`",
        };
        Failure::environment(error.to_string(), hint)
    })
}

/// Reports a folder that others may read, with the command that fixes it. The folder holds events, accounts and keys.
pub fn open_to_others(path: &Path) -> Option<(String, String)> {
    let mode = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir)?.permissions().mode();
    (mode & OTHERS != 0).then(|| {
        let path = path.display();
        (format!("{path}: other users may read it (mode {:o})", mode & 0o7777), format!("chmod 700 {path}"))
    })
}

/// Returns whether the folder's disk is full. Then a write error does not prevent a start.
pub fn is_full(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < NO_ROOM)
}

/// Returns the result, or none if the folder's disk is full. In that case logs `what`, which the daemon then lacks.
///
/// # Errors
/// The error of `done`, if the disk has room.
pub fn unless_full<T, E: std::fmt::Display>(
    folder: &Path,
    what: &str,
    done: Result<T, E>,
) -> Result<Option<T>, E> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if is_full(folder) => {
            tracing::error!("the disk is full, and the daemon starts without {what}: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e21_a_data_folder_that_others_may_read_is_refused_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/data");
        prepare(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
        for (mode, refused) in
            [(0o755, true), (0o750, true), (0o701, true), (0o1700, false), (0o500, false), (0o700, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let prepared = prepare(&path);
            assert_eq!(prepared.is_err(), refused, "{mode:o}");
            if let Err(Failure::Environment { message, hint }) = prepared {
                assert!(message.contains(&format!("other users may read it (mode {mode:o})")), "{message}");
                assert_eq!(hint, Some(format!("chmod 700 {}", path.display())));
            }
        }
        assert!(!is_full(&path));
    }

    #[test]
    fn the_lock_is_for_the_owner_of_an_existing_folder_and_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| match lock(path).map(drop) {
            Err(Failure::Environment { message, .. }) => message,
            other => panic!("{other:?}"),
        };
        let path = folder.path().join("data");
        assert!(refused(&path).contains("data: No such file"));
        create(&path).unwrap();
        let locked = lock(&path).unwrap();
        assert!(refused(&path).contains("another process"), "{}", refused(&path));
        drop(locked);
        drop(lock(&path).unwrap());
        // root can give the folder away; anybody else finds the root folder
        let is_root = std::os::unix::fs::chown(&path, Some(12_345), None).is_ok();
        let of_other = if is_root { path.as_path() } else { Path::new("/") };
        assert!(refused(of_other).contains("belongs to the user"), "{}", refused(of_other));
    }
}
