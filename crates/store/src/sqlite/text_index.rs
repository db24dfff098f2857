//! An index that finds the events that may contain a text, without reading all of them.
//!
//! Events are indexed in groups of [`GROUP`], in the order of arrival. A contentless FTS5 table has a row for each
//! group; its words are the distinct trigrams of the events' JSON: every three consecutive bytes, with ASCII letters
//! lowercased. A search reads only the groups that have all trigrams of the text. Groups make the index small (6 % of
//! the JSON; one row per event takes 27 %). Removing duplicate trigrams here costs a fifth of FTS5's own trigram
//! tokenizer, which receives every byte.
//!
//! The index is extended behind the ingest ([`extend`]); a search reads events that are not indexed yet one by one.

use event::EventId;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Deserialize;

use super::payload::Unpacker;
use super::select::Span;
use super::{add_to_number, number};
use crate::limits::TEXT_TRIGRAMS;

/// Number of events in one row of the index.
pub(super) const GROUP: usize = 8;

/// A row of the index: the events whose `seq` lies in a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Identifiers of its newest and its oldest event.
    pub newest: [u8; 16],
    pub oldest: [u8; 16],
    /// The range of `seq`, both ends inclusive.
    pub first: i64,
    pub last: i64,
}

/// Returns the number of events that are not indexed yet, including those of an incomplete group.
pub(super) fn missing(connection: &Connection) -> rusqlite::Result<u64> {
    let missing = number(connection, "events")? - number(connection, "indexed_events")?;
    Ok(missing.max(0).unsigned_abs())
}

/// Returns the `seq` up to which events are indexed.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<i64> {
    number(connection, "indexed")
}

/// Indexes the next events, up to `groups` groups.
pub(super) fn extend(transaction: &Transaction<'_>, groups: usize) -> rusqlite::Result<()> {
    #[derive(Deserialize)]
    struct Identified {
        id: EventId,
    }
    let mut trigrams = Trigrams::new();
    let mut group: Option<Group> = None;
    let mut count = 0;
    let mut statement =
        transaction.prepare_cached("SELECT seq, json FROM payloads WHERE seq > ? ORDER BY seq LIMIT ?")?;
    let mut rows = statement.query(params![end(transaction)?, groups * GROUP])?;
    let mut unpacker = Unpacker::default();
    while let Some(row) = rows.next()? {
        let (seq, json) = (row.get(0)?, unpacker.json(row.get_ref(1)?).unwrap_or_default());
        trigrams.add(json);
        // an unreadable event has no trigram that anybody could search for; the store checks events before it accepts
        // them
        let id = serde_json::from_slice::<Identified>(json).map_or([0; 16], |event| event.id.to_bytes());
        let this = group.get_or_insert(Group { newest: id, oldest: id, first: seq, last: seq });
        this.newest = this.newest.max(id);
        this.oldest = this.oldest.min(id);
        this.last = seq;
        count += 1;
        if count == GROUP {
            write(transaction, this, &trigrams.take_words())?;
            group = None;
            count = 0;
        }
    }
    Ok(())
}

fn write(transaction: &Transaction<'_>, group: &Group, words: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO text_groups (newest, oldest, first, last) VALUES (?, ?, ?, ?)")?
        .execute(params![group.newest, group.oldest, group.first, group.last])?;
    transaction
        .prepare_cached("INSERT INTO text_index (rowid, words) VALUES (?, ?)")?
        .execute(params![transaction.last_insert_rowid(), words])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO numbers VALUES ('indexed', ?)")?
        .execute([group.last])?;
    add_to_number(transaction, "indexed_events", i64::try_from(GROUP).unwrap_or(i64::MAX))
}

