//! Memory stays bounded regardless of the clients' input, and the documented answer comes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::Reflector;
use testkit::client;

use crate::support::{Daemon, RULES, swallowing_upstream};

/// Largest peak memory of the daemon in kibibytes. A debug build with a handful of rules starts at about 20 MiB.
const BOUND: u64 = 200 * 1024;

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn ten_thousand_slow_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    assert!(limit.maximum.is_none_or(|files| files > 10_500), "this test needs 10,500 open files");
    let upstream = Reflector::start();
    // one client holds at most as many connections as are left for others
    let extra =
        "[limits]\nconnections = 30000\nconnections_per_client = 20000\n[timeouts]\nheader = \"10m\"\n";
    let daemon = Daemon::start(upstream.address(), None, extra);
    let mut slow: Vec<TcpStream> = (0..10_000).map(|_| TcpStream::connect(daemon.address).unwrap()).collect();
    for byte in "GET / HTTP/1.1\r\nX: ".bytes() {
        for stream in &mut slow {
            stream.write_all(&[byte]).unwrap();
        }
    }
    assert_eq!(daemon.get("/").status, 200);
    assert_eq!(daemon.get("/?q=attack").status, 403);
    assert!(daemon.peak_memory() < BOUND, "{} KiB", daemon.peak_memory());
    // and each connection is served in its turn
    for stream in slow.iter_mut().step_by(1000) {
        stream.write_all(b"x\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

#[test]
fn a_chunked_upload_streams_past() {
    let daemon = Daemon::start(swallowing_upstream(), None, "");
    let mut stream = TcpStream::connect(daemon.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    stream
        .write_all(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        .unwrap();
    let megabyte = vec![b'u'; 1 << 20];
    for _ in 0..300 {
        stream.write_all(b"100000\r\n").unwrap();
        stream.write_all(&megabyte).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let arrived: u64 = answer.rsplit("\r\n\r\n").next().unwrap().parse().unwrap();
    assert!(arrived >= 300 << 20, "{arrived}");
    assert!(daemon.peak_memory() < BOUND, "{} KiB", daemon.peak_memory());
}

#[test]
fn oversized_and_hostile_requests() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let xml = "SecRule REQUEST_HEADERS:Content-Type \"@contains xml\" \"id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=XML\"\n";
    std::fs::write(daemon.folder.path().join("rules.conf"), format!("{RULES}{xml}")).unwrap();
    assert!(daemon.command(&["reload"]).status.success());
    let mut bomb = std::process::Command::new("sh");
    let bomb = bomb.args(["-c", "head -c 104857600 /dev/zero | gzip -9"]).output().unwrap().stdout;
    assert!(bomb.len() < 1 << 20 && bomb.len() > 10_000);
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let megabyte = "h".repeat(1 << 20);
    let multipart = "Content-Type: multipart/form-data; boundary=b\r\n";
    let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
    // each entity is ten times the previous one: a gigabyte in total
    let entities: String = (1..10)
        .map(|number| {
            let before = format!("&e{};", number - 1).repeat(10);
            format!("<!ENTITY e{number} \"{before}\">")
        })
        .collect();
    let laughs = format!("<!DOCTYPE a [<!ENTITY e0 \"attack\">{entities}]><a>&e9;</a>");
    let cases: [(&str, Vec<u8>, u16); 11] = [
        (
            "a header of 1 MB",
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {megabyte}\r\n\r\n").into_bytes(),
            431,
        ),
        (
            "ten thousand headers",
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: 1\r\n".repeat(10_000)).into_bytes(),
            431,
        ),
        ("a hundred thousand parts", post(multipart, (part.repeat(100_000) + "--b--\r\n").as_bytes()), 400),
        ("nested entities", post("Content-Type: text/xml\r\n", laughs.as_bytes()), 400),
        ("deep XML", post("Content-Type: text/xml\r\n", "<a>".repeat(1 << 20).as_bytes()), 400),
        (
            "a target of 1 MB",
            format!("GET /{megabyte} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            414,
        ),
        ("deep JSON", post(json, "[".repeat(4 << 20).as_bytes()), 400),
        ("a million parameters", post(form, "a=1&".repeat(1_000_000).as_bytes()), 400),
        ("an attack among a thousand", post(form, ("a=1&".repeat(900) + "b=attack").as_bytes()), 403),
        // rules judge bodies without decompression, so nothing grows
        ("a gzip bomb", post("Content-Encoding: gzip\r\nContent-Type: text/plain\r\n", &bomb), 200),
        ("an ordinary form", post(form, b"a=1"), 200),
    ];
    for (what, request, status) in &cases {
        let response = client::exchange_within(daemon.address, request, Duration::from_secs(60)).unwrap();
        assert_eq!(response.status, *status, "{what}: {}", response.text());
        assert!(daemon.peak_memory() < BOUND, "{what}: {} KiB", daemon.peak_memory());
    }
}
