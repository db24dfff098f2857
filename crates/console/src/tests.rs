use std::sync::Arc;

use event::{Actor, Event, EventId, Outcome, RequestEvidence, Timestamp};
use store::{EventReader, Journal, JournalOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

mod unknown;

async fn ask(address: std::net::SocketAddr, target: &str, host: &str, token: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

/// Serves the events of a data folder. Returns the address, a token, and a function that ends it.
async fn served(
    data_dir: &std::path::Path,
    health: Health,
) -> (std::net::SocketAddr, String, impl AsyncFnOnce()) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = Arc::new(spine::clock::SystemClock::default());
    let (access, _) = access::Access::open(data_dir, access::Url::of_listener(address), clock).unwrap();
    let token = access.command_token("test", &[access::Scope::Read], None).unwrap();
    let sources = Sources {
        health: Arc::new(move || health.clone()),
        metrics: Arc::new(|| "a_metric 1\n".to_owned()),
        ..Sources::new(Arc::new(access), Arc::new(EventReader::open(data_dir).unwrap()))
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, None, Console::new(sources), Routes::default(), async {
        let _ = stopped.await;
    }));
    let end = async move || {
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    };
    (address, token, end)
}

#[tokio::test]
async fn answers() {
    let data_dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&store::journal_folder(data_dir.path()), JournalOptions::default()).unwrap();
    let mut ids = Vec::new();
    for number in 0..3_i64 {
        let time = Timestamp::from_micros(1_795_424_686_000_000 + number * 1_000_000);
        let id = EventId::derived(time, "n", &number.to_string());
        let mut event = Event::of_request(id, time, "n", Outcome::Passed, RequestEvidence::default());
        event.set_request_outcome(if number == 1 { Outcome::Blocked } else { Outcome::Passed });
        event.subject = Some(format!("site{number}"));
        event.actor = Some(Actor::at([192, 0, 2, number as u8].into(), None));
        journal.append(&event).unwrap();
        ids.push(id.to_string());
    }
    let full = store::JournalHealth { failure: Some("disk full".to_owned()), ..Default::default() };
    let degraded = Health { status: Status::Degraded, findings: full.findings(), ..Health::default() };
    let (address, token, end) = served(data_dir.path(), degraded).await;

    // target, status, a text in the response, a text that is not in it
    let one = format!("/api/events/{}", ids[1]);
    let page = format!("/api/events?before={}", ids[2]);
    let newer = format!("/api/events?order=oldest&before={}&limit=1", ids[0]);
    let cases: &[(&str, u16, &[&str], &[&str])] = &[
        ("/healthz", 200, &["\"degraded\"", "disk full"], &[]),
        ("/metrics", 200, &["a_metric 1"], &[]),
        ("/api/events", 200, &ids.iter().map(String::as_str).collect::<Vec<_>>(), &[]),
        ("/api/events?outcome=blocked", 200, &[&ids[1]], &[&ids[0], &ids[2]]),
        ("/api/events?subject=site2", 200, &[&ids[2]], &[&ids[0], &ids[1]]),
        ("/api/events?client=192.0.2.0/31", 200, &[&ids[0], &ids[1]], &[&ids[2]]),
        ("/api/events?client=192.0.2.2", 200, &[&ids[2]], &[&ids[0], &ids[1]]),
        ("/api/events?since=2026-11-23T09:04:47Z", 200, &[&ids[1], &ids[2]], &[&ids[0]]),
        ("/api/events?until=2026-11-23T09:04:47Z", 200, &[&ids[0]], &[&ids[1], &ids[2]]),
        ("/api/events?outcome=!blocked", 200, &[&ids[0], &ids[2]], &[&ids[1]]),
        ("/api/events?subject=site0&subject=site1", 200, &[&ids[0], &ids[1]], &[&ids[2]]),
        ("/api/events?subject=!site0&subject=%21site1", 200, &[&ids[2]], &[&ids[0], &ids[1]]),
        ("/api/events?client=!192.0.2.0/31", 200, &[&ids[2]], &[&ids[0], &ids[1]]),
        ("/api/events?text=site1&text=blocked", 200, &[&ids[1]], &[&ids[0], &ids[2]]),
        (
            "/api/events?text=!site1&severity=info&method=!GET&status=!200",
            200,
            &[&ids[0], &ids[2]],
            &[&ids[1]],
        ),
        ("/api/count", 200, &["{\"count\":3,\"complete\":true,\"next\":null,\"searched_to\":null}"], &[]),
        ("/api/count?outcome=blocked", 200, &["\"count\":1,"], &[]),
        ("/api/count?status=x", 400, &["status"], &[]),
        (
            "/api/overview?until=2026-11-23T10:00:00Z",
            200,
            &["\"series\":[{\"time\":\"2026-11-22T10", "\"countries\":null"],
            &[],
        ),
        ("/api/overview?step=week", 400, &["step"], &[]),
        ("/api/incidents", 200, &["{\"incidents\":[],\"next\":null}"], &[]),
        ("/api/incidents?before=x", 400, &["before"], &[]),
        ("/api/events?fact=path=*", 200, &ids.iter().map(String::as_str).collect::<Vec<_>>(), &[]),
        ("/api/events?fact=cups%3D3", 200, &["\"events\":[]"], &[]),
        (
            "/api/properties",
            200,
            &["{\"name\":\"status\",\"type\":\"number\",\"gates\":[\"request\",\"mlogc\"]"],
            &[],
        ),
        (
            "/api/properties/subject/values?prefix=site",
            200,
            &["{\"value\":\"site0\",\"message\":null,\"events\":1}", "site1", "site2"],
            &[],
        ),
        ("/api/properties/subject/values?prefix=site2", 200, &["site2"], &["site1"]),
        ("/api/properties/client/values?prefix=192.", 200, &["192.0.2.0", "192.0.2.2"], &[]),
        ("/api/properties/colour/values", 404, &["unknown property"], &[]),
        ("/api/filters", 200, &["{\"filters\":[]}"], &[]),
        ("/api/events?limit=1", 200, &[&ids[2], "\"next\":\""], &[&ids[0], &ids[1]]),
        (&page, 200, &[&ids[0], &ids[1], "\"next\":null"], &[&ids[2]]),
        (&one, 200, &[&ids[1], "\"v\":2"], &[]),
        ("/api/events/01KYD00000000000000000000Z", 404, &["does not exist"], &[]),
        ("/api/events/nonsense", 400, &["error"], &[]),
        ("/api/events?client=nonsense", 400, &["client:"], &[]),
        ("/api/events?since=yesterday", 400, &["since:"], &[]),
        ("/api/events?outcome=eaten", 400, &["outcome:"], &[]),
        ("/api/events?rule=!x", 400, &["rule: neither"], &[]),
        ("/api/events?limit=-1", 400, &["limit:"], &[]),
        ("/api/events?before=x", 400, &["before:"], &[]),
        ("/api/events?order=oldest&limit=1", 200, &[&ids[0]], &[&ids[1], &ids[2]]),
        (&newer, 200, &[&ids[1]], &[&ids[0], &ids[2]]),
        ("/api/events?order=up", 400, &["order: not `newest` or `oldest`"], &[]),
        ("/api/events?colour=red", 400, &["unknown property `colour`", "since", "limit"], &[]),
        ("/api/events/export?format=csv&outcome=blocked", 200, &["time,id,kind", &ids[1]], &[&ids[0]]),
        ("/api/events/export?subject=!site1", 200, &[&ids[0], "}\n{", &ids[2], "}\n"], &[&ids[1]]),
        ("/api/events/export?limit=1", 200, &[&ids[2]], &[&ids[0], &ids[1]]),
        ("/api/events/export?format=xls", 400, &["format:"], &[]),
        ("/nothing.txt", 404, &["error"], &[]),
    ];
    for (target, status, holds, lacks) in cases {
        let (found, body) = ask(address, target, "localhost", &token).await;
        assert_eq!(found, *status, "{target}: {body}");
        for text in *holds {
            assert!(body.contains(text), "{target} lacks {text}: {body}");
        }
        for text in *lacks {
            assert!(!body.contains(text), "{target} holds {text}: {body}");
        }
    }
    for (host, status) in [
        ("127.0.0.1:8600", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8600", 200),
        ("evil.example", 421),
        ("evil.example:8600", 421),
        ("", 421),
    ] {
        assert_eq!(ask(address, "/healthz", host, "").await.0, status, "{host}");
    }
    end().await;
}
