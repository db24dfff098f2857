//! One-time links: to the first account, to an invited one, to a new password. The link's token stands behind the `#`, so no
//! server and no proxy sees it, and it is stored as a hash only.

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::limits::{CLOCK_STEP, INVITATION_AGE, LINK_AGE};
use super::secret;
use crate::Problem;

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first account, which is an owner's; its name is free.
    Owner,
    /// The account of an invited user.
    Invitation(i64),
    /// A new password for a user, whose second factors go.
    Reset(i64),
}

impl Purpose {
    fn parts(self) -> (&'static str, Option<i64>) {
        match self {
            Self::Owner => ("owner", None),
            Self::Invitation(user) => ("invitation", Some(user)),
            Self::Reset(user) => ("reset", Some(user)),
        }
    }
}

/// Makes a link; returns its token. Earlier links of the same purpose are void.
///
/// # Errors
/// Those of the file and of random numbers.
pub fn create(db: &Connection, purpose: Purpose, now: Timestamp) -> Result<String, Problem> {
    let token = secret::new()?;
    let (word, user) = purpose.parts();
    let age = if word == "invitation" { INVITATION_AGE } else { LINK_AGE };
    let expires = now.as_micros() + age.as_micros() as i64;
    db.execute(
        "DELETE FROM links WHERE (purpose = ? AND user IS ?) OR expires <= ?",
        params![word, user, now.as_micros()],
    )?;
    db.execute(
        "INSERT INTO links (hash, purpose, user, created, expires) VALUES (?, ?, ?, ?, ?)",
        params![secret::hash(&token), word, user, now.as_micros(), expires],
    )?;
    Ok(token)
}

/// What a token is good for, where it still is. A clock that went back to before the link was made voids it.
pub fn find(db: &Connection, token: &str, now: Timestamp) -> rusqlite::Result<Option<Purpose>> {
    let earliest = now.as_micros() + CLOCK_STEP.as_micros() as i64;
    let query = "SELECT purpose, user FROM links WHERE hash = ? AND expires > ? AND created < ?";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?));
    let found =
        db.query_row(query, params![secret::hash(token), now.as_micros(), earliest], row).optional()?;
    Ok(match found {
        Some((word, None)) if word == "owner" => Some(Purpose::Owner),
        Some((word, Some(user))) if word == "invitation" => Some(Purpose::Invitation(user)),
        Some((word, Some(user))) if word == "reset" => Some(Purpose::Reset(user)),
        _ => None,
    })
}

/// Uses a token up.
pub fn delete(db: &Connection, token: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM links WHERE hash = ?", [secret::hash(token)]).map(drop)
}

/// Voids a user's links to a new password.
pub fn forget(db: &Connection, user: i64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM links WHERE user = ? AND purpose = 'reset'", [user]).map(drop)
}
