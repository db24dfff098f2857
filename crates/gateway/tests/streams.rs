//! HTTP/2 with misbehaving clients.

use std::net::TcpStream;
use std::time::Duration;

use event::Outcome;
use gateway::config::{AccessLogConfig, AccessLogFormat};
use http::{Method, Request};

use crate::frames::{DATA, END_STREAM, Frames, GOAWAY, HEADERS, PING, REFUSED_STREAM, RST_STREAM};
use crate::http2::{ask, connect};
use crate::support::{Gate, Upstream, config, wait_for};

#[test]
fn b13_what_http1_refuses_is_refused_over_http2_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let path = dir.path().join("access.log");
    config.access_log = Some(AccessLogConfig { path: path.clone(), format: AccessLogFormat::Json });
    config.limits.target_bytes = 1000;
    config.limits.head_fields = 20;
    config.limits.head_bytes = 4000;
    let gate = Gate::start(&config);
    let request = || Request::get("http://a.test/x");
    let long = "x".repeat(1000);
    let mut many = request();
    for at in 0..21 {
        many = many.header(format!("x-{at}"), "1");
    }
    let cases = [
        (request().header("host", "b.test").body(()), 400, "host of the target and Host differ"),
        (request().header("host", "a.test").header("host", "a.test").body(()), 400, "more than one Host"),
        (request().header("host", "a.test").header("host", "b.test").body(()), 400, "more than one Host"),
        (Request::get("http://user@a.test/x").body(()), 400, "not a host"),
        (Request::builder().method(Method::CONNECT).uri("a.test:443").body(()), 405, "CONNECT"),
        (Request::get(format!("http://a.test/{long}")).body(()), 414, "target"),
        (many.body(()), 431, "more fields"),
        (request().header("x-a", "x".repeat(4000)).body(()), 431, "head is larger"),
        (request().method(&*"M".repeat(33)).body(()), 501, "method is longer"),
    ];
    let count = cases.len();
    gate.runtime.block_on(async {
        let sender = connect(gate.address).await;
        for (request, status, word) in cases {
            let answered = ask(&sender, request.unwrap(), None).await.unwrap();
            assert_eq!(answered.status, status, "{word}");
            let event = gate.events.0.lock().unwrap().last().unwrap().clone();
            assert_eq!(event.outcome, Outcome::Refused, "{word}");
            assert!(event.summary.as_deref().unwrap().contains(word), "{word}: {:?}", event.summary);
            assert!(String::from_utf8(answered.body).unwrap().contains(&event.id.to_string()), "{word}");
            assert_eq!(event.request().unwrap().protocol, "HTTP/2.0");
        }
        // a second, equal host is no error
        let request = Request::get("http://a.test/same").header("host", "A.test").body(()).unwrap();
        assert_eq!(ask(&sender, request, None).await.unwrap().body, b"/same");
    });
    assert_eq!(gate.events(count).len(), count);
    wait_for(
        || std::fs::read_to_string(&path).unwrap().matches("\"action\":\"refused\"").count() == count,
        "a line for each",
    );
    assert_eq!(upstream.seen_now().len(), 1);
    let refused = gate.metrics();
    assert!(refused.contains("action=\"refused\""), "{refused}");
}

#[test]
fn b13_an_http2_connection_ends_after_so_many_requests() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.limits.requests_per_connection = 5;
    let gate = Gate::start(&config);
    gate.runtime.block_on(async {
        let (sender, connection) =
            h2::client::handshake(tokio::net::TcpStream::connect(gate.address).await.unwrap()).await.unwrap();
        let end = tokio::spawn(connection);
        for at in 0..5 {
            let request = Request::get(format!("http://a.test/{at}")).body(()).unwrap();
            assert_eq!(ask(&sender, request, None).await.unwrap().status, 200);
        }
        drop(sender);
        end.await.unwrap().unwrap();
    });
    wait_for(|| gate.gateway.open_connections() == 0, "the connection's end");

    // a client that continues gets no more responses than were possibly in flight
    let mut client = Frames::connect(gate.address);
    let (mut answered, mut refused, mut told) = (0, 0, false);
    for at in 0..200 {
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        client.headers(2 * at + 1, &fields, END_STREAM);
        // pings are not acknowledged
        while let Some(frame) = client.next() {
            match frame.kind {
                GOAWAY => told = true,
                HEADERS => answered += 1,
                RST_STREAM if frame.code() == REFUSED_STREAM => {
                    refused += 1;
                    break;
                }
                DATA if frame.flags & END_STREAM != 0 => break,
                PING => {}
                _ => {}
            }
        }
    }
    assert!(told);
    assert_eq!((answered, refused), (5 + 128, 200 - 133));
}

/// Returns a listening socket that completes no further connection, because its queue is full.
fn blackhole() -> (std::net::TcpListener, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let listener: std::net::TcpListener = socket.into();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
    }
    (listener, queued)
}

#[test]
fn b13_a_stream_that_is_reset_ends_the_connecting_to_its_upstream() {
    let (listener, _queued) = blackhole();
    let mut config = config(&format!("http://{}", listener.local_addr().unwrap()));
    config.sites[0].timeouts.connect = Duration::from_secs(3600);
    let gate = Gate::start(&config);
    let mut client = Frames::connect(gate.address);
    let open = || gate.metric("monban_requests_open");
    for at in 0..10 {
        client.headers(
            2 * at + 1,
            &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
            END_STREAM,
        );
    }
    wait_for(|| open() == Some(10.0), "requests that wait for their upstream");
    for at in 0..10 {
        client.send(RST_STREAM, 0, 2 * at + 1, &8_u32.to_be_bytes());
    }
    wait_for(|| open() == Some(0.0), "the requests' end");
}

#[test]
fn b13_a_stream_that_is_reset_ends_a_response_that_is_being_inspected() {
    let upstream = crate::support::early_upstream(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhalf",
        false,
    );
    let mut config = config(&format!("http://{upstream}"));
    config.sites[0].timeouts.response = Duration::from_secs(3600);
    let rules = crate::rules::rules("SecResponseBodyAccess On\nSecResponseBodyMimeType text/plain");
    let gate = Gate::with_rules(&config, rules);
    let mut client = Frames::connect(gate.address);
    client.headers(
        1,
        &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
        END_STREAM,
    );
    wait_for(|| gate.metric("monban_requests_open") == Some(1.0), "the request");
    client.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    wait_for(|| gate.metric("monban_requests_open") == Some(0.0), "the request's end");
}

#[test]
fn b13_http10_without_host_and_lengths_with_zeros() {
    let upstream = Upstream::start(|_| {
        crate::support::Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0005\r\n\r\nhello".to_vec())
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("POST / HTTP/1.0\r\nContent-Length: 0010\r\n\r\n0123456789");
    let response = client.response();
    assert_eq!((response.header("content-length"), response.text()), (Some("5"), "hello"));
    let seen = &upstream.seen(1)[0];
    assert_eq!(seen.header("host"), Some(&*upstream.address.to_string()));
    assert_eq!((seen.header("content-length"), &seen.body[..]), (Some("10"), &b"0123456789"[..]));
}

#[test]
fn b13_a_client_that_does_not_answer_holds_up_no_stop() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = Frames::connect(gate.address);
    client.headers(
        1,
        &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
        END_STREAM,
    );
    assert_eq!(client.answer(1)[0].kind, HEADERS);
    // the ping after GOAWAY is not acknowledged
    assert!(gate.runtime.block_on(gate.gateway.stop(crate::support::PATIENCE)));
    let told = std::iter::from_fn(|| client.next()).any(|frame| frame.kind == GOAWAY);
    assert!(told);
}
