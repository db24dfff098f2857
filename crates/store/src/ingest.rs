//! Moves events from the journal to the store, exactly once.
//!
//! The store holds the position up to which the journal is ingested, and updates it in the same transaction as the
//! events. A segment is deleted once all of it is ingested and the store has synced. So a crash at any point neither
//! loses nor duplicates an event. While the store cannot accept events (locked, disk full), the journal keeps them and
//! the ingester retries. A damaged store is moved aside and kept, and a new one is filled with the events still in the
//! journal.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use event::Timestamp;

use crate::event_store::{EventStore, Removed, Retention, StoreError};
use crate::journal::{Damage, Journal, JournalReader, Position, Record, Step, delete_segments_before};
use crate::limits::{INGEST_BATCH, INGEST_BATCH_BYTES};

/// The time for which the idle ingester sleeps; an append wakes it.
const IDLE: Duration = Duration::from_secs(1);
/// The time for which the ingester waits before it retries a failing store.
const RETRY: Duration = Duration::from_secs(1);
/// Number of events by which the indices may lag before the ingester reports it.
const NOTABLE: u64 = 10_000;
/// The interval between two such reports.
const INDEXING_INTERVAL: Duration = Duration::from_secs(30);
/// The interval between two runs of the retention.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// A notice for the operator.
#[derive(Debug)]
pub enum IngestNotice {
    /// A range of the journal holds no event.
    Damaged(Damage),
    /// A damaged store was moved aside and a new one was created.
    StartedOver {
        /// The damage.
        cause: StoreError,
        /// The new path of the damaged store.
        aside: PathBuf,
    },
    /// The store accepts no events for now. The ingester reports this once, until the store accepts events again.
    Failing(StoreError),
    /// The store accepts events again.
    Recovered,
    /// Retention deleted events.
    Removed(Removed),
    /// The store's indices lag by this many events, for example after an update from a version without them. Until they
    /// catch up, text searches take longer. The ingester reports this at intervals.
    Indexing(u64),
    /// The indices have caught up.
    Indexed,
}

impl fmt::Display for IngestNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => write!(f, "the journal is damaged: {damage}"),
            Self::StartedOver { cause, aside } => {
                write!(f, "{cause}; moved aside to {} and started a new store", aside.display())
            }
            Self::Failing(error) => {
                write!(f, "cannot write to the store; the journal keeps the events: {error}")
            }
            Self::Recovered => f.write_str("writing to the store again"),
            Self::Indexing(left) => write!(f, "building the store's indices: {left} events remain"),
            Self::Indexed => f.write_str("the store's indices are complete"),
            Self::Removed(removed) => write!(
                f,
                "removed {} events by age and {} by size, {} since the store was created",
                removed.by_age, removed.by_size, removed.total
            ),
        }
    }
}

/// Ingests on the calling thread. [`Ingester`] does so in the background.
pub struct Ingest {
    folder: PathBuf,
    store: Arc<dyn EventStore>,
    reader: JournalReader,
    /// Records that are read but not yet in the store.
    batch: Vec<Record>,
    /// Everything before this position is in the store.
    checkpoint: Position,
    ingested: u64,
    damaged: u64,
    /// See [`Ingest::keep_below`].
    max_bytes: Option<u64>,
    /// Events deleted for the size limit, and the total ever deleted; none if no event was deleted.
    removed: Option<Removed>,
}

impl Ingest {
    /// Returns an ingest that continues at the store's checkpoint.
    ///
    /// # Errors
    /// Errors of reading the checkpoint, except that a damaged store is replaced.
    pub fn new(journal_folder: &Path, store: Arc<dyn EventStore>) -> Result<Self, StoreError> {
        let checkpoint = match store.checkpoint() {
            Err(StoreError::Corrupt { .. }) => Position::START,
            other => other?,
        };
        Ok(Self {
            folder: journal_folder.to_path_buf(),
            reader: JournalReader::new(journal_folder, checkpoint),
            store,
            batch: Vec::new(),
            checkpoint,
            ingested: 0,
            damaged: 0,
            max_bytes: None,
            removed: None,
        })
    }

    /// Sets the size limit of the store in bytes. After each batch, the store deletes its oldest events while it
    /// exceeds the limit, so that a burst or an import exceeds it by at most one batch. None: any size.
    pub fn keep_below(&mut self, max_bytes: Option<u64>) {
        self.max_bytes = max_bytes;
    }

