use event::redaction::Redactor;
use event::{Actor, Event, Evidence};

use super::*;
use crate::evidence::Login;
use crate::limits::MAX_REPORTS;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_796_071_000_000_000 + seconds * 1_000_000)
}

fn observer() -> Observer {
    Observer::new(Settings::default())
}

/// An entry of sshd-session as root.
fn sshd<'a>(pid: u32, seconds: i64, message: &'a str) -> Entry<'a> {
    Entry {
        time: at(seconds),
        cursor: format!("s=1;i={pid}-{seconds}").into(),
        boot: "b1".into(),
        pid: Some(pid),
        uid: Some(0),
        exe: "/usr/lib/openssh/sshd-session".into(),
        identifier: "sshd-session".into(),
        message: message.into(),
        ..Entry::default()
    }
}

fn accepted(user: &str, from: &str) -> String {
    format!("Accepted publickey for {user} from {from} port 40000 ssh2: ED25519 SHA256:k")
}

fn hook(user: &str, from: &str, pid: Option<u32>) -> HookReport {
    HookReport {
        kind: "open_session".into(),
        service: "sshd".into(),
        user: user.into(),
        address: from.into(),
        terminal: "/dev/pts/3".into(),
        pid,
        port: None,
    }
}

/// Writes a report as a line.
fn shown(report: &Report) -> String {
    let Actor { user, address, .. } = &report.actor;
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let summary = event::EvidenceKind::summary(&report.evidence, report.outcome);
    format!("{} {} {address}: {summary}", report.kind, user.as_deref().unwrap_or("-"))
}

fn kinds(observer: &mut Observer) -> Vec<&'static str> {
    observer.take_reports().iter().map(|report| report.kind).collect()
}

fn read(journal: &str) -> (Observer, Vec<String>) {
    let mut observer = observer();
    for line in journal.lines() {
        observer.journal(&Entry::parse(line.as_bytes()).unwrap());
    }
    observer.tick(at(86_400), false);
    let reports = observer.take_reports().iter().map(shown).collect();
    (observer, reports)
}

