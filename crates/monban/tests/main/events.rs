//! The commands that show events, with fixed identifiers and times, compared with files in `snapshots/`.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use event::{
    Actor, Body, Disruptive, Durations, Event, EventId, Header, MatchedRule, NotInspected, Outcome,
    RequestEvidence, Response, Scores, Severity, Timestamp, Uninspected,
};
use store::{Ingest, Journal, JournalOptions, SqliteStore};

use crate::cli::{compare, folder, here};
use crate::support::{BINARY, stderr, stdout};

/// 2026-11-23T09:04:46Z
const EPOCH: i64 = 1_795_424_686_000_000;

fn event(number: i64, client: &str, evidence: RequestEvidence) -> Event {
    let time = Timestamp::from_micros(EPOCH + number * 3_600_000_000);
    Event {
        subject: Some("shop".to_owned()),
        actor: Some(Actor::at(client.parse().unwrap(), Some(40_000))),
        ..Event::of_request(
            EventId::derived(time, "gate", &number.to_string()),
            time,
            "gate",
            Outcome::Passed,
            evidence,
        )
    }
}

fn response(status: u16, reason: &str) -> Option<Response> {
    let headers = vec![Header::new("Content-Type", "text/html")];
    Some(Response { status, reason: reason.into(), protocol: "HTTP/1.1".into(), headers, body: None })
}

fn durations() -> Durations {
    Durations { total_us: 1234, phases_us: [100, 200, 30, 40, 5], ..Durations::default() }
}

/// Returns one event of each action, with values that are hard to display.
fn events() -> Vec<Event> {
    let rule = |id, message: &str, severity, variable: &str, value: &str| MatchedRule {
        id,
        phase: 2,
        message: message.into(),
        severity: Some(severity),
        file: "rules/REQUEST-942.conf".into(),
        line: 17,
        operator: "rx".into(),
        variable: variable.into(),
        value: value.into(),
        ..MatchedRule::default()
    };
    let blocked = RequestEvidence {
        line: "GET /?id=1%20union%20select&x=\"><b> HTTP/1.1".into(),
        headers: vec![Header::new("Host", "shop.example"), Header::new("X-Odd", &b"\xff\x1b[2J"[..])],
        response: response(403, "Forbidden"),
        rules: vec![
            MatchedRule {
                matched: "union select".into(),
                ..rule(942_100, "SQL injection", Severity::Critical, "ARGS:id", "1 union select")
            },
            MatchedRule {
                disruptive: Some(Disruptive::Deny { status: 403 }),
                ..rule(949_110, "Inbound score exceeded", Severity::Critical, "TX:anomaly_score", "10")
            },
        ],
        scores: Scores { inbound: 10, outbound: 0, categories: [("sqli".to_owned(), 10)].into() },
        durations: durations(),
        ..RequestEvidence::default()
    };
    let detected = RequestEvidence {
        line: "POST /門番 HTTP/1.1".into(),
        headers: vec![Header::new("Host", "blog.example")],
        body: Some(Body::capture(b"first\tline\r\nsecond \x1b]0;title\x07 line", 5000, 64)),
        response: response(200, "OK"),
        rules: vec![rule(941_100, "XSS", Severity::Warning, "REQUEST_BODY", "<script>")],
        durations: durations(),
        not_inspected: vec![NotInspected {
            what: Uninspected::RequestBody,
            bytes: Some(4964),
            protocol: None,
        }],
        ..RequestEvidence::default()
    };
    let failed = RequestEvidence {
        line: "GET /slow HTTP/1.1".into(),
        response: response(504, "Gateway Timeout"),
        durations: durations(),
        upstream: Some("http://127.0.0.1:9000".into()),
        ..RequestEvidence::default()
    };
    let refused = RequestEvidence {
        line: "POST / HTTP/1.1".into(),
        response: response(400, "Bad Request"),
        ..RequestEvidence::default()
    };
    [
        Event {
            outcome: Outcome::Blocked,
            severity: Severity::Critical,
            ..event(0, "198.51.100.7", blocked)
        },
        Event {
            outcome: Outcome::Detected,
            severity: Severity::Warning,
            subject: Some("ブログのとても長い名前".to_owned()),
            ..event(1, "2001:db8::7", detected)
        },
        Event {
            outcome: Outcome::Failed,
            severity: Severity::Error,
            summary: Some("no answer within 60 s".to_owned()),
            ..event(2, "198.51.100.8", failed)
        },
        Event {
            outcome: Outcome::Refused,
            severity: Severity::Notice,
            summary: Some("both Content-Length and Transfer-Encoding, at byte 20".to_owned()),
            ..event(3, "203.0.113.9", refused)
        },
    ]
    .map(|mut event| {
        event.set_request_outcome(event.outcome);
        event
    })
    .into()
}

