//! The test suite that every store must pass.
//!
//! ```
//! use store::{SqliteStore, contract};
//!
//! let folder = tempfile::tempdir()?;
//! let made = std::cell::Cell::new(0);
//! contract::check(&|| {
//!     made.set(made.get() + 1);
//!     let path = folder.path().join(format!("{}.db", made.get()));
//!     Box::new(SqliteStore::open(&path, std::time::Duration::from_secs(5)).unwrap())
//! });
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(clippy::unwrap_used, reason = "a test suite: a panic is its answer")]

use std::time::Duration;

use event::{Event, Evidence, Fact, Gate, MatchedRule, Outcome, Severity, Timestamp};

use crate::event_store::{EventStore, Order, Query, Retention};
use crate::filter::{Filter, Pattern, Test};
use crate::journal::{Position, Record};

mod looking;
use crate::samples::{self, EPOCH};

/// Runs the whole suite. `make` returns a new, empty store on each call.
///
/// # Panics
/// Panics if the store fails a test.
pub fn check(make: &dyn Fn() -> Box<dyn EventStore>) {
    keeps_events_whole(&*make());
    keeps_an_event_of_an_unknown_kind(&*make());
    knows_events_by_their_identifier(&*make());
    pages_through_all_events_in_both_orders(&*make());
    filters_as_the_filter_itself_does(&*make());
    finds_text(&*make());
    follows_the_order_of_coming(&*make());
    retains_by_age(&*make());
    retains_by_size(&*make());
    one_client_pushes_nobody_out(&*make());
    starts_over(&*make());
    looking::counts_as_the_plain_definition(&*make());
    looking::groups_as_the_plain_definition(&*make());
    looking::forgets_what_retention_takes(&*make());
    looking::sums_traffic(&*make());
}

fn record(number: u64) -> Record {
    record_of(number, samples::event(number))
}

fn record_of(number: u64, event: Event) -> Record {
    Record { end: Position { segment: 1 + number / 100, offset: 8 + number % 100 }, event }
}

fn fill(store: &dyn EventStore, numbers: impl Iterator<Item = u64>) -> Vec<Record> {
    let records: Vec<Record> = numbers.map(record).collect();
    store.ingest(&records, records.last().unwrap().end).unwrap();
    records
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(samples::number_of).collect()
}

fn keeps_events_whole(store: &dyn EventStore) {
    assert_eq!(
        store.stats().unwrap(),
        crate::Stats { bytes: store.stats().unwrap().bytes, ..Default::default() }
    );
    let records = fill(store, 0..20);
    for record in &records {
        assert_eq!(store.get(record.event.id).unwrap().as_ref(), Some(&record.event));
    }
    assert_eq!(store.get(samples::event(99).id).unwrap(), None);
    let stats = store.stats().unwrap();
    assert_eq!((stats.events, stats.removed), (20, 0));
    assert_eq!(stats.oldest, Some(records[0].event.time));
    assert_eq!(stats.newest, Some(records[19].event.time));
    assert_eq!(stats.checkpoint, records[19].end);
    assert!(stats.bytes > 0);
    store.sync().unwrap();
}

/// Returns an event of a gate that no part of this program knows.
fn unknown() -> Event {
    let json = r#"{"v":2,"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46.000000Z","node":"n","gate":"tea",
        "kind":"tea.brewed","outcome":"changed","severity":"notice","subject":"pot","actor":{"user":"alice"},
        "facts":[["cups",3]],"evidence":{"tea":{"z":1.50,"deep":{"n":12345678901234567890123}}}}"#;
    Event::from_json(json.as_bytes()).unwrap()
}

fn keeps_an_event_of_an_unknown_kind(store: &dyn EventStore) {
    let event = unknown();
    fill(store, 0..5);
    let record = record_of(5, event.clone());
    store.ingest(std::slice::from_ref(&record), record.end).unwrap();
    assert_eq!(store.get(event.id).unwrap().map(|kept| kept.to_json()), Some(event.to_json()));
    let gate = Filter::default().with(Test::Gate(vec![event.gate.as_str().into()]));
    assert_eq!(store.query(&Query::newest(gate.clone(), 10)).unwrap().events, std::slice::from_ref(&event));
    assert_eq!(store.count(&gate).unwrap(), 1);
    let text = Filter::default().with(Test::Text("12345678901234567890123".into()));
    assert_eq!(store.query(&Query::newest(text, 10)).unwrap().events, [event]);
}

