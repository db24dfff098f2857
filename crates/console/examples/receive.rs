//! Sends events to a receiver as the mlogcs of five machines do, on ten connections each, and prints the number of events stored
//! per second. With `log` it prints the same events as an audit log instead.
//!
//!     cargo run --release -p console --example receive -- EVENTS [log | DATA_DIR]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use console::receiver::{Password, Receiver, Sensor, serve};
use event::redaction::{RedactionOptions, Redactor};
use md5::{Digest, Md5};
use store::sqlite::BUSY_TIMEOUT;
use store::{EventQuery, Filter, Ingester, Intake, Journal, JournalOptions, Retention, SqliteStore};

/// mlogc has up to ten connections (MaxConnections); each waits for its response before it sends again.
const SENDERS: usize = 50;

/// Returns an entry of about 7 kB, as a blocked request causes with the Core Rule Set, a fifth of a millisecond after the
/// previous one.
fn entry(id: usize) -> String {
    let (second, microsecond) = (id / 5000, id % 5000 * 200);
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let rule = |id: u32| {
        format!(
            "Message: Warning. Pattern match \"(?i)<script[^>]*>[\\\\s\\\\S]*?\" at ARGS:name. [file \"/usr/share/modsecurity-crs/rules/\
             REQUEST-941-APPLICATION-ATTACK-XSS.conf\"] [line \"83\"] [id \"{id}\"] [msg \"XSS Filter - Category 1: Script Tag Vector\"] \
             [data \"Matched Data: <script> found within ARGS:name: \\x22><script>alert(document.cookie)</script><!--\"] \
             [severity \"CRITICAL\"] [ver \"OWASP_CRS/3.3.4\"] [tag \"application-multi\"] [tag \"language-multi\"] [tag \"attack-xss\"] \
             [tag \"paranoia-level/1\"] [tag \"OWASP_CRS\"] [tag \"capec/1000/152/242\"]\n"
        )
    };
    let rules: String = (941_100..941_106).map(rule).collect();
    // Apache repeats each message in its own form.
    let repeated: String =
        rules.replace("Message: ", "Apache-Error: [file \"apache2_util.c\"] [line 275] [level 3] ");
    format!(
        "--b503c954-A--\n[23/Nov/2026:{hour:02}:{minute:02}:{second:02}.{microsecond:06} +0000] id{id} 203.0.113.7 33428 192.0.2.1 443\n--b503c954-B--\n\
         GET /item/{id}?name=%22%3E%3Cscript%3E HTTP/1.1\nHost: a.test\nUser-Agent: curl/7.88.1\nAccept: */*\n\
         Cookie: sid=abc123; lang=en\n\n--b503c954-F--\nHTTP/1.1 403 Forbidden\nContent-Length: 239\n\n--b503c954-H--\n\
         {rules}{repeated}Action: Intercepted (phase 2)\nEngine-Mode: \"ENABLED\"\n\n--b503c954-Z--\n"
    )
}

fn send(address: SocketAddr, numbers: impl Iterator<Item = usize>) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut stored = 0;
    let mut answer = [0; 4096];
    for number in numbers {
        let body = entry(number);
        let hash: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        let request = format!(
            "PUT /rpc/auditLogReceiver HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic d2ViMTpzM2NyZXQ=\r\nAccept: */*\r\n\
             X-Content-Hash: md5:{hash} \r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let length = stream.read(&mut answer)?;
        stored += usize::from(answer[..length].starts_with(b"HTTP/1.1 200"));
    }
    Ok(stored)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let events: usize = arguments.next().ok_or("how many events?")?.parse()?;
    let second = arguments.next();
    if second.as_deref() == Some("log") {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for id in 0..events {
            writeln!(out, "{}", entry(id))?;
        }
        return Ok(out.flush()?);
    }
    let data_dir = match second {
        Some(folder) => folder.into(),
        None => std::env::temp_dir().join(format!("monban-receive-{}", std::process::id())),
    };
    std::fs::create_dir_all(&data_dir)?;
    let store = Arc::new(SqliteStore::open(&store::database_path(&data_dir), BUSY_TIMEOUT)?);
    let journal = Arc::new(Journal::open(&store::journal_folder(&data_dir), JournalOptions::default())?);
    let ingester = Ingester::start(
        Arc::clone(&journal),
        Arc::<SqliteStore>::clone(&store),
        Retention::default(),
        |notice| println!("{notice}"),
    )?;
    let intake = Arc::new(Intake::new(journal, Arc::<SqliteStore>::clone(&store)));
    let sensors = vec![Sensor::new("web1", Password::clear(b"s3cret"), 0)];
    let receiver = Receiver::start(intake, sensors, Redactor::new(&RedactionOptions::default()))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(serve(listener, None, receiver, std::future::pending()));

    let before = store.count(&Filter::default())?;
    let began = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| std::thread::spawn(move || send(address, (sender..events).step_by(SENDERS))))
        .collect();
    let mut stored = 0;
    for sender in senders {
        stored += sender.join().map_err(|_| "a sender panicked")??;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("answered 200: {stored} of {events} in {seconds:.2} s, {:.0} a second", stored as f64 / seconds);
    ingester.stop();
    let seconds = began.elapsed().as_secs_f64();
    let after = store.count(&Filter::default())? - before;
    println!("in the store: {after} in {seconds:.2} s, {:.0} a second", after as f64 / seconds);
    Ok(())
}
