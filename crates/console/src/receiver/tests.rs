use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Event;
use event::redaction::RedactionOptions;
use md5::{Digest, Md5};
use store::sqlite::BUSY_TIMEOUT;
use store::{Journal, JournalOptions, SqliteStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct Served {
    address: SocketAddr,
    receiver: Receiver,
    journal: Arc<Journal>,
    data_dir: tempfile::TempDir,
}

async fn served(sensors: Vec<Sensor>) -> Served {
    let data_dir = tempfile::tempdir().unwrap();
    let path = store::database_path(data_dir.path());
    let store = SqliteStore::open(&path, BUSY_TIMEOUT).unwrap();
    let journal = Journal::open(&store::journal_folder(data_dir.path()), JournalOptions::default());
    let journal = Arc::new(journal.unwrap());
    let intake = Arc::new(Intake::new(Arc::clone(&journal), Arc::new(store)));
    let redactor = Redactor::new(&RedactionOptions::default());
    // Only a body that never arrives waits for this time.
    let receiver = Receiver::start_with(intake, sensors, redactor, Duration::from_secs(2)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, None, receiver.clone(), std::future::pending()));
    Served { address, receiver, journal, data_dir }
}

fn web1() -> Sensor {
    Sensor::new("web1", Password::clear(b"s3cret:with-colon"), 0)
}

fn entry(id: &str) -> String {
    format!(
        "--b503c954-A--\n[23/Nov/2026:08:55:16.151222 +0000] {id} 203.0.113.7 33428 192.0.2.1 443\n--b503c954-B--\n\
         GET /?q=<script>&password=hunter2 HTTP/1.1\nHost: a.test\n\n--b503c954-H--\n\
         Message: Warning. detected XSS using libinjection. [file \"/r.conf\"] [line \"56\"] [id \"941100\"]\n\
         Engine-Mode: \"ENABLED\"\n\n--b503c954-Z--\n"
    )
}

fn summary(id: &str) -> String {
    format!(
        "a.test 203.0.113.7 - - [23/Nov/2026:08:55:16.165154 +0000] \"GET / HTTP/1.1\" 403 239 \"-\" \"-\" {id} \"-\" \
         /www-data/20261123/x-{id} 0 8401 md5:{}",
        "0".repeat(32)
    )
}

