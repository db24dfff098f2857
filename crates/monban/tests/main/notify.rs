//! Notifications of the daemon, with a receiver in place of Slack, and a real Postfix.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testkit::client::{self, Connection};
use testkit::postfix::{PASSWORD, USER};
use testkit::{Postfix, Receiver, Reflector, TestCa, wait_until};

use crate::support::{Daemon, request, stderr, stdout};

const PATIENCE: Duration = Duration::from_secs(60);

fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// Sends `count` attacks on one connection.
fn attack(daemon: &Daemon, count: usize) {
    let mut connection = Connection::open(daemon.address).unwrap();
    let request = request("/?q=attack").replace("Connection: close\r\n", "");
    for _ in 0..count {
        connection.send(request.as_bytes()).unwrap();
        assert_eq!(connection.read_response(false).unwrap().status, 403);
    }
}

fn console(daemon: &Daemon, target: &str) -> String {
    client::exchange(daemon.console, request(target).as_bytes()).unwrap().text()
}

fn notices(daemon: &Daemon) -> Value {
    serde_json::from_str(&daemon.console("/api/notices").text()).unwrap()
}

/// Returns the text of one block of a Slack message.
fn block(request: &testkit::receiver::Request, number: usize) -> String {
    request.json()["blocks"][number]["text"]["text"].as_str().unwrap().to_owned()
}

