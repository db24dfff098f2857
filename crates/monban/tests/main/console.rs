//! The owner's access to the console: by commands on the machine, over HTTP.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use testkit::client;
use testkit::{Receiver, Reflector};

use crate::support::{Daemon, stderr, stdout};

fn post(daemon: &Daemon, target: &str, body: &Value) -> client::Response {
    post_with(daemon, target, "", body)
}

/// Sends a request with further header lines, each with its line end.
fn post_with(daemon: &Daemon, target: &str, headers: &str, body: &Value) -> client::Response {
    let body = body.to_string();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        daemon.console,
        body.len()
    );
    client::exchange(daemon.console, request.as_bytes()).unwrap()
}

#[test]
fn a_link_of_the_command_makes_the_owner_and_a_token_reads() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "url = \"https://gate.example.org\"");
    let id = daemon.attack("1");

    let link = daemon.command(&["console", "link"]);
    assert!(link.status.success(), "{}", stderr(&link));
    let link = stdout(&link);
    let token =
        link.trim().strip_prefix("https://gate.example.org/setup#").unwrap_or_else(|| panic!("{link}"));
    let setup = json!({"token": token, "user": "anna", "password": "correct horse battery"});
    let answer = post(&daemon, "/api/setup", &setup);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("set-cookie").unwrap().contains("Secure"));
    assert_eq!(post(&daemon, "/api/setup", &setup).status, 401, "a link is good once");

    // the accounts survive the process, even a killed one
    daemon.program.kill();
    daemon.start_again();
    let sign_in = json!({"user": "anna", "password": "correct horse battery"});
    assert_eq!(post(&daemon, "/api/session", &sign_in).status, 200);
    let file = daemon.folder.path().join("data/console.sqlite");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    let seen = daemon.console(&format!("/api/events/{id}"));
    assert_eq!(seen.status, 200, "{}", seen.text());
    let request = format!("GET /api/events/{id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let seen = client::exchange(daemon.console, request.as_bytes()).unwrap();
    assert_eq!(seen.status, 401, "{}", seen.text());

    for (arguments, code, told) in [
        (&["console", "link"][..], 4, "name the user who lost the password"),
        (&["console", "link", "--user", "nobody"], 4, "User nobody does not exist."),
        (&["console", "link", "--user", "anna"], 0, ""),
        (&["console", "token", "--name", "x", "--scope", "write"], 2, "invalid value 'write'"),
        (&["console", "token", "--name", " ", "--scope", "read"], 4, "The name of a token"),
        (&["console", "token", "--name", "x"], 2, "--scope"),
        (&["console", "token", "--name", "x", "list"], 2, "cannot be used with"),
        (&["console", "token", "delete", "1000"], 4, "Token 1000 does not exist."),
        (&["console", "token", "delete", "1000"], 4, "console token list"),
    ] {
        let output = daemon.command(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(told), "{arguments:?}: {}", stderr(&output));
    }
    let read =
        stdout(&daemon.command(&["console", "token", "--name", "\u{1b}[31mred", "--scope", "read,tune"]));
    assert_eq!(read, "", "no control characters");
    let token =
        stdout(&daemon.command(&["console", "token", "--name", "nightly backup", "--scope", "read,tune"]));
    let header = format!("Authorization: Bearer {}\r\n", token.trim());
    let request = format!("GET /api/events HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\r\n");
    let status = || client::exchange(daemon.console, request.as_bytes()).unwrap().status;
    assert_eq!(status(), 200);
    let listed = stdout(&daemon.command(&["console", "token", "list"]));
    let line =
        listed.lines().find(|line| line.contains("nightly backup")).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains("(machine)") && line.contains("read,tune"), "{line}");
    assert!(!listed.contains(token.trim()), "{listed}");
    let json: Value =
        serde_json::from_slice(&daemon.command(&["console", "token", "list", "--json"]).stdout).unwrap();
    let found = json.as_array().unwrap().iter().find(|one| one["name"] == "nightly backup").unwrap();
    assert_eq!(
        (&found["scopes"], &found["user"], &found["machine"]),
        (&json!(["read", "tune"]), &json!(null), &json!(true))
    );
    let deleted = daemon.command(&["console", "token", "delete", &found["id"].to_string()]);
    assert_eq!(stdout(&deleted), "deleted: nightly backup\n");
    assert_eq!(status(), 401);
}

#[test]
fn without_a_daemon_commands_about_tokens_work_and_a_link_says_what_to_do() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let token = |daemon: &Daemon, name: &str| {
        daemon.command(&["console", "token", "--name", name, "--scope", "read"])
    };
    // another process has the lock, and nothing answers: no command does its work beside it
    std::fs::remove_file(daemon.folder.path().join("data/monban.sock")).unwrap();
    let beside = token(&daemon, "beside");
    assert_eq!((beside.status.code(), stdout(&beside).as_str()), (Some(3), ""));
    assert!(stderr(&beside).contains("repeat the command"), "{}", stderr(&beside));

    daemon.program.kill();
    let night = stdout(&token(&daemon, "night"));
    let listed = stdout(&daemon.command(&["console", "token", "list"]));
    assert!(listed.contains("night") && !listed.contains("beside"), "{listed}");
    let unknown = daemon.command(&["console", "token", "delete", "1000"]);
    assert_eq!(unknown.status.code(), Some(4));
    assert!(stderr(&unknown).contains("Token 1000 does not exist.\nhint: `monban console token list`"));
    let link = daemon.command(&["console", "link"]);
    assert_eq!(link.status.code(), Some(3));
    assert!(stderr(&link).contains("hint: start monban with"), "{}", stderr(&link));

    daemon.start_again();
    let header = format!("Authorization: Bearer {}\r\n", night.trim());
    let request = format!("GET /api/parts HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\r\n");
    assert_eq!(client::exchange(daemon.console, request.as_bytes()).unwrap().status, 200);
    // the daemon's journal continues after the segments of the commands
    let id = daemon.attack("1");
    assert_eq!(daemon.exported(), [id]);
}

#[test]
fn a_channel_is_tried_from_the_console() {
    let (upstream, good, bad) = (Reflector::start(), Receiver::start(), Receiver::start());
    bad.answer(&["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]);
    let channels = format!(
        "[[notify.webhook]]\nname = \"good\"\nurl = \"{}\"\n[[notify.webhook]]\nname = \"bad\"\nurl = \"{}\"\n",
        good.url(),
        bad.url()
    );
    let daemon = Daemon::start(upstream.address(), None, &channels);
    let token = |scope: &str| {
        let output = daemon.command(&["console", "token", "--name", "test", "--scope", scope]);
        format!("Authorization: Bearer {}\r\n", stdout(&output).trim())
    };
    let (read, tune) = (token("read"), token("tune"));
    let test = |channel: &str, token: &str| {
        let answer = post_with(&daemon, &format!("/api/notices/{channel}/test"), token, &json!({}));
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    assert_eq!(test("good", &read).0, 403);
    assert_eq!(test("none", &tune).0, 404);
    assert_eq!(test("good", &tune), (200, json!({"ok": true, "answer": "delivered"})));
    assert!(good.wait_for(1)[0].json().to_string().contains("test"));
    let (status, answer) = test("bad", &tune);
    assert_eq!((status, &answer["ok"]), (200, &json!(false)));
    assert!(answer["answer"].as_str().unwrap().contains("404"), "{answer}");
    // test notifications do not count as deliveries
    let status: Value = serde_json::from_str(&daemon.console("/api/notices").text()).unwrap();
    assert_eq!(status["channels"][0]["failing_since"], Value::Null);
}
