//! Copies of files that the daemon changes: SQLite's by its online backup, the journal by its open segments, all others as
//! they are replaced, whole.
//!
//! Copies lie in the data folder, which is as private as the files themselves and has their disk. They have no name, so
//! nothing is left when the process ends; only the copy of a database has one while SQLite writes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ::backup::limits::MAX_FILE_BYTES;
use store::sqlite::BUSY_TIMEOUT;
use store::{EventStore, Position, SqliteStore};

use crate::failure::Failure;

/// Prefix of the folder with a database's copy.
const PREFIX: &str = ".backup-";
/// Age from which such a folder is the leftover of a killed process.
const LEFTOVER: Duration = Duration::from_secs(24 * 3600);
/// Tries to see database and journal in states that fit.
const TRIES: usize = 5;

/// The content of a file in a backup.
pub enum Content {
    /// Bytes of the spool.
    Spooled {
        /// The offset of the first.
        at: u64,
    },
    /// A file of its own, which nobody shortens.
    Opened(File),
}

/// Copies in one unnamed file.
pub struct Spool {
    file: File,
    end: u64,
    folder: Option<PathBuf>,
}

impl Spool {
    /// Creates the spool in the data folder, or in the system's temporary folder if there is none yet.
    pub fn new(data: &Path) -> io::Result<Self> {
        if !data.is_dir() {
            return Ok(Self { file: tempfile::tempfile()?, end: 0, folder: None });
        }
        remove_leftovers(data);
        Ok(Self { file: tempfile::tempfile_in(data)?, end: 0, folder: Some(data.to_path_buf()) })
    }

    /// Copies a file, and returns the copy and its bytes.
    pub fn copy(&mut self, from: &File) -> io::Result<(Content, u64)> {
        let at = self.end;
        self.file.seek(SeekFrom::Start(at))?;
        let size = io::copy(&mut from.take(MAX_FILE_BYTES + 1), &mut self.file)?;
        if size > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("longer than {MAX_FILE_BYTES} bytes")));
        }
        self.end += size;
        Ok((Content::Spooled { at }, size))
    }

    /// Copies a database in the data folder.
    pub fn database(&self, path: &Path, progress: impl FnMut(u64, u64)) -> Result<Database, Failure> {
        let failed = |what: String| {
            let hint = "check the disk of `data_dir`: the copy needs as much space as the file";
            Failure::environment(format!("cannot copy {}: {what}", path.display()), hint)
        };
        let folder = self.folder.as_deref().unwrap_or(Path::new("/"));
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder);
        let folder = folder.map_err(|error| failed(error.to_string()))?;
        let copy = folder.path().join("copy");
        File::create_new(&copy).map_err(|error| failed(error.to_string()))?;
        ::backup::database::snapshot(path, &copy, progress).map_err(|error| failed(error.to_string()))?;
        let file = File::open(&copy).map_err(|error| failed(error.to_string()))?;
        Ok(Database { file, path: copy, _folder: folder })
    }

    /// Returns a reader of a content's first `size` bytes.
    pub fn reader<'a>(&'a mut self, content: &'a mut Content, size: u64) -> io::Result<impl Read + 'a> {
        let (file, at) = match content {
            Content::Spooled { at } => (&mut self.file, *at),
            Content::Opened(file) => (file, 0),
        };
        file.seek(SeekFrom::Start(at))?;
        Ok(file.take(size))
    }
}

