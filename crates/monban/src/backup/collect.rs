//! Gathers what belongs into a backup: the configuration, the files that it names, and the data folder.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use ::backup::limits::MAX_ENTRIES;
use ::backup::manifest::is_of_system;
use ::backup::{Entry, Kind, LeftOut, Manifest, Purpose, database};

use super::io_failure;
use super::owner::Accounts;
use super::snapshot::{self, Content, Database, Spool};
use crate::config::Config;
use crate::failure::Failure;
use crate::parts;
use crate::terminal::Progress;

/// Depth of folders in the data folder; deeper ones are left out.
const MAX_DEPTH: usize = 16;
/// Bits of a file's mode that a backup keeps: no file of a gate is executable.
const FILE_BITS: u32 = 0o666;
/// Names in the data folder that the running daemon makes anew.
const TRANSIENT: &[&str] = &["monban.pid", "lock"];

/// Everything that a backup will contain, as of one moment.
pub struct Collected {
    /// The manifest.
    pub manifest: Manifest,
    /// The contents of the manifest's files, in its order.
    pub contents: Vec<Content>,
    /// The copies of small files.
    pub spool: Spool,
}

/// Gathers the files. The daemon may run meanwhile.
///
/// # Errors
/// If a file cannot be read, or the disk of the data folder has no room for copies.
pub fn collect(config_file: &Path, config: &Config, with_events: bool) -> Result<Collected, Failure> {
    let config_file = plain(&std::path::absolute(config_file)?);
    let data = plain(&std::path::absolute(&config.host.data_dir)?);
    let spool = Spool::new(&data).map_err(|error| io_failure(&data, &error))?;
    let mut collector = Collector {
        data,
        accounts: Accounts::of_host(),
        spool,
        entries: Vec::new(),
        contents: Vec::new(),
        left_out: Vec::new(),
        seen: BTreeSet::new(),
        progress: Progress::start(|| None),
    };
    collector.configuration(&config_file)?;
    let (mut variables, mut names) = (BTreeSet::new(), BTreeSet::new());
    for path in &config.host.geoip {
        collector.named(path, Purpose::Named)?;
    }
    for part in parts::ALL {
        let named = part.named(config);
        variables.extend(named.variables);
        names.extend(named.hosts);
        for (path, purpose) in named.files {
            collector.named(&path, purpose)?;
        }
    }
    collector.data(with_events)?;
    let addresses = parts::ALL.iter().flat_map(|part| part.addresses(config));
    let addresses: BTreeSet<String> = addresses.map(|(_, address)| address.to_string()).collect();
    let Collector { data, spool, entries, contents, left_out, .. } = collector;
    let manifest = Manifest {
        time: crate::now().to_string(),
        host: host_name(),
        events: with_events,
        left_out,
        variables: variables.into_iter().collect(),
        addresses: addresses.into_iter().collect(),
        names: names.into_iter().collect(),
        ..Manifest::new(text(&config_file)?, text(&data)?, entries)
    };
    Ok(Collected { manifest, contents, spool })
}

struct Collector {
    data: PathBuf,
    accounts: Accounts,
    spool: Spool,
    entries: Vec<Entry>,
    contents: Vec<Content>,
    left_out: Vec<LeftOut>,
    /// The paths of all entries.
    seen: BTreeSet<PathBuf>,
    progress: Progress,
}

impl Collector {
    /// Adds the configuration file and warden.toml beside it.
    fn configuration(&mut self, file: &Path) -> Result<(), Failure> {
        if let Some(folder) = file.parent().filter(|folder| folder.parent().is_some()) {
            let metadata = std::fs::metadata(folder).map_err(|error| io_failure(folder, &error))?;
            self.folder(folder, &metadata, Purpose::Configuration)?;
            let warden = folder.join("warden.toml");
            if warden.exists() {
                self.file(&warden, Purpose::Configuration)?;
            }
        }
        self.file(file, Purpose::Configuration)
    }

