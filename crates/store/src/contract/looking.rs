//! The contract's tests of overviews and incidents: random events, compared with the reference definitions.

use std::time::Duration;

use event::{
    Actor, Event, EventId, Fact, Gate, Kind, MatchedRule, Outcome, RequestEvidence, Response, Timestamp,
};

use super::{numbers, record_of, tend};
use crate::event_store::{EventStore, Query, Retention, Traffic};
use crate::filter::{Filter, Test};
use crate::incident::{self, Incident, IncidentQuery};
use crate::journal::Record;
use crate::overview::{HOUR, Overview, OverviewQuery, Step, Tally};
use crate::samples::EPOCH;

/// A generator of random-looking numbers that are the same on each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// Returns events of five days, in random order.
fn events(count: u64, seed: u64) -> Vec<Event> {
    let mut numbers = Numbers(seed);
    (0..count)
        .map(|number| if number % 10 == 9 { tea(number, &mut numbers) } else { event(number, &mut numbers) })
        .collect()
}

/// Returns an event of a gate that no part of this program knows.
fn tea(number: u64, numbers: &mut Numbers) -> Event {
    let time = Timestamp::from_micros(EPOCH + numbers.below(5 * 24 * HOUR as u64).cast_signed());
    let (word, outcome) = numbers.one_of(&[("brewed", Outcome::Changed), ("spilt", Outcome::Failed)]);
    let kind = Kind::new(format!("tea.{word}")).unwrap();
    let id = EventId::derived(time, "n", &number.to_string());
    let actor = Actor {
        address: numbers.one_of(&[None, Some([192, 0, 2, 1].into())]),
        user: numbers.one_of(&[None, Some("alice".to_owned()), Some("bob".to_owned())]),
        ..Actor::default()
    };
    Event {
        subject: numbers.one_of(&[None, Some("shop".to_owned()), Some("pot".to_owned())]),
        actor: Some(actor),
        facts: vec![Fact::number("cups", numbers.below(4).cast_signed())],
        ..Event::new(id, time, "n", Gate::new("tea").unwrap(), kind, outcome)
    }
}

fn event(number: u64, numbers: &mut Numbers) -> Event {
    let time = Timestamp::from_micros(EPOCH + numbers.below(5 * 24 * HOUR as u64).cast_signed());
    let mut rules = Vec::new();
    for _ in 0..numbers.below(4) {
        let id = 941_100 + numbers.below(6);
        rules.push(MatchedRule {
            id,
            message: format!("message of {id}").into(),
            tags: vec![
                "OWASP_CRS".into(),
                numbers.one_of(&["attack-xss", "attack-sqli", "attack-protocol", "attack-generic"]).into(),
            ]
            .into(),
            ..Default::default()
        });
    }
    let status = numbers.one_of(&[200, 302, 403, 404]);
    let mut evidence = RequestEvidence {
        line: format!(
            "GET /{}/{}?q HTTP/1.1",
            numbers.one_of(&["shop", "blog", "wp-admin"]),
            numbers.below(3)
        )
        .into(),
        response: (numbers.below(4) > 0).then(|| Response { status, ..Default::default() }),
        rules,
        ..Default::default()
    };
    evidence.scores.inbound = numbers.below(30).cast_signed();
    let address = numbers.one_of(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]).parse().unwrap();
    Event {
        subject: numbers.one_of(&[None, Some("shop".to_owned()), Some("blog".to_owned())]),
        actor: (numbers.below(5) > 0).then_some(Actor::at(address, None)),
        ..Event::of_request(
            EventId::derived(time, "n", &number.to_string()),
            time,
            "n",
            numbers.one_of(Outcome::ALL),
            evidence,
        )
    }
}

fn fill(store: &dyn EventStore, events: &[Event]) {
    let records: Vec<Record> =
        events.iter().zip(0..).map(|(event, number)| record_of(number, event.clone())).collect();
    for batch in records.chunks(70) {
        store.ingest(batch, batch[batch.len() - 1].end).unwrap();
    }
    // events that are already stored do not count again
    store.ingest(&records[..20], records[records.len() - 1].end).unwrap();
}

