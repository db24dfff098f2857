//! The table of users.

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::identity::Role;
use super::limits::{MAX_NAME_CHARS, MAX_USERS};
use super::second_factor;
use crate::{Code, Problem};

/// A row.
#[derive(Debug, Clone)]
pub struct User {
    /// Its key.
    pub id: i64,
    /// Unique, whatever the case of its letters.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The hash of the password; none until the invitation is taken.
    pub password: Option<String>,
    /// When the account was made.
    pub created: Timestamp,
    /// When it was last used.
    pub last_seen: Option<Timestamp>,
    /// The secret of the codes (TOTP); none while they are off.
    pub totp: Option<Vec<u8>>,
    /// How many passkeys there are.
    pub passkeys: u32,
}

const COLUMNS: &str = "id, name, role, password, created, last_seen, totp,
    (SELECT count(*) FROM passkeys WHERE passkeys.user = users.id)";

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        role: role(row.get_ref(2)?.as_str()?),
        password: row.get(3)?,
        created: Timestamp::from_micros(row.get(4)?),
        last_seen: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros),
        totp: row.get(6)?,
        passkeys: row.get(7)?,
    })
}

/// A role as it is stored. A word that nobody knows gives least.
pub fn role(word: &str) -> Role {
    Role::from_word(word).unwrap_or(Role::Viewer)
}

/// Whether there is an owner who can sign in.
pub fn has_owner(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'owner' AND password IS NOT NULL)",
        [],
        |row| row.get(0),
    )
}

/// The user of this name.
pub fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<User>> {
    db.query_row(&format!("SELECT {COLUMNS} FROM users WHERE name = ?"), [name], read).optional()
}

/// The user of this key.
pub fn get(db: &Connection, id: i64) -> rusqlite::Result<Option<User>> {
    db.query_row(&format!("SELECT {COLUMNS} FROM users WHERE id = ?"), [id], read).optional()
}

/// All, by name.
pub fn all(db: &Connection) -> rusqlite::Result<Vec<User>> {
    db.prepare(&format!("SELECT {COLUMNS} FROM users ORDER BY name"))?.query_map([], read)?.collect()
}

/// Makes an account; returns its key.
///
/// # Errors
/// 422 for a name that is none, 409 for one that is taken or where there are too many.
pub fn create(db: &Connection, name: &str, role: Role, now: Timestamp) -> Result<i64, Problem> {
    let chars = name.chars().count();
    let fits = |char: char| char.is_alphanumeric() || ".-_@+".contains(char);
    if chars == 0 || chars > MAX_NAME_CHARS || !name.chars().all(fits) {
        let error = format!("a name has 1 to {MAX_NAME_CHARS} letters, digits and any of . - _ @ +");
        return Err(Problem::of(Code::BadUserName, error).value("max", MAX_NAME_CHARS));
    }
    if find(db, name)?.is_some() {
        return Err(
            Problem::of(Code::UserExists, format!("there is a user {name} already")).value("user", name)
        );
    }
    let count: u64 = db.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    if count >= MAX_USERS {
        return Err(Problem::of(Code::TooManyUsers, format!("there are {MAX_USERS} users already"))
            .value("max", MAX_USERS));
    }
    db.execute(
        "INSERT INTO users (name, role, created) VALUES (?, ?, ?)",
        params![name, role.as_str(), now.as_micros()],
    )?;
    Ok(db.last_insert_rowid())
}

/// Sets the hash of the password.
pub fn set_password(db: &Connection, id: i64, hash: &str) -> rusqlite::Result<()> {
    db.execute("UPDATE users SET password = ? WHERE id = ?", params![hash, id]).map(drop)
}

/// Sets the role.
///
/// # Errors
/// 409 where nobody would be owner any more.
pub fn set_role(db: &Connection, id: i64, role: Role) -> Result<(), Problem> {
    db.execute("UPDATE users SET role = ? WHERE id = ?", params![role.as_str(), id])?;
    keep_an_owner(db)
}

/// Deletes an account and all that belongs to it: sessions, tokens, passkeys, links.
///
/// # Errors
/// 409 where nobody would be owner any more.
pub fn delete(db: &Connection, id: i64) -> Result<(), Problem> {
    db.execute("DELETE FROM users WHERE id = ?", [id])?;
    keep_an_owner(db)
}

/// For the end of a transaction, which its failing undoes.
fn keep_an_owner(db: &Connection) -> Result<(), Problem> {
    if has_owner(db)? {
        return Ok(());
    }
    Err(Problem::of(Code::LastOwner, "somebody has to be owner: make another one first"))
}

/// Takes away second factors: codes, recovery codes, passkeys.
pub fn forget_factors(db: &Connection, id: i64) -> rusqlite::Result<()> {
    second_factor::forget(db, id)?;
    db.execute("DELETE FROM passkeys WHERE user = ?", [id]).map(drop)
}
