//! Requests that are sent to a second upstream: whole, byte for byte, or not at all.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use event::Outcome;
use gateway::config::{GatewayConfig, UpstreamHttp2};

use crate::frames::{DATA, END_STREAM, GOAWAY, HEADERS, REFUSED_STREAM, RST_STREAM, WINDOW_UPDATE, serve};
use crate::rules::rules;
use crate::support::{Gate, config, wait_for};

/// The way an upstream refuses a request.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Stream,
    GoAway,
}

const WINDOW: [u8; 4] = 0x7fff_0000_u32.to_be_bytes();

/// Starts an HTTP/2 upstream that refuses every request after this many bytes of its body, and counts them.
fn refusing(after: usize, how: Refusal) -> (SocketAddr, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let address = serve(move |mut frames| {
        frames.send(WINDOW_UPDATE, 0, 0, &WINDOW);
        let mut left = after;
        while let Some(frame) = frames.next() {
            match frame.kind {
                HEADERS if after > 0 => frames.send(WINDOW_UPDATE, 0, frame.stream, &WINDOW),
                HEADERS => {}
                DATA => left = left.saturating_sub(frame.payload.len()),
                _ => continue,
            }
            if left == 0 {
                count.fetch_add(1, Ordering::SeqCst);
                match how {
                    Refusal::Stream => {
                        frames.send(RST_STREAM, 0, frame.stream, &REFUSED_STREAM.to_be_bytes());
                    }
                    Refusal::GoAway => {
                        frames.send(GOAWAY, 0, 0, &[0; 8]);
                        while frames.next().is_some() {}
                        return;
                    }
                }
                left = after;
            }
        }
    });
    (address, refused)
}

type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

/// Starts an HTTP/2 upstream that responds 200 to every complete request.
fn taking() -> (SocketAddr, Bodies) {
    taking_after(0)
}

/// Does the same as [`taking`], but this many connections send GOAWAY at their first request.
fn taking_after(going: usize) -> (SocketAddr, Bodies) {
    let bodies = Bodies::default();
    let all = Arc::clone(&bodies);
    let connections = AtomicUsize::new(0);
    let address = serve(move |mut frames| {
        let goes = connections.fetch_add(1, Ordering::SeqCst) < going;
        frames.send(WINDOW_UPDATE, 0, 0, &WINDOW);
        let mut body = Vec::new();
        while let Some(frame) = frames.next() {
            match frame.kind {
                HEADERS if goes => {
                    frames.send(GOAWAY, 0, 0, &[0; 8]);
                    while frames.next().is_some() {}
                }
                HEADERS => frames.send(WINDOW_UPDATE, 0, frame.stream, &WINDOW),
                DATA => body.extend(&frame.payload),
                _ => continue,
            }
            if frame.flags & END_STREAM != 0 {
                all.lock().unwrap().push(std::mem::take(&mut body));
                frames.headers(frame.stream, &[(":status", "200")], END_STREAM);
            }
        }
    });
    (address, bodies)
}

fn before(first: SocketAddr, second: SocketAddr) -> GatewayConfig {
    let mut config = config(&format!("http://{first}"));
    config.sites[0].upstream.push(format!("http://{second}"));
    config.sites[0].upstream_http2 = UpstreamHttp2::Always;
    config
}

fn body(length: usize) -> String {
    (0..length).map(|at| char::from(b'a' + u8::try_from(at % 26).unwrap())).collect()
}

const HOLD: &str =
    "SecRequestBodyAccess On\nSecRequestBodyLimit 10000000\nSecRequestBodyNoFilesLimit 10000000";

