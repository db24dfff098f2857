//! Logins of real users on machines with the package: from sshd, PAM, su and sudo through the journal and the warden to events
//! and Slack.

use std::process::Output;
use std::time::{Duration, Instant};

use event::{Event, FactValue};
use testkit::{Machine, Receiver, Release, wait_until};

use crate::host::{Host, Packages};

const PATIENCE: Duration = Duration::from_secs(60);
/// Time from the end of a login to its event, on a machine that does other work. It is some 200 ms on an idle one.
const SOON: Duration = Duration::from_secs(5);

const CONFIGURATION: &str = r##"
[logins]
files = ["/var/log/auth.log"]
hook = "/run/monban/logins.sock"
quiet = "10s"

[notify]
time_zone = "UTC"
[[notify.slack]]
name = "ops"
url_file = "/etc/monban/slack.url"
channel = "#logins"
sender = "gate"
icon = ":ghost:"
[[notify.rule]]
name = "logins"
when = { kind = ["login.accepted", "login.failed"] }
digest = "2s"
"##;

/// Prints the password that the test chose, for ssh.
const ASKPASS: &str = "#!/bin/sh\necho \"$PASSWORD\"\n";

/// A machine with monban, its warden, the users alice and bob, and a receiver in place of Slack.
struct Gate {
    machine: Machine,
    slack: Receiver,
}

impl Gate {
    fn start(release: Release) -> Self {
        let host = Host::boot(release, &Packages::build());
        host.install(Packages::NEW);
        let machine = host.machine;
        let slack = machine.in_network(Receiver::start);
        // journald drops the lines of a unit beyond 10,000 in 30 s
        machine.shell(
            "mkdir -p /run/systemd/journald.conf.d
             printf '[Journal]\\nRateLimitIntervalSec=0\\n' >/run/systemd/journald.conf.d/test.conf
             systemctl restart systemd-journald",
        );
        machine.shell(
            "install -m 640 -g adm /dev/null /var/log/auth.log
             useradd -m -s /bin/bash -G sudo alice; echo alice:wonder | chpasswd
             useradd -m -s /bin/bash bob; echo bob:builder | chpasswd
             echo 'Defaults !mail_badpass' >/etc/sudoers.d/quiet
             install -d -o alice -m 700 /home/alice/.ssh
             ssh-keygen -q -t ed25519 -N '' -C alice@laptop -f /root/key
             install -o alice -m 600 /root/key.pub /home/alice/.ssh/authorized_keys",
        );
        let init = machine.shell("cat /etc/monban/monban.toml");
        machine.write("/etc/monban/monban.toml", init + CONFIGURATION);
        machine.write("/etc/monban/slack.url", slack.url());
        machine.write("/root/askpass", ASKPASS);
        machine.write("/etc/ssh/sshrc", "monban login notify\n");
        machine.write(
            "/etc/ssh/sshd_config.d/test.conf",
            "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxAuthTries 100\n",
        );
        if release == Release::Trixie {
            machine.shell("echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config.d/test.conf");
        }
        machine.shell(
            "chmod 700 /root/askpass
             chown monban /etc/monban/slack.url; chmod 600 /etc/monban/slack.url
             echo 'session optional pam_exec.so quiet /usr/bin/monban login notify' >>/etc/pam.d/sshd
             systemctl restart ssh
             systemctl enable --quiet --now monban-warden.socket monban",
        );
        let gate = Self { machine, slack };
        // the daemon follows the journal once the warden runs for it
        wait_until("the warden", PATIENCE, || {
            gate.machine.output(["systemctl", "is-active", "monban-warden.service"]).trim() == "active"
        });
        gate
    }

    /// Logs in with a password, or with alice's key for an empty one.
    fn ssh(&self, password: &str, arguments: &[&str]) -> Output {
        let password = format!("PASSWORD={password}");
        let method = match password.as_str() {
            "PASSWORD=" => ["-i", "/root/key", "-oBatchMode=yes"],
            _ => ["-oPubkeyAuthentication=no", "-oPreferredAuthentications=password", "-v"],
        };
        let fixed = [
            "env",
            &password,
            "SSH_ASKPASS=/root/askpass",
            "SSH_ASKPASS_REQUIRE=force",
            "ssh",
            "-Fnone",
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
        ];
        self.machine.run(fixed.iter().chain(&method).chain(arguments))
    }