fn hash(body: &str) -> String {
    Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a request as mlogc sends it, with these values in some of its lines.
fn request(method: &str, credentials: &str, hash: &str, summary: &str, body: &str) -> String {
    format!(
        "{method} /rpc/auditLogReceiver HTTP/1.1\r\nHost: 127.0.0.1:18102\r\nAuthorization: Basic {}\r\nAccept: */*\r\n\
         Connection: close\r\nX-Content-Hash: md5:{hash} \r\nX-ForensicLog-Summary: {summary} \r\nContent-Length: {}\r\n\r\n{body}",
        STANDARD.encode(credentials),
        body.len()
    )
}

fn mlogc(id: &str) -> String {
    let body = entry(id);
    request("PUT", "web1:s3cret:with-colon", &hash(&body), &summary(id), &body)
}

/// Returns a request for a connection that stays open.
fn kept(id: &str) -> String {
    mlogc(id).replace("Connection: close\r\n", "")
}

/// Sends on a new connection. Returns the status and the whole response.
async fn exchange(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

fn journaled(served: &Served) -> Vec<Event> {
    let mut reader = store::journal::JournalReader::new(served.journal.folder(), store::Position::START);
    let mut events = Vec::new();
    while let store::journal::Step::Record(record) = reader.next_step().unwrap() {
        events.push(record.event);
    }
    events
}

#[tokio::test]
async fn an_event_is_taken_once() {
    let served = served(vec![web1()]).await;
    assert_eq!(exchange(served.address, &mlogc("one")).await.0, 200);
    assert_eq!(exchange(served.address, &mlogc("one")).await.0, 409);
    assert_eq!(exchange(served.address, &mlogc("two")).await.0, 200);
    let events = journaled(&served);
    let ids: Vec<_> = events.iter().map(|event| event.origin_id.clone().unwrap()).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(events[0].node, "web1");
    let line = events[0].request().unwrap().line.to_string();
    assert_eq!(line, "GET /?q=<script>&password=[redacted] HTTP/1.1");
    assert_eq!(served.receiver.received(), Received { new: 2, known: 1, unreadable: 0, refused: 0 });
    assert!(served.data_dir.path().join("journal").is_dir());
}

#[tokio::test]
async fn answers_tell_what_is_wrong() {
    let served = served(vec![web1()]).await;
    let good = "web1:s3cret:with-colon";
    let body = entry("one");
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    let v3 = r#"{"transaction":{"client_ip":"203.0.113.7","time_stamp":"Mon Nov 23 09:05:01 2026","unique_id":"v3","request":{"method":"GET","http_version":1.1,"uri":"/"}}}"#;
    let without_hash = |request: String| request.replace("X-Content-Hash", "X-Other");
    let cases = [
        (
            "web1:wrong",
            request("PUT", "web1:wrong", &hash(&body), "", &body),
            401,
            "unknown sensor or wrong password",
        ),
        ("unknown", request("PUT", "web9:s3cret:with-colon", &hash(&body), "", &body), 401, "basic realm"),
        (
            "no hash",
            request("PUT", good, "zz", &summary("one"), &body),
            400,
            "X-Content-Hash is not `md5:` and 32 hexadecimal digits",
        ),
        (
            "another hash",
            request("PUT", good, "", &summary("one"), &body).replace("md5: ", "sha256:00 "),
            400,
            "X-Content-Hash is not `md5:`",
        ),
        ("hash", request("PUT", good, &"0".repeat(32), &summary("one"), &body), 400, "X-Content-Hash"),
        (
            "no entry",
            request("PUT", good, &hash("noise"), "-", "noise"),
            400,
            "5 bytes at offset 0: not an audit log",
        ),
        ("empty", request("PUT", good, &hash(""), "-", ""), 400, "not an audit log"),
        (
            "too long",
            request("PUT", good, &hash(&long), "-", &long[..100])
                .replace("Content-Length: 100", &format!("Content-Length: {}", long.len())),
            413,
            "longer than",
        ),
        (
            "cut off",
            request("PUT", good, &hash(&body), "-", &body[..100])
                .replace("Content-Length: 100", "Content-Length: 9000"),
            408,
            "incomplete or arrived too slowly",
        ),
        ("other path", mlogc("one").replace("/rpc/", "/"), 404, "audit logs are accepted only at"),
        ("get", mlogc("one").replacen("PUT", "GET", 1), 405, ""),
        (
            "stray bytes behind the hash",
            request("PUT", good, &(hash(&body) + "junk"), &summary("one"), &body),
            200,
            "stored",
        ),
        ("libmodsecurity 3", without_hash(request("POST", good, "", "", v3)), 200, "stored"),
        (
            "a damaged entry with a summary",
            request("PUT", good, &hash(&entry("two")[..200]), &summary("two"), &entry("two")[..200]),
            200,
            "stored",
        ),
    ];
    for (what, request, status, text) in cases {
        let (found, answer) = exchange(served.address, &request).await;
        assert_eq!(found, status, "{what}: {answer}");
        assert!(answer.to_lowercase().contains(&text.to_lowercase()), "{what}: {answer}");
    }
    let events = journaled(&served);
    let ids: Vec<_> = events.iter().map(|event| event.origin_id.clone().unwrap()).collect();
    assert_eq!(ids, ["one", "v3", "two"]);
    assert!(events[2].summary.as_ref().unwrap().contains("200 bytes at offset 0: the entry is cut off"));
    assert_eq!(served.receiver.received().unreadable, 1);
}

/// An entry is one event in any order of arrival, and the first one stays.
#[tokio::test]
async fn whole_cut_and_as_a_summary_it_is_the_same_event() {
    let body = entry("ID");
    let forms = [body.as_str(), &body[..body.len() - 14], &body[..body.find("GET").unwrap()], "", "\0\0\0\0"];
    for (first, before) in forms.iter().enumerate() {
        for (second, after) in forms.iter().enumerate() {
            let served = served(vec![web1()]).await;
            let id = format!("id{first}x{second}");
            let mut statuses = Vec::new();
            for form in [before, after, after] {
                let form = form.replace("ID", &id);
                let request = request("PUT", "web1:s3cret:with-colon", &hash(&form), &summary(&id), &form);
                statuses.push(exchange(served.address, &request).await.0);
            }
            assert_eq!(statuses, [200, 409, 409], "{before:?}, then {after:?}");
            let events = journaled(&served);
            assert_eq!(events.len(), 1);
            let event = &events[0];
            let what_is_left = ["", "damaged: ", "damaged: ", "cannot be read: ", "cannot be read: "][first];
            assert!(event.summary.as_deref().unwrap_or_default().contains(what_is_left), "{event:?}");
            assert_eq!(event.summary.is_none(), first == 0);
            let request = event.request().unwrap();
            // An entry cut within its last line has all its evidence. If little remains, the summary gives the request and the
            // response.
            assert_eq!((request.headers.len(), request.rules.len()), if first < 2 { (1, 1) } else { (0, 0) });
            assert!(request.line.starts_with(b"GET /"), "{event:?}");
            assert_eq!(event.outcome == event::Outcome::Blocked, first > 1, "{event:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_a_limit_of_rate_holds() {
    let served = served(vec![Sensor::new("web1", Password::clear(b"s3cret:with-colon"), 1)]).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let mut statuses = Vec::new();
    // One event a second and four at once: the fifth exceeds the rate, on any slow machine, within ten attempts.
    for number in 0..200 {
        stream.write_all(kept(&format!("id{number}")).as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        statuses.push(status);
        if status == 429 {
            assert!(
                answer.contains("retry-after: 1") && answer.contains("web1: this sensor exceeds its rate"),
                "{answer}"
            );
            break;
        }
    }
    assert!(statuses.len() > 4 && statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(journaled(&served).len(), statuses.len() - 1);
    // From here on other sensors are configured.
    served.receiver.replace(vec![], Redactor::new(&RedactionOptions::default()));
    assert_eq!(exchange(served.address, &mlogc("later")).await.0, 401);
}

#[tokio::test]
async fn what_comes_at_the_same_time_is_taken_together() {
    let served = served(vec![web1()]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let address = served.address;
        // Two tasks send each event at the same time: one gets 200, one 409.
        tasks.spawn(async move { exchange(address, &mlogc(&format!("id{}", number / 2))).await.0 });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 32], [409; 32]].concat());
    assert_eq!(journaled(&served).len(), 32);
}

#[tokio::test]
async fn stopping_ends_connections() {
    let served = served(vec![web1()]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, None, served.receiver.clone(), async {
        let _ = stopped.await;
    }));
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(kept("one").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
