//! The table of users.

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::limits::{MAX_NAME_CHARS, MAX_USERS};
use super::role::Role;
use super::second_factor;
use crate::Problem;
use finding::{ProblemCode, table};

table! {
    /// The error responses about users.
    pub(crate) PROBLEMS: ProblemCode {
        /// This account no longer exists.
        pub(crate) ACCOUNT_GONE = ProblemCode::new(
            "session.account_gone",
            401,
            "This account no longer exists.",
            "このアカウントは削除されました。",
        );
        /// A user name has 1 to {max} letters, digits and any of .
        pub(crate) BAD_NAME = ProblemCode::new(
            "user.bad_name",
            422,
            "A user name has 1 to {max} letters, digits and any of . - _ @ +",
            "ユーザー名は 1〜{max} 文字で、文字、数字、. - _ @ + が使えます。",
        );
        /// The user {user} already exists.
        pub(crate) EXISTS = ProblemCode::new(
            "user.exists",
            409,
            "The user {user} already exists.",
            "ユーザー {user} はすでに存在します。",
        );
        /// The console already has {max} users. Remove one first.
        pub(crate) TOO_MANY = ProblemCode::new(
            "user.too_many",
            409,
            "The console already has {max} users. Remove one first.",
            "ユーザーは {max} 人までです。",
        );
        /// No owner would be left.
        pub(crate) LAST_OWNER = ProblemCode::new(
            "user.last_owner",
            409,
            "No owner would be left. Make another user owner first.",
            "オーナーが1人もいなくなります。先に別のオーナーを登録してください。",
        );
        /// User {user} does not exist.
        pub(crate) NOT_FOUND = ProblemCode::new(
            "user.not_found",
            404,
            "User {user} does not exist.",
            "ユーザー {user} は存在しません。",
        );
    }
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// Id in the database.
    pub id: i64,
    /// Name; unique, ignoring case.
    pub name: String,
    /// Role of the user.
    pub role: Role,
    /// Hash of the password; none until the user accepts the invitation.
    pub password: Option<String>,
    /// Time of the account's creation.
    pub created: Timestamp,
    /// Time of the last use.
    pub last_seen: Option<Timestamp>,
    /// Secret of the authenticator app; none while it is disabled.
    pub totp: Option<Vec<u8>>,
    /// Number of passkeys.
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

/// Parses a stored role. An unknown word is the lowest role.
pub(crate) fn role(word: &str) -> Role {
    Role::from_word(word).unwrap_or(Role::Viewer)
}

/// Returns whether an owner exists who can sign in.
pub(crate) fn has_owner(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'owner' AND password IS NOT NULL)",
        [],
        |row| row.get(0),
    )
}

/// Returns the user with this name.
pub(crate) fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<User>> {
    db.query_row(&format!("SELECT {COLUMNS} FROM users WHERE name = ?"), [name], read).optional()
}

/// Returns the user with this key.
pub(crate) fn get(db: &Connection, id: i64) -> rusqlite::Result<Option<User>> {
    db.query_row(&format!("SELECT {COLUMNS} FROM users WHERE id = ?"), [id], read).optional()
}

/// Returns all users, by name.
pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<User>> {
    db.prepare(&format!("SELECT {COLUMNS} FROM users ORDER BY name"))?.query_map([], read)?.collect()
}

/// Creates an account. Returns its key.
///
/// # Errors
/// 422 for an invalid name, 409 for a taken name or at the limit of users.
pub(crate) fn create(db: &Connection, name: &str, role: Role, now: Timestamp) -> Result<i64, Problem> {
    let chars = name.chars().count();
    let fits = |char: char| char.is_alphanumeric() || ".-_@+".contains(char);
    if chars == 0 || chars > MAX_NAME_CHARS || !name.chars().all(fits) {
        return Err(Problem::of(BAD_NAME).value("max", MAX_NAME_CHARS));
    }
    if find(db, name)?.is_some() {
        return Err(Problem::of(EXISTS).value("user", name));
    }
    let count: u64 = db.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    if count >= MAX_USERS {
        return Err(Problem::of(TOO_MANY).value("max", MAX_USERS));
    }
    db.execute(
        "INSERT INTO users (name, role, created) VALUES (?, ?, ?)",
        params![name, role.as_str(), now.as_micros()],
    )?;
    Ok(db.last_insert_rowid())
}

/// Sets the hash of the password.
pub(crate) fn set_password(db: &Connection, id: i64, hash: &str) -> rusqlite::Result<()> {
    db.execute("UPDATE users SET password = ? WHERE id = ?", params![hash, id]).map(drop)
}

/// Sets the role.
///
/// # Errors
/// 409 if no owner would remain.
pub(crate) fn set_role(db: &Connection, id: i64, role: Role) -> Result<(), Problem> {
    db.execute("UPDATE users SET role = ? WHERE id = ?", params![role.as_str(), id])?;
    keep_an_owner(db)
}

/// Deletes an account with its sessions, tokens, passkeys and links.
///
/// # Errors
/// 409 if no owner would remain.
pub(crate) fn delete(db: &Connection, id: i64) -> Result<(), Problem> {
    db.execute("DELETE FROM users WHERE id = ?", [id])?;
    keep_an_owner(db)
}

/// Checks that an owner remains. Call it at the end of a transaction, so that an error rolls it back.
fn keep_an_owner(db: &Connection) -> Result<(), Problem> {
    if has_owner(db)? {
        return Ok(());
    }
    Err(Problem::of(LAST_OWNER))
}

/// Removes the second factors of a user: the app, recovery codes and passkeys.
pub(crate) fn forget_factors(db: &Connection, id: i64) -> rusqlite::Result<()> {
    second_factor::forget(db, id)?;
    db.execute("DELETE FROM passkeys WHERE user = ?", [id]).map(drop)
}
