//! Tests Slack and webhook with a receiver that sends scripted responses.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
use notify::channel::Channel;
use notify::config::NotifyConfig;
use notify::message::{Message, MessageWriter};
use notify::notice::{Kind, Notice};
use notify::notice_event::NoticeEvent;
use notify::retry::SendError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use testkit::Receiver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Writes a secret to a file with mode 0600.
pub fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Returns a notice of an event with a hostile request line.
pub fn message() -> Message {
    let now = Timestamp::from_micros(1_795_424_686_000_000);
    let evidence = RequestEvidence {
        line: b"GET /<!channel>\r\nBcc: e@evil.example\xff HTTP/1.1"[..].into(),
        ..Default::default()
    };
    let event = Event::of_request(EventId::derived(now, "vps1", "1"), now, "vps1", Outcome::Passed, evidence);
    let kind = Kind::Event { rule: "attacks".into(), event: Box::new(NoticeEvent::from(&event)) };
    let config: NotifyConfig =
        serde_json::from_value(json!({"console_url": "https://gate.example.org/", "time_zone": "UTC"}))
            .unwrap();
    MessageWriter::new(&config, "vps1").message(&Notice {
        id: event.id.to_string(),
        at: now,
        urgent: false,
        kind,
    })
}

fn open(config: serde_json::Value) -> Channel {
    let config: NotifyConfig = serde_json::from_value(config).unwrap();
    Channel::open_all(&config).unwrap().pop_first().unwrap().1
}

#[tokio::test]
async fn slack_gets_text_and_one_link() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let url = secret(folder.path(), "url", &receiver.url());
    let slack = open(json!({"slack": [{"name": "ops", "url_file": url}]}));
    slack.send(&message()).await.unwrap();
    let request = &receiver.requests()[0];
    assert_eq!(request.line, "POST /services/T0/B0/hush HTTP/1.1");
    assert_eq!(request.header("content-type"), "application/json");
    let body = request.json();
    let text = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(
        text.contains("Request: GET /&lt;!channel&gt;\\x0d\\x0aBcc: e@evil.example\\xff HTTP/1.1"),
        "{text}"
    );
    assert!(
        body["blocks"][2]["text"]["text"]
            .as_str()
            .unwrap()
            .starts_with("<https://gate.example.org/events/01")
    );
}

#[tokio::test]
async fn answers_decide_what_happens_to_a_notice() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let url = secret(folder.path(), "url", &receiver.url());
    let slack = open(json!({"slack": [{"name": "ops", "url_file": url}]}));
    let date = httpdate(Duration::from_secs(7200));
    let cases: Vec<(String, Result<(), bool>, Option<u64>)> = vec![
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), Ok(()), None),
        ("HTTP/1.1 429 Slow\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n".into(), Err(true), Some(30)),
        (
            format!("HTTP/1.1 503 Later\r\nRetry-After: {date}\r\nContent-Length: 0\r\n\r\n"),
            Err(true),
            Some(7200),
        ),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".into(), Err(true), None),
        ("HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n".into(), Err(true), None),
        ("HTTP/1.1 404 Gone\r\nContent-Length: 10\r\n\r\nno_service".into(), Err(false), None),
        (
            "HTTP/1.1 302 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into(),
            Err(false),
            None,
        ),
        ("this is not HTTP".into(), Err(true), None),
        (String::new(), Err(true), None),
        // an endless response is not read to its end
        (format!("HTTP/1.1 500 Long\r\n\r\n{}", "x".repeat(1 << 20)), Err(true), None),
    ];
    for (answer, expected, after) in cases {
        receiver.answer(&[&answer]);
        let result = slack.send(&message()).await;
        let head = answer.lines().next().unwrap_or("nothing");
        match (&result, expected) {
            (Ok(()), Ok(())) => {}
            (Err(SendError::Later { after: asked, what }), Err(true)) => {
                // the date is rounded to seconds, and some have passed
                let near = |asked: Duration| {
                    after.is_some_and(|after| (after.saturating_sub(60)..=after).contains(&asked.as_secs()))
                };
                assert!(asked.map_or(after.is_none(), near), "{head}: {asked:?}");
                assert!(what.len() < 400 && !what.contains("hush"), "{head}: {what}");
            }
            (Err(SendError::Refused { what }), Err(false)) => {
                assert!(!head.contains("404") || what == "responded 404: no_service", "{head}: {what}");
            }
            _ => panic!("{head}: {result:?}"),
        }
    }
    assert_eq!(receiver.requests().len(), 10);
}

