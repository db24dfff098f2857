use super::*;
use crate::contract;
use crate::event_store::Order;
use crate::filter::Test;
use crate::samples;
use crate::sqlite::select::Span;

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
    assert_eq!(reader.known(&[samples::event(4).id]).unwrap(), [true]);
    drop((writer, reader));
    let reader = SqliteStore::open_read_only(&path, BUSY_TIMEOUT).unwrap();
    assert_eq!(reader.stats().unwrap().events, 5);
    assert!(matches!(ingest(&reader, 5..6), Err(StoreError::Engine { .. })));
}

#[test]
fn the_file_is_whole_by_itself_once_its_writer_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let writer = SqliteStore::open(&path, BUSY_TIMEOUT).unwrap();
    let reader = SqliteStore::open_read_only(&path, BUSY_TIMEOUT).unwrap();
    ingest(&writer, 0..3).unwrap();
    assert_eq!(reader.stats().unwrap().events, 3);
    drop(writer);
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(SqliteStore::open(&copy, BUSY_TIMEOUT).unwrap().stats().unwrap().events, 3);
    assert_eq!(std::fs::metadata(folder.path().join("events.db-wal")).unwrap().len(), 0);
    assert_eq!(reader.stats().unwrap().events, 3);
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
    assert_eq!(reader.known(&[samples::event(3).id]).unwrap(), [true]);
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
    // SQLite treats a page limit like a full disk.
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
fn damaged_older_and_newer_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    std::fs::write(&path, "this is no database, but long enough to be taken for one".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(&path, BUSY_TIMEOUT), Err(StoreError::Corrupt { .. })));
    let aside = move_aside(&path).unwrap();
    assert!(aside.ends_with("events.db.damaged-1") && aside.exists());
    drop(SqliteStore::open(&path, BUSY_TIMEOUT).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let opened =
        || [SqliteStore::open(&path, BUSY_TIMEOUT), SqliteStore::open_read_only(&path, BUSY_TIMEOUT)];
    for result in opened() {
        assert!(matches!(result, Err(StoreError::NewerSchema { found: 99, .. })));
    }
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 4).unwrap();
    for result in opened() {
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with("move the file away, and monban starts an empty store"), "{error}");
    }
}

fn explained(store: &SqliteStore, sql: &str, values: Vec<rusqlite::types::Value>) -> Vec<String> {
    store
        .with_writer("explain", |connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3))?.collect()
        })
        .unwrap()
}

