//! A change in progress, from taking the lock to appending to the history.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use event::Timestamp;
use tuning::file::version;
use tuning::{ExclusionFile, SiteMode, TuningError};

use super::ExclusionStore;
use super::record::{BY_HAND, EXPIRED, Record, Subject, least_id};
use crate::files::{create_private, failed, give_to_owner, read, replace};
use crate::limits::{HISTORY_BYTES, PENDING_BYTES, VERSIONS};

/// Author, reason and wording of a change.
#[derive(Debug, Clone, Default)]
pub struct ChangeNote {
    /// Author of the change.
    pub author: String,
    /// The change in words, for people who read the history file.
    pub what: String,
    /// Reason that the author gave.
    pub reason: String,
    /// Number of the change that this one undoes.
    pub undoes: Option<u64>,
    /// Ids of the added exclusions.
    pub ids: Vec<u64>,
}

impl ChangeNote {
    /// Describes the expiry of exclusions.
    pub(crate) fn expired(gone: &[tuning::Entry]) -> Self {
        let ids: Vec<String> = gone.iter().map(|entry| entry.id.to_string()).collect();
        Self { author: "monban".into(), what: format!("{EXPIRED}{}", ids.join(", ")), ..Self::default() }
    }
}

/// The state that undoing a change restores.
pub enum Restored {
    /// The file of exclusions.
    File(Box<ExclusionFile>),
    /// A site's mode; `None` is the mode of the configuration file.
    Site(String, Option<SiteMode>),
}

/// A change in progress. It holds the lock, so that others wait.
pub struct Edit {
    store: ExclusionStore,
    _lock: File,
    pub(super) records: Vec<Record>,
    file: ExclusionFile,
    now: Timestamp,
}

impl Edit {
    /// Takes the lock, completes a change whose process was killed, and records an edit by hand.
    pub(super) fn begin(store: ExclusionStore, now: Timestamp) -> Result<Self, TuningError> {
        create_private(&store.folder.join("versions")).map_err(|error| failed(&store.folder, &error))?;
        let path = store.folder.join("lock");
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = opened.map_err(|error| failed(&path, &error))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| failed(&path, &error.into()))?;
        let (file, records) = (store.read()?, store.records()?);
        let mut edit = Self { store, _lock: lock, records, file, now };
        edit.recover()?;
        edit.record_edit_by_hand()?;
        Ok(edit)
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> &ExclusionStore {
        &self.store
    }

    /// Returns the file before the change.
    pub fn file(&self) -> &ExclusionFile {
        &self.file
    }

    /// Checks that the file has the version on which the change is based.
    ///
    /// # Errors
    /// [`TuningError::Conflict`].
    pub fn expect(&self, wanted: &str) -> Result<(), TuningError> {
        let version = self.file.version();
        if version == wanted { Ok(()) } else { Err(TuningError::Conflict { version }) }
    }

    /// Returns the lowest id that no exclusion has ever had.
    pub fn least_id(&self) -> u64 {
        least_id(&self.records)
    }

