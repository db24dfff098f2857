//! The storage of events: the journal, the store behind it, and the components that fill them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use finding::Finding;

use store::sqlite::BUSY_TIMEOUT;
use store::{
    EventStore, IngestHealth, IngestNotice, Ingester, Intake, Journal, JournalError, JournalOptions,
    SqliteStore, StoreError,
};

use super::acknowledge::Acknowledge;
use crate::config::Host;
use crate::failure::Failure;

/// Time that a start waits for a command that has the lock of the data folder, which takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Pause between two tries to take the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Store and journal of a data folder, which only this process uses.
pub struct Storage {
    /// The store.
    pub store: Arc<dyn EventStore>,
    /// The journal.
    pub journal: Arc<Journal>,
    /// Accepts events of other sensors.
    pub intake: Arc<Intake>,
    /// Moves events from the journal to the store; none after it has stopped.
    ingester: Mutex<Option<Ingester>>,
    /// Findings that stay until the owner acknowledges them.
    pub acknowledge: Acknowledge,
}

impl Storage {
    /// Opens journal and store, and moves a damaged store aside. If the disk has no room to open the store, the journal
    /// keeps new events, and the store is opened once there is room.
    pub fn open(host: &Host) -> Result<Self, Failure> {
        let path = store::database_path(&host.data_dir);
        let opened =
            SqliteStore::open_or_start_over(&path, BUSY_TIMEOUT).and_then(|(store, started_over)| {
                if let Some((cause, aside)) = started_over {
                    tracing::error!("{cause}; moved aside to {} and started a new store", aside.display());
                }
                let after_segment = store.checkpoint()?.segment;
                Ok((store, after_segment))
            });
        let (store, after_segment) = match opened {
            Err(error @ StoreError::Full { .. }) => {
                tracing::error!("{error}: the journal keeps events until the disk has space");
                // The segment of the store's checkpoint is never deleted, so positions keep rising without it.
                (SqliteStore::open_later(&path, BUSY_TIMEOUT), 0)
            }
            opened => opened.map_err(in_store)?,
        };
        let options = JournalOptions { after_segment, ..JournalOptions::default() };
        let until = Instant::now() + LOCK_WAIT;
        let wait = || {
            std::thread::sleep(LOCK_PAUSE);
            Instant::now() < until
        };
        let journal = when_free(&store::journal_folder(&host.data_dir), &options, wait).map_err(|error| {
            Failure::environment(error.to_string(), "only one monban can run with one `data_dir`")
        })?;
        let journal = Arc::new(journal);
        let store: Arc<dyn EventStore> = Arc::new(store);
        Ok(Self {
            intake: Arc::new(Intake::new(Arc::clone(&journal), Arc::clone(&store))),
            ingester: Mutex::new(Some(ingest(&journal, &store, host)?)),
            acknowledge: Acknowledge::new(&host.data_dir, Arc::clone(&journal)),
            store,
            journal,
        })
    }

    /// Returns the findings of journal and store.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.journal.health().findings();
        findings.extend(self.acknowledge.findings());
        findings.extend(self.ingest_health().findings());
        findings
    }

    /// Returns the state of the ingest.
    pub fn ingest_health(&self) -> IngestHealth {
        let ingester = self.ingester.lock().unwrap_or_else(PoisonError::into_inner);
        ingester.as_ref().map(Ingester::health).unwrap_or_default()
    }

    /// Stops the ingest. The next start stores what the journal still holds.
    pub fn stop(&self) {
        let ingester = self.ingester.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ingester) = ingester {
            ingester.stop();
        }
    }
}

/// Opens the journal. Calls `wait` while another process has it open, and gives up when `wait` returns false.
fn when_free(
    folder: &Path,
    options: &JournalOptions,
    mut wait: impl FnMut() -> bool,
) -> Result<Journal, JournalError> {
    loop {
        match Journal::open(folder, options.clone()) {
            Err(JournalError::Locked { .. }) if wait() => {}
            opened => return opened,
        }
    }
}

/// Starts to move events from the journal to the store.
fn ingest(journal: &Arc<Journal>, store: &Arc<dyn EventStore>, host: &Host) -> std::io::Result<Ingester> {
    let log = |notice: IngestNotice| match notice {
        IngestNotice::Failing(_) | IngestNotice::Damaged(_) | IngestNotice::StartedOver { .. } => {
            tracing::error!("{notice}");
        }
        _ => tracing::info!("{notice}"),
    };
    Ingester::start(Arc::clone(journal), Arc::clone(store), host.retention.for_store(), log)
}

fn in_store(error: StoreError) -> Failure {
    let hint = match error {
        StoreError::Locked { .. } => "find the program that has it open: `fuser -v FILE`",
        StoreError::Full { .. } => "free space on the disk of `data_dir`",
        _ => "check the disk and the permissions of `data_dir`",
    };
    Failure::environment(error.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_waits_for_a_command_that_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |wait: &mut dyn FnMut() -> bool| when_free(folder.path(), &JournalOptions::default(), wait);
        let mut command = Some(open(&mut || false).unwrap());
        let mut waits = 0;
        assert!(matches!(open(&mut || false), Err(JournalError::Locked { .. })));
        let opened = open(&mut || {
            waits += 1;
            if waits == 3 {
                command = None;
            }
            true
        });
        assert!(opened.is_ok() && waits == 3);
    }
}
