//! One-time links: for the first account, an invited account, or a new password. The token is in the fragment (`#`), which
//! browsers do not send, so that no proxy sees it. Only its hash is stored.

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::limits::{CLOCK_STEP, INVITATION_AGE, LINK_AGE};
use super::secret;
use crate::Problem;
use finding::{AuditAction, table};

table! {
    /// The actions of links.
    pub(crate) ACTIONS: AuditAction {
        /// Link created.
        pub(crate) LINK_CREATED = AuditAction::new("console.link_created", "link created", "リンクを作成");
    }
}

/// The purpose of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Creates the first account, an owner with any name.
    Owner,
    /// Opens the account of an invited user.
    Invitation(i64),
    /// Sets a new password and removes the user's second factors.
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

/// Creates a link and returns its token. Revokes earlier links of the same purpose.
///
/// # Errors
/// The database or the random generator fails.
pub(crate) fn create(db: &Connection, purpose: Purpose, now: Timestamp) -> Result<String, Problem> {
    let token = secret::new()?;
    let (word, user) = purpose.parts();
    let age = if word == "invitation" { INVITATION_AGE } else { LINK_AGE };
    let expires = now.as_micros() + super::micros(age);
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

/// Returns the purpose of a valid token. A token is also invalid before its creation time, because the clock then went back.
pub(crate) fn find(db: &Connection, token: &str, now: Timestamp) -> rusqlite::Result<Option<Purpose>> {
    let earliest = now.as_micros() + super::micros(CLOCK_STEP);
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

/// Deletes a token after its use.
pub(crate) fn delete(db: &Connection, token: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM links WHERE hash = ?", [secret::hash(token)]).map(drop)
}

/// Revokes a user's links to a new password.
pub(crate) fn forget(db: &Connection, user: i64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM links WHERE user = ? AND purpose = 'reset'", [user]).map(drop)
}
