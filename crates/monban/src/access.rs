//! Access rights of this user to files and folders.

use std::path::Path;

/// Checks that this user may append to the file, or create it.
pub fn writable_file(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("is a folder".to_owned());
    }
    if path.exists() {
        return access(path, rustix::fs::Access::WRITE_OK);
    }
    writable(path.parent().unwrap_or(Path::new("/")))
}

/// Checks that this user may write to the folder, or to its nearest existing ancestor.
pub fn writable(folder: &Path) -> Result<(), String> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is not a folder", existing.display()));
    }
    access(existing, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
}

fn access(path: &Path, how: rustix::fs::Access) -> Result<(), String> {
    rustix::fs::access(path, how)
        .map_err(|error| format!("cannot write to {}: {}", path.display(), std::io::Error::from(error)))
}
