//! Small files: reading up to a limit, and atomic replacement.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use tuning::TuningError;

pub(crate) fn failed(path: &Path, error: &std::io::Error) -> TuningError {
    TuningError::Unavailable(format!("{}: {error}", path.display()))
}

/// Reads at most `limit` bytes of a file; none if it does not exist.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, TuningError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(bytes),
        Err(error) => return Err(failed(path, &error)),
    };
    Ok(bytes)
}

/// Makes a folder that only this user can read.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the folder's owner, the daemon's user, the owner of a file that root created.
pub(crate) fn give_to_owner(path: &Path, folder: Option<&Path>) {
    use std::os::unix::fs::MetadataExt;
    if rustix::process::geteuid().is_root()
        && let Some(owner) = folder.and_then(|folder| std::fs::metadata(folder).ok())
        && let Err(error) = std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
    {
        tracing::warn!("{}: {error}", path.display());
    }
}

/// Replaces a file atomically: a reader finds the old text or the new one. A new file has mode 0600; an existing one keeps its
/// mode.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), TuningError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        if let Ok(known) = std::fs::metadata(path) {
            file.as_file().set_permissions(known.permissions())?;
        }
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        give_to_owner(file.path(), Some(folder));
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| failed(path, &error))
}