fn knows_events_by_their_identifier(store: &dyn EventStore) {
    assert_eq!(store.checkpoint().unwrap(), Position::START);
    fill(store, 0..5);
    let mut changed = record(4);
    changed.event.summary = Some("a second telling".into());
    changed.end.offset += 1000;
    let ingested = store.ingest(&[changed.clone(), record(5), record(5)], changed.end).unwrap();
    assert_eq!((ingested.new, ingested.known), (1, 2));
    assert_eq!(store.get(changed.event.id).unwrap().unwrap().summary, None);
    assert_eq!(store.count(&Filter::default()).unwrap(), 6);
    assert_eq!(store.checkpoint().unwrap(), changed.end);
    // The journal may hold only damage for a while.
    let further = Position { segment: 9, offset: 8 };
    store.ingest(&[], further).unwrap();
    assert_eq!(store.checkpoint().unwrap(), further);
}

fn pages_through_all_events_in_both_orders(store: &dyn EventStore) {
    // The events arrive in another order than they happened.
    fill(store, (0..25).rev());
    fill(store, 25..50);
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut query = Query { order, ..Query::newest(Filter::default(), 7) };
        let mut seen = Vec::new();
        loop {
            let page = store.query(&query).unwrap();
            seen.extend(numbers(&page.events));
            match page.next {
                Some(next) => {
                    assert_eq!(page.events.len(), 7);
                    query.before = Some(next);
                }
                None => break,
            }
        }
        if order == Order::NewestFirst {
            seen.reverse();
        }
        assert_eq!(seen, (0..50).collect::<Vec<_>>(), "{order:?}");
    }
    let exact = store.query(&Query::newest(Filter::default(), 50)).unwrap();
    assert_eq!((exact.events.len(), exact.next), (50, None));
    let unlimited = store.query(&Query::newest(Filter::default(), usize::MAX)).unwrap();
    assert_eq!(unlimited.events.len(), 50);
    assert_eq!(store.query(&Query::newest(Filter::default(), 0)).unwrap().events, []);
}

/// Returns tests of every kind: with several members, with none, and with a match for every event.
fn tests() -> Vec<Test> {
    let time = |number: i64| Timestamp::from_micros(EPOCH + number * 1_000_000);
    let words = |words: &[&str]| words.iter().map(|word| Pattern::from(*word)).collect::<Vec<_>>();
    let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>();
    vec![
        Test::Since(time(20)),
        Test::Until(time(20)),
        Test::Since(Timestamp::from_micros(EPOCH + 20_000_001)),
        Test::Node(words(&["n"])),
        Test::Node(words(&["m"])),
        Test::Subject(words(&["shop"])),
        Test::Subject(words(&["shop", "blog"])),
        Test::Subject(words(&[])),
        Test::Gate(vec!["request".into()]),
        Test::Gate(words(&["mlogc", "vpn"])),
        Test::Client(nets(&["203.0.113.1/32"])),
        Test::Client(nets(&["203.0.113.2/31", "2001:db8::/32"])),
        Test::Client(nets(&["0.0.0.0/0"])),
        Test::Client(nets(&["10.0.0.0/8"])),
        Test::Client(nets(&[])),
        Test::fact("rule", [941_100]),
        Test::fact("rule", [941_101, 941_102]),
        Test::fact("rule", [1]),
        Test::Fact("rule".into(), vec![]),
        Test::Outcome(vec![Outcome::Blocked]),
        Test::Outcome(vec![Outcome::Passed, Outcome::Failed]),
        Test::Severity(Severity::Critical),
        Test::Severity(Severity::Warning),
        Test::fact("status", [403..=403]),
        Test::fact("status", [200..=200, 502..=502]),
        Test::fact("method", ["GET"]),
        Test::fact("method", ["get", "POST"]),
        Test::fact("status", [400..=499]),
        Test::fact("status", [100..=199, 200..=299, 502..=502]),
        Test::Fact("status".into(), vec![]),
        Test::fact("path", ["/page/1"]),
        Test::fact("path", ["/page/1*"]),
        Test::fact("path", ["/page/2", "/page/3*", "/odd\\xff"]),
        Test::fact("path", ["/odd\\xff"]),
        Test::fact("path", ["*"]),
        Test::fact("path", ["/PAGE/1"]),
        Test::Fact("path".into(), vec![]),
        Test::fact("tag", ["attack-sqli"]),
        Test::fact("tag", ["attack-sqli", "a\\b"]),
        Test::fact("tag", ["attack"]),
        Test::fact("host", ["A.test"]),
        Test::fact("host", ["a.test", "b.test"]),
        Test::fact("host", ["test"]),
        Test::fact("category", ["attack-sqli"]),
        Test::fact("category", ["other", "scanner"]),
        Test::fact("category", ["scanner"]),
        Test::fact("score", [5..=i64::MAX]),
        Test::fact("score", [6..=i64::MAX]),
        Test::Subject(words(&["sh*", "x"])),
        Test::Node(words(&["*"])),
        Test::Kind(words(&["request.blocked"])),
        Test::Kind(words(&["request.*"])),
        Test::Kind(words(&["tea.*", "request.p*"])),
        Test::fact("user", ["alice"]),
        Test::fact("user", ["a*", "bob"]),
        Test::fact("cups", [3]),
        Test::fact("cups", [2..=5, 9..=i64::MAX]),
        Test::fact("nothing", ["*"]),
        Test::Text("PAGE/1".into()),
        Test::Text("\"><b>".into()),
    ]
}

