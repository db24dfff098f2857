//! The test machines themselves.

use std::io::{Read, Write};

use testkit::{Machine, Release};

fn boots(release: Release, version: &str) {
    let machine = Machine::boot(release);
    assert!(machine.shell("cat /etc/os-release").contains(&format!("VERSION_CODENAME={}", release.name())));
    assert!(machine.shell("systemctl --version").contains(version));
    // units and their journal
    let said = machine
        .shell("systemd-run --wait --quiet --unit=hello echo good morning; journalctl -u hello -o cat");
    assert!(said.contains("good morning"), "{said}");
    // a network of its own
    let echo = machine.in_network(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:22222").unwrap();
        std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"inside").unwrap())
    });
    assert!(std::net::TcpStream::connect("127.0.0.1:22222").is_err());
    let answer = machine.in_network(|| {
        let mut text = String::new();
        std::net::TcpStream::connect("127.0.0.1:22222").unwrap().read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(answer, "inside");
    echo.join().unwrap();
    // what it writes is its own
    machine.write("/root/note", "kept");
    assert_eq!(machine.shell("cat /root/note"), "kept");
    let another = Machine::boot(release);
    assert!(!another.run(["cat", "/root/note"]).status.success());
    // nothing stays behind
    let folders = [&machine, &another].map(|machine| machine.folder().to_owned());
    assert!(folders.iter().all(|folder| folder.join("upper/etc").is_dir()), "{folders:?}");
    let name = machine.shell("cat /proc/sys/kernel/hostname").trim().to_owned();
    let groups = || {
        let found = std::process::Command::new("find").args(["/sys/fs/cgroup", "-name", &name]).output();
        String::from_utf8(found.unwrap().stdout).unwrap()
    };
    assert_ne!(groups(), "");
    drop((machine, another));
    assert_eq!(groups(), "");
    let left = [std::fs::read_to_string("/proc/mounts").unwrap(), processes()].concat();
    for folder in folders {
        assert!(!folder.exists(), "{}", folder.display());
        assert!(!left.contains(folder.to_str().unwrap()), "{left}");
    }
}

/// Returns the command lines of all processes.
fn processes() -> String {
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    entries.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

#[test]
fn bookworm_boots_whole() {
    boots(Release::Bookworm, "systemd 252");
}

#[test]
fn trixie_boots_whole() {
    boots(Release::Trixie, "systemd 257");
}
