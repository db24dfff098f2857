//! Events that come and go.

use event::{Event, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::select::last_id;
use super::{add_to_number, incidents, read_event, tallies, text_index};
use crate::filter::{address_key, method, status};
use crate::journal::Record;
use crate::overview::rules_of;

/// Events that retention deletes in one transaction.
pub(super) const REMOVE_BATCH: u64 = 500;

pub(super) fn insert(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<bool> {
    let event = &record.event;
    let id = event.id.to_bytes();
    let seq = record.end.to_i64();
    let sql = "INSERT INTO events (id, seq, time, node, site, gate, client, action, severity, status, method)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
    let new = transaction.prepare_cached(sql)?.execute(params![
        id,
        seq,
        event.time.as_micros(),
        event.node,
        event.subject,
        event.gate.as_str(),
        event.address().map(address_key),
        event.outcome.as_str(),
        event.severity.number(),
        status(event),
        method(event),
    ])?;
    if new == 0 {
        return Ok(false);
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO payloads (seq, json) VALUES (?, ?)")?
        .execute(params![seq, event.to_json()])?;
    let rules = event.request().map(|request| &request.rules[..]).unwrap_or_default();
    let mut statement =
        transaction.prepare_cached("INSERT OR IGNORE INTO event_rules (rule, event) VALUES (?, ?)")?;
    for rule in rules {
        statement.execute(params![rule.id.cast_signed(), id])?;
    }
    Ok(true)
}

/// Deletes up to `limit` of the oldest events, those before the time `before` only. Returns how many.
pub(super) fn remove_oldest(
    transaction: &Transaction<'_>,
    before: Option<Timestamp>,
    limit: u64,
) -> rusqlite::Result<u64> {
    let before = before.unwrap_or(Timestamp::MAX);
    // The bound on the identifier keeps it from looking at every event when none is old enough.
    let oldest: Vec<([u8; 16], i64)> = transaction
        .prepare_cached("SELECT id, seq FROM events WHERE id <= ?1 AND time < ?2 ORDER BY id LIMIT ?3")?
        .query_map(params![last_id(before), before.as_micros(), limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut event = transaction.prepare_cached("DELETE FROM events WHERE id = ?")?;
    let mut rules = transaction.prepare_cached("DELETE FROM event_rules WHERE rule = ? AND event = ?")?;
    let mut payload = transaction.prepare_cached("DELETE FROM payloads WHERE seq = ? RETURNING json")?;
    let mut gone: Vec<(i64, Option<Event>)> = Vec::new();
    for (id, seq) in &oldest {
        let json: Option<String> = payload.query_row([seq], |row| row.get(0)).optional()?;
        // the store checks events when it takes them; of one that can't be read all the same, rows of rules stay that lead nowhere
        let read = json.and_then(|json| read_event(&json).ok());
        for rule in read.as_ref().map(rules_of).unwrap_or_default() {
            rules.execute(params![rule.cast_signed(), id])?;
        }
        event.execute([id])?;
        gone.push((*seq, read));
    }
    text_index::remove(transaction, &oldest.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())?;
    tallies::remove(transaction, &gone)?;
    if !oldest.is_empty() {
        incidents::remove(transaction, oldest_time(transaction)?)?;
    }
    let count = oldest.len() as u64;
    add_to_number(transaction, "events", -count.cast_signed())?;
    add_to_number(transaction, "removed", count.cast_signed())?;
    Ok(count)
}

/// The time of the event that goes first.
fn oldest_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT time FROM events ORDER BY id LIMIT 1")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?.map(Timestamp::from_micros))
}
