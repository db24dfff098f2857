//! `monban events import`: every log format, twice, damaged, with and without a daemon.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use event::modsec::{AuditParts, IndexEntry, Process, entry_path, index, json, native, serial};
use event::{
    Actor, Body, Disruptive, Engine, Event, EventId, Gate, Header, MatchedRule, Outcome, RequestEvidence,
    Response, Severity, Timestamp,
};
use serde_json::Value;
use testkit::wait_until;

use crate::support::{BINARY, Daemon, stderr, stdout};

const PROCESS: Process = Process { pid: 1, tid: 1, utc_offset_seconds: 9 * 3600 };

/// Returns a blocked request as ModSecurity 2 would report it. Its path, time and unique id contain the number.
fn event(number: u64) -> Event {
    let time = Timestamp::from_micros(1_795_424_686_454_636 + number.cast_signed() * 1000);
    let evidence = RequestEvidence {
        line: format!("POST /item/{number}?q=<script> HTTP/1.1").into(),
        headers: vec![Header::new("Host", "a.test"), Header::new("Authorization", "Basic aHVudGVyMg==")],
        body: Some(Body::capture(b"a=b&password=hunter2", 20, 1000)),
        response: Some(Response { status: 403, protocol: "HTTP/1.1".into(), ..Response::default() }),
        rules: vec![MatchedRule {
            id: 941_100,
            phase: 2,
            detail: "detected XSS using libinjection.".into(),
            file: "/rules.conf".into(),
            line: 5,
            severity: Some(Severity::Critical),
            disruptive: Some(Disruptive::Deny { status: 403 }),
            ..MatchedRule::default()
        }],
        engine: Engine::On,
        ..RequestEvidence::default()
    };
    Event {
        actor: Some(Actor::at([203, 0, 113, 7].into(), Some(1234))),
        ..Event::of_request(
            EventId::derived(time, "x", &number.to_string()),
            time,
            "x",
            Outcome::Blocked,
            evidence,
        )
    }
}

fn parts() -> AuditParts {
    AuditParts::new("ABCFHZ").unwrap()
}

/// Returns an entry as another sensor writes it, because monban would keep its own identifiers.
fn foreign(entry: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(entry).unwrap();
    text.replace("Producer: monban/", "Producer: ModSecurity for Apache/")
        .replace("[\"monban/", "[\"ModSecurity/")
        .into_bytes()
}

fn entry(number: u64) -> Vec<u8> {
    foreign(serial(&event(number), &parts(), PROCESS))
}

/// A configuration without retention, because the events are of a fixed day in the past.
const CONFIG: &str = "data_dir = \"data\"\nnode = \"gate\"\n[retention]\ndays = 0\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = testkit::process::folder("monban-import-");
        std::fs::write(folder.path().join("monban.toml"), CONFIG).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(&self.path().join("monban.toml"), arguments, b"")
    }

    /// Returns the summary of an import.
    fn import(&self, arguments: &[&str]) -> Value {
        summary(&self.run(&[&["events", "import", "--json"], arguments].concat()))
    }

    fn exported(&self) -> Vec<Event> {
        let output = self.run(&["events", "export"]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect()
    }
}

fn run(config: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("--config").arg(config);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(&stdout(output)).unwrap()
}

/// Returns the counts of events: all, new, known, missing, damaged.
fn counts(summary: &Value) -> [u64; 5] {
    ["events", "new", "known", "missing", "damaged"].map(|key| summary[key].as_u64().unwrap())
}

#[test]
fn each_event_is_stored_once_with_its_secrets_taken_out() {
    let folder = Folder::new();
    let log: Vec<u8> = (0..600).flat_map(entry).collect();
    let path = folder.write("audit.log", &log);
    assert_eq!(counts(&folder.import(&[&path, "--sensor", "web3"])), [600, 600, 0, 0, 0]);
    let events = folder.exported();
    assert_eq!(events.len(), 600);
    let newest = &events[0];
    assert_eq!(
        (newest.node.as_str(), &newest.gate, newest.outcome),
        ("web3", &Gate::MLOGC, Outcome::Blocked)
    );
    assert_eq!(newest.time, event(599).time);
    assert_eq!(newest.origin_id, Some(event(599).id.to_string()));
    assert_eq!(newest.request().unwrap().line, event(599).request().unwrap().line);
    let text = newest.to_json();
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    // Again, and in other formats. From another sensor they are different events.
    assert_eq!(counts(&folder.import(&[&path, "--sensor", "web3"])), [600, 0, 600, 0, 0]);
    let json: Vec<u8> =
        (0..601).flat_map(|number| foreign(json(&event(number), &parts(), PROCESS).into_bytes())).collect();
    let json = folder.write("audit.json", &json);
    assert_eq!(counts(&folder.import(&[&json, "--sensor", "web3"])), [601, 1, 600, 0, 0]);
    assert_eq!(counts(&folder.import(&[&json])), [601, 601, 0, 0, 0]);
    assert_eq!(folder.exported().len(), 1202);
}

