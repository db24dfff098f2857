//! Responses before the end of the request.

use std::io::Write;
use std::sync::Arc;

use gateway::config::WafMode;

use crate::frames::{DATA, Frame, Frames, HEADERS, NO_ERROR, RST_STREAM};
use crate::rules::rules;
use crate::support::{Gate, Upstream, config, early_upstream, wait_for};

const RULES: &str = r#"
    SecRuleEngine On
    SecRequestBodyAccess On
    SecRequestBodyLimit 1000
    SecRequestBodyNoFilesLimit 1000
    SecRequestBodyLimitAction Reject
    SecRule REQUEST_HEADERS:X-Bad "@rx ." "id:1,phase:1,deny,status:403"
"#;

/// Returns the kinds of the frames, and the code of a RST_STREAM.
fn kinds(frames: &[Frame]) -> Vec<(u8, u32)> {
    frames.iter().map(|frame| (frame.kind, if frame.kind == RST_STREAM { frame.code() } else { 0 })).collect()
}

#[test]
fn b10_an_answer_before_the_end_of_the_body_is_sent_whole_and_then_no_error() {
    let echo = Upstream::echo();
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unauthorised = early_upstream("HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nwho?", false);
    let moved = early_upstream("HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", true);
    let too_large = early_upstream("HTTP/1.1 413 No\r\nConnection: close\r\n\r\nless", true);
    let url = |address: std::net::SocketAddr| format!("http://{address}");
    let large = ("content-length", "1001");
    for (name, upstream, waf, fields, body, status) in [
        ("rule", echo.url(), true, &[("x-bad", "1")][..], 10, "403"),
        ("length over the limit", echo.url(), true, &[large], 10, "413"),
        ("body over the limit", echo.url(), true, &[], 1001, "413"),
        ("upstream down", url(down), false, &[], 10, "502"),
        ("upstream's 401", url(unauthorised), false, &[], 10, "401"),
        ("upstream's 302", url(moved), false, &[], 10, "302"),
        ("upstream's 413", url(too_large), false, &[], 10, "413"),
    ] {
        let gate = Gate::with_rules(&config(&upstream), if waf { rules(RULES) } else { None });
        let mut client = Frames::connect(gate.address);
        client.post(1, fields);
        client.send(DATA, 0, 1, &vec![b'x'; body]);
        let mut frames = client.answer(1);
        assert_eq!(frames[0].kind, HEADERS, "{name}: {frames:?}");
        assert!(frames.last().unwrap().ends_stream(), "{name}: {frames:?}");
        frames.push(client.of_stream(1).unwrap());
        assert_eq!(kinds(&frames).last(), Some(&(RST_STREAM, NO_ERROR)), "{name}");
        // the connection continues; bytes that the client sends before it reads the reset are no error
        client.send(DATA, 0, 1, &[b'x'; 10]);
        client.headers(3, &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")], 1);
        assert_eq!(client.answer(3)[0].kind, HEADERS, "{name}");
        let class = format!("status=\"{}xx\"", &status[..1]);
        let counted = || gate.metrics().lines().any(|line| line.contains(&class));
        wait_for(counted, name);
        if !name.starts_with("upstream's") {
            let event = &gate.events(1)[0];
            assert_eq!(
                event.request().unwrap().response.as_ref().unwrap().status.to_string(),
                status,
                "{name}"
            );
        }
    }
}

#[test]
fn b10_a_request_with_trailers_gets_its_answer_and_no_reset() {
    let upstream = Upstream::echo();
    for waf in [None, rules(RULES)] {
        for fields in [&[][..], &[("x-bad", "1")]] {
            let gate = Gate::with_rules(&config(&upstream.url()), waf.clone());
            let mut client = Frames::connect(gate.address);
            client.post(1, fields);
            client.send(DATA, 0, 1, b"hello");
            client.headers(1, &[("x-sum", "7")], 1);
            let frames = client.answer(1);
            assert_eq!(frames[0].kind, HEADERS, "{frames:?}");
            assert!(frames.last().unwrap().ends_stream(), "{frames:?}");
            // the next response arrives before any other frame of this stream
            client.headers(
                3,
                &[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
                1,
            );
            loop {
                let frame = client.next().unwrap();
                assert!(frame.stream != 1 || frame.kind != RST_STREAM, "{frame:?}");
                if frame.stream == 3 {
                    break;
                }
            }
        }
    }
}

#[test]
fn b10_the_h2_crates_client_reads_early_answers() {
    let gate = Gate::with_rules(&config("http://127.0.0.1:1"), rules(RULES));
    gate.runtime.block_on(async {
        let sender = crate::http2::connect(gate.address).await;
        for (field, status) in [("x-bad", 403), ("x-other", 413)] {
            for _ in 0..20 {
                let request = http::Request::post("http://a.test/").header(field, "1").body(()).unwrap();
                let (response, mut body) =
                    sender.clone().ready().await.unwrap().send_request(request, false).unwrap();
                let _ = body.send_data(bytes::Bytes::from(vec![b'x'; 10_000]), false);
                assert_eq!(crate::http2::finish(response).await.unwrap().status, status);
            }
        }
    });
}

#[test]
fn b10_a_length_over_the_limit_is_refused_at_once_and_without_100() {
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&config(&upstream.url()), rules(RULES));
    for (length, expect) in [("1001", "Expect: 100-continue\r\n"), ("1001", ""), ("9223372036854775807", "")]
    {
        let mut client = gate.client();
        // no byte of the body is sent
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{expect}\r\n"));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 413 ") && head.contains("Connection: close"), "{head}");
    }
    // within the limit the client gets 100 Continue
    let mut client = gate.client();
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue");
    client.send("hi");
    assert_eq!(client.response().text(), "/x");
    assert_eq!(upstream.seen_now().len(), 1);
}

