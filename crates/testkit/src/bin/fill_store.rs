//! Fills the store of a data folder with synthetic events, as the daemon does, and prints the duration.
//!
//! usage: fill_store EVENTS DATA_DIR

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant, SystemTime};

use event::Timestamp;
use store::sqlite::BUSY_TIMEOUT;
use store::{EventQuery, EventStore, Position, Record, SqliteStore};
use testkit::synthetic::Synthetic;

/// Events in one transaction, as in the daemon.
const BATCH: u64 = store::limits::INGEST_BATCH as u64;
/// Events between two updates of the text index.
const INDEX_EVERY: u64 = 100 * BATCH;
/// Days over which the events are spread.
const DAYS: u32 = 90;

fn main() -> ExitCode {
    match fill() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fill_store: {error}");
            ExitCode::FAILURE
        }
    }
}

fn fill() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [events, data_dir] = &arguments[..] else { return Err("usage: fill_store EVENTS DATA_DIR".into()) };
    let (count, data_dir) = (events.parse::<u64>()?, Path::new(data_dir));
    std::fs::create_dir_all(data_dir)?;
    let store = SqliteStore::open(&store::database_path(data_dir), BUSY_TIMEOUT)?;
    let first = store.stats()?.events;
    let synthetic = Synthetic::new(count, DAYS, Timestamp::from(SystemTime::now()));
    let (send, receive) = sync_channel::<Vec<Record>>(4);
    let making = std::thread::spawn(move || {
        for start in (first..count).step_by(BATCH as usize) {
            let batch = (start..(start + BATCH).min(count)).map(|number| {
                let end = Position { segment: 1 + number / BATCH, offset: 8 + number % BATCH };
                Record { end, event: synthetic.event(number) }
            });
            if send.send(batch.collect()).is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    let mut told = Instant::now();
    let mut ingesting = Duration::ZERO;
    let mut done = first;
    for batch in receive {
        let Some(last) = batch.last() else { continue };
        let start = Instant::now();
        store.ingest(&batch, last.end)?;
        ingesting += start.elapsed();
        done += batch.len() as u64;
        if done.is_multiple_of(INDEX_EVERY) {
            while store.tend()? > 0 {}
        }
        if told.elapsed().as_secs() >= 10 {
            told = Instant::now();
            let rate = (done - first) as f64 / began.elapsed().as_secs_f64();
            eprintln!("{done} of {count} events, {rate:.0} a second");
        }
    }
    making.join().map_err(|_| "making events has failed")?;
    while store.tend()? > 0 {}
    store.sync()?;
    let (seconds, stats) = (began.elapsed().as_secs_f64(), store.stats()?);
    println!(
        "{} events, {} MiB, {:.0} bytes each; {:.0} stored a second, {:.0} stored and indexed",
        stats.events,
        stats.bytes >> 20,
        stats.bytes as f64 / stats.events.max(1) as f64,
        (count - first) as f64 / ingesting.as_secs_f64(),
        (count - first) as f64 / seconds
    );
    Ok(())
}