    /// Adds a file that the configuration names, unless it comes with the data folder or with a package of the system.
    fn named(&mut self, path: &Path, purpose: Purpose) -> Result<(), Failure> {
        let path = plain(path);
        if path.starts_with(&self.data) {
            return Ok(());
        }
        if is_of_system(&path) {
            // one line for all files of a package
            let folder = path.parent().unwrap_or(&path).to_path_buf();
            self.leave_out(&folder, "belongs to a package of the system");
            return Ok(());
        }
        match path.try_exists() {
            Ok(false) => self.leave_out(&path, "does not exist"),
            _ => self.file(&path, purpose)?,
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        if self.seen.insert(path.to_path_buf()) {
            self.left_out.push(LeftOut { path: path.display().to_string(), why: why.to_owned() });
        }
    }

    /// Copies a file now. Follows links: a backup has the content under the name that the configuration uses.
    fn file(&mut self, path: &Path, purpose: Purpose) -> Result<(), Failure> {
        if self.seen.contains(path) {
            return Ok(());
        }
        let in_file = |error| io_failure(path, &error);
        let file = store::regular_file::open(path).map_err(in_file)?;
        let metadata = file.metadata().map_err(in_file)?;
        let (content, size) = self.spool.copy(&file).map_err(in_file)?;
        self.add(path, Kind::File { size }, &metadata, purpose)?;
        self.contents.push(content);
        self.progress.show(self.entries.len() as u64, "files copied");
        Ok(())
    }

    fn folder(&mut self, path: &Path, metadata: &Metadata, purpose: Purpose) -> Result<(), Failure> {
        self.add(path, Kind::Folder, metadata, purpose)
    }

    fn add(&mut self, path: &Path, kind: Kind, metadata: &Metadata, what: Purpose) -> Result<(), Failure> {
        if !self.seen.insert(path.to_path_buf()) {
            return Ok(());
        }
        if self.entries.len() >= MAX_ENTRIES {
            let hint = "look for files in `data_dir` that monban did not write";
            return Err(Failure::environment(format!("more than {MAX_ENTRIES} files"), hint));
        }
        let bits = if matches!(kind, Kind::File { .. }) { FILE_BITS } else { 0o777 };
        self.entries.push(Entry {
            path: text(path)?,
            kind,
            what,
            mode: metadata.mode() & bits,
            owner: self.accounts.user(metadata.uid()),
            group: self.accounts.group(metadata.gid()),
        });
        Ok(())
    }

    /// Adds the data folder.
    fn data(&mut self, with_events: bool) -> Result<(), Failure> {
        let data = self.data.clone();
        let metadata = match std::fs::metadata(&data) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.leave_out(&data, "does not exist: the gate has never run");
                return Ok(());
            }
            metadata => metadata.map_err(|error| io_failure(&data, &error))?,
        };
        self.folder(&data, &metadata, Purpose::Data)?;
        self.walk(&data, 0)?;
        if with_events {
            return self.events();
        }
        for path in [store::database_path(&data), store::journal_folder(&data)] {
            if path.exists() {
                self.leave_out(&path, "events; --events includes them");
            }
        }
        Ok(())
    }

    /// Adds the content of a folder in the data folder.
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<(), Failure> {
        let in_folder = |error| io_failure(folder, &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(in_folder)? {
            names.push(entry.map_err(in_folder)?.file_name());
        }
        names.sort();
        for name in names {
            let (path, name) = (folder.join(&name), name.to_string_lossy());
            if is_transient(&name) || (depth == 0 && self.is_event_file(&path, &name)) {
                continue;
            }
            match self.entry(&path, depth) {
                // replaced or deleted meanwhile
                Err(_) if path.symlink_metadata().is_err() => {}
                added => added?,
            }
        }
        Ok(())
    }

    /// Returns whether a name in the data folder belongs to the events. Files that were damaged and moved aside stay.
    fn is_event_file(&mut self, path: &Path, name: &str) -> bool {
        if name.starts_with("events.db.damaged-") {
            self.leave_out(path, "was damaged and moved aside");
        }
        name.starts_with("events.db") || name == "journal"
    }

    fn entry(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        let metadata = path.symlink_metadata().map_err(|error| io_failure(path, &error))?;
        let kind = metadata.file_type();
        if kind.is_dir() && depth < MAX_DEPTH {
            self.folder(path, &metadata, Purpose::Data)?;
            self.walk(path, depth + 1)
        } else if kind.is_dir() {
            self.leave_out(path, "has too many parent folders");
            Ok(())
        } else if kind.is_symlink() {
            self.link(path, &metadata)
        } else if kind.is_file() && is_database(path) {
            let copy = self.spool.database(path, |_, _| {})?;
            self.database(path, copy, &metadata, Purpose::Data)
        } else if kind.is_file() {
            self.file(path, Purpose::Data)
        } else {
            // sockets
            Ok(())
        }
    }

    fn link(&mut self, path: &Path, metadata: &Metadata) -> Result<(), Failure> {
        let target = std::fs::read_link(path).map_err(|error| io_failure(path, &error))?;
        let mut parts = target.components();
        match (parts.next(), parts.next(), target.to_str()) {
            (Some(Component::Normal(_)), None, Some(name)) => {
                let name = name.trim_end_matches('/').to_owned();
                self.add(path, Kind::Link { target: name }, metadata, Purpose::Data)
            }
            _ => {
                self.leave_out(path, "is a link that leads out of its folder");
                Ok(())
            }
        }
    }

    fn database(
        &mut self,
        path: &Path,
        copy: Database,
        metadata: &Metadata,
        what: Purpose,
    ) -> Result<(), Failure> {
        let size = copy.file.metadata().map_err(|error| io_failure(path, &error))?.len();
        self.add(path, Kind::File { size }, metadata, what)?;
        self.contents.push(Content::Opened(copy.file));
        Ok(())
    }

    fn events(&mut self) -> Result<(), Failure> {
        let progress = &mut self.progress;
        let show = |done, _| progress.show(done, "pages of events copied");
        let events = snapshot::events(&self.spool, &self.data, show)?;
        let (path, folder) = (store::database_path(&self.data), store::journal_folder(&self.data));
        if let Some(copy) = events.database {
            let metadata = std::fs::metadata(&path).map_err(|error| io_failure(&path, &error))?;
            self.database(&path, copy, &metadata, Purpose::Events)?;
        }
        if let Ok(metadata) = std::fs::metadata(&folder) {
            self.folder(&folder, &metadata, Purpose::Events)?;
        }
        for (number, file) in events.segments {
            let path = folder.join(format!("{number:08}.journal"));
            let metadata = file.metadata().map_err(|error| io_failure(&path, &error))?;
            self.add(&path, Kind::File { size: metadata.len() }, &metadata, Purpose::Events)?;
            self.contents.push(Content::Opened(file));
        }
        Ok(())
    }
}

