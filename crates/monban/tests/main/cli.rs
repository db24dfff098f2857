//! Help, messages and exit codes of the command line, compared with files in `snapshots/`.
//!
//! `MONBAN_WRITE_DOCS=1 cargo test -p monban --test main` rewrites the snapshots and docs/user/commands.md.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{BINARY, RULES, stderr, stdout};

pub fn compare(path: &Path, found: &str) {
    if std::env::var_os("MONBAN_WRITE_DOCS").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "{}: `make docs` writes it anew; look at the difference first",
        path.display()
    );
}

pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Creates a folder that only its owner may access.
pub fn create_private(path: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

/// Creates a folder with rules and a configuration that needs no daemon.
pub fn folder() -> tempfile::TempDir {
    let folder = testkit::process::folder("monban-cli-");
    create_private(&folder.path().join("data"));
    std::fs::write(folder.path().join("rules.conf"), RULES).unwrap();
    std::fs::write(
        folder.path().join("monban.toml"),
        "data_dir = \"data\"\n[[listen]]\naddress = \"127.0.0.1:1\"\n[[site]]\nupstream = \"http://127.0.0.1:2\"\n\
         [waf]\nrules = [\"rules.conf\"]\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("warnings.toml"),
        "data_dir = \"data\"\n[[listen]]\naddress = \"127.0.0.1:1\"\n[[site]]\nupstream = \"http://127.0.0.1:2\"\n\
         [waf]\nrules = [\"warnings.conf\"]\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("wrong.toml"),
        "data_dir = \"rules.conf/x\"\n[[listen]]\naddress = \"127.0.0.1:1\"\ntls = { certificate = \"no.pem\", key = \"no.key\" }\n\
         [[site]]\nname = \"a\"\nupstream = \"ftp://127.0.0.1:2\"\n[[site]]\nname = \"b\"\nupstream = []\n\
         [waf]\nrules = [\"wrong.conf\"]\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("wrong.conf"),
        "SecRulee ARGS\nSecRule ARGS \"@rx a\" \"phase:2\"\nSecRule NOPE \"@rx a\" \"id:1\"\n",
    )
    .unwrap();
    let form = "Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    for (name, text) in [
        (
            "attack.http",
            "POST / HTTP/1.1\nHost: a\nContent-Type: application/x-www-form-urlencoded\n\nq=attack".to_owned(),
        ),
        (
            "chunked.http",
            format!("POST / HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\n4\r\nq=at\r\n4\r\ntack\r\n0\r\n\r\n"),
        ),
        ("short.http", format!("POST / HTTP/1.1\r\n{form}Content-Length: 20\r\n\r\nq=attack")),
        (
            "ambiguous.http",
            format!("POST /?q=attack HTTP/1.1\r\n{form}Content-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("two-hosts.http", "GET /?q=attack HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned()),
        ("two-requests.http", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /?q=attack HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("form.txt", "q=att\r\nack".to_owned()),
        (
            "leak.http",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nret\r\n0\r\n\r\n"
                .to_owned(),
        ),
        (
            "warnings.conf",
            "SecRuleRemoveById 10\nSecRule ARGS \"@rx a\" \"id:10,phase:1,pass,skipAfter:NOWHERE\"\n\
             SecRuleRemoveByTag none\n"
                .to_owned(),
        ),
        (
            "tabs.conf",
            "SecRule ARGS \\\n\t\"@contains attack\" \\\n\t\"id:20,\\\n\t\tphase:2,\tpass\"\n".to_owned(),
        ),
        ("cut.http", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret".to_owned()),
        (
            "scores.conf",
            "SecRuleEngine On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n\
             SecRule ARGS \"@contains attack\" \"id:10,phase:2,pass,log,msg:'An attack',severity:'CRITICAL',\\\n\
             setvar:'tx.sql_injection_score=+5',setvar:'tx.anomaly_score=+5'\"\n\
             SecRule RESPONSE_STATUS \"@ge 500\" \"id:11,phase:3,deny,status:502,log,msg:'Server error'\"\n\
             SecRule RESPONSE_BODY \"@contains secret\" \"id:12,phase:4,deny,log,msg:'A secret',\\\n\
             setvar:'tx.outbound_anomaly_score=+4'\"\n"
                .to_owned(),
        ),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let long = std::fs::File::create(folder.path().join("long.http")).unwrap();
    long.set_len(256 * 1024 * 1024 + 1).unwrap();
    folder
}

/// Appends the help of a command, and that of each command that it lists.
fn describe(command: &str, text: &mut String) {
    let words = command.split_whitespace();
    let output = Command::new(BINARY).args(words).arg("--help").env_remove("MONBAN_CONFIG").output().unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    let help = stdout(&output);
    let title = format!("monban {command}");
    *text += &format!("\n## {}\n\n```text\n{}\n```\n", title.trim(), help.trim_end());
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let lines = listed.lines().take_while(|line| !line.is_empty());
    // two spaces stand before a name, more before the second line of a description
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        describe(format!("{command} {name}").trim_start(), text);
    }
}

#[test]
fn commands_reference() {
    let mut text = String::from(
        "# Commands\n\nMade from the program's own help by `make docs`. Exit codes: [exit-codes.md](exit-codes.md).\n",
    );
    describe("", &mut text);
    compare(&here("../../docs/user/commands.md"), &text);
}

#[test]
fn messages_and_exit_codes() {
    let folder = folder();
    let cases: &[(&str, &[&str])] = &[
        ("check", &["check"]),
        ("check-wrong", &["check", "--config", "wrong.toml"]),
        ("check-missing", &["check", "--config", "missing.toml"]),
        ("up-wrong", &["up", "--config", "wrong.toml"]),
        ("no-such-command", &["bake"]),
        ("no-such-option", &["events", "list", "--colour"]),
        ("bad-time", &["events", "list", "--since", "yesterday"]),
        ("bad-client", &["events", "list", "--client", "example.org"]),
        ("bad-outcome", &["events", "list", "--outcome", "eaten"]),
        ("events-empty", &["events", "list"]),
        ("events-show-none", &["events", "show", "01KYD00000000000000000000Z"]),
        ("events-show-last-none", &["events", "show", "last"]),
        ("events-show-nonsense", &["events", "show", "nonsense"]),
        ("reload-no-daemon", &["reload"]),
        ("acknowledge-no-daemon", &["acknowledge"]),
        ("f23-tail-limit-zero", &["events", "tail", "--limit", "0"]),
        ("f23-list-limit-zero", &["events", "list", "--limit", "0"]),
        ("f23-export-limit-zero", &["events", "export", "--limit", "0"]),
        ("f23-profile-top-zero", &["rules", "profile", "--from-events", "--top", "0"]),
        ("f23-replay-limit-zero", &["rules", "replay", "--limit", "0"]),
        ("f23-token-expires-zero", &["console", "token", "--name", "a", "--scope", "read", "--expires", "0"]),
        ("rules-check", &["rules", "check"]),
        ("rules-check-json", &["rules", "check", "rules.conf", "--json"]),
        ("a6-rules-check-warnings", &["rules", "check", "warnings.conf"]),
        ("a6-rules-check-warnings-json", &["rules", "check", "--json", "warnings.conf"]),
        ("a6-check-warnings", &["check", "--config", "warnings.toml"]),
        ("rules-check-wrong", &["rules", "check", "wrong.conf"]),
        ("rules-check-missing", &["rules", "check", "missing.conf"]),
        ("rules-list", &["rules", "list", "rules.conf"]),
        ("rules-list-phase", &["rules", "list", "--phase", "1", "--json", "rules.conf"]),
        ("rules-list-file", &["rules", "list", "rules.conf", "scores.conf", "--file", "scores.conf"]),
        ("rules-list-file-none", &["rules", "list", "rules.conf", "--file", "ules.conf"]),
        ("rules-show-tabs", &["rules", "show", "20", "tabs.conf"]),
        ("rules-show-nearest", &["rules", "show", "13", "rules.conf", "scores.conf"]),
        ("rules-show-nearest-one", &["rules", "show", "21", "tabs.conf"]),
        ("rules-show", &["rules", "show", "1", "rules.conf"]),
        ("rules-show-none", &["rules", "show", "77"]),
        ("rules-run-blocked", &["rules", "run", "http://a/?q=attack", "--rules", "rules.conf"]),
        ("rules-run-passed", &["rules", "run", "http://a/?q=peace", "--rules", "rules.conf"]),
        ("rules-run-file", &["rules", "run", "attack.http", "--rules", "rules.conf"]),
        ("rules-run-detect", &["rules", "run", "attack.http", "--mode", "detect", "--rules", "rules.conf"]),
        ("rules-run-chunked", &["rules", "run", "chunked.http", "--rules", "rules.conf"]),
        ("rules-run-short", &["rules", "run", "short.http", "--rules", "rules.conf"]),
        ("rules-run-ambiguous", &["rules", "run", "ambiguous.http", "--rules", "rules.conf"]),
        ("rules-run-ambiguous-json", &["rules", "run", "ambiguous.http", "--json", "--rules", "rules.conf"]),
        ("rules-run-two-hosts", &["rules", "run", "two-hosts.http", "--rules", "rules.conf"]),
        (
            "rules-run-two-hosts-detect",
            &["rules", "run", "two-hosts.http", "--mode", "detect", "--rules", "rules.conf"],
        ),
        ("rules-run-two-requests", &["rules", "run", "two-requests.http", "--rules", "rules.conf"]),
        ("rules-run-spaces", &["rules", "run", "http://a/?q=an attack", "--rules", "rules.conf"]),
        ("rules-run-data-file", &["rules", "run", "http://a/", "-d", "@form.txt", "--rules", "rules.conf"]),
        (
            "rules-run-data-binary",
            &["rules", "run", "http://a/", "--data-binary", "@form.txt", "--rules", "rules.conf"],
        ),
        ("rules-run-scores", &["rules", "run", "http://a/?q=attack", "--rules", "scores.conf"]),
        (
            "rules-run-response",
            &["rules", "run", "http://a/?q=attack", "--response", "leak.http", "--rules", "scores.conf"],
        ),
        (
            "rules-run-response-json",
            &["rules", "run", "http://a/", "--response", "leak.http", "--json", "--rules", "scores.conf"],
        ),
        (
            "rules-run-response-cut",
            &["rules", "run", "http://a/", "--response", "cut.http", "--rules", "scores.conf"],
        ),
        (
            "rules-run-response-status",
            &["rules", "run", "http://a/", "--response-status", "503", "--rules", "scores.conf"],
        ),
        (
            "rules-run-json",
            &["rules", "run", "http://a/", "-d", "q=attack", "-H", "X: y", "--json", "--rules", "rules.conf"],
        ),
        ("rules-run-no-request", &["rules", "run", "rules.conf"]),
        ("rules-run-too-long", &["rules", "run", "long.http"]),
        ("rules-run-missing", &["rules", "run", "missing.http"]),
        ("rules-profile-nothing", &["rules", "profile"]),
        ("rules-profile-unreadable", &["rules", "profile", "rules.conf", "ambiguous.http"]),
        ("rules-run-mixed", &["rules", "run", "attack.http", "-X", "PUT"]),
    ];
    assert!(cases.len() >= 50);
    for (name, arguments) in cases {
        let output = Command::new(BINARY)
            .args(*arguments)
            .current_dir(folder.path())
            .env_remove("MONBAN_CONFIG")
            .output()
            .unwrap();
        let found = format!(
            "$ monban {}\n{}{}exit code {}\n",
            arguments.join(" "),
            stdout(&output),
            stderr(&output),
            output.status.code().unwrap()
        );
        let found = found.replace(&folder.path().display().to_string(), "FOLDER");
        compare(&here("tests/snapshots").join(format!("{name}.txt")), &found);
    }
}

/// Tests one round each for faults of the text, of values, and between values; each fault has its location.
#[test]
fn check_tells_all_faults_together_with_their_places() {
    let folder = testkit::process::folder("monban-check-");
    let config = r#"data_dir = "/dev/null/x"
nod = "gate"
[limits]
connections = 0
head_bytes = 0
[[listen]]
address = "127.0.0.1:18080"
[[listen]]
address = "127.0.0.1:18080"
[[site]]
hosts = ["a.test"]
upstream = "ftp://127.0.0.1:1"
[[site]]
hosts = ["b.test"]
upstream = "http://127.0.0.1:1"
[[site]]
hosts = ["b.test"]
upstream = "http://127.0.0.1:2"
[[sensors]]
name = "a"
[[sensors]]
name = "b"
password_sha256 = "0a"
[[sensors]]
name = "c"
pasword_file = "c"
[[watch]]
path = "audit.log"
storage_dir = "nowhere"
"#;
    let path = folder.path().join("monban.toml");
    std::fs::write(&path, config).unwrap();
    let output = Command::new(BINARY).arg("check").arg("--config").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    let found: Vec<&str> = text.lines().collect();
    for (place, fault) in [
        ("1:1", "data_dir: /dev/null/x: "),
        ("2:1", "unknown key `nod`; did you mean `node`?"),
        ("4:1", "limit `connections` is zero"),
        ("5:1", "limit `head_bytes` is zero"),
        ("9:1", "127.0.0.1:18080"),
        ("12:1", "ftp://127.0.0.1:1"),
        ("17:1", "b.test"),
        ("19:1", "sensors[0]: needs either password_file or password_sha256"),
        ("23:1", "sensors[1].password_sha256: not a SHA-256"),
        ("26:1", "unknown key `pasword_file`; did you mean `password_file`?"),
        ("29:1", "storage_dir"),
    ] {
        let begin = format!("error: {}:{place}: ", path.display());
        assert!(
            found.iter().any(|line| line.starts_with(&begin) && line.contains(fault)),
            "{place} {fault}\n{text}"
        );
    }
    assert_eq!(found.len(), 11, "{text}");
}

#[test]
fn what_init_writes_passes_check() {
    let folder = testkit::process::folder("monban-init-");
    let config = folder.path().join("etc/monban.toml");
    let data = folder.path().join("data");
    let run = |arguments: &[&str]| {
        Command::new(BINARY).args(arguments).arg("--config").arg(&config).output().unwrap()
    };
    let init = [
        "init",
        "--data-dir",
        data.to_str().unwrap(),
        "--host",
        "www.example.org",
        "--listen",
        "127.0.0.1:8081",
    ];
    let output = run(&init);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = run(&["check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 listener, 1 site, "), "{}", stdout(&output));
    // nothing is replaced without --force
    let output = run(&init);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("hint: `--force` replaces files that exist"));
    assert!(run(&[&init[..], &["--force"]].concat()).status.success());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = folder();
    for arguments in [
        &["man"][..],
        &["completions", "bash"],
        &["rules", "list", "/usr/share/modsecurity-crs/rules/*.conf"],
    ] {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = std::fs::read_to_string(folder.path().join("monban.toml")).unwrap();
    let console = format!("[console]\naddress = \"{}\"\n", testkit::net::free_address());
    for (text, what) in [
        (
            config.replace("127.0.0.1:1\"", &format!("{address}\"")) + &console,
            format!("cannot listen on {address}"),
        ),
        (
            config.replace("127.0.0.1:1\"", "127.0.0.1:0\"")
                + &format!("[console]\naddress = \"{address}\"\n"),
            format!("console: cannot listen on {address}"),
        ),
    ] {
        std::fs::write(folder.path().join("monban.toml"), text).unwrap();
        let output = Command::new(BINARY).arg("up").current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains(&what), "{}", stderr(&output));
        assert!(stderr(&output).contains("hint: "), "{}", stderr(&output));
    }
}
