//! The writing side of the journal.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::{Event, Evidence};

use super::segment::checksum;
use super::{JournalError, Position, RECORD_MARKER, SEGMENT_MAGIC, segment_path, segments};
use crate::limits;

/// When the journal asks the disk to keep what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Never: the kernel writes back by itself, usually within 30 seconds. Safe against the death of the process, not
    /// against a power cut.
    #[default]
    Never,
    /// After each append: safe against a power cut, and as slow as the disk.
    Always,
}

/// How the journal is written.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Bytes after which a new segment begins: [`limits::SEGMENT_BYTES`], at most [`limits::MAX_SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// Bytes that may wait in memory while the disk takes none: [`limits::FALLBACK_BYTES`].
    pub fallback_bytes: usize,
    /// When to ask the disk to keep what it has.
    pub fsync: Fsync,
    /// The new segment's number is above this one. Give the segment of the store's checkpoint, so that positions go on
    /// rising even when somebody has emptied the folder.
    pub after_segment: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            fallback_bytes: limits::FALLBACK_BYTES,
            fsync: Fsync::Never,
            after_segment: 0,
        }
    }
}

/// Where an appended event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// In the segment; the next record begins at this position.
    Disk(Position),
    /// In memory, because the disk takes none. [`JournalHealth`] says why.
    Memory,
}

/// The state of the journal, as `/healthz` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalHealth {
    /// Why the disk takes no records; none while all is well.
    pub failure: Option<String>,
    /// Records that wait in memory.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Events lost since the start.
    pub lost: u64,
    /// Events written to disk since the start.
    pub written: u64,
    /// Where the next record will begin.
    pub end: Position,
}

impl JournalHealth {
    /// Whether every event since the start is on disk.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none() && self.lost == 0
    }
}

/// The file operations of a segment, so that tests can let them fail.
pub(super) trait SegmentFile: Write + Send {
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    /// The same file once more, to sync it while others write.
    fn handle(&self) -> io::Result<Box<dyn SegmentFile>>;
}

impl SegmentFile for File {
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn handle(&self) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(self.try_clone()?))
    }
}

type Create = Box<dyn Fn(&Path) -> io::Result<Box<dyn SegmentFile>> + Send + Sync>;

/// The journal of one process. Shared between threads; see the module about cost, files and full disks.
///
/// ```
/// # use event::{Event, EventId, Evidence, Gate, RequestEvidence, Timestamp};
/// use store::journal::{Journal, JournalOptions, JournalReader, Position, Step};
///
/// # let folder = tempfile::tempdir()?;
/// # let now = Timestamp::from_micros(1);
/// # let event = Event::new(EventId::derived(now, "n", "1"), now, "n", Gate::Request, RequestEvidence::default().into());
/// let journal = Journal::open(folder.path(), JournalOptions::default())?;
/// journal.append(&event)?;
///
/// let mut reader = JournalReader::new(folder.path(), Position::START);
/// assert!(matches!(reader.next_step()?, Step::Record(record) if record.event == event));
/// assert!(matches!(reader.next_step()?, Step::End));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Journal {
    folder: PathBuf,
    options: JournalOptions,
    create: Create,
    state: Mutex<State>,
    appended: Condvar,
    /// Held as long as the journal: the lock goes with it.
    _lock: File,
}

struct State {
    segment: Box<dyn SegmentFile>,
    end: Position,
    /// A failed write could not be cut off again: nothing may follow it in this segment.
    torn: bool,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    failure: Option<String>,
    written: u64,
    lost: u64,
}

impl Journal {
    /// Opens the journal in `folder` (made if need be), takes its lock and starts a new segment.
    ///
    /// # Errors
    /// [`JournalError::Locked`] while another process writes it, and [`JournalError::Io`].
    pub fn open(folder: &Path, options: JournalOptions) -> Result<Self, JournalError> {
        Self::open_with(folder, options, Box::new(create_segment))
    }

