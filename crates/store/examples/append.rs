//! Appends numbered events to the journal of a data folder until it is killed. Prints each identifier once its event is
//! safe, which is when a gate answers its client. With `--ingest` a thread moves the events into the store in the
//! meantime.
//!
//!     cargo run -p store --example append -- DATA_DIR [--ingest]

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use event::{Event, Header, IdSource, MatchedRule, Outcome, RequestEvidence, Timestamp};
use store::sqlite::BUSY_TIMEOUT;
use store::{Appended, EventStore, Ingester, Journal, JournalOptions, Retention, SqliteStore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = PathBuf::from(arguments.next().ok_or("usage: append DATA_DIR [--ingest]")?);
    let ingest = arguments.next().is_some();

    let mut options = JournalOptions { segment_bytes: 64 * 1024, ..Default::default() };
    let mut store = None;
    if ingest {
        let opened = SqliteStore::open(&store::database_path(&data_dir), BUSY_TIMEOUT)?;
        options.after_segment = opened.checkpoint()?.segment;
        store = Some(Arc::new(opened));
    }
    let journal = Arc::new(Journal::open(&store::journal_folder(&data_dir), options)?);
    let _ingester = match store {
        Some(store) => Some(Ingester::start(journal.clone(), store, Retention::default(), |notice| {
            eprintln!("{notice}");
        })?),
        None => None,
    };
    let now = || Timestamp::from(SystemTime::now());
    let ids = IdSource::new("example", now().as_micros().unsigned_abs() ^ u64::from(std::process::id()));
    loop {
        let time = now();
        let evidence = RequestEvidence {
            line: "GET /?name=\"><script>alert(1)</script> HTTP/1.1".into(),
            headers: vec![Header::new("Host", "localhost"), Header::new("User-Agent", "example")],
            rules: vec![MatchedRule { id: 941_100, ..Default::default() }],
            ..Default::default()
        };
        let event = Event::of_request(ids.next(time), time, "example", Outcome::Passed, evidence);
        if let Appended::Disk(_) = journal.append(&event)? {
            writeln!(std::io::stdout(), "{}", event.id)?;
        }
    }
}
