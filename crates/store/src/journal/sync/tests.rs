use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::super::disk::{Disk, SegmentFile, System};
use super::super::{JournalOptions, JournalReader, Step};
use super::*;
use crate::samples;

/// A disk that fails as Linux's page cache does: a failed sync drops the pending data, and the next sync reports no
/// error.
#[derive(Clone, Default)]
struct FailingDisk {
    /// Number of syncs that still fail.
    failures: Arc<AtomicU32>,
    files: Arc<Mutex<BTreeMap<PathBuf, Pages>>>,
    /// Receives a message when a sync starts; the sync ends after the answer.
    held: Arc<Mutex<Option<Held>>>,
}

type Held = (Sender<()>, Receiver<()>);

#[derive(Default)]
struct Pages {
    length: u64,
    dirty_from: u64,
    kept: Vec<(u64, u64)>,
}

struct FailingFile {
    disk: FailingDisk,
    path: PathBuf,
    file: Arc<dyn SegmentFile>,
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = System.create(path)?;
        self.files.lock().unwrap().insert(path.to_owned(), Pages::default());
        Ok(Arc::new(FailingFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = System.open(path)?;
        Ok(Arc::new(FailingFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl SegmentFile for FailingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.append(bytes)?;
        self.disk.files.lock().unwrap().get_mut(&self.path).unwrap().length += written as u64;
        Ok(written)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        if let Some((begun, go_on)) = &*self.disk.held.lock().unwrap() {
            begun.send(()).unwrap();
            go_on.recv().unwrap();
        }
        let mut files = self.disk.files.lock().unwrap();
        let pages = files.get_mut(&self.path).unwrap();
        let dirty = (pages.dirty_from, pages.length);
        pages.dirty_from = pages.length;
        let fails = |left: u32| left.checked_sub(1);
        if self.disk.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails).is_ok() {
            return Err(io::Error::other("input/output error"));
        }
        pages.kept.push(dirty);
        Ok(())
    }
}

impl FailingDisk {
    fn journal(&self, folder: &Path, segment_bytes: u64) -> Journal {
        let options = JournalOptions { segment_bytes, ..Default::default() };
        Journal::open_on(Box::new(self.clone()), folder, options).unwrap()
    }

    /// Returns the numbers of the events that would survive a power cut.
    fn kept(&self) -> Vec<u64> {
        let after = tempfile::tempdir().unwrap();
        for (path, pages) in &*self.files.lock().unwrap() {
            let whole = std::fs::read(path).unwrap();
            let mut left = vec![0; whole.len()];
            for (from, to) in &pages.kept {
                let range = *from as usize..*to as usize;
                left[range.clone()].copy_from_slice(&whole[range]);
            }
            std::fs::write(after.path().join(path.file_name().unwrap()), left).unwrap();
        }
        let mut reader = JournalReader::new(after.path(), Position::START);
        let mut numbers = Vec::new();
        loop {
            match reader.next_step().unwrap() {
                Step::Record(record) => numbers.push(samples::number_of(&record.event)),
                Step::Damaged(_) => {}
                Step::End => {
                    numbers.sort_unstable();
                    numbers.dedup();
                    return numbers;
                }
            }
        }
    }
}

fn append(journal: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        journal.append(&samples::event(number)).unwrap();
    }
}

#[test]
fn f22_a_failed_sync_is_not_forgotten_and_its_events_are_written_again() {
    // The records are in one segment, and then in several.
    for segment_bytes in [1 << 20, 2000] {
        let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::default());
        let journal = disk.journal(folder.path(), segment_bytes);
        append(&journal, 0..20);
        journal.sync().unwrap();
        assert_eq!(disk.kept(), (0..20).collect::<Vec<_>>());
        append(&journal, 20..40);
        disk.failures.store(1, Ordering::Relaxed);
        journal.sync().unwrap();
        assert_eq!(disk.kept(), (0..40).collect::<Vec<_>>(), "{segment_bytes}");
        let told = journal.health().sync_failure.unwrap();
        assert!(
            told.ends_with("sync: input/output error; its events were written again to a new file"),
            "{told}"
        );
        append(&journal, 40..60);
        journal.append_batch(&[samples::event(60)], true).unwrap();
        assert_eq!(disk.kept(), (0..=60).collect::<Vec<_>>());
        assert!(!journal.health().is_ok());
        journal.acknowledge_sync_failure();
        assert!(journal.health().is_ok());
    }
}

#[test]
fn f22_while_the_disk_keeps_nothing_no_sync_succeeds_and_no_copies_pile_up() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::default());
    let journal = disk.journal(folder.path(), 1 << 20);
    append(&journal, 0..50);
    disk.failures.store(u32::MAX, Ordering::Relaxed);
    assert!(journal.append_batch(&[samples::event(50)], true).is_err());
    for _ in 0..20 {
        // The first sync fails within the pause, the second after it.
        assert!(journal.sync().is_err());
        journal.syncing.lock().unwrap().failed = None;
        assert!(journal.sync().is_err());
    }
    journal.acknowledge_sync_failure();
    assert!(journal.health().sync_failure.is_some(), "not before its events are safe");
    append(&journal, 51..60);
    let bytes: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let once = std::fs::metadata(segment_path(folder.path(), 1)).unwrap().len();
    assert!(bytes < once * 2, "{bytes} bytes of {once}");
    disk.failures.store(0, Ordering::Relaxed);
    journal.syncing.lock().unwrap().failed = None;
    journal.sync().unwrap();
    assert_eq!(disk.kept(), (0..60).collect::<Vec<_>>());
}

#[test]
fn f22_a_sync_of_several_segments_keeps_them_all() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::default());
    let journal = disk.journal(folder.path(), 2000);
    append(&journal, 0..50);
    assert!(disk.kept().is_empty());
    journal.sync().unwrap();
    assert_eq!(disk.kept(), (0..50).collect::<Vec<_>>());
}

#[test]
fn f22_others_append_while_the_disk_syncs() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::default());
    let journal = disk.journal(folder.path(), 1 << 20);
    append(&journal, 0..1);
    let ((begun, begins), (goes_on, go_on)) = (channel(), channel());
    *disk.held.lock().unwrap() = Some((begun, go_on));
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| journal.sync());
        begins.recv().unwrap();
        // This would wait forever if the sync held the lock of appends.
        append(&journal, 1..10);
        goes_on.send(()).unwrap();
        syncing.join().unwrap().unwrap();
    });
    assert_eq!(journal.health().written, 10);
}

#[test]
fn f22_what_a_record_cannot_be_read_back_from_is_an_error() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FailingDisk::default());
    let journal = disk.journal(folder.path(), 1 << 20);
    append(&journal, 0..10);
    let path = segment_path(folder.path(), 1);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"XXXX", 100).unwrap();
    disk.failures.store(1, Ordering::Relaxed);
    let error = journal.sync().unwrap_err().to_string();
    assert!(error.contains("00000001.journal: read again: "), "{error}");
}
