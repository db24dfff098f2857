//! Fills a store with events of the usual size and prints the time of appending, ingesting and querying.
//!
//!     cargo run --release -p store --example measure -- EVENTS [DATA_DIR [slim]]
//!
//! `slim`: events of about 1 kB (one rule, three headers, no body) instead of 4 kB, for stores with very many events.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::redaction::{RedactionOptions, Redactor};
use event::{
    Actor, Body, Event, Header, IdSource, MatchedRule, Outcome, RequestEvidence, Response, Severity,
    Timestamp,
};
use store::sqlite::BUSY_TIMEOUT;
use store::{
    EventQuery, EventStore, Filter, Ingest, Journal, JournalOptions, Query, Retention, SqliteStore, Test,
};

const START: i64 = 1_795_424_686_000_000;

/// Returns an event of about 4 kB of JSON, like that of a blocked request with the Core Rule Set: five matched rules,
/// browser headers, a form body.
fn event(ids: &IdSource, number: u64) -> Event {
    let time = Timestamp::from_micros(START + number.cast_signed() * 250_000);
    let rule = |id: u64| MatchedRule {
        id,
        phase: 2,
        message: "XSS Attack Detected via libinjection".into(),
        data: "Matched Data: XSS data found within ARGS:name: \"><script>alert(document.cookie)</script>"
            .into(),
        severity: Some(Severity::Critical),
        tags: ["application-multi", "language-multi", "attack-xss", "paranoia-level/1", "OWASP_CRS"]
            .map(String::from)
            .to_vec()
            .into(),
        ver: "OWASP_CRS/3.3.4".into(),
        file: "/usr/share/modsecurity-crs/rules/REQUEST-941-APPLICATION-ATTACK-XSS.conf".into(),
        line: 56,
        operator: "detectXSS".into(),
        variable: "ARGS:name".into(),
        value: "\"><script>alert(document.cookie)</script>".into(),
        ..Default::default()
    };
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
    let evidence = RequestEvidence {
        line: format!("POST /item/{number}?name=\"><script>alert(document.cookie)</script> HTTP/1.1").into(),
        headers: vec![
            Header::new("Host", "shop.example"),
            Header::new("User-Agent", agent),
            Header::new("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            Header::new("Accept-Language", "ja,en-US;q=0.7,en;q=0.3"),
            Header::new(
                "Cookie",
                format!("sid={:016x}{number:016x}; lang=ja", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ),
            Header::new("Content-Type", "application/x-www-form-urlencoded"),
        ],
        body: Some(Body::capture("a=1&password=hunter2&b=".repeat(20).as_bytes(), 460, 100_000)),
        response: Some(Response {
            status: 403,
            headers: vec![Header::new("Content-Type", "text/html")],
            ..Default::default()
        }),
        rules: vec![
            rule(941_100),
            rule(941_110),
            rule(941_160),
            rule(941_180),
            rule(949_110 + u64::from(number.is_multiple_of(10_000))),
        ],
        ..Default::default()
    };
    Event {
        subject: Some(format!("site{}", number % 10)),
        severity: Severity::Critical,
        actor: Some(Actor::at(
            ((number.wrapping_mul(2_654_435_761) % 50_000) as u32).to_be_bytes().into(),
            Some(1),
        )),
        ..Event::of_request(
            ids.next(time),
            time,
            "node",
            if number.is_multiple_of(1000) { Outcome::Failed } else { Outcome::Blocked },
            evidence,
        )
    }
}

/// Shortens an event to about 1 kB of JSON.
fn slim(mut event: Event) -> Event {
    if let event::Evidence::Request(request) = &mut event.evidence {
        request.rules.drain(..4);
        request.headers.truncate(3);
        request.body = None;
    }
    event
}

/// Returns this process's CPU time so far, which other load on the machine does not distort.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // utime and stime after the name in parentheses, in hundredths of a second (proc(5))
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}

/// A stopwatch of wall-clock time and CPU time.
#[derive(Clone, Copy)]
struct Watch(Instant, Duration);

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), processor())
    }

    fn elapsed(self) -> [Duration; 2] {
        [self.0.elapsed(), processor().saturating_sub(self.1)]
    }
}

