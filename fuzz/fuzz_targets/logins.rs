//! Any bytes as lines of the journal, of a log file and of the hook: no panic, and no line of a user without privileges
//! makes a login or opens a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use login::entry::Entry;
use login::hook::HookReport;
use login::observer::{Observer, Settings, State};
use login::syslog::SyslogLine;

fuzz_target!(|bytes: &[u8]| {
    let now = "2026-11-30T12:00:00Z".parse().unwrap();
    let mut observer = Observer::new(Settings::default());
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(mut entry) = Entry::parse(line) {
            entry.uid = Some(1000);
            observer.journal(&entry);
        }
    }
    let message = String::from_utf8_lossy(bytes);
    for identifier in ["sshd", "login", "su", "sudo", "systemd-logind"] {
        for exe in ["", "/usr/bin/logger", "/usr/sbin/sshd", "/usr/lib/openssh/sshd-auth", "/usr/bin/login"] {
            let (identifier, exe) = (identifier.into(), exe.into());
            let message = (&*message).into();
            observer.journal(&Entry {
                time: now,
                uid: Some(1000),
                pid: Some(1),
                identifier,
                exe,
                message,
                ..Entry::default()
            });
        }
    }
    assert!(observer.sessions().is_empty());
    if let Ok(report) = HookReport::parse(bytes) {
        observer.hook(&report, 1000, Some("nobody"), now);
    }
    observer.tick("2026-12-01T12:00:00Z".parse().unwrap(), false);
    for report in observer.take_reports() {
        assert!(
            report.kind != "login.accepted" || report.actor.user.as_deref() == Some("nobody"),
            "{report:?}"
        );
        report.into_event("vps1", &event::redaction::Redactor::default()).unwrap();
    }
    if let Some(line) = SyslogLine::parse(bytes, now, &jiff::tz::TimeZone::UTC) {
        observer.line(&line, "file 0".into());
    }
    if let Ok(state) = State::parse(bytes) {
        observer.restore(state);
        serde_json::to_vec(&observer.state()).unwrap();
    }
});