/// Returns the overview by the reference definition.
fn plainly(events: &[Event], query: &OverviewQuery) -> Overview {
    let mut tally = Tally::new(query);
    events.iter().filter(|event| query.filter.matches(event)).for_each(|event| tally.add(event));
    tally.finish()
}

fn queries() -> Vec<OverviewQuery> {
    let site = |sites: &[&str]| Test::Subject(sites.iter().map(|site| (*site).into()).collect());
    let filters = [
        Filter::default(),
        Filter::default().with(site(&["shop"])),
        Filter::default().with(site(&["shop", "blog"])).without(site(&["blog"])),
        Filter::default().without(site(&["shop"])),
        Filter::default().with(site(&[])),
        Filter::default().with(Test::Gate(vec!["request".into()])),
        Filter::default().with(Test::Gate(vec!["tea".into()])).without(site(&["shop"])),
        Filter::default().with(Test::Kind(vec!["tea.brewed".into()])),
        Filter::default().with(Test::Outcome(vec![Outcome::Blocked])),
        Filter::default().with(Test::fact("rule", [941_101])).without(Test::fact("status", [200..=200])),
        Filter::default().with(Test::Text("wp-admin".into())),
        Filter::default()
            .with(Test::Since(Timestamp::from_micros(EPOCH + 7 * HOUR + 1)))
            .with(site(&["blog"])),
    ];
    let spans = [(0, 120), (-30, 150), (3, 4), (5, 47), (10, 11), (23, 25), (0, 0), (200, 300)];
    let mut queries = Vec::new();
    for filter in filters {
        for (since, until) in spans {
            for (step, offset) in
                [(Step::Minute, 0), (Step::Hour, 5), (Step::Day, 0), (Step::Day, 9), (Step::Day, -11)]
            {
                let time = |hour: i64| Timestamp::from_micros(EPOCH + hour * HOUR);
                let (since, until) = (time(since), time(until));
                for top in [3, 100] {
                    queries.push(OverviewQuery { filter: filter.clone(), since, until, step, offset, top });
                }
            }
        }
    }
    queries
}

fn overviews_agree(store: &dyn EventStore, events: &[Event]) -> usize {
    let mut not_empty = 0;
    for query in queries() {
        let expected = plainly(events, &query);
        assert_eq!(store.overview(&query).unwrap(), expected, "{query:?}");
        not_empty += usize::from(expected.totals.events > 0);
    }
    not_empty
}

pub(super) fn counts_as_the_plain_definition(store: &dyn EventStore) {
    let events = events(600, 1);
    fill(store, &events);
    assert!(overviews_agree(store, &events) > 200);
    tend(store);
    overviews_agree(store, &events);
}

