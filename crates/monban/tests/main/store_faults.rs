//! A locked or damaged store and a full disk: the gate serves requests, reports the problem, and loses no event.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use testkit::Reflector;
use testkit::net::free_address;

use crate::support::{BINARY, Daemon, stderr, stdout};

fn assert_has_all(daemon: &Daemon, ids: &[String]) {
    let exported = daemon.exported();
    let missing: Vec<_> = ids.iter().filter(|id| !exported.contains(id)).collect();
    assert!(missing.is_empty(), "{} of {} are missing", missing.len(), ids.len());
}

#[test]
fn locked() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let mut ids = vec![daemon.attack("before")];
    daemon.wait_health("\"ingested\":1");
    let other = rusqlite::Connection::open(daemon.folder.path().join("data/events.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    ids.extend((0..10).map(|number| daemon.attack(&number.to_string())));
    daemon.wait_health("locked by another process");
    assert_eq!(daemon.health()["status"], "degraded");
    ids.extend((10..20).map(|number| daemon.attack(&number.to_string())));
    assert_has_all(&daemon, &ids);
    other.execute_batch("ROLLBACK").unwrap();
    daemon.wait_health("\"status\":\"ok\"");
    daemon.wait_health("\"ingested\":21");
    assert_has_all(&daemon, &ids);
    assert!(daemon.program.stderr().contains("writing to the store again"));
}

#[test]
fn f22_damaged() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let mut ids: Vec<String> = (0..10).map(|number| daemon.attack(&number.to_string())).collect();
    assert!(daemon.program.terminate().success());
    let data = daemon.folder.path().join("data");
    std::fs::write(data.join("events.db"), vec![b'x'; 100_000]).unwrap();
    daemon.start_again();
    ids.push(daemon.attack("after"));
    daemon.wait_health("\"ingested\":11");
    assert_has_all(&daemon, &ids);
    assert!(daemon.program.stderr().contains("moved aside"), "{}", daemon.program.stderr());
    // The problem survives a restart until it is acknowledged.
    daemon.wait_health("store.moved_aside");
    assert!(daemon.program.terminate().success());
    daemon.start_again();
    let told = daemon.health()["findings"].to_string();
    assert!(told.contains("events.db.damaged-1, and has begun a new one"), "{told}");
    let output = daemon.command(&["acknowledge"]);
    assert!(stdout(&output).contains("events.db.damaged-1"), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(daemon.health()["status"], "ok");
    assert_eq!(stdout(&daemon.command(&["acknowledge"])), "nothing to acknowledge\n");
    // without a daemon, the command does the same
    assert!(daemon.program.terminate().success());
    std::fs::write(data.join("notify.json.damaged-1"), "x").unwrap();
    let output = daemon.command(&["acknowledge"]);
    assert!(stdout(&output).contains("notify.json.damaged-1"), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stdout(&daemon.command(&["acknowledge"])), "nothing to acknowledge\n");
    daemon.start_again();
    assert_eq!(daemon.health()["status"], "ok");
    let names =
        std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.starts_with("events.db.") && !name.ends_with('m')).count() >= 1);
}

