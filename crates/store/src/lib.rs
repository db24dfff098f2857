//! Storage of events: the journal, the event store, and other state that outlives a restart.
//!
//! The gate appends an event to the [`journal`], with one write, before it answers. In the background the [`ingest`]er
//! moves the journal into a searchable [`EventStore`]: [`sqlite`] by default. [`reader`] reads both together, from any
//! process, whether or not the daemon runs. The crate is synchronous: threads and files, no async runtime.
//!
//! The crate does not define events (`event` does), and it does not decide which events are recorded.
//!
//! # Map
//!
//! - [`journal`]: append-only segments, their writer and their reader
//! - [`event_store`]: the traits of a store and their vocabulary
//! - [`filter`]: [`Filter`], conditions on events
//! - [`overview`]: counts by hour and day, and the most frequent values
//! - [`incident`]: groups of related events
//! - [`sqlite`]: the default store
//! - `contract`: the test suite of every store (feature `contract`)
//! - [`intake`]: events from other sensors, without duplicates
//! - [`ingest`]: moves events from the journal to the store, exactly once
//! - [`reader`]: reads store and journal together, for commands and the console
//! - [`collections`]: the rule engine's persistent collections
//! - [`findings`]: faults of journal and store
//! - [`logs`]: files in ModSecurity's formats
//! - [`limits`]: every limit of this crate
//!
//! ```
//! # use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
//! use std::sync::Arc;
//! use store::{EventQuery, EventReader, Filter, Ingest, Journal, JournalOptions, Query, SqliteStore};
//!
//! # let data_dir = tempfile::tempdir()?;
//! # let data_dir = data_dir.path();
//! # let now = Timestamp::from_micros(1);
//! # let event = Event::of_request(EventId::derived(now, "n", "1"), now, "n", Outcome::Passed, RequestEvidence::default());
//! let journal = Journal::open(&store::journal_folder(data_dir), JournalOptions::default())?;
//! journal.append(&event)?;
//!
//! // Another process finds it before it is ingested ...
//! let reader = EventReader::open(data_dir)?;
//! assert_eq!(reader.query(&Query::newest(Filter::default(), 10))?.events, [event]);
//!
//! // ... and after.
//! let sqlite = Arc::new(SqliteStore::open(&store::database_path(data_dir), store::sqlite::BUSY_TIMEOUT)?);
//! Ingest::new(journal.folder(), sqlite)?.catch_up(&mut |notice| eprintln!("{notice}"))?;
//! assert_eq!(reader.count(&Filter::default())?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod collections;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod event_store;
pub mod filter;
pub mod findings;
pub mod incident;
pub mod ingest;
pub mod intake;
pub mod journal;
pub mod limits;
pub mod logs;
#[cfg(test)]
mod memory;
mod newest;
pub mod overview;
pub mod reader;
#[cfg(any(test, feature = "contract"))]
pub mod samples;
pub mod sqlite;

use std::path::{Path, PathBuf};

pub use event_store::{
    Counted, EventQuery, EventStore, Ingested, Order, Page, Query, Removed, Retention, Stats, StoreError,
    Traffic,
};
pub use files::{regular_file, replace_file};
pub use filter::{Condition, ConditionError, Filter, Pattern, Test, ValuePattern};
pub use incident::{Incident, IncidentPage, IncidentQuery};
pub use ingest::{Ingest, IngestHealth, IngestNotice, Ingester};
pub use intake::{Accepted, Alias, Intake, IntakeError};
pub use journal::{Appended, Journal, JournalError, JournalHealth, JournalOptions, Position, Record};
pub use overview::{Overview, OverviewQuery, Step};
pub use reader::EventReader;
pub use sqlite::SqliteStore;

/// Returns the journal's folder in a data folder.
pub fn journal_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("journal")
}

/// Returns the path of the SQLite file with the events in a data folder.
pub fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join("events.db")
}

/// Returns the path of the file with the persistent collections in a data folder.
pub fn collections_path(data_dir: &Path) -> PathBuf {
    data_dir.join("collections.json")
}
