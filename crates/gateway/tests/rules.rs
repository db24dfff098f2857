//! Rules in every phase: responses, forwarded requests and events.

use std::sync::Arc;
use std::sync::mpsc;

use event::{Outcome, Uninspected};
use gateway::config::{AccessLogConfig, AccessLogFormat, GatewayConfig, WafMode};

use crate::support::{Answer, Gate, PATIENCE, Upstream, config, ok, wait_for};

const RULES: &str = r#"
    SecRequestBodyAccess On
    SecRequestBodyLimit 100000
    SecRequestBodyLimitAction ProcessPartial
    SecResponseBodyAccess On
    SecResponseBodyMimeType text/plain
    SecResponseBodyLimit 1000
    SecResponseBodyLimitAction ProcessPartial
    SecRule ARGS "@contains <script" "id:1,phase:2,deny,status:403,msg:'script in %{MATCHED_VAR_NAME}',severity:CRITICAL"
    SecRule REQUEST_HEADERS:X-Bad "@streq 1" "id:2,phase:1,deny,status:406,msg:'bad'"
    SecRule REQUEST_HEADERS:X-Go "@streq 1" "id:3,phase:1,redirect:'https://elsewhere.test/',status:302,msg:'go'"
    SecRule REQUEST_HEADERS:X-Drop "@streq 1" "id:4,phase:1,drop,msg:'drop'"
    SecRule RESPONSE_HEADERS:X-Secret "@streq 1" "id:5,phase:3,deny,status:500,msg:'secret header'"
    SecRule RESPONSE_BODY "@contains ORA-00933" "id:6,phase:4,deny,status:503,msg:'database error'"
    SecRule REQUEST_HEADERS:X-Warn "@streq 1" "id:7,phase:1,pass,msg:'only a warning'"
    SecRule &REQUEST_HEADERS:Host "@eq 0" "id:8,phase:2,pass,msg:'no host'"
    SecRule REQUEST_HEADERS:X-Late "@streq 1" "id:9,phase:5,pass,msg:'seen late'"
    SecRule REQUEST_BODY "@contains pwned" "id:10,phase:2,deny,status:403,msg:'raw body'"
    SecRule REQUEST_PROTOCOL "!@rx ^HTTP/[12]" "id:11,phase:1,pass,msg:'odd protocol'"
"#;

pub fn rules(text: &str) -> Option<Arc<waf::RuleSet>> {
    let document = seclang::load::parse_str("test.conf", text).unwrap();
    Some(Arc::new(waf::RuleSet::compile(&document, &waf::operators::NoFiles).unwrap()))
}

fn gate(upstream: &Upstream) -> Gate {
    Gate::with_rules(&config(&upstream.url()), rules(RULES))
}

