use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::limits::MAX_QUEUE;
use crate::notice_event::tests::attack;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns a time after Tuesday noon in UTC.
fn noon(seconds: u64) -> Timestamp {
    later(at("2026-11-24T12:00:00Z"), Duration::from_secs(seconds))
}

fn config(value: Value) -> NotifyConfig {
    let mut value = value;
    value["time_zone"] = "UTC".into();
    let config: NotifyConfig = serde_json::from_value(value).unwrap();
    assert_eq!(config.faults(), []);
    config
}

fn planner(value: Value) -> Planner {
    Planner::new(&config(value), "vps1", State::beginning_at(store::Position::START))
}

fn slack_and_mail() -> Value {
    json!({"slack": [{"name": "slack", "url_env": "X"}],
           "mail": [{"name": "mail", "server": "m", "from": "a@b", "to": "c@d"}]})
}

/// Returns short forms of the notices that wait for a channel, and marks them as delivered.
fn taken(planner: &mut Planner, name: &str, now: Timestamp) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(notice) = planner.due(name, now).cloned() {
        texts.push(match &notice.kind {
            Kind::Event { rule, .. } => format!("{rule} event"),
            Kind::Digest { rule, tally } => format!("{rule} {}", tally.count),
            Kind::Summary { tally, before, .. } => {
                format!("summary {} {:?}", tally.count, before.map(|before| before.attacks))
            }
            Kind::Failing { channel, what, .. } => format!("{channel} fails: {what}"),
            Kind::Recovered { channel, waiting, .. } => format!("{channel} works, {waiting} waiting"),
            Kind::Dropped { channel, notices, events, .. } => format!("{channel} lost {notices} of {events}"),
            Kind::StateLost { .. } => "state lost".to_owned(),
            Kind::Test => "test".to_owned(),
        });
        planner.sent(name, &notice.id, &Ok(()), now);
    }
    texts
}

#[test]
fn a_burst_is_one_message_at_once_and_one_digest_and_one_mail() {
    let mut planner = planner(slack_and_mail());
    for number in 0..10_000 {
        let now = noon(u64::from(number) / 100);
        planner.tick(now);
        planner.observe(&attack(number, 7, now), now);
    }
    assert_eq!(taken(&mut planner, "slack", noon(100)), ["attacks event"]);
    assert_eq!(taken(&mut planner, "mail", noon(100)), [""; 0]);
    let mut told = Vec::new();
    for second in 100..10_000 {
        planner.tick(noon(second));
        for channel in ["slack", "mail"] {
            told.extend(
                taken(&mut planner, channel, noon(second))
                    .iter()
                    .map(|text| format!("{second} {channel} {text}")),
            );
        }
    }
    assert_eq!(told, ["600 slack attacks 9999", "600 mail attacks 10000"]);
    // all windows are closed again: the next event is a first one
    assert!(planner.state().windows.values().all(BTreeMap::is_empty));
    planner.observe(&attack(1, 7, noon(10_000)), noon(10_000));
    assert_eq!(taken(&mut planner, "slack", noon(10_000)), ["attacks event"]);
}

#[test]
fn what_goes_on_is_told_once_each_span() {
    let mut planner = planner(json!({"slack": [{"name": "slack", "url_env": "X"}],
        "rule": [{"name": "all", "digest": "1m"}]}));
    let mut told = Vec::new();
    for second in 0..150 {
        planner.tick(noon(second));
        planner.observe(&attack(second as u32, 7, noon(second)), noon(second));
        told.extend(taken(&mut planner, "slack", noon(second)).iter().map(|text| format!("{second} {text}")));
    }
    assert_eq!(told, ["0 all event", "60 all 59", "120 all 60"]);
}

#[test]
fn rules_choose_events_and_channels() {
    let mut value = slack_and_mail();
    value["rule"] = json!([
        {"name": "shop", "when": {"subject": "shop", "client": "!192.0.2.9"}, "channels": ["slack"]},
        {"name": "severe", "when": {"severity": "alert"}, "channels": ["mail"], "at_once": true},
    ]);
    let mut planner = planner(value);
    let now = noon(0);
    planner.observe(&attack(1, 9, now), now);
    assert_eq!((taken(&mut planner, "slack", now), taken(&mut planner, "mail", now)), (vec![], vec![]));
    planner.observe(&attack(2, 7, now), now);
    assert_eq!(taken(&mut planner, "slack", now), ["shop event"]);
    let alert = event::Event { severity: event::Severity::Alert, subject: None, ..attack(3, 7, now) };
    planner.observe(&alert, now);
    assert_eq!(
        (taken(&mut planner, "slack", now), taken(&mut planner, "mail", now)),
        (vec![], vec!["severe event".into()])
    );
}