/// Reads what OpenSSH wrote to journald of Debian 12 and 13: logins by key and by password, forged lines, failed tries
/// with strange names, sudo and su.
#[test]
fn h7_real_journals_of_openssh_9_and_10() {
    let (old, mut seen) = read(include_str!("../../tests/data/openssh-9.2.jsonl"));
    let (new, seen_new) = read(include_str!("../../tests/data/openssh-10.0.jsonl"));
    // only Debian 12's login could run without a terminal
    let console = [
        "login.accepted bob : console login (first one seen)",
        "login.ended bob : console login ended after",
    ];
    let before = seen.len();
    seen.retain(|line| {
        !console.iter().any(|console| line.starts_with(console)) && !line.contains("console login")
    });
    assert_eq!(before - seen.len(), 3, "{seen:#?}");
    let no_time = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split(" after ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(no_time(&seen), no_time(&seen_new));
    let expected = [
        "login.accepted alice 127.0.0.1: SSH login by key (first one seen)",
        "login.ended alice 127.0.0.1: SSH login ended",
        "login.accepted alice 127.0.0.1: SSH login by password",
        "login.ended alice 127.0.0.1: SSH login ended",
        "login.accepted alice 127.0.0.1: SSH login by key",
        "sudo.accepted alice : sudo",
        "sudo.accepted alice : sudo",
        "sudo.accepted alice : sudo",
        "login.ended alice 127.0.0.1: SSH login ended",
        "login.accepted alice 127.0.0.1: SSH login by key",
        "su.accepted alice : su",
        "su.denied alice : su refused",
        "login.ended alice 127.0.0.1: SSH login ended",
        "login.accepted alice 127.0.0.1: SSH login by key",
        "login.ended alice 127.0.0.1: SSH login ended",
        "su.accepted root : su",
        "sudo.accepted root : sudo",
        "login.failed - 127.0.0.1: 6 failed tries of SSH login",
        "login.forged - : 2 log lines with forged logins",
    ];
    let mut sorted = no_time(&seen_new);
    // where a burst ends among other events depends on their times
    sorted.sort_by_key(|line| line.starts_with("login.f"));
    assert_eq!(sorted, expected);
    for observer in [old, new] {
        assert_eq!(observer.sessions(), []);
        assert_eq!(observer.findings(None, at(300))[0].code(), "logins.forged");
    }
}

#[test]
fn h7_the_same_event_of_every_stage_of_openssh_counts() {
    let mut observer = observer();
    let programs = [
        ("sshd", "/usr/sbin/sshd"),
        ("sshd-session", "/usr/lib/openssh/sshd-session"),
        ("sshd-auth", "/usr/lib/openssh/sshd-auth"),
    ];
    for (number, (identifier, exe)) in (1..).zip(programs) {
        let message = format!("Failed password for root from 203.0.113.9 port {number} ssh2");
        let entry = Entry { identifier: identifier.into(), exe: exe.into(), ..sshd(number, 0, &message) };
        observer.journal(&entry);
        let message = accepted("alice", "203.0.113.7");
        observer.journal(&Entry { message: message.into(), ..entry });
    }
    observer.tick(at(60), false);
    let reports: Vec<_> = observer.take_reports().iter().map(shown).collect();
    assert_eq!(reports.iter().filter(|line| line.starts_with("login.accepted alice")).count(), 3);
    assert_eq!(reports.last().unwrap(), "login.failed root 203.0.113.9: 3 failed tries of SSH login");
}

#[test]
fn h7_silence_though_sessions_exist_is_a_finding() {
    let mut observer = observer();
    let day = 86_400;
    let codes = |observer: &Observer, session: Option<Timestamp>, now: i64| -> Vec<&str> {
        observer.findings(session, at(now)).iter().map(Finding::code).collect()
    };
    assert!(codes(&observer, None, 0).is_empty(), "an empty journal without sessions");
    let logind = |seconds| Entry {
        exe: "/usr/lib/systemd/systemd-logind".into(),
        identifier: "systemd-logind".into(),
        ..sshd(1, seconds, "New session 3 of user alice.")
    };
    observer.journal(&logind(0));
    assert!(codes(&observer, None, 8 * day).is_empty(), "the only session began with the watch");
    observer.journal(&logind(day));
    assert!(codes(&observer, None, 7 * day - 1).is_empty());
    assert_eq!(codes(&observer, None, 7 * day), ["logins.silent"]);
    observer.journal(&sshd(2, 7 * day, &accepted("alice", "203.0.113.7")));
    observer.journal(&logind(7 * day + 1));
    assert!(codes(&observer, None, 20 * day).is_empty());
    assert_eq!(codes(&observer, Some(at(9 * day)), 20 * day), ["logins.silent"], "a session of the system");
}

#[test]
fn h8_three_forgeries_and_three_true_lines() {
    let mut observer = observer();
    let forged = |uid: u32, exe: &'static str, second: i64, message: &'static str| Entry {
        uid: Some(uid),
        exe: exe.into(),
        ..sshd(900, second, message)
    };
    let line = "Accepted password for root from 192.0.2.9 port 1 ssh2";
    for entry in [
        sshd(1, 0, &accepted("alice", "203.0.113.7")),
        forged(1000, "/usr/bin/logger", 1, line),
        forged(1000, "", 1, "Accepted password for root\nfrom 192.0.2.9 port 1 ssh2"),
        forged(1000, "", 1, line),
        sshd(2, 2, "Failed password for invalid user x from 192.0.2.9 port 1 from 203.0.113.8 port 2 ssh2"),
        forged(0, "/usr/bin/logger", 3, line),
        sshd(3, 4, "Accepted password for bob from 203.0.113.7 port 3 ssh2"),
    ] {
        observer.journal(&entry);
    }
    observer.tick(at(120), false);
    let reports = observer.take_reports();
    let lines: Vec<_> = reports.iter().map(shown).collect();
    assert_eq!(
        lines,
        [
            "login.accepted alice 203.0.113.7: SSH login by key (first one seen)",
            "login.accepted bob 203.0.113.7: SSH login by password (first one seen)",
            "login.failed x from 192.0.2.9 port 1 203.0.113.8: 1 failed try of SSH login",
            "login.forged - : 1 log line with forged logins",
            "login.forged - : 2 log lines with forged logins",
        ]
    );
    let Login { line: example, uid, reason, .. } = &reports[4].evidence;
    assert_eq!((example.as_deref(), *uid), (Some(line), Some(1000)));
    assert_eq!(reason.as_deref(), Some("another program wrote it: /usr/bin/logger"));
    assert_eq!(observer.sessions().len(), 2);
    let finding = &observer.findings(None, at(200))[0];
    assert_eq!((finding.code(), &finding.evidence["lines"]), ("logins.forged", &3.into()));
    assert!(observer.findings(None, at(86_400 + 10)).is_empty());
}

#[test]
fn a_session_lasts_until_pam_closes_it() {
    let mut observer = observer();
    observer.journal(&sshd(7, 0, &accepted("alice", "203.0.113.7")));
    assert_eq!(observer.sessions()[0].user, "alice");
    observer.journal(&sshd(8, 1, "pam_unix(sshd:session): session closed for user alice"));
    observer.journal(&sshd(7, 2, "pam_unix(sshd:session): session closed for user bob"));
    assert_eq!(kinds(&mut observer), ["login.accepted"]);
    observer.journal(&sshd(7, 3665, "pam_unix(sshd:session): session closed for user alice"));
    let ended = observer.take_reports().remove(0);
    assert_eq!((ended.kind, ended.evidence.seconds), ("login.ended", Some(3665)));
    assert_eq!(ended.evidence.key.unwrap().fingerprint, "SHA256:k");
    observer.journal(&sshd(9, 4000, &accepted("alice", "203.0.113.7")));
    observer.journal(&Entry { boot: "b2".into(), ..sshd(1, 5000, "Server listening on :: port 22.") });
    assert_eq!(observer.sessions(), [], "a boot ends all sessions");
    for pid in 0..u32::try_from(crate::limits::MAX_SESSIONS).unwrap() + 5 {
        observer.journal(&sshd(pid, 6000, &accepted("alice", "203.0.113.7")));
    }
    assert_eq!(observer.sessions().len(), crate::limits::MAX_SESSIONS);
}

#[test]
fn a_million_tries_a_minute_are_few_events_and_lose_no_count() {
    let mut observer = Observer::new(Settings { longest: Duration::from_secs(30), ..Settings::default() });
    let mut tries = 0;
    let mut events = 0;
    let mut count = |observer: &mut Observer| {
        for report in observer.take_reports() {
            events += 1;
            tries += report.evidence.tries.unwrap();
        }
    };
    for number in 0..100_000_u32 {
        let from = std::net::Ipv4Addr::from(0xCB00_7100 + number % 50);
        let message = format!("Failed password for invalid user u{} from {from} port 7 ssh2", number % 70);
        observer.journal(&sshd(number, i64::from(number / 1700), &message));
        count(&mut observer);
    }
    observer.tick(at(1000), false);
    count(&mut observer);
    assert_eq!((tries, events), (100_000, 100));
    assert_eq!(observer.findings(None, at(0)), []);
}

#[test]
fn one_login_is_one_event_whoever_reports_it_first() {
    // the journal first: the hook adds the terminal
    let mut observer = observer();
    observer.journal(&sshd(7, 0, &accepted("alice", "203.0.113.7")));
    observer.hook(&hook("alice", "203.0.113.7", Some(7)), 0, None, at(0));
    observer.tick(at(2), false);
    assert_eq!(kinds(&mut observer), ["login.accepted"]);
    assert_eq!(observer.sessions()[0].terminal.as_deref(), Some("pts/3"));
    // the hook first, then the journal within its wait
    observer.hook(&hook("alice", "203.0.113.7", Some(8)), 0, None, at(10));
    observer.hook(&hook("alice", "203.0.113.7", None), 1000, Some("alice"), at(10));
    observer.journal(&sshd(8, 10, &accepted("alice", "203.0.113.7")));
    observer.tick(at(12), false);
    let reports = observer.take_reports();
    assert_eq!((reports.len(), reports[0].evidence.via), (1, Some(Via::Journal)));
    assert_eq!(reports[0].evidence.terminal.as_deref(), Some("pts/3"));
    // the hook first, and the journal late
    observer.hook(&hook("alice", "203.0.113.7", Some(9)), 0, None, at(20));
    observer.tick(at(21), false);
    assert_eq!(observer.take_reports()[0].evidence.via, Some(Via::Hook));
    observer.journal(&sshd(9, 20, &accepted("alice", "203.0.113.7")));
    observer.tick(at(30), false);
    assert_eq!(observer.take_reports(), []);
    let session = observer.sessions().pop().unwrap();
    assert_eq!((session.terminal.as_deref(), session.method.as_deref()), (Some("pts/3"), Some("publickey")));
    // even after a restart
    observer.hook(&hook("alice", "203.0.113.7", Some(11)), 0, None, at(40));
    observer.tick(at(41), false);
    assert_eq!(kinds(&mut observer), ["login.accepted"]);
    let mut restarted = Observer::new(Settings::default());
    restarted.restore(State::parse(&serde_json::to_vec(&observer.state()).unwrap()).unwrap());
    restarted.journal(&sshd(11, 40, &accepted("alice", "203.0.113.7")));
    assert_eq!(restarted.take_reports(), []);
    // another process is another login
    observer.journal(&sshd(10, 21, &accepted("alice", "203.0.113.7")));
    assert_eq!(kinds(&mut observer), ["login.accepted"]);
}

#[test]
fn a_user_cannot_report_others_or_teach_an_address() {
    let ban = BanRule { tries: 2, first: Duration::from_secs(60), longest: Duration::from_secs(60) };
    let mut observer = Observer::new(Settings { ban: Some(ban), hook_alone: true, ..Settings::default() });
    observer.hook(&hook("root", "203.0.113.7", None), 1000, Some("mallory"), at(0));
    observer.hook(&hook("mallory", "203.0.113.7", None), 1000, None, at(0));
    observer.tick(at(100), false);
    assert_eq!(kinds(&mut observer), ["login.forged"]);
    observer.hook(&hook("mallory", "203.0.113.7", None), 1000, Some("mallory"), at(200));
    observer.tick(at(201), false);
    let reports = observer.take_reports();
    assert_eq!((reports[0].kind, &reports[0].evidence.new[..]), ("login.accepted", &[][..]));
    for pid in [1, 2, 3] {
        observer.journal(&sshd(pid, 202, "Failed password for root from 203.0.113.7 port 1 ssh2"));
    }
    let bans = observer.take_bans();
    assert_eq!((bans.len(), bans[0].tries, bans[0].until), (1, 2, at(262)));
    observer.tick(at(300), false);
    assert!(observer.take_reports()[0].evidence.banned);
    // a login that the journal reports makes the address the owner's
    observer.journal(&sshd(4, 400, &accepted("alice", "203.0.113.7")));
    for pid in [5, 6, 7] {
        observer.journal(&sshd(pid, 402, "Failed password for root from 203.0.113.7 port 1 ssh2"));
    }
    assert_eq!(observer.take_bans(), []);
}

#[test]
fn a_user_floods_nobody_with_reports_of_the_hook() {
    let report = |number: u8| hook("mallory", &format!("192.0.2.{number}"), None);
    let mut beside_journal = observer();
    beside_journal.hook(&report(1), 1000, Some("mallory"), at(0));
    beside_journal.tick(at(2), false);
    assert_eq!(beside_journal.take_reports(), [], "the journal would have the login");
    let mut alone = Observer::new(Settings { hook_alone: true, ..Settings::default() });
    let flood = |observer: &mut Observer| {
        for number in 0..255 {
            observer.hook(&report(number), 1000, Some("mallory"), at(0));
            observer.hook(&HookReport { port: Some(1), ..report(number) }, 1000, Some("mallory"), at(0));
        }
        observer.hook(&HookReport { port: Some(2), ..report(1) }, 1000, Some("mallory"), at(0));
    };
    flood(&mut alone);
    alone.hook(&hook("root", "203.0.113.7", Some(7)), 0, None, at(0));
    alone.tick(at(2), false);
    let mut kinds = kinds(&mut alone);
    kinds.dedup();
    assert_eq!(kinds, ["login.accepted"]);
    assert_eq!(alone.sessions()[0].user, "root", "no user crowds out root's report");
    alone.tick(at(100), false);
    let forged = alone.take_reports().remove(0);
    assert_eq!((forged.kind, forged.evidence.tries.unwrap() > 200), ("login.forged", true));
}

#[test]
fn old_lines_make_one_burst_however_long_reading_takes() {
    let mut observer = observer();
    for pid in 0..10 {
        observer.journal(&sshd(pid, pid.into(), "Failed password for root from 203.0.113.9 port 1 ssh2"));
        observer.tick(at(86_400), true);
    }
    assert_eq!(observer.take_reports(), []);
    observer.tick(at(86_400), false);
    assert_eq!(observer.take_reports()[0].evidence.tries, Some(10));
}

#[test]
fn a_silent_network_makes_no_event_but_is_in() {
    let silent = vec!["10.8.0.0/24".parse().unwrap()];
    let mut observer = Observer::new(Settings { silent, ..Settings::default() });
    observer.journal(&sshd(7, 0, &accepted("alice", "10.8.0.2")));
    assert_eq!((observer.sessions().len(), observer.take_reports().len()), (1, 0));
    observer.journal(&sshd(7, 9, "pam_unix(sshd:session): session closed for user alice"));
    observer.journal(&sshd(8, 10, "Failed password for alice from 10.8.0.2 port 1 ssh2"));
    observer.tick(at(100), false);
    assert_eq!(kinds(&mut observer), ["login.failed"]);
}

#[test]
fn what_is_new_makes_the_event_a_warning() {
    let countries: Countries = Arc::new(|address| {
        Some(if address == IpAddr::from([203, 0, 113, 7]) { "JP" } else { "DE" }.to_owned())
    });
    let mut observer = Observer::new(Settings { countries: Some(countries), ..Settings::default() });
    observer.journal(&sshd(1, 0, &accepted("alice", "203.0.113.7")));
    observer.journal(&sshd(2, 1, &accepted("alice", "203.0.113.8")));
    let reports = observer.take_reports();
    assert_eq!((reports[0].severity, reports[1].severity), (Severity::Notice, Severity::Warning));
    assert_eq!(reports[1].evidence.new, [New::Country]);
    let event = reports[1].clone().into_event("vps1", &Redactor::default()).unwrap();
    assert_eq!(event.summary.as_deref(), Some("SSH login by key (new country)"));
    assert_eq!((event.subject.as_deref(), event.category()), (Some("sshd"), None));
    let read = Event::from_json(event.to_json().as_bytes()).unwrap();
    assert!(matches!(read.evidence, Evidence::Other(_)));
    assert_eq!(read.evidence.get::<Login>().unwrap().unwrap().country.as_deref(), Some("DE"));
}

#[test]
fn a_restart_continues_with_bursts_sessions_and_known_things() {
    let mut before = observer();
    before.journal(&sshd(7, 0, &accepted("alice", "203.0.113.7")));
    for pid in 10..15 {
        before.journal(&sshd(pid, 1, "Failed password for root from 203.0.113.9 port 1 ssh2"));
    }
    let json = serde_json::to_vec(&before.state()).unwrap();
    let mut after = observer();
    after.restore(State::parse(&json).unwrap());
    assert_eq!(after.state(), before.state());
    for pid in 20..25 {
        after.journal(&sshd(pid, 2, "Failed password for root from 203.0.113.9 port 1 ssh2"));
    }
    after.journal(&sshd(8, 3, &accepted("alice", "203.0.113.7")));
    after.journal(&sshd(7, 4, "pam_unix(sshd:session): session closed for user alice"));
    after.tick(at(100), false);
    let reports: Vec<_> = after.take_reports().iter().map(shown).collect();
    assert_eq!(
        reports,
        [
            "login.accepted alice 203.0.113.7: SSH login by key",
            "login.ended alice 203.0.113.7: SSH login ended after 4 s",
            "login.failed root 203.0.113.9: 10 failed tries of SSH login",
        ]
    );
    // the same line gives the same event
    let id = |observer: &mut Observer| {
        observer.journal(&sshd(7, 0, &accepted("alice", "203.0.113.7")));
        observer.take_reports().pop().unwrap().into_event("vps1", &Redactor::default()).unwrap().id
    };
    assert_eq!(id(&mut observer()), id(&mut observer()));
    let long = vec![b' '; usize::try_from(crate::limits::MAX_STATE_BYTES).unwrap() + 1];
    assert!(State::parse(&long).is_err() && State::parse(b"[").is_err());
}

#[test]
fn lines_of_a_log_file() {
    let mut observer = observer();
    let now = "2026-11-30T12:00:00Z".parse().unwrap();
    let line =
        "2026-11-30T11:41:22.5Z vps1 sshd[777]: Accepted password for alice from 203.0.113.7 port 1 ssh2";
    let line = SyslogLine::parse(line.as_bytes(), now, &TimeZone::UTC).unwrap();
    observer.line(&line, "auth.log 0".into());
    let report = observer.take_reports().remove(0);
    assert_eq!((report.kind, report.evidence.via), ("login.accepted", Some(Via::File)));
    assert_eq!(observer.sessions()[0].pid, 777);
}

#[test]
fn reports_that_nobody_takes_are_bounded_and_counted() {
    let mut observer = observer();
    let most = u32::try_from(MAX_REPORTS).unwrap();
    for pid in 0..most + 3 {
        observer.journal(&sshd(pid, 0, &accepted("alice", "203.0.113.7")));
    }
    assert_eq!(observer.take_reports().len(), MAX_REPORTS);
    let finding = &observer.findings(None, at(0))[0];
    assert_eq!((finding.code(), &finding.evidence["reports"]), ("logins.lost", &3.into()));
}