    fn open_with(folder: &Path, mut options: JournalOptions, create: Create) -> Result<Self, JournalError> {
        options.segment_bytes = options.segment_bytes.min(limits::MAX_SEGMENT_BYTES);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(JournalError::io("create", folder))?;
        let lock_path = folder.join("lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = opened.map_err(JournalError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path: lock_path }),
            Err(TryLockError::Error(error)) => return Err(JournalError::io("lock", &lock_path)(error)),
        }
        let last = segments(folder)?.last().copied().unwrap_or(0).max(options.after_segment);
        let number = last + 1;
        let (segment, end) = begin_segment(folder, number, &create)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            options,
            create,
            state: Mutex::new(State {
                segment,
                end,
                torn: false,
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                failure: None,
                written: 0,
                lost: 0,
            }),
            appended: Condvar::new(),
            _lock: lock,
        })
    }

    /// The folder of the segments.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends an event with one write. When this returns [`Appended::Disk`], the event outlives the process.
    ///
    /// # Errors
    /// [`JournalError::TooLong`] and [`JournalError::Lost`]; both are counted in [`JournalHealth::lost`].
    pub fn append(&self, event: &Event) -> Result<Appended, JournalError> {
        let record = encode_record(event);
        let mut state = self.state();
        let record = record.inspect_err(|_| state.lost += 1)?;
        self.write_waiting(&mut state);
        if state.failure.is_none() && self.write(&mut state, &record) {
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

    /// Appends events of others with one write, all or none: what the disk does not take is an error and does not wait in
    /// memory, since whoever sent them has them still. With `durable`, returns when they also survive a power cut; the
    /// gate's own events do not wait for that disk sync.
    ///
    /// # Errors
    /// [`JournalError::Io`], and [`JournalError::TooLong`] for the first event that is; then none was appended, save that
    /// after a failed sync it is not known whether they were.
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
        if !durable {
            return Ok(());
        }
        let path = segment_path(&self.folder, state.end.segment);
        let handle = state.segment.handle();
        drop(state);
        handle.and_then(|mut segment| segment.sync()).map_err(JournalError::io("sync", &path))
    }

    /// Tries again to write what waits in memory. Cheap when nothing waits; call it every second or so.
    pub fn retry(&self) {
        let mut state = self.state();
        self.write_waiting(&mut state);
    }

    /// Asks the disk to keep what has been written so far.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn sync(&self) -> Result<(), JournalError> {
        let mut state = self.state();
        let path = segment_path(&self.folder, state.end.segment);
        state.segment.sync().map_err(JournalError::io("sync", &path))
    }

    /// The state of the journal.
    pub fn health(&self) -> JournalHealth {
        let state = self.state();
        JournalHealth {
            failure: state.failure.clone(),
            waiting: state.waiting.len(),
            waiting_bytes: state.waiting_bytes,
            lost: state.lost,
            written: state.written,
            end: state.end,
        }
    }

    /// Waits until the journal's end lies beyond `position`, at most for `timeout`.
    pub fn wait_beyond(&self, position: Position, timeout: Duration) {
        let state = self.state();
        // A poisoned lock or a time-out both just end the waiting.
        let _ended = self.appended.wait_timeout_while(state, timeout, |state| state.end <= position);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock leaves the state half changed when it panics.
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

    /// Writes one record, in a new segment where due. On failure notes why and leaves no part of the record behind.
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

    fn try_write(&self, state: &mut State, record: &[u8]) -> Result<(), JournalError> {
        if state.torn || state.end.offset >= self.options.segment_bytes {
            let (segment, end) = begin_segment(&self.folder, state.end.segment + 1, &self.create)?;
            state.segment = segment;
            state.end = end;
            state.torn = false;
        }
        let path = segment_path(&self.folder, state.end.segment);
        if let Err(error) = write_once(&mut *state.segment, record) {
            state.torn = state.segment.truncate(state.end.offset).is_err();
            return Err(JournalError::io("append", &path)(error));
        }
        state.end.offset += record.len() as u64;
        if self.options.fsync == Fsync::Always {
            // The record is written; that it may not survive a power cut is shown, not undone.
            if let Err(error) = state.segment.sync() {
                state.failure = Some(JournalError::io("sync", &path)(error).to_string());
            }
        }
        Ok(())
    }
}