fn add(sum: &mut [Duration; 2], more: [Duration; 2]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

fn report(what: &str, count: u64, [clock, processor]: [Duration; 2]) {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    println!(
        "{what:<32} {:>8.1} s {:>8.1} µs each; processor {:>8.1} µs each",
        clock.as_secs_f64(),
        each(clock),
        each(processor)
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().ok_or("usage: measure EVENTS [DATA_DIR]")?.parse()?;
    let data_dir =
        arguments.next().unwrap_or_else(|| std::env::temp_dir().join("monban-measure").display().to_string());
    let data_dir = Path::new(&data_dir);
    let slimmed = arguments.next().is_some_and(|word| word == "slim");
    let event = |ids: &IdSource, number| {
        let event = event(ids, number);
        if slimmed { slim(event) } else { event }
    };
    let path = store::database_path(data_dir);
    let options = JournalOptions { segment_bytes: 64 * 1024 * 1024, ..Default::default() };
    let journal = Journal::open(&store::journal_folder(data_dir), options)?;
    let store = Arc::new(SqliteStore::open(&path, BUSY_TIMEOUT)?);
    let ids = IdSource::new("measure", 7);

    let sample: Vec<Event> = (0..1000).map(|number| event(&ids, number)).collect();
    println!("JSON of an event: {} bytes", sample[0].to_json().len());
    let redactor = Redactor::new(&RedactionOptions::default());
    let mut redacted = sample.clone();
    let start = Watch::start();
    redacted.iter_mut().for_each(|event| redactor.redact(event));
    report("redact", 1000, start.elapsed());

    let (mut appending, mut ingesting) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
    let mut ingest = Ingest::new(journal.folder(), store.clone())?;
    let mut number = 0;
    while number < count {
        let events: Vec<Event> =
            (number..(number + 10_000).min(count)).map(|number| event(&ids, number)).collect();
        number += events.len() as u64;
        let start = Watch::start();
        for event in &events {
            journal.append(event)?;
        }
        add(&mut appending, start.elapsed());
        let start = Watch::start();
        ingest.catch_up(&mut |notice| println!("{notice}"))?;
        add(&mut ingesting, start.elapsed());
    }
    report("append", count, appending);
    report("ingest", count, ingesting);
    let stats = store.stats()?;
    println!("{} events, {} MiB in SQLite", stats.events, stats.bytes >> 20);
    let start = Watch::start();
    while store.tend()? > 0 {}
    report("index texts and statuses", count, start.elapsed());
    let unindexed = stats.bytes;
    let stats = store.stats()?;
    println!(
        "{} MiB with all indices, {} bytes more for each event",
        stats.bytes >> 20,
        (stats.bytes - unindexed) / count
    );

    let middle = Timestamp::from_micros(START + count.cast_signed() / 2 * 250_000);
    let filter = Filter::default;
    let filters = [
        ("all", filter()),
        ("site", filter().with(Test::Subject(vec!["site3".into()]))),
        ("client", filter().with(Test::Client(vec!["0.0.4.1/32".parse()?]))),
        ("network /24", filter().with(Test::Client(vec!["0.0.4.0/24".parse()?]))),
        ("common rule", filter().with(Test::fact("rule", [941_100]))),
        ("rare rule", filter().with(Test::fact("rule", [949_111]))),
        (
            "rare action, not site3",
            filter().with(Test::Outcome(vec![Outcome::Failed])).without(Test::Subject(vec!["site3".into()])),
        ),
        ("older half", filter().with(Test::Until(middle))),
        (
            "rule and site and older half",
            filter()
                .with(Test::fact("rule", [941_100]))
                .with(Test::Subject(vec!["site3".into()]))
                .with(Test::Until(middle)),
        ),
        ("common text", filter().with(Test::Text("<SCRIPT>".into()))),
        ("text that is nowhere", filter().with(Test::Text("no such text".into()))),
        ("text of one event", filter().with(Test::Text(format!("/item/{}?", count / 3)))),
        (
            "two texts, one of them rare",
            filter().with(Test::Text("script".into())).with(Test::Text("/item/77?".into())),
        ),
        ("text of two bytes, nowhere", filter().with(Test::Text("zq".into()))),
        ("not a common text", filter().without(Test::Text("script".into()))),
        (
            "site and a rare text",
            filter().with(Test::Subject(vec!["site3".into()])).with(Test::Text("/item/33?".into())),
        ),
        ("status that is nowhere", filter().with(Test::fact("status", [500..=500]))),
        ("method that is nowhere", filter().with(Test::fact("method", ["PUT"]))),
        (
            "site and action that never meet",
            filter().with(Test::Subject(vec!["site3".into()])).with(Test::Outcome(vec![Outcome::Failed])),
        ),
    ];
    for (name, filter) in filters {
        let start = Instant::now();
        let page = store.query(&Query::newest(filter.clone(), 50))?;
        let first = start.elapsed();
        let start = Instant::now();
        let found = store.count(&filter)?;
        println!(
            "{name:<32} first page {:>9.1} ms ({:>2} events{})   count {:>9.1} ms ({found})",
            first.as_secs_f64() * 1e3,
            page.events.len(),
            if page.searched_to.is_some() { ", partial" } else { "" },
            start.elapsed().as_secs_f64() * 1e3
        );
    }
    let start = Watch::start();
    let removed =
        store.retain(&Retention { max_age: None, max_bytes: Some(stats.bytes / 2) }, Timestamp::MAX)?;
    report("remove the older half by size", removed.by_size, start.elapsed());
    Ok(())
}