#[test]
fn b12_a_held_body_is_replayed_whole_or_the_request_not_sent_again() {
    for how in [Refusal::Stream, Refusal::GoAway] {
        for (length, after, status) in [
            (0, 0, 200),
            (1000, 0, 200),
            (1000, 1000, 200),
            (100_000, 50_000, 200),
            (200_000, 200_000, 200),
            // beyond the bytes kept for a replay
            (2_000_000, 1_500_000, 502),
        ] {
            let ((first, refused), (second, bodies)) = (refusing(after, how), taking());
            let gate = Gate::with_rules(&before(first, second), rules(HOLD));
            let sent = body(length);
            for framed in [true, false] {
                bodies.lock().unwrap().clear();
                refused.store(0, Ordering::SeqCst);
                let (field, bytes) = match framed {
                    true => (format!("Content-Length: {length}"), sent.clone()),
                    false if length == 0 => ("Transfer-Encoding: chunked".to_owned(), "0\r\n\r\n".to_owned()),
                    false => (
                        "Transfer-Encoding: chunked".to_owned(),
                        format!("{length:x}\r\n{sent}\r\n0\r\n\r\n"),
                    ),
                };
                // in turn: the first request goes to the upstream that refuses, the next to the other
                let mut statuses = Vec::new();
                for _ in 0..2 {
                    let mut client = gate.client();
                    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n{bytes}"));
                    statuses.push(client.response().status);
                }
                assert!(statuses.contains(&200), "{how:?} {length} {after} {framed}: {statuses:?}");
                assert!(
                    statuses.iter().all(|got| [200, status].contains(got)),
                    "{how:?} {length}: {statuses:?}"
                );
                assert!(refused.load(Ordering::SeqCst) >= 1, "{how:?} {length} {after} {framed}");
                let bodies = bodies.lock().unwrap();
                assert_eq!(bodies.len(), statuses.iter().filter(|got| **got == 200).count());
                assert!(bodies.iter().all(|got| got == sent.as_bytes()), "{how:?} {length} {after} {framed}");
            }
        }
    }
}

#[test]
fn b12_a_body_that_was_not_held_is_never_sent_cut() {
    for (length, after) in [(1000, 500), (100_000, 60_000), (100_000, 100_000)] {
        let ((first, refused), (second, bodies)) = (refusing(after, Refusal::Stream), taking());
        let gate = Gate::start(&before(first, second));
        let sent = body(length);
        for _ in 0..4 {
            let mut client = gate.client();
            client.send(format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{sent}"));
            assert!([200, 502].contains(&client.response().status));
        }
        wait_for(|| refused.load(Ordering::SeqCst) > 0, "a refusal");
        assert!(bodies.lock().unwrap().iter().all(|got| got == sent.as_bytes()), "{length} {after}");
        for event in gate.events(1) {
            assert_eq!(event.outcome, Outcome::Failed);
            assert!(event.summary.as_deref().unwrap().contains("refused"), "{:?}", event.summary);
        }
    }
}

#[test]
fn b12_a_failed_connection_costs_no_byte_of_the_body() {
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // accepts and closes immediately: no HTTP/2 handshake
    let hasty = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hasty_address = hasty.local_addr().unwrap();
    std::thread::spawn(move || hasty.incoming().for_each(drop));
    for first in [down, hasty_address] {
        for waf in [None, rules(HOLD)] {
            let (second, bodies) = taking();
            let mut config = before(first, second);
            config.sites[0].timeouts.rest = std::time::Duration::from_millis(1);
            let gate = Gate::with_rules(&config, waf);
            let sent = body(100_000);
            let mut whole = 0;
            for _ in 0..6 {
                let mut client = gate.client();
                client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{sent}"));
                whole += usize::from(client.response().status == 200);
            }
            assert!(whole > 0);
            let bodies = bodies.lock().unwrap();
            assert_eq!(bodies.len(), whole);
            assert!(bodies.iter().all(|got| got == sent.as_bytes()));
        }
    }
}

#[test]
fn b12_a_lone_upstream_that_sends_goaway_gets_the_request_on_a_new_connection() {
    for waf in [None, rules(HOLD)] {
        let (address, bodies) = taking_after(1);
        let mut config = config(&format!("http://{address}"));
        config.sites[0].upstream_http2 = UpstreamHttp2::Always;
        let gate = Gate::with_rules(&config, waf.clone());
        let sent = body(1000);
        let mut client = gate.client();
        client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{sent}"));
        let status = client.response().status;
        // bytes that were not held may have reached the first connection
        assert!(status == 200 || waf.is_none() && status == 502, "{status}");
        let bodies = bodies.lock().unwrap();
        assert!(bodies.iter().all(|got| got == sent.as_bytes()));
        assert_eq!(bodies.len(), usize::from(status == 200));
    }
}
