//! Audit logs of the real programs in every version and format, in several time zones and locales. Each log yields the
//! same event.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use event::audit_log::{Reader, Step};
use event::{Event, Outcome, Timestamp};
use testkit::nginx::{Nginx, Role};
use testkit::process::{folder, shared_folder};
use testkit::{Apache, Reflector, apache, client, wait_until};

use crate::support::{BINARY, stderr, stdout};

/// Time zones west and east of Greenwich, including half and quarter hours.
const ZONES: [&str; 5] = ["America/New_York", "America/St_Johns", "Asia/Tokyo", "Asia/Kathmandu", "UTC"];
/// Locales whose months have other names.
const LOCALES: [&str; 3] = ["C.UTF-8", "de_DE.UTF-8", "ja_JP.UTF-8"];

/// Settings and a rule that every version accepts.
const RULES: &str = "SecRequestBodyAccess On\nSecAuditEngine RelevantOnly\nSecAuditLogRelevantStatus ^403$\n\
    SecAuditLogParts ABFHZ\nSecRule ARGS:a \"@streq evil\" \"id:77,phase:2,deny,status:403,log,auditlog,msg:'m'\"\n";

/// Builds locales from Debian's locale sources, for LOCPATH, so that this machine needs no installed locales.
fn locales() -> tempfile::TempDir {
    let made = folder("monban-locales-");
    std::fs::set_permissions(made.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for locale in &LOCALES[1..] {
        let language = locale.strip_suffix(".UTF-8").unwrap();
        let mut command = Command::new("localedef");
        command.args(["--no-archive", "-i", language, "-f", "UTF-8"]).arg(made.path().join(locale));
        let output = command.output().expect("localedef of the Debian packages libc-bin and locales");
        assert!(made.path().join(locale).join("LC_TIME").exists(), "{locale}: {}", stderr(&output));
    }
    made
}

struct Made {
    what: String,
    log: PathBuf,
    storage: Option<PathBuf>,
    /// The times before and after the request.
    between: (Timestamp, Timestamp),
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Returns the event of the log. Uses the real command for a Concurrent log and the reader otherwise.
fn events(made: &Made) -> Vec<Event> {
    let Some(storage) = &made.storage else {
        let mut events = Vec::new();
        let mut reader = Reader::new("web3");
        let mut each = |step| match step {
            Step::Entry(entry) => events.push(entry.event),
            other => panic!("{}: {other:?}", made.what),
        };
        reader.push(&std::fs::read(&made.log).unwrap(), &mut each);
        reader.finish(&mut each);
        return events;
    };
    let home = folder("monban-corpus-");
    let config = home.path().join("monban.toml");
    std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY).args(arguments).arg("--config").arg(&config).output().unwrap();
        assert!(output.status.success(), "{}: {}{}", made.what, stdout(&output), stderr(&output));
        stdout(&output)
    };
    let (log, storage) = (made.log.display().to_string(), storage.display().to_string());
    let summary = run(&["events", "import", "--sensor", "web3", "--json", "--storage-dir", &storage, &log]);
    assert!(
        summary.contains("\"damaged\":0") && summary.contains("\"missing\":0"),
        "{}: {summary}",
        made.what
    );
    run(&["events", "export"]).lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect()
}

fn judge(made: &Made) {
    let what = &made.what;
    let events = events(made);
    let [event] = &events[..] else { panic!("{what}: {} events", events.len()) };
    assert_eq!((event.node.as_str(), event.outcome), ("web3", Outcome::Blocked), "{what}");
    let request = event.request().unwrap();
    assert_eq!(request.line, "GET /?a=evil HTTP/1.1".into(), "{what}");
    assert!(request.rules.iter().any(|rule| rule.id == 77), "{what}: {:?}", request.rules);
    // libmodsecurity writes times in whole seconds.
    let (before, after) = made.between;
    let before = Timestamp::from_micros(before.as_micros() - 1_500_000);
    assert!((before..=after).contains(&event.time), "{what}: {} is not in {before} to {after}", event.time);
}

fn ask(address: std::net::SocketAddr, log: &Path) -> (Timestamp, Timestamp) {
    let before = now();
    let request = b"GET /?a=evil HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(client::exchange(address, request).unwrap().status, 403);
    wait_until("the entry", Duration::from_secs(30), || {
        std::fs::read(log).is_ok_and(|log| {
            [&b"-Z--\n\n"[..], b"}\n"].iter().any(|end| log.ends_with(end))
                || is_index(&log) && log.ends_with(b"\n")
        })
    });
    // Entries of JSON and Concurrent logs have the time of their write.
    (before, now())
}

/// Returns whether a log is an index with a line.
fn is_index(log: &[u8]) -> bool {
    log.windows(5).any(|window| window == b" md5:")
}

/// Creates the logs of one zone with both programs.
fn make(zone: &str, locale: &str, locales: &Path) -> Vec<Made> {
    let environment: Vec<(String, String)> =
        [("TZ", zone), ("LC_ALL", locale), ("LANG", locale), ("LOCPATH", &locales.display().to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let upstream = Reflector::start();
    let home = folder("monban-corpus-");
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut made = Vec::new();
    for (number, (format, kind)) in
        [("Native", "Serial"), ("JSON", "Serial"), ("Native", "Concurrent"), ("JSON", "Concurrent")]
            .into_iter()
            .enumerate()
    {
        for program in ["ModSecurity 2", "libmodsecurity 3"] {
            let storage = shared_folder(home.path(), &format!("{number}-{}", &program[..3]));
            let settings = format!(
                "SecAuditLogFormat {format}\nSecAuditLogType {kind}\nSecAuditLogStorageDir {}\n",
                storage.display()
            );
            let (log, between) = if program == "ModSecurity 2" {
                let rules = home.path().join(format!("{number}.conf"));
                std::fs::write(&rules, RULES).unwrap();
                let apache = Apache::start(&apache::Config {
                    rules: Some(rules),
                    extra: settings,
                    environment: environment.clone(),
                    ..apache::Config::new(upstream.address())
                });
                let between = ask(apache.address(), &apache.audit_log());
                (std::fs::read(apache.audit_log()).unwrap(), between)
            } else {
                let role = Role::Rules(upstream.address(), format!("{RULES}{settings}"));
                let nginx = Nginx::start_with(&role, &environment);
                let between = ask(nginx.address(), &nginx.audit_log());
                (std::fs::read(nginx.audit_log()).unwrap(), between)
            };
            let path = home.path().join(format!("{number}-{}.log", &program[..3]));
            std::fs::write(&path, log).unwrap();
            made.push(Made {
                what: format!("{program}, {format}, {kind}, {zone}, {locale}"),
                log: path,
                storage: (kind == "Concurrent").then_some(storage),
                between,
            });
        }
    }
    made.iter().for_each(judge);
    // The folder and its logs, which have been checked, are deleted.
    drop(home);
    made
}

#[test]
fn d19_logs_of_all_programs_forms_time_zones_and_locales() {
    let locales = locales();
    let made: usize = std::thread::scope(|scope| {
        let zones = ZONES.iter().enumerate().map(|(number, zone)| {
            let locales = locales.path();
            scope.spawn(move || make(zone, LOCALES[number % LOCALES.len()], locales).len())
        });
        zones.collect::<Vec<_>>().into_iter().map(|zone| zone.join().expect("logs that are read")).sum()
    });
    assert_eq!(made, ZONES.len() * 8);
}