#[test]
fn filters_walk_an_index_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    ingest(&store, 0..10).unwrap();
    while store.tend().unwrap() > 0 {}
    let network = "203.0.113.1/32".parse().unwrap();
    let site = || Test::Subject(vec!["shop".into()]);
    let action = || Test::Outcome(vec![event::Outcome::Blocked]);
    let since = || Test::Since(Timestamp::from_micros(samples::EPOCH));
    for (tests, index) in [
        (vec![], "SEARCH e USING PRIMARY KEY (id<?"),
        (vec![site()], "events_by_subject (subject=? AND id<?"),
        (vec![Test::Client(vec![network])], "events_by_client (client=? AND id<?"),
        (vec![action()], "events_by_outcome (outcome=? AND id<?"),
        (vec![Test::fact("method", ["GET"])], "SEARCH f USING PRIMARY KEY (name=? AND value=? AND event<?"),
        (vec![Test::fact("rule", [941_100])], "SEARCH f USING PRIMARY KEY (name=? AND value=? AND event<?"),
        (vec![since()], "SEARCH e USING PRIMARY KEY (id>? AND id<?"),
        // of several conditions, the most selective one drives
        (vec![action(), site(), since()], "events_by_subject (subject=? AND id>? AND id<?"),
        (
            vec![action(), Test::fact("rule", [941_100]), site()],
            "SEARCH f USING PRIMARY KEY (name=? AND value=? AND event<?",
        ),
        (vec![site(), Test::Client(vec![network])], "events_by_client (client=? AND id<?"),
        (vec![site(), Test::Text("abc".into())], "events_by_subject (subject=? AND id<?"),
        // conditions without an ordered index are tested in the order of time
        (vec![Test::Node(vec!["n".into()])], "SEARCH e USING PRIMARY KEY (id<?"),
        (vec![Test::fact("score", [5])], "SEARCH e USING PRIMARY KEY (id<?"),
        (vec![Test::Subject(vec!["shop".into(), "blog".into()])], "SEARCH e USING PRIMARY KEY (id<?"),
    ] {
        let filter = tests.iter().cloned().fold(Filter::default(), Filter::with);
        let facts = store.read("test", |c| facts::resolve(c, &filter)).unwrap();
        let plan = select::Plan::new(&filter, Some(samples::event(9).id), Order::NewestFirst, facts);
        let found = explained(&store, &plan.rows(), plan.values().cloned().collect());
        assert!(found.iter().any(|step| step.contains(index)), "{tests:?}: {found:?}");
        // the same index gives the other order
        let facts = store.read("test", |c| facts::resolve(c, &filter)).unwrap();
        let other = select::Plan::new(&filter, Some(samples::event(9).id), Order::OldestFirst, facts);
        let reverse = explained(&store, &other.rows(), other.values().cloned().collect());
        let index =
            index.replace("id>? AND id<?", "id<?").replace("id<?", "id>?").replace("event<?", "event>?");
        assert!(reverse.iter().any(|step| step.contains(&index)), "{tests:?}: {reverse:?}");
        assert!(!reverse.iter().any(|step| step.contains("TEMP B-TREE")), "{tests:?}: {reverse:?}");
        assert!(!found.iter().any(|step| step.contains("TEMP B-TREE")), "{tests:?}: {found:?}");
        assert!(
            !found.iter().any(|step| step.contains("SCAN") && !step.contains("CONSTANT")),
            "{tests:?}: {found:?}"
        );
    }
    // networks and several rules are collected from their index
    for (test, index) in [
        (Test::Client(vec!["203.0.113.0/24".parse().unwrap()]), "events_by_client (client>? AND client<?"),
        (Test::fact("rule", [941_100, 941_101]), "PRIMARY KEY (name=? AND value=? AND event>? AND event<?"),
    ] {
        let filter = Filter::default().with(test.clone());
        let facts = store.read("test", |c| facts::resolve(c, &filter)).unwrap();
        let (sql, values) =
            select::Plan::new(&filter, None, Order::NewestFirst, facts).list(&filter, None, 10).unwrap();
        let found = explained(&store, &sql, values);
        assert!(found.iter().any(|step| step.contains(index)), "{test:?}: {found:?}");
    }
    // texts are found by the text index
    let sql = "SELECT g.newest FROM text_index t CROSS JOIN text_groups g ON g.id = t.rowid WHERE text_index MATCH 'abcde'";
    let found = explained(&store, sql, vec![]);
    assert!(found[0].contains("VIRTUAL TABLE INDEX"), "{found:?}");
    assert!(found[1].contains("SEARCH g USING INTEGER PRIMARY KEY"), "{found:?}");
}

/// Returns all pages of a query, and the number of pages that ended before they were full.
fn pages(store: &SqliteStore, filter: &Filter, order: Order, limit: usize) -> (Vec<u64>, usize) {
    let mut query = Query { order, ..Query::newest(filter.clone(), limit) };
    let (mut numbers, mut partial) = (Vec::new(), 0);
    let mut before = None;
    loop {
        let page = store.query(&query).unwrap();
        numbers.extend(page.events.iter().map(samples::number_of));
        partial += usize::from(page.searched_to.is_some());
        assert!(page.events.len() == limit || page.next.is_none() || page.searched_to.is_some());
        if let (Some(last), Some(searched)) = (page.events.last(), page.searched_to) {
            let last = last.id.time();
            assert!(if order == Order::NewestFirst { last >= searched } else { last <= searched });
        }
        query.before = page.next;
        let Some(next) = page.next else { return (numbers, partial) };
        assert!(before.is_none_or(|before| order.rank(next) < order.rank(before)), "it goes on");
        before = Some(next);
    }
}

/// Returns records in a mixed order of their numbers.
fn mixed(count: u64) -> Vec<Record> {
    let mut mixed: Vec<Record> = records(0..count).into_iter().collect();
    for (number, record) in mixed.iter_mut().enumerate() {
        record.event = samples::event(number as u64 * 769 % count);
    }
    mixed
}

