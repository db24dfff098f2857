//! Writes the journal.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::Event;

use super::disk::{Disk, SegmentFile, System};
use super::segment::checksum;
use super::suspects::Syncing;
use super::{JournalError, Position, RECORD_MARKER, SEGMENT_MAGIC, segment_path, segments};
use crate::limits;

/// Options for writing the journal.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Bytes after which a new segment starts: [`limits::SEGMENT_BYTES`], at most [`limits::MAX_SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// Bytes that may wait in memory while the disk accepts none: [`limits::FALLBACK_BYTES`].
    pub fallback_bytes: usize,
    /// A lower bound for segment numbers: the new segment's number is higher. Pass the segment of the store's
    /// checkpoint, so that positions keep increasing even after somebody has emptied the folder.
    pub after_segment: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            fallback_bytes: limits::FALLBACK_BYTES,
            after_segment: 0,
        }
    }
}

/// The place of an appended event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// In the segment; the next record starts at this position.
    Disk(Position),
    /// In memory, because the disk accepts none. [`JournalHealth`] has the reason.
    Memory,
}

/// The state of the journal, as `/healthz` reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalHealth {
    /// The reason why the disk accepts no records; none in normal operation.
    pub failure: Option<String>,
    /// Number of records that wait in memory.
    pub waiting: usize,
    /// Bytes of the waiting records.
    pub waiting_bytes: usize,
    /// Number of events lost since the start.
    pub lost: u64,
    /// Number of events written to disk since the start.
    pub written: u64,
    /// The error of the last failed sync (`fsync`); none without one, and after [`Journal::acknowledge_sync_failure`].
    pub sync_failure: Option<String>,
    /// The position of the next record.
    pub end: Position,
}

impl JournalHealth {
    /// Returns whether every event since the start is on disk.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none() && self.lost == 0 && self.sync_failure.is_none()
    }
}

/// The journal of one process. Threads can share it. The module's documentation covers cost, files and full disks.
///
/// ```
/// # use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
/// use store::journal::{Journal, JournalOptions, JournalReader, Position, Step};
///
/// # let folder = tempfile::tempdir()?;
/// # let now = Timestamp::from_micros(1);
/// # let event = Event::of_request(EventId::derived(now, "n", "1"), now, "n", Outcome::Passed, RequestEvidence::default());
/// let journal = Journal::open(folder.path(), JournalOptions::default())?;
/// journal.append(&event)?;
///
/// let mut reader = JournalReader::new(folder.path(), Position::START);
/// assert!(matches!(reader.next_step()?, Step::Record(record) if record.event == event));
/// assert!(matches!(reader.next_step()?, Step::End));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Journal {
    pub(super) folder: PathBuf,
    options: JournalOptions,
    pub(super) disk: Box<dyn Disk>,
    state: Mutex<State>,
    /// The thread that syncs holds this lock; the lock of the state is free in the meantime.
    pub(super) syncing: Mutex<Syncing>,
    pub(super) appended: Condvar,
    /// Lock files, held as long as the journal exists; closing them releases the locks.
    _locks: [Option<File>; 2],
}

pub(super) struct State {
    /// The current segment; none if the next record must start a new one: the disk was full until now, a failed write
    /// could not be truncated, or a sync of the segment failed.
    pub(super) segment: Option<Arc<dyn SegmentFile>>,
    pub(super) end: Position,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    failure: Option<String>,
    /// See [`JournalHealth::sync_failure`].
    pub(super) sync_failure: Option<String>,
    written: u64,
    lost: u64,
}

impl Journal {
    /// Opens the journal in `folder` (created if needed), takes its lock and starts a new segment. On a full disk,
    /// events wait in memory until there is room ([`JournalHealth::failure`]).
    ///
    /// # Errors
    /// [`JournalError::Locked`] while another process writes the journal, and [`JournalError::Io`].
    pub fn open(folder: &Path, options: JournalOptions) -> Result<Self, JournalError> {
        Self::open_on(Box::new(System), folder, options)
    }

