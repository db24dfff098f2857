//! Output and exit codes of `monban doctor` and `monban explain`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::Reflector;

use crate::support::{BINARY, Daemon, stderr, stdout};

#[test]
fn doctor_reports_findings_of_configuration_and_daemon() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let well = daemon.command(&["doctor"]);
    assert_eq!(well.status.code(), Some(0), "{}{}", stdout(&well), stderr(&well));
    assert!(stdout(&well).ends_with("monban.toml: no findings; the daemon runs\n"), "{}", stdout(&well));

    // A damaged file that was moved aside is an error until it is acknowledged.
    std::fs::write(daemon.folder.path().join("data/events.db.damaged-1"), "x").unwrap();
    let damaged = daemon.command(&["doctor"]);
    let shown = stdout(&damaged);
    assert_eq!(damaged.status.code(), Some(6), "{shown}");
    for part in [
        "error: A damaged file was moved aside (",
        "[store.moved_aside]",
        "\n  hint: Stop monban",
        "1 finding;",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let japanese = stdout(&daemon.command(&["doctor", "--language", "ja"]));
    assert!(japanese.contains("破損したファイルの退避"), "{japanese}");
    let json: Value = serde_json::from_str(&stdout(&daemon.command(&["doctor", "--json"]))).unwrap();
    assert_eq!((&json["running"], &json["findings"][0]["code"]), (&json!(true), &json!("store.moved_aside")));
    let explained = stdout(&daemon.command(&["explain", "store.moved_aside"]));
    assert!(explained.contains("  here: now: ") && explained.contains("events.db.damaged-1"), "{explained}");

    // Faults of the configuration are also findings; the running daemon still answers.
    std::fs::write(daemon.folder.path().join("rules.conf"), "SecRule ARGS \"@nonsense\" \"id:1\"\n").unwrap();
    let faulty = daemon.command(&["doctor", "--json"]);
    let json: Value = serde_json::from_str(&stdout(&faulty)).unwrap();
    assert_eq!(json["findings"][0]["code"], "configuration.fault", "{json}");
    assert!(json["findings"][0]["cause"]["en"].as_str().unwrap().contains("rules.conf"), "{json}");
    assert_eq!((faulty.status.code(), json["findings"].as_array().unwrap().len()), (Some(6), 2));
}

#[test]
fn doctor_says_that_nothing_runs_or_that_there_is_no_configuration() {
    let folder = testkit::process::folder("monban-doctor-");
    let config = folder.path().join("monban.toml");
    let run = || Command::new(BINARY).args(["doctor", "--json", "--config"]).arg(&config).output().unwrap();
    let codes = |output: &std::process::Output| {
        let json: Value = serde_json::from_str(&stdout(output)).unwrap();
        let found = json["findings"].as_array().unwrap().iter().map(|one| one["code"].clone());
        (output.status.code(), json["running"].clone(), found.collect::<Vec<_>>())
    };
    assert_eq!(codes(&run()), (Some(6), json!(false), vec![json!("configuration.unreadable")]));
    let (address, console) = (testkit::net::free_address(), testkit::net::free_address());
    let text = format!(
        "data_dir = \"data\"\n[[listen]]\naddress = \"{address}\"\n[[site]]\nupstream = \"http://{address}\"\n\
         [console]\naddress = \"{console}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    assert_eq!(codes(&run()), (Some(5), json!(false), vec![json!("daemon.not_running")]));
}

#[test]
fn explain_answers_lines_codes_and_rules_from_arguments_and_standard_input() {
    let folder = testkit::process::folder("monban-explain-");
    let config = folder.path().join("monban.toml");
    std::fs::write(
        folder.path().join("rules.conf"),
        "# A test\nSecRule ARGS \"@contains x\" \"id:4711,phase:2,deny\"\n",
    )
    .unwrap();
    let address = testkit::net::free_address();
    let text = format!(
        "data_dir = \"data\"\n[[listen]]\naddress = \"{address}\"\n[[site]]\nupstream = \"http://{address}\"\n\
         [waf]\nrules = [\"rules.conf\"]\n[console]\naddress = \"{}\"\n",
        testkit::net::free_address()
    );
    std::fs::write(&config, text).unwrap();
    let explain = |arguments: &[&str], input: &[u8]| {
        let mut command = Command::new(BINARY);
        command.arg("explain").args(arguments).arg("--config").arg(&config);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // a refused text is not read to its end
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    };
    let line = b"[Mon Nov 30] Invalid entry (failed to match regex): --0a-A--\n";
    for (arguments, input, code, parts) in [
        (&["-"][..], &line[..], 0, &["[mlogc.serial_log]", "SecAuditLogType Concurrent", "undo: "][..]),
        (&["Access", "denied", "with", "code", "403"], b"", 0, &["[modsecurity.denied]"]),
        (&["4711"], b"", 0, &["Rule 4711 [4711]", "rules.conf:2", "here: A test"]),
        (&["ModSecurity: Warning. [id \"4711\"]"], b"", 0, &["[modsecurity.warning]", "rules.conf:2"]),
        (&["session.role_needed"], b"", 0, &["The API answers 403"]),
        (&["3"], b"", 0, &["[exit.environment]"]),
        (&["--json", "console.signed_in"], b"", 0, &["\"kind\":\"audit_action\""]),
        (&["store.wait"], b"", 1, &["nearest codes are store.waits"]),
        (&["nothing known \u{1b}[31m"], b"", 1, &["knows nothing about `nothing known \\x1b[31m`"]),
        (&["-"], &[b'x'; 70_000], 3, &["longer than 65536 bytes"]),
        (&["-"], b"\xff\xfe", 1, &["knows nothing"]),
    ] {
        let output = explain(arguments, input);
        let said = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?} lacks {part}: {said}");
        }
    }
}
