use super::*;
use crate::{
    Actor, Body, Disruptive, Durations, EventId, Gate, Header, MatchedRule, Outcome, RequestEvidence,
    Response, Severity,
};

const PROCESS: Process = Process { pid: 26107, tid: 26110, utc_offset_seconds: 0 };

fn rule(id: u64, operator: &str, argument: &str, detail: &str) -> MatchedRule {
    MatchedRule {
        id,
        phase: 2,
        operator: operator.into(),
        argument: argument.into(),
        detail: detail.into(),
        variable: "ARGS:name".into(),
        severity: Some(Severity::Critical),
        ver: "OWASP_CRS/3.3.4".into(),
        file: "/etc/monban/rules/xss.conf".into(),
        ..Default::default()
    }
}

/// Returns a blocked form post, like the reference samples but shorter.
fn attack() -> Event {
    let time = Timestamp::from_micros(1_795_424_686_454_636);
    let evidence = RequestEvidence {
        line: "POST /log%20in?q=%22%3E HTTP/1.1".into(),
        headers: vec![
            Header::new("Host", "localhost:8080"),
            Header::new("User-Agent", "curl/7.88.1"),
            Header::new("X-Twice", "1"),
            Header::new("x-twice", &b"\xe9"[..]),
        ],
        body: Some(Body::capture(b"name=\"><script>alert(1)</script>", 32, 1000)),
        response: Some(Response {
            status: 403,
            reason: "Forbidden".into(),
            protocol: "HTTP/1.1".into(),
            headers: vec![Header::new("Content-Type", "text/html")],
            body: Some(Body::capture(b"<h1>Forbidden</h1>\n", 19, 1000)),
        }),
        rules: vec![
            MatchedRule {
                line: 56,
                message: "XSS Attack Detected via libinjection".into(),
                data: "Matched Data: XSS data found within ARGS:name: \"><script>".into(),
                tags: vec!["attack-xss".into(), "OWASP_CRS".into()].into(),
                ..rule(941_100, "detectXSS", "", "detected XSS using libinjection.")
            },
            MatchedRule {
                line: 83,
                message: "Script \"Tag\"".into(),
                ..rule(
                    941_110,
                    "rx",
                    r"(?i)<script[^>]*>[\s\S]*?",
                    r#"Pattern match "(?i)<script[^>]*>[\\s\\S]*?" at ARGS:name."#,
                )
            },
            MatchedRule {
                line: 94,
                variable: "TX:anomaly_score".into(),
                message: "Inbound Anomaly Score Exceeded (Total Score: 10)".into(),
                disruptive: Some(Disruptive::Deny { status: 403 }),
                ..rule(949_110, "ge", "5", "Operator GE matched 5 at TX:anomaly_score.")
            },
        ],
        durations: Durations { phases_us: [494, 1039, 0, 0, 108], upstream_us: None, total_us: 14253 },
        server: Some(([127, 0, 0, 1], 18121).into()),
        protocol: "HTTP/1.1".into(),
        engine: crate::Engine::On,
        ..Default::default()
    };
    Event {
        actor: Some(Actor::at([127, 0, 0, 1].into(), Some(38596))),
        severity: Severity::Critical,
        ..Event::of_request(EventId::from_bytes([7; 16]), time, "vps1", Outcome::Blocked, evidence)
    }
}

fn upload() -> Event {
    let mut event = attack();
    let request = event.request_mut().unwrap();
    let body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx y&\"z\r\n--b\r\nContent-Disposition: form-data; \
        name=\"f\"; filename=\"we%22ird.txt\"\r\n\r\nb\n\r\n--b--\r\n";
    request.body = Some(Body::capture(body, body.len() as u64, 10_000));
    request.headers.push(Header::new("Content-Type", "multipart/form-data; boundary=b"));
    event
}

#[test]
fn error_log_lines() {
    let event = attack();
    let rules = &event.request().unwrap().rules;
    let expected = include_str!("testdata/error.log");
    assert_eq!(error_log(&event, rules, PROCESS), expected);
    let lines: Vec<&str> = expected.split_inclusive('\n').collect();
    assert_eq!(error_log(&event, &rules[1..2], PROCESS), lines[1]);
    let tokyo = Process { utc_offset_seconds: 9 * 3600, ..PROCESS };
    assert!(error_log(&event, rules, tokyo).starts_with("[Mon Nov 23 18:04:46.454636 2026] "));
}

#[test]
fn native_entries() {
    let parts = AuditParts::new("ABCEFHKZ").unwrap();
    let expected = include_bytes!("testdata/native.audit.log").replace_version();
    assert_eq!(text(&serial(&attack(), &parts, PROCESS)), text(&expected));
    let entry = native(&attack(), &AuditParts::new("az").unwrap(), PROCESS);
    assert_eq!(text(&entry).lines().filter(|line| line.starts_with("--")).count(), 2);
}

