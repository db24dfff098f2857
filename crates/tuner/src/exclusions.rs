//! The file of exclusions on disk, and the history of changes.
//!
//! | in the data folder | contents |
//! |---|---|
//! | `exclusions.conf` | the exclusions: rules that are loaded before all others; a person may edit it |
//! | `tuning/history.jsonl` | one JSON object for each change |
//! | `tuning/versions/VERSION.conf` | the texts before and after each change |
//! | `tuning/pending.json` | a change in progress |
//! | `tuning/lock` | a lock that the daemon or a command holds during a change |
//!
//! A change first writes the pending file, then replaces the exclusions, then appends to the history. If the process is killed in
//! between, the next change or the next start compares the file's version to find out whether the change was made.

mod edit;
mod record;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use event::Timestamp;
use tuning::file::{changes, difference, version};
use tuning::{
    Change, ChangeKind, ChangedExclusion, ChangedSite, ExclusionFile, SiteMode, SiteModeChange, TuningError,
    Undoable, limits,
};

use crate::files::read;
use crate::limits::{HISTORY_BYTES, LISTED_CHANGES};
pub use edit::{ChangeNote, Edit, Restored};
use record::{Record, Subject, least_id};

/// The file of exclusions and the history, in a data folder.
#[derive(Debug, Clone)]
pub struct ExclusionStore {
    file: PathBuf,
    folder: PathBuf,
}

impl ExclusionStore {
    /// Opens the store in a data folder. Its files need not exist yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { file: data_dir.join("exclusions.conf"), folder: data_dir.join("tuning") }
    }

    /// Returns the path of the file of exclusions.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Reads the file. Returns an empty one if it does not exist.
    ///
    /// # Errors
    /// The file cannot be read, or is longer than [`limits::FILE_BYTES`].
    pub fn read(&self) -> Result<ExclusionFile, TuningError> {
        let bytes = read(&self.file, limits::FILE_BYTES as u64 + 1)?;
        let located = |refused| TuningError::Refused(format!("{}: {refused}", self.file.display()));
        ExclusionFile::read(bytes).map_err(located)
    }

    /// Returns the newest changes, newest first; at most [`LISTED_CHANGES`].
    ///
    /// # Errors
    /// The history or a stored text cannot be read.
    pub fn history(&self) -> Result<Vec<Change>, TuningError> {
        let records = self.records()?;
        let undone: HashMap<u64, u64> =
            records.iter().filter_map(|record| Some((record.undoes?, record.number))).collect();
        let file = self.read()?;
        // the text before a change is usually the text after the next one in the list
        let mut known: Option<(String, Option<Rc<Vec<u8>>>)> = None;
        let mut text = |version: &str| -> Result<Option<Rc<Vec<u8>>>, TuningError> {
            if let Some((known, text)) = &known
                && known == version
            {
                return Ok(text.clone());
            }
            let text = self.bytes(version)?.map(Rc::new);
            known = Some((version.to_owned(), text.clone()));
            Ok(text)
        };
        let mut sites: HashSet<&str> = HashSet::new();
        let mut listed = Vec::new();
        for record in records.iter().rev().take(LISTED_CHANGES) {
            let undone_by = undone.get(&record.number).copied();
            let mut change = Change {
                number: record.number,
                time: record.time,
                author: record.author.clone(),
                kind: ChangeKind::SiteMode,
                reason: record.reason.clone(),
                added: Vec::new(),
                removed: Vec::new(),
                site: None,
                undoes: record.undoes,
                undone_by,
                undo: Undoable::Possible,
                diff: None,
            };
            match &record.subject {
                Subject::Exclusions { before, after, .. } => {
                    let after = text(after)?;
                    if let Some((before, after)) = text(before)?.zip(after) {
                        change.diff = Some(difference(&before, &after));
                        [change.removed, change.added] = changes(&before, &after).map(|entries| {
                            let entries = entries.into_iter();
                            entries
                                .map(|entry| ChangedExclusion { id: entry.id, exclusion: entry.exclusion })
                                .collect()
                        });
                        if file.check_undo(&before, &after).is_err() {
                            change.undo = Undoable::ChangedSince;
                        }
                    } else {
                        change.undo = Undoable::NotKept;
                    }
                }
                Subject::Site { name, before, after } => {
                    let word = |mode: &Option<SiteMode>| mode.map_or("as configured", SiteMode::as_str);
                    change.diff = Some(format!("-{name}: {}\n+{name}: {}\n", word(before), word(after)));
                    change.site = Some(ChangedSite { site: name.clone(), before: *before, after: *after });
                    if !sites.insert(name) {
                        change.undo = Undoable::ChangedSince;
                    }
                }
            }
            if undone_by.is_some() {
                change.undo = Undoable::Undone;
            }
            change.kind = record.kind(&change);
            listed.push(change);
        }
        Ok(listed)
    }

    /// Returns the modes of sites that differ from the configuration file.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn modes(&self) -> Result<Vec<SiteModeChange>, TuningError> {
        let mut modes: Vec<SiteModeChange> = Vec::new();
        for record in self.records()? {
            let Subject::Site { name, after, .. } = record.subject else { continue };
            modes.retain(|known| known.site != name);
            if let Some(mode) = after {
                modes.push(SiteModeChange { site: name, mode, since: record.time });
            }
        }
        Ok(modes)
    }

    /// Starts a change: waits for others, completes one whose process was killed, and records an edit by hand.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn edit(&self, now: Timestamp) -> Result<Edit, TuningError> {
        Edit::begin(self.clone(), now)
    }

    /// Returns the lowest id that no exclusion has ever had.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn least_id(&self) -> Result<u64, TuningError> {
        Ok(least_id(&self.records()?))
    }

    fn records(&self) -> Result<Vec<Record>, TuningError> {
        let bytes = read(&self.history_path(), HISTORY_BYTES)?;
        // a line that a crash cut off does not count
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        Ok(lines.collect())
    }

    fn history_path(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }

    fn pending(&self) -> PathBuf {
        self.folder.join("pending.json")
    }

    fn version_path(&self, version: &str) -> PathBuf {
        self.folder.join("versions").join(format!("{version}.conf"))
    }

    fn text(&self, version: &str) -> Result<Option<ExclusionFile>, TuningError> {
        Ok(self.bytes(version)?.and_then(|bytes| ExclusionFile::read(bytes).ok()))
    }

    /// Reads the text of this version, if it is still stored.
    fn bytes(&self, wanted: &str) -> Result<Option<Vec<u8>>, TuningError> {
        let is_version = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = self.version_path(wanted);
        if !is_version || !path.exists() {
            return Ok(None);
        }
        let bytes = read(&path, limits::FILE_BYTES as u64 + 1)?;
        Ok((version(&bytes) == wanted).then_some(bytes))
    }
}

#[cfg(test)]
mod tests;