    /// Returns the modes of sites that differ from the configuration file, assuming this mode of `site`.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn modes_with(
        &self,
        site: &str,
        mode: Option<SiteMode>,
    ) -> Result<Vec<tuning::SiteModeChange>, TuningError> {
        let mut modes = self.store.modes()?;
        modes.retain(|known| known.site != site);
        let since = self.now;
        modes.extend(mode.map(|mode| tuning::SiteModeChange { site: site.to_owned(), mode, since }));
        Ok(modes)
    }

    /// Returns the state that undoing the change with this number restores.
    ///
    /// # Errors
    /// The change does not exist, is already undone, or a later change affected the same exclusions or site.
    pub fn undo(&self, number: u64) -> Result<Restored, TuningError> {
        let record = self.records.iter().find(|record| record.number == number);
        let record =
            record.ok_or_else(|| TuningError::NotFound(format!("change {number} does not exist")))?;
        if let Some(undone) = self.records.iter().find(|other| other.undoes == Some(number)) {
            return Err(TuningError::Refused(format!("change {} already undid it", undone.number)));
        }
        match &record.subject {
            Subject::Site { name, before, .. } => {
                let of_site = |other: &&Record| matches!(&other.subject, Subject::Site { name: site, .. } if site == name);
                if self.records.iter().rev().find(of_site).is_some_and(|last| last.number != number) {
                    return Err(TuningError::Refused(format!("{name} has been changed since")));
                }
                Ok(Restored::Site(name.clone(), *before))
            }
            Subject::Exclusions { before, after, .. } => {
                let texts = self.store.text(before)?.zip(self.store.text(after)?);
                let (before, after) = texts.ok_or_else(|| {
                    TuningError::Refused("monban no longer keeps the texts before and after it".to_owned())
                })?;
                Ok(Restored::File(Box::new(self.file.undo(&before, &after)?)))
            }
        }
    }

    /// Replaces the file and records the change. Returns its number.
    ///
    /// # Errors
    /// A file cannot be written. The exclusions then stay unchanged; if even restoring them fails, the next edit completes the
    /// history.
    pub fn commit(mut self, new: &ExclusionFile, note: ChangeNote) -> Result<u64, TuningError> {
        let record = self.record(note, &self.file, new);
        let number = record.number;
        self.keep_text(&self.file)?;
        self.keep_text(new)?;
        let pending = self.store.pending();
        replace(&pending, &serde_json::to_vec(&record).unwrap_or_default())?;
        if let Err(error) = replace(&self.store.file, new.text()).and_then(|()| self.append(record)) {
            if replace(&self.store.file, self.file.text()).is_ok() {
                let _gone = std::fs::remove_file(&pending);
            }
            return Err(error);
        }
        let _gone = std::fs::remove_file(&pending);
        self.prune();
        Ok(number)
    }

    /// Records a site's new mode; `None` is the mode of the configuration file. Returns the change's number.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn commit_mode(
        mut self,
        site: &str,
        mode: Option<SiteMode>,
        note: ChangeNote,
    ) -> Result<u64, TuningError> {
        let before = self.store.modes()?.into_iter().find(|known| known.site == site).map(|known| known.mode);
        let ChangeNote { author, what, reason, undoes, .. } = note;
        let subject = Subject::Site { name: site.to_owned(), before, after: mode };
        let number = self.next_number();
        self.append(Record { number, time: self.now, author, what, reason, undoes, subject })?;
        Ok(number)
    }

    fn next_number(&self) -> u64 {
        self.records.last().map_or(1, |record| record.number + 1)
    }

    fn record(&self, note: ChangeNote, before: &ExclusionFile, after: &ExclusionFile) -> Record {
        let ChangeNote { author, what, reason, undoes, ids } = note;
        let subject = Subject::Exclusions { before: before.version(), after: after.version(), ids };
        Record { number: self.next_number(), time: self.now, author, what, reason, undoes, subject }
    }

    /// Completes or drops a change whose process was killed.
    fn recover(&mut self) -> Result<(), TuningError> {
        let path = self.store.pending();
        let bytes = read(&path, PENDING_BYTES)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if let Ok(record) = serde_json::from_slice::<Record>(&bytes)
            && let Subject::Exclusions { after, .. } = &record.subject
            && *after == self.file.version()
            && self.records.iter().all(|known| known.number != record.number)
        {
            tracing::info!(
                "completing the history: change {} of the exclusions had replaced the file when monban was killed",
                record.number
            );
            self.append(record)?;
        }
        let _gone = std::fs::remove_file(&path);
        Ok(())
    }

    /// Records what somebody changed in the file by hand since the last change.
    fn record_edit_by_hand(&mut self) -> Result<(), TuningError> {
        let last = self.records.iter().rev().find_map(|record| match &record.subject {
            Subject::Exclusions { after, .. } => Some(after.clone()),
            Subject::Site { .. } => None,
        });
        let last = last.unwrap_or_else(|| version(b""));
        if last == self.file.version() {
            return Ok(());
        }
        let before = self.store.text(&last)?.unwrap_or_default();
        let note = ChangeNote { author: "-".into(), what: BY_HAND.into(), ..ChangeNote::default() };
        let mut record = self.record(note, &before, &self.file);
        if let Subject::Exclusions { before, .. } = &mut record.subject {
            *before = last;
        }
        self.keep_text(&before)?;
        self.keep_text(&self.file)?;
        self.append(record)
    }

    /// Stores a text, so that changes from it and to it can be shown and undone.
    fn keep_text(&self, file: &ExclusionFile) -> Result<(), TuningError> {
        let path = self.store.version_path(&file.version());
        if path.exists() { Ok(()) } else { replace(&path, file.text()) }
    }

    fn append(&mut self, record: Record) -> Result<(), TuningError> {
        let path = self.store.history_path();
        let error = |error: std::io::Error| failed(&path, &error);
        let mut bytes = serde_json::to_vec(&record).unwrap_or_default();
        bytes.push(b'\n');
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).read(true).append(true).mode(0o600).open(&path).map_err(error)?;
        let length = file.metadata().map_err(error)?.len();
        if length + bytes.len() as u64 > HISTORY_BYTES {
            return Err(TuningError::Unavailable(format!(
                "{}: longer than {HISTORY_BYTES} bytes; move its oldest lines away",
                path.display()
            )));
        }
        // a crash may have cut off the last line
        let mut last = [b'\n'];
        if length > 0 {
            use std::os::unix::fs::FileExt;
            file.read_exact_at(&mut last, length - 1).map_err(error)?;
        }
        if last != [b'\n'] {
            bytes.insert(0, b'\n');
        }
        if let Err(cause) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
            // half a line does not count as a change, but a whole line that is not on the disk would
            let _shorter = file.set_len(length);
            return Err(error(cause));
        }
        give_to_owner(&path, self.store.file.parent());
        self.records.push(record);
        Ok(())
    }

    /// Removes the texts of old changes.
    fn prune(&self) {
        let kept = self.records.iter().rev().take(VERSIONS).filter_map(|record| match &record.subject {
            Subject::Exclusions { before, after, .. } => Some([before.as_str(), after.as_str()]),
            Subject::Site { .. } => None,
        });
        let kept: HashSet<String> = kept.flatten().map(|version| format!("{version}.conf")).collect();
        let Ok(folder) = std::fs::read_dir(self.store.folder.join("versions")) else { return };
        for entry in folder.flatten().filter(|entry| !kept.contains(&*entry.file_name().to_string_lossy())) {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}
