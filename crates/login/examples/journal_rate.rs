//! Prints how long 100,000 journal entries take to become reports: `bench/logins`.
//!
//! The entries repeat a journal of OpenSSH 10.0 with rising times and pids. Each has the other fields that `journalctl -o
//! json` prints, about 1 kB in all.

use std::time::Instant;

use login::entry::{Entry, EntryError};
use login::observer::{Observer, Settings};

const JOURNAL: &str = include_str!("../tests/data/openssh-10.0.jsonl");
const ENTRIES: usize = 100_000;
/// Fields that journald adds and that nobody reads here.
const OTHERS: &str = concat!(
    r#""SYSLOG_FACILITY":"10","_GID":"0","_COMM":"sshd-session","_CAP_EFFECTIVE":"1ffffffffff","#,
    r#""_CMDLINE":"sshd-session: alice [priv]","_HOSTNAME":"vps1","_MACHINE_ID":"7e953d1727de4f8895765e0065b775c1","#,
    r#""_SYSTEMD_CGROUP":"/system.slice/ssh.service","_SYSTEMD_SLICE":"system.slice","_RUNTIME_SCOPE":"system","#,
    r#""_SYSTEMD_INVOCATION_ID":"90b3fa19ad724d649b0a0a410090ccef","SYSLOG_TIMESTAMP":"Nov 30 20:41:22 ","#,
    r#""__MONOTONIC_TIMESTAMP":"36018484637","_SELINUX_CONTEXT":"unconfined\n","#,
);

fn main() -> Result<(), EntryError> {
    let lines: Vec<String> =
        JOURNAL.lines().map(|line| line.replacen('{', &format!("{{{OTHERS}"), 1)).collect();
    let mut observer = Observer::new(Settings::default());
    let (mut bytes, mut reports, mut pid) = (0, 0, 0);
    let start = Instant::now();
    for line in lines.iter().cycle().take(ENTRIES) {
        let mut entry = Entry::parse(line.as_bytes())?;
        pid += 1;
        entry.pid = Some(pid);
        observer.journal(&entry);
        bytes += line.len();
        reports += observer.take_reports().len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{ENTRIES} entries, {bytes} bytes, {reports} reports: {seconds:.2} s");
    Ok(())
}