#[test]
fn b10_only_reject_refuses_by_the_length() {
    let upstream = Upstream::echo();
    for (settings, multipart, status) in [
        ("SecRequestBodyLimitAction ProcessPartial", false, 200),
        ("# only detects", false, 200),
        ("SecRequestBodyAccess Off", false, 200),
        ("SecRequestBodyLimit 2000", false, 413),
        // only the other limit applies to files
        ("SecRequestBodyLimit 2000", true, 200),
    ] {
        let mut config = config(&upstream.url());
        if settings.contains("detects") {
            config.sites[0].waf = WafMode::Detect;
        }
        let gate = Gate::with_rules(&config, rules(&format!("{RULES}\n{settings}")));
        let kind = if multipart { "multipart/form-data; boundary=x" } else { "text/plain" };
        let body = "x".repeat(1001);
        let response = gate.ask(&format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 1001\r\n\r\n{body}"
        ));
        assert_eq!(response.status, status, "{settings}");
    }
}

#[test]
fn b10_a_client_that_sends_all_before_it_reads_gets_its_answer() {
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&config(&upstream.url()), rules(RULES));
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 65536], b"\r\n".to_vec()].concat();
    let chunked = Arc::new([chunk.repeat(100), b"0\r\n\r\n".to_vec()].concat());
    for _ in 0..20 {
        let mut client = gate.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.stream.write_all(&chunked).unwrap();
        assert_eq!(client.response().status, 413);
        assert!(client.is_closed());
    }
}

#[test]
fn b10_more_than_the_gate_discards_does_not_hide_the_answer() {
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&config(&upstream.url()), rules(RULES));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let mut upload = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let chunk = vec![b'x'; 1 << 20];
        // until the gate closes, long before the end
        (0..1000).take_while(|_| upload.write_all(&chunk).is_ok()).count()
    });
    // this client reads while it sends, as curl does
    assert_eq!(client.response().status, 413);
    client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    let sent = sender.join().unwrap();
    assert!(sent < 1000, "{sent} MiB");
}

#[test]
fn b10_a_204_has_no_length_and_an_early_hint_no_fields_of_the_hop() {
    let no_content = early_upstream("HTTP/1.1 204 Done\r\nContent-Length: 5\r\n\r\nhello", true);
    let gate = Gate::start(&config(&format!("http://{no_content}")));
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 204 ") && !head.contains("Content-Length"), "{head}");
    let hints = early_upstream(
        "HTTP/1.1 103 Hints\r\nLink: </a>\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        false,
    );
    let gate = Gate::start(&config(&format!("http://{hints}")));
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 103 Hints\r\nLink: </a>");
    assert_eq!(client.response().text(), "hi");
    let mut client = Frames::connect(gate.address);
    client.post(1, &[]);
    client.send(DATA, 1, 1, b"");
    let frames = client.answer(1);
    // the interim head, the final head and the body
    assert_eq!(kinds(&frames)[..3], [(HEADERS, 0), (HEADERS, 0), (DATA, 0)], "{frames:?}");
}
