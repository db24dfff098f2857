//! Plain proxying of HTTP/1: connections, heads, kept and dropped fields.

use std::io::Write;
use std::net::Shutdown;

use crate::support::{Answer, Client, Gate, Upstream, ok};

#[test]
fn one_connection_carries_many_requests_on_both_sides() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    for at in 0..20 {
        client.send(format!("GET /{at} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, &*format!("/{at}")));
        assert_eq!(response.header("connection"), None);
    }
    assert!(upstream.seen(20).iter().all(|seen| seen.connection == 0));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
         POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    for at in 1..=4 {
        assert_eq!(client.response().text(), format!("/{at}"));
    }
    let seen = upstream.seen(4);
    assert_eq!((&seen[1].body[..], &seen[2].body[..]), (&b"abc"[..], &b"x"[..]));
}

#[test]
fn the_target_and_the_fields_reach_the_upstream_as_they_were_sent() {
    let upstream = Upstream::start(|_| Answer::Bytes(ok("")));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send(
        b"GET /p\xe4th?name=\"><script>alert(1)</script><!-- HTTP/1.1\r\nhOsT: a\r\nX-Odd: \xe4 \"\\\r\nx-odd: again\r\nCookie: a=b\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let head = &upstream.seen(1)[0].head;
    let lossy = String::from_utf8_lossy(b"GET /p\xe4th?name=\"><script>alert(1)</script><!-- HTTP/1.1\r\nhOsT: a\r\nX-Odd: \xe4 \"\\\r\nx-odd: again\r\nCookie: a=b\r\n").into_owned();
    assert!(head.starts_with(&lossy), "{head}");
    assert!(head.contains("X-Forwarded-For: 127.0.0.1"), "{head}");
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\nLink: </s.css>\r\n\r\n\
            HTTP/1.1 200 Fine\r\nConnection: upgrade\r\nUpgrade: h2c\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
        )
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\nUpgrade: h2c\r\nX-End: 1\r\n\r\n",
    );
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nLink: </s.css>");
    let response = client.response();
    assert!(response.head.starts_with("HTTP/1.1 200 Fine\r\n"));
    assert_eq!(
        (response.header("upgrade"), response.header("keep-alive"), response.header("x-end")),
        (None, None, Some("2"))
    );
    let seen = &upstream.seen(1)[0];
    for gone in ["connection", "te", "upgrade"] {
        assert_eq!(seen.header(gone), None, "{}", seen.head);
    }
    assert_eq!(seen.header("x-end"), Some("1"));
}

#[test]
fn a2_connection_removes_no_field_on_either_way() {
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: set-cookie, content-security-policy, content-encoding, content-type, x-end\r\n\
        Set-Cookie: a=b\r\nContent-Security-Policy: default-src 'none'\r\nContent-Encoding: identity\r\nContent-Type: text/plain\r\n\
        X-End: 2\r\nContent-Length: 0\r\n\r\n";
    let upstream = Upstream::start(|_| Answer::Bytes(RESPONSE.to_vec()));
    let gate = Gate::before(&upstream);
    let response = gate.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Type, content-encoding, cookie, authorization, range, x-end\r\n\
         connection: host, content-length, transfer-encoding, x-forwarded-for\r\nContent-Type: application/json\r\n\
         Content-Encoding: identity\r\nCookie: a=b\r\nAuthorization: Basic eDp5\r\nRange: bytes=0-\r\nX-End: 1\r\nContent-Length: 2\r\n\r\n{}",
    );
    for name in ["set-cookie", "content-security-policy", "content-encoding", "content-type", "x-end"] {
        assert!(response.header(name).is_some(), "{name} in {}", response.head);
    }
    let seen = &upstream.seen(1)[0];
    assert_eq!(seen.body, b"{}");
    for name in [
        "host",
        "content-type",
        "content-encoding",
        "cookie",
        "authorization",
        "range",
        "x-end",
        "content-length",
        "x-forwarded-for",
    ] {
        assert!(seen.header(name).is_some(), "{name} in {}", seen.head);
    }
}

