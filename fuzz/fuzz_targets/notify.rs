//! Foreign input of the notifier: a Retry-After header, its own state file, and an event in a template for Slack's JSON. No
//! panic; durations and sizes stay within their limits; no bracket reaches Slack unescaped.
#![no_main]

use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
use libfuzzer_sys::fuzz_target;
use notify::config::NotifyConfig;
use notify::limits::{MAX_CHANNELS, MAX_QUEUE, MAX_RENDERED_BYTES};
use notify::message::MessageWriter;
use notify::notice::{Kind, Notice};
use notify::planner::Planner;
use notify::notice_event::NoticeEvent;
use notify::slack;
use notify::state::State;
use spine::http::retry_after;

fuzz_target!(|data: &[u8]| {
    let now = Timestamp::from_micros(1_795_424_686_000_000);
    let _ = retry_after(data, now);
    let config = r#"{"time_zone": "UTC", "console_url": "https://gate.example.org", "slack": [{"name": "a", "url_env": "X"}],
        "summary": {"at": "08:00"}, "rule": [{"name": "r",
        "subject": "{{ event.summary }} {{ event.subject|upper }}",
        "body": "{{ event.request }}{% for rule in event.rules %} {{ rule.id }} {{ rule.message|trim }}{% endfor %}{{ paths }}"}]}"#;
    let config: NotifyConfig = serde_json::from_str(config).expect("a constant");
    let words = MessageWriter::new(&config, "vps1");
    if let Ok(state) = State::from_json(data) {
        assert!(state.channels.len() <= MAX_CHANNELS);
        assert!(state.channels.values().all(|outbox| outbox.queue.len() <= MAX_QUEUE));
        let mut planner = Planner::new(&config, "vps1", state);
        planner.tick(now);
        if let Some(notice) = planner.due("a", now) {
            words.message(notice);
        }
        assert!(State::from_json(&planner.state().to_json().expect("a state serialises")).is_ok());
    }
    let evidence = RequestEvidence { line: data.into(), ..RequestEvidence::default() };
    let mut event = Event::of_request(EventId::derived(now, "n", "1"), now, "n", Outcome::Passed, evidence);
    event.subject = Some(String::from_utf8_lossy(data).into_owned());
    event.summary = event.subject.clone();
    let kind = Kind::Event { rule: "r".into(), event: Box::new(NoticeEvent::from(&event)) };
    let message = words.message(&Notice { id: "1".into(), at: now, urgent: false, kind });
    assert!(message.subject.chars().count() <= 200 && !message.subject.contains(char::is_control));
    assert!(!message.body.chars().any(|c| c.is_control() && c != '\n'));
    assert!(message.body.len() <= MAX_RENDERED_BYTES * 10);
    let payload = slack::payload(&message);
    for block in &payload["blocks"].as_array().expect("blocks")[..2] {
        let text = block["text"]["text"].as_str().expect("a text");
        assert!(!text.contains(['<', '>']) && text.encode_utf16().count() <= 3000);
    }
});