fn form(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn the_classic_check() {
    let upstream = Upstream::echo();
    let gate = gate(&upstream);
    let response =
        gate.ask("GET /?name=\"><script>alert(document.cookie)</script><!-- HTTP/1.1\r\nHost: a\r\n\r\n");
    // recorded before the response was sent
    let event = gate.events.0.lock().unwrap()[0].clone();
    assert_eq!((response.status, event.outcome), (403, Outcome::Blocked));
    assert!(response.text().contains(&event.id.to_string()));
    let evidence = event.request().unwrap();
    assert_eq!(
        evidence.line.as_bytes(),
        b"GET /?name=\"><script>alert(document.cookie)</script><!-- HTTP/1.1"
    );
    assert_eq!(evidence.headers[0].name.as_bytes(), b"Host");
    let rule = &evidence.rules[0];
    assert_eq!((rule.id, rule.message.as_bytes()), (1, &b"script in ARGS:name"[..]));
    assert_eq!((event.severity, evidence.engine), (event::Severity::Critical, event::Engine::On));
    assert!(upstream.seen_now().is_empty());
}

#[test]
fn each_phase_can_intervene() {
    let upstream = Upstream::start(|seen| {
        Answer::Bytes(match seen.head.split(' ').nth(1).unwrap() {
            "/header" => b"HTTP/1.1 200 OK\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nhi".to_vec(),
            "/body" => ok("sorry: ORA-00933 at line 1"),
            path => ok(path),
        })
    });
    let gate = gate(&upstream);
    for (at, (request, status, rule, asked)) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Bad: 1\r\n\r\n".to_owned(), 406, 2, 0),
        (form("a=1&b=%3Cscript%3E"), 403, 1, 0),
        ("GET /header HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 500, 5, 1),
        ("GET /body HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 503, 6, 2),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Go: 1\r\n\r\n".to_owned(), 302, 3, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let response = gate.ask(&request);
        assert_eq!(response.status, status, "{request}");
        let event = &gate.events(at + 1)[at];
        let evidence = event.request().unwrap();
        assert_eq!((event.outcome, evidence.rules[0].id), (Outcome::Blocked, rule), "{request}");
        assert_eq!(evidence.response.as_ref().unwrap().status, status, "{request}");
        assert_eq!(upstream.seen_now().len(), asked, "{request}");
        if status == 302 {
            assert_eq!(response.header("location"), Some("https://elsewhere.test/"));
        } else {
            assert!(!response.text().contains("ORA-") && response.text().contains(&event.id.to_string()));
        }
    }
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Drop: 1\r\n\r\n");
    assert!(client.is_closed());
    let event = &gate.events(6)[5];
    assert_eq!((event.outcome, event.request().unwrap().response.is_none()), (Outcome::Blocked, true));
    // a blocked request without a body leaves its connection usable
    let mut client = gate.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Bad: 1\r\n\r\n");
        assert_eq!(client.response().status, 406);
    }
}

#[test]
fn what_passes_is_forwarded_and_answered_whole() {
    let upstream = Upstream::start(|seen| Answer::Bytes(ok(std::str::from_utf8(&seen.body).unwrap())));
    let gate = gate(&upstream);
    let mut client = gate.client();
    for size in [0, 1, 999, 1000, 1001, 5000, 99_999, 100_000, 100_001, 300_000] {
        let body = "x".repeat(size);
        client.send(form(&body));
        assert_eq!(client.response().text(), body, "{size}");
        client.send("POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in body.as_bytes().chunks(777) {
            client.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.response().text(), body, "{size}");
    }
    assert!(gate.events(0).is_empty());
}

#[test]
fn nothing_is_forwarded_before_the_inspected_part_is_judged() {
    let upstream = Upstream::echo();
    let gate = gate(&upstream);
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\na=1&b=2");
    std::thread::sleep(std::time::Duration::from_millis(50));
    client.send("&c=<script>xx");
    assert_eq!(client.response().status, 403);
    assert!(upstream.seen_now().is_empty());
    let evidence = gate.events(1)[0].clone();
    let body = evidence.request().unwrap().body.clone().unwrap();
    assert_eq!((body.bytes.as_bytes(), body.total), (&b"a=1&b=2&c=<script>xx"[..], 20));
}

#[test]
fn detection_reports_and_lets_pass_and_off_does_neither() {
    for (mode, action) in [(WafMode::Detect, Some(Outcome::Detected)), (WafMode::Off, None)] {
        let upstream = Upstream::start(|_| Answer::Bytes(ok("through")));
        let mut config = config(&upstream.url());
        config.sites[0].waf = mode;
        let gate = Gate::with_rules(&config, rules(RULES));
        assert_eq!(gate.ask("GET /?a=<script> HTTP/1.1\r\nHost: a\r\nX-Bad: 1\r\n\r\n").text(), "through");
        let events = gate.events(usize::from(action.is_some()));
        assert_eq!(events.first().map(|event| event.outcome), action);
        if let Some(event) = events.first() {
            let ids: Vec<u64> = event.request().unwrap().rules.iter().map(|rule| rule.id).collect();
            assert_eq!(ids, [2, 1]);
        }
    }
}

#[test]
fn warnings_and_late_matches_are_reported_too() {
    let upstream = Upstream::echo();
    let gate = gate(&upstream);
    assert_eq!(gate.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Warn: 1\r\nX-Late: 1\r\n\r\n").status, 200);
    assert_eq!(gate.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Late: 1\r\n\r\n").status, 200);
    let events = gate.events(2);
    let ids = |at: usize| events[at].request().unwrap().rules.iter().map(|rule| rule.id).collect::<Vec<_>>();
    assert_eq!((ids(0), ids(1)), (vec![7, 9], vec![9]));
    assert!(events.iter().all(|event| event.outcome == Outcome::Passed));
}

#[test]
fn rules_see_a_request_that_is_refused_for_what_it_means() {
    let upstream = Upstream::echo();
    let gate = gate(&upstream);
    assert_eq!(gate.ask("GET / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(gate.ask("GET /nowhere?x=<script> HTTP/1.1\r\n\r\n").status, 403);
    assert_eq!(gate.ask("GET / HTTP/3.0\r\nHost: a\r\n\r\n").status, 505);
    // the extent of the request is uncertain here, so no rules run
    let smuggling =
        "GET /?x=<script> HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(gate.ask(smuggling).status, 400);
    let events = gate.events(4);
    let ids = |at: usize| events[at].request().unwrap().rules.iter().map(|rule| rule.id).collect::<Vec<_>>();
    assert_eq!((events[0].outcome, ids(0)), (Outcome::Refused, vec![8]));
    assert_eq!(events[1].outcome, Outcome::Blocked);
    assert_eq!((events[2].outcome, ids(2)), (Outcome::Refused, vec![11]));
    assert_eq!((events[3].outcome, ids(3)), (Outcome::Refused, vec![]));
}

#[test]
fn a_body_beyond_a_rejecting_limit_is_413() {
    let upstream = Upstream::echo();
    let text = RULES.replace("SecRequestBodyLimitAction ProcessPartial", "SecRequestBodyLimitAction Reject");
    let gate = Gate::with_rules(&config(&upstream.url()), rules(&text));
    let response = gate.ask(&form(&"x".repeat(100_001)));
    assert_eq!(response.status, 413);
    assert!(upstream.seen_now().is_empty());
    let event = &gate.events(1)[0];
    assert_eq!((event.outcome, event.severity), (Outcome::Blocked, event::Severity::Warning));
}

#[test]
fn a9_every_body_limit_says_what_happened() {
    let upstream = Upstream::start(|_| Answer::Bytes(ok(&"y".repeat(3000))));
    let settings = "SecRequestBodyAccess On\nSecRequestBodyLimitAction Reject\nSecResponseBodyAccess On\n\
        SecResponseBodyMimeType text/plain\nSecResponseBodyLimitAction Reject\n";
    let multipart = |size: usize| {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}\r\n--x--\r\n",
            "z".repeat(size)
        );
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    for (limits, request, status, reason) in [
        (
            "SecRequestBodyLimit 1000",
            form(&"x".repeat(2000)),
            413,
            "request body is larger than the configured limit (SecRequestBodyLimit 1000)",
        ),
        (
            "SecRequestBodyNoFilesLimit 500",
            form(&"x".repeat(2000)),
            413,
            "request body no files data length is larger than the configured limit (SecRequestBodyNoFilesLimit 500)",
        ),
        (
            "SecRequestBodyNoFilesLimit 500",
            multipart(2000),
            413,
            "request body no files data length is larger than the configured limit (SecRequestBodyNoFilesLimit 500)",
        ),
        (
            "SecResponseBodyLimit 1000",
            get,
            500,
            "response body is larger than the configured limit (SecResponseBodyLimit 1000)",
        ),
    ] {
        let gate = Gate::with_rules(&config(&upstream.url()), rules(&format!("{settings}{limits}\n")));
        assert_eq!(gate.ask(&request).status, status, "{reason}");
        let event = &gate.events(1)[0];
        assert_eq!(
            (event.outcome, event.severity, event.summary.as_deref()),
            (Outcome::Blocked, event::Severity::Warning, Some(reason))
        );
    }
}

#[test]
fn a9_process_partial_lets_bodies_pass_that_go_on_behind_the_limit() {
    let upstream = Upstream::start(|seen| Answer::Bytes(ok(&seen.body.len().to_string())));
    let text = "SecRequestBodyAccess On\nSecRequestBodyLimit 1000\nSecRequestBodyLimitAction ProcessPartial\n\
        SecRule REQUEST_HEADERS:Content-Type \"@contains json\" \"id:5,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n\
        SecRule REQBODY_ERROR \"!@eq 0\" \"id:1,phase:2,deny,status:400,msg:'unreadable'\"\n\
        SecRule MULTIPART_STRICT_ERROR|MULTIPART_UNMATCHED_BOUNDARY \"!@eq 0\" \"id:2,phase:2,deny,status:400,msg:'strict'\"\n\
        SecRule ARGS|FILES \"@contains evil\" \"id:3,phase:2,deny,status:403,msg:'evil'\"\n";
    let gate = Gate::with_rules(&config(&upstream.url()), rules(text));
    let part = |head: &str, content: &str| {
        format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    };
    let file = |content: &str| part("name=\"f\"; filename=\"a.bin\"", content);
    let mut client = gate.client();
    for (kind, body, status) in [
        ("multipart/form-data; boundary=x", [file(&"z".repeat(5000)), "--x--\r\n".into()].concat(), 200),
        ("multipart/form-data; boundary=x", [file(&"z\r\n".repeat(2000)), "--x--\r\n".into()].concat(), 200),
        // the limit falls inside a boundary, and inside a part's head
        (
            "multipart/form-data; boundary=x",
            [file(&"z".repeat(917)), file("y"), "--x--\r\n".into()].concat(),
            200,
        ),
        (
            "multipart/form-data; boundary=x",
            [file(&"z".repeat(870)), file("y"), "--x--\r\n".into()].concat(),
            200,
        ),
        (
            "multipart/form-data; boundary=x",
            [part("name=\"a\"", "evil"), file(&"z".repeat(5000)), "--x--\r\n".into()].concat(),
            403,
        ),
        (
            "multipart/form-data; boundary=x",
            [part("name=\"a\"", &"z".repeat(5000)), "--x--\r\n".into()].concat(),
            200,
        ),
        // invalid before the limit
        ("multipart/form-data; boundary=x", format!("--x\r\nno header\r\n\r\n{}", "z".repeat(5000)), 400),
        ("application/json", format!("{{\"a\": \"{}\"}}", "z".repeat(5000)), 200),
        ("application/json", format!("{{\"a\": \"evil\", \"b\": \"{}\"}}", "z".repeat(5000)), 403),
        ("application/json", format!("{{\"a\" \"b\", \"b\": \"{}\"}}", "z".repeat(5000)), 400),
        // nothing beyond the limit
        ("application/json", "{\"a\": \"b".to_owned(), 400),
        ("multipart/form-data; boundary=x", file("z"), 400),
    ] {
        let length = body.len();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let answer = client.response();
        assert_eq!(answer.status, status, "{kind} {}", &body[..body.len().min(150)]);
        if status == 200 {
            assert_eq!(answer.text(), length.to_string());
        } else {
            // the gate did not read its body to the end
            client = gate.client();
        }
    }
}

/// Serves a large upload, a long response, an event stream and a WebSocket, and returns their access log lines.
#[test]
fn the_access_log_says_what_was_not_inspected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let upstream = Upstream::start(|seen| match seen.head.split(' ').nth(1).unwrap() {
        "/long" => Answer::Bytes(ok(&"y".repeat(5000))),
        "/html" => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\npng".to_vec(),
        ),
        "/events" => {
            Answer::Last(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n".to_vec())
        }
        "/ws" => Answer::Last(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        ),
        _ => Answer::Bytes(ok("")),
    });
    let config = GatewayConfig {
        access_log: Some(AccessLogConfig { path: path.clone(), format: AccessLogFormat::Json }),
        ..config(&upstream.url())
    };
    let gate = Gate::with_rules(&config, rules(RULES));
    let mut client = gate.client();
    client.send(form(&"x".repeat(150_000)));
    client.response();
    client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\nGET /html HTTP/1.1\r\nHost: a\r\n\r\nGET /short HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..3 {
        client.response();
    }
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    client.response();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    client.rest();
    let lines = || -> Vec<serde_json::Value> {
        std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    wait_for(|| lines().len() == 6, "six lines");
    let said: Vec<(String, serde_json::Value)> = lines()
        .iter()
        .map(|line| (line["request"].as_str().unwrap().to_owned(), line["not_inspected"].clone()))
        .collect();
    let part = |what: &str, bytes: u64| serde_json::json!([{"what": what, "bytes": bytes}]);
    for (at, (path, want)) in [
        ("/form", part("request_body", 50_000)),
        ("/long", serde_json::json!([{"what": "response_body"}])),
        ("/html", part("response_body", 3)),
        ("/short", serde_json::Value::Null),
        ("/events", serde_json::json!([{"what": "sse"}])),
        ("/ws", serde_json::json!([{"what": "websocket"}])),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(said[at].0.contains(path), "{said:?}");
        assert_eq!(said[at].1, want, "{path}");
    }
}

#[test]
fn the_uninspected_rest_streams_past() {
    let (told, got) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut total = 0;
        let mut buf = vec![0; 1 << 16];
        while total < 150_000 {
            total += std::io::Read::read(&mut stream, &mut buf).unwrap();
        }
        // more than the inspected part has arrived, but not the end
        told.lock().unwrap().send(()).unwrap();
        while total < 200_000 {
            total += std::io::Read::read(&mut stream, &mut buf).unwrap();
        }
        std::io::Write::write_all(&mut stream, &ok("all")).unwrap();
    });
    let gate = Gate::with_rules(&config(&format!("http://{address}")), rules(RULES));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 200000\r\n\r\n");
    client.send(vec![b'x'; 160_000]);
    got.recv_timeout(PATIENCE).unwrap();
    client.send(vec![b'x'; 40_000]);
    assert_eq!(client.response().text(), "all");
}

#[test]
fn secrets_are_taken_out_of_events() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.redaction.fields = vec!["pet".into()];
    let gate = Gate::with_rules(&config, rules(RULES));
    let request = form("password=hunter2&pet=Rex&q=<script>")
        .replace("Host: a", "Host: a\r\nCookie: sid=abc123\r\nAuthorization: Basic Zm9v");
    assert_eq!(gate.ask(&request).status, 403);
    let json = gate.events(1)[0].to_json();
    for secret in ["hunter2", "Rex", "abc123", "Zm9v"] {
        assert!(!json.contains(secret), "{secret}: {json}");
    }
    assert!(json.contains("<script>"), "{json}");
}

#[test]
fn http2_requests_are_judged_alike() {
    let upstream = Upstream::echo();
    let gate = gate(&upstream);
    let status = gate.runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(gate.address).await.unwrap();
        let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let request = http::Request::post("http://a.test/x")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(())
            .unwrap();
        let (response, mut stream) = sender.ready().await.unwrap().send_request(request, false).unwrap();
        stream.send_data(bytes::Bytes::from_static(b"a=<script>"), true).unwrap();
        response.await.unwrap().status().as_u16()
    });
    assert_eq!(status, 403);
    let event = &gate.events(1)[0];
    assert_eq!(event.request().unwrap().rules[0].id, 1);
    assert!(event.request().unwrap().not_inspected.iter().all(|part| part.what != Uninspected::RequestBody));
    assert!(upstream.seen_now().is_empty());
}