/// Returns all incidents, read page by page, in the order of [`incident::group`].
fn incidents(store: &dyn EventStore, limit: usize) -> Vec<Incident> {
    let mut query = IncidentQuery { limit, ..Default::default() };
    let mut all: Vec<Incident> = Vec::new();
    loop {
        let page = store.incidents(&query).unwrap();
        assert!(page.next.is_none() || page.incidents.len() == limit);
        all.extend(page.incidents);
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert!(all.windows(2).all(|pair| (pair[0].last, pair[0].id) > (pair[1].last, pair[1].id)));
    for incident in &mut all {
        incident.id = 0;
    }
    all.sort_by(|a, b| (&a.actor, a.first).cmp(&(&b.actor, b.first)));
    all
}

pub(super) fn groups_as_the_plain_definition(store: &dyn EventStore) {
    let events = events(2000, 2);
    fill(store, &events);
    let expected = incident::group(&events);
    assert!(expected.len() > 300 && expected.iter().any(|incident| incident.events > 5));
    for limit in [7, 500] {
        assert_eq!(incidents(store, limit), expected);
    }
    // incidents are selected by the time of the last event
    let time = |hour: i64| Timestamp::from_micros(EPOCH + hour * HOUR);
    for (since, until) in [(20, 40), (0, 1), (60, 60)] {
        let query = IncidentQuery {
            since: Some(time(since)),
            until: Some(time(until)),
            before: None,
            limit: usize::MAX,
        };
        let found = store.incidents(&query).unwrap().incidents.len();
        let within = |incident: &&Incident| (time(since)..time(until)).contains(&incident.last);
        assert_eq!(found, expected.iter().filter(within).count());
    }
}

pub(super) fn forgets_what_retention_takes(store: &dyn EventStore) {
    let mut events = events(600, 3);
    fill(store, &events);
    tend(store);
    let now = Timestamp::from_micros(EPOCH + 5 * 24 * HOUR);
    for hours in [90, 50, 0] {
        let age = Duration::from_secs(hours * 3600);
        store.retain(&Retention { max_age: Some(age), max_bytes: None }, now).unwrap();
        let oldest = now.as_micros() - age.as_micros() as i64;
        let before = incident::group(&events);
        events.retain(|event| event.time.as_micros() >= oldest);
        assert_eq!(store.stats().unwrap().events, events.len() as u64);
        overviews_agree(store, &events);
        let left = incidents(store, 500);
        // an incident with remaining events keeps the count of its deleted ones
        let last = events.iter().map(|event| event.time).min();
        let expected =
            before.iter().filter(|incident| last.is_some_and(|last| incident.last >= last)).count();
        assert_eq!(left.len(), expected, "{hours}");
    }
    assert_eq!(numbers(&store.query(&Query::newest(Filter::default(), 10)).unwrap().events), [0_u64; 0]);
}

/// Checks the overview and the incidents of the remaining events: no incident is empty, and each event is in one.
pub(super) fn agrees_with_what_is_left(store: &dyn EventStore, left: &[Event], since: i64, until: i64) {
    let query = OverviewQuery {
        filter: Filter::default(),
        since: Timestamp::from_micros(since),
        until: Timestamp::from_micros(until),
        step: Step::Day,
        offset: -3,
        top: 3,
    };
    assert_eq!(store.overview(&query).unwrap(), plainly(left, &query));
    let found = incidents(store, 500);
    let expected = incident::group(left);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((&found.actor, found.last), (&expected.actor, expected.last));
        // an incident with remaining events keeps the count of its deleted ones
        assert!(found.events >= expected.events);
    }
}

pub(super) fn sums_traffic(store: &dyn EventStore) {
    let hour = EPOCH / HOUR;
    let traffic = |hour, site: &str, requests| Traffic { hour, site: site.into(), requests };
    store.add_traffic(&[traffic(hour, "shop", 5), traffic(hour, "blog", 7)]).unwrap();
    store.add_traffic(&[traffic(hour, "shop", 1), traffic(hour + 2, "shop", 10)]).unwrap();
    let query = |filter| OverviewQuery {
        filter,
        since: Timestamp::from_micros(EPOCH),
        until: Timestamp::from_micros(EPOCH + 2 * HOUR),
        step: Step::Hour,
        offset: 0,
        top: 1,
    };
    let requests = |filter| {
        let overview = store.overview(&query(filter)).unwrap();
        let series: Vec<_> = overview.series.iter().map(|bucket| bucket.requests).collect();
        (series, overview.totals.requests)
    };
    let all = || Filter::default();
    assert_eq!(requests(all()), (vec![Some(13), None, Some(10)], Some(23)));
    let shop = Test::Subject(vec!["shop".into()]);
    assert_eq!(requests(all().with(shop.clone())), (vec![Some(6), None, Some(10)], Some(16)));
    assert_eq!(requests(all().without(shop.clone())), (vec![Some(7), None, None], Some(7)));
    // for other filters the number of passing requests is unknown
    assert_eq!(requests(all().with(Test::Outcome(vec![Outcome::Blocked]))), (vec![None; 3], None));
    let now = Timestamp::from_micros((hour + 2) * HOUR);
    store.retain(&Retention { max_age: Some(Duration::from_secs(3600)), max_bytes: None }, now).unwrap();
    assert_eq!(requests(all()), (vec![None, None, Some(10)], Some(10)));
}
