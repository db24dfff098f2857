//! The table of API tokens, for scripts.

use std::time::Duration;

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::identity::Scope;
use super::limits::{CLOCK_STEP, MAX_NAME_CHARS, MAX_TOKEN_DAYS, MAX_TOKENS, SEEN_EVERY};
use super::secret;
use crate::{Code, Problem};

/// What every token begins with, so that scanners for secrets find one that was left in a file.
pub const PREFIX: &str = "monban_";

/// A token, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Token {
    /// Its key.
    pub id: i64,
    /// What its user calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; null: never.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// Whether a command on the gate's machine made it; owners see these, too.
    pub machine: bool,
}

const COLUMNS: &str = "id, name, scopes, created, expires, last_used, user";

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: row.get_ref(2)?.as_str()?.split(' ').filter_map(Scope::from_word).collect(),
        created: Timestamp::from_micros(row.get(3)?),
        expires: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
        last_used: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros),
        machine: row.get::<_, Option<i64>>(6)?.is_none(),
    })
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// What its user calls it.
    pub name: &'a str,
    /// What it may be used for.
    pub scopes: &'a [Scope],
    /// None: it does not end.
    pub expires_days: Option<u32>,
}

/// Makes a token, of a user or of the machine; returns its key and itself, which is stored nowhere.
///
/// # Errors
/// 422 for what it cannot be, 409 where there are too many.
pub fn create(
    db: &Connection,
    user: Option<i64>,
    wanted: &NewToken<'_>,
    now: Timestamp,
) -> Result<(i64, String), Problem> {
    let chars = wanted.name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || wanted.name.chars().any(char::is_control) {
        let error = format!("a token's name has 1 to {MAX_NAME_CHARS} characters");
        return Err(Problem::of(Code::BadTokenName, error).value("max", MAX_NAME_CHARS));
    }
    if wanted.scopes.is_empty() {
        return Err(Problem::of(
            Code::TokenWithoutScope,
            "a token has at least one scope: read, tune, admin",
        ));
    }
    if wanted.expires_days.is_some_and(|days| days == 0 || days > MAX_TOKEN_DAYS) {
        let error = format!("a token lasts 1 to {MAX_TOKEN_DAYS} days, or without end");
        return Err(Problem::of(Code::BadTokenDays, error).value("max", MAX_TOKEN_DAYS));
    }
    let count: u32 = db.query_row("SELECT count(*) FROM tokens WHERE user IS ?", [user], |row| row.get(0))?;
    if count >= MAX_TOKENS {
        let error = format!("there are {MAX_TOKENS} tokens already");
        return Err(Problem::of(Code::TooManyTokens, error).value("max", MAX_TOKENS));
    }
    let mut scopes = wanted.scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    let scopes: Vec<&str> = scopes.into_iter().map(Scope::as_str).collect();
    let token = format!("{PREFIX}{}", secret::new()?);
    let day = Duration::from_secs(86_400).as_micros() as i64;
    let expires = wanted.expires_days.map(|days| now.as_micros() + i64::from(days) * day);
    db.execute(
        "INSERT INTO tokens (user, hash, name, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
        params![user, secret::hash(&token), wanted.name, scopes.join(" "), now.as_micros(), expires],
    )?;
    Ok((db.last_insert_rowid(), token))
}

/// The token and its user, where it is good. A clock that went back to before a token with an end was made voids it.
pub fn find(db: &Connection, token: &str, now: Timestamp) -> rusqlite::Result<Option<(Token, Option<i64>)>> {
    let query = format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?");
    let row = |row: &Row<'_>| Ok((read(row)?, row.get::<_, Option<i64>>(6)?));
    let Some((token, user)) = db.query_row(&query, [secret::hash(token)], row).optional()? else {
        return Ok(None);
    };
    let back = token.created.as_micros() - now.as_micros() > CLOCK_STEP.as_micros() as i64;
    if token.expires.is_some_and(|expires| expires <= now || back) {
        return Ok(None);
    }
    let unseen = token
        .last_used
        .is_none_or(|used| now.as_micros().abs_diff(used.as_micros()) >= SEEN_EVERY.as_micros() as u64);
    if unseen {
        db.execute("UPDATE tokens SET last_used = ? WHERE id = ?", params![now.as_micros(), token.id])?;
    }
    Ok(Some((token, user)))
}

/// Those of a user, and those of the machine where these are asked for; the newest first.
pub fn all(db: &Connection, user: i64, of_machine: bool) -> rusqlite::Result<Vec<Token>> {
    let query =
        format!("SELECT {COLUMNS} FROM tokens WHERE user = ? OR (? AND user IS NULL) ORDER BY id DESC");
    db.prepare(&query)?.query_map(params![user, of_machine], read)?.collect()
}

/// A token, as the machine's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenOf {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// Whose it is; none where a command on this machine made it.
    pub user: Option<String>,
}

/// Everybody's, the newest first.
pub fn of_all(db: &Connection) -> rusqlite::Result<Vec<TokenOf>> {
    let query = format!(
        "SELECT {COLUMNS}, (SELECT users.name FROM users WHERE users.id = tokens.user) FROM tokens ORDER BY id DESC"
    );
    let row = |row: &Row<'_>| Ok(TokenOf { token: read(row)?, user: row.get(7)? });
    db.prepare(&query)?.query_map([], row)?.collect()
}

/// Deletes a token, whosever it is; tells its name.
pub fn delete_any(db: &Connection, id: i64) -> rusqlite::Result<Option<String>> {
    db.query_row("DELETE FROM tokens WHERE id = ? RETURNING name", [id], |row| row.get(0)).optional()
}

/// There is no token of this key.
pub fn none(id: i64) -> Problem {
    Problem::of(Code::NoSuchToken, format!("there is no token {id}")).value("id", id)
}

/// Deletes one of those that [`all`] gives; tells its name.
pub fn delete(db: &Connection, user: i64, of_machine: bool, id: i64) -> rusqlite::Result<Option<String>> {
    let query = "DELETE FROM tokens WHERE id = ? AND (user = ? OR (? AND user IS NULL)) RETURNING name";
    db.query_row(query, params![id, user, of_machine], |row| row.get(0)).optional()
}