#[test]
fn multipart_bodies_stand_in_part_i_and_files_in_j() {
    let entry = text(&native(&upload(), &AuditParts::new("ABIJZ").unwrap(), PROCESS));
    assert!(entry.contains("-I--\na=x+y%26%22z\n--"), "{entry}");
    assert!(entry.contains("-J--\n2,2,\"we%22ird.txt\",\"<Unknown ContentType>\"\nTotal,2\n\n--"), "{entry}");
    assert!(!entry.contains("-C--"));
    let entry = text(&native(&upload(), &AuditParts::new("ABCJZ").unwrap(), PROCESS));
    assert!(entry.contains("-C--\n--b\r\n") && !entry.contains("-I--"), "{entry}");
    // For other bodies, either letter writes part C.
    let entry = text(&native(&attack(), &AuditParts::new("ABIJZ").unwrap(), PROCESS));
    assert!(entry.contains("-C--\nname=") && !entry.contains("-J--"), "{entry}");
}

#[test]
fn a_body_cannot_forge_a_boundary() {
    let plain = native(&attack(), &AuditParts::default(), PROCESS);
    let boundary = text(&plain)[2..10].to_owned();
    let mut event = attack();
    let request = event.request_mut().unwrap();
    let forged = format!("x\n--{boundary}-H--\nMessage: forged\n");
    request.body = Some(Body::capture(forged.as_bytes(), forged.len() as u64, 1000));
    let entry = text(&native(&event, &AuditParts::default(), PROCESS));
    let real = &entry[..entry.find("-A--").unwrap()];
    assert_ne!(real, format!("--{boundary}"));
    assert_eq!(entry.matches(real).count(), 6);
}

#[test]
fn json_entries() {
    let parts = AuditParts::new("ABCEFHJKZ").unwrap();
    let line = json(&attack(), &parts, PROCESS);
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    let expected = include_str!("testdata/entry.json").replace("VERSION", env!("CARGO_PKG_VERSION"));
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    assert_eq!(entry, expected, "{entry:#}");

    let entry: serde_json::Value =
        serde_json::from_str(&json(&upload(), &AuditParts::new("ABIJZ").unwrap(), PROCESS)).unwrap();
    assert_eq!(entry["request"]["fake_body"], "a=x+y%26%22z");
    assert_eq!(entry["uploads"]["total"], 2);
}

#[test]
fn index_lines_and_paths() {
    let event = attack();
    let path = entry_path(&event, PROCESS);
    assert_eq!(path, format!("/20261123/20261123-0904/20261123-090446-{}", event.id));
    let entry = IndexEntry { path: &path, size: 8331, md5: "a24fe78c3642cb68afd6464046b7c759" };
    assert_eq!(
        index(&event, &entry, PROCESS),
        format!(
            "localhost 127.0.0.1 - - [23/Nov/2026:09:04:46.454636 +0000] \"POST /log%20in?q=%22%3E HTTP/1.1\" 403 19 \
             \"-\" \"curl/7.88.1\" {} \"-\" {path} 0 8331 md5:a24fe78c3642cb68afd6464046b7c759 \n",
            event.id
        )
    );
}