/// Returns a date `from_now`, in HTTP's form.
fn httpdate(from_now: Duration) -> String {
    let time = Timestamp::from(std::time::SystemTime::now() + from_now);
    time.to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[tokio::test]
async fn webhooks_are_signed() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let key = secret(folder.path(), "key", "a key of the owner\n");
    let webhook = open(json!({"webhook": [{"name": "hook", "url": receiver.url(), "secret_file": key}]}));
    let message = message();
    webhook.send(&message).await.unwrap();
    webhook.send(&message).await.unwrap();
    let requests = receiver.requests();
    for request in &requests {
        assert_eq!(request.header("webhook-id"), message.id);
        let seconds: u64 = request.header("webhook-timestamp").parse().unwrap();
        let key = notify::webhook::key(&spine::secret::Secret::new("a key of the owner")).unwrap();
        let expected = notify::webhook::signature(&key, &message.id, seconds, &request.body);
        assert_eq!(request.header("webhook-signature"), expected);
    }
    let body = requests[0].json();
    assert_eq!((&body["version"], &body["id"]), (&json!(1), &json!(message.id)));
    assert_eq!(
        body["notice"]["event"]["request"],
        json!("GET /<!channel>\\x0d\\x0aBcc: e@evil.example\\xff HTTP/1.1")
    );
    assert_eq!(body["link"], json!(message.link));
}

/// Starts a server with TLS that responds 200 to every request.
async fn tls_server(identity: &testkit::ca::Identity) -> std::net::SocketAddr {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // a client that does not trust it disconnects
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            // the end of the JSON
            let mut request = Vec::new();
            while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap() > 0 {}
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            // the client may have left already
            let _ = stream.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_must_prove_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let ca = testkit::TestCa::new();
    let authority = secret(folder.path(), "ca.pem", &ca.certificate());
    let right = tls_server(&ca.server(&["127.0.0.1"])).await;
    let wrong = tls_server(&ca.server(&["elsewhere.example"])).await;
    let url = |address: std::net::SocketAddr| format!("https://{address}/hush");
    for (config, trusted) in [
        (json!({"name": "hook", "url": url(right), "ca": authority}), true),
        (json!({"name": "hook", "url": url(right)}), false),
        (json!({"name": "hook", "url": url(wrong), "ca": authority}), false),
    ] {
        let result = open(json!({"webhook": [config]})).send(&message()).await;
        assert_eq!(result.is_ok(), trusted, "{config}: {result:?}");
        if let Err(error) = result {
            assert!(
                matches!(&error, SendError::Later { what, .. } if what.contains("certificate")),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = secret(folder.path(), "url", &format!("http://127.0.0.1:{}/hush", testkit::free_port()));
    let slack = open(json!({"slack": [{"name": "ops", "url_file": url}]}));
    let Err(SendError::Later { what, after: None }) = slack.send(&message()).await else {
        panic!("it was sent")
    };
    assert!(what.contains("refused") && !what.contains("hush"), "{what}");
}

#[test]
fn what_cannot_be_opened_is_told_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let plain = secret(folder.path(), "plain", "http://hooks.example.org/hush");
    let open = folder.path().join("open");
    std::fs::write(&open, "https://hooks.example.org/hush").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config: NotifyConfig = serde_json::from_value(json!({
        "slack": [{"name": "a", "url_file": plain}, {"name": "b", "url_file": open}, {"name": "c"}],
        "webhook": [{"name": "d", "url": "ftp://x"}, {"name": "e"}],
        "mail": [{"name": "f", "server": "m", "from": "x", "to": "a@b.example"}],
    }))
    .unwrap();
    let faults = Channel::open_all(&config).unwrap_err();
    let expected = [
        "notify.slack[0]: channel `a`: the webhook's address is a secret: it must begin with https://",
        "open: other users may read this secret (mode 0644); chmod 600",
        "notify.slack[2]: channel `c`: needs url_file or url_env",
        "notify.mail[0]: channel `f`: `x` is not a mail address",
        "notify.webhook[0]: channel `d`: the address must begin with https:// or http://",
        "notify.webhook[1]: channel `e`: needs url, url_file or url_env",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        let fault = fault.to_string();
        assert!(fault.contains(expected) && !fault.contains("hush"), "{fault}");
    }
}