#[test]
fn quiet_hours_hold_everything_but_what_goes_through() {
    let mut planner = planner(json!({
        "slack": [{"name": "slack", "url_env": "X", "quiet": "22:00-07:00"}],
        "rule": [{"name": "all"}, {"name": "severe", "when": {"severity": "alert"}, "through_quiet": true}]}));
    let night = at("2026-11-24T23:00:00Z");
    for number in 0..5 {
        planner.tick(night);
        planner.observe(&attack(number, 7, night), night);
    }
    assert_eq!(taken(&mut planner, "slack", night), [""; 0]);
    let alert = event::Event { severity: event::Severity::Alert, ..attack(9, 7, night) };
    planner.observe(&alert, night);
    assert_eq!(taken(&mut planner, "slack", night), ["severe event"]);
    let mut told = Vec::new();
    for minute in 0..600 {
        let now = later(night, Duration::from_secs(60 * minute));
        planner.tick(now);
        told.extend(taken(&mut planner, "slack", now).iter().map(|text| format!("{minute} {text}")));
    }
    // at seven o'clock, one digest
    assert_eq!(told, ["480 all 6"]);
}

#[test]
fn a_channels_limit_delays_and_loses_nothing() {
    let rules: Vec<Value> =
        (0..5).map(|number| json!({"name": format!("r{number}"), "digest": "1m"})).collect();
    let mut planner =
        planner(json!({"slack": [{"name": "slack", "url_env": "X", "max_per_hour": 3}], "rule": rules}));
    planner.observe(&attack(1, 7, noon(0)), noon(0));
    assert_eq!(taken(&mut planner, "slack", noon(0)), ["r0 event", "r1 event", "r2 event"]);
    let mut told = Vec::new();
    for second in 1..8000 {
        planner.tick(noon(second));
        if second == 1000 {
            planner.observe(&attack(2, 7, noon(second)), noon(second));
        }
        told.extend(taken(&mut planner, "slack", noon(second)).iter().map(|text| format!("{second} {text}")));
    }
    assert_eq!(told, ["3600 r0 1", "3600 r1 1", "3600 r2 1", "7200 r3 2", "7200 r4 2"]);
}

#[test]
fn a_channel_that_fails_is_told_of_by_the_others_and_loses_nothing() {
    let mut value = slack_and_mail();
    value["rule"] = json!([{"name": "all", "digest": "10m", "at_once": true}]);
    let mut planner = planner(value);
    let down = Err(SendError::later("connection refused"));
    let (mut slack, mut counted) = (Vec::new(), 0);
    // the mail server is down for a day, with an attack each minute
    for minute in 0..1440_u32 {
        let now = noon(u64::from(minute) * 60);
        planner.tick(now);
        planner.observe(&attack(minute, 7, now), now);
        slack.extend(taken(&mut planner, "slack", now).into_iter().filter(|text| text.starts_with("mail")));
        if let Some(id) = planner.due("mail", now).map(|notice| notice.id.clone()) {
            planner.sent("mail", &id, &down, now);
        }
    }
    assert_eq!(slack, ["mail fails: connection refused"]);
    let outbox = planner.outbox("mail").unwrap();
    assert_eq!(
        (outbox.queue.len(), outbox.lost, outbox.failing_since),
        (COALESCE_FROM, Lost::default(), Some(noon(0)))
    );
    // it works again
    let now = noon(1440 * 60);
    while let Some(notice) = planner.due("mail", later(now, Duration::from_secs(3600))).cloned() {
        counted += notice.events();
        planner.sent("mail", &notice.id, &Ok(()), now);
    }
    for second in 0..1200 {
        let now = later(now, Duration::from_secs(second));
        planner.tick(now);
        while let Some(notice) = planner.due("mail", now).cloned() {
            counted += notice.events();
            planner.sent("mail", &notice.id, &Ok(()), now);
        }
    }
    assert_eq!(counted, 1440);
    let told: Vec<String> =
        taken(&mut planner, "slack", now).into_iter().filter(|text| text.starts_with("mail")).collect();
    assert_eq!(told, [format!("mail works, {} waiting", COALESCE_FROM - 1)]);
}

