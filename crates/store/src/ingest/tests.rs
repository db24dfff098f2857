use std::sync::mpsc;

use event::EventId;

use super::*;
use crate::event_store::{EventQuery, Query};
use crate::filter::Filter;
use crate::journal::{JournalOptions, Position};
use crate::reader::EventReader;
use crate::samples;
use crate::sqlite::SqliteStore;
use crate::{database_path, journal_folder};

struct Fixture {
    data_dir: tempfile::TempDir,
    journal: Arc<Journal>,
    store: Arc<SqliteStore>,
}

impl Fixture {
    fn new(segment_bytes: u64) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let options = JournalOptions { segment_bytes, ..Default::default() };
        let journal = Journal::open(&journal_folder(data_dir.path()), options).unwrap();
        let store = SqliteStore::open(&database_path(data_dir.path()), Duration::ZERO).unwrap();
        Self { data_dir, journal: Arc::new(journal), store: Arc::new(store) }
    }

    fn append(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.journal.append(&samples::event(number)).unwrap();
        }
    }

    fn ingest(&self) -> Ingest {
        Ingest::new(self.journal.folder(), self.store.clone()).unwrap()
    }

    fn segments(&self) -> usize {
        let entries = std::fs::read_dir(self.journal.folder()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count()
    }
}

fn silent(notice: IngestNotice) {
    panic!("{notice}");
}

fn numbers(query: &dyn EventQuery) -> Vec<u64> {
    let page = query.query(&Query::newest(Filter::default(), 1000)).unwrap();
    page.events.iter().rev().map(samples::number_of).collect()
}

#[test]
fn ingests_once_across_restarts_and_deletes_what_is_done() {
    let fixture = Fixture::new(2000);
    fixture.append(0..50);
    let before = fixture.segments();
    assert!(before > 5);
    assert_eq!(fixture.ingest().catch_up(&mut silent).unwrap(), 50);
    assert_eq!(fixture.segments(), 1);
    fixture.append(50..60);
    // A new ingester continues at the former one's checkpoint.
    assert_eq!(fixture.ingest().catch_up(&mut silent).unwrap(), 10);
    assert_eq!(fixture.ingest().catch_up(&mut silent).unwrap(), 0);
    assert_eq!(numbers(&*fixture.store), (0..60).collect::<Vec<_>>());
}

#[test]
fn a_crash_before_the_segments_are_deleted_doubles_nothing() {
    let fixture = Fixture::new(2000);
    fixture.append(0..30);
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture.journal.folder()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    fixture.ingest().catch_up(&mut silent).unwrap();
    let mut again = Ingest::new(copy.path(), fixture.store.clone()).unwrap();
    assert_eq!(again.catch_up(&mut silent).unwrap(), 0);
    // A store that lost its checkpoint stores no duplicates either.
    fixture.store.ingest(&[], Position::START).unwrap();
    for entry in std::fs::read_dir(copy.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, fixture.journal.folder().join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(fixture.ingest().catch_up(&mut silent).unwrap(), 0);
    assert_eq!(fixture.store.count(&Filter::default()).unwrap(), 30);
}

#[test]
fn damage_in_the_journal_is_told_and_passed() {
    let fixture = Fixture::new(1 << 20);
    fixture.append(0..10);
    let path = fixture.journal.folder().join("00000001.journal");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&path, &bytes).unwrap();
    let mut told = Vec::new();
    let mut ingest = fixture.ingest();
    ingest.catch_up(&mut |notice| told.push(notice.to_string())).unwrap();
    assert_eq!(ingest.ingested, 9);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("00000001.journal: a record has a wrong checksum at byte "), "{told:?}");
}