    /// Returns the evictions since the last call.
    fn take_removed(&mut self) -> Option<Removed> {
        self.removed.take()
    }

    /// Returns the position up to which the journal is in the store.
    pub fn checkpoint(&self) -> Position {
        self.checkpoint
    }

    /// Ingests until the end of the journal. Returns the number of new events.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and the next call continues.
    pub fn catch_up(&mut self, notify: &mut dyn FnMut(IngestNotice)) -> Result<u64, StoreError> {
        let before = self.ingested;
        loop {
            let at_end = self.read_batch(notify)?;
            let started_over = self.store_batch(notify)?;
            if at_end && !started_over {
                return Ok(self.ingested - before);
            }
        }
    }

    /// Fills the batch. Returns whether the journal's end was reached.
    fn read_batch(&mut self, notify: &mut dyn FnMut(IngestNotice)) -> Result<bool, StoreError> {
        let mut bytes = 0;
        while self.batch.len() < INGEST_BATCH && bytes < INGEST_BATCH_BYTES {
            let from = self.reader.position();
            match self.reader.next_step()? {
                Step::Record(record) => {
                    bytes += record.end.offset.saturating_sub(from.offset);
                    self.batch.push(*record);
                }
                Step::Damaged(damage) => {
                    self.damaged += 1;
                    notify(IngestNotice::Damaged(damage));
                }
                Step::End => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Stores the batch. Returns whether a new store replaced a damaged one instead; the ingest then restarts at the
    /// journal's start.
    fn store_batch(&mut self, notify: &mut dyn FnMut(IngestNotice)) -> Result<bool, StoreError> {
        let position = self.reader.position();
        if position == self.checkpoint {
            return Ok(false);
        }
        match self.store.ingest(&self.batch, position) {
            Ok(ingested) => self.ingested += ingested.new as u64,
            Err(cause @ StoreError::Corrupt { .. }) => {
                let aside = self.store.start_over()?;
                notify(IngestNotice::StartedOver { cause, aside });
                self.reader = JournalReader::new(&self.folder, Position::START);
                self.batch.clear();
                self.checkpoint = Position::START;
                return Ok(true);
            }
            Err(other) => return Err(other),
        }
        self.batch.clear();
        let segment_done = position.segment > self.checkpoint.segment;
        self.checkpoint = position;
        if segment_done {
            self.store.sync()?;
            delete_segments_before(&self.folder, position)?;
        }
        if self.max_bytes.is_some() {
            let size = Retention { max_age: None, max_bytes: self.max_bytes };
            // without a maximum age the time does not matter
            let removed = self.store.retain(&size, Timestamp::MIN)?;
            if removed.by_size > 0 {
                let by_size = removed.by_size + self.removed.map_or(0, |before| before.by_size);
                self.removed = Some(Removed { by_size, ..removed });
            }
        }
        Ok(false)
    }
}

/// The state of the ingester, as `/healthz` reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestHealth {
    /// The reason why the store accepts no events; none in normal operation.
    pub failure: Option<String>,
    /// The position up to which the journal is in the store.
    pub checkpoint: Position,
    /// Number of new events in the store since the start.
    pub ingested: u64,
    /// Number of damaged ranges in the journal since the start.
    pub damaged: u64,
    /// Number of stores that were moved aside since the start.
    pub started_over: u64,
    /// Number of events that retention ever deleted.
    pub removed: u64,
    /// Number of events that are not in the store's indices yet.
    pub unindexed: u64,
}

/// A thread that ingests, applies the retention, and makes the journal write its waiting records.
pub struct Ingester {
    stop: Arc<AtomicBool>,
    health: Arc<Mutex<IngestHealth>>,
    thread: Option<JoinHandle<()>>,
}

impl Ingester {
    /// Starts the thread. It calls `notify` for each notice.
    ///
    /// # Errors
    /// Errors of starting a thread.
    pub fn start(
        journal: Arc<Journal>,
        store: Arc<dyn EventStore>,
        retention: Retention,
        notify: impl FnMut(IngestNotice) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let health = Arc::new(Mutex::new(IngestHealth::default()));
        let worker = Worker {
            journal,
            store,
            retention,
            notify: Box::new(notify),
            stop: Arc::clone(&stop),
            health: Arc::clone(&health),
            ingest: None,
            retained: None,
            told: None,
        };
        let thread = std::thread::Builder::new().name("ingest".into()).spawn(move || worker.run())?;
        Ok(Self { stop, health, thread: Some(thread) })
    }

    /// Returns the current state.
    pub fn health(&self) -> IngestHealth {
        lock(&self.health).clone()
    }

    /// Ingests the events already in the journal, then ends the thread. It gives up at the first failure: the journal
    /// keeps the rest.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was already printed; the journal keeps the events that it had not ingested.
            let _ended = thread.join();
        }
    }
}

