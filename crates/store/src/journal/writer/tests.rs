use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::disk::{Disk, SegmentFile, System};
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

/// Segments that together hold at most as many bytes as the counter allows, with a short write at the end as on a disk.
struct SmallDisk(Arc<AtomicU64>);

struct SmallFile {
    file: File,
    free: Arc<AtomicU64>,
    length: AtomicU64,
}

impl Disk for SmallDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Arc::new(SmallFile { file, free: Arc::clone(&self.0), length: AtomicU64::new(0) }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        System.open(path)
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl SegmentFile for SmallFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let free = self.free.load(Ordering::Relaxed);
        if free == 0 {
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        let written = self.file.append(&bytes[..bytes.len().min(free as usize)])?;
        self.free.fetch_sub(written as u64, Ordering::Relaxed);
        self.length.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.free.fetch_add(self.length.swap(length, Ordering::Relaxed) - length, Ordering::Relaxed);
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn on_small_disk(folder: &Path, free: &Arc<AtomicU64>, options: JournalOptions) -> Journal {
    Journal::open_on(Box::new(SmallDisk(Arc::clone(free))), folder, options).unwrap()
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
    // The records on disk are whole although the last write was short.
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
    // Nothing waits, nothing is lost, and the gate's own events are still appended.
    assert_eq!((journal.health().waiting, journal.health().lost), (0, 0));
    journal.append(&events[0]).unwrap();
    assert_eq!(read_numbers(folder.path()), [0]);
    // While the gate's own events wait for room, events from other sensors do not overtake them.
    free.store(0, Ordering::Relaxed);
    journal.append(&events[1]).unwrap();
    assert!(journal.append_batch(&events[2..3], false).is_err());
    free.store(1 << 20, Ordering::Relaxed);
    journal.append_batch(&events[2..3], false).unwrap();
    assert_eq!(read_numbers(folder.path()), [0, 1, 2]);
    journal.append_batch(&events[3..4], true).unwrap();
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
fn an_event_beyond_the_record_limit_is_cut_or_refused() {
    let body = event::Body {
        bytes: vec![b'a'; limits::MAX_RECORD_BYTES].into(),
        total: 1,
        truncated: false,
        ..Default::default()
    };
    let mut event = samples::event(0);
    let event::Evidence::Request(request) = &mut event.evidence else { panic!() };
    request.body = Some(body);
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), JournalOptions::default()).unwrap();
    journal.append(&event).unwrap();
    let Step::Record(record) = JournalReader::new(folder.path(), Position::START).next_step().unwrap() else {
        panic!()
    };
    let body = record.event.request().unwrap().body.clone().unwrap();
    assert_eq!((body.bytes.len(), body.truncated), (event::limits::KEPT_BODY_BYTES, true));

    event.node = "n".repeat(limits::MAX_RECORD_BYTES);
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

#[test]
fn f22_a_journal_opened_on_a_full_disk_waits_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (free, first) in [(0, 0), (5, 5)] {
        let free = Arc::new(AtomicU64::new(free));
        let options = JournalOptions { after_segment: 7 * first, ..Default::default() };
        let journal = on_small_disk(folder.path(), &free, options);
        let failure = journal.health().failure.unwrap();
        assert!(failure.contains(".journal: append: "), "{failure}");
        assert_eq!(journal.append(&samples::event(first)).unwrap(), Appended::Memory);
        journal.retry();
        assert_eq!((journal.health().waiting, journal.health().lost), (1, 0));
        assert!(matches!(journal.append_batch(&[samples::event(9)], true), Err(JournalError::Io { .. })));
        free.store(1 << 20, Ordering::Relaxed);
        journal.retry();
        journal.append(&samples::event(first + 1)).unwrap();
        let health = journal.health();
        assert_eq!((health.failure, health.waiting, health.end.segment), (None, 0, first * 7 + 1));
    }
    assert_eq!(read_numbers(folder.path()), [0, 1, 5, 6]);
    // The journal notices free room even without an event.
    let free = Arc::new(AtomicU64::new(0));
    let journal = on_small_disk(folder.path(), &free, JournalOptions::default());
    assert!(!journal.health().is_ok());
    free.store(100, Ordering::Relaxed);
    journal.retry();
    assert!(journal.health().is_ok());
}
