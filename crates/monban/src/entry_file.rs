//! The file of an entry in the index of a Concurrent log.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use store::regular_file;

use crate::terminal::Safe;

/// Largest number of leading folders that are left out of an entry's path.
const MAX_PARTS: usize = 32;

/// The reason why the file of an index line cannot be read.
#[derive(Debug)]
pub enum Missing {
    /// The file does not exist.
    Gone,
    /// The file cannot be opened at the moment.
    Unreadable(String),
    /// The index names a path outside its folder, or not a regular file.
    Outside(String),
}

/// Opens the file that an index line names, beneath the storage folder or the index's own folder.
///
/// ModSecurity 2 writes the path relative to the storage folder. libmodsecurity 3 writes the absolute path, which may
/// come from another machine, so this function also tries the path without its leading folders, the longest first. It
/// opens only regular files inside the two folders ([`regular_file::open_beneath`]), because the writer of the index
/// may name any path.
pub fn open(named: &[u8], index: &Path, storage_dir: Option<&Path>) -> Result<(PathBuf, File), Missing> {
    let text = Safe(named);
    let named = Path::new(OsStr::from_bytes(named));
    if named.components().any(|part| part == Component::ParentDir) {
        return Err(Missing::Outside(format!("{text}: an index must not name files outside its folder")));
    }
    let parts: Vec<Component<'_>> =
        named.components().filter(|part| matches!(part, Component::Normal(_))).take(MAX_PARTS + 1).collect();
    if parts.len() > MAX_PARTS {
        return Err(Missing::Outside(format!("{text}: more than {MAX_PARTS} folders deep")));
    }
    let beside = match index.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => index,
    };
    let mut refused = None;
    for folder in storage_dir.into_iter().chain([beside]) {
        for first in 0..parts.len() {
            let relative: PathBuf = parts[first..].iter().collect();
            let path = folder.join(&relative);
            match regular_file::open_beneath(folder, &relative) {
                Ok(file) => return Ok((path, file)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    refused.get_or_insert_with(|| format!("{}: {error}", path.display()));
                }
                Err(error) => return Err(Missing::Unreadable(format!("{}: {error}", path.display()))),
            }
        }
    }
    if let Some(refused) = refused {
        return Err(Missing::Outside(refused));
    }
    // Only tests for existence, so that the administrator learns why the file is not read.
    if storage_dir.is_none() && named.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(Missing::Outside(format!(
            "{text}: is not inside {}; name SecAuditLogStorageDir (--storage-dir, or storage_dir in [[watch]])",
            beside.display()
        )));
    }
    Err(Missing::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn text(named: &str, index: &Path, storage_dir: Option<&Path>) -> Result<String, String> {
        let mut text = String::new();
        let opened = open(named.as_bytes(), index, storage_dir).map_err(|missing| format!("{missing:?}"));
        opened?.1.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn d19_whole_paths_are_found_with_and_without_a_storage_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("modsec/20261130/1")).unwrap();
        std::fs::write(at("modsec/20261130/1/entry"), "entry").unwrap();
        let (index, storage) = (at("index.log"), at("modsec"));
        let whole = at("modsec//20261130/1/entry").display().to_string();
        for (named, storage) in [
            (&whole[..], Some(&storage)),
            (&whole, None),
            ("/20261130/1/entry", Some(&storage)),
            // libmodsecurity 3 on another machine
            ("/var/log/modsec/20261130/1/entry", Some(&storage)),
            ("/var/log/modsec/20261130/1/entry", None),
        ] {
            assert_eq!(
                text(named, &index, storage.map(PathBuf::as_path)).unwrap(),
                "entry",
                "{named} {storage:?}"
            );
        }
        assert!(text("/20261130/2/entry", &index, Some(&storage)).unwrap_err().contains("Gone"));
        let elsewhere = tempfile::tempdir().unwrap();
        let index = elsewhere.path().join("index.log");
        assert!(text(&whole, &index, None).unwrap_err().contains("--storage-dir"));
        assert_eq!(text(&whole, &index, Some(&storage)).unwrap(), "entry");
    }

    #[test]
    fn d20_an_index_names_regular_files_beneath_its_folders_only() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join("log").join(name);
        std::fs::create_dir_all(at("")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret", at("link")).unwrap();
        std::os::unix::fs::symlink("..", at("up")).unwrap();
        testkit::process::fifo(&at("fifo"));
        let outside = folder.path().join("secret").display().to_string();
        for (named, why) in [
            ("/fifo", "is a FIFO"),
            ("/link", "symbolic link"),
            ("/up/secret", "leads out"),
            ("/../secret", "outside its folder"),
            (&outside[..], "is not inside"),
            (&"/a".repeat(40), "folders deep"),
        ] {
            let error = text(named, &at("index"), None).unwrap_err();
            assert!(error.starts_with("Outside") && error.contains(why), "{named}: {error}");
        }
    }
}