#[test]
fn ten_thousand_attacks_are_one_message_one_digest_and_one_mail() {
    let (upstream, slack) = (Reflector::start(), Receiver::start());
    let ca = TestCa::new();
    let postfix = Postfix::start(&ca);
    let files = tempfile::tempdir().unwrap();
    let configuration = |digest: &str| {
        format!(
            "[notify]\nconsole_url = \"https://old.example.org\"\ntime_zone = \"UTC\"\n\
             [[notify.slack]]\nname = \"ops\"\nurl_file = {url:?}\n\
             [[notify.mail]]\nname = \"root\"\nserver = \"{server}\"\nca = {ca:?}\nuser = \"{USER}\"\n\
             password_file = {password:?}\nfrom = \"monban@test.example\"\nto = \"root@test.example\"\n\
             [[notify.rule]]\nname = \"attacks\"\nwhen = {{ outcome = \"blocked\", subject = \"!other\" }}\ndigest = \"{digest}\"\n",
            url = secret(files.path(), "url", &slack.url()),
            server = postfix.starttls(),
            ca = secret(files.path(), "ca.pem", &ca.certificate()),
            password = secret(files.path(), "password", PASSWORD),
        )
    };
    let mut daemon = Daemon::start(upstream.address(), None, &configuration("1d"));
    attack(&daemon, 5000);
    assert!(block(&slack.wait_for(1)[0], 0).contains("blocked: An attack (1) on test from 127.0.0.1"));
    // the notice has left the queue before the process ends
    wait_until("its record", PATIENCE, || notices(&daemon)["channels"][0]["sent"] == 1);
    daemon.program.kill();
    daemon.start_again();
    attack(&daemon, 5000);
    let waiting = |daemon: &Daemon| {
        let channels = notices(daemon);
        [0, 1].map(|number| channels["channels"][number]["waiting_events"].as_u64().unwrap())
    };
    wait_until("all to be counted", PATIENCE, || waiting(&daemon) == [9_999, 10_000]);
    assert_eq!((slack.requests().len(), postfix.mails().len()), (1, 0));

    // a shorter interval ends the open windows; links use [console] url if [notify] has no URL
    let mut text = std::fs::read_to_string(daemon.config()).unwrap();
    for (old, new) in [
        ("digest = \"1d\"", "digest = \"1s\""),
        ("console_url = \"https://old.example.org\"\n", ""),
        ("[console]\n", "[console]\nurl = \"https://gate.example.org\"\n"),
    ] {
        text = text.replace(old, new);
    }
    std::fs::write(daemon.config(), text).unwrap();
    let output = daemon.command(&["reload"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let digest = &slack.wait_for(2)[1];
    assert_eq!(block(digest, 0), "[monban] attacks: 9,999 events (blocked 9,999) from 127.0.0.1");
    assert!(block(digest, 1).contains("Subjects: test (9,999)"), "{}", block(digest, 1));
    assert!(block(digest, 2).starts_with("<https://gate.example.org/events/01"));
    wait_until("the mail", PATIENCE, || !postfix.mails().is_empty());
    let mail = &postfix.mails()[0];
    assert!(
        mail.contains("Subject: [monban] attacks: 10,000 events (blocked 10,000) from 127.0.0.1"),
        "{mail}"
    );
    wait_until("its record", PATIENCE, || notices(&daemon)["channels"][1]["sent"] == 1);
    let metrics = console(&daemon, "/metrics");
    for line in [
        "monban_notify_sent_notices_total{channel=\"ops\"} 2",
        "monban_notify_sent_notices_total{channel=\"root\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!((slack.requests().len(), postfix.mails().len()), (2, 1));
    daemon.program.terminate();
    assert!(!daemon.program.stderr().contains("hush"));
}

#[test]
fn a_channel_that_fails_is_shown_and_the_commands_tell() {
    let (upstream, good, bad) = (Reflector::start(), Receiver::start(), Receiver::start());
    bad.answer(&["HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nno_service"]);
    let channels = format!(
        "[[notify.webhook]]\nname = \"good\"\nurl = \"{}\"\n[[notify.webhook]]\nname = \"bad\"\nurl = \"{}\"\n\
         [[notify.rule]]\nname = \"attacks\"\nchannels = \"bad\"\n",
        good.url(),
        bad.url()
    );
    let daemon = Daemon::start(upstream.address(), None, &channels);
    attack(&daemon, 1);
    let told = good.wait_for(1)[0].json();
    assert_eq!(told["notice"]["kind"], "failing");
    assert_eq!(told["notice"]["what"], "responded 404: no_service");
    daemon.wait_health("The last delivery failed: responded 404: no_service. 0 notifications are queued");
    assert!(daemon.health().to_string().contains("degraded"));
    let status = |arguments: &[&str]| {
        let output = daemon.command(&[&["notify", "status"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    wait_until("the saved state", PATIENCE, || status(&[]).contains("failing"));
    let shown = status(&[]);
    let line = shown.lines().find(|line| line.starts_with("bad ")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["bad", "webhook", "failing", "0", "0", "1", "never"]
    );
    assert!(shown.contains(": responded 404: no_service; next try 20"), "{shown}");
    let json: Value = serde_json::from_str(&status(&["--json"])).unwrap();
    assert_eq!(json["channels"][0]["lost_events"], 1);

    // the command sends the test notification itself, by all channels or by the named ones
    bad.answer(&["HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"]);
    let output = daemon.command(&["notify", "test"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(stdout(&output), "bad: failed: responded 500\ngood: delivered\n");
    assert_eq!(stderr(&output), "error: not delivered by bad\n");
    let output = daemon.command(&["notify", "test", "good"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "good: delivered\n"));
    assert_eq!(good.requests().last().unwrap().json()["notice"]["kind"], "test");
    let output = daemon.command(&["notify", "test", "god"]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(1), "error: unknown channel `god`; known: bad, good\n")
    );
}

#[test]
fn wrong_channels_are_told_with_everything_else_and_change_nothing() {
    let (upstream, receiver) = (Reflector::start(), Receiver::start());
    let daemon = Daemon::start(upstream.address(), None, "");
    let output = daemon.command(&["notify", "status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: no channel is configured"));
    attack(&daemon, 1); // before a channel exists: never reported

    let text = std::fs::read_to_string(daemon.config()).unwrap();
    let write = |more: &str| std::fs::write(daemon.config(), format!("{text}{more}")).unwrap();
    write(
        "[[notify.slack]]\nname = \"ops\"\nurl_file = \"no.url\"\n[[notify.rule]]\nname = \"r\"\nchannels = \"opps\"\n",
    );
    for command in ["check", "reload"] {
        let output = daemon.command(&[command]);
        let said = stderr(&output);
        assert!(!output.status.success());
        assert!(said.contains("notify.slack[0]: channel `ops`: "), "{said}");
        assert!(said.contains("no.url: No such file"), "{said}");
        assert!(said.contains("notify.rule[0].channels: unknown channel `opps`; known: ops"), "{said}");
    }
    // a template fault has its location in the file and its line in the template
    write("[[notify.rule]]\nname = \"r\"\nbody = \"\"\"\n{{ count }}\n{{ cuont }}\n\"\"\"\n");
    let said = stderr(&daemon.command(&["check"]));
    assert!(said.contains("monban.toml:"), "{said}");
    assert!(said.contains("line 2 of the template: undefined value"), "{said}");

    // the first channel starts with a reload, and ends with another one
    write(&format!("[[notify.webhook]]\nname = \"hook\"\nurl = \"{}\"\n", receiver.url()));
    assert!(daemon.command(&["reload"]).status.success());
    attack(&daemon, 1);
    assert_eq!(receiver.wait_for(1)[0].json()["notice"]["event"]["actor"], "127.0.0.1");
    write("");
    assert!(daemon.command(&["reload"]).status.success());
    assert_eq!(notices(&daemon)["channels"], Value::Array(Vec::new()));
    assert!(!daemon.folder.path().join("data/notify.json").exists());
    attack(&daemon, 1);
    assert_eq!(receiver.requests().len(), 1);
}
