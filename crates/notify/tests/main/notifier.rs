//! Tests the whole notifier: a journal, a receiver, restarts at any time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
use notify::channel::Channel;
use notify::config::NotifyConfig;
use notify::service::state_path;
use notify::{Handle, Notifier};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use store::{EventReader, Journal, JournalOptions};
use testkit::{Receiver, wait_until};

use crate::channels::secret;

const PATIENCE: Duration = Duration::from_secs(60);

fn journal(data_dir: &Path) -> Journal {
    Journal::open(&store::journal_folder(data_dir), JournalOptions::default()).unwrap()
}

fn attack(journal: &Journal, number: usize) {
    let now = Timestamp::from(SystemTime::now());
    let id = EventId::derived(now, "vps1", &number.to_string());
    let evidence = RequestEvidence { line: "GET /?q=<script> HTTP/1.1".into(), ..Default::default() };
    let event = Event::of_request(id, now, "vps1", Outcome::Passed, evidence);
    journal.append(&Event { outcome: Outcome::Blocked, ..event }).unwrap();
}

fn start(data_dir: &Path, config: &Value) -> Handle {
    let config: NotifyConfig = serde_json::from_value(config.clone()).unwrap();
    let events = Arc::new(EventReader::open(data_dir).unwrap());
    Notifier::open(&config, "vps1", data_dir, events).unwrap().expect("a channel").start()
}

