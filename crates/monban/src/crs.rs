//! Releases of the Core Rule Set in the data folder, and the release in use.
//!
//! | in the data folder | content |
//! |---|---|
//! | `crs/VERSION/` | a release: `rules/`, `plugins/`, `crs-setup.conf.example` |
//! | `crs/current` | a link to the release in use, changed with one rename |
//! | `crs/history.jsonl` | one JSON object per switch, with the data to undo it |
//! | `crs/lock` | locked during a switch |
//!
//! The configuration names `crs/current/rules/*.conf` in `[waf] rules`. If it names the rules of a package, the first
//! switch changes that one entry in the file's text and nothing else.

pub mod signature;

use std::fs::{File, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use event::Timestamp;
use serde::{Deserialize, Serialize};
use tuning::Release;
use tuning::release::FIRST_RULES;

use crate::failure::Failure;

/// Bytes of the history that are read; a longer file is refused.
const HISTORY_BYTES: u64 = 16 << 20;
/// Bytes of a configuration file.
const CONFIG_BYTES: u64 = 4 << 20;

/// The folder of releases.
pub struct Releases {
    folder: PathBuf,
}

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    pub number: u64,
    pub time: Timestamp,
    /// The version in use from then on; none if unknown.
    pub version: Option<String>,
    /// Fingerprint of the primary key that signed the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    pub before: State,
    pub after: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
}

/// The link and the entry that select the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The release that `current` points at.
    pub link: Option<String>,
    /// The entry of `[waf] rules` that names the rules, as written.
    pub entry: String,
}

fn cannot<'a>(what: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> Failure + 'a {
    move |error| {
        Failure::environment(
            format!("cannot {what} {}: {error}", path.display()),
            "run it as root, or as a user who may write to data_dir and to the configuration",
        )
    }
}

