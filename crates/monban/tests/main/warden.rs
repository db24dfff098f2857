//! The warden under its shipped units on a whole machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ::warden::{Client, Code, Error, JournalStart};
use testkit::net::START_DEADLINE;
use testkit::{Machine, Release, wait_until};

/// The warden.toml of these tests.
const SETTINGS: &str = r#"
[logs]
auth = "/var/log/auth.log"

[files.rules]
path = "/etc/demo/rules"
owner = "daemon"
group = "adm"
mode = "0640"
[files.elsewhere]
path = "/etc/elsewhere"

[hooks.whoami]
command = ["/usr/local/sbin/hook", "who"]
[hooks.slow]
command = ["/usr/local/sbin/hook", "slow"]
seconds = 1

[units]
demo = "demo.service"
broken = "none.service"
"#;

const HOOK: &str = r#"#!/bin/sh
case $1 in
who) id -u; grep CapEff /proc/self/status;;
slow) sleep 1234 & echo waiting; wait;;
esac
"#;

/// A unit whose reload leaves a trace.
const DEMO: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\nExecReload=/usr/bin/touch /run/reloaded\n";

/// A machine with the binary, the units and the settings.
fn machine(release: Release) -> Machine {
    let machine = Machine::boot(release);
    machine.copy(Path::new(env!("CARGO_BIN_EXE_monban")), "/usr/bin/monban");
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    for unit in ["monban.service", "monban-warden.service", "monban-warden.socket"] {
        machine.copy(&packaging.join(unit), &format!("/etc/systemd/system/{unit}"));
    }
    machine.shell(
        "useradd --system --home-dir /var/lib/monban --shell /usr/sbin/nologin monban
         install -d -m 750 -o root -g monban /etc/monban
         mkdir /etc/demo /etc/systemd/system/monban-warden.service.d",
    );
    machine.write("/etc/monban/warden.toml", SETTINGS);
    machine.write("/usr/local/sbin/hook", HOOK);
    machine.write("/etc/systemd/system/demo.service", DEMO);
    let widened = "[Service]\nReadWritePaths=/etc/demo\n";
    machine.write("/etc/systemd/system/monban-warden.service.d/demo.conf", widened);
    machine.shell(
        "chmod 755 /usr/local/sbin/hook
         systemctl daemon-reload
         systemctl enable --quiet --now monban-warden.socket
         systemctl start demo",
    );
    machine
}

fn client(machine: &Machine) -> Client {
    Client::new(machine.path("/run/monban-warden.sock"))
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Error>) -> ::warden::Refusal {
    match answer {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?} is no refusal"),
    }
}

fn log(machine: &Machine) -> String {
    machine.shell("journalctl --sync; journalctl -u monban-warden -o cat --no-pager")
}

/// Reads lines on a thread, so that a missing one fails the test.
fn lines(descriptor: OwnedFd) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(std::fs::File::from(descriptor)).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn message(lines: &Receiver<String>) -> serde_json::Value {
    serde_json::from_str(&lines.recv_timeout(START_DEADLINE).expect("an entry")).expect("an entry is JSON")
}