/// Returns whether the daemon makes a file anew: locks, files that are being replaced, and what SQLite keeps beside a
/// database.
fn is_transient(name: &str) -> bool {
    let ends = [".new", "-wal", "-shm", "-journal", ".sock"];
    TRANSIENT.contains(&name)
        || ends.iter().any(|end| name.ends_with(end))
        || name.starts_with(".tmp")
        || name.starts_with(".new-")
        || name.contains(super::place::ASIDE)
        || super::place::is_staged(name)
        || snapshot::is_copy(name)
}

fn is_database(path: &Path) -> bool {
    let mut head = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *database::MAGIC
}

/// Returns a path without `.`, and without `..` where its folder exists.
fn plain(path: &Path) -> PathBuf {
    let path: PathBuf = path.components().collect();
    let is_above = path.components().any(|part| part == Component::ParentDir);
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) if is_above => folder.join(name),
        _ => path,
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::Environment {
        message: format!("{}: the name is not UTF-8 text", path.display()),
        hint: None,
    })
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys with paths that are no part of a backup: logs and sockets, which programs write.
    const WRITTEN: &[&str] = &["error_log", "audit_log", "path", "hook", "storage_dir", "files"];
    /// Keys with paths whose files `Part::named` returns.
    const NAMED: &[&str] = &[
        "block_page",
        "ca",
        "ca_file",
        "certificate",
        "key",
        "key_file",
        "password_file",
        "rule_folders",
        "rules",
        "secret_file",
        "upstream_ca",
        "url_file",
    ];

    #[test]
    fn every_key_with_a_path_is_in_a_backup_or_is_written_by_a_program() {
        let mut unknown = BTreeSet::new();
        let mut count = 0;
        for part in parts::ALL {
            for line in part.reference().lines() {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                let [_, key, kind, ..] = cells[..] else { continue };
                if kind.contains("path") && key.starts_with('`') {
                    count += 1;
                    let key = key.trim_matches('`');
                    if !NAMED.contains(&key) && !WRITTEN.contains(&key) {
                        unknown.insert(key);
                    }
                }
            }
        }
        assert!(unknown.is_empty(), "add to Part::named and here: {unknown:?}");
        assert!(count > 15, "{count}");
    }
}
