//! Real sensors: Apache with ModSecurity and its mlogc, nginx with libmodsecurity 3.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use event::{Event, Outcome};
use testkit::nginx::{Nginx, Role};
use testkit::process::{folder, shared_folder};
use testkit::{Apache, Reflector, apache, client, wait_until};

use crate::support::{BINARY, Daemon, stderr, stdout};

const PASSWORD: &str = "s3cret:with-colon";
const GUIDE: &str = include_str!("../../../../docs/user/modsecurity.md");

/// Returns the block of the guide that begins with this comment.
fn block(comment: &str) -> &'static str {
    let blocks = GUIDE.split("```").skip(1).step_by(2);
    let mut found = blocks.filter_map(|block| block.split_once('\n')?.1.strip_prefix(comment));
    found.next().unwrap_or_else(|| panic!("no block {comment} in the guide"))
}

/// The guide's configuration of monban, mlogc and Apache, with the addresses and folders of this machine.
struct Setup {
    root: tempfile::TempDir,
    receiver: std::net::SocketAddr,
}

impl Setup {
    fn new() -> Self {
        let root = folder("monban-mlogc-");
        std::fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        shared_folder(root.path(), "mlogc");
        shared_folder(&root.path().join("mlogc"), "data");
        let password = root.path().join("web3.password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let setup = Self { root, receiver: testkit::net::free_address() };
        std::fs::write(setup.root.path().join("mlogc.conf"), setup.text("# /etc/mlogc.conf\n")).unwrap();
        setup
    }

    fn text(&self, comment: &str) -> String {
        let root = self.root.path().display().to_string();
        block(comment)
            .replace("192.0.2.10:8602", &self.receiver.to_string())
            .replace("/etc/monban/web3.password", &format!("{root}/web3.password"))
            .replace("/etc/mlogc.conf", &format!("{root}/mlogc.conf"))
            .replace("/var/log/mlogc", &format!("{root}/mlogc"))
            .replace("PASSWORD", PASSWORD)
    }

    fn apache(&self, upstream: &Reflector, change: impl Fn(String) -> String) -> Apache {
        let extra = change(self.text("# /etc/apache2/conf-available/mlogc.conf\n"));
        Apache::start(&apache::Config { extra, ..apache::Config::new(upstream.address()) })
    }

    fn mlogc_log(&self) -> PathBuf {
        self.root.path().join("mlogc/mlogc-error.log")
    }
}

/// Counts the files below a folder.
fn undelivered(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { undelivered(&entry.path()) } else { 1 }).sum()
}

fn attack(number: usize) -> String {
    format!(
        "GET /item/{number}?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=hunter2 HTTP/1.1\r\nHost: localhost\r\n\
         User-Agent: test\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
}

fn exported(daemon: &Daemon) -> Vec<Event> {
    let output = daemon.command(&["events", "export"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect()
}

/// Returns the numbers of the attacks from the events' paths.
fn numbers(events: &[Event]) -> Vec<usize> {
    let number = |event: &Event| {
        let path = String::from_utf8(event.request()?.path().to_vec()).ok()?;
        path.strip_prefix("/item/")?.parse().ok()
    };
    let mut numbers: Vec<usize> = events.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn mlogc_delivers_every_event_exactly_once_while_monban_is_killed_ten_times() {
    const KILLS: usize = 10;
    let setup = Setup::new();
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, &setup.text("# monban.toml\n"));
    let apache = setup.apache(&upstream, |text| text);
    let address = apache.address();
    let sent = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let answer = client::exchange(address, attack(number).as_bytes()).unwrap();
                    assert_eq!(answer.status, 403);
                    // a steady load that a test machine can handle
                    std::thread::sleep(Duration::from_millis(40));
                }
            })
        })
        .collect();
    for round in 0..KILLS {
        // Each time, the daemon has stored events of this round before it is killed.
        let before = exported(&daemon).len();
        wait_until(
            &format!("round {round}: more events; {}", setup.mlogc_error()),
            Duration::from_secs(120),
            || exported(&daemon).len() > before + 5,
        );
        daemon.program.kill();
        daemon.start_again();
    }
    stop.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().unwrap();
    }
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent >= KILLS * 5, "{sent}");
    wait_until("every event", Duration::from_secs(240), || numbers(&exported(&daemon)).len() >= sent);
    let events = exported(&daemon);
    assert_eq!(numbers(&events), (0..sent).collect::<Vec<_>>());
    assert_eq!(events.len(), sent);
    for event in &events {
        assert_eq!((event.node.as_str(), event.outcome), ("web3", Outcome::Blocked));
        assert!(event.request().unwrap().rules.iter().any(|rule| rule.id == 949_110));
        assert!(!event.to_json().contains("hunter2"));
    }
    // An answer that a kill interrupts makes mlogc send again. After a 409 it forgets the entry and leaves its file.
    // The remaining files cause no duplicates, and entries in flight have been or will be answered.
    let data = setup.root.path().join("mlogc/data");
    let left = undelivered(&data);
    let output =
        daemon.command(&["events", "import", "--sensor", "web3", "--json", &data.display().to_string()]);
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&summary["new"], &summary["damaged"]),
        (&0.into(), &0.into()),
        "{left} files left: {summary}"
    );
    assert_eq!(exported(&daemon).len(), sent);
}

