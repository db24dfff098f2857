//! What keeps events: the journal, the store behind it, and those who read and fill them.

use std::sync::Arc;

use store::sqlite::BUSY_TIMEOUT;
use store::{EventReader, IngestNotice, Ingester, Intake, Journal, JournalOptions, SqliteStore, StoreError};

use crate::config::Config;
use crate::failure::Failure;

/// Store and journal of a data folder, which are this process's own.
pub(super) struct Storage {
    pub store: Arc<SqliteStore>,
    pub journal: Arc<Journal>,
    /// Both as one, to read.
    pub events: EventReader,
    /// For the events of others.
    pub intake: Arc<Intake>,
}

impl Storage {
    /// Opens them; a damaged store is moved aside. Where the disk has no room to open the store, the journal keeps what comes,
    /// and the store is opened when there is room.
    pub fn open(config: &Config) -> Result<Self, Failure> {
        let path = store::database_path(&config.data_dir);
        let opened =
            SqliteStore::open_or_start_over(&path, BUSY_TIMEOUT).and_then(|(store, started_over)| {
                if let Some((cause, aside)) = started_over {
                    tracing::error!("{cause}; moved aside to {} and started a new store", aside.display());
                }
                let after_segment = store.stored_checkpoint()?.segment;
                Ok((store, after_segment))
            });
        let (store, after_segment) = match opened {
            Err(error @ StoreError::Full { .. }) => {
                tracing::error!("{error}: the journal keeps events until there is room");
                // The segment of the store's checkpoint is never deleted, so positions go on rising without it.
                (SqliteStore::open_later(&path, BUSY_TIMEOUT), 0)
            }
            opened => opened.map_err(in_store)?,
        };
        let options = JournalOptions { after_segment, ..JournalOptions::default() };
        let journal = Journal::open(&store::journal_folder(&config.data_dir), options).map_err(|error| {
            Failure::environment(error.to_string(), "only one monban can run with one `data_dir`")
        })?;
        let journal = Arc::new(journal);
        let events = EventReader::open_later(&config.data_dir);
        let intake =
            Arc::new(Intake::new(Arc::clone(&journal), SqliteStore::read_later(&path, BUSY_TIMEOUT)));
        Ok(Self { store: Arc::new(store), journal, events, intake })
    }

    /// Begins to move events from the journal to the store.
    pub fn ingest(&self, config: &Config) -> std::io::Result<Arc<Ingester>> {
        let tell = |notice: IngestNotice| match notice {
            IngestNotice::Failing(_) | IngestNotice::Damaged(_) | IngestNotice::StartedOver { .. } => {
                tracing::error!("{notice}");
            }
            _ => tracing::info!("{notice}"),
        };
        let (journal, store) = (Arc::clone(&self.journal), Arc::<SqliteStore>::clone(&self.store));
        Ingester::start(journal, store, config.retention.for_store(), tell).map(Arc::new)
    }
}

fn in_store(error: StoreError) -> Failure {
    let hint = match error {
        StoreError::Locked { .. } => "which program has it open: `fuser -v FILE`",
        StoreError::Full { .. } => "make room on the disk of `data_dir`",
        _ => "the events are in `data_dir`",
    };
    Failure::environment(error.to_string(), hint)
}
