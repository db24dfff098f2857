//! Puts the files of a backup in place: all of them, or none.
//!
//! A first reading checks the whole backup and compares it with what exists ([`Survey`]). A second one writes each file
//! beside its destination, under a name that nothing reads ([`Placement::stage`]). Then all files are renamed
//! ([`Placement::finish`]); a failure at any time undoes what was done.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ::backup::{Entry, Kind, Manifest, Purpose};
use rustix::fs::FileType;
use serde::Serialize;

use super::folder::{Folder, Made, is, own};
use super::owner::Accounts;
use crate::failure::Failure;

/// Middle of the name of a file that made way.
pub const ASIDE: &str = ".before-restore-";
/// Prefix of the name of a file that is not yet in place.
const STAGED: &str = ".restoring-";
/// Bytes that are left free on a disk beyond the files.
const SPARE: u64 = 16 << 20;

/// Returns whether a name is that of a file which a restore did not put in place.
pub fn is_staged(name: &str) -> bool {
    name.starts_with(STAGED)
}

/// The file or folder at the destination of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing.
    New,
    /// The same content or folder.
    Same,
    /// Something else.
    Differs,
}

/// The comparison of a backup with what exists.
#[derive(Debug, Default)]
pub struct Survey {
    /// The state of each entry of the manifest.
    pub states: Vec<State>,
    /// Files that must make way although the backup has no file of that name: what SQLite keeps beside a database, and
    /// segments of another journal.
    pub in_the_way: Vec<PathBuf>,
}

impl Survey {
    /// Returns the paths that must make way.
    pub fn conflicts(&self, manifest: &Manifest) -> Vec<PathBuf> {
        let differ = manifest.entries.iter().zip(&self.states).filter(|(_, state)| **state == State::Differs);
        let differ = differ.map(|(entry, _)| PathBuf::from(&entry.path));
        differ.chain(self.in_the_way.iter().cloned()).collect()
    }
}

/// The destination: a root, `/` as a rule.
pub struct Destination {
    root: Folder,
    accounts: Accounts,
    is_privileged: bool,
}