/// Returns a clock that advances an hour at each reading, so that any inspection that reads it exceeds the limit.
fn jumping_clock() -> Option<waf::Clock> {
    let hours = std::sync::atomic::AtomicU64::new(0);
    Some(Arc::new(move || hours.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 3_600_000_000_000))
}

const SLOW_RULES: &str = r#"
    SecRequestBodyAccess On
    SecRule ARGS "@rx ^(a+)+\1$" "id:1,phase:2,pass,nolog"
    SecRule ARGS "@contains <script" "id:2,phase:2,deny,status:403,msg:'script'"
"#;

#[test]
fn inspection_ends_when_its_time_is_over() {
    let partial = SLOW_RULES.to_owned() + "SecRequestBodyLimitAction ProcessPartial\n";
    let cases = [
        (SLOW_RULES, WafMode::Block, 503, Outcome::Blocked),
        (SLOW_RULES, WafMode::Detect, 200, Outcome::Detected),
        (partial.as_str(), WafMode::Block, 200, Outcome::Passed),
    ];
    for (text, mode, status, action) in cases {
        let upstream = Upstream::echo();
        let mut config = config(&upstream.url());
        config.sites[0].waf = mode;
        config.sites[0].name = "slow".into();
        let gate = Gate::with_clock(&config, rules(text), jumping_clock());
        // too short to read the clock
        assert_eq!(gate.ask(&form("a=aaaaaaaa")).status, 200);
        assert!(gate.events.0.lock().unwrap().is_empty());
        let long = "a=aaaaaaaaaaaaaaaa&".repeat(500) + "b=<script>";
        assert_eq!(gate.ask(&form(&long)).status, status);
        let event = gate.events.0.lock().unwrap()[0].clone();
        assert_eq!((event.outcome, event.severity), (action, event::Severity::Warning), "{mode:?}");
        assert_eq!(
            event.summary.as_deref(),
            Some("inspection exceeded 1s: it ended at rule 1 (test.conf:3) in phase 2")
        );
        let evidence = event.request().unwrap();
        assert!(evidence.not_inspected.iter().any(|part| part.what == Uninspected::InspectionTime));
        assert!(evidence.rules.is_empty());
        assert_eq!(evidence.body.as_ref().unwrap().total, long.len() as u64);
        wait_for(|| gate.metric("monban_inspection_overruns_total{site=\"slow\"}") == Some(1.0), "the count");
    }
}