#[test]
fn what_monban_wrote_itself_keeps_its_identifiers() {
    let folder = Folder::new();
    let log: Vec<u8> = (0..3).flat_map(|number| serial(&event(number), &parts(), PROCESS)).collect();
    let path = folder.write("audit.log", &log);
    assert_eq!(counts(&folder.import(&[&path])), [3, 3, 0, 0, 0]);
    let ids: Vec<EventId> = folder.exported().iter().map(|event| event.id).collect();
    assert_eq!(ids, [event(2).id, event(1).id, event(0).id]);
}

#[test]
fn compressed_logs_and_standard_input() {
    let folder = Folder::new();
    let log: Vec<u8> = (0..5).flat_map(entry).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&log).unwrap();
    let gzip = gzip.finish().unwrap();
    // Rotated logs are sometimes concatenated: several gzip members.
    let path = folder.write("audit.log.gz", &[&gzip[..], &gzip].concat());
    assert_eq!(counts(&folder.import(&[&path])), [10, 5, 5, 0, 0]);
    let config = folder.path().join("monban.toml");
    let output = run(&config, &["events", "import", "--json", "-"], &[log, entry(7)].concat());
    assert_eq!(counts(&summary(&output)), [6, 1, 5, 0, 0]);
    // Truncated within the compressed data.
    let path = folder.write("cut.gz", &gzip[..gzip.len() - 20]);
    let cut = folder.import(&[&path]);
    assert_eq!(cut["damaged"], 2, "{cut}");
    assert!(cut["events"].as_u64().unwrap() >= 4, "{cut}");
}

#[test]
fn concurrent_logs_by_index_and_by_folder() {
    let folder = Folder::new();
    let mut lines = String::new();
    for number in 0..20 {
        let event = event(number);
        let bytes = foreign(native(&event, &parts(), PROCESS));
        let path = entry_path(&event, PROCESS);
        lines += &index(
            &event,
            &IndexEntry { path: &path, size: bytes.len() as u64, md5: &"0".repeat(32) },
            PROCESS,
        );
        // mlogc has already sent one entry, and one is damaged.
        match number {
            4 => {}
            7 => drop(folder.write(&format!("store{path}"), b"--1a2b3c4d-A--\nnothing")),
            _ => drop(folder.write(&format!("store{path}"), &bytes)),
        }
    }
    lines += "h 1.2.3.4 - - [23/Nov/2026:09:04:54 +0000] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\" id \"-\" /../monban.toml 0 1 md5:62fca795b2269771285e0a53a09f9568\n";
    let index = folder.write("index.log", lines.as_bytes());
    let storage = folder.path().join("store").display().to_string();
    let found = folder.import(&[&index, "--storage-dir", &storage]);
    assert_eq!(counts(&found), [18, 18, 0, 1, 3]);
    let told = found["files"][0]["damage"].to_string();
    assert!(told.contains("cut off") && told.contains("must not name files outside its folder"), "{told}");
    // The folder itself, and the index in it.
    assert_eq!(counts(&folder.import(&[&storage]))[..3], [18, 0, 18]);
    let beside = folder.write("store/index.log", lines.as_bytes());
    assert_eq!(counts(&folder.import(&[&beside]))[..3], [18, 0, 18]);
}

