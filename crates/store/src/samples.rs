//! Events for tests: small and numbered, with different values for each property that filters test.

use event::{Actor, Event, EventId, Header, MatchedRule, Outcome, RequestEvidence, Severity, Timestamp};

/// 2026-11-23T09:04:46Z
pub const EPOCH: i64 = 1_795_424_686_000_000;

/// Returns event number `number`, `number` seconds after [`EPOCH`].
pub fn event(number: u64) -> Event {
    let time = Timestamp::from_micros(EPOCH + number.cast_signed() * 1_000_000);
    let evidence = RequestEvidence {
        line: format!("GET /page/{number}?q=\"><b> HTTP/1.1").into(),
        headers: vec![Header::new("Host", "a.test"), Header::new("X-Odd", &b"\xff\xfe"[..])],
        rules: vec![MatchedRule {
            id: 941_100 + number % 3,
            line: 1,
            operator: "rx".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    Event {
        subject: Some(["shop", "blog"][(number % 2) as usize].into()),
        severity: [Severity::Critical, Severity::Notice, Severity::Warning][(number % 3) as usize],
        actor: Some(Actor::at([203, 0, 113, (number % 5) as u8].into(), Some(1000))),
        ..Event::of_request(
            EventId::derived(time, "n", &number.to_string()),
            time,
            "n",
            [Outcome::Blocked, Outcome::Passed, Outcome::Detected, Outcome::Failed][(number % 4) as usize],
            evidence,
        )
    }
}

/// Returns the number of an event made by [`event`].
pub fn number_of(event: &Event) -> u64 {
    ((event.time.as_micros() - EPOCH) / 1_000_000).cast_unsigned()
}