/// One `write(2)`; a short one is an error, because another would let a reader see half a record for longer.
fn write_once(segment: &mut dyn SegmentFile, record: &[u8]) -> io::Result<()> {
    loop {
        match segment.write(record) {
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

fn create_segment(path: &Path) -> io::Result<Box<dyn SegmentFile>> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    Ok(Box::new(file))
}

fn begin_segment(
    folder: &Path,
    number: u64,
    create: &Create,
) -> Result<(Box<dyn SegmentFile>, Position), JournalError> {
    let path = segment_path(folder, number);
    let mut segment = create(&path).map_err(JournalError::io("create", &path))?;
    if let Err(error) = write_once(&mut *segment, SEGMENT_MAGIC) {
        // Without this the same number could not be tried again. Where it fails too, the next try says so.
        let _removed = std::fs::remove_file(&path);
        return Err(JournalError::io("append", &path)(error));
    }
    Ok((segment, Position { segment: number, offset: SEGMENT_MAGIC.len() as u64 }))
}

/// The record of an event: marker, length, checksum, JSON. An event that is too long loses its bodies.
pub(super) fn encode_record(event: &Event) -> Result<Vec<u8>, JournalError> {
    let mut json = event.to_json();
    if json.len() > limits::MAX_RECORD_BYTES {
        json = without_bodies(event.clone()).to_json();
    }
    let too_long = |_| JournalError::TooLong { id: event.id, length: json.len() };
    if json.len() > limits::MAX_RECORD_BYTES {
        return Err(JournalError::TooLong { id: event.id, length: json.len() });
    }
    let length = u32::try_from(json.len()).map_err(too_long)?.to_le_bytes();
    let checksum = checksum(length, json.as_bytes()).to_le_bytes();
    Ok([&RECORD_MARKER[..], &length, &checksum, json.as_bytes()].concat())
}

fn without_bodies(mut event: Event) -> Event {
    if let Evidence::Request(request) = &mut event.evidence {
        let response = request.response.as_mut().and_then(|response| response.body.as_mut());
        for body in request.body.as_mut().into_iter().chain(response) {
            body.bytes = Vec::new().into();
            body.truncated = true;
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::{JournalReader, Step};
    use super::*;
    use crate::samples;

    fn read_numbers(folder: &Path) -> Vec<u64> {
        let mut reader = JournalReader::new(folder, Position::START);
        let mut numbers = Vec::new();
        loop {
            match reader.next_step().unwrap() {
                Step::Record(record) => numbers.push(samples::number_of(&record.event)),
                Step::Damaged(damage) => panic!("{damage}"),
                Step::End => return numbers,
            }
        }
    }

    /// Segments that together hold at most as many bytes as the counter says, and write short at the end as a disk does.
    struct SmallDisk {
        file: File,
        free: Arc<AtomicU64>,
        length: u64,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let free = self.free.load(Ordering::Relaxed);
            if free == 0 {
                return Err(io::Error::from(ErrorKind::StorageFull));
            }
            let written = self.file.write(&bytes[..bytes.len().min(free as usize)])?;
            self.free.fetch_sub(written as u64, Ordering::Relaxed);
            self.length += written as u64;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl SegmentFile for SmallDisk {
        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.free.fetch_add(self.length - length, Ordering::Relaxed);
            self.length = length;
            self.file.set_len(length)
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn handle(&self) -> io::Result<Box<dyn SegmentFile>> {
            Err(io::Error::other("no handle"))
        }
    }

    fn on_small_disk(folder: &Path, free: &Arc<AtomicU64>, options: JournalOptions) -> Journal {
        let free = Arc::clone(free);
        let create = move |path: &Path| -> io::Result<Box<dyn SegmentFile>> {
            let file = OpenOptions::new().append(true).create_new(true).open(path)?;
            Ok(Box::new(SmallDisk { file, free: Arc::clone(&free), length: 0 }))
        };
        Journal::open_with(folder, options, Box::new(create)).unwrap()
    }

    #[test]
    fn rotates_by_size_and_reads_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let options = JournalOptions { segment_bytes: 2000, ..Default::default() };
        let journal = Journal::open(folder.path(), options).unwrap();
        for number in 0..50 {
            assert!(matches!(journal.append(&samples::event(number)).unwrap(), Appended::Disk(_)));
        }
        assert!(segments(folder.path()).unwrap().len() > 5);
        assert_eq!(read_numbers(folder.path()), (0..50).collect::<Vec<_>>());
        assert!(journal.health().is_ok());
        assert_eq!(journal.health().written, 50);
    }

    #[test]
    fn a_second_writer_is_refused_and_a_restart_begins_a_new_segment() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalOptions::default()).unwrap();
        let second = Journal::open(folder.path(), JournalOptions::default());
        assert!(matches!(second, Err(JournalError::Locked { .. })));
        journal.append(&samples::event(0)).unwrap();
        drop(journal);
        let options = JournalOptions { after_segment: 40, ..Default::default() };
        let journal = Journal::open(folder.path(), options).unwrap();
        journal.append(&samples::event(1)).unwrap();
        assert_eq!(journal.health().end.segment, 41);
        assert_eq!(read_numbers(folder.path()), [0, 1]);
    }

    #[test]
    fn files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("a/journal");
        let journal = Journal::open(&folder, JournalOptions::default()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&segment_path(&folder, journal.health().end.segment)), 0o600);
    }

    #[test]
    fn a_full_disk_keeps_events_in_memory_and_writes_them_in_order_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(1500));
        let journal = on_small_disk(folder.path(), &free, JournalOptions::default());
        let appended: Vec<Appended> =
            (0..10).map(|number| journal.append(&samples::event(number)).unwrap()).collect();
        let on_disk = appended.iter().filter(|place| matches!(place, Appended::Disk(_))).count();
        assert!((1..9).contains(&on_disk), "{on_disk}");
        let health = journal.health();
        assert_eq!((health.waiting, health.lost), (10 - on_disk, 0));
        assert!(!health.is_ok());
        assert!(health.failure.unwrap().contains("00000001.journal: append: "));
        // What is on disk is whole although the last write was cut short.
        assert_eq!(read_numbers(folder.path()), (0..on_disk as u64).collect::<Vec<_>>());

        journal.retry();
        assert_eq!(journal.health().waiting, 10 - on_disk);
        free.store(1 << 20, Ordering::Relaxed);
        journal.retry();
        journal.append(&samples::event(10)).unwrap();
        assert_eq!(read_numbers(folder.path()), (0..=10).collect::<Vec<_>>());
        let health = journal.health();
        assert_eq!((health.failure, health.waiting, health.waiting_bytes), (None, 0, 0));
    }

    #[test]
    fn a_batch_is_appended_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalOptions::default()).unwrap();
        let events: Vec<Event> = (0..100).map(samples::event).collect();
        journal.append_batch(&events[..60], true).unwrap();
        journal.append_batch(&[], true).unwrap();
        journal.append(&events[60]).unwrap();
        journal.append_batch(&events[61..], false).unwrap();
        assert_eq!(read_numbers(folder.path()), (0..100).collect::<Vec<_>>());
        assert_eq!(journal.health().written, 100);

        let folder = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(3000));
        let journal = on_small_disk(folder.path(), &free, JournalOptions::default());
        assert!(matches!(journal.append_batch(&events, false), Err(JournalError::Io { .. })));
        // Nothing waits, nothing is lost, and the gate's own events still find their way.
        assert_eq!((journal.health().waiting, journal.health().lost), (0, 0));
        journal.append(&events[0]).unwrap();
        assert_eq!(read_numbers(folder.path()), [0]);
        // While the gate's own wait for room, those of others do not go in front.
        free.store(0, Ordering::Relaxed);
        journal.append(&events[1]).unwrap();
        assert!(journal.append_batch(&events[2..3], false).is_err());
        free.store(1 << 20, Ordering::Relaxed);
        journal.append_batch(&events[2..3], false).unwrap();
        assert_eq!(read_numbers(folder.path()), [0, 1, 2]);
        // A sync that fails is told.
        assert!(
            journal.append_batch(&events[3..4], true).unwrap_err().to_string().ends_with("sync: no handle")
        );
    }

    #[test]
    fn beyond_the_memory_limit_events_are_lost_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(8));
        let record = encode_record(&samples::event(0)).unwrap().len();
        let options = JournalOptions { fallback_bytes: record * 2 + 10, ..Default::default() };
        let journal = on_small_disk(folder.path(), &free, options);
        assert_eq!(journal.append(&samples::event(0)).unwrap(), Appended::Memory);
        assert_eq!(journal.append(&samples::event(1)).unwrap(), Appended::Memory);
        assert!(matches!(journal.append(&samples::event(2)), Err(JournalError::Lost { .. })));
        free.store(1 << 20, Ordering::Relaxed);
        journal.append(&samples::event(3)).unwrap();
        assert_eq!(read_numbers(folder.path()), [0, 1, 3]);
        let health = journal.health();
        assert_eq!((health.lost, health.is_ok()), (1, false));
    }

    #[test]
    fn an_event_beyond_the_record_limit_loses_its_bodies_or_is_refused() {
        let body =
            event::Body { bytes: vec![b'a'; limits::MAX_RECORD_BYTES].into(), total: 1, truncated: false };
        let mut event = samples::event(0);
        let Evidence::Request(request) = &mut event.evidence else { panic!() };
        request.body = Some(body);
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalOptions::default()).unwrap();
        journal.append(&event).unwrap();
        let Step::Record(record) = JournalReader::new(folder.path(), Position::START).next_step().unwrap()
        else {
            panic!()
        };
        let body = record.event.request().unwrap().body.clone().unwrap();
        assert_eq!((body.bytes.len(), body.truncated), (0, true));

        let Evidence::Request(request) = &mut event.evidence else { panic!() };
        request.line = vec![b'a'; limits::MAX_RECORD_BYTES].into();
        assert!(matches!(journal.append(&event), Err(JournalError::TooLong { .. })));
        assert_eq!(journal.health().lost, 1);
    }

    #[test]
    fn many_threads_append_and_one_follows() {
        let folder = tempfile::tempdir().unwrap();
        let options = JournalOptions { segment_bytes: 20_000, ..Default::default() };
        let journal = Journal::open(folder.path(), options).unwrap();
        let mut seen = Vec::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let journal = &journal;
                scope.spawn(move || {
                    for number in 0..250 {
                        journal.append(&samples::event(thread * 250 + number)).unwrap();
                    }
                });
            }
            let mut reader = JournalReader::new(folder.path(), Position::START);
            while seen.len() < 1000 {
                match reader.next_step().unwrap() {
                    Step::Record(record) => seen.push(samples::number_of(&record.event)),
                    Step::Damaged(damage) => panic!("{damage}"),
                    Step::End => journal.wait_beyond(reader.position(), Duration::from_secs(10)),
                }
            }
        });
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    }
}
