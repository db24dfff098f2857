//! Files, sockets and starts with which other users could cause trouble.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use testkit::Reflector;
use testkit::net::free_address;

use crate::cli::create_private;
use crate::support::{BINARY, Daemon, stderr, stdout};

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Visits everything in a folder.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        visit(&path);
        if path.is_dir() {
            walk(&path, visit);
        }
    }
}

#[test]
fn e21_what_the_daemon_writes_is_for_its_user_and_follows_no_link() {
    let upstream = Reflector::start();
    let folder = testkit::process::folder("monban-modes-");
    let data = folder.path().join("data");
    create_private(&data);
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "another's").unwrap();
    std::os::unix::fs::symlink(&victim, data.join("monban.pid")).unwrap();
    let logs = "[access_log]\npath = \"access.log\"\n";
    let mut daemon = Daemon::start(upstream.address(), Some(&data), logs);
    daemon.attack("one");
    daemon.wait_health("\"ingested\":1");
    let pid = std::fs::read_to_string(data.join("monban.pid")).unwrap();
    assert_eq!(pid.trim(), daemon.program.pid().to_string());
    assert!(daemon.console("/api/events").text().contains("attack"));
    walk(&data, &mut |path| {
        let metadata = std::fs::symlink_metadata(path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), expected, "{}", path.display());
    });
    assert!(daemon.program.terminate().success());
    walk(&data, &mut |path| {
        assert!(mode(path) & 0o077 == 0, "{}", path.display());
    });
    for log in ["access.log", "error.log"] {
        assert_eq!(mode(&daemon.folder.path().join(log)), 0o640, "{log}");
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "another's");
}

#[test]
fn e21_a_data_dir_open_to_others_is_refused_by_check_start_and_import() {
    let folder = crate::cli::folder();
    let data = folder.path().join("data");
    let run = |arguments: &[&str]| {
        Command::new(BINARY).args(arguments).current_dir(folder.path()).output().unwrap()
    };
    std::fs::write(folder.path().join("audit.log"), "").unwrap();
    for mode in [0o755, 0o750, 0o711] {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
        for arguments in [&["check"][..], &["up"], &["events", "import", "audit.log"]] {
            let output = run(arguments);
            let said = stderr(&output);
            assert!(!output.status.success(), "{arguments:?}");
            let cure = format!("chmod 700 {}", data.display());
            assert!(
                said.contains(&format!("other users may read it (mode {mode:o})")),
                "{arguments:?} {said}"
            );
            assert!(said.contains(&cure), "{arguments:?} {said}");
        }
    }
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(run(&["check"]).status.success());
}

#[test]
fn f23_check_finds_what_a_start_and_a_reload_would_refuse() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let (config, data) = (daemon.config(), daemon.folder.path().join("data"));
    let text = std::fs::read_to_string(&config).unwrap();
    let broken = |name: &str, text: &str| std::fs::write(data.join(name), text).unwrap();
    let certificate =
        "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"no.pem\", key = \"no.key\" }\n";
    let same = format!("[[listen]]\naddress = \"{}\"\n", daemon.console);
    for (what, file, extra) in [
        ("exclusions.conf:1:1: ", Some(("exclusions.conf", "SecRulee\n")), ""),
        ("geoip: ", None, "geoip = \"rules.conf\"\n"),
        ("filters.json: ", Some(("filters.json", "{")), ""),
        ("no.pem", None, certificate),
        (": console.address already has ", None, &same),
        ("sensors[0]: needs either", None, "[[sensors]]\nname = \"a\"\n"),
        ("notify.slack[0]: channel `ops`: needs", None, "[[notify.slack]]\nname = \"ops\"\n"),
    ] {
        if let Some((name, text)) = file {
            broken(name, text);
        }
        // keys of the host come before all tables
        let written =
            if extra.starts_with("geoip") { format!("{extra}{text}") } else { format!("{text}{extra}") };
        std::fs::write(&config, written).unwrap();
        let faults = |arguments: &[&str]| {
            let said = stderr(&daemon.command(arguments));
            let of_faults = |line: &&str| line.starts_with("error: ");
            said.lines().filter(of_faults).map(str::to_owned).collect::<Vec<_>>()
        };
        let (check, up, reload) = (faults(&["check"]), faults(&["up"]), faults(&["reload"]));
        assert!(check.iter().any(|line| line.contains(what)), "{what}: {check:?}");
        assert_eq!(check, up, "{what}");
        assert_eq!(check, reload, "{what}");
        for name in ["exclusions.conf", "filters.json"] {
            let _ = std::fs::remove_file(data.join(name));
        }
    }
    std::fs::write(&config, &text).unwrap();
    assert!(daemon.command(&["check"]).status.success());
    assert!(daemon.command(&["reload"]).status.success());
}

#[test]
fn f23_a_reload_that_hangs_does_not_hold_up_commands_nor_the_end() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let rules = daemon.folder.path().join("rules.conf");
    std::fs::remove_file(&rules).unwrap();
    let made = Command::new("mkfifo").arg(&rules).status().unwrap();
    assert!(made.success());
    // No process writes to it, so reading the rules takes forever.
    let mut reload = Command::new(BINARY)
        .args(["reload", "--config"])
        .arg(daemon.config())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let socket = daemon.folder.path().join("data/monban.sock");
    let silent: Vec<_> = (0..5).map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap()).collect();
    let link = daemon.command(&["console", "link"]);
    assert!(stdout(&link).contains("/setup#"), "{}", stderr(&link));
    assert!(daemon.program.terminate().success());
    assert!(!reload.wait().unwrap().success());
    drop(silent);
}

#[test]
fn f23_a_gate_may_be_missing_where_sensors_send() {
    let folder = crate::cli::folder();
    let config = |text: String| std::fs::write(folder.path().join("monban.toml"), text).unwrap();
    let check = || Command::new(BINARY).arg("check").current_dir(folder.path()).output().unwrap();
    config("data_dir = \"data\"\n".to_owned());
    assert!(stderr(&check()).contains("no [[listen]] section"));
    let sensor = format!("[[sensors]]\nname = \"a\"\npassword_sha256 = \"{}\"\n", "0a".repeat(32));
    config(format!("data_dir = \"data\"\n[console]\naddress = \"{}\"\n{sensor}", free_address()));
    assert_eq!(stderr(&check()), "");
}
