//! What every store of events can do.

use std::path::PathBuf;
use std::time::Duration;

use event::{Event, EventId, Timestamp};

use crate::filter::Filter;
use crate::incident::{IncidentPage, IncidentQuery};
use crate::journal::{JournalError, Position, Record};
use crate::overview::{Overview, OverviewQuery};

/// Asking a store. Shared between threads.
pub trait EventQuery: Send + Sync {
    /// The newest events that pass the filter, newest first. The order is that of the identifiers, which is that of time to
    /// the millisecond. It does not take long: where events that pass are rare and no index knows them, the page ends before
    /// it is full and says how far the search has come ([`Page::searched_to`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    fn query(&self, query: &Query) -> Result<Page, StoreError>;

    /// How many events pass the filter.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn count(&self, filter: &Filter) -> Result<u64, StoreError>;

    /// How many events pass the filter, counted from the newest on, or from `before` on, as far as it does not take long.
    /// Whoever wants to know all goes on with [`Counted::next`] and adds up.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn count_some(&self, filter: &Filter, before: Option<EventId>) -> Result<Counted, StoreError>;

    /// Counts by hour or by day, and what is most frequent: the same as a [`crate::overview::Tally`] of all events that pass. It
    /// does not take long: where the filter tests more than sites, the newest events are looked at as far as it goes
    /// ([`Overview::counted_to`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    fn overview(&self, query: &OverviewQuery) -> Result<Overview, StoreError>;

    /// Events that belong together, as [`crate::incident`] tells, the newest incident first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, StoreError>;

    /// The event of this identifier.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn get(&self, id: EventId) -> Result<Option<Event>, StoreError>;

    /// Up to `limit` events that came in after `since`, in the order of their coming; fewer where they are large
    /// ([`crate::limits::MAX_PAGE_BYTES`]). There are no more where there are none.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn tail(&self, since: Position, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// The position of the newest event: `since` for a tail of what is yet to come.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end(&self) -> Result<Position, StoreError>;

    /// Numbers about the store.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn stats(&self) -> Result<Stats, StoreError>;
}

/// Filling a store and emptying it. One thread does so.
pub trait EventStore: EventQuery {
    /// Stores the records and notes that the journal is ingested up to `checkpoint`: both or neither. An event whose
    /// identifier is already there is left as it is.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing has changed.
    fn ingest(&self, records: &[Record], checkpoint: Position) -> Result<Ingested, StoreError>;

    /// Up to where the journal is ingested; [`Position::START`] for a new store.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn checkpoint(&self) -> Result<Position, StoreError>;

    /// Returns when what has been ingested survives a power cut.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn sync(&self) -> Result<(), StoreError>;

    /// Adds requests of an hour (hours since 1970) and site, with those of which there is no event. They go with the
    /// retention by age.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing was added.
    fn add_traffic(&self, requests: &[Traffic]) -> Result<(), StoreError>;

    /// Does a piece of the work that can wait, such as filling an index behind the ingest: a short one, so that events can be
    /// ingested between. Returns how many events it is behind; 0 where there is nothing to do.
    ///
    /// # Errors
    /// See [`StoreError`]; then that piece is still to do.
    fn tend(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Deletes the oldest events, as far as the retention demands at the time `now`.
    ///
    /// # Errors
    /// See [`StoreError`]; what was deleted until then stays deleted.
    fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Removed, StoreError>;

    /// Moves a damaged store aside and starts an empty one in its place. Returns where the damaged one is.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn start_over(&self) -> Result<PathBuf, StoreError>;
}

/// What to look for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which events.
    pub filter: Filter,
    /// Only events that are older than this one: `next` of the page before.
    pub before: Option<EventId>,
    /// How many; at most [`crate::limits::MAX_PAGE`], a larger number is cut to it. Fewer where they are large
    /// ([`crate::limits::MAX_PAGE_BYTES`]).
    pub limit: usize,
}

impl Query {
    /// The newest `limit` events that pass the filter.
    pub fn newest(filter: Filter, limit: usize) -> Self {
        Self { filter, before: None, limit }
    }
}

/// Some of the events that were looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events, newest first.
    pub events: Vec<Event>,
    /// Where the next page begins (`before` of its query); none where there is no further event.
    pub next: Option<EventId>,
    /// Where the search was ended before it had found as many as it was asked for: all events of this time or later were looked
    /// at, and the next page goes on.
    pub searched_to: Option<Timestamp>,
}

/// A part of a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events that pass, of those looked at.
    pub count: u64,
    /// Where to go on (`before`); none where all were looked at.
    pub next: Option<EventId>,
}

impl Counted {
    /// How far it came: all events of this time or later are counted. None: all are.
    pub fn searched_to(&self) -> Option<Timestamp> {
        self.next.map(EventId::time)
    }
}

/// Requests that a site got in an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Hours since 1970.
    pub hour: i64,
    /// Name of the site.
    pub site: String,
    /// How many.
    pub requests: u64,
}

/// What became of ingested records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// New events.
    pub new: usize,
    /// Events that were there already.
    pub known: usize,
}

/// How long events are kept. The oldest go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Events older than this go. None: any age may stay.
    pub max_age: Option<Duration>,
    /// While the store is larger than this many bytes, events go: first the oldest of a client that takes more than its share
    /// ([`crate::limits::CLIENT_SHARE`]), then the oldest of all. None: any size.
    pub max_bytes: Option<u64>,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Events that were too old.
    pub by_age: u64,
    /// Events for which there was no room.
    pub by_size: u64,
    /// All events that ever went from this store.
    pub total: u64,
}

/// Numbers about a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events that can be found.
    pub events: u64,
    /// Bytes that they use on disk.
    pub bytes: u64,
    /// Time of the oldest.
    pub oldest: Option<Timestamp>,
    /// Time of the newest.
    pub newest: Option<Timestamp>,
    /// All events that ever went by retention.
    pub removed: u64,
    /// Up to where the journal is ingested.
    pub checkpoint: Position,
}

/// Why a store did not do what it was asked. [`StoreError::Locked`] and [`StoreError::Full`] pass; try again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the store for longer than the busy timeout.
    #[error("{}: the store is locked by another process", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// No room on the disk.
    #[error("{}: the disk is full", path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// The store's file is damaged.
    #[error("{}: the store is damaged: {what}", path.display())]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What the engine says.
        what: String,
    },
    /// Written by a later version.
    #[error("{}: written by a newer monban (schema {found}, this one knows up to {known})", path.display())]
    NewerSchema {
        /// The store.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Written by a version before the first release.
    #[error(
        "{}: written by a monban before its first release (schema {found}, this one has {known}); move the file \
         away, and monban starts an empty store",
        path.display()
    )]
    OlderSchema {
        /// The store.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Anything else.
    #[error("{}: {doing}: {what}", path.display())]
    Engine {
        /// The store.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the engine says.
        what: String,
    },
    /// Reading the journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
