//! The interface that every event store implements.

use std::path::PathBuf;
use std::time::Duration;

use event::{Event, EventId, Timestamp};

use crate::filter::Filter;
use crate::incident::{IncidentPage, IncidentQuery};
use crate::journal::{JournalError, Position, Record};
use crate::overview::{Overview, OverviewQuery};

/// Read access to a store. Threads can share it.
pub trait EventQuery: Send + Sync {
    /// Returns the first events that pass the filter, in the query's order. Events are ordered by identifier, and thus by
    /// time to the millisecond. The time of a query is bounded: if few events pass and no index covers the filter, the page
    /// ends before it is full and reports how far the search got ([`Page::searched_to`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    fn query(&self, query: &Query) -> Result<Page, StoreError>;

    /// Counts the events that pass the filter.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn count(&self, filter: &Filter) -> Result<u64, StoreError>;

    /// Counts the events that pass the filter, from the newest or from `before` backwards, within a bounded time. For
    /// the full count, call it again with [`Counted::next`] and add up the results.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn count_some(&self, filter: &Filter, before: Option<EventId>) -> Result<Counted, StoreError>;

    /// Returns counts by hour or by day, and the most frequent values: the same as a [`crate::overview::Tally`] of all
    /// events that pass. The time of the call is bounded: if the filter tests more than sites, the store reads the
    /// newest events first and may stop early ([`Overview::counted_to`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    fn overview(&self, query: &OverviewQuery) -> Result<Overview, StoreError>;

    /// Returns groups of related events, as [`crate::incident`] defines them, the newest incident first.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, StoreError>;

    /// Returns the event with this identifier.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn get(&self, id: EventId) -> Result<Option<Event>, StoreError>;

    /// Returns up to `limit` events that arrived after `since`, in the order of arrival; fewer if they are large
    /// ([`crate::limits::MAX_PAGE_BYTES`]). An empty result means that no further event has arrived.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn tail(&self, since: Position, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Returns the position of the newest event: the `since` of a tail that starts with the next event.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn end(&self) -> Result<Position, StoreError>;

    /// Returns statistics about the store.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn stats(&self) -> Result<Stats, StoreError>;
}

/// Write access to a store. One thread uses it.
pub trait EventStore: EventQuery {
    /// Stores the records and the position `checkpoint` up to which the journal is ingested: both or neither. An event
    /// whose identifier is already stored stays unchanged.
    ///
    /// # Errors
    /// See [`StoreError`]; the store is unchanged then.
    fn ingest(&self, records: &[Record], checkpoint: Position) -> Result<Ingested, StoreError>;

    /// Returns the position up to which the journal is ingested; [`Position::START`] for a new store.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn checkpoint(&self) -> Result<Position, StoreError>;

    /// Returns for each identifier, in order, whether an event with it is stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn known(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError>;

    /// Returns whether an event with the node and origin of this derived identifier is stored within these times. May
    /// scan all events of that period.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn has_same_origin(&self, id: EventId, since: Timestamp, until: Timestamp) -> Result<bool, StoreError>;

    /// Returns once everything ingested survives a power cut.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn sync(&self) -> Result<(), StoreError>;

    /// Adds the requests of an hour (hours since 1970) and a site, including requests without an event. Retention by
    /// age removes them.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is added then.
    fn add_traffic(&self, requests: &[Traffic]) -> Result<(), StoreError>;

    /// Does a part of the deferred work, such as extending an index that lags behind the ingest. Each part is short, so
    /// that events can be ingested between two of them. Returns the number of events still to process; 0 if nothing is
    /// left to do.
    ///
    /// # Errors
    /// See [`StoreError`]; that part is still to be done then.
    fn tend(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Deletes the oldest events that exceed the retention at the time `now`.
    ///
    /// # Errors
    /// See [`StoreError`]; events already deleted stay deleted.
    fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Removed, StoreError>;

    /// Moves a damaged store aside and starts an empty one in its place. Returns the new path of the damaged store.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn start_over(&self) -> Result<PathBuf, StoreError>;
}

/// The order of a list of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By identifier, the highest first.
    #[default]
    NewestFirst,
    /// By identifier, the lowest first. No index of texts gives this order: a search for a text reads all events that
    /// pass the other conditions.
    OldestFirst,
}

impl Order {
    /// Returns a number that is higher for an event that comes earlier in the order.
    pub(crate) fn rank(self, id: EventId) -> u128 {
        let number = u128::from_be_bytes(id.to_bytes());
        match self {
            Self::NewestFirst => number,
            Self::OldestFirst => !number,
        }
    }
}

