//! Which events may hold a text, without reading them all.
//!
//! Events are indexed in groups of [`GROUP`], in the order of their coming. An FTS5 table without content has a row for each
//! group, whose words are the trigrams of its events' JSON: every three bytes in a row, ASCII letters lowered, each once.
//! Whoever looks for a text reads only the groups that have all trigrams of it. Grouping makes the index small (6 % of the
//! JSON; a row for each event takes 27 %), and trigrams that are told apart here cost a fifth of what FTS5's own tokenizer
//! of trigrams takes, which is given every byte.
//!
//! The index is filled behind the ingest ([`extend`]): events that it does not have yet are read one by one.

use event::EventId;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Deserialize;

use super::payload::Unpacker;
use super::{add_to_number, number};
use crate::limits::TEXT_TRIGRAMS;

/// Events of one row of the index.
pub(super) const GROUP: usize = 8;

/// A row of the index: events whose `seq` lies in a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// The newest and the oldest of its events.
    pub newest: [u8; 16],
    pub oldest: [u8; 16],
    /// The range, both ends included.
    pub first: i64,
    pub last: i64,
}

/// How many events are not indexed yet, and those of an unfinished group.
pub(super) fn missing(connection: &Connection) -> rusqlite::Result<u64> {
    let missing = number(connection, "events")? - number(connection, "indexed_events")?;
    Ok(missing.max(0).unsigned_abs())
}

/// Up to which `seq` events are indexed.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<i64> {
    number(connection, "indexed")
}

/// Indexes up to so many groups of the events that are not.
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
        // one that can't be read has no trigram that anybody could ask for; the store checks events when it takes them
        let id = serde_json::from_str::<Identified>(json).map_or([0; 16], |event| event.id.to_bytes());
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
    add_to_number(transaction, "indexed_events", GROUP as i64)
}

/// Notes that the events of these `seq` are gone, and deletes groups of which none is left.
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

/// The groups that may hold all of these texts, the one with the newest event first. None where there are more than `most`,
/// or where no text has three bytes.
pub(super) fn candidates(
    connection: &Connection,
    texts: &[String],
    before: [u8; 16],
    most: usize,
) -> rusqlite::Result<Option<Vec<Group>>> {
    let mut trigrams = Trigrams::new();
    texts.iter().for_each(|text| trigrams.add(text));
    let words = trigrams.take_words();
    let words: Vec<&str> = words.split_whitespace().collect();
    if words.is_empty() {
        return Ok(None);
    }
    // Of a long text some trigrams are enough: its events are read anyway.
    let step = words.len().div_ceil(TEXT_TRIGRAMS);
    let words: Vec<&str> = words.into_iter().step_by(step).collect();
    let mut statement = connection.prepare_cached(
        "SELECT g.newest, g.oldest, g.first, g.last FROM text_index t CROSS JOIN text_groups g ON g.id = t.rowid
         WHERE text_index MATCH ?1 AND g.oldest < ?2 LIMIT ?3",
    )?;
    let rows = statement.query_map(params![words.join(" "), before, most + 1], |row| {
        Ok(Group { newest: row.get(0)?, oldest: row.get(1)?, first: row.get(2)?, last: row.get(3)? })
    })?;
    let mut groups: Vec<Group> = rows.collect::<rusqlite::Result<_>>()?;
    if groups.len() > most {
        return Ok(None);
    }
    groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.newest));
    Ok(Some(groups))
}

/// The different trigrams of some texts.
struct Trigrams {
    /// A bit for each that there can be.
    seen: Vec<u64>,
    list: Vec<u32>,
}

impl Trigrams {
    fn new() -> Self {
        Self { seen: vec![0; (1 << 24) / 64], list: Vec::new() }
    }

    fn add(&mut self, text: &str) {
        let mut trigram = 0;
        for (number, byte) in text.bytes().enumerate() {
            trigram = (trigram << 8 | u32::from(byte.to_ascii_lowercase())) & 0xff_ffff;
            let (word, bit) = (trigram as usize / 64, 1 << (trigram % 64));
            if number >= 2 && self.seen[word] & bit == 0 {
                self.seen[word] |= bit;
                self.list.push(trigram);
            }
        }
    }

    /// Each as a word of five letters and digits, and forgets them.
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