fn every_verb(release: Release) {
    let machine = machine(release);
    let warden = client(&machine);

    machine.shell(
        "useradd --create-home alice
         runuser -u alice -- sh -c 'mkdir -m 700 ~/.ssh; ssh-keygen -q -t ed25519 -N \"\" -C alice@laptop -f ~/.ssh/id
             cat ~/.ssh/id.pub >~/.ssh/authorized_keys; chmod 600 ~/.ssh/authorized_keys'",
    );
    let keys = warden.authorized_keys("alice").unwrap();
    let listed = machine.shell("ssh-keygen -lf /home/alice/.ssh/id.pub");
    let [key] = &keys.keys[..] else { panic!("{keys:?}") };
    assert_eq!(listed.trim(), format!("256 {} {} (ED25519)", key.fingerprint, key.comment));
    assert_eq!((key.comment.as_str(), key.algorithm.as_str()), ("alice@laptop", "ssh-ed25519"));

    let first = lines(warden.follow_journal(&JournalStart::Now).unwrap());
    machine.shell("logger -t another secret; logger -t sshd one; logger -t sshd two");
    let entry = message(&first);
    assert_eq!(
        (&entry["MESSAGE"], &entry["SYSLOG_IDENTIFIER"], &entry["_UID"]),
        (&"one".into(), &"sshd".into(), &"0".into())
    );
    let last = message(&first);
    assert_eq!(last["MESSAGE"], "two");
    let cursor = entry["__CURSOR"].as_str().unwrap().to_owned();
    assert_eq!(
        message(&lines(warden.follow_journal(&JournalStart::Cursor(cursor)).unwrap()))["MESSAGE"],
        "two"
    );
    let time: u64 = entry["__REALTIME_TIMESTAMP"].as_str().unwrap().parse().unwrap();
    let since = lines(warden.follow_journal(&JournalStart::Since(time)).unwrap());
    assert_eq!(
        (message(&since)["MESSAGE"].clone(), message(&since)["MESSAGE"].clone()),
        ("one".into(), "two".into())
    );
    // a daemon that starts again asks for what follows the last entry
    let last = JournalStart::Cursor(last["__CURSOR"].as_str().unwrap().to_owned());
    let further = lines(warden.follow_journal(&last).unwrap());
    assert_eq!(refusal(warden.follow_journal(&JournalStart::Now)).code, Code::Busy, "four follow it");
    machine.shell("logger -t sshd three");
    assert_eq!(message(&further)["MESSAGE"], "three");
    drop((first, since, further));
    // an entry more, because this test's threads close their pipes only at the next line
    machine.shell("logger -t sshd four");
    wait_until("journalctl to end with its reader", START_DEADLINE, || {
        !machine.run(["pgrep", "-x", "journalctl"]).status.success()
    });
    machine.write("/var/log/auth.log", "a login\n");
    let mut text = String::new();
    std::fs::File::from(warden.follow_log("auth", None).unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "a login\n");

    warden.write("rules", b"deny all\n").unwrap();
    assert_eq!(
        machine.shell("stat -c '%U:%G %a' /etc/demo/rules; cat /etc/demo/rules"),
        "daemon:adm 640\ndeny all\n"
    );
    let elsewhere = refusal(warden.write("elsewhere", b"x"));
    assert!(elsewhere.message.contains("ReadWritePaths=/etc"), "{elsewhere}");

    let ended = warden.run("whoami").unwrap();
    assert!(ended.is_success(), "{ended:?}");
    // CAP_CHOWN and CAP_DAC_READ_SEARCH
    assert_eq!(ended.output, "0\nCapEff:\t0000000000000005\n");
    assert!(warden.reload("demo").unwrap().is_success());
    machine.shell("test -e /run/reloaded");
    let broken = warden.reload("broken").unwrap();
    assert!(!broken.is_success() && broken.output.contains("none.service"), "{broken:?}");

    let log = log(&machine);
    for line in [
        "authorized_keys \"alice\": done in ",
        "follow \"journal\": done in ",
        "follow \"auth\": done in ",
        "write \"rules\": done in ",
        "write \"elsewhere\": refused (System: ",
        "run \"whoami\": done in ",
        "reload \"demo\": done in ",
        "for user 0, process ",
    ] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
}

#[test]
fn every_verb_works_under_the_shipped_unit() {
    every_verb(Release::Bookworm);
}

#[test]
fn every_verb_works_on_trixie() {
    every_verb(Release::Trixie);
}

/// Returns the process of the warden, which runs.
fn pid(machine: &Machine) -> String {
    machine.shell("systemctl show --property=MainPID --value monban-warden").trim().to_owned()
}

