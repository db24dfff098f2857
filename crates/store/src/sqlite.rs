//! Events in an SQLite file: the default store, without any set-up.
//!
//! One connection writes while others read (WAL). Two processes can open the file at the same time. A killed process
//! loses nothing (`synchronous = NORMAL`). A power cut may lose the newest transactions; the journal still has their
//! events, because its segments are deleted only after [`EventStore::sync`](crate::EventStore::sync).

mod connection;
mod facts;
mod incidents;
mod look;
mod payload;
mod places;
mod quota;
mod schema;
mod select;
mod tallies;
mod text_index;
mod write;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::{Event, EventId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::event_store::{
    Counted, EventQuery, EventStore, Ingested, Page, Query, Removed, Retention, Stats, StoreError, Traffic,
};
use crate::filter::Filter;
use crate::incident::{IncidentPage, IncidentQuery};
use crate::journal::{Position, Record};
use crate::limits::{MAX_PAGE, MAX_PAGE_BYTES, QUERY_BUDGET, TEND_GROUPS};
use crate::overview::{Overview, OverviewQuery};
use connection::{explain, open_reader, open_writer};
use look::Look;
use payload::{Packer, Unpacker};
use select::{first_id, last_id};
use write::{REMOVE_BATCH, insert, remove_oldest, remove_oldest_of};

pub use connection::move_aside;

/// The time for which a statement waits for another process before it fails with [`StoreError::Locked`]: the default of
/// [`SqliteStore::open`].
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    busy_timeout: Duration,
    /// The cost limit of one page of a query.
    budget: u64,
    /// The readers are declared before the writer so that they close first: the last connection to close removes the
    /// WAL, and only a writer can do that.
    readers: Mutex<Readers>,
    /// The writing connection; none in a store that only reads. The inner value is none while the file is not open:
    /// before its first use, and if the replacement of a damaged file failed to open.
    writer: Option<Mutex<Option<Connection>>>,
}

#[derive(Debug, Default)]
struct Readers {
    /// Device and inode of the file that the idle connections have open. Any process may replace the file
    /// ([`SqliteStore::start_over`]).
    file: Option<(u64, u64)>,
    idle: Vec<Connection>,
}

/// Number of idle connections that are kept. Each has its own page cache.
const IDLE_READERS: usize = 2;
impl SqliteStore {
    /// Opens the file. Creates it (mode 0600), with its tables, if it does not exist.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let store = Self::open_later(path, busy_timeout);
        *store.writer()? = Some(open_writer(path, busy_timeout)?);
        Ok(store)
    }

    /// Returns a store that opens the file on first use, and retries until it succeeds: for a disk that is still full.
    /// Otherwise like [`SqliteStore::open`].
    pub fn open_later(path: &Path, busy_timeout: Duration) -> Self {
        Self::new(path, busy_timeout, Some(Mutex::new(None)))
    }

    fn new(path: &Path, busy_timeout: Duration, writer: Option<Mutex<Option<Connection>>>) -> Self {
        let path = path.to_path_buf();
        Self { path, busy_timeout, budget: QUERY_BUDGET, writer, readers: Mutex::default() }
    }

    /// Opens the file as [`SqliteStore::open`] does, and moves a damaged file aside first. In that case it also returns
    /// the error and the new path of the damaged file.
    ///
    /// # Errors
    /// See [`StoreError`], except [`StoreError::Corrupt`].
    pub fn open_or_start_over(
        path: &Path,
        busy_timeout: Duration,
    ) -> Result<(Self, Option<(StoreError, PathBuf)>), StoreError> {
        match Self::open(path, busy_timeout) {
            Err(cause @ StoreError::Corrupt { .. }) => {
                let aside = move_aside(path)?;
                Ok((Self::open(path, busy_timeout)?, Some((cause, aside))))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Opens the file read-only, whether or not another process writes it.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Engine`] if the file does not exist.
    pub fn open_read_only(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let store = Self::new(path, busy_timeout, None);
        store
            .read("open", |connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0)))
            .and_then(|found| connection::check_version(path, found))?;
        Ok(store)
    }

    #[cfg(test)]
    pub(crate) fn set_budget(&mut self, budget: u64) {
        self.budget = budget;
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn writer(&self) -> Result<MutexGuard<'_, Option<Connection>>, StoreError> {
        let writer = self.writer.as_ref().ok_or_else(|| StoreError::Engine {
            path: self.path.clone(),
            doing: "write",
            what: "the store was opened for reading only".into(),
        })?;
        // SQLite rolled back any transaction that a panic left open when it was dropped.
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` on the writing connection.
    fn with_writer<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer()?;
        let connection = match &mut *writer {
            Some(connection) => connection,
            none => none.insert(open_writer(&self.path, self.busy_timeout)?),
        };
        work(connection).map_err(|error| explain(&self.path, doing, &error))
    }

    /// Runs `work` in a transaction: all of its changes are kept, or none.
    fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.with_writer(doing, |connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }

    fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let file = std::fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        let idle = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.file != file {
                readers.idle.clear();
                readers.file = file;
            }
            readers.idle.pop()
        };
        let run = || {
            let connection = match idle {
                Some(connection) => connection,
                None => open_reader(&self.path, self.busy_timeout)?,
            };
            let result = work(&connection)?;
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.file == file && readers.idle.len() < IDLE_READERS {
                readers.idle.push(connection);
            }
            Ok(result)
        };
        run().map_err(|error| explain(&self.path, doing, &error))
    }
}

