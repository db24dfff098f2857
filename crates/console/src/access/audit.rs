//! The audit trail: who changed what, and who was refused.

use event::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::identity::{Identity, Via};
use super::limits::{MAX_AUDIT_ENTRIES, MAX_AUDIT_REFUSALS, MAX_KEPT_BYTES};

/// The `what` of refused attempts.
pub const REFUSED: &str = "sign_in_refused";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entry {
    /// Later entries have higher ones.
    pub id: i64,
    /// When.
    pub time: Timestamp,
    /// Who; the name that was tried, where nobody signed in.
    pub user: String,
    /// How the user proved who it was.
    pub via: Via,
    /// Where from.
    pub address: String,
    /// What was done, as a word: `password_changed`.
    pub what: String,
    /// What more there is to say of it.
    pub detail: String,
}

/// Adds an entry.
pub fn record(
    db: &Connection,
    now: Timestamp,
    who: &Identity,
    what: &str,
    detail: &str,
) -> rusqlite::Result<()> {
    let via = match who.via {
        Via::Session => "session",
        Via::Token => "token",
        Via::Command => "command",
    };
    let detail = &detail[..detail.floor_char_boundary(MAX_KEPT_BYTES)];
    db.prepare_cached(
        "INSERT INTO audit (time, user, via, address, what, detail) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![now.as_micros(), who.user, via, who.address.to_string(), what, detail])?;
    trim(db, what, db.last_insert_rowid(), MAX_AUDIT_ENTRIES, MAX_AUDIT_REFUSALS)
}

fn trim(db: &Connection, what: &str, newest: i64, entries: i64, refusals: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM audit WHERE id <= ?")?.execute([newest - entries])?;
    if what == REFUSED {
        db.prepare_cached(
            "DELETE FROM audit WHERE what = ?1 AND id <=
                (SELECT id FROM audit WHERE what = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![what, refusals])?;
    }
    Ok(())
}

/// Up to `limit` entries before one, the newest first.
pub fn list(db: &Connection, before: Option<i64>, limit: u32) -> rusqlite::Result<Vec<Entry>> {
    let read = |row: &Row<'_>| {
        Ok(Entry {
            id: row.get(0)?,
            time: Timestamp::from_micros(row.get(1)?),
            user: row.get(2)?,
            via: match row.get_ref(3)?.as_str()? {
                "token" => Via::Token,
                "command" => Via::Command,
                _ => Via::Session,
            },
            address: row.get(4)?,
            what: row.get(5)?,
            detail: row.get(6)?,
        })
    };
    db.prepare(
        "SELECT id, time, user, via, address, what, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
    )?
    .query_map(params![before.unwrap_or(i64::MAX), limit], read)?
    .collect()
}