/// The lock of the folder. Dropping it releases the lock.
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Releases {
    /// Returns the releases of a data folder. The folder need not exist.
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("crs") }
    }

    /// Returns the pattern of the rules in use.
    pub fn pattern(&self) -> String {
        self.folder.join("current/rules/*.conf").display().to_string()
    }

    /// Returns the folder of a release.
    pub fn of(&self, version: &str) -> PathBuf {
        self.folder.join(version)
    }

    /// Returns the release that `current` points to.
    pub fn current(&self) -> Option<String> {
        let target = std::fs::read_link(self.folder.join("current")).ok()?;
        target.file_name()?.to_str().map(str::to_owned)
    }

    /// Replaces `current` in the path of a rule file by the release that it points to now, so that all files of one
    /// load come from one release.
    pub fn resolved(&self, rules: &str) -> Option<String> {
        let rest = Path::new(rules).strip_prefix(self.folder.join("current")).ok()?;
        let release = self.folder.join(self.current()?);
        Some(release.join(rest).display().to_string())
    }

    /// Takes the lock without waiting. A second switch at the same time is refused.
    pub fn lock(&self) -> Result<Lock, Failure> {
        std::fs::create_dir_all(&self.folder).map_err(cannot("make", &self.folder))?;
        self.open_to_all(&self.folder)?;
        let path = self.folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(cannot("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(Failure::Refused {
                message: "another `monban rules install` is running".to_owned(),
                hint: Some("try again when it has ended".to_owned()),
            }),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &path)(error)),
        }
    }

    /// Makes a folder readable to all, because the daemon may run as another user than the installer.
    fn open_to_all(&self, folder: &Path) -> Result<(), Failure> {
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(cannot("change", folder))
    }

    /// Unpacks a release into a temporary folder beside the others.
    pub fn unpack(&self, release: &Release) -> Result<tempfile::TempDir, Failure> {
        let folder = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.folder);
        let folder = folder.map_err(cannot("make a folder in", &self.folder))?;
        self.open_to_all(folder.path())?;
        for (name, bytes) in &release.files {
            let path = folder.path().join(name);
            if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
                std::fs::create_dir(parent).map_err(cannot("make", parent))?;
                self.open_to_all(parent)?;
            }
            let write = || {
                let mut file = File::create_new(&path)?;
                file.write_all(bytes)?;
                file.set_permissions(Permissions::from_mode(0o644))?;
                file.sync_all()
            };
            write().map_err(cannot("write", &path))?;
        }
        Ok(folder)
    }

    /// Renames an unpacked release to its final name. If that release already exists, its content must be the same.
    pub fn keep(&self, unpacked: tempfile::TempDir, release: &Release) -> Result<(), Failure> {
        let path = self.of(&release.version);
        if path.exists() {
            let same = |(name, bytes): (&String, &Vec<u8>)| {
                let limit = bytes.len() as u64 + 1;
                store::regular_file::open_beneath(&path, Path::new(name)).is_ok_and(|file| {
                    let mut found = Vec::new();
                    file.take(limit).read_to_end(&mut found).is_ok() && found == *bytes
                })
            };
            if !release.files.iter().all(same) {
                return Err(Failure::Refused {
                    message: format!("{} contains another release {}", path.display(), release.version),
                    hint: Some("move that folder away if nothing uses it".to_owned()),
                });
            }
            return Ok(());
        }
        std::fs::rename(unpacked.path(), &path).map_err(cannot("make", &path))?;
        // The folder has been renamed.
        let _ = unpacked.keep();
        Ok(())
    }

    /// Points `current` to a release with one rename.
    pub fn point_at(&self, version: &str) -> Result<(), Failure> {
        let (new, current) = (self.folder.join("current.new"), self.folder.join("current"));
        let _gone = std::fs::remove_file(&new);
        std::os::unix::fs::symlink(version, &new).map_err(cannot("make", &new))?;
        std::fs::rename(&new, &current).map_err(cannot("change", &current))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(cannot("sync", &self.folder))
    }

    /// Returns all switches, the oldest first.
    pub fn history(&self) -> Result<Vec<Switch>, Failure> {
        let path = self.folder.join("history.jsonl");
        let bytes = match store::regular_file::read(&path, HISTORY_BYTES + 1) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes.map_err(cannot("read", &path))?,
        };
        if bytes.len() as u64 > HISTORY_BYTES {
            return Err(Failure::environment(
                format!("{} is longer than {HISTORY_BYTES} bytes", path.display()),
                "move it away; then its installations cannot be undone",
            ));
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let switches: Result<Vec<Switch>, _> = lines.map(serde_json::from_slice).collect();
        switches.map_err(|error| {
            Failure::environment(
                format!("{} is damaged: {error}", path.display()),
                "repair it or move it away",
            )
        })
    }

    /// Appends a switch to the history.
    pub fn note(&self, switch: &Switch) -> Result<(), Failure> {
        let path = self.folder.join("history.jsonl");
        let mut line = serde_json::to_vec(switch).map_err(std::io::Error::from)?;
        line.push(b'\n');
        let mut file =
            File::options().create(true).append(true).open(&path).map_err(cannot("open", &path))?;
        file.write_all(&line).and_then(|()| file.sync_all()).map_err(cannot("write", &path))
    }
}

/// Returns the newest switch that was not undone.
pub fn last(history: &[Switch]) -> Option<&Switch> {
    let undone: Vec<u64> = history.iter().filter_map(|switch| switch.undoes).collect();
    history.iter().rev().find(|switch| switch.undoes.is_none() && !undone.contains(&switch.number))
}

/// The entries of `[waf] rules` in the text of a configuration file.
pub struct Entries {
    path: PathBuf,
    text: String,
    entries: Vec<toml::Spanned<String>>,
}

#[derive(Deserialize)]
struct OnlyRules {
    #[serde(default)]
    waf: OnlyWaf,
}

#[derive(Default, Deserialize)]
struct OnlyWaf {
    #[serde(default)]
    rules: Vec<toml::Spanned<String>>,
}