fn filters_as_the_filter_itself_does(store: &dyn EventStore) {
    let mut records: Vec<Record> = (0..40).map(record).collect();
    for (number, record) in records.iter_mut().enumerate() {
        // Some events lack the tested properties, and some have more values of them.
        let event = &mut record.event;
        match number % 8 {
            1 => event.subject = None,
            2 => event.actor = None,
            3 => event.actor.as_mut().unwrap().address = "2001:db8::7".parse().ok(),
            4 => event.gate = Gate::MLOGC,
            5 => event.facts = vec![Fact::number("cups", number as i64 / 10)],
            6 => event.actor.as_mut().unwrap().user = Some(["alice", "bob"][number / 8 % 2].into()),
            _ => {}
        }
        #[allow(irrefutable_let_patterns, unreachable_patterns, reason = "more kinds of evidence will come")]
        if let Evidence::Request(request) = &mut event.evidence {
            if number % 5 == 0 {
                request.scores.inbound = 5;
                let tags = vec!["attack-sqli".to_owned(), "a\\b".to_owned()].into();
                request.rules.push(MatchedRule { id: 941_101, tags, ..Default::default() });
                request.line = "POST /page/1 HTTP/1.1".into();
            }
            if number % 7 == 0 {
                request.line = (&b"GET /odd\xff?\\ HTTP/1.1"[..]).into();
            }
            if number % 3 == 0 {
                let status = if number % 2 == 0 { 403 } else { 200 };
                request.response = Some(event::Response { status, ..Default::default() });
            }
        }
    }
    // Some events are in the store's indices, some are not yet, and some may be.
    store.ingest(&records[..20], records[19].end).unwrap();
    tend(store);
    store.ingest(&records[20..], records[39].end).unwrap();
    filters_agree(store, &records);
    tend(store);
    filters_agree(store, &records);
}

fn tend(store: &dyn EventStore) {
    while store.tend().unwrap() > 0 {}
}