    pub(super) fn open_on(
        disk: Box<dyn Disk>,
        folder: &Path,
        mut options: JournalOptions,
    ) -> Result<Self, JournalError> {
        options.segment_bytes = options.segment_bytes.min(limits::MAX_SEGMENT_BYTES);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(JournalError::io("create", folder))?;
        let locks = lock(folder)?;
        let last = segments(folder)?.last().copied().unwrap_or(0).max(options.after_segment);
        let before = Position { segment: last, offset: 0 };
        let journal = Self {
            folder: folder.to_path_buf(),
            options,
            disk,
            state: Mutex::new(State {
                segment: None,
                end: before,
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                failure: None,
                sync_failure: None,
                written: 0,
                lost: 0,
            }),
            syncing: Mutex::new(Syncing::from(before)),
            appended: Condvar::new(),
            _locks: locks,
        };
        let mut state = journal.state();
        match journal.begin_segment(&mut state) {
            Err(error) if error.is_no_room() => state.failure = Some(error.to_string()),
            begun => begun?,
        }
        drop(state);
        Ok(journal)
    }

    /// Returns the folder of the segments.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends an event with one write. Once this returns [`Appended::Disk`], the event survives the end of the
    /// process.
    ///
    /// # Errors
    /// [`JournalError::TooLong`] and [`JournalError::Lost`]; both are counted in [`JournalHealth::lost`].
    pub fn append(&self, event: &Event) -> Result<Appended, JournalError> {
        let record = encode_record(event);
        let mut state = self.state();
        let record = record.inspect_err(|_| state.lost += 1)?;
        self.write_waiting(&mut state);
        if state.waiting.is_empty() && self.write(&mut state, &record) {
            self.appended.notify_all();
            return Ok(Appended::Disk(state.end));
        }
        if state.waiting_bytes + record.len() > self.options.fallback_bytes {
            state.lost += 1;
            return Err(JournalError::Lost {
                id: event.id,
                cause: state.failure.clone().unwrap_or_default(),
                waiting: state.waiting_bytes,
            });
        }
        state.waiting_bytes += record.len();
        state.waiting.push_back(record);
        Ok(Appended::Memory)
    }

    /// Appends events from other sensors with one write, all or none. If the disk does not accept them, it returns an
    /// error, and they do not wait in memory, because their sender still has them. With `durable`, returns once they
    /// also survive a power cut; the gate's own events do not wait for that sync.
    ///
    /// # Errors
    /// [`JournalError::Io`], and [`JournalError::TooLong`] for the first event that is too long. Nothing was appended
    /// then, except that after a failed sync the events may or may not be stored.
    pub fn append_batch(&self, events: &[Event], durable: bool) -> Result<(), JournalError> {
        let mut records = Vec::new();
        for event in events {
            records.extend_from_slice(&encode_record(event)?);
        }
        if records.is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        self.write_waiting(&mut state);
        if let Some(failure) = &state.failure
            && !state.waiting.is_empty()
        {
            let source = io::Error::other(failure.clone());
            return Err(JournalError::io("append", &segment_path(&self.folder, state.end.segment))(source));
        }
        self.try_write(&mut state, &records)?;
        state.failure = None;
        state.written += events.len() as u64;
        self.appended.notify_all();
        let end = state.end;
        drop(state);
        if durable { self.sync_to(end) } else { Ok(()) }
    }

    /// Tries again to write the waiting records. Cheap if none wait; call it about once a second.
    pub fn retry(&self) {
        let mut state = self.state();
        self.write_waiting(&mut state);
        if state.failure.is_some() && state.waiting.is_empty() && state.segment.is_none() {
            state.failure = self.begin_segment(&mut state).err().map(|error| error.to_string());
        }
    }

    /// Returns the state of the journal.
    pub fn health(&self) -> JournalHealth {
        let state = self.state();
        JournalHealth {
            failure: state.failure.clone(),
            waiting: state.waiting.len(),
            waiting_bytes: state.waiting_bytes,
            lost: state.lost,
            written: state.written,
            sync_failure: state.sync_failure.clone(),
            end: state.end,
        }
    }