#[test]
fn inspection_in_time_is_told_by_site() {
    let upstream = Upstream::echo();
    let gate = gate(&upstream);
    for _ in 0..3 {
        assert_eq!(gate.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    }
    for quantile in ["0.5", "0.99"] {
        let line = format!("monban_inspection_quantile_seconds{{site=\"*\",quantile=\"{quantile}\"}}");
        wait_for(|| gate.metric(&line).is_some_and(|seconds| seconds > 0.0), &line);
    }
}

#[test]
fn what_rules_found_in_a_response_is_kept_of_it() {
    let body = "ORA-00933: SQL command not properly ended";
    for (mode, action, kept) in
        [(WafMode::Detect, Outcome::Detected, Some(body)), (WafMode::Block, Outcome::Blocked, None)]
    {
        let upstream = Upstream::start(move |_| Answer::Bytes(ok(body)));
        let mut config = config(&upstream.url());
        config.sites[0].waf = mode;
        let gate = Gate::with_rules(&config, rules(RULES));
        gate.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let event = gate.events(1)[0].clone();
        assert_eq!(event.outcome, action);
        let response = event.request().unwrap().response.as_ref().unwrap();
        let found = response.body.as_ref().map(|body| (body.bytes.as_bytes(), body.total));
        assert_eq!(found, kept.map(|body| (body.as_bytes(), body.len() as u64)), "{mode:?}");
    }
}

#[test]
fn a4_a_limit_of_the_engine_makes_an_event_log_lines_and_a_count() {
    let text = r#"
        SecRequestBodyAccess On
        SecPcreMatchLimit 1000
        SecRule ARGS "@rx (?:(\w+)x)+\1evil" "id:1,phase:2,deny"
        SecRule TX:/^MSC_/ "!@streq 0" "id:200005,phase:2,deny,log,msg:'internal error flagged: %{MATCHED_VAR_NAME}'"
    "#;
    let long = format!("a={}1evil", "x".repeat(120));
    for (mode, status, action) in
        [(WafMode::Block, 403, Outcome::Blocked), (WafMode::Detect, 200, Outcome::Detected)]
    {
        let upstream = Upstream::echo();
        let mut config = config(&upstream.url());
        config.sites[0].waf = mode;
        config.sites[0].name = "limits".into();
        let gate = Gate::with_rules(&config, rules(text));
        assert_eq!(gate.ask(&form("a=xyz")).status, 200);
        assert_eq!(gate.ask(&form(&long)).status, status);
        let event = gate.events(1)[0].clone();
        assert_eq!((event.outcome, event.severity), (action, event::Severity::Warning));
        let told = "rule 1: @rx on ARGS:a: PCRE2 reached its match limit (SecPcreMatchLimit)";
        assert_eq!(event.summary.as_deref(), Some(told));
        assert_eq!(event.request().unwrap().faults, [told]);
        let process = event::modsec::Process { pid: 1, tid: 1, utc_offset_seconds: 0 };
        let parts = event::modsec::AuditParts::new("ABHZ").unwrap();
        let audit = String::from_utf8(event::modsec::native(&event, &parts, process)).unwrap();
        assert!(audit.contains(&format!("\nMessage: Execution error - {told}.\n")), "{audit}");
        let json: serde_json::Value =
            serde_json::from_str(&event::modsec::json(&event, &parts, process)).unwrap();
        assert_eq!(json["audit_data"]["messages"][1], format!("Execution error - {told}."));
        let log = event::modsec::error_log(&event, &event.request().unwrap().rules, process);
        assert_eq!((log.lines().count(), log.matches(told).count()), (2, 1), "{log}");
        let line = "monban_engine_faults_total{site=\"limits\",kind=\"pcre_match\"}";
        wait_for(|| gate.metric(line) == Some(1.0), line);
    }
}
