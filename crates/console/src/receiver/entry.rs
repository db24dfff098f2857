//! Makes an event from the body and the headers of a request.
//!
//! The id of an event comes from the sensor's name, the unique id and the time in part A, so that an entry has the same id from
//! every source. Its summary has another time, some milliseconds later. To store an entry only once, the receiver also searches
//! for the id that the entry's summary would have, and for a summary any event with the same unique id in the minute before. The
//! first one stays.

use axum::http::HeaderMap;
use event::audit_log::{self, IndexLine};
use event::{Event, EventId, Timestamp};
use md5::{Digest, Md5};
use store::Alias;

use super::Refusal;

/// Longest time between an entry and its summary, in both directions: some summaries have only whole seconds.
const SUMMARY_DELAY_MICROS: i64 = 60_000_000;

/// An entry as sent. The event of a damaged one has a `reason`.
pub(super) struct Sent {
    pub event: Event,
    /// Another id under which the event may be stored.
    pub alias: Option<Alias>,
}

/// Compares the body with `X-Content-Hash: md5:…`, if present. Some builds of mlogc append stray bytes to the digest.
pub(super) fn check_hash(headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let Some(value) = headers.get("x-content-hash") else { return Ok(()) };
    let digits = value.as_bytes().strip_prefix(b"md5:").and_then(|rest| rest.get(..32));
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let promised = digits.ok_or(Refusal::MalformedHash)?;
    let found: String = Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    if promised.eq_ignore_ascii_case(found.as_bytes()) { Ok(()) } else { Err(Refusal::Hash) }
}

/// Returns the event of the body, or of the summary if the body cannot be read.
pub(super) fn read(sensor: &str, body: &[u8], headers: &HeaderMap) -> Result<Sent, Refusal> {
    let summary =
        headers.get("x-forensiclog-summary").and_then(|value| IndexLine::parse(value.as_bytes(), 0));
    let damage = match audit_log::read_entry(sensor, body) {
        Ok(entry) => {
            let mut event = entry.event;
            if let Some(line) = summary.as_ref().filter(|_| event.summary.is_some()) {
                line.complete(&mut event);
            }
            let alias = summary.and_then(|line| {
                let id = EventId::derived(line.time?, sensor, &line.origin_id.to_string());
                Some(Alias::Id(id)).filter(|_| id != event.id)
            });
            return Ok(Sent { event, alias });
        }
        Err(damage) => damage,
    };
    let reason = format!("the audit log entry cannot be read: {damage}");
    let event = summary.and_then(|line| line.event(sensor, reason).ok());
    let event = event.ok_or_else(|| Refusal::Unreadable(damage.to_string()))?;
    let at = |micros: i64| Timestamp::from_micros(event.time.as_micros().saturating_add(micros));
    let alias = Some(Alias::SameOrigin(at(-SUMMARY_DELAY_MICROS), at(SUMMARY_DELAY_MICROS)));
    Ok(Sent { event, alias })
}