impl Drop for SqliteStore {
    /// Removes the WAL even while others have the file open for reading. Somebody may copy or inspect the file while no
    /// daemon runs, and it must be complete without a WAL then.
    fn drop(&mut self) {
        let writer = self.writer.as_mut().and_then(|writer| writer.get_mut().ok()?.as_mut());
        if let Some(connection) = writer {
            // Best effort: a current reader keeps the WAL, and nothing is lost.
            let _waits_for_nobody = connection.busy_timeout(Duration::ZERO);
            let _kept = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached("SELECT value FROM numbers WHERE name = ?")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn add_to_number(connection: &Connection, name: &str, change: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO numbers VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2";
    connection.prepare_cached(sql)?.execute(params![name, change]).map(drop)
}

/// Returns the size of the used pages, in bytes.
fn bytes_in_use(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// Returns the time of an identifier, to the millisecond.
fn time_of(id: [u8; 16]) -> Timestamp {
    EventId::from_bytes(id).time()
}

fn read_event(json: &[u8]) -> rusqlite::Result<Event> {
    Event::from_json(json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

impl EventQuery for SqliteStore {
    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let limit = query.limit.min(MAX_PAGE);
        let found =
            self.read("query", |connection| Look::new(connection, query, limit + 1, self.budget)?.find())?;
        let mut events = found.events;
        if events.len() > limit || found.full {
            events.truncate(limit);
            let next = events.last().map(|event| event.id);
            return Ok(Page { events, next, searched_to: None });
        }
        let searched_to = found.unseen_before.map(time_of);
        Ok(Page { events, next: found.unseen_before.map(EventId::from_bytes), searched_to })
    }

    fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        if filter.conditions.is_empty() {
            return Ok(self.stats()?.events);
        }
        let query = Query::newest(filter.clone(), 0);
        self.read("count", |connection| Look::new(connection, &query, usize::MAX, u64::MAX)?.count())
    }

    fn count_some(&self, filter: &Filter, before: Option<EventId>) -> Result<Counted, StoreError> {
        let query = Query { before, ..Query::newest(filter.clone(), 0) };
        self.read("count", |connection| {
            if before.is_none()
                && let Some(count) = tallies::count(connection, filter)?
            {
                return Ok(Counted { count, next: None });
            }
            Look::new(connection, &query, usize::MAX, self.budget)?.count_some()
        })
    }

    fn overview(&self, query: &OverviewQuery) -> Result<Overview, StoreError> {
        self.read("overview", |connection| tallies::overview(connection, query, self.budget))
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, StoreError> {
        self.read("incidents", |connection| incidents::page(connection, query))
    }

    fn get(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.read("get", |connection| {
            let sql = "SELECT p.json FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.id = ?";
            let read = |row: &Row<'_>| read_event(Unpacker::default().json(row.get_ref(0)?)?);
            connection.prepare_cached(sql)?.query_row([id.to_bytes()], read).optional()
        })
    }

    fn tail(&self, since: Position, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.read("tail", |connection| {
            let mut statement = connection
                .prepare_cached("SELECT seq, json FROM payloads WHERE seq > ? ORDER BY seq LIMIT ?")?;
            let mut rows = statement.query(params![since.to_i64(), limit.min(MAX_PAGE)])?;
            let mut records = Vec::new();
            let mut unpacker = Unpacker::default();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                let json = unpacker.json(row.get_ref(1)?)?;
                bytes += json.len();
                let event = read_event(json)?;
                records.push(Record { end: Position::from_i64(row.get(0)?), event });
                if bytes > MAX_PAGE_BYTES {
                    break;
                }
            }
            Ok(records)
        })
    }

    fn end(&self) -> Result<Position, StoreError> {
        self.checkpoint()
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        self.read("stats", |connection| {
            let time = |order: &str| {
                let sql = format!("SELECT time FROM events ORDER BY id {order} LIMIT 1");
                let time: Option<i64> = connection.query_row(&sql, [], |row| row.get(0)).optional()?;
                Ok::<_, rusqlite::Error>(time.map(Timestamp::from_micros))
            };
            Ok(Stats {
                events: number(connection, "events")?.unsigned_abs(),
                bytes: bytes_in_use(connection)?,
                oldest: time("ASC")?,
                newest: time("DESC")?,
                removed: number(connection, "removed")?.unsigned_abs(),
                checkpoint: Position::from_i64(number(connection, "checkpoint")?),
            })
        })
    }
}

impl EventStore for SqliteStore {
    fn ingest(&self, records: &[Record], checkpoint: Position) -> Result<Ingested, StoreError> {
        self.write("ingest", |transaction| {
            let mut new = Vec::with_capacity(records.len());
            let mut quotas = quota::Changes::default();
            let mut packer = Packer::default();
            let mut facts = facts::NewRows::default();
            for record in records {
                if let Some(bytes) = insert(transaction, record, &mut packer)? {
                    new.push(&record.event);
                    quotas.add(&record.event, bytes, 1);
                    facts.add(transaction, &record.event)?;
                }
            }
            facts.flush(transaction)?;
            tallies::Deltas::of(new.iter().copied(), 1).apply(transaction)?;
            incidents::add(transaction, new.iter().copied())?;
            quotas.apply(transaction)?;
            let ingested = Ingested { new: new.len(), known: records.len() - new.len() };
            add_to_number(transaction, "events", i64::try_from(ingested.new).unwrap_or(i64::MAX))?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO numbers VALUES ('checkpoint', ?)")?
                .execute([checkpoint.to_i64()])?;
            Ok(ingested)
        })
    }

    fn checkpoint(&self) -> Result<Position, StoreError> {
        self.read("checkpoint", |connection| number(connection, "checkpoint").map(Position::from_i64))
    }

    fn known(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        self.read("get", |connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM events WHERE id = ?")?;
            ids.iter().map(|id| statement.exists([id.to_bytes()])).collect()
        })
    }

    fn has_same_origin(&self, id: EventId, since: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM events WHERE id BETWEEN ? AND ? AND substr(id, 7) = ?";
        let (first, last) = (first_id(since), last_id(until));
        self.read("get", |connection| {
            connection.prepare_cached(sql)?.exists(params![first, last, &id.to_bytes()[6..]])
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        // Copies the WAL into the file, unless readers prevent it, and syncs both; a busy WAL is at least synced.
        self.with_writer("sync", |connection| {
            connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))
        })
    }

    fn add_traffic(&self, requests: &[Traffic]) -> Result<(), StoreError> {
        self.write("add traffic", |transaction| tallies::add_traffic(transaction, requests))
    }

    fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        if let Some(age) = retention.max_age {
            let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp::from_micros(now.as_micros().saturating_sub(age));
            loop {
                let count = self
                    .write("retain", |transaction| remove_oldest(transaction, Some(before), REMOVE_BATCH))?;
                removed.by_age += count;
                if count < REMOVE_BATCH {
                    break;
                }
            }
            self.write("retain", |transaction| tallies::remove_traffic(transaction, before))?;
        }
        // A reading connection checks this after every batch, so that nothing is locked while there is room.
        let exceeds = |max_bytes: &u64| self.read("retain", bytes_in_use).map(|bytes| bytes > *max_bytes);
        if let Some(max_bytes) = retention.max_bytes
            && exceeds(&max_bytes)?
        {
            loop {
                let count = self.write("retain", |transaction| {
                    let bytes = bytes_in_use(transaction)?;
                    if bytes <= max_bytes {
                        return Ok(0);
                    }
                    if let Some((client, count)) =
                        quota::over_share(transaction, max_bytes, bytes - max_bytes)?
                    {
                        let removed = remove_oldest_of(transaction, client, count.min(REMOVE_BATCH))?;
                        if removed > 0 {
                            return Ok(removed);
                        }
                    }
                    // Deletes about as many events as exceed the limit, so that a small excess does not cost a whole
                    // batch.
                    let events = number(transaction, "events")?.unsigned_abs();
                    let excess = u128::from(events) * u128::from(bytes - max_bytes) / u128::from(bytes);
                    let excess = u64::try_from(excess).unwrap_or(u64::MAX);
                    remove_oldest(transaction, None, excess.clamp(1, REMOVE_BATCH))
                })?;
                removed.by_size += count;
                if count == 0 {
                    break;
                }
            }
        }
        removed.total = self.with_writer("retain", |connection| {
            if removed.by_age + removed.by_size > 0 {
                let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
            }
            Ok(number(connection, "removed")?.unsigned_abs())
        })?;
        Ok(removed)
    }

    fn tend(&self) -> Result<u64, StoreError> {
        // A reading connection checks this, so that nothing is locked while there is nothing to do.
        if self.read("index", text_index::missing)? < text_index::GROUP as u64 {
            return Ok(0);
        }
        self.write("index", |transaction| {
            text_index::extend(transaction, TEND_GROUPS)?;
            let missing = text_index::missing(transaction)?;
            Ok(missing - missing % text_index::GROUP as u64)
        })
    }

    fn start_over(&self) -> Result<PathBuf, StoreError> {
        let mut writer = self.writer()?;
        // The connections must be closed before their files move.
        *writer = None;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).idle.clear();
        let aside = move_aside(&self.path)?;
        *writer = Some(open_writer(&self.path, self.busy_timeout)?);
        Ok(aside)
    }
}

#[cfg(test)]
mod tests;