impl Entries {
    /// Reads the entries. Follows links to the file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let path = path.canonicalize().map_err(cannot("read", path))?;
        let bytes = store::regular_file::read(&path, CONFIG_BYTES).map_err(cannot("read", &path))?;
        let wrong = |what: String| Failure::Configuration(vec![format!("{}: {what}", path.display())]);
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let only: OnlyRules = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path, text, entries: only.waf.rules })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the index of the entry that loads the Core Rule Set, and the file that contains its version.
    pub fn core_rules(&self) -> Option<(usize, PathBuf)> {
        let folder = self.path.parent()?;
        self.entries.iter().enumerate().find_map(|(number, entry)| {
            let pattern = folder.join(entry.get_ref()).display().to_string();
            let mut found = glob::glob(&pattern).ok()?.flatten();
            Some((number, found.find(|path| path.file_name().is_some_and(|name| name == FIRST_RULES))?))
        })
    }

    /// Returns an entry as written, without quotes.
    pub fn get(&self, number: usize) -> &str {
        self.entries.get(number).map_or("", |entry| entry.get_ref())
    }

    /// Replaces one entry in the file with one rename. Owner, mode and all other text stay the same.
    pub fn replace(&self, number: usize, by: &str) -> Result<(), Failure> {
        let Some(entry) = self.entries.get(number).filter(|entry| entry.get_ref() != by) else {
            return Ok(());
        };
        let span = entry.span();
        let text =
            [&self.text[..span.start], &toml::Value::from(by).to_string(), &self.text[span.end..]].concat();
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let write = || {
            use std::os::unix::fs::MetadataExt;
            let metadata = std::fs::metadata(&self.path)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            let own = file.as_file().metadata()?;
            if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
                std::os::unix::fs::fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid()))?;
            }
            file.as_file().set_permissions(metadata.permissions())?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(cannot("change", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_one_entry_of_the_configuration_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules").join(FIRST_RULES), "").unwrap();
        let path = folder.path().join("monban.toml");
        let text = "# rules/*.conf\n[waf]\nrules = [\n  'engine.conf', # mine\n  \"rules/*.conf\",\n]\n[retention]\ndays = 1\n";
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let entries = Entries::read(&path).unwrap();
        let (number, file) = entries.core_rules().unwrap();
        assert_eq!((number, entries.get(1), file.is_file()), (1, "rules/*.conf", true));
        entries.replace(1, "/a \"b\"/*.conf").unwrap();
        let changed = std::fs::read_to_string(&path).unwrap();
        let again = Entries::read(&path).unwrap();
        assert_eq!((again.get(0), again.get(1)), ("engine.conf", "/a \"b\"/*.conf"));
        assert!(changed.starts_with("# rules/*.conf\n") && changed.contains("# mine"), "{changed}");
        again.replace(1, "rules/*.conf").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a9_the_newest_switch_that_was_not_undone_is_undone() {
        let state = State { link: None, entry: String::new() };
        let switch = |number, undoes| Switch {
            number,
            time: Timestamp::MIN,
            version: None,
            signed_by: None,
            before: state.clone(),
            after: state.clone(),
            undoes,
        };
        let mut history = vec![switch(1, None), switch(2, None)];
        assert_eq!(last(&history).map(|switch| switch.number), Some(2));
        history.push(switch(3, Some(2)));
        assert_eq!(last(&history).map(|switch| switch.number), Some(1));
        history.push(switch(4, Some(1)));
        assert_eq!(last(&history), None);
    }

    #[test]
    fn a9_rules_below_the_link_are_those_of_one_release() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Releases::new(folder.path());
        let lock = releases.lock().unwrap();
        assert!(releases.lock().is_err());
        drop(lock);
        assert_eq!(releases.resolved(&releases.pattern()), None);
        for version in ["4.27.0", "4.28.0"] {
            releases.point_at(version).unwrap();
            let expected = releases.of(version).join("rules/*.conf").display().to_string();
            assert_eq!(releases.resolved(&releases.pattern()), Some(expected));
        }
        assert_eq!(releases.resolved("/etc/rules/*.conf"), None);
    }
}
