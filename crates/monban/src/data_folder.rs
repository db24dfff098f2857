//! The data folder: made for this user alone, and refused where others may look into it.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::failure::Failure;

/// Bits of a folder's mode that let others in.
const OTHERS: u32 = 0o077;
/// Bytes of a disk that has no room: no more than a file and its name take.
const NO_ROOM: u64 = 64 * 1024;

/// Makes a folder that only this user may look into.
pub fn create(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the data folder, or takes the one that is there.
///
/// # Errors
/// Why it cannot be made, and a folder that others may look into.
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

/// Reports a folder that others may read, with the command that mends it. It holds events, accounts and keys.
pub fn open_to_others(path: &Path) -> Option<(String, String)> {
    let mode = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir)?.permissions().mode();
    (mode & OTHERS != 0).then(|| {
        let path = path.display();
        (format!("{path}: other users may read it (mode {:o})", mode & 0o7777), format!("chmod 700 {path}"))
    })
}

/// Whether the folder's disk has no room: then a failure to write is no reason not to start.
pub fn is_full(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < NO_ROOM)
}

/// What was done, or none where the folder's disk is full; then the log tells `what` the daemon goes on without.
///
/// # Errors
/// Those of `done`, while the disk has room.
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
