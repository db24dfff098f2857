//! The index of facts: a row for each fact of an event, by name, value and event.
//!
//! Hosts, paths, tags and scores of requests have no rows: they would take more space than all others together. The
//! index of texts finds hosts, paths and tags; scores are read from the events.

use std::collections::HashMap;

use event::{Event, Fact, FactValue};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};

use crate::filter::{Filter, Test, ValuePattern};
use crate::limits::MOST_FACT_VALUES;

/// Names of the facts without rows.
const WITHOUT_ROWS: [&str; 4] = ["host", "path", "score", "tag"];

/// Cache of the identifiers of names.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, i64>);

impl Names {
    fn id(&mut self, transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.0.get(name) {
            return Ok(*id);
        }
        let id = match name_id(transaction, name)? {
            Some(id) => id,
            None => {
                let sql = "INSERT INTO fact_names (name) VALUES (?)";
                transaction.prepare_cached(sql)?.insert([name])?
            }
        };
        self.0.insert(name.to_owned(), id);
        Ok(id)
    }
}

fn name_id(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM fact_names WHERE name = ?")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

fn has_rows(name: &str) -> bool {
    !WITHOUT_ROWS.contains(&name)
}

fn rows_of(event: &Event) -> Vec<Fact> {
    event.facts_named(&has_rows)
}

/// The column `value` of a fact.
struct Column<'a>(&'a FactValue);

impl ToSql for Column<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            FactValue::Number(number) => ValueRef::Integer(*number),
            FactValue::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Rows that are inserted before more of them are collected.
const MOST_ROWS: usize = 16_384;

/// Rows of events that are inserted together, in the order of the table: rows with the same name and value are on the
/// same page.
#[derive(Debug, Default)]
pub(super) struct NewRows {
    names: Names,
    rows: Vec<(i64, FactValue, [u8; 16])>,
}

impl NewRows {
    /// Adds the rows of an event.
    pub(super) fn add(&mut self, transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
        let id = event.id.to_bytes();
        for Fact { name, value } in rows_of(event) {
            self.rows.push((self.names.id(transaction, &name)?, value, id));
        }
        if self.rows.len() > MOST_ROWS { self.flush(transaction) } else { Ok(()) }
    }

    /// Inserts the rows.
    pub(super) fn flush(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.rows.sort_unstable();
        let mut insert = transaction
            .prepare_cached("INSERT OR IGNORE INTO facts (name, value, event) VALUES (?, ?, ?)")?;
        for (name, value, event) in self.rows.drain(..) {
            insert.execute(params![name, Column(&value), event])?;
        }
        Ok(())
    }
}

/// Deletes the rows of an event.
pub(super) fn remove(
    transaction: &Transaction<'_>,
    event: &Event,
    names: &mut Names,
) -> rusqlite::Result<()> {
    let mut delete =
        transaction.prepare_cached("DELETE FROM facts WHERE name = ? AND value = ? AND event = ?")?;
    for Fact { name, value } in rows_of(event) {
        delete.execute(params![names.id(transaction, &name)?, Column(&value), event.id.to_bytes()])?;
    }
    Ok(())
}

/// A test of a fact in terms of the index: the name, and the passing values.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    pub name: i64,
    pub values: Vec<Value>,
}

/// Returns for each condition of a filter how the index evaluates it; none if it cannot.
pub(super) fn resolve(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Option<Indexed>>> {
    let resolve_one = |test: &Test| match test {
        Test::Fact(name, patterns) if has_rows(name) => {
            // no event has a fact with an unknown name
            let Some(name) = name_id(connection, name)? else {
                return Ok(Some(Indexed { name: 0, values: Vec::new() }));
            };
            let mut values = Vec::new();
            for pattern in patterns {
                if !add_values(connection, name, pattern, &mut values)? {
                    return Ok(None);
                }
            }
            Ok(Some(Indexed { name, values }))
        }
        _ => Ok(None),
    };
    filter.conditions.iter().map(|condition| resolve_one(&condition.test)).collect()
}

/// Adds the values that match a pattern. Returns false if there are more than [`MOST_FACT_VALUES`].
fn add_values(
    connection: &Connection,
    name: i64,
    pattern: &ValuePattern,
    values: &mut Vec<Value>,
) -> rusqlite::Result<bool> {
    let add = |value: Value, values: &mut Vec<Value>| {
        if !values.contains(&value) {
            values.push(value);
        }
    };
    if let Some(numbers) = pattern.numbers() {
        let (mut first, last) = (*numbers.start(), *numbers.end());
        // a single number needs no lookup
        if first == last {
            add(Value::Integer(first), values);
        } else {
            let sql =
                "SELECT value FROM facts WHERE name = ? AND value BETWEEN ? AND ? ORDER BY value LIMIT 1";
            let mut next = connection.prepare_cached(sql)?;
            while let Some(value) = next.query_row([name, first, last], |row| row.get(0)).optional()? {
                add(Value::Integer(value), values);
                match value.checked_add(1) {
                    Some(above) if values.len() <= MOST_FACT_VALUES => first = above,
                    _ => break,
                }
            }
        }
    }
    match pattern.text() {
        Some(text) if text.is_prefix() => {
            let start = text.text().to_owned();
            let sql = "SELECT value FROM facts WHERE name = ?1 AND value > ?2 ORDER BY value LIMIT 1";
            let mut next = connection.prepare_cached(sql)?;
            let exists = "SELECT 1 FROM facts WHERE name = ? AND value = ? LIMIT 1";
            if connection.prepare_cached(exists)?.exists(params![name, start])? {
                add(Value::Text(start.clone()), values);
            }
            let mut last = start;
            while values.len() <= MOST_FACT_VALUES {
                let found: Option<String> =
                    next.query_row(params![name, last], |row| row.get(0)).optional()?;
                let Some(value) = found.filter(|value| text.matches(value)) else { break };
                add(Value::Text(value.clone()), values);
                last = value;
            }
        }
        Some(text) => add(Value::Text(text.text().to_owned()), values),
        None => {}
    }
    Ok(values.len() <= MOST_FACT_VALUES)
}
