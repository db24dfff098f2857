//! The daemon's behaviour for a service manager: readiness, one daemon per folder, the files that it leaves.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use testkit::Reflector;
use testkit::process::Program;

use crate::support::{BINARY, Daemon, stderr};

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    assert!(daemon.program.terminate().success());
    let path = daemon.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["up", "--config"]).arg(daemon.config()).env("NOTIFY_SOCKET", &path);
    let mut program = Program::start(&mut command, "(this workspace)", daemon.folder.path());
    let receive = || {
        let mut state = [0; 64];
        let length = socket.recv(&mut state).unwrap();
        String::from_utf8_lossy(&state[..length]).into_owned()
    };
    assert_eq!(receive(), "READY=1");
    // a ready daemon serves requests
    assert_eq!(daemon.get("/").status, 200);
    assert!(program.terminate().success());
    assert_eq!(receive(), "STOPPING=1");
}

#[test]
fn a_second_daemon_with_the_same_folder_is_refused() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let data = daemon.folder.path().join("data");
    let pid = format!("{}\n", daemon.program.pid());
    let file = || std::fs::read_to_string(data.join("monban.pid")).unwrap_or_default();
    // the gate accepts connections a moment before the pid file exists
    testkit::wait_until("the pid file", Duration::from_secs(60), || file() == pid);
    let second = daemon.command(&["up"]);
    assert_eq!(second.status.code(), Some(3));
    assert!(
        stderr(&second).contains("hint: only one monban can run with one `data_dir`"),
        "{}",
        stderr(&second)
    );
    // the first daemon is unharmed, including its socket and pid file
    assert_eq!(daemon.get("/?q=attack").status, 403);
    assert_eq!(file(), pid);
    assert!(daemon.command(&["reload"]).status.success());
}

#[test]
fn only_the_owner_may_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    daemon.attack("1");
    let data = daemon.folder.path().join("data");
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("monban.sock")), 0o600);
}
