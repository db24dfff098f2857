//! Delivers imported events to the journal: through the daemon if it runs, because only one process can write the
//! journal, and directly otherwise.
//!
//! The daemon receives `{"command":"import"}` on its control socket and answers `{"ok":"ready"}`. Batches follow: the
//! length in four bytes (little-endian), and that many bytes of events, one JSON object a line. The daemon answers each
//! with `ok NEW KNOWN`, or with `error TEXT`, which ends the import. A batch of length 0 requests a disk sync.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use event::Event;
use store::sqlite::BUSY_TIMEOUT;
use store::{
    Accepted, EventStore, Ingester, Intake, IntakeError, Journal, JournalError, JournalOptions, SqliteStore,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::config::Config;
use crate::control::{self, Request};
use crate::data_folder;
use crate::failure::Failure;

/// Bytes of one batch; the daemon refuses a longer one. An event's JSON has at most 16 MiB.
pub const MAX_BATCH_BYTES: usize = 32 * 1024 * 1024;
/// The answer of a daemon that is ready for batches.
const READY: &str = r#"{"ok":"ready"}"#;
/// Time limit of the daemon for one batch.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Numbers of new and of already stored events in a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub new: u64,
    pub known: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.known += other.known;
    }
}

impl Counts {
    fn of(accepted: &[Accepted]) -> Self {
        let new = accepted.iter().filter(|accepted| **accepted == Accepted::New).count() as u64;
        Self { new, known: accepted.len() as u64 - new }
    }
}

/// The destination of imported events.
pub enum Destination {
    /// No daemon runs: this process writes the journal and fills the store.
    Here { intake: Box<Intake>, ingester: Ingester },
    /// The connection to a running daemon.
    Daemon(BufReader<UnixStream>),
}

impl Destination {
    /// Opens the destination: the journal, or the daemon if it has the journal open.
    pub fn open(config: &Config) -> Result<Self, Failure> {
        let in_data_dir = |error: &dyn std::fmt::Display| {
            Failure::environment(
                error.to_string(),
                "monban keeps events in `data_dir`; run the import as monban's user or as root",
            )
        };
        data_folder::prepare(&config.host.data_dir)?;
        let store = SqliteStore::open(&store::database_path(&config.host.data_dir), BUSY_TIMEOUT)
            .map_err(|error| in_data_dir(&error))?;
        let after_segment = store.checkpoint().map_err(|error| in_data_dir(&error))?.segment;
        let options = JournalOptions { after_segment, ..JournalOptions::default() };
        match Journal::open(&store::journal_folder(&config.host.data_dir), options) {
            Ok(journal) => {
                let journal = Arc::new(journal);
                let store = Arc::new(store);
                let intake = Box::new(Intake::new(Arc::clone(&journal), Arc::<SqliteStore>::clone(&store)));
                let ingester =
                    Ingester::start(journal, store, config.host.retention.for_store(), |notice| {
                        use store::IngestNotice::{Damaged, Failing, Recovered, StartedOver};
                        if matches!(notice, Damaged(_) | Failing(_) | Recovered | StartedOver { .. }) {
                            eprintln_notice(&notice);
                        }
                    })?;
                Ok(Self::Here { intake, ingester })
            }
            Err(JournalError::Locked { .. }) => connect(config).map(Self::Daemon),
            Err(error) => Err(in_data_dir(&error)),
        }
    }

    /// Delivers a batch of events. They are in the journal when this returns.
    pub fn deliver(&mut self, events: Vec<Event>) -> Result<Counts, Failure> {
        match self {
            Self::Here { intake, .. } => {
                intake.wait_for_room();
                accept(intake, events)
                    .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })
            }
            Self::Daemon(stream) => {
                let mut counts = Counts::default();
                let mut batch = Vec::new();
                for event in &events {
                    let json = event.to_json();
                    if !batch.is_empty() && batch.len() + json.len() >= MAX_BATCH_BYTES {
                        counts += send(stream, &batch)?;
                        batch.clear();
                    }
                    batch.extend_from_slice(json.as_bytes());
                    batch.push(b'\n');
                }
                if !batch.is_empty() {
                    counts += send(stream, &batch)?;
                }
                Ok(counts)
            }
        }
    }

    /// Ensures that the delivered events survive a power failure and, without a daemon, that they are in the store.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Here { intake, ingester } => {
                intake
                    .sync()
                    .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })?;
                ingester.stop();
            }
            Self::Daemon(mut stream) => drop(send(&mut stream, &[])?),
        }
        Ok(())
    }
}