/// A search for events.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The events to find.
    pub filter: Filter,
    /// Returns only events that come after this one in the order: `next` of the previous page.
    pub before: Option<EventId>,
    /// The order of the events.
    pub order: Order,
    /// Number of events; at most [`crate::limits::MAX_PAGE`], and larger values are reduced to it. The page holds fewer
    /// events if they are large ([`crate::limits::MAX_PAGE_BYTES`]).
    pub limit: usize,
}

impl Query {
    /// Returns a query for the newest `limit` events that pass the filter.
    pub fn newest(filter: Filter, limit: usize) -> Self {
        Self { filter, before: None, order: Order::NewestFirst, limit }
    }

    /// Returns whether an event comes after `before` in the order.
    pub(crate) fn continues_at(&self, id: EventId) -> bool {
        self.before.is_none_or(|before| self.order.rank(id) < self.order.rank(before))
    }
}

/// One page of the events found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events, in the order of the query.
    pub events: Vec<Event>,
    /// The start of the next page (`before` of its query); none if there is no further event.
    pub next: Option<EventId>,
    /// Set if the search stopped before it found the requested number of events: it covered all events of this time and
    /// those before it in the order, and the next page continues.
    pub searched_to: Option<Timestamp>,
}

/// A partial count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Number of passing events among those examined.
    pub count: u64,
    /// The event to continue from (`before`); none if all events were examined.
    pub next: Option<EventId>,
}

impl Counted {
    /// Returns the time back to which all events are counted. None: all events are counted.
    pub fn searched_to(&self) -> Option<Timestamp> {
        self.next.map(EventId::time)
    }
}

/// The requests to a site in an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Hours since 1970.
    pub hour: i64,
    /// Name of the site.
    pub site: String,
    /// Number of requests.
    pub requests: u64,
}

/// The result of an ingest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Number of new events.
    pub new: usize,
    /// Number of events that were already stored.
    pub known: usize,
}

/// The limits on age and size of the stored events. The oldest events are deleted first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Events older than this are deleted. None: events of any age are kept.
    pub max_age: Option<Duration>,
    /// While the store is larger than this many bytes, it deletes events: first the oldest of a client that exceeds its
    /// share ([`crate::limits::CLIENT_SHARE`]), then the oldest of all. None: any size.
    pub max_bytes: Option<u64>,
}

/// The number of deleted events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Events deleted because of their age.
    pub by_age: u64,
    /// Events deleted because of the store's size.
    pub by_size: u64,
    /// All events ever deleted from this store.
    pub total: u64,
}

/// Statistics about a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of searchable events.
    pub events: u64,
    /// Bytes that the store uses on disk.
    pub bytes: u64,
    /// Time of the oldest event.
    pub oldest: Option<Timestamp>,
    /// Time of the newest event.
    pub newest: Option<Timestamp>,
    /// All events that retention ever deleted.
    pub removed: u64,
    /// The position up to which the journal is ingested.
    pub checkpoint: Position,
}

/// An error of a store. [`StoreError::Locked`] and [`StoreError::Full`] are temporary; try again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process locks the store for longer than the busy timeout.
    #[error("{}: the store is locked by another process", path.display())]
    Locked {
        /// Path of the store.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("{}: the disk is full", path.display())]
    Full {
        /// Path of the store.
        path: PathBuf,
    },
    /// The store's file is damaged.
    #[error("{}: the store is damaged: {what}", path.display())]
    Corrupt {
        /// Path of the store.
        path: PathBuf,
        /// The engine's message.
        what: String,
    },
    /// A later version wrote the store.
    #[error("{}: written by a newer monban (schema {found}, this one knows up to {known})", path.display())]
    NewerSchema {
        /// Path of the store.
        path: PathBuf,
        /// Schema version of the store.
        found: u32,
        /// Newest schema version that this version knows.
        known: u32,
    },
    /// A version before the first release wrote the store.
    #[error(
        "{}: written by a monban before its first release (schema {found}, this one has {known}); move the file \
         away, and monban starts an empty store",
        path.display()
    )]
    OlderSchema {
        /// Path of the store.
        path: PathBuf,
        /// Schema version of the store.
        found: u32,
        /// Schema version of this version.
        known: u32,
    },
    /// Any other error.
    #[error("{}: {doing}: {what}", path.display())]
    Engine {
        /// Path of the store.
        path: PathBuf,
        /// The operation that failed.
        doing: &'static str,
        /// The engine's message.
        what: String,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