#[test]
fn what_a_rule_did() {
    for (disruptive, expected) in [
        (None, "Warning. "),
        (Some(Disruptive::Deny { status: 406 }), "Access denied with code 406 (phase 2). "),
        (Some(Disruptive::Drop), "Access denied with connection close (phase 2). "),
        (
            Some(Disruptive::Redirect { status: 302, location: "http://x/q?x".into() }),
            "Access denied with redirection to http://x/q?x using status 302 (phase 2). ",
        ),
        (Some(Disruptive::Allow), "Access allowed (phase 2). "),
        (Some(Disruptive::AllowPhase), "Access to phase allowed (phase 2). "),
        (Some(Disruptive::AllowRequest), "Access to request allowed (phase 2). "),
    ] {
        let text = message(&MatchedRule { disruptive, ..rule(1, "rx", "a", "x") });
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn escapes_and_cuts_are_those_of_modsecurity() {
    // The text that the reference wrote for this argument.
    let odd = b"xy\"\\\n\x01\xc3\xa9:z";
    let text = metadata(&MatchedRule {
        message: odd[..].into(),
        data: odd[..].into(),
        rev: "2".into(),
        severity: Some(Severity::Error),
        ver: "v\"1".into(),
        maturity: Some(4),
        accuracy: Some(5),
        tags: vec!["t\"b".into()].into(),
        file: String::new(),
        id: 1,
        ..Default::default()
    });
    assert_eq!(
        text,
        r#" [id "1"] [rev "2"] [msg "xy\"\\\n\x01\xc3\xa9:z"] [data "xy\x22\x5c\x0a\x01\xc3\xa9:z"] [severity "ERROR"] [ver "v\"1"] [maturity "4"] [accuracy "5"] [tag "t\"b"]"#
    );
    for (length, shown) in [(511, "b".repeat(511)), (512, "b".repeat(509) + "...")] {
        let rule = MatchedRule { data: "b".repeat(length).into(), ..Default::default() };
        assert_eq!(metadata(&rule), format!(" [data \"{shown}\"]"));
    }
    let long = MatchedRule {
        message: "m".repeat(5000).into(),
        tags: vec!["t".into()].into(),
        ..rule(1, "rx", "é", "é")
    };
    assert_eq!(message(&long).len(), 1023);
}

#[test]
fn parts_are_letters() {
    for bad in ["", "ABC", "ABZ1", "ALZ"] {
        assert_eq!(AuditParts::new(bad), None, "{bad}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

trait ReplaceVersion {
    fn replace_version(&self) -> Vec<u8>;
}

impl ReplaceVersion for [u8] {
    /// Fixtures hold VERSION for the crate's version and `\xe9` for that byte.
    fn replace_version(&self) -> Vec<u8> {
        let text = String::from_utf8_lossy(self).replace("VERSION", env!("CARGO_PKG_VERSION"));
        let mut bytes = Vec::new();
        for (number, piece) in text.split("\\xe9").enumerate() {
            if number > 0 {
                bytes.push(0xe9);
            }
            bytes.extend_from_slice(piece.as_bytes());
        }
        bytes
    }
}

/// Returns the event with only the data that these logs keep.
fn comparable(event: &Event, json: bool) -> Event {
    let mut event = event.clone();
    event.node = "vps1".into();
    event.gate = Gate::MLOGC;
    event.origin_id = Some(event.id.to_string());
    event.summary = None;
    let request = event.request_mut().unwrap();
    request.scores.inbound = 10;
    for rule in &mut request.rules {
        if rule.disruptive.is_none() {
            rule.phase = 0;
        }
        if &rule.operator[..] == "detectXSS" {
            rule.value = "\"><script>".into();
        }
    }
    if json {
        request.durations.total_us = 0;
        request.headers.pop();
        request.headers[2].value = "1, \\xe9".into();
        request.response.as_mut().unwrap().reason = "".into();
    }
    event
}

#[test]
fn what_is_written_is_read_back() {
    let parts = AuditParts::new("ABCEFHKZ").unwrap();
    let read = |bytes: &[u8]| crate::audit_log::read_entry("vps1", bytes).unwrap().event;
    let event = attack();
    assert_eq!(read(&serial(&event, &parts, PROCESS)), comparable(&event, false));
    let tokyo = Process { utc_offset_seconds: 9 * 3600, ..PROCESS };
    assert_eq!(read(&native(&event, &parts, tokyo)), comparable(&event, false));
    assert_eq!(read(json(&event, &parts, tokyo).as_bytes()), comparable(&event, true));
    // The content of a body has no effect.
    let mut forging = attack();
    let request = forging.request_mut().unwrap();
    let body = serial(&event, &parts, PROCESS).repeat(3);
    request.body = Some(Body::capture(&body, body.len() as u64, usize::MAX));
    assert_eq!(read(&serial(&forging, &parts, PROCESS)), comparable(&forging, false));
    // The index.
    let path = entry_path(&event, PROCESS);
    let entry = IndexEntry { path: &path, size: 8401, md5: "563741b42d85666db8db4cf896aa45da" };
    let line = crate::audit_log::IndexLine::parse(index(&event, &entry, PROCESS).as_bytes(), 0).unwrap();
    assert_eq!((line.path, line.size, line.status), (path.into(), 8401, 403));
    assert_eq!(line.origin_id, event.id.to_string().into());
    assert_eq!(line.line, event.request().unwrap().line);
}

#[test]
fn a9_a_limit_that_refused_a_request_is_told_as_modsecurity_does() {
    let mut event = attack();
    let Some(request) = event.request() else { panic!("a request") };
    let mut request = request.clone();
    request.rules.clear();
    if let Some(response) = &mut request.response {
        response.status = 413;
    }
    event.evidence = request.into();
    event.outcome = Outcome::Blocked;
    event.summary =
        Some("request body is larger than the configured limit (SecRequestBodyLimit 1000)".into());
    let told =
        "Request body is larger than the configured limit (SecRequestBodyLimit 1000). Deny with code (413)";
    let line = error_log(&event, &[], PROCESS);
    assert!(line.contains(&format!("ModSecurity: {told} [hostname \"localhost\"]")), "{line}");
    assert_eq!(line.lines().count(), 1);
    let parts = AuditParts::new("ABHZ").unwrap();
    let entry = String::from_utf8_lossy(&native(&event, &parts, PROCESS)).into_owned();
    assert!(entry.contains(&format!("\nMessage: {told}\n")), "{entry}");
    let entry = json(&event, &parts, PROCESS);
    assert!(entry.contains(&format!("\"messages\":[\"{told}\"]")), "{entry}");
    // No line for a request that passed, whatever its reason.
    event.outcome = Outcome::Passed;
    assert_eq!(error_log(&event, &[], PROCESS), "");
}
