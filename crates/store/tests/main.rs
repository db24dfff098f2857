//! Tests of the store from outside, with killed processes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use event::EventId;
use store::sqlite::BUSY_TIMEOUT;
use store::{EventQuery, EventReader, Filter, Ingest, Page, Query, SqliteStore};

/// Returns the path of the example program, which `cargo test` builds (but `cargo test --test main` does not).
fn append_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/append")
}

fn start(data_dir: &Path, ingest: bool) -> Child {
    let mut command = Command::new(append_program());
    command.arg(data_dir).args(ingest.then_some("--ingest")).stdout(Stdio::piped());
    command.spawn().expect("the example `append`, which `cargo test -p store` builds")
}

/// Waits until the program has printed `count` events, kills it, and returns all printed identifiers.
fn kill_after(mut child: Child, count: usize) -> Vec<EventId> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told: Vec<EventId> =
        lines.by_ref().take(count).map(|line| line.unwrap().parse().unwrap()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be incomplete.
    told.extend(lines.map_while(|line| line.ok()?.parse::<EventId>().ok()));
    assert!(told.len() >= count);
    told
}

fn all_ids(query: &dyn EventQuery) -> Vec<EventId> {
    let mut query_page = Query::newest(Filter::default(), 1000);
    let mut ids = Vec::new();
    loop {
        let Page { events, next, .. } = query.query(&query_page).unwrap();
        ids.extend(events.iter().map(|event| event.id));
        match next {
            Some(next) => query_page.before = Some(next),
            None => return ids,
        }
    }
}

#[test]
fn a_killed_process_loses_no_event_that_it_told_of() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for _ in 0..5 {
        told.extend(kill_after(start(data_dir.path(), false), 300));
    }
    let reader = EventReader::open(data_dir.path()).unwrap();
    let found = all_ids(&reader);
    let set: BTreeSet<_> = found.iter().copied().collect();
    assert_eq!(set.len(), found.len());
    assert!(told.iter().all(|id| set.contains(id)));
    // Each process may have stored a further event that it had not printed yet.
    assert!(found.len() <= told.len() + 5 * 2, "{} of {}", found.len(), told.len());

    let store = Arc::new(SqliteStore::open(&store::database_path(data_dir.path()), BUSY_TIMEOUT).unwrap());
    let mut ingest = Ingest::new(&store::journal_folder(data_dir.path()), store.clone()).unwrap();
    ingest.catch_up(&mut |notice| println!("{notice}")).unwrap();
    assert_eq!(all_ids(&*store), found);
}

#[test]
fn a_process_killed_while_it_ingests_stores_every_event_once() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for round in 0..5 {
        told.extend(kill_after(start(data_dir.path(), true), 200 + round * 100));
        // The events are visible while no process runs ...
        let reader = EventReader::open(data_dir.path()).unwrap();
        assert!(reader.count(&Filter::default()).unwrap() >= told.len() as u64);
    }
    // ... and while one does.
    let mut running = start(data_dir.path(), true);
    let mut first = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let reader = EventReader::open(data_dir.path()).unwrap();
    let id: EventId = first.trim().parse().unwrap();
    assert_eq!(reader.get(id).unwrap().unwrap().id, id);
    told.push(id);
    running.kill().unwrap();
    running.wait().unwrap();

    let store = Arc::new(SqliteStore::open(&store::database_path(data_dir.path()), BUSY_TIMEOUT).unwrap());
    let mut ingest = Ingest::new(&store::journal_folder(data_dir.path()), store.clone()).unwrap();
    ingest.catch_up(&mut |notice| println!("{notice}")).unwrap();
    let found = all_ids(&*store);
    let set: BTreeSet<_> = found.iter().copied().collect();
    assert_eq!(set.len(), found.len());
    assert_eq!(store.count(&Filter::default()).unwrap(), found.len() as u64);
    assert!(told.iter().all(|id| set.contains(id)));
}