    /// Waits until the journal's end is beyond `position`, for at most `timeout`.
    pub fn wait_beyond(&self, position: Position, timeout: Duration) {
        let state = self.state();
        // A poisoned lock and a timeout both end the wait.
        let _ended = self.appended.wait_timeout_while(state, timeout, |state| state.end <= position);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Code that holds the lock never leaves the state half changed when it panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_waiting(&self, state: &mut State) {
        if state.waiting.is_empty() {
            return;
        }
        while let Some(record) = state.waiting.pop_front() {
            if !self.write(state, &record) {
                state.waiting.push_front(record);
                return;
            }
            state.waiting_bytes -= record.len();
        }
        self.appended.notify_all();
    }

    /// Writes one record, in a new segment if due. On failure it stores the reason and leaves no part of the record
    /// behind.
    fn write(&self, state: &mut State, record: &[u8]) -> bool {
        match self.try_write(state, record) {
            Ok(()) => {
                state.failure = None;
                state.written += 1;
                true
            }
            Err(error) => {
                state.failure = Some(error.to_string());
                false
            }
        }
    }

    pub(super) fn try_write(&self, state: &mut State, record: &[u8]) -> Result<(), JournalError> {
        if state.end.offset >= self.options.segment_bytes {
            state.segment = None;
        }
        if state.segment.is_none() {
            self.begin_segment(state)?;
        }
        let Some(segment) = &state.segment else { return Ok(()) };
        if let Err(error) = write_once(&**segment, record) {
            if segment.truncate(state.end.offset).is_err() {
                // Nothing may follow a partial record that could not be truncated.
                state.segment = None;
            }
            let path = segment_path(&self.folder, state.end.segment);
            return Err(JournalError::io("append", &path)(error));
        }
        state.end.offset += record.len() as u64;
        Ok(())
    }

    pub(super) fn begin_segment(&self, state: &mut State) -> Result<(), JournalError> {
        let number = state.end.segment + 1;
        let path = segment_path(&self.folder, number);
        let segment = self.disk.create(&path).map_err(JournalError::io("create", &path))?;
        if let Err(error) = write_once(&*segment, SEGMENT_MAGIC) {
            if std::fs::remove_file(&path).is_err() {
                // The number is in use; the next attempt takes another one.
                state.end = Position { segment: number, offset: 0 };
            }
            return Err(JournalError::io("append", &path)(error));
        }
        state.segment = Some(segment);
        state.end = Position { segment: number, offset: SEGMENT_MAGIC.len() as u64 };
        Ok(())
    }
}

/// Takes the locks of the one writing process: on the lock file, and on the folder, which needs no disk space.
fn lock(folder: &Path) -> Result<[Option<File>; 2], JournalError> {
    let path = folder.join("lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(JournalError::io("open", &path));
    let file = match opened {
        Err(error) if error.is_no_room() => None,
        opened => Some(opened?),
    };
    let itself = File::open(folder).map_err(JournalError::io("open", folder))?;
    match file.as_ref().map_or(Ok(()), File::try_lock).and_then(|()| itself.try_lock()) {
        Ok(()) => Ok([file, Some(itself)]),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path }),
        // Some network file systems can lock files only.
        Err(TryLockError::Error(_)) if file.as_ref().is_some_and(|file| file.try_lock().is_ok()) => {
            Ok([file, None])
        }
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock", &path)(error)),
    }
}

/// Appends with one `write(2)`. A short write is an error, because a second write would let a reader see half a record
/// for longer.
fn write_once(segment: &dyn SegmentFile, record: &[u8]) -> io::Result<()> {
    loop {
        match segment.append(record) {
            Ok(written) if written == record.len() => return Ok(()),
            Ok(written) => {
                let message = format!("only {written} of {} bytes written (disk full?)", record.len());
                return Err(io::Error::new(ErrorKind::StorageFull, message));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the record of an event: marker, length, checksum, JSON. Drops the bodies of an event that is too long.
pub(super) fn encode_record(event: &Event) -> Result<Vec<u8>, JournalError> {
    let mut json = event.to_json();
    if json.len() > limits::MAX_RECORD_BYTES {
        // the gates shorten their own events; this is for an event that is still too long
        let mut event = event.clone();
        event.shrink();
        json = event.to_json();
    }
    let too_long = |_| JournalError::TooLong { id: event.id, length: json.len() };
    if json.len() > limits::MAX_RECORD_BYTES {
        return Err(JournalError::TooLong { id: event.id, length: json.len() });
    }
    let length = u32::try_from(json.len()).map_err(too_long)?.to_le_bytes();
    let checksum = checksum(length, json.as_bytes()).to_le_bytes();
    Ok([&RECORD_MARKER[..], &length, &checksum, json.as_bytes()].concat())
}

#[cfg(test)]
mod tests;