fn eprintln_notice(notice: &store::IngestNotice) {
    // a closed standard error is not a failure
    let _ = writeln!(std::io::stderr(), "{notice}");
}

/// Stores events. An event that is too long for the journal even without its bodies is left out and not counted.
fn accept(intake: &Intake, events: Vec<Event>) -> Result<Counts, IntakeError> {
    match intake.accept(events.clone(), false) {
        Ok(accepted) => Ok(Counts::of(&accepted)),
        Err(IntakeError::Journal(JournalError::TooLong { id, .. })) => {
            let fitting: Vec<Event> = events.into_iter().filter(|event| event.id != id).collect();
            accept(intake, fitting)
        }
        Err(error) => Err(error),
    }
}

fn connect(config: &Config) -> Result<BufReader<UnixStream>, Failure> {
    let mut stream = control::connect(&config.host.data_dir, &Request::daemon("import"))?;
    stream.get_mut().set_read_timeout(Some(TIMEOUT))?;
    stream.get_mut().set_write_timeout(Some(TIMEOUT))?;
    let answer = line(&mut stream)?;
    if answer != READY {
        return Err(Failure::Refused {
            message: format!("the daemon refused the import: {answer}"),
            hint: Some("if the daemon has another version, restart it".to_owned()),
        });
    }
    Ok(stream)
}

fn send(stream: &mut BufReader<UnixStream>, batch: &[u8]) -> Result<Counts, Failure> {
    // the caller respects MAX_BATCH_BYTES
    let length = u32::try_from(batch.len()).unwrap_or(u32::MAX).to_le_bytes();
    let lost = |error: std::io::Error| {
        Failure::environment(
            format!("lost the connection to the daemon: {error}"),
            "repeat the import; it skips the events that are already stored",
        )
    };
    stream.get_mut().write_all(&length).map_err(lost)?;
    stream.get_mut().write_all(batch).map_err(lost)?;
    let answer = line(stream)?;
    let mut words = answer.strip_prefix("ok ").unwrap_or_default().split(' ').map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(new)), Some(Ok(known))) => Ok(Counts { new, known }),
        _ => Err(Failure::Refused {
            message: answer,
            hint: Some("repeat the import later; it skips the events that are already stored".to_owned()),
        }),
    }
}

fn line(stream: &mut BufReader<UnixStream>) -> Result<String, Failure> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.is_empty() {
        return Err(Failure::environment(
            "the daemon has closed the connection",
            "repeat the import; it skips the events that are already stored",
        ));
    }
    Ok(line.trim_end().to_owned())
}

/// Serves an import on the daemon's side, after `import` on the control socket.
pub async fn serve(mut stream: tokio::net::UnixStream, intake: Arc<Intake>) {
    // the client may be gone
    let _ = take_batches(&mut stream, &intake).await;
}

async fn take_batches(stream: &mut tokio::net::UnixStream, intake: &Arc<Intake>) -> std::io::Result<()> {
    stream.write_all(format!("{READY}\n").as_bytes()).await?;
    loop {
        let length = stream.read_u32_le().await? as usize;
        if length > MAX_BATCH_BYTES + event::limits::MAX_JSON_BYTES {
            return stream.write_all(b"error a batch that is too long\n").await;
        }
        let mut batch = vec![0; length];
        stream.read_exact(&mut batch).await?;
        let intake = Arc::clone(intake);
        let taken = tokio::task::spawn_blocking(move || take_batch(&intake, &batch)).await;
        let answer = match taken {
            Ok(Ok(Counts { new, known })) => format!("ok {new} {known}\n"),
            Ok(Err(error)) => return stream.write_all(format!("error {error}\n").as_bytes()).await,
            Err(error) => return stream.write_all(format!("error {error}\n").as_bytes()).await,
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

fn take_batch(intake: &Intake, batch: &[u8]) -> Result<Counts, String> {
    if batch.is_empty() {
        return intake.sync().map(|()| Counts::default()).map_err(|error| error.to_string());
    }
    let lines = batch.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events: Result<Vec<Event>, _> = lines.map(Event::from_json).collect();
    intake.wait_for_room();
    accept(intake, events.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}
