//! `[[watch]]`: audit logs on this machine that the daemon follows.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use finding::{Fault, KeyPath};
use serde::Deserialize;

use super::mlogc_log::classic_mistake;
use crate::config::{Host, Section};

/// The section in the file that `monban init` writes.
pub const EXAMPLE: &str = r#"
# An audit log on this machine that monban follows.
#[[watch]]
#path = "/var/log/apache2/modsec_audit.log"
"#;

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchConfig {
    /// The files to follow.
    pub watch: Vec<WatchedFile>,
}

/// The section `[[watch]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedFile {
    /// The path of a Serial log, or of the index of a Concurrent log.
    pub path: PathBuf,
    /// Name of the sensor that writes the log; empty for this host's name.
    #[serde(default)]
    pub sensor: String,
    /// Folder of a Concurrent log's entries; none for the index's folder.
    #[serde(default)]
    pub storage_dir: Option<PathBuf>,
}

impl Section for WatchConfig {
    const KEYS: &'static [&'static str] = &["watch"];

    fn anchor(&mut self, folder: &Path, _host: &Host) {
        for watch in &mut self.watch {
            watch.path = folder.join(&watch.path);
            watch.storage_dir.iter_mut().for_each(|path| *path = folder.join(&*path));
        }
    }
}

/// Returns the faults of the files.
pub fn check(config: &WatchConfig) -> Vec<Fault> {
    let mut paths = HashSet::new();
    let mut faults = Vec::new();
    for (index, watch) in config.watch.iter().enumerate() {
        let key = |name: &str| KeyPath::from(("watch", index)).key(name);
        let path = watch.path.display();
        if !paths.insert(&watch.path) {
            faults.push(Fault::at(key("path"), format!("two [[watch]] sections follow {path}")));
        }
        if watch.path.is_dir() {
            let hint = "name the Serial log, or the index of the Concurrent one";
            faults.push(Fault::at(key("path"), format!("{path} is a folder")).hint(hint));
        } else if let Err(error) = store::regular_file::open(&watch.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            faults.push(Fault::at(key("path"), format!("cannot read {path}: {error}")));
        } else if let Some(what) = classic_mistake(&watch.path) {
            faults.push(Fault::at(key("path"), format!("{path}: {what}")));
        }
        if let Some(folder) = watch.storage_dir.as_ref().filter(|folder| !folder.is_dir()) {
            faults.push(Fault::at(key("storage_dir"), format!("{} is not a folder", folder.display())));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_watched_files_name_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("audit.log");
        std::fs::write(&good, "--a-A--\n").unwrap();
        let good = good.display();
        let serial = folder.path().join("mlogc-error.log");
        std::fs::write(&serial, "[x] Invalid entry (failed to match regex): --0a-A--\n").unwrap();
        let cases = [
            ("[[watch]]\npath = \"/nowhere/audit.log\"".to_owned(), ""),
            (format!("[[watch]]\npath = \"{}\"", folder.path().display()), "watch[0].path: "),
            (
                format!("[[watch]]\npath = \"{good}\"\n").repeat(2),
                "watch[1].path: two [[watch]] sections follow ",
            ),
            (
                format!("[[watch]]\npath = \"{good}\"\nstorage_dir = \"/nowhere\""),
                "watch[0].storage_dir: /nowhere is not a folder",
            ),
            (format!("[[watch]]\npath = \"{}\"", serial.display()), "set `SecAuditLogType Concurrent`"),
        ];
        for (text, expected) in cases {
            let config: WatchConfig = toml::from_str(&text).unwrap();
            let found: Vec<String> = check(&config).iter().map(ToString::to_string).collect();
            match expected {
                "" => assert_eq!(found, Vec::<String>::new(), "{text}"),
                _ => assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}"),
            }
        }
    }
}
