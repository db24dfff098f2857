//! From the body and the headers of a request to an event.
//!
//! An entry's identifier comes from the sensor's name, the unique id and the time in part A, so that the same entry is known
//! again from wherever it comes. Its summary tells another time, some milliseconds later. So that an entry is not stored twice,
//! once whole and once as no more than its summary: the whole one is known also by the identifier that the summary would
//! give it, and a summary by any event of the same unique id in the minute before. What is stored first stays.

use axum::http::HeaderMap;
use event::audit_log::{self, IndexLine};
use event::{Event, EventId, Timestamp};
use md5::{Digest, Md5};
use store::Twin;

use super::Refusal;

/// How long before its summary an entry was written, at most; and after it, where only seconds are told.
const SUMMARY_DELAY_MICROS: i64 = 60_000_000;

/// What was sent. One with a `reason` was damaged.
pub(super) struct Sent {
    pub event: Event,
    /// As what it may be known besides.
    pub twin: Option<Twin>,
}

/// Compares the body with `X-Content-Hash: md5:…`, if there is one; some builds of mlogc put stray bytes behind the digest.
pub(super) fn check_hash(headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let Some(value) = headers.get("x-content-hash") else { return Ok(()) };
    let digits = value.as_bytes().strip_prefix(b"md5:").and_then(|rest| rest.get(..32));
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let promised = digits.ok_or(Refusal::MalformedHash)?;
    let found: String = Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    if promised.eq_ignore_ascii_case(found.as_bytes()) { Ok(()) } else { Err(Refusal::Hash) }
}

/// The event of the body; where that cannot be read, of the summary.
pub(super) fn read(sensor: &str, body: &[u8], headers: &HeaderMap) -> Result<Sent, Refusal> {
    let summary =
        headers.get("x-forensiclog-summary").and_then(|value| IndexLine::parse(value.as_bytes(), 0));
    let damage = match audit_log::read_entry(sensor, body) {
        Ok(entry) => {
            let mut event = entry.event;
            if let Some(line) = summary.as_ref().filter(|_| event.summary.is_some()) {
                line.complete(&mut event);
            }
            let twin = summary.and_then(|line| {
                let id = EventId::derived(line.time?, sensor, &line.origin_id.to_string());
                Some(Twin::Id(id)).filter(|_| id != event.id)
            });
            return Ok(Sent { event, twin });
        }
        Err(damage) => damage,
    };
    let reason = format!("the audit log entry cannot be read: {damage}");
    let event = summary.and_then(|line| line.event(sensor, reason).ok());
    let event = event.ok_or_else(|| Refusal::Unreadable(damage.to_string()))?;
    let at = |micros: i64| Timestamp::from_micros(event.time.as_micros().saturating_add(micros));
    let twin = Some(Twin::Between(at(-SUMMARY_DELAY_MICROS), at(SUMMARY_DELAY_MICROS)));
    Ok(Sent { event, twin })
}