impl Destination {
    /// Opens the root, which must exist.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let opened = Folder::root(root).map_err(|error| super::io_failure(root, &error))?;
        let is_privileged = rustix::process::geteuid().is_root();
        Ok(Self { root: opened, accounts: Accounts::of_host(), is_privileged })
    }

    /// Returns the path of an entry's path on this machine.
    pub fn real(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Opens the folder of an entry, and returns it with the entry's name; none if the folder does not exist.
    fn find(&self, path: &str) -> io::Result<Option<(Folder, OsString)>> {
        let (folder, name) = split(path);
        Ok(self.root.find(folder)?.map(|folder| (folder, name.to_owned())))
    }

    /// Returns the state of an entry. Compares the content of a file.
    pub fn state(&self, entry: &Entry, content: Option<&mut dyn Read>) -> io::Result<State> {
        let Some((folder, name)) = self.find(&entry.path)? else { return Ok(State::New) };
        let Some(found) = folder.status(&name)? else { return Ok(State::New) };
        let is_same = match (&entry.kind, content) {
            (Kind::Folder, _) => is(&found, FileType::Directory),
            (Kind::Link { target }, _) => {
                is(&found, FileType::Symlink) && folder.target(&name)? == target.as_bytes()
            }
            (Kind::File { size }, Some(content)) => {
                let same_size = u64::try_from(found.st_size).is_ok_and(|found| found == *size);
                is(&found, FileType::RegularFile) && same_size && equal(folder.open(&name)?, content)?
            }
            (Kind::File { .. }, None) => false,
        };
        Ok(if is_same { State::Same } else { State::Differs })
    }

    /// Returns the files that would be read together with those of the backup.
    pub fn in_the_way(&self, manifest: &Manifest) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let is_database = |entry: &&Entry| {
            let name = Path::new(&entry.path).extension();
            entry.what == Purpose::Events || name.is_some_and(|end| end == "sqlite" || end == "db")
        };
        for entry in manifest.entries.iter().filter(is_database) {
            let Some((folder, name)) = self.find(&entry.path)? else { continue };
            for end in ["-wal", "-shm", "-journal"] {
                let mut beside = name.clone();
                beside.push(end);
                if folder.status(&beside)?.is_some() {
                    found.push(PathBuf::from(format!("{}{end}", entry.path)));
                }
            }
        }
        if manifest.events {
            let journal = store::journal_folder(Path::new(&manifest.data));
            let path = journal.to_string_lossy().into_owned();
            let relative = path.trim_start_matches('/').to_owned();
            for name in self
                .root
                .find(Path::new(&relative))?
                .map_or_else(|| Ok(Vec::new()), |folder| folder.names())?
            {
                let segment = journal.join(&name);
                let is_ours = manifest.entries.iter().any(|entry| Path::new(&entry.path) == segment);
                if segment.extension().is_some_and(|end| end == "journal") && !is_ours {
                    found.push(segment);
                }
            }
        }
        Ok(found)
    }

    /// Takes the locks of the data folder, which a daemon holds. They last until the returned files are dropped.
    pub fn lock(&self, data: &str) -> Result<Vec<File>, Failure> {
        let journal = store::journal_folder(Path::new(data)).to_string_lossy().into_owned();
        let Some((folder, name)) = self.find(&format!("{journal}/lock")).map_err(link)? else {
            return Ok(Vec::new());
        };
        let mut locks = vec![folder.file().map_err(link)?];
        if folder.status(&name).map_err(link)?.is_some() {
            locks.push(folder.open(&name).map_err(link)?);
        }
        for lock in &locks {
            if let Err(std::fs::TryLockError::WouldBlock) = lock.try_lock() {
                return Err(Failure::environment(
                    format!("monban runs with the data folder {}", self.real(data).display()),
                    "stop it: `systemctl stop monban`; nothing was written",
                ));
            }
        }
        Ok(locks)
    }

    /// Refuses files for which the disks have no room.
    pub fn check_room(&self, files: impl Iterator<Item = (PathBuf, u64)>) -> Result<(), Failure> {
        let mut needs: BTreeMap<u64, (u64, u64, PathBuf)> = BTreeMap::new();
        for (path, size) in files {
            let text = path.to_string_lossy().into_owned();
            let mut above = split(&text).0;
            let folder = loop {
                match self.root.find(above).map_err(link)? {
                    Some(folder) => break folder,
                    None => above = above.parent().unwrap_or(Path::new("")),
                }
            };
            let (disk, free) = folder.room()?;
            let need = needs.entry(disk).or_insert((0, free, folder.path().to_path_buf()));
            need.0 = need.0.saturating_add(size);
        }
        for (needed, free, folder) in needs.into_values() {
            if needed.saturating_add(SPARE) > free {
                return Err(Failure::environment(
                    format!(
                        "the disk of {} has {free} bytes free, but the restore needs {needed}",
                        folder.display()
                    ),
                    "free space on that disk, or choose another root with --to; nothing was written",
                ));
            }
        }
        Ok(())
    }

    /// Returns the owner that an entry gets: that of the backup if the machine has it, else monban for data.
    fn owner(&self, entry: &Entry) -> Option<(u32, u32)> {
        if !self.is_privileged {
            return None;
        }
        let is_data = matches!(entry.what, Purpose::Data | Purpose::Events);
        let instead = |of: Option<u32>| if is_data { of } else { None };
        let user = self.accounts.user_id(&entry.owner).or_else(|| instead(self.accounts.user_id("monban")));
        let group =
            self.accounts.group_id(&entry.group).or_else(|| instead(self.accounts.group_id("monban")));
        Some((user.unwrap_or(0), group.unwrap_or(0)))
    }

    /// Returns the owners and groups of the backup that this machine lacks.
    pub fn missing_accounts(&self, manifest: &Manifest) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for entry in &manifest.entries {
            if self.accounts.user_id(&entry.owner).is_none() {
                missing.push(format!("user {}", entry.owner));
            }
            if self.accounts.group_id(&entry.group).is_none() {
                missing.push(format!("group {}", entry.group));
            }
        }
        missing.sort();
        missing.dedup();
        missing
    }
}

