//! Stores and deletes events.

use event::{Event, Evidence, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::payload::{Packer, Unpacker, payload_bytes};
use super::quota::{self, Client};
use super::select::last_id;
use super::{add_to_number, facts, incidents, read_event, tallies, text_index, time_of};
use crate::filter::address_key;
use crate::journal::Record;

/// Events that retention deletes in one transaction.
pub(super) const REMOVE_BATCH: u64 = 500;

/// Stores an event. Returns the bytes of its payload; none if the event is not new.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    record: &Record,
    packer: &mut Packer,
) -> rusqlite::Result<Option<usize>> {
    let event = &record.event;
    let id = event.id.to_bytes();
    let seq = record.end.to_i64();
    let sql = "INSERT INTO events (id, seq, time, node, subject, gate, kind, client, outcome, severity)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
    let new = transaction.prepare_cached(sql)?.execute(params![
        id,
        seq,
        event.time.as_micros(),
        event.node,
        event.subject,
        event.gate.as_str(),
        event.kind.as_str(),
        event.address().map(address_key),
        event.outcome.as_str(),
        event.severity.number(),
    ])?;
    if new == 0 {
        return Ok(None);
    }
    let json = event.to_json();
    let payload = packer.pack(&json);
    let bytes = payload.bytes();
    transaction
        .prepare_cached("INSERT OR REPLACE INTO payloads (seq, json) VALUES (?, ?)")?
        .execute(params![seq, payload])?;
    Ok(Some(bytes))
}

/// Deletes up to `limit` of the oldest events, only those before the time `before`. Returns the number of deleted
/// events.
pub(super) fn remove_oldest(
    transaction: &Transaction<'_>,
    before: Option<Timestamp>,
    limit: u64,
) -> rusqlite::Result<u64> {
    let before = before.unwrap_or(Timestamp::MAX);
    // The bound on the identifier avoids a scan of all events if none is old enough.
    let oldest: Vec<([u8; 16], i64)> = transaction
        .prepare_cached("SELECT id, seq FROM events WHERE id <= ?1 AND time < ?2 ORDER BY id LIMIT ?3")?
        .query_map(params![last_id(before), before.as_micros(), limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    remove(transaction, &oldest)?;
    if !oldest.is_empty() {
        incidents::remove(transaction, oldest_time(transaction)?)?;
    }
    Ok(oldest.len() as u64)
}

/// Deletes up to `limit` of a client's oldest events. Returns the number of deleted events.
pub(super) fn remove_oldest_of(
    transaction: &Transaction<'_>,
    client: Client,
    limit: u64,
) -> rusqlite::Result<u64> {
    // The index by client has the identifiers of one address in order. For a network SQLite sorts them, but they are
    // few.
    let ids: Vec<[u8; 16]> = transaction
        .prepare_cached("SELECT id FROM events WHERE client BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3")?
        .query_map(params![client.0, client.1, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut seq = transaction.prepare_cached("SELECT seq FROM events WHERE id = ?")?;
    let mut oldest = Vec::with_capacity(ids.len());
    for id in ids {
        oldest.push((id, seq.query_row([id], |row| row.get(0))?));
    }
    remove(transaction, &oldest)?;
    if !oldest.is_empty() {
        let left: Option<[u8; 16]> = transaction
            .prepare_cached("SELECT min(id) FROM events WHERE client BETWEEN ?1 AND ?2")?
            .query_row(params![client.0, client.1], |row| row.get(0))?;
        incidents::remove_of(transaction, client, left.map(time_of))?;
    }
    Ok(oldest.len() as u64)
}

/// Deletes events, given by identifier and `seq`.
fn remove(transaction: &Transaction<'_>, events: &[([u8; 16], i64)]) -> rusqlite::Result<()> {
    let mut event = transaction.prepare_cached("DELETE FROM events WHERE id = ?")?;
    let mut payload = transaction.prepare_cached("DELETE FROM payloads WHERE seq = ? RETURNING json")?;
    let mut unpacker = Unpacker::default();
    let mut quotas = quota::Changes::default();
    let mut names = facts::Names::default();
    let mut gone: Vec<Event> = Vec::new();
    for (id, seq) in events {
        let unpack = |row: &Row<'_>| {
            let payload = row.get_ref(0)?;
            Ok((payload_bytes(payload), unpacker.json(payload).and_then(read_event).ok()))
        };
        let (bytes, read) = payload.query_row([seq], unpack).optional()?.unwrap_or_default();
        // The store checks events before it accepts them. If one is unreadable all the same, its rows of facts stay,
        // without effect.
        if let Some(event) = &read {
            facts::remove(transaction, event, &mut names)?;
        }
        gone.extend(read.map(|mut event| {
            quotas.add(&event, bytes, -1);
            // the following code reads no bodies, and many bodies together may be large
            if let Evidence::Request(request) = &mut event.evidence {
                request.body = None;
            }
            event
        }));
        event.execute([id])?;
    }
    text_index::remove(transaction, &events.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())?;
    tallies::Deltas::of(&gone, -1).apply(transaction)?;
    quotas.apply(transaction)?;
    let count = events.len() as u64;
    add_to_number(transaction, "events", -count.cast_signed())?;
    add_to_number(transaction, "removed", count.cast_signed())
}

/// Returns the time of the oldest event.
fn oldest_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT time FROM events ORDER BY id LIMIT 1")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?.map(Timestamp::from_micros))
}