/// Creates the folder of the command line tests with these events: three in the store, one only in the journal.
fn with_events() -> tempfile::TempDir {
    let folder = folder();
    let data = folder.path().join("data");
    let journal = Journal::open(&store::journal_folder(&data), JournalOptions::default()).unwrap();
    let events = events();
    for event in &events[..3] {
        journal.append(event).unwrap();
    }
    let sqlite = SqliteStore::open(&store::database_path(&data), store::sqlite::BUSY_TIMEOUT).unwrap();
    Ingest::new(journal.folder(), std::sync::Arc::new(sqlite))
        .unwrap()
        .catch_up(&mut |notice| panic!("{notice}"))
        .unwrap();
    journal.append(&events[3]).unwrap();
    folder
}

fn command(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder.path()).env_remove("MONBAN_CONFIG");
    command
}

fn told(arguments: &[&str], output: &Output) -> String {
    format!(
        "$ monban {}\n{}{}exit code {}\n",
        arguments.join(" "),
        stdout(output),
        stderr(output),
        output.status.code().unwrap()
    )
}

#[test]
fn every_command_with_events() {
    let folder = with_events();
    let first = events()[0].id.to_string();
    let cases: &[(&str, &[&str])] = &[
        ("events-list", &["events", "list"]),
        ("events-list-limit", &["events", "list", "--limit", "2"]),
        ("events-list-json", &["events", "list", "--limit", "1", "--json"]),
        ("events-list-not-outcome", &["events", "list", "--outcome", "!blocked", "--outcome", "!failed"]),
        ("events-list-not-subject", &["events", "list", "--subject", "!shop"]),
        ("events-list-not-client", &["events", "list", "--client", "!198.51.100.0/24"]),
        ("events-list-not-rule", &["events", "list", "--rule", "!942100"]),
        ("events-list-not-severity", &["events", "list", "--severity", "!error"]),
        ("events-list-not-status", &["events", "list", "--status", "!403", "--status", "!504"]),
        ("events-list-not-method", &["events", "list", "--method", "!GET"]),
        ("events-list-not-since", &["events", "list", "--since", "!2026-11-23T10:00:00Z"]),
        ("events-list-texts", &["events", "list", "--text", "union", "--text", "SELECT"]),
        ("events-list-not-text", &["events", "list", "--text", "!union", "--text", "!slow"]),
        ("events-list-or", &["events", "list", "--status", "403", "--status", "504"]),
        ("events-list-none", &["events", "list", "--text", "nowhere"]),
        ("events-list-bad-rule", &["events", "list", "--rule", "!x"]),
        ("events-show", &["events", "show", &first]),
        ("events-show-last", &["events", "show", "last"]),
        ("events-show-last-json", &["events", "show", "last", "--json"]),
        ("events-tail", &["events", "tail", "-n", "3", "--limit", "3"]),
        ("events-tail-filtered", &["events", "tail", "-n", "3", "--limit", "1", "--outcome", "!refused"]),
        ("events-tail-from-start", &["events", "tail", "--from-start", "--limit", "4"]),
        ("events-tail-json", &["events", "tail", "-n", "1", "--limit", "1", "--json"]),
        ("events-tail-too-many", &["events", "tail", "-n", "10001"]),
        ("events-export", &["events", "export"]),
        ("events-export-output", &["events", "export", "--outcome", "!failed", "--output", "out.jsonl"]),
        ("events-export-no-folder", &["events", "export", "--output", "none/out.jsonl"]),
    ];
    assert!(cases.len() >= 27);
    for (name, arguments) in cases {
        let output = command(&folder, arguments).output().unwrap();
        compare(&here("tests/snapshots").join(format!("{name}.txt")), &told(arguments, &output));
    }
    // the event that is hardest to display
    let second = events()[1].id.to_string();
    let output = command(&folder, &["events", "show", &second]).output().unwrap();
    compare(
        &here("tests/snapshots").join("events-show-awkward.txt"),
        &told(&["events", "show", &second], &output),
    );
}