/// Splits an entry's path into its folder, relative to the root, and its name.
fn split(path: &str) -> (&Path, &OsStr) {
    let path = Path::new(path.trim_start_matches('/'));
    (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default())
}

/// Explains an error of a path with a link.
pub fn link(error: io::Error) -> Failure {
    let message = error.to_string();
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::environment(
            message,
            "a restore does not follow links: remove the link, or restore with --to and move the files yourself",
        ),
        io::ErrorKind::PermissionDenied => Failure::environment(message, "run the command as root"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Failure::environment(message, "free space on that disk; everything is as it was")
        }
        _ => Failure::Environment { message, hint: None },
    }
}

fn equal(mut file: File, content: &mut dyn Read) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let found = content.read(&mut left)?;
        if found == 0 {
            return Ok(file.read(&mut right[..1])? == 0);
        }
        match file.read_exact(&mut right[..found]) {
            Ok(()) if left[..found] == right[..found] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// A file that is complete beside its destination.
struct Staged {
    folder: Folder,
    from: OsString,
    to: OsString,
}

/// A rename that can be undone.
struct Renamed {
    folder: Folder,
    from: OsString,
    to: OsString,
}

/// The files of a restore on their way. Dropping it before [`Placement::finish`] removes everything that it made.
pub struct Placement<'a> {
    destination: &'a Destination,
    made: Vec<Made>,
    staged: Vec<Staged>,
    renamed: Vec<Renamed>,
    /// End of the names of files that make way.
    aside: String,
    is_done: bool,
}

impl<'a> Placement<'a> {
    /// Begins a restore. `time` becomes part of the names of files that make way.
    pub fn new(destination: &'a Destination, time: &str) -> Self {
        Self {
            destination,
            made: Vec::new(),
            staged: Vec::new(),
            renamed: Vec::new(),
            aside: format!("{ASIDE}{time}"),
            is_done: false,
        }
    }

    /// Makes a folder, and sets its owner and mode if it is new.
    pub fn folder(&mut self, entry: &Entry) -> Result<(), Failure> {
        let relative = Path::new(entry.path.trim_start_matches('/'));
        let before = self.made.len();
        let folder = self.destination.root.make(relative, &mut self.made).map_err(link)?;
        if self.made.len() > before {
            folder.own(self.destination.owner(entry), entry.mode).map_err(link)?;
        }
        Ok(())
    }

    /// Writes a file or link beside its destination.
    pub fn stage(&mut self, entry: &Entry, content: Option<&mut dyn Read>) -> Result<(), Failure> {
        let (above, name) = split(&entry.path);
        let folder = self.destination.root.make(above, &mut self.made).map_err(link)?;
        let number = self.staged.len();
        let from = OsString::from(format!("{STAGED}{}-{number}", std::process::id()));
        let owner = self.destination.owner(entry);
        let write = || -> io::Result<()> {
            match (&entry.kind, content) {
                (Kind::Link { target }, _) => {
                    folder.link(target, &from)?;
                    folder.own_link(&from, owner)
                }
                (Kind::File { .. }, Some(content)) => {
                    let mut file = folder.create(&from)?;
                    io::copy(content, &mut file)?;
                    own(&file, owner, entry.mode)?;
                    file.sync_all()
                }
                _ => Ok(()),
            }
        };
        let written = write();
        // listed first, so that a file that is half written is removed
        self.staged.push(Staged { folder, from, to: name.to_owned() });
        written.map_err(|error| link(io::Error::new(error.kind(), format!("{}: {error}", entry.path))))
    }