/// Returns the number of events in the recorded requests.
fn told(receiver: &Receiver) -> u64 {
    let count = |notice: &Value| match notice["kind"].as_str().unwrap() {
        "event" => 1,
        "digest" => notice["tally"]["count"].as_u64().unwrap(),
        _ => 0,
    };
    receiver.requests().iter().map(|request| count(&request.json()["notice"])).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_one_notice_and_one_digest_across_restarts() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let data_dir = folder.path();
    let config = |digest: &str| {
        json!({"webhook": [{"name": "hook", "url": receiver.url()}],
               "rule": [{"name": "attacks", "when": {"outcome": "blocked"}, "digest": digest}]})
    };
    let (long, short) = (config("1d"), config("1s"));
    let journal = journal(data_dir);
    attack(&journal, 0); // before it ever ran: not told
    let mut handle = start(data_dir, &long);
    for number in 1..=10_000 {
        attack(&journal, number);
        if number % 2500 == 0 {
            handle.stop().await;
            handle = start(data_dir, &long);
        }
    }
    wait_until("all to be counted", PATIENCE, || handle.status().channels[0].waiting_events == 9_999);
    assert_eq!(receiver.requests().len(), 1);
    handle.stop().await;
    // the open window ends after the shorter period
    let handle = start(data_dir, &short);
    let requests = receiver.wait_for(2);
    assert_eq!(requests[0].json()["notice"]["kind"], "event");
    assert_eq!(told(&receiver), 10_000);
    assert_eq!(requests.len(), 2);
    wait_until("the record of it", PATIENCE, || handle.status().channels[0].sent == 2);
    assert_eq!(handle.status().channels[0].waiting, 0);
    handle.stop().await;
    // another start sends nothing more
    let handle = start(data_dir, &short);
    let test = handle.test("hook").await.unwrap();
    assert_eq!(test, Ok(()));
    assert!(handle.test("none").await.is_none());
    handle.stop().await;
    let kinds: Vec<Value> =
        receiver.requests().iter().map(|request| request.json()["notice"]["kind"].clone()).collect();
    assert_eq!(kinds, ["event", "digest", "test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_waits_on_disk_and_the_other_channel_tells() {
    let (folder, hook, other) = (tempfile::tempdir().unwrap(), Receiver::start(), Receiver::start());
    let data_dir = folder.path();
    let slack = secret(data_dir, "slack", &other.url());
    let config = json!({"webhook": [{"name": "hook", "url": hook.url()}], "slack": [{"name": "slack", "url_file": slack}],
                        "rule": [{"name": "attacks", "channels": "hook"}]});
    hook.answer(&["HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"]);
    let journal = journal(data_dir);
    let handle = start(data_dir, &config);
    attack(&journal, 1);
    // refused: the other channel reports it immediately, and the loss is counted
    let request = other.wait_for(1).remove(0).json();
    assert_eq!(request["blocks"][0]["text"]["text"], "[vps1] Channel “hook” is failing");
    assert!(request["blocks"][1]["text"]["text"].as_str().unwrap().contains("responded 404: gone"));
    let status = handle.status();
    let failing = status.channels.iter().find(|channel| channel.name == "hook").unwrap();
    assert_eq!((failing.lost_notices, failing.lost_events, failing.failed_tries), (1, 1, 1));
    let found = status.findings();
    assert_eq!((found[0].code(), found[0].subject.as_str()), ("notifications.channel_fails", "hook"));
    assert!(
        found[0].to_string().contains("is failing: The last delivery failed: responded 404: gone."),
        "{}",
        found[0]
    );
    let mut registry = Registry::with_prefix("monban");
    registry.register_collector(Box::new(notify::status::Metrics(move || status.clone())));
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("monban_notify_lost_notices_total{channel=\"hook\"} 1\n"), "{metrics}");
    assert!(metrics.contains("monban_notify_failing{channel=\"hook\"} 1\n"), "{metrics}");
    assert!(metrics.contains("monban_notify_failing{channel=\"slack\"} 0\n"), "{metrics}");
    handle.stop().await;
    let file = std::fs::read_to_string(state_path(data_dir)).unwrap();
    assert!(!file.contains("hush"), "a secret is in the state: {file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_a_restart_and_comes_once() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let data_dir = folder.path();
    let config = json!({"webhook": [{"name": "hook", "url": receiver.url()}]});
    receiver.answer(&["HTTP/1.1 429 Slow down\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"]);
    let journal = journal(data_dir);
    let handle = start(data_dir, &config);
    attack(&journal, 1);
    receiver.wait_for(1);
    wait_until("its record", PATIENCE, || handle.status().channels[0].failing_since.is_some());
    handle.stop().await;
    // another attack while the notifier is stopped
    attack(&journal, 2);
    let handle = start(data_dir, &config);
    let waiting = &handle.status().channels[0];
    assert_eq!((waiting.waiting, waiting.failed_tries, waiting.last_error.as_str()), (1, 1, "responded 429"));
    let requests = receiver.wait_for(2);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    wait_until("its record", PATIENCE, || handle.status().channels[0].sent == 1);
    assert_eq!((handle.status().channels[0].waiting_events, receiver.requests().len()), (1, 2));
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_channels_and_a_damaged_state_is_told() {
    let (folder, first, second) = (tempfile::tempdir().unwrap(), Receiver::start(), Receiver::start());
    let data_dir = folder.path();
    let config =
        |name: &str, receiver: &Receiver| json!({"webhook": [{"name": name, "url": receiver.url()}]});
    let journal = journal(data_dir);
    let handle = start(data_dir, &config("first", &first));
    attack(&journal, 1);
    first.wait_for(1);
    let wrong: NotifyConfig =
        serde_json::from_value(json!({"webhook": [{"name": "x", "url": "y"}]})).unwrap();
    assert_eq!(Channel::open_all(&wrong).unwrap_err().len(), 1);
    let new: NotifyConfig = serde_json::from_value(config("second", &second)).unwrap();
    handle.replace(new.clone(), Channel::open_all(&new).unwrap()).await;
    wait_until("the new channel", PATIENCE, || handle.status().channels[0].name == "second");
    attack(&journal, 2);
    second.wait_for(1);
    handle.stop().await;
    assert_eq!(first.requests().len(), 1);

    std::fs::write(state_path(data_dir), "{nonsense").unwrap();
    let handle = start(data_dir, &config("second", &second));
    let request = second.wait_for(2).remove(1).json();
    assert_eq!(request["notice"]["kind"], "state_lost");
    assert!(data_dir.join("notify.json.damaged-1").exists());
    handle.stop().await;
}

#[test]
fn without_channels_nothing_runs_and_nothing_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    drop(journal(folder.path()));
    std::fs::write(state_path(folder.path()), "old").unwrap();
    let events = Arc::new(EventReader::open(folder.path()).unwrap());
    let notifier = Notifier::open(&NotifyConfig::default(), "vps1", folder.path(), events).unwrap();
    assert!(notifier.is_none() && !state_path(folder.path()).exists());
}