#[test]
fn an_event_of_an_unknown_gate_is_listed_shown_and_exported_as_it_is() {
    let folder = with_events();
    let json = r#"{"v":2,"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46.000000Z","node":"n","gate":"tea","kind":"tea.brewed","outcome":"changed","severity":"notice","subject":"pot","actor":{"user":"alice"},"summary":"tea is ready","facts":[["cups",3]],"evidence":{"tea":{"z":1.50,"a":[true]}}}"#;
    let journal = store::journal_folder(&folder.path().join("data"));
    let journal = Journal::open(&journal, JournalOptions::default()).unwrap();
    journal.append(&Event::from_json(json.as_bytes()).unwrap()).unwrap();
    let run = |arguments: &[&str]| stdout(&command(&folder, arguments).output().unwrap());
    assert_eq!(run(&["events", "export", "--text", "tea is"]).trim_end(), json);
    let listed = run(&["events", "list", "--text", "tea is"]);
    assert!(listed.contains("changed  alice") && listed.contains("tea.brewed tea is ready"), "{listed}");
    let shown = run(&["events", "show", "01KYD00000000000000000000Z"]);
    for line in
        ["user      alice", "summary   tea is ready", "cups      3", "evidence: tea", "    \"z\": 1.5"]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn an_exported_file_is_private_whole_and_replaces_the_former() {
    use std::os::unix::fs::PermissionsExt;
    let folder = with_events();
    let file = folder.path().join("out.jsonl");
    std::fs::write(&file, "former").unwrap();
    let output = command(&folder, &["events", "export", "-o", "out.jsonl"]).output().unwrap();
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("4 events in out.jsonl\n", ""));
    let lines = std::fs::read_to_string(&file).unwrap();
    let found: Vec<Event> = lines.lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect();
    assert_eq!(found, events().into_iter().rev().collect::<Vec<_>>());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // no other file remains in the folder, and the command writes directly to a special file
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(".tmp")));
    let output = command(&folder, &["events", "export", "-o", "/dev/stdout"]).output().unwrap();
    assert_eq!(stdout(&output), lines);
}

/// Runs a command with standard output and error on a terminal of `columns` columns. Returns the terminal's output.
fn on_terminal(folder: &tempfile::TempDir, arguments: &[&str], columns: u16) -> String {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let peer = ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&peer, size).unwrap();
    let mut child = command(folder, arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::from(peer.try_clone().unwrap()))
        .stderr(Stdio::from(peer))
        .spawn()
        .unwrap();
    let mut found = Vec::new();
    // ends with an error once the other side is closed
    let _ = std::fs::File::from(terminal).read_to_end(&mut found);
    assert!(child.wait().unwrap().success());
    String::from_utf8(found).unwrap().replace("\r\n", "\n")
}

#[test]
fn tables_fit_the_terminal() {
    let folder = with_events();
    for columns in [200, 130, 110, 100, 80] {
        let found = on_terminal(&folder, &["events", "list"], columns);
        let title = format!("$ monban events list    # on {columns} columns\n");
        compare(
            &here("tests/snapshots").join(format!("events-list-{columns}-columns.txt")),
            &(title + &found),
        );
    }
}

#[test]
fn an_export_tells_its_progress_on_a_terminal() {
    let folder = with_events();
    let found = on_terminal(&folder, &["events", "export", "--output", "out.jsonl"], 80);
    assert_eq!(found, "\r\x1b[K4 of 4 (100 %) events\r\x1b[K4 events in out.jsonl\n");
    let found = on_terminal(&folder, &["events", "export", "--output", "out.jsonl", "--text", "union"], 80);
    assert_eq!(found, "\r\x1b[K1 events\r\x1b[K1 events in out.jsonl\n");
}

#[test]
fn a_tail_goes_on_with_what_comes() {
    let folder = with_events();
    let output = folder.path().join("tail.txt");
    let mut child = command(&folder, &["events", "tail", "-n", "1", "--limit", "3", "--json"])
        .stdout(std::fs::File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let lines = || std::fs::read_to_string(&output).unwrap().lines().count();
    testkit::wait_until("the last event", Duration::from_secs(30), || lines() == 1);
    let data = folder.path().join("data");
    let journal = Journal::open(&store::journal_folder(&data), JournalOptions::default()).unwrap();
    for number in 4..6 {
        journal.append(&event(number, "192.0.2.1", RequestEvidence::default())).unwrap();
    }
    assert!(child.wait().unwrap().success());
    let found: Vec<Event> = std::fs::read_to_string(&output)
        .unwrap()
        .lines()
        .map(|line| Event::from_json(line.as_bytes()).unwrap())
        .collect();
    let times = found.iter().map(|event| (event.time.as_micros() - EPOCH) / 3_600_000_000);
    assert_eq!(times.collect::<Vec<_>>(), [3, 4, 5]);
}
