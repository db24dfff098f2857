//! The data folder: private to this user, and refused if others may access it.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

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
}
