//! Refused requests: status and event.

use std::time::Duration;

use event::Outcome;

use crate::support::{Gate, Upstream, config};

/// Request, status, and a word in the event's reason.
const CASES: &[(&str, u16, &str)] = &[
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "both"),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        400,
        "more than one Content-Length",
    ),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400, "decimal"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, "carriage return"),
    ("GET / HTTP/1.1\nHost: a\n\n", 400, "line feed"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, "folding"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400, "colon"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400, "zero byte"),
    ("GET /\r\n\r\n", 400, "version"),
    ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request line"),
    ("GET / HTTP/1.1\r\n\r\n", 400, "without Host"),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one Host"),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "differ"),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "transfer coding"),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, "chunked"),
    ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "version"),
    ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400, "version"),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "CONNECT"),
    ("\x16\x03\x01\x02\x00\x01", 400, "token"),
];

#[test]
fn malformed_requests_are_answered_and_kept_as_evidence() {
    assert!(CASES.len() >= 18);
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    for (at, (request, status, word)) in CASES.iter().enumerate() {
        let mut client = gate.client();
        client.send(request);
        let response = client.response();
        let shown = request.escape_debug();
        // clients before HTTP/1.1 expect a close without announcement
        let told = (!request.contains("HTTP/0.9")).then_some("close");
        assert_eq!((response.status, response.header("connection")), (*status, told), "{shown}");
        assert!(client.is_closed(), "{shown}");
        let event = &gate.events(at + 1)[at];
        assert_eq!(event.outcome, Outcome::Refused, "{shown}");
        assert!(event.summary.as_deref().unwrap().contains(word), "{shown}: {:?}", event.summary);
        assert!(response.text().contains(&event.id.to_string()), "{shown}");
        let evidence = event.request().unwrap();
        let line = request.split(['\r', '\n']).next().unwrap();
        assert_eq!(evidence.line.as_bytes(), line.as_bytes(), "{shown}");
        assert_eq!(evidence.response.as_ref().unwrap().status, *status, "{shown}");
        if let Some(body) = &evidence.body {
            assert!(request.as_bytes().ends_with(body.bytes.as_bytes()), "{shown}");
        }
    }
    assert!(upstream.seen_now().is_empty());
}

#[test]
fn heads_beyond_a_limit_are_refused() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.limits.head_bytes = 4096;
    config.limits.head_fields = 10;
    config.limits.target_bytes = 1000;
    let gate = Gate::start(&config);
    let many = "X: 1\r\n".repeat(11);
    let megabyte = "x".repeat(1 << 20);
    for (request, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1000)), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(4096)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {megabyte}\r\n\r\n"), 431),
        (format!("GET /{megabyte} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
    ] {
        let mut client = gate.client();
        // the gate may respond and close before the whole request is sent
        let _ = std::io::Write::write_all(&mut client.stream, request.as_bytes());
        assert_eq!(client.response().status, status);
    }
    let longest = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(999));
    assert_eq!(gate.ask(&longest).status, 200);
    let events = gate.events(5);
    assert!(events.iter().all(|event| event.outcome == Outcome::Refused && event.to_json().len() < 200_000));
}

#[test]
fn a_head_that_comes_too_slowly_is_answered_408_and_an_idle_connection_just_closed() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.timeouts.header = Duration::from_millis(100);
    config.timeouts.idle = Duration::from_millis(100);
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHos");
    assert_eq!(client.response().status, 408);
    assert!(client.is_closed());
    let event = &gate.events(1)[0];
    assert_eq!(
        (event.outcome, event.request().unwrap().line.as_bytes()),
        (Outcome::Refused, &b"GET / HTTP/1.1"[..])
    );

    // a connection without any bytes, or after a response, needs no response
    let mut client = gate.client();
    assert!(client.is_closed());
    let mut client = gate.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert!(client.is_closed());
    assert_eq!(gate.events(1).len(), 1);
}

#[test]
fn json_clients_and_head_requests_get_what_they_can_read() {
    let gate = Gate::start(&config("http://127.0.0.1:1"));
    let response = gate.ask("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    assert_eq!((response.status, response.header("content-type")), (502, Some("application/json")));
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body["event_id"], gate.events(1)[0].id.to_string());
    let mut client = gate.client();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: <b>\r\n\r\n");
    assert_eq!(client.response_to_head().status, 502);
    assert_eq!(client.response().status, 400);
}

#[test]
fn an_own_template_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("http://127.0.0.1:1");
    config.block_page = Some(dir.path().join("page.html"));
    std::fs::write(dir.path().join("page.html"), "<h1>{{status}}</h1>{{event_id}} for {{host}}").unwrap();
    let gate = Gate::start(&config);
    let response = gate.ask("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(response.text(), format!("<h1>502</h1>{} for a.test", gate.events(1)[0].id));
}
