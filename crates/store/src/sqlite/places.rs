//! Pairs of gate and subject, by which events are counted, with the number of their events.
//!
//! The counts of [`super::tallies`] refer to a place by its number: a comparison of two texts in each row would cost
//! more than everything else.

use std::collections::HashMap;

use event::Event;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, params};

/// The gate of an event, and what the event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place<'a> {
    pub gate: &'a str,
    pub subject: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        Self { gate: event.gate.as_str(), subject: event.subject.as_deref() }
    }
}

/// A subject in the table: a text, or an empty BLOB for none.
struct Subject<'a>(Option<&'a str>);

impl ToSql for Subject<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = self.0.map_or(ValueRef::Blob(&[]), |subject| ValueRef::Text(subject.as_bytes()));
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// Adds to the numbers of events of places, in a table that has a row for each place with events. Returns the numbers
/// of the places.
pub(super) fn add(transaction: &Transaction<'_>, changes: &[(Place<'_>, i64)]) -> rusqlite::Result<Vec<i64>> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO places (gate, subject, events) VALUES (?1, ?2, ?3)
         ON CONFLICT (gate, subject) DO UPDATE SET events = events + ?3 RETURNING id, events",
    )?;
    let mut delete = transaction.prepare_cached("DELETE FROM places WHERE id = ?")?;
    let mut ids = Vec::with_capacity(changes.len());
    for (place, change) in changes {
        let row = params![place.gate, Subject(place.subject), change];
        let (id, events): (i64, i64) = add.query_row(row, |row| Ok((row.get(0)?, row.get(1)?)))?;
        if events <= 0 {
            delete.execute([id])?;
        }
        ids.push(id);
    }
    Ok(ids)
}

/// The most places that are kept in memory.
const KEPT: usize = 1000;

/// Places of a test, read when they are first asked for.
pub(super) struct Passing<'c, F> {
    connection: &'c Connection,
    test: F,
    known: HashMap<i64, Option<(String, Option<String>)>>,
}

impl<'c, F: Fn(Place<'_>) -> bool> Passing<'c, F> {
    pub(super) fn new(connection: &'c Connection, test: F) -> Self {
        Self { connection, test, known: HashMap::new() }
    }

    /// Returns the place with this number; none if it does not pass the test.
    pub(super) fn get(&mut self, id: i64) -> rusqlite::Result<Option<Place<'_>>> {
        if !self.known.contains_key(&id) {
            if self.known.len() >= KEPT {
                self.known.clear();
            }
            let sql = "SELECT gate, subject FROM places WHERE id = ?";
            let place = self.connection.prepare_cached(sql)?.query_row([id], |row| {
                let subject = match row.get_ref(1)? {
                    ValueRef::Text(_) => Some(row.get(1)?),
                    _ => None,
                };
                Ok((row.get(0)?, subject))
            })?;
            let place: (String, Option<String>) = place;
            let passes = (self.test)(Place { gate: &place.0, subject: place.1.as_deref() });
            self.known.insert(id, passes.then_some(place));
        }
        let known = self.known.get(&id).and_then(Option::as_ref);
        Ok(known.map(|(gate, subject)| Place { gate, subject: subject.as_deref() }))
    }
}