/// Counts the events with these `seq` as deleted, and deletes groups without remaining events.
pub(super) fn remove(transaction: &Transaction<'_>, gone: &[i64]) -> rusqlite::Result<()> {
    let end = end(transaction)?;
    let mut groups: Vec<(i64, i64, i64)> = Vec::new();
    let mut find = transaction
        .prepare_cached("SELECT id, first, last FROM text_groups WHERE last >= ? ORDER BY last LIMIT 1")?;
    let mut indexed = 0;
    for seq in gone.iter().filter(|seq| **seq <= end) {
        indexed += 1;
        if groups.last().is_some_and(|(_, first, last)| (first..=last).contains(&seq)) {
            continue;
        }
        let group = find.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        groups.extend(group);
    }
    groups.sort_unstable();
    groups.dedup();
    let mut rest = transaction.prepare_cached("SELECT 1 FROM payloads WHERE seq BETWEEN ? AND ? LIMIT 1")?;
    for (id, first, last) in groups {
        if !rest.exists([first, last])? {
            transaction.prepare_cached("DELETE FROM text_index WHERE rowid = ?")?.execute([id])?;
            transaction.prepare_cached("DELETE FROM text_groups WHERE id = ?")?.execute([id])?;
        }
    }
    add_to_number(transaction, "indexed_events", -indexed)
}

/// Returns the groups that may contain all of these texts in an event of the span, the one with the newest event first. None if
/// there are more than `most`, or if no text has three bytes.
pub(super) fn candidates(
    connection: &Connection,
    texts: &[String],
    span: &Span,
    most: usize,
) -> rusqlite::Result<Option<Vec<Group>>> {
    let mut trigrams = Trigrams::new();
    texts.iter().for_each(|text| trigrams.add(text.as_bytes()));
    let words = trigrams.take_words();
    let words: Vec<&str> = words.split_whitespace().collect();
    if words.is_empty() {
        return Ok(None);
    }
    // For a long text some of its trigrams suffice: the events are read anyway.
    let step = words.len().div_ceil(TEXT_TRIGRAMS);
    let words: Vec<&str> = words.into_iter().step_by(step).collect();
    let mut statement = connection.prepare_cached(
        "SELECT g.newest, g.oldest, g.first, g.last FROM text_index t CROSS JOIN text_groups g ON g.id = t.rowid
         WHERE text_index MATCH ?1 AND g.oldest < ?2 AND g.newest >= ?3 LIMIT ?4",
    )?;
    let rows = statement.query_map(params![words.join(" "), span.before, span.first, most + 1], |row| {
        Ok(Group { newest: row.get(0)?, oldest: row.get(1)?, first: row.get(2)?, last: row.get(3)? })
    })?;
    let mut groups: Vec<Group> = rows.collect::<rusqlite::Result<_>>()?;
    if groups.len() > most {
        return Ok(None);
    }
    groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.newest));
    Ok(Some(groups))
}

/// The distinct trigrams of some texts.
struct Trigrams {
    /// A bit for each possible trigram.
    seen: Vec<u64>,
    list: Vec<u32>,
}

impl Trigrams {
    fn new() -> Self {
        Self { seen: vec![0; (1 << 24) / 64], list: Vec::new() }
    }

    fn add(&mut self, text: &[u8]) {
        let mut trigram = 0;
        for (number, byte) in text.iter().enumerate() {
            trigram = (trigram << 8 | u32::from(byte.to_ascii_lowercase())) & 0xff_ffff;
            let (word, bit) = (trigram as usize / 64, 1 << (trigram % 64));
            if number >= 2 && self.seen[word] & bit == 0 {
                self.seen[word] |= bit;
                self.list.push(trigram);
            }
        }
    }

    /// Returns each trigram as a word of five letters and digits, and clears the set.
    fn take_words(&mut self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let mut words = String::with_capacity(self.list.len() * 6);
        for trigram in self.list.drain(..) {
            self.seen[trigram as usize / 64] = 0;
            for shift in [20, 15, 10, 5, 0] {
                words.push(char::from(DIGITS[(trigram >> shift) as usize & 31]));
            }
            words.push(' ');
        }
        words
    }
}
