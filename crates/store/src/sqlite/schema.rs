//! The tables of the store.

use rusqlite::Connection;

/// The version of the tables, stored as `PRAGMA user_version`.
pub(super) const VERSION: u32 = 6;

/// `events` is narrow and sorted by identifier, and thus by time, so that filters scan little and pages need no
/// sorting. `payloads` holds the JSON in the order of the journal. `seq` is the end of the record in the journal
/// (`Position::to_i64`).
const TABLES: &str = "
    CREATE TABLE events (
        id BLOB PRIMARY KEY,        -- 16 bytes
        seq INTEGER NOT NULL,
        time INTEGER NOT NULL,      -- microseconds since 1970
        node TEXT NOT NULL,
        subject TEXT,
        gate TEXT NOT NULL,
        kind TEXT NOT NULL,
        client BLOB,                -- 16 bytes, IPv4 mapped
        outcome TEXT NOT NULL,
        severity INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX events_by_subject ON events (subject, id);
    CREATE INDEX events_by_client ON events (client, id);
    CREATE INDEX events_by_outcome ON events (outcome, id);
    -- see facts.rs
    CREATE TABLE fact_names (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    );
    CREATE TABLE facts (
        name INTEGER NOT NULL,      -- fact_names.id
        value NOT NULL,             -- integer or text
        event BLOB NOT NULL,        -- events.id
        PRIMARY KEY (name, value, event)
    ) WITHOUT ROWID;
    CREATE TABLE payloads (
        seq INTEGER PRIMARY KEY,
        json NOT NULL               -- see payload.rs
    );
    CREATE TABLE numbers (
        name TEXT PRIMARY KEY,      -- checkpoint, events, removed, indexed, indexed_events
        value INTEGER NOT NULL
    ) WITHOUT ROWID;
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
    -- see places.rs
    CREATE TABLE places (
        id INTEGER PRIMARY KEY,
        gate TEXT NOT NULL,
        subject NOT NULL,           -- text; x'' for events without one
        events INTEGER NOT NULL,
        UNIQUE (gate, subject)
    );
    -- see tallies.rs
    CREATE TABLE tallies (
        counter INTEGER NOT NULL,
        period INTEGER NOT NULL,    -- hours or days since 1970
        place INTEGER NOT NULL,     -- places.id
        key NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (counter, period, place, key)
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
        property TEXT NOT NULL,     -- incident::Actor
        actor TEXT NOT NULL,
        categories TEXT NOT NULL,   -- JSON: counts by category
        subject TEXT,
        path TEXT,
        first INTEGER NOT NULL,     -- microseconds since 1970
        last INTEGER NOT NULL,
        events INTEGER NOT NULL,
        blocked INTEGER NOT NULL,   -- or refused or denied: Incident::stopped
        highest_score INTEGER NOT NULL,
        rules BLOB NOT NULL,        -- pairs of rule and count, 8 bytes each
        course BLOB NOT NULL        -- Course::to_bytes
    );
    CREATE INDEX incidents_by_actor ON incidents (property, actor, last);
    CREATE INDEX incidents_by_last ON incidents (last, id);
    -- see quota.rs
    CREATE TABLE client_bytes (
        client BLOB PRIMARY KEY,    -- 16 bytes: an IPv4 address, mapped, or the first address of an IPv6 /64
        bytes INTEGER NOT NULL,
        events INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX client_bytes_of_large ON client_bytes (bytes) WHERE bytes > 1048576;
";

/// Creates the tables in an empty file. Returns the version of the tables.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<u32> {
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    let found: u32 = version(connection)?;
    if found > 0 {
        return Ok(found);
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // another process may have been first
    let mut found: u32 = version(&transaction)?;
    if found == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        found = VERSION;
    }
    transaction.commit()?;
    Ok(found)
}