#[test]
fn damage_is_told_with_file_and_offset() {
    let folder = Folder::new();
    let (first, second) = (entry(0), entry(1));
    let log = [b"noise\n", &first[..], &second[..200], b"\n", &entry(2), b"\0\xff\n"].concat();
    let path = folder.write("audit.log", &log);
    let output = folder.run(&["events", "import", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let cut = 6 + first.len();
    let last = cut + 201 + entry(2).len();
    for line in [
        format!("{path}: 6 bytes at offset 0: not an audit log entry of a known format"),
        format!("{path}: 201 bytes at offset {cut}: the entry is cut off"),
        format!("{path}: 3 bytes at offset {last}: not an audit log entry of a known format"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    // The format of a file that is not an audit log, and a missing file.
    let binary = folder.write("binary", &[0, 159, 146, 150].repeat(100_000));
    let output = folder.run(&["events", "import", &binary]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("400000 bytes at offset 0: not an audit log entry"),
        "{}",
        stdout(&output)
    );
    let missing = folder.run(&["events", "import", "/nowhere/audit.log"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(stdout(&missing).contains("No such file"), "{}", stdout(&missing));
    // The log of an mlogc that received a Serial log.
    let mlogc: String = ["A", "B", "Z"].map(|part| format!("[Mon Nov 23 08:55:16 2026] [3] [1/0] Invalid entry (failed to match regex): --1a2b3c4d-{part}--\n")).concat();
    let output = folder.run(&["events", "import", &folder.write("mlogc-error.log", mlogc.as_bytes())]);
    assert!(stdout(&output).contains("set `SecAuditLogType Concurrent`"), "{}", stdout(&output));
    assert!(stdout(&output).contains("docs/user/modsecurity.md"), "{}", stdout(&output));
}

/// Tests that the rest is imported, and that the exit code reports unread files.
#[test]
fn what_cannot_be_read_ends_nothing_and_is_told() {
    let folder = Folder::new();
    let good = folder.write("logs/good.log", &entry(0));
    // Too many links, which fail even for root, and deeply nested folders.
    let deep = format!("logs/{}", "d/".repeat(40));
    folder.write(&format!("{deep}deep.log"), &entry(1));
    let looped = folder.path().join("looped.log");
    std::os::unix::fs::symlink("looped.log", &looped).unwrap();
    let (looped, logs) = (looped.display().to_string(), folder.path().join("logs").display().to_string());
    for (given, reason, new) in [
        ([&looped, &good], "Too many levels of symbolic links", 1),
        ([&good, &"/nowhere/audit.log".to_owned()], "No such file", 0),
        ([&logs, &good], "more than 32 folders deep", 0),
    ] {
        let output = folder.run(&["events", "import", "--json", given[0], given[1]]);
        assert_eq!(output.status.code(), Some(3), "{reason}");
        assert_eq!(stderr(&output), "error: 1 files or folders could not be read\n");
        let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert!(summary["files"].to_string().contains(reason), "{summary}");
        assert_eq!(
            (summary["unreadable"].as_u64(), summary["new"].as_u64()),
            (Some(1), Some(new)),
            "{summary}"
        );
    }
    let index = folder.write("index.log", indexed(&format!("/{}", "long".repeat(100))).as_bytes());
    assert_eq!(folder.run(&["events", "import", &index, &good]).status.code(), Some(3));
}

/// Returns a line of an index that names this file.
fn indexed(path: &str) -> String {
    format!(
        "h 1.2.3.4 - - [23/Nov/2026:09:04:54 +0000] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\" id \"-\" {path} 0 1 \
         md5:62fca795b2269771285e0a53a09f9568\n"
    )
}

#[test]
fn d19_entries_older_than_the_retention_are_not_called_new() {
    let folder = Folder::new();
    let config = folder.path().join("monban.toml");
    std::fs::write(&config, CONFIG.replace("days = 0", "days = 20000")).unwrap();
    let old = String::from_utf8(entry(1)).unwrap().replace("/2026:", "/1971:").into_bytes();
    let only_old = folder.write("old.log", &old);
    let mixed = folder.write("mixed.log", &[old, entry(0)].concat());
    let output = folder.run(&["events", "import", &only_old]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("1 events in 1 files: 0 new, 0 known"), "{}", stdout(&output));
    assert!(stdout(&output).contains("1 entries are older than `[retention]` keeps"), "{}", stdout(&output));
    assert!(stderr(&output).contains("days = 20000 keeps"), "{}", stderr(&output));
    let summary = folder.import(&[&mixed]);
    assert_eq!((counts(&summary)[..2].to_vec(), &summary["expired"]), (vec![2, 1], &Value::from(1)));
    assert_eq!(folder.exported().len(), 1);
}

#[test]
fn d19_where_nothing_was_found_the_exit_code_says_so() {
    let folder = Folder::new();
    let empty = folder.write("empty.log", b"");
    let index = folder.write("index.log", indexed("/20261123/gone").as_bytes());
    for (log, why) in
        [(empty, "no audit log entry"), (index, "none of the 1 files that the index names exists")]
    {
        let output = folder.run(&["events", "import", &log]);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(
            stderr(&output).contains("nothing was stored") && stderr(&output).contains(why),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn d20_neither_a_given_log_nor_an_index_opens_anything_but_files() {
    let folder = Folder::new();
    let good = folder.write("good.log", &entry(0));
    let fifo = folder.path().join("fifo");
    testkit::process::fifo(&fifo);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    for given in [&fifo.display().to_string()[..], "/dev/zero"] {
        let output = folder.run(&["events", "import", given, &good]);
        assert_eq!(output.status.code(), Some(3), "{given}");
        assert!(
            stdout(&output).contains("not a regular file; `-` reads standard input"),
            "{}",
            stdout(&output)
        );
    }
    let lines = ["/fifo", "/link", "/etc/passwd"].map(indexed).concat();
    let index = folder.write("index.log", lines.as_bytes());
    let summary = folder.import(&[&index, &good]);
    assert_eq!(counts(&summary), [1, 0, 1, 0, 3]);
    let told = summary["files"][0]["damage"].to_string();
    for why in ["is a FIFO", "is a symbolic link", "/etc/passwd: is not inside"] {
        assert!(told.contains(why), "{why}: {told}");
    }
}

/// Tests that a FIFO in place of a log, and an index that names a FIFO, delay neither another watch nor the stop.
#[test]
fn d20_what_blocks_stops_neither_other_watches_nor_the_end() {
    let upstream = testkit::Reflector::start();
    let logs = testkit::process::folder("monban-watch-");
    let at = |name: &str| logs.path().join(name);
    testkit::process::fifo(&at("fifo"));
    testkit::process::fifo(&at("entry"));
    std::fs::write(at("index"), indexed("/entry")).unwrap();
    std::fs::write(at("good"), entry(0)).unwrap();
    let watch =
        |name: &str| format!("[[watch]]\npath = {:?}\nsensor = \"web3\"\n", at(name).display().to_string());
    let config = format!("{}{}{}[retention]\ndays = 0\n", watch("index"), watch("late"), watch("good"));
    let mut daemon = Daemon::start(upstream.address(), None, &config);
    testkit::process::fifo(&at("late"));
    let exported = || daemon.exported().len();
    wait_until("the event of the good log", Duration::from_secs(60), || exported() == 1);
    // The event of the line after the one that names the FIFO.
    std::fs::write(at("second"), entry(1)).unwrap();
    let lines = [indexed("/entry"), indexed("/second")].concat();
    std::fs::write(at("index"), lines).unwrap();
    wait_until("the event behind the FIFO", Duration::from_secs(60), || exported() == 2);
    let started = std::time::Instant::now();
    assert!(daemon.program.terminate().success());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

/// Tests that the readable part of a truncated entry is stored, and that the truncated and the complete entry are one
/// event.
#[test]
fn a_cut_entry_is_stored_as_far_as_it_goes() {
    let folder = Folder::new();
    let whole = entry(0);
    let cut = folder.write("cut.log", &whole[..whole.len() - 14]);
    assert_eq!(counts(&folder.import(&[&cut])), [1, 1, 0, 0, 1]);
    let whole = folder.write("whole.log", &whole);
    assert_eq!(counts(&folder.import(&[&whole])), [1, 0, 1, 0, 0]);
    let events = folder.exported();
    assert_eq!(events.len(), 1);
    assert!(events[0].summary.as_deref().unwrap().contains("the entry is cut off"), "{events:?}");
    assert_eq!(events[0].request().unwrap().rules.len(), 1);
}

#[test]
fn a_daemon_that_runs_takes_the_import() {
    let upstream = testkit::Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let log: Vec<u8> = (0..1000).flat_map(entry).collect();
    let path = daemon.folder.path().join("other.log");
    std::fs::write(&path, log).unwrap();
    let path = path.display().to_string();
    let import = || summary(&daemon.command(&["events", "import", "--json", &path]));
    assert_eq!(counts(&import()), [1000, 1000, 0, 0, 0]);
    let own = daemon.attack("meanwhile");
    assert_eq!(counts(&import()), [1000, 0, 1000, 0, 0]);
    let exported = daemon.exported();
    assert_eq!(exported.len(), 1001);
    assert!(exported.contains(&own));
}

/// Tests the memory use of a long log. 1 GB of each kind of nonsense would take too long, and memory does not depend on
/// the length.
#[test]
fn a_long_log_needs_little_memory() {
    let folder = Folder::new();
    let path = folder.path().join("long.log");
    let mut file = std::fs::File::create(&path).unwrap();
    let piece =
        [&b"--1a2b3c4d-C--\n"[..], &[b'x'; 1_000_000], b"\n{\"transaction\":{\"a\":\"", &[b'y'; 1_000_000]]
            .concat();
    for _ in 0..64 {
        file.write_all(&piece).unwrap();
    }
    file.write_all(b"\"}}\n").unwrap();
    file.write_all(&entry(1)).unwrap();
    drop(file);
    let mut command = Command::new("/bin/sh");
    // 300 MB of address space: the file has 128 MB, and two copies would not fit beside the program
    command.args(["-c", "ulimit -v 400000; exec \"$0\" \"$@\"", BINARY, "events", "import", "--json"]);
    let output = command.arg(&path).arg("--config").arg(folder.path().join("monban.toml")).output().unwrap();
    assert_eq!(summary(&output)["events"], 1, "{}", stdout(&output));
}