impl Drop for Ingester {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(health: &Mutex<IngestHealth>) -> MutexGuard<'_, IngestHealth> {
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    journal: Arc<Journal>,
    store: Arc<dyn EventStore>,
    retention: Retention,
    notify: Box<dyn FnMut(IngestNotice) + Send>,
    stop: Arc<AtomicBool>,
    health: Arc<Mutex<IngestHealth>>,
    ingest: Option<Ingest>,
    retained: Option<Instant>,
    /// The time of the last report that the indices lag; none while they do not.
    told: Option<Instant>,
}

impl Worker {
    fn run(mut self) {
        loop {
            // The flag is read before the work, so that events appended before the stop are still ingested.
            let stopping = self.stop.load(Ordering::Relaxed);
            self.journal.retry();
            let result = self.round();
            let failing = self.note(result.err());
            if stopping {
                return;
            }
            if failing {
                std::thread::park_timeout(RETRY);
            } else if lock(&self.health).unindexed == 0 {
                let position =
                    self.ingest.as_ref().map_or(Position::START, |ingest| ingest.reader.position());
                self.wait(position);
            }
        }
    }

    /// Waits for an append, in short intervals so that it notices a stop soon.
    fn wait(&self, position: Position) {
        let until = Instant::now() + IDLE;
        while Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
            self.journal.wait_beyond(position, Duration::from_millis(100));
            if self.journal.health().end > position {
                return;
            }
        }
    }

    fn round(&mut self) -> Result<(), StoreError> {
        let ingest = match &mut self.ingest {
            Some(ingest) => ingest,
            empty => {
                let mut ingest = Ingest::new(self.journal.folder(), Arc::clone(&self.store))?;
                ingest.keep_below(self.retention.max_bytes);
                empty.insert(ingest)
            }
        };
        let (notify, health) = (&mut self.notify, &self.health);
        let mut tell = |notice: IngestNotice| {
            if let IngestNotice::StartedOver { .. } = &notice {
                lock(health).started_over += 1;
            }
            notify(notice);
        };
        ingest.catch_up(&mut tell)?;
        if self.retained.is_none_or(|at| at.elapsed() >= RETENTION_INTERVAL) {
            let mut removed = self.store.retain(&self.retention, Timestamp::from(SystemTime::now()))?;
            removed.by_size += ingest.take_removed().map_or(0, |removed| removed.by_size);
            self.retained = Some(Instant::now());
            lock(&self.health).removed = removed.total;
            if removed.by_age + removed.by_size > 0 {
                (self.notify)(IngestNotice::Removed(removed));
            }
        }
        self.tend()
    }

    /// Does a part of the deferred work; while more is left, the next round follows immediately.
    fn tend(&mut self) -> Result<(), StoreError> {
        let left = self.store.tend()?;
        lock(&self.health).unindexed = left;
        match self.told {
            None if left < NOTABLE => {}
            Some(_) if left == 0 => {
                self.told = None;
                (self.notify)(IngestNotice::Indexed);
            }
            Some(told) if told.elapsed() < INDEXING_INTERVAL => {}
            _ => {
                self.told = Some(Instant::now());
                (self.notify)(IngestNotice::Indexing(left));
            }
        }
        Ok(())
    }

    /// Updates the health and reports changes. Returns whether the store is failing.
    fn note(&mut self, error: Option<StoreError>) -> bool {
        let mut health = lock(&self.health);
        if let Some(ingest) = &self.ingest {
            health.checkpoint = ingest.checkpoint;
            health.ingested = ingest.ingested;
            health.damaged = ingest.damaged;
            if let Some(removed) = &ingest.removed {
                health.removed = removed.total;
            }
        }
        let was_failing = health.failure.is_some();
        health.failure = error.as_ref().map(ToString::to_string);
        drop(health);
        match error {
            Some(error) if !was_failing => {
                (self.notify)(IngestNotice::Failing(error));
                true
            }
            Some(_) => true,
            None => {
                if was_failing {
                    (self.notify)(IngestNotice::Recovered);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