#[test]
fn http_10_clients_get_an_answer_that_they_understand() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec())
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text()), (200, "abc"));
    assert!(client.is_closed());
    assert_eq!((response.header("transfer-encoding"), response.header("content-length")), (None, None));

    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("keep-alive"));
    client.send("GET /2 HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "/2");
    assert!(client.is_closed());
}

#[test]
fn head_and_bodiless_statuses_leave_the_connection_in_step() {
    let upstream = Upstream::start(|seen| {
        Answer::Bytes(match seen.head.split(' ').nth(1).unwrap() {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n".to_vec(),
            path if seen.head.starts_with("HEAD") => {
                assert_eq!(path, "/head");
                b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n".to_vec()
            }
            path => ok(path),
        })
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response_to_head();
    assert_eq!((response.status, response.header("content-length")), (200, Some("12345")));
    for status in [204, 304] {
        client.send(format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response().status, status);
    }
    client.send("GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().text(), "/last");
    assert!(upstream.seen(4).iter().all(|seen| seen.connection == 0));
}

#[test]
fn interim_responses_pass_and_100_does_not() {
    let upstream = Upstream::start(|_| {
        let mut bytes =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n".to_vec();
        bytes.extend(ok("done"));
        Answer::Bytes(bytes)
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nLink: </s.css>");
    assert_eq!(client.response().text(), "done");
}

#[test]
fn a_client_that_says_close_is_closed() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let response = client.response();
    assert_eq!((response.text(), response.header("connection")), ("/x", Some("close")));
    assert!(client.is_closed());
}

#[test]
fn a_client_may_close_its_side_after_the_request() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().text(), "/x");
    assert!(client.is_closed());
}

#[test]
fn websocket_connections_become_tunnels_both_ways() {
    let upstream = Upstream::start(|_| {
        Answer::Take(Box::new(|stream| {
            let mut peer = Client { stream, buf: Vec::new() };
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
            );
            let mut got = [0; 4];
            std::io::Read::read_exact(&mut peer.stream, &mut got).unwrap();
            assert_eq!(&got, b"ping");
            peer.stream.write_all(b"pong").unwrap();
        }))
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n\r\nping");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: websocket"), "{head}");
    assert_eq!(client.rest(), b"hellopong");
    let seen = &upstream.seen(1)[0];
    assert_eq!((seen.header("connection"), seen.header("upgrade")), (Some("Upgrade"), Some("WebSocket")));
}

#[test]
fn upgrades_to_http_are_not_passed_on() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    for (at, (upgrade, passed)) in
        [("h2c", None), ("websocket, h2c", Some("websocket")), ("TLS/1.0", None)].into_iter().enumerate()
    {
        let response = gate.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: x\r\n\r\n"));
        assert_eq!(response.status, 200);
        let seen = &upstream.seen(at + 1)[at];
        assert_eq!((seen.header("upgrade"), seen.header("http2-settings")), (passed, None), "{}", seen.head);
    }
}

#[test]
fn requests_go_to_the_site_of_their_host_and_path() {
    let (one, two) =
        (Upstream::start(|_| Answer::Bytes(ok("one"))), Upstream::start(|_| Answer::Bytes(ok("two"))));
    let mut config = crate::support::config(&one.url());
    config.sites[0].hosts = vec!["a.test".into(), "*.a.test".into()];
    let mut app = config.sites[0].clone();
    app.path = "/app".into();
    app.upstream = vec![two.url()];
    config.sites.push(app);
    let gate = Gate::start(&config);
    for (host, target, want) in [
        ("a.test", "/", "one"),
        ("A.Test:80", "/app/x", "two"),
        ("x.a.test", "/app/../y", "one"),
        ("x.a.test", "/%61pp", "two"),
    ] {
        let response = gate.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(response.text(), want, "{host}{target}");
    }
    let response = gate.ask("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    assert_eq!(response.status, 404);
    let event = &gate.events(1)[0];
    assert_eq!((event.outcome, event.subject.as_deref()), (event::Outcome::Refused, Some("-")));
    assert!(response.text().contains(&event.id.to_string()));
}
