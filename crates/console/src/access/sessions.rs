//! The table of sessions.

use std::net::IpAddr;

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{CLOCK_STEP, MAX_KEPT_BYTES, MAX_SESSIONS, SEEN_EVERY, SESSION_AGE, SESSION_IDLE};
use super::secret;
use crate::Problem;

/// A session, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Id in the database.
    pub id: i64,
    /// Time of the sign-in.
    pub created: Timestamp,
    /// Time of the last use, to the minute.
    pub last_seen: Timestamp,
    /// Address of the sign-in.
    pub address: String,
    /// The browser's `User-Agent`.
    pub user_agent: String,
    /// Whether it is the session of this request.
    pub current: bool,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        created: Timestamp::from_micros(row.get(1)?),
        last_seen: Timestamp::from_micros(row.get(2)?),
        address: row.get(3)?,
        user_agent: row.get(4)?,
        current: false,
    })
}

const COLUMNS: &str = "id, created, last_seen, address, user_agent";

/// Starts a session. Returns its secret, which is not stored.
///
/// # Errors
/// The database or the random generator fails.
pub(crate) fn begin(
    db: &Connection,
    user: i64,
    address: IpAddr,
    user_agent: &str,
    now: Timestamp,
) -> Result<String, Problem> {
    let secret = secret::new()?;
    let agent = &user_agent[..user_agent.floor_char_boundary(MAX_KEPT_BYTES)];
    db.execute(
        "DELETE FROM sessions WHERE id IN
            (SELECT id FROM sessions WHERE user = ? ORDER BY last_seen DESC, id DESC LIMIT -1 OFFSET ?)",
        params![user, MAX_SESSIONS - 1],
    )?;
    db.execute(
        "INSERT INTO sessions (user, hash, created, last_seen, address, user_agent) VALUES (?, ?, ?, ?, ?, ?)",
        params![user, secret::hash(&secret), now.as_micros(), now.as_micros(), address.to_string(), agent],
    )?;
    db.execute("UPDATE users SET last_seen = ? WHERE id = ?", params![now.as_micros(), user])?;
    Ok(secret)
}

/// Returns the session with this secret, and its user. Deletes an expired session.
pub(crate) fn find(
    db: &Connection,
    secret: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<(Session, i64)>> {
    let query = format!("SELECT {COLUMNS}, user FROM sessions WHERE hash = ?");
    let found = db
        .query_row(&query, [secret::hash(secret)], |row| Ok((read(row)?, row.get::<_, i64>(5)?)))
        .optional()?;
    let Some((session, user)) = found else { return Ok(None) };
    if !lasts(session.created, session.last_seen, now) {
        db.execute("DELETE FROM sessions WHERE id = ?", [session.id])?;
        return Ok(None);
    }
    let since_seen = now.as_micros() - session.last_seen.as_micros();
    if since_seen >= super::micros(SEEN_EVERY) {
        db.execute("UPDATE sessions SET last_seen = ? WHERE id = ?", params![now.as_micros(), session.id])?;
        db.execute("UPDATE users SET last_seen = ? WHERE id = ?", params![now.as_micros(), user])?;
    }
    Ok(Some((session, user)))
}

/// Returns whether a session is valid. After the clock went back by more than [`CLOCK_STEP`], it is invalid, because
/// its age is unknown.
fn lasts(created: Timestamp, last_seen: Timestamp, now: Timestamp) -> bool {
    let since = |then: Timestamp| now.as_micros() - then.as_micros();
    since(created) < super::micros(SESSION_AGE)
        && since(last_seen) < super::micros(SESSION_IDLE)
        && since(created.max(last_seen)) > -super::micros(CLOCK_STEP)
}

/// Returns a user's valid sessions, the last used one first.
pub(crate) fn of_user(
    db: &Connection,
    user: i64,
    current: i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<Session>> {
    let query = format!("SELECT {COLUMNS} FROM sessions WHERE user = ? ORDER BY last_seen DESC, id DESC");
    let sessions: rusqlite::Result<Vec<Session>> = db.prepare(&query)?.query_map([user], read)?.collect();
    let mut sessions = sessions?;
    sessions.retain(|session| lasts(session.created, session.last_seen, now));
    for session in &mut sessions {
        session.current = session.id == current;
    }
    Ok(sessions)
}

/// Ends a session of a user. Returns false if the session does not exist.
pub(crate) fn end(db: &Connection, user: i64, id: i64) -> rusqlite::Result<bool> {
    db.execute("DELETE FROM sessions WHERE id = ? AND user = ?", [id, user]).map(|ended| ended > 0)
}

/// Ends all of a user's sessions except `but`.
pub(crate) fn end_others(db: &Connection, user: i64, but: Option<i64>) -> rusqlite::Result<()> {
    db.execute("DELETE FROM sessions WHERE user = ? AND id IS NOT ?", params![user, but]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_lasts_by_use_by_age_and_by_a_clock_that_runs() {
        const HOUR: Duration = Duration::from_secs(3600);
        let start: i64 = 1_800_000_000_000_000;
        let at = |offset: i64| Timestamp::from_micros(start + offset);
        let micros = |span: Duration| span.as_micros() as i64;
        // created, last seen, now: offsets in microseconds
        for (last_seen, now, expected) in [
            (0, 0, true),
            (0, micros(SESSION_IDLE) - 1, true),
            (0, micros(SESSION_IDLE), false),
            (micros(SESSION_AGE - HOUR), micros(SESSION_AGE) - 1, true),
            (micros(SESSION_AGE - HOUR), micros(SESSION_AGE), false),
            (micros(HOUR), micros(HOUR) - micros(CLOCK_STEP) + 1, true),
            (micros(HOUR), micros(HOUR) - micros(CLOCK_STEP), false),
            (0, -micros(HOUR), false),
        ] {
            assert_eq!(lasts(at(0), at(last_seen), at(now)), expected, "{last_seen} {now}");
        }
    }
}