    /// Returns the events of a kind, the oldest first.
    fn events(&self, kind: &str) -> Vec<Event> {
        let config = "--config=/etc/monban/monban.toml";
        let list = ["monban", "events", "list", "--json", "--kind", kind, "--limit=100", config];
        let output = self.machine.output(list);
        let mut events: Vec<Event> =
            output.lines().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect();
        events.sort_by_key(|event| event.id);
        events
    }

    /// Waits for so many events of a kind.
    fn wait_for(&self, kind: &str, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        wait_until(&format!("{count} events {kind}"), PATIENCE, || {
            events = self.events(kind);
            events.len() >= count
        });
        assert_eq!(events.len(), count, "{kind}: {events:#?}");
        events
    }
}

fn fact(event: &Event, name: &str) -> Option<FactValue> {
    event.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.clone())
}

fn text(value: &str) -> Option<FactValue> {
    Some(FactValue::Text(value.to_owned()))
}

/// Appends a line of sshd to /var/log/auth.log, which monban's user may not read.
fn log_line(gate: &Gate, user: &str) {
    let line = format!("sshd[777]: Accepted password for {user} from 203.0.113.7 port 1 ssh2");
    gate.machine.shell(&format!("echo \"$(date +%Y-%m-%dT%H:%M:%S%:z) vps1 {line}\" >>/var/log/auth.log"));
}

#[test]
fn the_warden_opens_a_log_file_and_the_one_that_was_rotated_while_monban_did_not_run() {
    let gate = Gate::start(Release::Bookworm);
    // the first look at the file is its beginning
    wait_until("the log file", PATIENCE, || {
        log_line(&gate, "carol");
        !gate.events("login.accepted").is_empty()
    });
    gate.machine.shell("systemctl stop monban");
    log_line(&gate, "dave");
    gate.machine.shell("cd /var/log; mv auth.log auth.log.1; install -m 640 -g adm /dev/null auth.log");
    log_line(&gate, "erin");
    gate.machine.shell("systemctl start monban");
    // carol's last lines may come only now
    let others = || {
        let users = gate.events("login.accepted").into_iter().filter_map(|event| event.actor?.user);
        let mut others: Vec<_> = users.filter(|user| user != "carol").collect();
        others.sort();
        others
    };
    wait_until("the two others", PATIENCE, || others().len() >= 2);
    assert_eq!(others(), ["dave", "erin"]);
}

