//! The audit trail: who changed what, and whose attempts were refused.

use event::Timestamp;
use finding::{AuditAction, table};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::identity::{Identity, Via};
use super::limits::{
    AUDIT_SLACK, AUDIT_TOGETHER, AUDIT_TOGETHER_AMONG, MAX_AUDIT_ENTRIES, MAX_AUDIT_REFUSALS, MAX_KEPT_BYTES,
};

table! {
    /// The actions of the trail itself.
    pub(crate) ACTIONS: AuditAction {
        /// A sign-in failed. The detail is the method.
        pub(crate) SIGN_IN_REFUSED = AuditAction::new("console.sign_in_refused", "sign-in refused", "サインイン拒否");
    }
}

/// An entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Id; later entries have higher ids.
    pub id: i64,
    /// Time of the action.
    pub time: Timestamp,
    /// User name; for a failed sign-in, the name that was tried.
    pub user: String,
    /// The way in which the user authenticated.
    pub via: Via,
    /// Address of the client.
    pub address: String,
    /// Code of the action, such as `account.password_changed`. New codes may be added.
    pub what: String,
    /// Details for people.
    pub detail: String,
    /// Number of occurrences: refused attempts of one user from one address within an hour share an entry.
    pub count: u64,
    /// Time of the last one, if the entry counts several.
    pub last: Option<Timestamp>,
}

/// Adds an entry. A refused attempt increments the count of a recent entry of the same kind.
pub(crate) fn record(
    db: &Connection,
    now: Timestamp,
    who: &Identity,
    what: AuditAction,
    detail: &str,
) -> rusqlite::Result<()> {
    let via = match who.via {
        Via::Session => "session",
        Via::Token => "token",
        Via::Command => "command",
    };
    let detail = &detail[..detail.floor_char_boundary(MAX_KEPT_BYTES)];
    let (micros, address) = (now.as_micros(), who.address.to_string());
    if what == SIGN_IN_REFUSED {
        let since = micros - super::micros(AUDIT_TOGETHER);
        let counted = db
            .prepare_cached(
                "UPDATE audit SET count = count + 1, last = ?1 WHERE id =
                    (SELECT id FROM (SELECT * FROM audit WHERE what = ?2 ORDER BY id DESC LIMIT ?3)
                        WHERE user = ?4 AND address = ?5 AND detail = ?6 AND time > ?7 LIMIT 1)",
            )?
            .execute(params![micros, what.code, AUDIT_TOGETHER_AMONG, who.user, address, detail, since])?;
        if counted > 0 {
            return Ok(());
        }
    }
    db.prepare_cached(
        "INSERT INTO audit (time, user, via, address, what, detail) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![micros, who.user, via, address, what.code, detail])?;
    if db.last_insert_rowid() % AUDIT_SLACK == 0 {
        trim(db, MAX_AUDIT_ENTRIES, MAX_AUDIT_REFUSALS)?;
    }
    Ok(())
}

/// Deletes the oldest entries. Refused attempts have a separate limit.
fn trim(db: &Connection, entries: i64, refusals: i64) -> rusqlite::Result<()> {
    let refused = SIGN_IN_REFUSED.code;
    for (is, most) in [("=", refusals), ("<>", entries)] {
        db.prepare_cached(&format!(
            "DELETE FROM audit WHERE what {is} ?1 AND id <=
                (SELECT id FROM audit WHERE what {is} ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
        ))?
        .execute(params![refused, most])?;
    }
    Ok(())
}

/// Returns up to `limit` entries before an entry, the newest first.
pub(crate) fn list(db: &Connection, before: Option<i64>, limit: u32) -> rusqlite::Result<Vec<Entry>> {
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
            count: row.get::<_, i64>(7)?.unsigned_abs(),
            last: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_micros),
        })
    };
    db.prepare(
        "SELECT id, time, user, via, address, what, detail, count, last FROM audit
            WHERE id < ? ORDER BY id DESC LIMIT ?",
    )?
    .query_map(params![before.unwrap_or(i64::MAX), limit], read)?
    .collect()
}