#[test]
fn a_locked_store_loses_nothing() {
    let fixture = Fixture::new(2000);
    fixture.append(0..20);
    let before = fixture.segments();
    let mut ingest = fixture.ingest();
    let other = rusqlite::Connection::open(fixture.store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..3 {
        assert!(matches!(ingest.catch_up(&mut silent), Err(StoreError::Locked { .. })));
    }
    assert_eq!(fixture.segments(), before);
    // In the meantime every reader still sees every event.
    let reader = EventReader::open(fixture.data_dir.path()).unwrap();
    assert_eq!(numbers(&reader), (0..20).collect::<Vec<_>>());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ingest.catch_up(&mut silent).unwrap(), 20);
    assert_eq!(numbers(&*fixture.store), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_damaged_store_is_kept_aside_and_the_journal_fills_a_new_one() {
    let fixture = Fixture::new(1 << 20);
    fixture.append(0..20);
    fixture.ingest().catch_up(&mut silent).unwrap();
    fixture.append(20..25);
    let Fixture { data_dir, journal, store } = fixture;
    let path = database_path(data_dir.path());
    drop(store);
    // The file keeps its header; all other bytes are noise.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let store = SqliteStore::open_or_start_over(&path, Duration::ZERO);
    let (store, moved) = store.unwrap();
    let (cause, aside) = moved.unwrap();
    assert!(matches!(cause, StoreError::Corrupt { .. }), "{cause}");
    assert_eq!(std::fs::read(&aside).unwrap(), bytes);
    let store = Arc::new(store);
    let mut ingest = Ingest::new(journal.folder(), store.clone()).unwrap();
    assert_eq!(ingest.catch_up(&mut silent).unwrap(), 25);
    assert_eq!(numbers(&*store), (0..25).collect::<Vec<_>>());
}

/// A store that reports damage until it is started over.
struct Failing {
    store: Arc<SqliteStore>,
    failures: Mutex<Vec<StoreError>>,
}

impl EventQuery for Failing {
    fn query(&self, query: &Query) -> Result<crate::Page, StoreError> {
        self.store.query(query)
    }

    fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.store.count(filter)
    }

    fn count_some(&self, filter: &Filter, before: Option<EventId>) -> Result<crate::Counted, StoreError> {
        self.store.count_some(filter, before)
    }

    fn overview(&self, query: &crate::OverviewQuery) -> Result<crate::Overview, StoreError> {
        self.store.overview(query)
    }

    fn incidents(&self, query: &crate::IncidentQuery) -> Result<crate::IncidentPage, StoreError> {
        self.store.incidents(query)
    }

    fn get(&self, id: EventId) -> Result<Option<event::Event>, StoreError> {
        self.store.get(id)
    }

    fn tail(&self, since: Position, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.store.tail(since, limit)
    }

    fn end(&self) -> Result<Position, StoreError> {
        self.store.end()
    }

    fn stats(&self) -> Result<crate::Stats, StoreError> {
        self.store.stats()
    }
}

impl EventStore for Failing {
    fn ingest(&self, records: &[Record], checkpoint: Position) -> Result<crate::Ingested, StoreError> {
        match self.failures.lock().unwrap().pop() {
            Some(error) => Err(error),
            None => self.store.ingest(records, checkpoint),
        }
    }

    fn checkpoint(&self) -> Result<Position, StoreError> {
        self.store.checkpoint()
    }

    fn known(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        self.store.known(ids)
    }

    fn has_same_origin(&self, id: EventId, since: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        self.store.has_same_origin(id, since, until)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn add_traffic(&self, requests: &[crate::Traffic]) -> Result<(), StoreError> {
        self.store.add_traffic(requests)
    }

    fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Removed, StoreError> {
        self.store.retain(retention, now)
    }

    fn start_over(&self) -> Result<PathBuf, StoreError> {
        self.store.start_over()
    }
}

#[test]
fn damage_met_while_ingesting_starts_over_with_what_the_journal_has() {
    let fixture = Fixture::new(1 << 20);
    fixture.append(0..20);
    fixture.ingest().catch_up(&mut silent).unwrap();
    fixture.append(20..30);
    let corrupt = StoreError::Corrupt { path: "x".into(), what: "malformed".into() };
    let failing = Failing { store: fixture.store.clone(), failures: Mutex::new(vec![corrupt]) };
    let mut told = Vec::new();
    let mut ingest = Ingest::new(fixture.journal.folder(), Arc::new(failing)).unwrap();
    ingest.catch_up(&mut |notice| told.push(notice)).unwrap();
    let [IngestNotice::StartedOver { aside, .. }] = &told[..] else { panic!("{told:?}") };
    let former = SqliteStore::open(aside, Duration::ZERO).unwrap();
    assert_eq!(numbers(&former), (0..20).collect::<Vec<_>>());
    assert_eq!(numbers(&*fixture.store), (0..30).collect::<Vec<_>>());
}

#[test]
fn the_thread_ingests_as_events_come_reports_failures_once_and_stops_when_told() {
    let fixture = Fixture::new(1 << 20);
    let full = || StoreError::Full { path: "x".into() };
    let failing = Failing { store: fixture.store.clone(), failures: Mutex::new(vec![full(), full()]) };
    let (sender, notices) = mpsc::channel();
    let notify = move |notice: IngestNotice| sender.send(notice.to_string()).unwrap();
    fixture.append(0..5);
    let ingester =
        Ingester::start(fixture.journal.clone(), Arc::new(failing), Retention::default(), notify).unwrap();
    let next = || notices.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(next(), "cannot write to the store; the journal keeps the events: x: the disk is full");
    assert_eq!(next(), "writing to the store again");
    fixture.append(5..10);
    ingester.stop();
    assert_eq!(numbers(&*fixture.store), (0..10).collect::<Vec<_>>());
    assert!(notices.try_recv().is_err());
}

#[test]
fn the_thread_keeps_the_retention() {
    let fixture = Fixture::new(1 << 20);
    // The time of the samples is in another year than the clock's.
    fixture.append(0..5);
    let mut event = samples::event(5);
    event.time = Timestamp::MIN;
    event.id = EventId::derived(event.time, "n", "old");
    fixture.journal.append(&event).unwrap();
    let (sender, notices) = mpsc::channel();
    let notify = move |notice: IngestNotice| sender.send(notice.to_string()).unwrap();
    let retention = Retention { max_age: Some(Duration::from_secs(20 * 365 * 86_400)), max_bytes: None };
    let ingester =
        Ingester::start(fixture.journal.clone(), fixture.store.clone(), retention, notify).unwrap();
    let notice = notices.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(notice, "removed 1 events by age and 0 by size, 1 since the store was created");
    assert_eq!(ingester.health().removed, 1);
    ingester.stop();
    assert_eq!(numbers(&*fixture.store), (0..5).collect::<Vec<_>>());
}

#[test]
fn the_thread_fills_the_indices_and_tells_when_they_are_far_behind() {
    let fixture = Fixture::new(1 << 20);
    let records: Vec<Record> = (0..12_000)
        .map(|number| Record {
            end: Position { segment: 1, offset: 8 + number },
            event: samples::event(number),
        })
        .collect();
    fixture.store.ingest(&records, Position::START).unwrap();
    fixture.append(20_000..20_005);
    let (sender, notices) = mpsc::channel();
    let notify = move |notice: IngestNotice| sender.send(notice.to_string()).unwrap();
    let ingester =
        Ingester::start(fixture.journal.clone(), fixture.store.clone(), Retention::default(), notify)
            .unwrap();
    let next = || notices.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(next(), "building the store's indices: 11488 events remain");
    let last = std::iter::repeat_with(next).find(|notice| !notice.contains("building"));
    assert_eq!(last.unwrap(), "the store's indices are complete");
    assert_eq!(ingester.health().unindexed, 0);
    assert_eq!(ingester.health().ingested, 5);
    ingester.stop();
}

#[test]
fn f22_the_size_is_kept_while_a_burst_is_ingested() {
    let fixture = Fixture::new(1 << 20);
    fixture.append(0..4000);
    let whole = {
        let other = Fixture::new(1 << 20);
        other.append(0..4000);
        other.ingest().catch_up(&mut silent).unwrap();
        other.store.stats().unwrap().bytes
    };
    let limit = whole / 4;
    let mut ingest = fixture.ingest();
    ingest.keep_below(Some(limit));
    assert_eq!(ingest.catch_up(&mut silent).unwrap(), 4000);
    let stats = fixture.store.stats().unwrap();
    assert!(stats.bytes <= limit, "{} of {limit}", stats.bytes);
    // The file has never been much larger either: at most by a batch and by pages not returned yet.
    let file = std::fs::metadata(fixture.store.path()).unwrap().len();
    assert!(file < limit * 2, "{file} of {limit}");
    let removed = ingest.take_removed().unwrap();
    assert_eq!(removed.by_size + stats.events, 4000);
    assert_eq!(removed.total, removed.by_size);
    assert_eq!(numbers(&*fixture.store).last(), Some(&3999), "the oldest go");
}