fn logins_become_events(release: Release) {
    let gate = Gate::start(release);
    // by key, with a terminal
    let output = gate.ssh("", &["-tt", "alice@127.0.0.1", "id -un"]);
    let ended = Instant::now();
    assert!(output.status.success(), "{output:?}");
    let by_key = gate.wait_for("login.accepted", 1).remove(0);
    assert!(ended.elapsed() < SOON, "{:?}", ended.elapsed());
    let actor = by_key.actor.clone().unwrap();
    assert_eq!(actor.user.as_deref(), Some("alice"));
    assert_eq!(actor.address, Some([127, 0, 0, 1].into()));
    assert_eq!(fact(&by_key, "auth"), text("publickey"));
    assert_eq!(fact(&by_key, "comment"), text("alice@laptop"));
    gate.wait_for("login.ended", 1);
    // the message has user, address and time as the first user had them
    wait_until("Slack", PATIENCE, || !gate.slack.requests().is_empty());
    let message = gate.slack.requests()[0].json();
    let shown = message["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(shown.contains("From: alice (127.0.0.1)") && shown.contains("Time: 20"), "{shown}");
    assert_eq!((&message["channel"], &message["icon_emoji"]), (&"#logins".into(), &":ghost:".into()));
    // by password; the session writes three forged lines
    let forge = "logger -t sshd 'Accepted password for root from 192.0.2.9 port 1 ssh2'; \
                 logger -t sshd-session 'Accepted publickey for root from 192.0.2.9 port 1 ssh2'; \
                 logger -t sshd 'Accepted password for root
from 192.0.2.9 port 1 ssh2'; logger -t sshd 'Failed password for root from 192.0.2.9 port 1 ssh2'; sleep 0.5";
    let output = gate.ssh("wonder", &["alice@127.0.0.1", forge]);
    assert!(output.status.success(), "{output:?}");
    let by_password = gate.wait_for("login.accepted", 2).remove(1);
    assert_eq!(fact(&by_password, "auth"), text("password"));
    let forged = gate.wait_for("login.forged", 1).remove(0);
    assert_eq!(fact(&forged, "tries"), Some(FactValue::Number(3)), "{forged:#?}");
    // failed tries with names that contain an address
    let prompts = "-oNumberOfPasswordPrompts=3";
    assert!(!gate.ssh("nope", &[prompts, "alice@127.0.0.1"]).status.success());
    assert!(!gate.ssh("nope", &[prompts, "-l", "x from 192.0.2.9 port 1", "127.0.0.1"]).status.success());
    let failed = gate.wait_for("login.failed", 1).remove(0);
    assert_eq!(fact(&failed, "tries"), Some(FactValue::Number(6)), "{failed:#?}");
    assert_eq!(failed.actor.clone().unwrap().address, Some([127, 0, 0, 1].into()));
    ten_thousand_tries(&gate);
    // su and sudo
    let script = "echo wonder | sudo -S -p '' id -un; echo builder | su - bob -c 'id -un'";
    assert!(gate.ssh("", &["alice@127.0.0.1", script]).status.success());
    let sudo = gate.wait_for("sudo.accepted", 1).remove(0);
    assert_eq!(
        (sudo.actor.unwrap().user.as_deref(), sudo.outcome),
        (Some("alice"), event::Outcome::Accepted)
    );
    gate.wait_for("su.accepted", 1);
    // logins while monban does not run are read when it runs again, and no event comes twice
    gate.wait_for("login.accepted", 3);
    gate.machine.shell("systemctl stop monban");
    let output = gate.ssh("", &["alice@127.0.0.1", "id -un"]);
    assert!(output.status.success(), "the hook delays no login: {output:?}");
    gate.machine.shell("systemctl start monban");
    gate.wait_for("login.accepted", 4);
    gate.wait_for("login.ended", 4);
    // neither does a killed warden lose one
    gate.machine.shell("systemctl kill --signal=KILL monban-warden.service");
    assert!(gate.ssh("", &["alice@127.0.0.1", "id -un"]).status.success());
    gate.wait_for("login.accepted", 5);
    // nor does a journal whose old files are gone, with the entry of the cursor
    gate.machine.shell("systemctl stop monban");
    assert!(gate.ssh("", &["alice@127.0.0.1", "id -un"]).status.success());
    gate.wait_for("login.accepted", 5);
    gate.machine.shell(
        "systemctl start monban
         journalctl --quiet --rotate",
    );
    gate.wait_for("login.accepted", 6);
    gate.machine.shell(
        "systemctl stop monban
         journalctl --quiet --rotate
         journalctl --quiet --vacuum-time=1s
         systemctl start monban",
    );
    assert!(gate.ssh("", &["alice@127.0.0.1", "id -un"]).status.success());
    gate.wait_for("login.accepted", 7);
}

/// Writes 10,000 lines of failed tries as sshd-session would: root runs a program at a path of sshd's on other systems.
fn ten_thousand_tries(gate: &Gate) {
    let before = gate.events("login.failed").len();
    gate.machine.shell(
        "install -D /usr/bin/logger /usr/libexec/openssh/sshd-session
         seq 10000 | sed 's/.*/Failed password for root from 203.0.113.9 port & ssh2/' >/root/tries
         /usr/libexec/openssh/sshd-session -t sshd-session -p auth.info -f /root/tries",
    );
    let burst = gate.wait_for("login.failed", before + 1).pop().unwrap();
    assert_eq!(fact(&burst, "tries"), Some(FactValue::Number(10_000)), "{burst:#?}");
    let about = |request: &testkit::receiver::Request| {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        text.contains("203.0.113.9").then_some(text)
    };
    let messages = || -> Vec<String> { gate.slack.requests().iter().filter_map(about).collect() };
    wait_until("Slack", PATIENCE, || !messages().is_empty());
    assert!(messages()[0].contains("10000 failed tries of SSH login"), "{:?}", messages());
    assert_eq!(messages().len(), 1, "{:?}", messages());
}

#[test]
fn logins_on_bookworm_become_events_and_messages() {
    logins_become_events(Release::Bookworm);
}

#[test]
fn logins_on_trixie_become_events_and_messages() {
    logins_become_events(Release::Trixie);
}
