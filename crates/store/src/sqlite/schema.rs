//! The tables, and how older ones become newer.

use rusqlite::Connection;

use super::select::{BY_STATUS, has};

/// One script for each version of the schema; `PRAGMA user_version` counts those that have run. Never change one that was
/// released: append another.
///
/// `events` is narrow and sorted by identifier, which is by time, so that filters scan little and pages need no sorting;
/// `payloads` holds the JSON in the order of the journal. `seq` is the record's end in the journal
/// (`Position::to_i64`).
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE events (
        id BLOB PRIMARY KEY,        -- 16 bytes
        seq INTEGER NOT NULL,
        time INTEGER NOT NULL,      -- microseconds since 1970
        node TEXT NOT NULL,
        site TEXT,
        gate TEXT NOT NULL,
        client BLOB,                -- 16 bytes, IPv4 mapped
        action TEXT NOT NULL,
        severity INTEGER NOT NULL,
        status INTEGER,
        method TEXT
    ) WITHOUT ROWID;
    CREATE INDEX events_by_site ON events (site, id);
    CREATE INDEX events_by_client ON events (client, id);
    CREATE INDEX events_by_action ON events (action, id);
    CREATE TABLE event_rules (
        rule INTEGER NOT NULL,
        event BLOB NOT NULL,
        PRIMARY KEY (rule, event)
    ) WITHOUT ROWID;
    CREATE INDEX event_rules_by_event ON event_rules (event);
    CREATE TABLE payloads (
        seq INTEGER PRIMARY KEY,
        json NOT NULL               -- see payload.rs
    );
    CREATE TABLE numbers (
        name TEXT PRIMARY KEY,      -- checkpoint, events, removed; indexed, indexed_events; untallied,
                                    -- untallied_events
        value INTEGER NOT NULL
    ) WITHOUT ROWID;
",
    "
    -- see text_index.rs; filled in the background
    CREATE VIRTUAL TABLE text_index USING fts5 (
        words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
    );
    CREATE TABLE text_groups (
        id INTEGER PRIMARY KEY,     -- rowid of text_index
        newest BLOB NOT NULL,       -- identifiers of events
        oldest BLOB NOT NULL,
        first INTEGER NOT NULL,     -- seq of payloads
        last INTEGER NOT NULL
    );
    CREATE INDEX text_groups_by_last ON text_groups (last);
",
    "
    -- see tallies.rs; filled with the events, and for those that are here already in the background
    CREATE TABLE tallies (
        kind INTEGER NOT NULL,
        period INTEGER NOT NULL,    -- hours or days since 1970
        site NOT NULL,              -- text; x'' for events without one
        key NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (kind, period, site, key)
    ) WITHOUT ROWID;
    CREATE TABLE rule_messages (
        rule INTEGER PRIMARY KEY,
        message TEXT NOT NULL
    );
    CREATE TABLE traffic (
        hour INTEGER NOT NULL,      -- since 1970
        site TEXT NOT NULL,
        requests INTEGER NOT NULL,
        PRIMARY KEY (hour, site)
    ) WITHOUT ROWID;
    -- see incidents.rs
    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        client BLOB NOT NULL,       -- 16 bytes, IPv4 mapped
        kind TEXT NOT NULL,
        site TEXT,
        path TEXT,
        first INTEGER NOT NULL,     -- microseconds since 1970
        last INTEGER NOT NULL,
        events INTEGER NOT NULL,
        blocked INTEGER NOT NULL,
        highest_score INTEGER NOT NULL,
        rules BLOB NOT NULL,        -- pairs of rule and count, 8 bytes each
        course BLOB NOT NULL        -- Course::to_bytes
    );
    CREATE INDEX incidents_by_client ON incidents (client, kind, last);
    CREATE INDEX incidents_by_last ON incidents (last, id);
    -- events up to this seq are neither counted nor grouped yet
    INSERT INTO numbers SELECT 'untallied', seq FROM payloads ORDER BY seq DESC LIMIT 1;
    INSERT INTO numbers SELECT 'untallied_events', value FROM numbers WHERE name = 'events';
",
    "
    -- see quota.rs
    CREATE TABLE client_bytes (
        client BLOB PRIMARY KEY,    -- 16 bytes: an IPv4 address, mapped, or the first address of an IPv6 /64
        bytes INTEGER NOT NULL,
        events INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX client_bytes_of_large ON client_bytes (bytes) WHERE bytes > 1048576;
    INSERT INTO client_bytes
        SELECT CASE WHEN substr(e.client, 1, 12) = x'00000000000000000000ffff' THEN e.client
                    ELSE CAST(substr(e.client, 1, 8) || zeroblob(8) AS BLOB) END,
            sum(octet_length(p.json) + 1024), count(*)
        FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.client IS NOT NULL GROUP BY 1;
",
];

/// What a store of an older version may still lack or have too much, because it takes long: done in the background.
pub(super) const LATE: &str = "
    CREATE INDEX IF NOT EXISTS events_by_status ON events (status, id);
    DROP INDEX IF EXISTS event_rules_by_event;  -- the rules of an event that goes are in its JSON
";

/// Whether [`LATE`] has run.
pub(super) fn is_newest(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(has(connection, BY_STATUS)? && !has(connection, "event_rules_by_event")?)
}

/// Brings the tables to the newest schema. Returns the version found where it is newer than ours.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<Result<(), u32>> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found as usize > MIGRATIONS.len() {
        return Ok(Err(found));
    }
    for (number, script) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
        transaction.commit()?;
    }
    Ok(Ok(()))
}