impl Setup {
    fn mlogc_error(&self) -> String {
        let text = std::fs::read_to_string(self.mlogc_log()).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn mlogc_delivers_over_tls() {
    let setup = Setup::new();
    let identity = testkit::TestCa::new().server(&["127.0.0.1"]);
    let write = |name: &str, text: &str| {
        let path = setup.root.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (write("server.pem", &identity.certificate), write("server.key", &identity.key));
    let config = std::fs::read_to_string(setup.root.path().join("mlogc.conf")).unwrap();
    assert!(config.contains("http://"), "{config}");
    write("mlogc.conf", &config.replace("http://", "https://"));
    let receiver = setup.text("# monban.toml\n");
    let tls = format!("[receiver.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, &format!("{receiver}\n{tls}"));
    let apache = setup.apache(&upstream, |text| text);
    assert_eq!(client::exchange(apache.address(), attack(7).as_bytes()).unwrap().status, 403);
    wait_until("the event", Duration::from_secs(60), || !exported(&daemon).is_empty());
    assert_eq!(numbers(&exported(&daemon)), [7]);
    // a client that does not speak TLS gets no answer
    let plain = format!(
        "PUT /rpc/auditLogReceiver HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n",
        setup.receiver
    );
    assert!(client::exchange(setup.receiver, plain.as_bytes()).is_err());
    // a reload reads the files again
    let presented = || {
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-connect", &setup.receiver.to_string()])
            .stdin(std::process::Stdio::null());
        stdout(&command.output().unwrap())
    };
    assert!(presented().contains(identity.certificate.trim()));
    let renewed = testkit::TestCa::new().server(&["127.0.0.1"]);
    write("server.pem", &renewed.certificate);
    write("server.key", &renewed.key);
    assert!(daemon.command(&["reload"]).status.success());
    let said = presented();
    assert!(said.contains(renewed.certificate.trim()), "{said}");
}

#[test]
fn a_serial_log_given_to_mlogc_is_found_out() {
    let setup = Setup::new();
    let upstream = Reflector::start();
    let apache = setup.apache(&upstream, |text| text.replace("Concurrent", "Serial"));
    assert_eq!(client::exchange(apache.address(), attack(0).as_bytes()).unwrap().status, 403);
    wait_until("mlogc's complaint", Duration::from_secs(60), || {
        setup.mlogc_error().contains("Invalid entry")
    });
    std::fs::write(setup.root.path().join("monban.toml"), "data_dir = \"data\"\n").unwrap();
    let log = setup.mlogc_log().display().to_string();
    let config = setup.root.path().join("monban.toml");
    let run = |arguments: &[&str]| {
        Command::new(BINARY).args(arguments).arg("--config").arg(&config).output().unwrap()
    };
    let output = run(&["events", "import", &log]);
    assert!(
        stdout(&output).contains("set `SecAuditLogType Concurrent`"),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
}

/// Returns the events of a log from `monban events import`.
fn imported(log: &Path, arguments: &[&str]) -> Vec<Event> {
    let home = folder("monban-import-");
    let config = home.path().join("monban.toml");
    std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY).args(arguments).arg("--config").arg(&config).output().unwrap();
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        stdout(&output)
    };
    let path = log.display().to_string();
    let summary = run(&[&["events", "import", "--sensor", "web3", "--json", &path], arguments].concat());
    assert!(summary.contains("\"damaged\":0"), "{summary}");
    run(&["events", "export"]).lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect()
}

/// Checks the attack's event, which every sensor reports in the same way.
fn judge(what: &str, events: &[Event]) {
    let [event] = events else { panic!("{what}: {} events", events.len()) };
    assert_eq!((event.node.as_str(), event.outcome), ("web3", Outcome::Blocked), "{what}");
    let request = event.request().unwrap();
    let line = "GET /item/7?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=[redacted] HTTP/1.1";
    assert_eq!(request.line, line.into(), "{what}");
    assert_eq!(request.host(), Some(&b"localhost"[..]), "{what}");
    assert_eq!(request.response.as_ref().unwrap().status, 403, "{what}");
    for id in [941_100, 941_110, 949_110] {
        assert!(request.rules.iter().any(|rule| rule.id == id), "{what}: {id}");
    }
    let script = request.rules.iter().find(|rule| rule.id == 941_110).unwrap();
    assert_eq!(script.variable, "ARGS:q".into(), "{what}");
    assert_eq!(script.matched, "<script>".into(), "{what}");
    assert!(request.scores.inbound >= 10, "{what}: {:?}", request.scores);
    assert!(event.actor.is_some() && event.origin_id.is_some(), "{what}");
}

#[test]
fn what_apache_writes_is_read_in_each_of_its_forms() {
    let upstream = Reflector::start();
    for format in ["Native", "JSON"] {
        let apache = Apache::start(&apache::Config {
            extra: format!("SecAuditLogFormat {format}\n"),
            ..apache::Config::new(upstream.address())
        });
        assert_eq!(client::exchange(apache.address(), attack(7).as_bytes()).unwrap().status, 403);
        wait_until("the entry", Duration::from_secs(30), || {
            std::fs::read(apache.audit_log()).is_ok_and(|log| log.ends_with(b"\n\n") || log.ends_with(b"}\n"))
        });
        judge(&format!("Serial {format}"), &imported(&apache.audit_log(), &[]));

        let storage = folder("monban-concurrent-");
        std::fs::set_permissions(storage.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let storage = shared_folder(storage.path(), "data");
        let apache = Apache::start(&apache::Config {
            extra: format!(
                "SecAuditLogFormat {format}\nSecAuditLogType Concurrent\nSecAuditLogStorageDir {}\n",
                storage.display()
            ),
            ..apache::Config::new(upstream.address())
        });
        assert_eq!(client::exchange(apache.address(), attack(7).as_bytes()).unwrap().status, 403);
        wait_until("the index", Duration::from_secs(30), || {
            std::fs::read(apache.audit_log()).is_ok_and(|log| log.ends_with(b"\n"))
        });
        let folder = storage.display().to_string();
        judge(&format!("Concurrent {format}"), &imported(&apache.audit_log(), &["--storage-dir", &folder]));
        judge(&format!("folder {format}"), &imported(&storage, &[]));
    }
}

#[test]
fn what_libmodsecurity_3_writes_is_read_in_each_of_its_forms() {
    let upstream = Reflector::start();
    for format in ["Native", "JSON"] {
        let before = format!("SecAuditLogFormat {format}\n");
        let nginx = Nginx::start(&Role::ModSecurity(upstream.address(), before));
        assert_eq!(client::exchange(nginx.address(), attack(7).as_bytes()).unwrap().status, 403);
        wait_until("the entry", Duration::from_secs(30), || {
            std::fs::read(nginx.audit_log())
                .is_ok_and(|log| log.ends_with(b"-Z--\n\n") || log.ends_with(b"}\n"))
        });
        judge(&format!("libmodsecurity 3, {format}"), &imported(&nginx.audit_log(), &[]));
    }
}

#[test]
fn the_log_of_a_running_apache_is_followed() {
    let upstream = Reflector::start();
    let apache = Apache::start(&apache::Config::new(upstream.address()));
    let watch =
        format!("[[watch]]\npath = {:?}\nsensor = \"web3\"\n", apache.audit_log().display().to_string());
    let mut daemon = Daemon::start(upstream.address(), None, &watch);
    for round in 0..3 {
        for number in round * 10..round * 10 + 10 {
            assert_eq!(client::exchange(apache.address(), attack(number).as_bytes()).unwrap().status, 403);
        }
        wait_until("the events", Duration::from_secs(60), || exported(&daemon).len() >= round * 10 + 10);
        daemon.program.kill();
        daemon.start_again();
    }
    assert_eq!(numbers(&exported(&daemon)), (0..30).collect::<Vec<_>>());
}