#[test]
fn what_a_full_queue_loses_is_told() {
    let mut planner = planner(slack_and_mail());
    for _ in 0..MAX_QUEUE + 2 {
        planner.push("mail", Kind::Test, false, noon(0));
    }
    assert_eq!(taken(&mut planner, "slack", noon(0)), ["mail lost 1 of 0"]);
    let mail = taken(&mut planner, "mail", noon(0));
    assert_eq!((mail.len(), mail.last().unwrap().as_str()), (MAX_QUEUE + 1, "mail lost 2 of 0"));
    assert_eq!(taken(&mut planner, "slack", noon(0)), ["mail lost 2 of 0"]);
}

#[test]
fn the_summary_comes_once_a_day_with_all_events() {
    let mut value = slack_and_mail();
    value["summary"] = json!({"at": "08:00", "channels": ["mail"]});
    value["rule"] = json!([{"name": "none", "when": {"subject": "other"}}]);
    let mut planner = planner(value);
    let mut told = Vec::new();
    for minute in 0..4320 {
        let now = noon(minute * 60);
        planner.tick(now);
        if minute < 2880 {
            planner.observe(&attack(minute as u32, 7, now), now);
        }
        told.extend(taken(&mut planner, "mail", now).iter().map(|text| format!("{minute} {text}")));
    }
    assert_eq!(
        told,
        ["1200 summary 1200 None", "2640 summary 1440 Some(1200)", "4080 summary 240 Some(1440)"]
    );
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let value = slack_and_mail();
    let mut planner = planner(value.clone());
    let mut told = Vec::new();
    for number in 0..1000 {
        let now = noon(u64::from(number));
        planner.tick(now);
        planner.observe(&attack(number, 7, now), now);
        let json = planner.into_state().to_json().unwrap();
        planner = Planner::new(&config(value.clone()), "vps1", State::from_json(&json).unwrap());
        for channel in ["slack", "mail"] {
            told.extend(
                taken(&mut planner, channel, now).iter().map(|text| format!("{number} {channel} {text}")),
            );
        }
    }
    assert_eq!(told, ["0 slack attacks event", "600 slack attacks 599", "600 mail attacks 600"]);
}

#[test]
fn another_configuration_keeps_what_it_still_has() {
    let mut planner = planner(slack_and_mail());
    planner.observe(&attack(1, 7, noon(0)), noon(0));
    planner.observe(&attack(2, 7, noon(1)), noon(1));
    let only_mail = json!({"mail": slack_and_mail()["mail"], "rule": [{"name": "attacks"}]});
    let mut planner = Planner::new(&config(only_mail), "vps1", planner.into_state());
    assert_eq!(planner.state().channels.keys().collect::<Vec<_>>(), ["mail"]);
    planner.tick(noon(600));
    assert_eq!(taken(&mut planner, "mail", noon(600)), ["attacks 2"]);
    let other = json!({"mail": slack_and_mail()["mail"], "rule": [{"name": "other"}]});
    assert!(Planner::new(&config(other), "vps1", planner.into_state()).state().windows.is_empty());
}

#[test]
fn clocks_may_jump() {
    let mut planner = planner(slack_and_mail());
    planner.observe(&attack(1, 7, noon(0)), noon(0));
    planner.observe(&attack(2, 7, noon(0)), noon(0));
    taken(&mut planner, "slack", noon(0));
    // a year back: the digest comes after its normal period, not after a year
    let past = at("2025-11-24T12:00:00Z");
    planner.tick(past);
    assert_eq!(taken(&mut planner, "slack", past), [""; 0]);
    planner.tick(later(past, Duration::from_secs(600)));
    assert_eq!(taken(&mut planner, "slack", later(past, Duration::from_secs(600))), ["attacks 1"]);
    // and forward again
    planner.tick(noon(0));
    assert_eq!(taken(&mut planner, "slack", noon(0)), [""; 0]);
    planner.observe(&attack(3, 7, noon(0)), noon(0));
    assert_eq!(taken(&mut planner, "slack", noon(0)), ["attacks event"]);
}

#[test]
fn old_events_are_counted_not_told() {
    let mut planner = planner(slack_and_mail());
    planner.observe(&attack(1, 7, at("2026-11-23T11:59:59Z")), noon(0));
    assert_eq!((taken(&mut planner, "slack", noon(0)), planner.state().skipped), (vec![], 1));
    planner.observe(&attack(2, 7, at("2026-11-23T12:00:00Z")), noon(0));
    assert_eq!(taken(&mut planner, "slack", noon(0)), ["attacks event"]);
}
