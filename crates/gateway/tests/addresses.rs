//! The client's address in upstream requests, events and the access log.

use gateway::config::{AccessLogConfig, AccessLogFormat, ForwardedHeader};

use crate::support::{Gate, Upstream, config, wait_for};

fn v2(source: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    bytes.extend(source);
    bytes.extend([192, 0, 2, 99, 0x12, 0x34, 0, 80]);
    bytes
}

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn the_proxy_protocol_is_believed_of_trusted_peers_only() {
    for trusted in [true, false] {
        let upstream = Upstream::echo();
        let mut config = config(&upstream.url());
        config.listeners[0].proxy_protocol = true;
        if trusted {
            config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        }
        let gate = Gate::start(&config);
        for header in [b"PROXY TCP4 192.0.2.7 192.0.2.99 4660 80\r\n".to_vec(), v2([192, 0, 2, 7])] {
            let mut client = gate.client();
            for piece in header.chunks(7) {
                client.send(piece);
            }
            client.send(GET);
            assert_eq!(client.response().status, if trusted { 200 } else { 400 });
        }
        if trusted {
            for seen in upstream.seen(2) {
                assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.7"));
            }
        } else {
            assert!(upstream.seen_now().is_empty());
            let mut client = gate.client();
            client.send(GET);
            assert_eq!(client.response().status, 200);
            assert_eq!(gate.events(2)[0].address().unwrap().to_string(), "127.0.0.1");
        }
    }
}

#[test]
fn a_trusted_proxy_without_its_header_is_closed() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.listeners[0].proxy_protocol = true;
    config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send(GET);
    assert!(client.is_closed());
    // the connection may close before it is counted
    let counter = "monban_connections_refused_total{reason=\"proxy-protocol\"}";
    wait_for(|| gate.metric(counter) == Some(1.0), "the count");
    // a health check of the balancer itself
    let mut client = gate.client();
    client.send("PROXY UNKNOWN\r\n");
    client.send(GET);
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.seen(1)[0].header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn forwarding_headers_are_believed_of_trusted_peers_only() {
    let dir = tempfile::tempdir().unwrap();
    for (trusted, header, want) in [
        (false, ForwardedHeader::XForwardedFor, "127.0.0.1"),
        (true, ForwardedHeader::XForwardedFor, "192.0.2.7"),
        (true, ForwardedHeader::Forwarded, "192.0.2.8"),
        (true, ForwardedHeader::None, "127.0.0.1"),
    ] {
        let upstream = Upstream::echo();
        let mut config = config(&upstream.url());
        config.forwarded_header = header;
        config.access_log =
            Some(AccessLogConfig { path: dir.path().join("access.log"), format: AccessLogFormat::Json });
        if trusted {
            config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        }
        let gate = Gate::start(&config);
        let response = gate.ask(
            "GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.7\r\nForwarded: for=192.0.2.8\r\nX-Forwarded-Proto: https\r\n\r\n",
        );
        assert_eq!(response.status, 200);
        let seen = &upstream.seen(1)[0];
        let (chain, proto) =
            if trusted { ("10.0.0.1, 192.0.2.7, 127.0.0.1", "https") } else { ("127.0.0.1", "http") };
        assert_eq!(
            (seen.header("x-forwarded-for"), seen.header("x-forwarded-proto")),
            (Some(chain), Some(proto))
        );
        assert_eq!(seen.header("forwarded").is_some(), trusted);
        assert_eq!(seen.header("x-forwarded-host"), Some("a"));
        crate::support::wait_for(
            || {
                let log = std::fs::read_to_string(dir.path().join("access.log")).unwrap_or_default();
                log.lines().last().is_some_and(|line| line.contains(&format!("\"client\":\"{want}\"")))
            },
            "the access log line",
        );
        std::fs::remove_file(dir.path().join("access.log")).unwrap();
    }
}
