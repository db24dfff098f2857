//! Sources of rule files: the disk, some folders only, or with one text replaced.

use std::path::{Path, PathBuf};

use seclang::load::{Source, SourceError, resolve};
use waf::operators::DataFiles;

use crate::limits::DATA_FILE_BYTES;

/// Returns the text of a compiled-in rule file by its path.
pub type BuiltIn = fn(&str) -> Option<&'static str>;

/// All rule files on disk, the compiled-in ones, and the data files of rules.
#[derive(Clone, Copy)]
pub struct Disk {
    built_in: BuiltIn,
}

impl Default for Disk {
    fn default() -> Self {
        Self { built_in: |_| None }
    }
}

impl Disk {
    /// Adds compiled-in rule files.
    pub fn with(built_in: BuiltIn) -> Self {
        Self { built_in }
    }

    /// Reads at most `limit` bytes of a rule file.
    pub(crate) fn read_file(self, path: &str, limit: u64) -> std::io::Result<Vec<u8>> {
        match (self.built_in)(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => store::regular_file::read(Path::new(path), limit),
        }
    }
}

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.read_file(path, seclang::limits::FILE_BYTES as u64 + 1).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound,
            _ => SourceError::Other(error.to_string()),
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        let paths = glob::glob(pattern).map_err(|error| SourceError::Other(error.to_string()))?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(|error| SourceError::Other(error.to_string()))?;
            match path.into_os_string().into_string() {
                Ok(path) => found.push(path),
                Err(path) => {
                    return Err(SourceError::Other(format!("{} is not UTF-8", path.to_string_lossy())));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

impl DataFiles for Disk {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        let path = resolve(from, name);
        let bytes = self.read_file(&path, DATA_FILE_BYTES + 1).map_err(|error| format!("{path}: {error}"))?;
        if bytes.len() as u64 > DATA_FILE_BYTES {
            return Err(format!("{path}: longer than {DATA_FILE_BYTES} bytes"));
        }
        Ok(bytes)
    }
}

/// Rule files (`.conf`, `.conf.example`) in some folders only. An error in a rule file quotes its text, so a client of the HTTP
/// API must not be able to load every file of the machine.
pub struct Confined {
    disk: Disk,
    folders: Vec<PathBuf>,
}

impl Confined {
    /// Allows the folders of these rule files (paths or patterns), the further ones, and their subfolders.
    pub fn new(disk: Disk, files: &[String], folders: &[PathBuf]) -> Self {
        let of_files = files.iter().filter_map(|file| folder_of(file));
        // a folder that does not exist contains nothing
        let folders =
            of_files.chain(folders.iter().filter_map(|folder| folder.canonicalize().ok())).collect();
        Self { disk, folders }
    }

    /// Whether the pattern can match only in the folders. Queries the file system only about the pattern's folder.
    pub fn allows(&self, pattern: &str) -> bool {
        let above = pattern.split('/').any(|part| part == "..");
        !above && is_rule_file(pattern) && folder_of(pattern).is_some_and(|folder| self.holds(&folder))
    }

    fn holds(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

fn is_rule_file(name: &str) -> bool {
    name.ends_with(".conf") || name.ends_with(".conf.example")
}

/// Returns the folder of a path or pattern, up to the first special character.
fn folder_of(pattern: &str) -> Option<PathBuf> {
    let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let (folder, _) = pattern[..end].rsplit_once('/')?;
    Path::new(if folder.is_empty() { "/" } else { folder }).canonicalize().ok()
}

impl Source for Confined {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if (self.disk.built_in)(path).is_some() {
            return Source::read(&self.disk, path);
        }
        // resolves links first
        match Path::new(path).canonicalize() {
            Ok(real) if self.holds(&real) && real.to_str().is_some_and(is_rule_file) => {
                Source::read(&self.disk, path)
            }
            _ => Err(SourceError::Other("not in the folders of the rules".to_owned())),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        if self.allows(pattern) { self.disk.glob(pattern) } else { Ok(Vec::new()) }
    }
}

/// Rule files with one text replaced, or added before its file exists.
pub struct Overlay<'a> {
    /// Path of the replaced file.
    pub path: &'a str,
    /// Its new text.
    pub text: &'a [u8],
    /// The source of all other files.
    pub others: &'a dyn Source,
}

impl Source for Overlay<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if path == self.path { Ok(self.text.to_vec()) } else { self.others.read(path) }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        self.others.glob(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_files_of_some_folders_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["rules/new", "more", "else"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for name in ["rules/a.conf", "rules/new/b.conf", "more/c.conf", "else/d.conf", "rules/secret"] {
            std::fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink(path("else/d.conf"), path("rules/link.conf")).unwrap();
        std::os::unix::fs::symlink(path("else"), path("rules/linked")).unwrap();
        std::os::unix::fs::symlink(path("rules/secret"), path("rules/secret.conf")).unwrap();
        let confined = Confined::new(
            Disk::default(),
            &[path("rules/*.conf"), path("gone/x.conf")],
            &[path("more").into()],
        );
        for (name, allowed, readable) in [
            ("rules/a.conf", true, true),
            ("rules/new/b.conf", true, true),
            ("more/c.conf", true, true),
            ("rules/link.conf", true, false),
            ("rules/secret.conf", true, false),
            ("rules/secret", false, false),
            ("rules/linked/d.conf", false, false),
            ("rules/../else/d.conf", false, false),
            ("else/d.conf", false, false),
            ("rules/none.conf", true, false),
        ] {
            assert_eq!(confined.allows(&path(name)), allowed, "{name}");
            let read = Source::read(&confined, &path(name));
            assert_eq!(read.ok(), readable.then(|| name.as_bytes().to_vec()), "{name}");
        }
        for (pattern, found) in [
            ("rules/*.conf", 3),
            ("rules/*", 0),
            ("rules/n*/*.conf", 1),
            ("else/*.conf", 0),
            ("e*/*.conf", 0),
            ("*/*.conf", 0),
            ("rules/*/../../else/*.conf", 0),
        ] {
            assert_eq!(confined.glob(&path(pattern)).unwrap().len(), found, "{pattern}");
        }
        assert!(!confined.allows("/etc/shadow") && !confined.allows("*") && !confined.allows(""));
    }
}