/// A small file system, which is unmounted when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub fn mount(bytes: &str) -> Self {
        assert!(testkit::process::is_root(), "this test mounts a tmpfs and so must run as root");
        let folder = testkit::process::folder("monban-disk-");
        let size = format!("size={bytes}");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        assert!(status.unwrap().success());
        Self(folder)
    }

    /// Mounts an ext4 file system in a file. Unlike a full tmpfs, a full ext4 has no room for an index or a file name.
    fn mount_ext4(megabytes: u64) -> Self {
        assert!(testkit::process::is_root(), "this test mounts a loop device and so must run as root");
        let folder = testkit::process::folder("monban-disk-");
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image).status();
        assert!(made.expect("the Debian package e2fsprogs").success());
        let status = Command::new("mount").args(["-o", "loop"]).arg(&image).arg(folder.path()).status();
        assert!(status.unwrap().success());
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk. Returns the file that does so.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write;
        let filler = self.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        for piece in [4096, 1] {
            while file.write_all(&[0; 4096][..piece]).is_ok() {}
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // lazily, because a process may still have a file open
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn full() {
    let disk = SmallDisk::mount("4m");
    let upstream = Reflector::start();
    let receiver = free_address();
    // the password is s3cret
    let sensors = format!(
        "[receiver]\naddress = \"{receiver}\"\n[[sensors]]\nname = \"web1\"\n\
         password_sha256 = \"1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0\"\n"
    );
    let daemon = Daemon::start(upstream.address(), Some(&disk.path().join("data")), &sensors);
    let mut ids = vec![daemon.attack("before")];
    daemon.wait_health("\"ingested\":1");
    let filler = disk.fill();
    ids.extend((0..100).map(|number| daemon.attack(&number.to_string())));
    daemon.wait_health("store.journal_waits");
    for _ in 0..3 {
        assert_eq!(send_entry(receiver, "d2ViMTpzM2NyZXQ="), 503);
    }
    assert_eq!(send_entry(receiver, "d2ViMTp3cm9uZw=="), 401);
    daemon.wait_health("receiver.refuses");
    let health = daemon.health();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["lost"], 0);
    assert!(health["waiting"].as_u64().unwrap() > 0, "{health}");
    assert_eq!(daemon.get("/?q=good").status, 200);
    std::fs::remove_file(&filler).unwrap();
    daemon.wait_health("\"ingested\":101");
    daemon.wait_health("\"waiting\":0");
    let told = daemon.health()["findings"].to_string();
    assert!(!told.contains("store.journal_waits"), "{told}");
    assert_eq!(send_entry(receiver, "d2ViMTpzM2NyZXQ="), 200);
    daemon.wait_health("\"status\":\"ok\"");
    assert_has_all(&daemon, &ids);
    let said = daemon.program.stderr();
    // each kind is logged once
    assert_eq!(said.matches("refused an event from web1: not stored: ").count(), 1, "{said}");
    assert_eq!(
        said.matches("refused an event from 127.0.0.1: unknown sensor or wrong password").count(),
        1,
        "{said}"
    );
    drop(daemon);
}

/// Sends an entry as mlogc does. Returns the status of the answer.
fn send_entry(receiver: SocketAddr, credentials: &str) -> u16 {
    let body = "--b503c954-A--\n[23/Nov/2026:08:55:16.151222 +0000] id1 203.0.113.7 33428 192.0.2.1 443\n\
                --b503c954-B--\nGET / HTTP/1.1\n\n--b503c954-Z--\n";
    let request = format!(
        "PUT /rpc/auditLogReceiver HTTP/1.1\r\nHost: {receiver}\r\nAuthorization: Basic {credentials}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    testkit::client::exchange(receiver, request.as_bytes()).unwrap().status
}

/// Runs `up` in the daemon's folder, which must fail. Returns its exit code and messages.
fn start_fails(daemon: &Daemon) -> (Option<i32>, String) {
    let output = Command::new(BINARY).args(["up", "--config"]).arg(daemon.config()).output().unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn locked_at_start() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let mut ids = vec![daemon.attack("before")];
    daemon.wait_health("\"ingested\":1");
    assert!(daemon.program.terminate().success());
    let other = rusqlite::Connection::open(daemon.folder.path().join("data/events.db")).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let (code, said) = start_fails(&daemon);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("the store is locked by another process") && said.contains("hint: find the program"),
        "{said}"
    );
    drop(other);
    daemon.start_again();
    ids.push(daemon.attack("after"));
    assert_has_all(&daemon, &ids);
}

#[test]
fn f22_full_at_start_on_tmpfs() {
    full_at_start(&SmallDisk::mount("4m"));
}

#[test]
fn f22_full_at_start_on_ext4() {
    full_at_start(&SmallDisk::mount_ext4(8));
}

fn full_at_start(disk: &SmallDisk) {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), Some(&disk.path().join("data")), "");
    let mut ids = vec![daemon.attack("before")];
    daemon.wait_health("\"ingested\":1");
    assert!(daemon.program.terminate().success());
    let filler = disk.fill();
    // With and without the leftovers of a crash, the gate serves requests and reports the missing functions.
    daemon.start_again();
    let health = daemon.health();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health.to_string().contains("store.journal_waits"), "{health}");
    ids.extend((0..20).map(|number| daemon.attack(&number.to_string())));
    assert_eq!(daemon.get("/?q=good").status, 200);
    daemon.wait_health("\"waiting\":20");
    assert_eq!(daemon.health()["lost"], 0);
    assert!(daemon.command(&["check"]).status.success(), "a full disk is no fault of the configuration");
    std::fs::remove_file(&filler).unwrap();
    daemon.wait_health("\"ingested\":20");
    daemon.wait_health("\"status\":\"ok\"");
    ids.push(daemon.attack("after"));
    assert_has_all(&daemon, &ids);
    // The missing functions are available now.
    assert!(daemon.console("/api/events").text().contains("attack-after"));
    assert!(daemon.program.terminate().success());
}
