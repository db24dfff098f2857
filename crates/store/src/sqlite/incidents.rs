//! Incidents as rows that are updated as events arrive.

use std::collections::BTreeMap;

use event::{Event, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

use super::quota::Client;
use super::tallies::address;
use crate::incident::{Actor, Course, GAP, Incident, IncidentPage, IncidentQuery, group};
use crate::limits::MAX_INCIDENTS;

const COLUMNS: &str = "id, property, actor, categories, subject, path, first, last, events, blocked, highest_score, rules, course";

fn read(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let damaged =
        |column| rusqlite::Error::InvalidColumnType(column, "incidents".into(), rusqlite::types::Type::Blob);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let rules = row.get_ref(11)?.as_blob()?.chunks_exact(16);
    Ok(Incident {
        id: row.get(0)?,
        actor: Actor { property: row.get(1)?, value: row.get(2)? },
        categories: serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|_| damaged(3))?,
        subject: row.get(4)?,
        path: row.get(5)?,
        first: Timestamp::from_micros(row.get(6)?),
        last: Timestamp::from_micros(row.get(7)?),
        events: row.get(8)?,
        stopped: row.get(9)?,
        highest_score: row.get(10)?,
        rules: rules.map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect::<BTreeMap<u64, u64>>(),
        course: Course::from_bytes(row.get_ref(12)?.as_blob()?).ok_or_else(|| damaged(12))?,
    })
}

/// Adds events, which may be older than the stored ones.
pub(super) fn add<'a>(
    transaction: &Transaction<'_>,
    events: impl IntoIterator<Item = &'a Event>,
) -> rusqlite::Result<()> {
    let mut neighbours = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM incidents WHERE property = ? AND actor = ? AND last > ? ORDER BY last"
    ))?;
    let mut delete = transaction.prepare_cached("DELETE FROM incidents WHERE id = ?")?;
    for mut incident in group(events) {
        let from = incident.first.as_micros() - GAP;
        let mut found = Vec::new();
        let mut rows = neighbours.query(params![incident.actor.property, incident.actor.value, from])?;
        // Incidents of one actor do not overlap: after the first one that does not touch, no other one does.
        while let Some(row) = rows.next()? {
            let neighbour = read(row)?;
            if !neighbour.touches(&incident) {
                break;
            }
            found.push(neighbour);
        }
        drop(rows);
        for neighbour in &found {
            incident.merge(neighbour);
        }
        let mut ids = found.iter().map(|neighbour| neighbour.id);
        let id = ids.next();
        for other in ids {
            delete.execute([other])?;
        }
        write(transaction, id, &incident)?;
    }
    Ok(())
}

fn write(transaction: &Transaction<'_>, id: Option<i64>, incident: &Incident) -> rusqlite::Result<()> {
    let rules: Vec<u8> = incident
        .rules
        .iter()
        .flat_map(|(rule, count)| [rule.to_be_bytes(), count.to_be_bytes()])
        .flatten()
        .collect();
    let course = incident.course.to_bytes();
    // a map of texts and numbers can always be serialised
    let categories = serde_json::to_string(&incident.categories).unwrap_or_default();
    let (first, last) = (incident.first.as_micros(), incident.last.as_micros());
    match id {
        None => transaction
            .prepare_cached(&format!(
                "INSERT INTO incidents ({COLUMNS}) VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?)"
            ))?
            .execute(params![
                incident.actor.property,
                incident.actor.value,
                categories,
                incident.subject,
                incident.path,
                first,
                last,
                incident.events,
                incident.stopped,
                incident.highest_score,
                rules,
                course
            ]),
        Some(id) => transaction
            .prepare_cached(
                "UPDATE incidents SET categories = ?, subject = ?, path = ?, first = ?, last = ?, events = ?, blocked = ?,
                 highest_score = ?, rules = ?, course = ? WHERE id = ?",
            )?
            .execute(params![
                categories,
                incident.subject,
                incident.path,
                first,
                last,
                incident.events,
                incident.stopped,
                incident.highest_score,
                rules,
                course,
                id
            ]),
    }
    .map(drop)
}

/// Deletes the incidents without remaining events, after the events before `oldest` were deleted. `oldest` is none if no
/// event remains.
pub(super) fn remove(transaction: &Transaction<'_>, oldest: Option<Timestamp>) -> rusqlite::Result<()> {
    let oldest = oldest.map_or(i64::MAX, Timestamp::as_micros);
    transaction.prepare_cached("DELETE FROM incidents WHERE last < ?")?.execute([oldest]).map(drop)
}

/// Deletes the incidents of a client without remaining events, after its events before `oldest` were deleted. `oldest` is
/// none if none of its events remains.
pub(super) fn remove_of(
    transaction: &Transaction<'_>,
    client: Client,
    oldest: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let actor = Actor::at(address(&client.0));
    let oldest = oldest.map_or(i64::MAX, Timestamp::as_micros);
    transaction
        .prepare_cached("DELETE FROM incidents WHERE property = ? AND actor = ? AND last < ?")?
        .execute(params![actor.property, actor.value, oldest])
        .map(drop)
}

/// Returns a page of incidents, the one with the newest event first.
pub(super) fn page(connection: &Connection, query: &IncidentQuery) -> rusqlite::Result<IncidentPage> {
    let limit = query.limit.min(MAX_INCIDENTS);
    let since = query.since.map_or(i64::MIN, Timestamp::as_micros);
    let until = query.until.map_or(i64::MAX, Timestamp::as_micros);
    let (last, id) = query.before.map_or((i64::MAX, i64::MAX), |(last, id)| (last.as_micros(), id));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM incidents WHERE last >= ? AND last < ? AND (last, id) < (?, ?)
         ORDER BY last DESC, id DESC LIMIT ?"
    ))?;
    let rows = statement.query_map(params![since, until, last, id, limit + 1], read)?;
    let mut incidents: Vec<Incident> = rows.collect::<rusqlite::Result<_>>()?;
    let more = incidents.len() > limit;
    incidents.truncate(limit);
    let next = incidents.last().filter(|_| more).map(|incident| (incident.last, incident.id));
    Ok(IncidentPage { incidents, next })
}