/// Returns a line of /proc/PID/FILE of the machine in kB.
fn kilobytes(machine: &Machine, file: &str, name: &str) -> u64 {
    let text = machine.shell(&format!("cat /proc/{}/{file}", pid(machine)));
    let line = text.lines().find(|line| line.starts_with(name)).expect("the line exists");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_warden_is_small_and_refuses_a_gigabyte() {
    let machine = machine(Release::Bookworm);
    client(&machine).authorized_keys("root").unwrap();
    // its own memory; bench/warden measures an optimised binary, whose pages in use are a quarter of this one's
    let idle = kilobytes(&machine, "smaps_rollup", "Pss_Anon:");
    assert!(idle < 8 * 1024, "{idle} kB");
    let before = kilobytes(&machine, "status", "VmHWM:");
    let mut stream = UnixStream::connect(machine.path("/run/monban-warden.sock")).unwrap();
    stream.write_all(&(1_u32 << 30).to_be_bytes()).unwrap();
    let piece = vec![b' '; 1 << 20];
    // it writes on until the warden has hung up
    let written = (0..1024).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(written < 8, "{written} MiB");
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("1073741824 bytes, more than the limit"), "{answer}");
    let peak = kilobytes(&machine, "status", "VmHWM:");
    // the kernel counts pages of each thread apart, and not exactly
    assert!(peak < before + 1024, "{before} kB, then {peak} kB");
    assert!(kilobytes(&machine, "smaps_rollup", "Pss_Anon:") < idle + 1024);
}

#[test]
fn the_warden_ends_when_idle_and_starts_again_after_a_kill() {
    let machine = machine(Release::Bookworm);
    machine.shell(
        "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/monban warden --idle 1\\n' \
             >/etc/systemd/system/monban-warden.service.d/idle.conf; systemctl daemon-reload",
    );
    let warden = client(&machine);
    let state = || machine.output(["systemctl", "is-active", "monban-warden.service"]);
    assert_eq!(state().trim(), "inactive", "nobody has asked");
    let journal = lines(warden.follow_journal(&JournalStart::Now).unwrap());
    let first = pid(&machine);
    let asked = Instant::now();
    wait_until("more than the idle time", START_DEADLINE, || asked.elapsed() > Duration::from_millis(2500));
    assert_eq!((state().trim(), pid(&machine)), ("active", first.clone()), "somebody follows the journal");
    machine.shell(&format!("kill -9 {first}"));
    assert!(journal.recv_timeout(START_DEADLINE).is_err(), "journalctl ends with the warden");
    warden.authorized_keys("root").unwrap();
    assert_ne!(pid(&machine), first);
    wait_until("the warden to end", START_DEADLINE, || state().trim() == "inactive");
    let log = log(&machine);
    assert!(log.contains("idle: ending until the next request"), "{log}");
    warden.authorized_keys("root").unwrap();
}

/// A client that is neither root nor monban. The shipped socket does not let it connect; here the peer's user is what stops it.
const STRANGER: &str = r#"use Socket; $SIG{PIPE} = "IGNORE"; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
connect($s, pack_sockaddr_un("/run/monban-warden.sock")) or die "connect: $!\n";
syswrite($s, pack("N", 68) . qq({"version":1,"verb":"run","arguments":{"name":"whoami"}}            ));
while (sysread($s, my $answer, 4096)) { print $answer }"#;