#[test]
fn a_search_that_takes_too_long_says_how_far_it_came_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    for budget in [1, 60, QUERY_BUDGET] {
        let _first = std::fs::remove_file(&path);
        let mut store = SqliteStore::open(&path, BUSY_TIMEOUT).unwrap();
        store.budget = budget;
        let all = mixed(200);
        store.ingest(&all[..120], all[119].end).unwrap();
        while store.tend().unwrap() > 0 {}
        store.ingest(&all[120..], all[199].end).unwrap();
        let mut partial = 0;
        for filter in [
            Filter::default().with(Test::Text("/7".into())),
            Filter::default().with(Test::Text("zz".into())),
            Filter::default().with(Test::Text("page/7".into())),
            Filter::default().with(Test::Text("page/".into())).without(Test::Text("8".into())),
            Filter::default().with(Test::Text("nowhere".into())),
            Filter::default().with(Test::fact("path", ["/page/7*"])),
            Filter::default().with(Test::fact("path", ["/page/7", "/page/8"])),
            Filter::default()
                .without(Test::fact("path", ["/page/1*"]))
                .with(Test::Subject(vec!["shop".into()])),
            Filter::default().with(Test::fact("tag", ["nowhere"])),
            Filter::default().with(Test::fact("method", ["POST"])),
            Filter::default().without(Test::Subject(vec!["shop".into()])),
            Filter::default()
                .with(Test::fact("rule", [941_100]))
                .with(Test::Subject(vec!["blog".into()]))
                .with(Test::Text("page/1".into())),
            Filter::default().with(Test::Client(vec!["203.0.113.0/30".parse().unwrap()])),
            Filter::default().with(Test::fact("rule", [941_100, 941_102])),
        ] {
            let expected: Vec<u64> =
                (0..200).rev().filter(|number| filter.matches(&samples::event(*number))).collect();
            for (order, limit) in
                [(Order::NewestFirst, 3), (Order::NewestFirst, 600), (Order::OldestFirst, 3)]
            {
                let (mut found, ended) = pages(&store, &filter, order, limit);
                if order == Order::OldestFirst {
                    found.reverse();
                }
                assert_eq!(found, expected, "{filter:?} {order:?} {limit} {budget}");
                partial += ended;
            }
            assert_eq!(store.count(&filter).unwrap(), expected.len() as u64, "{filter:?}");
        }
        assert_eq!(partial == 0, budget == QUERY_BUDGET, "{partial} of {budget}");
    }
}

#[test]
fn only_groups_that_may_hold_a_text_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    let mut all = records(0..2000);
    all[1234].event.summary = Some("a needle in a haystack".into());
    store.ingest(&all, all[1999].end).unwrap();
    while store.tend().unwrap() > 0 {}
    // the budget covers one group only
    store.budget = text_index::GROUP as u64 * crate::limits::QUERY_JSON_COST + 1;
    for (text, found) in [("NEEDLE in", vec![1234]), ("no such text", vec![])] {
        let filter = Filter::default().with(Test::Text(text.into()));
        assert_eq!(pages(&store, &filter, Order::NewestFirst, 10), (found, 0), "{text}");
    }
    // beyond the maximum number of candidates, events are examined in their order
    let candidates = |text: &str, most| {
        let texts = [text.to_owned()];
        let span = Span::of(&Filter::default(), None, Order::NewestFirst);
        store.read("test", |c| text_index::candidates(c, &texts, &span, most)).unwrap().map(|g| g.len())
    };
    assert_eq!(candidates("needle", 1), Some(1));
    assert_eq!(candidates("page", 249), None);
    assert_eq!(candidates("page", 250), Some(250));
    assert_eq!(candidates("pa", 250), None);
    let long = "a needle in a haystack".repeat(20);
    assert_eq!(candidates(&long, 250), Some(0));
}

#[test]
fn seen_3_a_search_for_a_text_reads_no_group_outside_the_times_of_the_filter() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    let all = records(0..2000);
    store.ingest(&all, all[1999].end).unwrap();
    while store.tend().unwrap() > 0 {}
    // the budget covers one group only, and every event has the text
    store.budget = text_index::GROUP as u64 * crate::limits::QUERY_JSON_COST + 1;
    let (first, last) = (all[0].event.time, all[1999].event.time);
    let after = Timestamp::from_micros(last.as_micros() + 1_000_000);
    for time in [Test::Since(after), Test::Until(first)] {
        let filter = Filter::default().with(Test::Text("page".into())).with(time);
        assert_eq!(pages(&store, &filter, Order::NewestFirst, 10), (vec![], 0), "{filter:?}");
    }
}

#[test]
fn texts_are_indexed_in_pieces_behind_the_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    for batch in records(0..1500).chunks(500) {
        store.ingest(batch, batch[batch.len() - 1].end).unwrap();
    }
    let text = Filter::default().with(Test::Text("page/77?".into()));
    let mut left = Vec::new();
    while left.last() != Some(&0) {
        assert_eq!(pages(&store, &text, Order::NewestFirst, 10).0, [77]);
        left.push(store.tend().unwrap());
    }
    let piece = (TEND_GROUPS * text_index::GROUP) as u64;
    assert_eq!(left, [1496 - piece, 1496 - 2 * piece, 0]);
    // an incomplete group is not indexed yet
    ingest(&store, 1500..1503).unwrap();
    assert_eq!(store.tend().unwrap(), 0);
    ingest(&store, 1503..1505).unwrap();
    assert_eq!(store.tend().unwrap(), 0);
    let groups = "SELECT count(*) FROM text_groups";
    assert_eq!(store.read("test", |c| c.query_row(groups, [], |row| row.get::<_, u64>(0))).unwrap(), 188);
}