/// The copy of a database. Dropping it removes its name.
pub struct Database {
    /// The copy.
    pub file: File,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

/// Returns whether a name in the data folder is that of a copy.
pub fn is_copy(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Removes the copies of processes that were killed.
fn remove_leftovers(data: &Path) {
    let Ok(entries) = std::fs::read_dir(data) else { return };
    for entry in entries.flatten().filter(|entry| is_copy(&entry.file_name().to_string_lossy())) {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = |at: SystemTime| at.elapsed().is_ok_and(|age| age > LEFTOVER);
        if modified.is_ok_and(is_old) {
            let _best_effort = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The events: a copy of the database, and the segments of the journal from its checkpoint on.
pub struct Events {
    /// The copy; none without a database.
    pub database: Option<Database>,
    /// The segments by number.
    pub segments: BTreeMap<u64, File>,
}

/// Copies the events while the daemon may write them.
///
/// The journal alone has the newest events, and the database alone the older ones: the daemon deletes segments that it has
/// ingested. The database's checkpoint says from which segment on the journal is needed. Segments are open before the copy
/// is made and after, so that none can be deleted in between.
pub fn events(spool: &Spool, data: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Events, Failure> {
    let (path, folder) = (store::database_path(data), store::journal_folder(data));
    for _ in 0..TRIES {
        let mut segments = open_segments(&folder)?;
        let database = path.exists().then(|| spool.database(&path, &mut progress)).transpose()?;
        let checkpoint = match &database {
            None => Position::START,
            Some(copy) => {
                let opened = SqliteStore::open_read_only(&copy.path, BUSY_TIMEOUT);
                let checkpoint = opened.and_then(|copy| copy.checkpoint());
                checkpoint.map_err(|error| Failure::Environment { message: error.to_string(), hint: None })?
            }
        };
        let after = open_segments(&folder)?;
        let is_complete = joins(&segments, &after);
        segments.extend(after);
        if is_complete {
            return Ok(Events { database, segments: segments.split_off(&checkpoint.segment) });
        }
    }
    let message = "the journal changes faster than monban copies the events";
    Err(Failure::environment(message, "repeat the command"))
}

/// Returns whether no segment can be missing between those of two moments. The daemon deletes the oldest first, so only one
/// that began after the first moment and was deleted before the second is missing.
fn joins(before: &BTreeMap<u64, File>, after: &BTreeMap<u64, File>) -> bool {
    match (before.last_key_value(), after.first_key_value()) {
        (Some((last, _)), Some((first, _))) => *first <= last + 1,
        _ => true,
    }
}

fn open_segments(folder: &Path) -> Result<BTreeMap<u64, File>, Failure> {
    let mut segments = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(segments),
        entries => entries.map_err(|error| super::io_failure(folder, &error))?,
    };
    for entry in entries {
        let entry = entry.map_err(|error| super::io_failure(folder, &error))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal")?.parse().ok());
        let Some(number) = number else { continue };
        match store::regular_file::open_no_link(&entry.path()) {
            Ok(file) => drop(segments.insert(number, file)),
            // deleted meanwhile
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(super::io_failure(&entry.path(), &error)),
        }
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_two_moments_join_unless_some_may_be_missing() {
        let segments = |numbers: &[u64]| -> BTreeMap<u64, File> {
            numbers.iter().map(|number| (*number, tempfile::tempfile().unwrap())).collect()
        };
        let joined = |before: &[u64], after: &[u64]| joins(&segments(before), &segments(after));
        assert!(joined(&[], &[]) && joined(&[], &[1]) && joined(&[1], &[]));
        assert!(joined(&[1, 2], &[2, 3]) && joined(&[1, 2], &[3]) && joined(&[1, 5], &[1, 5, 9]));
        assert!(!joined(&[1, 2], &[4]));
    }

    #[test]
    fn a_spool_gives_back_what_it_copied_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut spool = Spool::new(folder.path()).unwrap();
        let mut copied = Vec::new();
        for text in ["first", "", "second and longer"] {
            std::fs::write(&path, text).unwrap();
            copied.push((spool.copy(&File::open(&path).unwrap()).unwrap(), text));
        }
        for ((mut content, size), text) in copied.into_iter().rev() {
            let mut found = String::new();
            spool.reader(&mut content, size).unwrap().read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
        }
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn leftovers_of_killed_processes_go_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".backup-old", ".backup-new", "other"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let old = File::open(folder.path().join(".backup-old")).unwrap();
        old.set_modified(SystemTime::now() - LEFTOVER - Duration::from_secs(9)).unwrap();
        let _spool = Spool::new(folder.path()).unwrap();
        let exists = |name: &str| folder.path().join(name).exists();
        assert!(!exists(".backup-old") && exists(".backup-new") && exists("other"));
    }
}
