use super::*;
use crate::contract;
use crate::filter::Test;
use crate::samples;

fn records(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers
        .map(|number| Record {
            end: Position { segment: 1, offset: 8 + number },
            event: samples::event(number),
        })
        .collect()
}

fn ingest(store: &SqliteStore, numbers: std::ops::Range<u64>) -> Result<Ingested, StoreError> {
    let records = records(numbers);
    store.ingest(&records, records.last().unwrap().end)
}

#[test]
fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    contract::check(&|| {
        made.set(made.get() + 1);
        let path = folder.path().join(format!("{}.db", made.get()));
        Box::new(SqliteStore::open(&path, BUSY_TIMEOUT).unwrap())
    });
    assert!(made.get() >= 9);
}

#[test]
fn events_outlive_the_store_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    ingest(&SqliteStore::open(&path, BUSY_TIMEOUT).unwrap(), 0..10).unwrap();
    let store = SqliteStore::open(&path, BUSY_TIMEOUT).unwrap();
    assert_eq!(store.count(&Filter::default()).unwrap(), 10);
    assert_eq!(store.checkpoint().unwrap(), Position { segment: 1, offset: 17 });
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn a_reading_store_reads_beside_a_writer_and_after_it_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    assert!(matches!(SqliteStore::open_read_only(&path, BUSY_TIMEOUT), Err(StoreError::Engine { .. })));
    let writer = SqliteStore::open(&path, BUSY_TIMEOUT).unwrap();
    ingest(&writer, 0..3).unwrap();
    let reader = SqliteStore::open_read_only(&path, BUSY_TIMEOUT).unwrap();
    assert_eq!(reader.stats().unwrap().events, 3);
    ingest(&writer, 3..5).unwrap();
    assert_eq!(reader.stats().unwrap().events, 5);
    assert!(reader.contains(samples::event(4).id).unwrap());
    drop((writer, reader));
    let reader = SqliteStore::open_read_only(&path, BUSY_TIMEOUT).unwrap();
    assert_eq!(reader.stats().unwrap().events, 5);
    assert!(matches!(ingest(&reader, 5..6), Err(StoreError::Engine { .. })));
}

#[test]
fn a_reading_store_follows_when_the_writer_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let writer = SqliteStore::open(&path, BUSY_TIMEOUT).unwrap();
    ingest(&writer, 0..3).unwrap();
    let reader = SqliteStore::open_read_only(&path, BUSY_TIMEOUT).unwrap();
    assert_eq!(reader.stats().unwrap().events, 3);
    writer.start_over().unwrap();
    assert_eq!(reader.stats().unwrap().events, 0);
    ingest(&writer, 3..4).unwrap();
    assert!(reader.contains(samples::event(3).id).unwrap());
}

#[test]
fn a_locked_store_says_so_and_takes_the_events_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let store = SqliteStore::open(&path, Duration::ZERO).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(ingest(&store, 0..3), Err(StoreError::Locked { .. })));
    assert_eq!(store.count(&Filter::default()).unwrap(), 0);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ingest(&store, 0..3).unwrap().new, 3);
}

#[test]
fn a_full_store_says_so_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    ingest(&store, 0..10).unwrap();
    // The engine answers a page limit as it answers a full disk.
    let limit = |pages: u64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        store.with_writer("limit", |connection| connection.query_row(&sql, [], |_| Ok(()))).unwrap();
    };
    limit(1);
    assert!(matches!(ingest(&store, 10..2000), Err(StoreError::Full { .. })));
    assert_eq!(store.stats().unwrap().events, 10);
    limit(1_000_000);
    assert_eq!(ingest(&store, 10..2000).unwrap().new, 1990);
}

#[test]
fn damaged_and_newer_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    std::fs::write(&path, "this is no database, but long enough to be taken for one".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(&path, BUSY_TIMEOUT), Err(StoreError::Corrupt { .. })));
    let aside = move_aside(&path).unwrap();
    assert!(aside.ends_with("events.db.damaged-1") && aside.exists());
    drop(SqliteStore::open(&path, BUSY_TIMEOUT).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for result in [SqliteStore::open(&path, BUSY_TIMEOUT), SqliteStore::open_read_only(&path, BUSY_TIMEOUT)] {
        assert!(matches!(result, Err(StoreError::NewerSchema { found: 99, .. })));
    }
}

#[test]
fn common_filters_walk_an_index_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    ingest(&store, 0..10).unwrap();
    let network = "203.0.113.1/32".parse().unwrap();
    for (test, index) in [
        (Test::Site(vec!["shop".into()]), "events_by_site (site=?"),
        (Test::Client(vec![network]), "events_by_client (client=?"),
        (Test::Action(vec![event::Action::Blocked]), "events_by_action (action=?"),
        (Test::Rule(vec![941_100]), "SEARCH r USING PRIMARY KEY (rule=?"),
        (Test::Since(Timestamp::from_micros(samples::EPOCH)), "SEARCH e USING PRIMARY KEY (id>?"),
    ] {
        let select = Select::new(&Filter::default().with(test.clone()), Some(samples::event(9).id), true);
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT p.json{} ORDER BY {} DESC LIMIT 10", select.sql, select.id);
        let plan: Vec<String> = store
            .with_writer("explain", |connection| {
                let mut statement = connection.prepare(&sql)?;
                statement.query_map(params_from_iter(&select.values), |row| row.get(3))?.collect()
            })
            .unwrap();
        assert!(plan.iter().any(|step| step.contains(index)), "{test:?}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{test:?}: {plan:?}");
    }
}