#[test]
fn ranges_with_many_values_are_read_from_the_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    let most = crate::limits::MOST_FACT_VALUES;
    let mut all = records(0..2 * most as u64);
    for (record, number) in all.iter_mut().zip(0..) {
        record.event.facts =
            vec![event::Fact::number("n", number), event::Fact::text("t", format!("t{number:03}"))];
    }
    store.ingest(&all, all[all.len() - 1].end).unwrap();
    for count in [most - 1, most, most + 1, 2 * most] {
        let numbers = Filter::default().with(Test::fact("n", [0..=count as i64 - 1]));
        let by_index = store.read("test", |c| facts::resolve(c, &numbers)).unwrap()[0].is_some();
        assert_eq!(by_index, count <= most, "{count}");
        assert_eq!(store.count(&numbers).unwrap(), count as u64);
        assert_eq!(pages(&store, &numbers, Order::NewestFirst, 7).0.len(), count);
    }
    for (texts, count, by_index) in [("t00*", 10, true), ("t0*", 2 * most, false), ("*", 2 * most, false)] {
        let filter = Filter::default().with(Test::fact("t", [texts]));
        assert_eq!(store.read("test", |c| facts::resolve(c, &filter)).unwrap()[0].is_some(), by_index);
        assert_eq!(store.count(&filter).unwrap(), count as u64, "{texts}");
    }
    // a name that no event has costs nothing
    let mut store = store;
    store.budget = 1;
    let nothing = Filter::default().with(Test::fact("unknown", [1]));
    assert_eq!(store.query(&Query::newest(nothing, 1)).unwrap(), Page::default());
}

#[test]
fn what_retention_deletes_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    let all = mixed(1003);
    store.ingest(&all, all[1002].end).unwrap();
    while store.tend().unwrap() > 0 {}
    let rows = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        store.read("test", |c| c.query_row(&sql, [], |row| row.get::<_, u64>(0))).unwrap()
    };
    assert_eq!((rows("text_groups"), rows("text_index")), (125, 125));
    assert!(rows("facts") > 3000);
    let at = |number: i64| Timestamp::from_micros(samples::EPOCH + number * 1_000_000);
    let keep = |seconds| Retention { max_age: Some(Duration::from_secs(seconds)), max_bytes: None };
    store.retain(&keep(100), at(1003)).unwrap();
    // most groups have an event left
    let groups = rows("text_groups");
    assert!((10..125).contains(&groups), "{groups}");
    assert_eq!(rows("text_index"), groups);
    let filter = Filter::default().with(Test::Text("page/95".into()));
    assert_eq!(pages(&store, &filter, Order::NewestFirst, 100).0, (950..960).rev().collect::<Vec<_>>());
    store.retain(&keep(0), at(2000)).unwrap();
    assert_eq!((rows("text_groups"), rows("text_index")), (0, 0));
    assert_eq!(
        (rows("events"), rows("payloads"), rows("facts"), rows("tallies"), rows("places")),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(store.read("test", text_index::missing).unwrap(), 0);
    ingest(&store, 3000..3016).unwrap();
    while store.tend().unwrap() > 0 {}
    assert_eq!(rows("text_groups"), 2);
    assert_eq!(
        pages(&store, &Filter::default().with(Test::Text("page/3003".into())), Order::NewestFirst, 100).0,
        [3003]
    );
}