    /// Moves a file out of the way.
    fn make_way(&mut self, folder: &Folder, name: &OsStr) -> io::Result<()> {
        let mut to = name.to_owned();
        to.push(&self.aside);
        folder.rename(name, &to)?;
        self.renamed.push(Renamed { folder: folder.again()?, from: name.to_owned(), to });
        Ok(())
    }

    /// Moves all files to their places, and those of `in_the_way` and the destinations that exist aside. Returns the new
    /// paths of what made way.
    ///
    /// # Errors
    /// If a rename fails; then everything is as it was.
    pub fn finish(mut self, in_the_way: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let moved = self.rename_all(in_the_way).map_err(link)?;
        self.is_done = true;
        Ok(moved)
    }

    fn rename_all(&mut self, in_the_way: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
        for path in in_the_way {
            if let Some((folder, name)) = self.destination.find(&path.to_string_lossy())? {
                self.make_way(&folder, &name)?;
            }
        }
        while let Some(staged) = self.staged.pop() {
            let moved = self.rename_one(&staged);
            if let Err(error) = moved {
                self.staged.push(staged);
                return Err(error);
            }
        }
        let aside = self.renamed.iter().filter(|renamed| renamed.to.to_string_lossy().contains(ASIDE));
        let aside = aside.map(|renamed| renamed.folder.path().join(&renamed.to)).collect();
        for renamed in &self.renamed {
            renamed.folder.sync()?;
        }
        Ok(aside)
    }

    fn rename_one(&mut self, staged: &Staged) -> io::Result<()> {
        let Staged { folder, from, to } = staged;
        if folder.status(to)?.is_some() {
            self.make_way(folder, to)?;
        }
        folder.rename(from, to)?;
        self.renamed.push(Renamed { folder: folder.again()?, from: from.clone(), to: to.clone() });
        Ok(())
    }
}

