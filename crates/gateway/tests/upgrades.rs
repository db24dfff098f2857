//! Upgrades to protocols other than HTTP.

use std::io::{Read, Write};

use event::Outcome;
use gateway::config::{AccessLogConfig, AccessLogFormat};

use crate::rules::rules;
use crate::support::{Answer, Client, Gate, Upstream, config, early_upstream, ok, wait_for};

/// Starts an upstream that switches to the requested protocol and then echoes.
fn switching() -> Upstream {
    Upstream::start(|seen| {
        let Some(upgrade) = seen.header("upgrade").map(str::to_owned) else {
            return Answer::Bytes(ok("plain"));
        };
        Answer::Take(Box::new(move |mut stream| {
            let head = format!(
                "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\nContent-Length: 9\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(&[b"echo ", &heard[..]].concat()).unwrap();
        }))
    })
}

fn ask(protocol: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
}

#[test]
fn b11_any_protocol_becomes_a_tunnel_and_is_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = switching();
    for (at, (protocol, told)) in [
        ("tcp", serde_json::json!([{"what": "tunnel", "protocol": "tcp"}])),
        ("backup-proto-v1", serde_json::json!([{"what": "tunnel", "protocol": "backup-proto-v1"}])),
        ("WebSocket", serde_json::json!([{"what": "websocket"}])),
    ]
    .into_iter()
    .enumerate()
    {
        let mut config = config(&upstream.url());
        let path = dir.path().join(format!("{at}.log"));
        config.access_log = Some(AccessLogConfig { path: path.clone(), format: AccessLogFormat::Json });
        // one match, so that the request has an event
        let gate = Gate::with_rules(&config, rules("SecAction \"id:1,phase:1,pass,log,msg:'seen'\""));
        let mut client = gate.client();
        client.send(ask(protocol));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(protocol), "{head}");
        assert!(!head.contains("Content-Length"), "{head}");
        client.send("ping");
        assert_eq!(client.rest(), b"echo ping");
        let event = &gate.events(1)[0];
        let evidence = serde_json::to_value(&event.request().unwrap().not_inspected).unwrap();
        assert_eq!(evidence, told);
        wait_for(|| std::fs::read_to_string(&path).unwrap().ends_with('\n'), "the access log");
        let line: serde_json::Value =
            serde_json::from_str(std::fs::read_to_string(&path).unwrap().trim()).unwrap();
        assert_eq!((&line["status"], &line["not_inspected"]), (&101.into(), &told));
    }
}

#[test]
fn b11_a_request_with_a_body_can_ask_for_an_upgrade() {
    // docker exec: POST with JSON, then the streams of the process
    let upstream = switching();
    for waf in [None, rules("SecRequestBodyAccess On")] {
        for body in ["Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
        {
            let gate = Gate::with_rules(&config(&upstream.url()), waf.clone());
            let mut client = gate.client();
            client.send(format!(
                "POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n{body}"
            ));
            let head = client.head();
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            client.send("ping");
            assert_eq!(client.rest(), b"echo ping");
        }
    }
    assert!(upstream.seen(4).iter().all(|seen| seen.body == b"{}"));
}

#[test]
fn b11_what_carries_http_or_is_not_wanted_does_not_pass() {
    let upstream = switching();
    for (upgrades, protocol) in [
        (None, "h2c"),
        (None, "TLS/1.0"),
        (None, "HTTP/2.0, h2c"),
        (Some(vec!["websocket".to_owned()]), "tcp"),
        (Some(Vec::new()), "websocket"),
    ] {
        let mut config = config(&upstream.url());
        config.sites[0].upgrades = upgrades;
        let gate = Gate::start(&config);
        assert_eq!(gate.ask(&ask(protocol)).text(), "plain", "{protocol}");
    }
    for seen in upstream.seen(5) {
        assert_eq!((seen.header("upgrade"), seen.header("connection")), (None, None), "{}", seen.head);
    }
}

#[test]
fn b11_a_switch_that_was_not_asked_for_is_refused_with_its_reason() {
    const TO_H2C: &str = "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let body =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let unfinished = body.replace("h2c", "tcp");
    for (request, answer, word) in [
        (ask("h2c"), TO_H2C, "Upgrade `h2c` was not forwarded"),
        (ask("tcp"), TO_H2C, "switched to `h2c`, which the gate did not request"),
        (ask("tcp").replace("Upgrade: tcp\r\n", ""), TO_H2C, "101 without a request"),
        (unfinished, &TO_H2C.replace("h2c", "tcp"), "before the request's body had ended"),
    ] {
        let upstream = early_upstream(String::leak(answer.to_owned()), false);
        let gate = Gate::start(&config(&format!("http://{upstream}")));
        let mut client = gate.client();
        client.send(&request);
        assert_eq!(client.response().status, 502, "{word}");
        let event = &gate.events(1)[0];
        assert_eq!(event.outcome, Outcome::Failed);
        let reason = event.summary.as_deref().unwrap();
        assert!(reason.contains(word), "{word}: {reason}");
    }
}

#[test]
fn b11_bytes_sent_with_the_request_are_no_requests_after_a_switch_and_requests_after_none() {
    let upstream = switching();
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send(ask("tcp") + "GET ");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.rest(), b"echo GET ");
    let mut client: Client = gate.client();
    client.send(ask("h2c") + &ask("h2c"));
    assert_eq!((client.response().text(), client.response().text()), ("plain", "plain"));
}

#[test]
fn b11_a_site_cannot_allow_what_carries_http() {
    for protocol in ["h2c", "TLS", "HTTP/2.0", "two words", ""] {
        let mut config = config("http://127.0.0.1:1");
        config.sites[0].upgrades = Some(vec!["websocket".to_owned(), protocol.to_owned()]);
        let faults = gateway::check(&config);
        assert_eq!((faults.len(), faults[0].key.to_string()), (1, "site[0].upgrades[1]".to_owned()));
        assert!(faults[0].what.contains(&format!("cannot contain `{protocol}`")), "{faults:?}");
    }
}
