//! Tests mail with a real Postfix that accepts it only with TLS and authentication.

use std::time::Duration;

use notify::channel::Channel;
use notify::config::NotifyConfig;
use notify::retry::SendError;
use serde_json::{Value, json};
use testkit::postfix::{PASSWORD, USER};
use testkit::{Postfix, TestCa, wait_until};

use crate::channels::{message, secret};

fn open(config: &Value) -> Channel {
    let config: NotifyConfig = serde_json::from_value(json!({"mail": [config]})).unwrap();
    Channel::open_all(&config).unwrap().pop_first().unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_it_by_starttls_and_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ca = TestCa::new();
    let mut postfix = Postfix::start(&ca);
    let authority = secret(folder.path(), "ca.pem", &ca.certificate());
    let other = secret(folder.path(), "other.pem", &TestCa::new().certificate());
    let good = json!({
        "name": "mail", "server": postfix.starttls(), "ca": authority, "user": USER,
        "password_file": secret(folder.path(), "password", &format!("{PASSWORD}\n")),
        "from": "Monban <monban@test.example>", "to": ["root@test.example"],
    });
    let with = |key: &str, value: Value| {
        let mut config = good.clone();
        config[key] = value;
        config
    };
    let message = message();

    open(&good).send(&message).await.unwrap();
    let mut wrapped = with("server", json!(postfix.tls()));
    wrapped["security"] = json!("tls");
    open(&wrapped).send(&message).await.unwrap();
    wait_until("two mails", Duration::from_secs(60), || postfix.mails().len() == 2);
    for mail in postfix.mails() {
        let (head, body) = mail.split_once("\n\n").unwrap();
        assert!(head.contains("Subject: [vps1] passed: request.passed"), "{head}");
        assert!(head.contains(&format!("Message-ID: <{}@test.example>", message.id)), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(head.contains("ESMTPSA"), "sent without TLS or authentication: {head}");
        assert!(!head.contains("evil.example"), "{head}");
        // with or without quoted-printable, the payload is text within one line
        let body = body.replace("=\n", "").replace("=3D", "=");
        assert!(body.contains("\\x0d\\x0aBcc: e@evil.example\\xff"), "{body}");
        assert!(body.contains("https://gate.example.org/events/01"), "{body}");
    }

    // refusals, and errors that allow a retry
    let cases = [
        (
            "a wrong password",
            with("password_file", json!(secret(folder.path(), "wrong", "wrong"))),
            true,
            "535",
        ),
        ("a foreign recipient", with("to", json!("x@elsewhere.example")), false, "554"),
        ("an unknown authority", with("ca", json!(other)), true, "certificate"),
        (
            "another host's certificate",
            with("server", json!(format!("127.0.0.2:{}", postfix.starttls().port()))),
            true,
            "",
        ),
    ];
    for (what, config, again, expected) in cases {
        let error = open(&config).send(&message).await.unwrap_err();
        assert_eq!(matches!(error, SendError::Later { .. }), again, "{what}: {error:?}");
        assert!(error.what().contains(expected), "{what}: {error:?}");
        assert!(!error.what().contains("wrong") && !error.what().contains("a pass"), "{what}: {error:?}");
    }
    postfix.stop();
    let error = open(&good).send(&message).await.unwrap_err();
    assert!(matches!(&error, SendError::Later { what, .. } if what.contains("refused")), "{error:?}");
    postfix.start_again();
    open(&good).send(&message).await.unwrap();
    wait_until("the third mail", Duration::from_secs(60), || postfix.mails().len() == 3);
}

/// A server without STARTTLS gets neither the password nor the notice.
#[tokio::test]
async fn nothing_is_said_in_clear() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        reader.get_mut().write_all(b"220 plain.example ESMTP\r\n").unwrap();
        let (mut heard, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 0 {
            heard += &line;
            let answer = if line.starts_with("EHLO") {
                "250-plain.example\r\n250 AUTH PLAIN LOGIN\r\n"
            } else {
                "250 ok\r\n"
            };
            // a client that has left has received everything
            let _ = reader.get_mut().write_all(answer.as_bytes());
            line.clear();
        }
        heard
    });
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "name": "mail", "server": address, "user": USER, "password_file": secret(folder.path(), "password", "hush"),
        "from": "monban@test.example", "to": "root@test.example",
    });
    let error = open(&config).send(&message()).await.unwrap_err();
    assert!(matches!(error, SendError::Later { .. }), "{error:?}");
    let heard = heard.join().unwrap();
    assert!(heard.starts_with("EHLO test.example\r\n"), "{heard}");
    for word in ["AUTH", "MAIL", "DATA"] {
        assert!(!heard.contains(word), "{heard}");
    }
}