#[test]
fn counts_that_take_too_long_go_on_where_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    let all = mixed(1000);
    store.ingest(&all, all[999].end).unwrap();
    while store.tend().unwrap() > 0 {}
    let time = |second: i64| Timestamp::from_micros(samples::EPOCH + second * 1_000_000);
    for budget in [1, 50, 3000, QUERY_BUDGET] {
        store.budget = budget;
        let mut partial = 0;
        for filter in [
            Filter::default().with(Test::fact("status", [200..=200])),
            Filter::default().with(Test::Since(time(100))).with(Test::Subject(vec!["blog".into()])),
            Filter::default().with(Test::fact("rule", [941_101])).with(Test::Subject(vec!["blog".into()])),
            Filter::default().with(Test::Client(vec!["203.0.113.0/30".parse().unwrap()])),
            Filter::default().with(Test::Text("page/1".into())),
            Filter::default().without(Test::Text("page/1".into())),
            Filter::default().with(Test::fact("path", ["/page/1*"])),
            Filter::default().without(Test::fact("tag", ["nowhere"])),
            Filter::default().with(Test::fact("category", ["other"])),
        ] {
            let expected = all.iter().filter(|record| filter.matches(&record.event)).count() as u64;
            let (mut count, mut before, mut calls) = (0, None, 0);
            loop {
                let counted = store.count_some(&filter, before).unwrap();
                count += counted.count;
                calls += 1;
                assert!(counted.next.is_none_or(|next| before.is_none_or(|before| next < before)));
                before = counted.next;
                if before.is_none() {
                    break;
                }
                assert_eq!(counted.searched_to(), before.map(EventId::time));
            }
            assert_eq!(count, expected, "{filter:?} {budget}");
            partial += calls - 1;

            // an overview reports the time from which it has counted, and that time is right
            let query = crate::OverviewQuery {
                filter,
                since: time(-5000),
                until: time(5000),
                step: crate::Step::Hour,
                offset: 0,
                top: 9,
            };
            let overview = store.overview(&query).unwrap();
            let from = overview.counted_to.unwrap_or(Timestamp::MIN);
            let seen = |event: &Event| event.time >= from && query.filter.matches(event);
            let mut tally = crate::overview::Tally::new(&query);
            all.iter().map(|record| &record.event).filter(|event| seen(event)).for_each(|e| tally.add(e));
            let expected = crate::Overview { counted_to: overview.counted_to, ..tally.finish() };
            let sites = query.filter.conditions.iter().all(|c| matches!(c.test, Test::Subject(_)));
            if !sites && overview.counted_to.is_some() {
                partial += 1;
            }
            assert_eq!(overview, expected, "{query:?} {budget}");
        }
        assert_eq!(partial == 0, budget == QUERY_BUDGET, "{partial} of {budget}");
    }
    // sites and actions have stored counts
    store.budget = 1;
    let filter = Filter::default()
        .with(Test::Subject(vec!["shop".into()]))
        .without(Test::Outcome(vec![event::Outcome::Blocked]));
    let expected = all.iter().filter(|record| filter.matches(&record.event)).count() as u64;
    assert_eq!(store.count_some(&filter, None).unwrap(), Counted { count: expected, next: None });
}

#[test]
fn the_rarest_paths_of_an_hour_are_forgotten_and_totals_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("events.db"), BUSY_TIMEOUT).unwrap();
    let keys = crate::limits::TALLY_KEYS as u64;
    let count = 5 * keys;
    // within an hour, one path is frequent and every other one occurs once
    let records: Vec<Record> = (0..count)
        .map(|number| {
            let mut event = samples::event(number);
            event.time = Timestamp::from_micros(samples::EPOCH + number.cast_signed());
            event.id = EventId::derived(event.time, "n", &number.to_string());
            #[allow(irrefutable_let_patterns, reason = "more kinds of evidence will come")]
            if let (true, event::Evidence::Request(request)) = (number % 50 == 0, &mut event.evidence) {
                request.line = "GET /often HTTP/1.1".into();
            }
            Record { end: Position { segment: 1, offset: 8 + number }, event }
        })
        .collect();
    for batch in records.chunks(500) {
        store.ingest(batch, batch[batch.len() - 1].end).unwrap();
    }
    let rows = |store: &SqliteStore| {
        let sql = "SELECT count(*) FROM tallies WHERE counter IN (4, 20)";
        store.read("test", |c| c.query_row(sql, [], |row| row.get::<_, u64>(0))).unwrap()
    };
    assert!((2 * keys..=4 * keys).contains(&rows(&store)), "{}", rows(&store));
    let query = crate::OverviewQuery {
        filter: Filter::default(),
        since: Timestamp::from_micros(samples::EPOCH),
        until: Timestamp::from_micros(samples::EPOCH + 1),
        step: crate::Step::Hour,
        offset: 0,
        top: 1,
    };
    let overview = store.overview(&query).unwrap();
    assert_eq!(overview.totals.events, count);
    assert_eq!(overview.paths, [("/often".to_owned(), count / 50)]);
    // deleting events whose counts were forgotten does no harm
    store.retain(&Retention { max_age: Some(Duration::ZERO), max_bytes: None }, Timestamp::MAX).unwrap();
    let left = "SELECT count(*) FROM tallies";
    assert_eq!(store.read("test", |c| c.query_row(left, [], |row| row.get::<_, u64>(0))).unwrap(), 0);
}
