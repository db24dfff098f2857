//! Upstreams that are down, slow or broken: the response, the event, and no leftovers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use event::Outcome;

use crate::support::{Answer, Gate, PATIENCE, Upstream, config, ok, wait_for};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// Asserts one failed event and no open connection.
fn assert_failed(gate: &Gate, status: u16, word: &str) {
    let events = gate.events(1);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].outcome, Outcome::Failed);
    assert!(events[0].summary.as_deref().unwrap().contains(word), "{:?}", events[0].summary);
    let evidence = events[0].request().unwrap();
    assert_eq!(evidence.response.as_ref().unwrap().status, status);
    assert!(evidence.upstream.is_some());
    wait_for(|| gate.gateway.open_connections() == 0, "the end of all connections");
}

#[test]
fn an_upstream_that_is_down_is_a_502() {
    // a port that was free before
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gate = Gate::start(&config(&format!("http://{address}")));
    assert_eq!(gate.ask(GET).status, 502);
    assert_failed(&gate, 502, "cannot connect");
    assert_eq!(
        gate.metric(&format!(
            "monban_upstream_errors_total{{upstream=\"http://{address}\",reason=\"connect\"}}"
        )),
        Some(1.0)
    );
}

#[test]
fn an_upstream_that_answers_garbage_is_a_502() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-",
    ] {
        let upstream = Upstream::start(|_| Answer::Last(garbage.as_bytes().to_vec()));
        let gate = Gate::before(&upstream);
        assert_eq!(gate.ask(GET).status, 502, "{garbage}");
        assert_failed(&gate, 502, "malformed");
        assert_eq!(upstream.seen_now().len(), 1, "{garbage}");
    }
}

#[test]
fn endless_interim_responses_are_a_502() {
    let upstream = Upstream::start(|_| Answer::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100)));
    let gate = Gate::before(&upstream);
    assert_eq!(gate.ask(GET).status, 502);
    assert_failed(&gate, 502, "interim");
}

#[test]
fn a_response_head_beyond_the_limit_is_a_502() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000)).into_bytes())
    });
    let gate = Gate::before(&upstream);
    assert_eq!(gate.ask(GET).status, 502);
    assert_failed(&gate, 502, "larger than the limit");
}

#[test]
fn a_silent_upstream_is_a_504() {
    let upstream = Upstream::start(|_| Answer::Take(Box::new(|_stream| std::thread::sleep(PATIENCE))));
    let mut config = config(&upstream.url());
    config.sites[0].timeouts.response = Duration::from_millis(100);
    let gate = Gate::start(&config);
    assert_eq!(gate.ask(GET).status, 504);
    assert_failed(&gate, 504, "no response within");
    assert_eq!(upstream.seen_now().len(), 1, "a request that may still be in work is not sent again");
}

#[test]
fn a_response_that_breaks_off_is_broken_off() {
    for (partial, word) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "closed within"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "closed within"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n", "chunk size"),
    ] {
        let upstream = Upstream::start(|_| Answer::Last(partial.as_bytes().to_vec()));
        let gate = Gate::before(&upstream);
        let mut client = gate.client();
        client.send(GET);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200"));
        let rest = client.rest();
        // neither the announced length nor a last chunk: the client detects the cut
        assert!(rest.len() < 100 && !rest.ends_with(b"0\r\n\r\n"), "{}", rest.escape_ascii());
        assert_failed(&gate, 200, word);
    }
}

#[test]
fn only_idempotent_requests_without_a_body_are_sent_again() {
    for (request, count) in [
        (GET, 2),
        ("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 1),
        ("PATCH /x HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        ("BREW /x HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        (POST, 1),
        ("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 1),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let both = Arc::clone(&asked);
        // it reads the request and closes without a response
        let make = move || {
            let asked = Arc::clone(&both);
            Upstream::start(move |_| {
                asked.fetch_add(1, Ordering::SeqCst);
                Answer::Last(Vec::new())
            })
        };
        let (one, two) = (make(), make());
        let mut config = config(&one.url());
        config.sites[0].upstream.push(two.url());
        let gate = Gate::start(&config);
        let mut client = gate.client();
        client.send(request);
        assert!(client.head().starts_with("HTTP/1.1 502"), "{request}");
        assert_eq!(asked.load(Ordering::SeqCst), count, "{request}");
        drop(client);
        assert_failed(&gate, 502, "closed before the response");
    }
}

#[test]
fn what_was_never_sent_is_tried_elsewhere_whatever_it_is() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::echo();
    let mut config = config(&format!("http://{address}"));
    config.sites[0].upstream.push(upstream.url());
    let gate = Gate::start(&config);
    for _ in 0..4 {
        assert_eq!(gate.ask(POST).text(), "/x");
    }
    assert!(upstream.seen(4).iter().all(|seen| seen.body == b"hi"));
    assert!(gate.events(0).is_empty());
}

#[test]
fn a_kept_connection_that_the_upstream_closed_is_replaced() {
    let upstream = Upstream::start(|_| Answer::Last(ok("x")));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    for at in 1..=20 {
        client.send(GET);
        assert_eq!(client.response().status, 200, "request {at}");
    }
    assert_eq!(upstream.seen(20).len(), 20);
    assert!(gate.events(0).is_empty());
}

#[test]
fn an_upstream_that_stops_reading_is_given_up() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(&format!("http://{}", upstream.local_addr().unwrap()));
    config.sites[0].timeouts.response = Duration::from_millis(200);
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let _held = upstream.accept().unwrap();
    // far more than the socket buffers hold; the gate responds and closes during the upload
    let _ = std::io::Write::write_all(&mut client.stream, &vec![b'x'; 50_000_000]);
    assert_failed_with(&gate, 504, "no response within");
}

/// Does the same as `assert_failed` for a client that may have missed its response.
fn assert_failed_with(gate: &Gate, status: u16, word: &str) {
    let event = &gate.events(1)[0];
    assert!(event.summary.as_deref().unwrap().contains(word), "{:?}", event.summary);
    assert_eq!(event.request().unwrap().response.as_ref().unwrap().status, status);
}