impl Drop for Placement<'_> {
    /// Undoes what was done, unless all is done. Errors leave files with names that nothing reads.
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        for Renamed { folder, from, to } in self.renamed.iter().rev() {
            let _best_effort =
                if is_staged(&from.to_string_lossy()) { folder.remove(to) } else { folder.rename(to, from) };
        }
        for Staged { folder, from, .. } in &self.staged {
            let _may_not_exist = folder.remove(from);
        }
        self.made.iter().rev().for_each(Made::remove);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = |path: &str| Entry::new(path, Kind::File { size: 3 }, Purpose::Data);
        let mut data = Entry::new("/data", Kind::Folder, Purpose::Data);
        data.mode = 0o700;
        let link = Entry::new("/data/link", Kind::Link { target: "a".into() }, Purpose::Data);
        Manifest::new("/m.toml", "/data", vec![data, file("/data/a"), file("/data/deep/b"), link])
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(at) = folders.pop() {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Stages all entries; the last content fails if `fails`.
    fn stage(placement: &mut Placement<'_>, fails: bool) -> Result<(), Failure> {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
        }
        let manifest = manifest();
        placement.folder(&manifest.entries[0])?;
        placement.stage(&manifest.entries[1], Some(&mut &b"new"[..]))?;
        placement.stage(&manifest.entries[3], None)?;
        match fails {
            true => placement.stage(&manifest.entries[2], Some(&mut Failing)),
            false => placement.stage(&manifest.entries[2], Some(&mut &b"new"[..])),
        }
    }

    #[test]
    fn a_failure_at_any_time_leaves_everything_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::open(root.path()).unwrap();
        // while files are written
        let mut placement = Placement::new(&destination, "T");
        let failed = stage(&mut placement, true).unwrap_err().to_string();
        assert!(failed.contains("/data/deep/b"), "{failed}");
        assert!(names(root.path()).iter().any(|name| name.contains(STAGED)));
        drop(placement);
        assert_eq!(names(root.path()), [""; 0]);
        // a failure among the renames: the name to which `a` would move aside is taken
        std::fs::create_dir(root.path().join("data")).unwrap();
        std::fs::write(root.path().join("data/a"), "old").unwrap();
        std::fs::write(root.path().join("data/way"), "x").unwrap();
        std::fs::write(root.path().join(format!("data/a{ASIDE}T")), "taken").unwrap();
        let before = names(root.path());
        let mut placement = Placement::new(&destination, "T");
        stage(&mut placement, false).unwrap();
        let failed = placement.finish(&["/data/way".into()]).unwrap_err().to_string();
        assert!(failed.contains("exists"), "{failed}");
        assert_eq!(names(root.path()), before);
        assert_eq!(std::fs::read(root.path().join("data/a")).unwrap(), b"old");
    }

    #[test]
    fn files_move_together_and_make_way() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::open(root.path()).unwrap();
        std::fs::create_dir(root.path().join("data")).unwrap();
        std::fs::write(root.path().join("data/a"), "old").unwrap();
        std::fs::write(root.path().join("data/way"), "x").unwrap();
        let mut placement = Placement::new(&destination, "T");
        stage(&mut placement, false).unwrap();
        let aside = placement.finish(&["/data/way".into()]).unwrap();
        assert_eq!(aside.len(), 2, "{aside:?}");
        let (a, way) = (format!("data/a{ASIDE}T"), format!("data/way{ASIDE}T"));
        assert_eq!(names(root.path()), ["data", "data/a", &a, "data/deep", "data/deep/b", "data/link", &way]);
        assert_eq!(std::fs::read(root.path().join("data/link")).unwrap(), b"new");
        let manifest = manifest();
        let state = |entry: &Entry, content: &[u8]| destination.state(entry, Some(&mut &*content)).unwrap();
        assert_eq!(state(&manifest.entries[1], b"new"), State::Same);
        assert_eq!(state(&manifest.entries[1], b"old"), State::Differs);
        assert_eq!(state(&manifest.entries[1], b"longer"), State::Differs);
        assert_eq!(state(&manifest.entries[3], b""), State::Same);
        assert_eq!(state(&Entry::new("/data/none", Kind::File { size: 0 }, Purpose::Data), b""), State::New);
    }

    #[test]
    fn what_would_be_read_with_a_restored_file_is_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::open(root.path()).unwrap();
        let file = |path: &str, what| Entry::new(path, Kind::File { size: 1 }, what);
        let entries = vec![
            file("/data/console.sqlite", Purpose::Data),
            file("/data/events.db", Purpose::Events),
            file("/data/journal/00000007.journal", Purpose::Events),
        ];
        let manifest = Manifest { events: true, ..Manifest::new("/m.toml", "/data", entries) };
        let found = |manifest: &Manifest| destination.in_the_way(manifest).unwrap();
        assert!(found(&manifest).is_empty());
        std::fs::create_dir_all(root.path().join("data/journal")).unwrap();
        for name in [
            "console.sqlite-wal",
            "events.db-shm",
            "other-wal",
            "journal/lock",
            "journal/00000001.journal",
            "journal/00000007.journal",
        ] {
            std::fs::write(root.path().join("data").join(name), "").unwrap();
        }
        let expected = ["/data/console.sqlite-wal", "/data/events.db-shm", "/data/journal/00000001.journal"];
        assert_eq!(found(&manifest), expected.map(PathBuf::from));
        assert_eq!(
            found(&Manifest { events: false, entries: manifest.entries[..1].to_vec(), ..manifest }).len(),
            1
        );
    }

    #[test]
    fn disks_without_room_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let destination = Destination::open(root.path()).unwrap();
        assert!(destination.check_room([("/a/b/c".into(), 1)].into_iter()).is_ok());
        let error = destination.check_room([("/a".into(), u64::MAX), ("/b".into(), 1)].into_iter());
        assert!(error.unwrap_err().to_string().contains("bytes free"));
    }
}
