//! Bodies in both directions: framing, streaming, slowness.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use event::Outcome;

use crate::support::{Answer, Client, Gate, PATIENCE, Upstream, config, ok, wait_for};

#[test]
fn chunked_bodies_pass_both_ways_and_trailers_down() {
    let upstream = Upstream::start(|seen| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n".to_vec();
        for piece in seen.body.chunks(3) {
            bytes.extend(format!("{:x};ext=1\r\n", piece.len()).bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\nX-Sum: 7\r\n\r\n");
        Answer::Bytes(bytes)
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n");
        client.send("3\r\nefg\r\n0\r\nX-Trailer: 1\r\n\r\n");
        let response = client.response();
        assert_eq!((response.text(), &*response.trailers), ("abcdefg", "X-Sum: 7\n"));
    }
    let seen = upstream.seen(2);
    assert_eq!(
        (seen[1].header("transfer-encoding"), seen[1].header("content-length")),
        (Some("chunked"), None)
    );
    assert_eq!(seen[1].connection, 0);
}

#[test]
fn a_client_that_expects_100_gets_it_from_the_gate() {
    let upstream = Upstream::start(|seen| Answer::Bytes(ok(std::str::from_utf8(&seen.body).unwrap())));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue");
    client.send("hello");
    assert_eq!(client.response().text(), "hello");
    assert_eq!(upstream.seen(1)[0].header("expect"), None);
}

#[test]
fn a_response_that_ends_with_its_connection_goes_on_in_chunks() {
    let upstream = Upstream::start(|_| Answer::Last(b"HTTP/1.0 200 OK\r\n\r\nuntil close".to_vec()));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response();
        assert_eq!((response.text(), response.header("transfer-encoding")), ("until close", Some("chunked")));
    }
}

#[test]
fn a_large_upload_streams_through() {
    const MIB: usize = 64;
    let upstream = Upstream::start(|seen| Answer::Bytes(ok(&seen.body.len().to_string())));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    for _ in 0..MIB {
        client.send(format!("{:x}\r\n", block.len()));
        client.send(&block);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().text(), (MIB << 20).to_string());
    let body = &upstream.seen(1)[0].body;
    assert!(body.chunks(1 << 20).all(|chunk| chunk == block));
}

#[test]
fn a_large_response_streams_through_to_a_slow_reader() {
    let body = "0123456789abcdef".repeat(1 << 20);
    let length = body.len();
    let upstream = Upstream::start(move |_| Answer::Bytes(ok(&body)));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(50));
    for _ in 0..2 {
        let response = client.response();
        assert_eq!(response.body.len(), length);
        assert!(response.body.chunks(16).all(|piece| piece == b"0123456789abcdef"));
    }
}

#[test]
fn a_body_reaches_the_upstream_while_it_is_still_being_sent() {
    let (told, got) = mpsc::channel();
    let upstream = raw_upstream(move |mut stream| {
        let mut buf = [0; 4096];
        let mut all = Vec::new();
        while !all.ends_with(b"first") {
            let n = stream.read(&mut buf).unwrap();
            all.extend_from_slice(&buf[..n]);
        }
        told.send(()).unwrap();
        while !all.ends_with(b"second") {
            let n = stream.read(&mut buf).unwrap();
            all.extend_from_slice(&buf[..n]);
        }
        stream.write_all(&ok("both")).unwrap();
    });
    let gate = Gate::start(&config(&upstream));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nfirst");
    got.recv_timeout(PATIENCE).unwrap();
    client.send("second");
    assert_eq!(client.response().text(), "both");
}

/// Starts an upstream for one connection whose bytes the test writes itself.
fn raw_upstream(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve(listener.accept().unwrap().0));
    format!("http://{address}")
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let upstream = raw_upstream(|mut stream| {
        let mut buf = [0; 1024];
        let _ = stream.read(&mut buf).unwrap();
        stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").unwrap();
        // it neither reads nor closes
        std::thread::sleep(PATIENCE);
    });
    let gate = Gate::start(&config(&upstream));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nxxxx");
    let response = client.response();
    assert_eq!((response.status, response.text()), (413, "big"));
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn event_streams_arrive_at_once_and_end_when_the_client_leaves() {
    let (go, wait) = mpsc::channel::<()>();
    let (ended, end) = mpsc::channel();
    let upstream = raw_upstream(move |mut stream| {
        let mut buf = [0; 4096];
        let _ = stream.read(&mut buf).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").unwrap();
        wait.recv().unwrap();
        stream.write_all(b"data: 2\n\n").unwrap();
        // it is silent from now on: only the gate can detect that the client has left
        ended.send(stream.read(&mut buf).unwrap_or(0)).unwrap();
    });
    let gate = Gate::start(&config(&upstream));
    let mut client = gate.client();
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    assert_eq!(client.chunk(), b"data: 1\n\n");
    go.send(()).unwrap();
    assert_eq!(client.chunk(), b"data: 2\n\n");
    drop(client);
    assert_eq!(end.recv_timeout(PATIENCE).unwrap(), 0);
    wait_for(|| gate.gateway.open_connections() == 0, "the end of the client's connection");
}

#[test]
fn a_body_that_stops_coming_is_answered_408() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.timeouts.body = Duration::from_millis(100);
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow");
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    let event = &gate.events(1)[0];
    assert_eq!(
        (event.outcome, event.summary.as_deref()),
        (Outcome::Refused, Some("the client sent the request body too slowly"))
    );
    assert!(upstream.seen_now().is_empty());
}

#[test]
fn a_body_that_turns_out_malformed_is_answered_400() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n");
    assert_eq!(client.response().status, 400);
    assert!(client.is_closed());
    let event = &gate.events(1)[0];
    assert_eq!(event.outcome, Outcome::Refused);
    assert!(event.summary.as_deref().unwrap().contains("chunk size"), "{:?}", event.summary);
    // the upstream received at most the beginning, never a whole request
    assert!(upstream.seen_now().is_empty());
}

#[test]
fn a_client_that_leaves_in_the_middle_takes_its_upstream_connection_along() {
    let (ended, end) = mpsc::channel();
    let upstream = raw_upstream(move |mut stream| {
        let mut buf = [0; 4096];
        let mut seen = 0;
        loop {
            match stream.read(&mut buf) {
                Ok(0) | Err(_) => break,
                Ok(n) => seen += n,
            }
        }
        ended.send(seen).unwrap();
    });
    let gate = Gate::start(&config(&upstream));
    let mut client = Client::connect(gate.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    drop(client);
    assert!(end.recv_timeout(PATIENCE).is_ok());
    wait_for(|| gate.gateway.open_connections() == 0, "the end of the client's connection");
}