fn filters_agree(store: &dyn EventStore, records: &[Record]) {
    let mut filters = vec![Filter::default()];
    let tests = tests();
    for (number, test) in tests.iter().enumerate() {
        filters.push(Filter::default().with(test.clone()));
        filters.push(Filter::default().without(test.clone()));
        for other in &tests[number..] {
            filters.push(Filter::default().with(test.clone()).with(other.clone()));
            filters.push(Filter::default().with(test.clone()).without(other.clone()));
            filters.push(Filter::default().without(test.clone()).without(other.clone()));
        }
    }
    assert!(filters.len() > 1000);
    let mut found_some = 0;
    for filter in filters {
        let mut expected: Vec<&Event> = records.iter().map(|record| &record.event).collect();
        expected.retain(|event| filter.matches(event));
        expected.sort_by_key(|event| std::cmp::Reverse(event.id));
        found_some += usize::from(!expected.is_empty() && expected.len() < 40);
        let page = store.query(&Query::newest(filter.clone(), 100)).unwrap();
        assert_eq!(page.events.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(store.count(&filter).unwrap(), expected.len() as u64, "{filter:?}");
        let counted = store.count_some(&filter, None).unwrap();
        assert_eq!((counted.count, counted.next), (expected.len() as u64, None), "{filter:?}");
        if expected.len() > 2 {
            let mut query = Query::newest(filter.clone(), 2);
            query.before = Some(expected[1].id);
            let page = store.query(&query).unwrap();
            assert_eq!(
                page.events.iter().collect::<Vec<_>>(),
                expected[2..].iter().take(2).copied().collect::<Vec<_>>()
            );
        }
        expected.reverse();
        let mut query = Query { order: Order::OldestFirst, ..Query::newest(filter.clone(), 100) };
        let page = store.query(&query).unwrap();
        assert_eq!(page.events.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        if expected.len() > 2 {
            (query.before, query.limit) = (Some(expected[1].id), 2);
            let page = store.query(&query).unwrap();
            let next: Vec<&Event> = expected[2..].iter().take(2).copied().collect();
            assert_eq!(page.events.iter().collect::<Vec<_>>(), next, "{filter:?}");
        }
    }
    assert!(found_some > 500, "{found_some}");
}

fn finds_text(store: &dyn EventStore) {
    let mut event = samples::event(0);
    event.summary = Some("50%_off ~ \\ \"quoted\" é\u{1}".into());
    store.ingest(&[record_of(0, event), record(1)], Position { segment: 2, offset: 8 }).unwrap();
    text_is_found(store, 2);
    fill(store, 2..30);
    tend(store);
    text_is_found(store, 30);
}

fn text_is_found(store: &dyn EventStore, all: u64) {
    for (text, found) in [
        ("50%_OFF", 1),
        ("50%off", 0),
        ("50%x", 0),
        ("50__off", 0),
        ("~ \\ \"Quoted\"", 1),
        ("é\u{1}", 1),
        ("\"><B>", all),
        ("", all),
        ("é", 1),
        ("~", 1),
        ("page/1?", 1),
        ("no such text", 0),
    ] {
        let filter = Filter::default().with(Test::Text(text.into()));
        assert_eq!(store.count(&filter).unwrap(), found, "{text:?}");
    }
    let long = Filter::default().with(Test::Text("x".repeat(crate::limits::MAX_TEXT_BYTES + 1)));
    assert_eq!(store.count(&long).unwrap(), 0);
}

fn follows_the_order_of_coming(store: &dyn EventStore) {
    let first = fill(store, (0..10).chain(30..40));
    let second = fill(store, 110..115);
    assert_eq!(store.tail(Position::START, 100).unwrap(), [&first[..], &second].concat());
    assert_eq!(store.tail(first[4].end, 3).unwrap(), first[5..8]);
    assert_eq!(store.tail(first[19].end, 100).unwrap(), second);
    assert_eq!(store.tail(second[4].end, 100).unwrap(), []);
    assert_eq!(store.end().unwrap(), second[4].end);
}

fn retains_by_age(store: &dyn EventStore) {
    fill(store, 0..1200);
    let now = Timestamp::from_micros(EPOCH + 2000 * 1_000_000);
    let nothing = store.retain(&Retention::default(), now).unwrap();
    assert_eq!((nothing.by_age, nothing.by_size, nothing.total), (0, 0, 0));
    let retention = Retention { max_age: Some(Duration::from_secs(900)), max_bytes: None };
    let removed = store.retain(&retention, now).unwrap();
    assert_eq!((removed.by_age, removed.by_size, removed.total), (1100, 0, 1100));
    let left = store.query(&Query::newest(Filter::default(), 1000)).unwrap();
    assert_eq!(numbers(&left.events), (1100..1200).rev().collect::<Vec<_>>());
    assert_eq!(store.count(&Filter::default().with(Test::fact("rule", [941_100]))).unwrap(), 33);
    assert_eq!(store.retain(&retention, now).unwrap().total, 1100);
    let stats = store.stats().unwrap();
    assert_eq!((stats.events, stats.removed), (100, 1100));
    assert_eq!(store.get(samples::event(3).id).unwrap(), None);
}

fn retains_by_size(store: &dyn EventStore) {
    fill(store, 0..2000);
    let before = store.stats().unwrap().bytes;
    let retention = Retention { max_age: None, max_bytes: Some(before / 2) };
    let removed = store.retain(&retention, Timestamp::MAX).unwrap();
    assert_eq!(removed.by_age, 0);
    assert_eq!(removed.total, removed.by_size);
    let stats = store.stats().unwrap();
    assert!(stats.bytes <= before / 2, "{} of {before}", stats.bytes);
    assert!((200..1800).contains(&removed.by_size), "{removed:?}");
    assert_eq!(stats.events, 2000 - removed.by_size);
    // The newest events stay.
    assert_eq!(stats.oldest, Some(samples::event(removed.by_size).time));
    let all = store.retain(&Retention { max_age: None, max_bytes: Some(0) }, Timestamp::MAX).unwrap();
    assert_eq!(all.total, 2000);
    assert_eq!(store.stats().unwrap().events, 0);
}

/// Checks that a client with 2,000 large events in a minute pushes out its own events, not another client's of 90 days.
fn one_client_pushes_nobody_out(store: &dyn EventStore) {
    let day = |number: u64| number * 86_400;
    let quiet: Vec<Record> = (0..90).map(|number| from("198.51.100.7", number, day(number), 0)).collect();
    store.ingest(&quiet, quiet[89].end).unwrap();
    let retention = Retention { max_age: Some(Duration::from_secs(day(91))), max_bytes: Some(6 << 20) };
    let now = Timestamp::from_micros(EPOCH + day(90).cast_signed() * 1_000_000);
    // one flood comes from one address, the other from several addresses of one network
    let mut all = quiet.clone();
    let mut number = 90;
    for addresses in [&["203.0.113.7"][..], &["2001:db8:0:1::1", "2001:db8:0:1:2::2", "2001:db8:0:1:f::3"]] {
        for _ in 0..20 {
            let flood: Vec<Record> = (number..number + 100)
                .map(|n| from(addresses[n as usize % addresses.len()], n, day(89) + n, 8000))
                .collect();
            number += 100;
            store.ingest(&flood, flood[99].end).unwrap();
            store.retain(&retention, now).unwrap();
            assert!(store.stats().unwrap().bytes <= 6 << 20);
            all.extend(flood);
        }
    }
    assert_eq!(number, 4090);
    tend(store);
    let of = |network: &str| Filter::default().with(Test::Client(vec![network.parse().unwrap()]));
    assert_eq!(store.count(&of("198.51.100.7/32")).unwrap(), 90);
    let mut left: Vec<Event> = Vec::new();
    for record in &all {
        left.extend(store.get(record.event.id).unwrap());
    }
    // the newest events of each flood remain; the deleted ones are older
    for network in ["203.0.113.7/32", "2001:db8:0:1::/64"] {
        let filter = of(network);
        let events: Vec<&Event> =
            all.iter().map(|record| &record.event).filter(|e| filter.matches(e)).collect();
        let kept = left.iter().filter(|event| filter.matches(event)).count();
        assert!(kept > 10, "{network}: {kept}");
        assert!(events[2000 - kept..].iter().all(|event| left.contains(event)), "{network}: {kept}");
        assert_eq!(store.count(&filter).unwrap(), kept as u64);
    }
    assert_eq!(store.stats().unwrap().events, left.len() as u64);
    looking::agrees_with_what_is_left(store, &left, EPOCH, now.as_micros());
    // if no client exceeds its share, the oldest of all are deleted
    let small = Retention { max_age: None, max_bytes: Some(store.stats().unwrap().bytes / 8) };
    store.retain(&small, now).unwrap();
    assert!(store.stats().unwrap().bytes <= small.max_bytes.unwrap());
}

/// Returns an event of this client, `seconds` after the start, with an incompressible body of `body` bytes.
fn from(client: &str, number: u64, seconds: u64, body: usize) -> Record {
    let mut event = samples::event(number);
    let time = Timestamp::from_micros(EPOCH + seconds.cast_signed() * 1_000_000);
    (event.time, event.id) = (time, event::EventId::derived(time, "n", &number.to_string()));
    event.actor = Some(event::Actor::at(client.parse().unwrap(), None));
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u8
    };
    let bytes: Vec<u8> = (0..body).map(|_| noise()).collect();
    if let Evidence::Request(request) = &mut event.evidence
        && body > 0
    {
        request.body = Some(event::Body::capture(&bytes, body as u64, usize::MAX));
    }
    record_of(number, event)
}

fn starts_over(store: &dyn EventStore) {
    fill(store, 0..10);
    let aside = store.start_over().unwrap();
    assert!(aside.exists());
    assert_eq!(store.stats().unwrap().events, 0);
    assert_eq!(store.checkpoint().unwrap(), Position::START);
    fill(store, 5..8);
    assert_eq!(store.count(&Filter::default()).unwrap(), 3);
    let again = store.start_over().unwrap();
    assert_ne!(aside, again);
}