#[test]
fn strangers_links_and_slow_hooks_get_nowhere() {
    let machine = machine(Release::Bookworm);
    let warden = client(&machine);
    let ask_as = |user: &str| {
        let output = machine.run(["runuser", "-u", user, "--", "perl", "-e", STRANGER]);
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
    };
    assert!(ask_as("monban").contains(r#""done":{"code":0"#), "{}", ask_as("monban"));
    assert_eq!(ask_as("daemon"), "connect: Permission denied\n");
    machine.shell("chmod 666 /run/monban-warden.sock");
    let answer = ask_as("daemon");
    assert!(
        answer.contains(r#""code":"peer""#)
            && answer.contains("only root and monban may send requests, not the user 1"),
        "{answer}"
    );

    machine.shell("echo kept >/etc/target; ln -s /etc/target /etc/demo/rules");
    assert!(refusal(warden.write("rules", b"x")).message.contains("symbolic link"));
    machine.shell("rm /etc/demo/rules; chmod 777 /etc/demo");
    assert_eq!(refusal(warden.write("rules", b"x")).code, Code::Unsafe);
    assert_eq!(machine.shell("cat /etc/target; ls -A /etc/demo"), "kept\n");
    machine.shell("chmod 777 /usr/local/sbin/hook");
    assert_eq!(refusal(warden.run("whoami")).code, Code::Unsafe);
    machine.shell(
        "chmod 755 /usr/local/sbin/hook
         useradd --create-home mallory; mkdir /home/mallory/.ssh; ln -s /etc/shadow /home/mallory/.ssh/authorized_keys
         chown -R mallory /home/mallory",
    );
    assert_eq!(refusal(warden.authorized_keys("mallory")).code, Code::Unsafe);

    let ended = warden.run("slow").unwrap();
    assert!(ended.timed_out && ended.output == "waiting\n", "{ended:?}");
    wait_until("its children to be gone", START_DEADLINE, || {
        !machine.run(["pgrep", "-f", "sleep 1234"]).status.success()
    });

    machine.shell("chown daemon /etc/monban/warden.toml");
    let refused = refusal(warden.run("whoami"));
    assert!(refused.code == Code::Settings && refused.message.contains("belongs to the user 1"), "{refused}");
    machine.shell("chown root /etc/monban/warden.toml; echo 'shell = true' >/etc/monban/warden.toml");
    let refused = refusal(warden.run("whoami"));
    assert!(refused.message.contains("warden.toml:1:1: "), "{refused}");
}

#[test]
fn a_replaced_socket_is_not_trusted() {
    let machine = machine(Release::Bookworm);
    let warden = client(&machine);
    warden.authorized_keys("root").unwrap();
    let listen = r#"use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un("/run/other/socket"));
        listen($s, 9); sleep 600"#;
    machine.shell("install -d -o daemon /run/other");
    machine.run(["systemd-run", "--quiet", "--uid=daemon", "perl", "-e", listen]);
    // the flag of a listening socket
    let listens = "00010000 .* /run/other/socket";
    wait_until("the listener", START_DEADLINE, || {
        machine.run(["grep", listens, "/proc/net/unix"]).status.success()
    });
    machine.shell("rm /run/monban-warden.sock; mv /run/other/socket /run/monban-warden.sock");
    let error = warden.authorized_keys("root").unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("the user 1 listens on"), "{error}");
    assert_eq!(warden.findings().len(), 1);
    machine.shell("rm /run/monban-warden.sock");
    let error = warden.authorized_keys("root").unwrap_err();
    assert!(error.to_string().contains("systemctl enable --now monban-warden.socket"), "{error}");
    machine.shell("systemctl restart monban-warden.socket");
    warden.authorized_keys("root").unwrap();
    assert_eq!(warden.findings(), []);
}

/// Both releases rate the units, because newer ones know more about a service.
fn both_units_are_confined(release: Release) {
    let machine = machine(release);
    for unit in ["monban.service", "monban-warden.service"] {
        let text = machine.shell(&format!("systemd-analyze security --no-pager {unit}"));
        let (_, level) = text.rsplit_once("exposure level for ").expect("a level");
        let level: f64 = level.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(level <= 2.0, "{unit}: {level}");
    }
}

#[test]
fn both_units_are_confined_on_bookworm() {
    both_units_are_confined(Release::Bookworm);
}

#[test]
fn both_units_are_confined_on_trixie() {
    both_units_are_confined(Release::Trixie);
}
