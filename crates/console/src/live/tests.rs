use std::net::SocketAddr;

use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
use store::{EventReader, Journal, JournalOptions};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::*;

struct Fixture {
    journal: Journal,
    address: SocketAddr,
    token: String,
    access: Arc<crate::access::Access>,
    stop: tokio::sync::oneshot::Sender<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    _data_dir: tempfile::TempDir,
}

impl Fixture {
    async fn start(live: Live) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let journal =
            Journal::open(&store::journal_folder(data_dir.path()), JournalOptions::default()).unwrap();
        let events = Arc::new(EventReader::open(data_dir.path()).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(spine::clock::SystemClock::default());
        let url = crate::access::Url::of_listener(address);
        let (access, _) = crate::access::Access::open(data_dir.path(), url, clock).unwrap();
        let token = access.command_token("test", &[crate::access::Scope::Read], None).unwrap();
        let access = Arc::new(access);
        let console =
            Console::new(crate::Sources { live, ..crate::Sources::new(Arc::clone(&access), events) });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let server = tokio::spawn(crate::serve(listener, None, console, crate::Routes::default(), async {
            let _ = stopped.await;
        }));
        Self { journal, address, token, access, stop, server, _data_dir: data_dir }
    }

    fn append(&self, numbers: std::ops::Range<i64>, filler: usize) {
        for number in numbers {
            let time = Timestamp::from_micros(1_795_424_686_000_000 + number * 1_000_000);
            let mut event = Event::of_request(
                EventId::derived(time, "n", ""),
                time,
                "n",
                Outcome::Passed,
                RequestEvidence::default(),
            );
            event.summary = Some(format!("number {number}.{}", "x".repeat(filler)));
            event.outcome = if number % 2 == 0 { Outcome::Blocked } else { Outcome::Passed };
            self.journal.append(&event).unwrap();
        }
    }

    async fn open(&self, filter: &str, last: Option<&str>) -> Stream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut stream = BufReader::new(stream);
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let token = &self.token;
        let request = format!(
            "GET /api/live?{filter} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{last}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        Stream { stream, head }
    }
}

struct Stream {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Stream {
    /// Returns the next message: its kind, its id, and the number in its data.
    async fn next(&mut self) -> (String, String, u64) {
        let (mut kind, mut id) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).await.unwrap() > 0, "the stream ended");
            if let Some(rest) = line.strip_prefix("event: ") {
                kind = rest.trim_end().to_owned();
            } else if let Some(rest) = line.strip_prefix("id: ") {
                id = rest.trim_end().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                let json: serde_json::Value = serde_json::from_str(data).unwrap();
                let number = match json["count"].as_u64() {
                    Some(count) => count,
                    None => {
                        let reason = json["summary"].as_str().unwrap();
                        reason["number ".len()..reason.find('.').unwrap()].parse().unwrap()
                    }
                };
                return (kind, id, number);
            }
        }
    }

    async fn events(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            let (kind, _, number) = self.next().await;
            assert_eq!(kind, "event");
            numbers.push(number);
        }
        numbers
    }

    async fn ends(mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
    }
}

#[tokio::test]
async fn events_come_as_they_happen_and_a_stream_resumes_where_it_was() {
    let fixture = Fixture::start(Live::default()).await;
    fixture.append(0..3, 0);
    let mut all = fixture.open("", None).await;
    assert!(all.head.starts_with("HTTP/1.1 200") && all.head.contains("text/event-stream"), "{}", all.head);
    let mut blocked = fixture.open("outcome=blocked", None).await;
    fixture.append(3..9, 0);
    assert_eq!(all.events(3).await, [3, 4, 5]);
    let (_, id, number) = all.next().await;
    assert_eq!(number, 6);
    assert_eq!(blocked.events(3).await, [4, 6, 8]);
    drop(all);
    fixture.append(9..12, 0);
    let mut again = fixture.open("", Some(&id)).await;
    assert_eq!(again.events(5).await, [7, 8, 9, 10, 11]);
    fixture.append(12..13, 0);
    assert_eq!(again.events(1).await, [12]);
    assert_eq!(blocked.events(2).await, [10, 12]);

    // more than a resuming stream gets: it gets the number of the others, and continues
    let most = (RESUME_PAGES * PAGE) as i64;
    fixture.append(13..13 + most + 50, 0);
    let mut late = fixture.open("outcome=passed", Some(&id)).await;
    // events 7 to most + 6
    assert_eq!(late.events(most as usize / 2).await.last(), Some(&(most.unsigned_abs() + 5)));
    let (kind, _, count) = late.next().await;
    assert_eq!((kind.as_str(), count), ("missed", 56));
    fixture.append(100_001..100_002, 0);
    assert_eq!(late.events(1).await, [100_001]);

    for (filter, last) in [("colour=red", None), ("", Some("x")), ("", Some("-1"))] {
        let refused = fixture.open(filter, last).await;
        assert!(refused.head.starts_with("HTTP/1.1 400"), "{}", refused.head);
    }
    // the daemon's stop ends the streams
    let _ = fixture.stop.send(());
    late.ends().await;
    blocked.ends().await;
    fixture.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_many_it_missed() {
    let fixture = Fixture::start(Live::default()).await;
    let mut slow = fixture.open("", None).await;
    let mut quick = fixture.open("", None).await;
    // more than the sockets and the backlog hold
    let count = 8192;
    for start in (0..count).step_by(512) {
        fixture.append(start..start + 512, 4000);
        let expected: Vec<u64> = (start.unsigned_abs()..start.unsigned_abs() + 512).collect();
        assert_eq!(quick.events(512).await, expected);
    }
    let (mut events, mut missed) = (0, 0);
    while events + missed < count.unsigned_abs() {
        let (kind, _, number) = slow.next().await;
        match kind.as_str() {
            "event" => events += 1,
            _ => missed += number,
        }
    }
    assert!(missed > 0);
    assert_eq!(events + missed, count.unsigned_abs());
    fixture.append(count..count + 1, 0);
    assert_eq!(slow.events(1).await, [count.unsigned_abs()]);
}

#[tokio::test]
async fn streams_are_few_and_end_after_a_while() {
    let fixture = Fixture::start(Live::with(2, LIFETIME, ASK_AGAIN)).await;
    let first = fixture.open("", None).await;
    let _second = fixture.open("", None).await;
    let refused = fixture.open("", None).await;
    assert!(refused.head.starts_with("HTTP/1.1 503"), "{}", refused.head);
    drop(first);
    // its place is free after the server has noticed the disconnect
    fixture.append(0..1, 0);
    for number in 1.. {
        if fixture.open("", None).await.head.starts_with("HTTP/1.1 200") {
            break;
        }
        fixture.append(number..number + 1, 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fixture = Fixture::start(Live::with(2, Duration::ZERO, ASK_AGAIN)).await;
    fixture.open("", None).await.ends().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let fixture = Fixture::start(Live::with(2, LIFETIME, Duration::from_millis(10))).await;
    let mut stream = fixture.open("", None).await;
    fixture.append(0..1, 0);
    assert_eq!(stream.events(1).await, [0]);
    let forget =
        |db: &rusqlite::Transaction<'_>, _| db.execute("DELETE FROM tokens", []).map_err(Problem::from);
    assert_eq!(fixture.access.blocking(forget).unwrap(), 1);
    fixture.append(1..2, 0);
    stream.ends().await;
}
