//! The table of API tokens, for scripts.

use std::time::Duration;

use event::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{CLOCK_STEP, MAX_NAME_CHARS, MAX_TOKEN_DAYS, MAX_TOKENS, SEEN_EVERY};
use super::role::Scope;
use super::secret;
use crate::Problem;
use finding::{AuditAction, ProblemCode, Text, table};

table! {
    /// The error responses about API tokens.
    pub(crate) PROBLEMS: ProblemCode {
        /// The name of a token has 1 to {max} characters.
        pub(crate) BAD_NAME = ProblemCode::new(
            "token.bad_name",
            422,
            "The name of a token has 1 to {max} characters.",
            "トークンの用途は 1〜{max} 文字で入力してください。",
        );
        /// A token needs at least one permission.
        pub(crate) WITHOUT_SCOPE = ProblemCode::new(
            "token.without_scope",
            422,
            "A token needs at least one permission.",
            "トークンの権限を1つ以上選んでください。",
        );
        /// A token expires after 1 to {max} days, or never.
        pub(crate) BAD_DAYS = ProblemCode::new(
            "token.bad_days",
            422,
            "A token expires after 1 to {max} days, or never.",
            "トークンの有効期限は 1〜{max} 日、または無期限です。",
        );
        /// You already have {max} tokens. Remove one first.
        pub(crate) TOO_MANY = ProblemCode::new(
            "token.too_many",
            409,
            "You already have {max} tokens. Remove one first.",
            "トークンは {max} 個までです。",
        );
        /// The permission “{scope}” needs the role {role}.
        pub(crate) SCOPE_BEYOND_ROLE = ProblemCode::new(
            "token.scope_beyond_role",
            403,
            "The permission “{scope}” needs the role {role}.",
            "権限「{scope}」には{role}の役割が必要です。",
        ).examples(&[("scope", Text::new("write", "書き込み"))]);
        /// Token {id} does not exist.
        pub(crate) NOT_FOUND = ProblemCode::new(
            "token.not_found",
            404,
            "Token {id} does not exist.",
            "トークン {id} は存在しません。",
        );
    }
}

table! {
    /// The actions of API tokens.
    pub(crate) ACTIONS: AuditAction {
        /// Token created.
        pub(crate) CREATED = AuditAction::new("token.created", "token created", "トークンを発行");
        /// Token removed.
        pub(crate) DELETED = AuditAction::new("token.deleted", "token removed", "トークンを削除");
    }
}

/// Prefix of every token, by which secret scanners recognise a leaked one.
pub(crate) const PREFIX: &str = "monban_";

/// A token, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Token {
    /// Id in the database.
    pub id: i64,
    /// Name given by its user.
    pub name: String,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// Time of its creation.
    pub created: Timestamp,
    /// Time of its expiry; null if it never expires.
    pub expires: Option<Timestamp>,
    /// Time of the last use, to the minute.
    pub last_used: Option<Timestamp>,
    /// Whether a command on the server created it. Owners see these tokens too.
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

/// A token to create.
#[derive(Debug, Clone)]
pub(crate) struct NewToken<'a> {
    /// Name given by its user.
    pub name: &'a str,
    /// Its scopes.
    pub scopes: &'a [Scope],
    /// Days until it expires; none if it never expires.
    pub expires_days: Option<u32>,
}

/// Creates a token of a user or of the server. Returns its key and the token, which is not stored.
///
/// # Errors
/// 422 for an invalid name, scope or lifetime, 409 at the limit of tokens.
pub(crate) fn create(
    db: &Connection,
    user: Option<i64>,
    wanted: &NewToken<'_>,
    now: Timestamp,
) -> Result<(i64, String), Problem> {
    let chars = wanted.name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || wanted.name.chars().any(char::is_control) {
        return Err(Problem::of(BAD_NAME).value("max", MAX_NAME_CHARS));
    }
    if wanted.scopes.is_empty() {
        return Err(Problem::of(WITHOUT_SCOPE));
    }
    if wanted.expires_days.is_some_and(|days| days == 0 || days > MAX_TOKEN_DAYS) {
        return Err(Problem::of(BAD_DAYS).value("max", MAX_TOKEN_DAYS));
    }
    let count: u32 = db.query_row("SELECT count(*) FROM tokens WHERE user IS ?", [user], |row| row.get(0))?;
    if count >= MAX_TOKENS {
        return Err(Problem::of(TOO_MANY).value("max", MAX_TOKENS));
    }
    let mut scopes = wanted.scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    let scopes: Vec<&str> = scopes.into_iter().map(Scope::as_str).collect();
    let token = format!("{PREFIX}{}", secret::new()?);
    let day = super::micros(Duration::from_secs(86_400));
    let expires = wanted.expires_days.map(|days| now.as_micros() + i64::from(days) * day);
    db.execute(
        "INSERT INTO tokens (user, hash, name, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
        params![user, secret::hash(&token), wanted.name, scopes.join(" "), now.as_micros(), expires],
    )?;
    Ok((db.last_insert_rowid(), token))
}

/// Returns a valid token and its user. A token with an expiry is also invalid before its creation time, because the clock then
/// went back.
pub(crate) fn find(
    db: &Connection,
    token: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<(Token, Option<i64>)>> {
    let query = format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?");
    let row = |row: &Row<'_>| Ok((read(row)?, row.get::<_, Option<i64>>(6)?));
    let Some((token, user)) = db.query_row(&query, [secret::hash(token)], row).optional()? else {
        return Ok(None);
    };
    let back = token.created.as_micros() - now.as_micros() > super::micros(CLOCK_STEP);
    if token.expires.is_some_and(|expires| expires <= now || back) {
        return Ok(None);
    }
    let unseen = token
        .last_used
        .is_none_or(|used| (now.as_micros() - used.as_micros()).abs() >= super::micros(SEEN_EVERY));
    if unseen {
        db.execute("UPDATE tokens SET last_used = ? WHERE id = ?", params![now.as_micros(), token.id])?;
    }
    Ok(Some((token, user)))
}

/// Returns the tokens of a user, and on request those of the server, newest first.
pub(crate) fn all(db: &Connection, user: i64, of_machine: bool) -> rusqlite::Result<Vec<Token>> {
    let query =
        format!("SELECT {COLUMNS} FROM tokens WHERE user = ? OR (? AND user IS NULL) ORDER BY id DESC");
    db.prepare(&query)?.query_map(params![user, of_machine], read)?.collect()
}

/// A token, as the server's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenOf {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// Its user; none for a token of the server.
    pub user: Option<String>,
}

/// Returns the tokens of all users, newest first.
pub(crate) fn of_all(db: &Connection) -> rusqlite::Result<Vec<TokenOf>> {
    let query = format!(
        "SELECT {COLUMNS}, (SELECT users.name FROM users WHERE users.id = tokens.user) FROM tokens ORDER BY id DESC"
    );
    let row = |row: &Row<'_>| Ok(TokenOf { token: read(row)?, user: row.get(7)? });
    db.prepare(&query)?.query_map([], row)?.collect()
}

/// Deletes a token of any user. Returns its name.
pub(crate) fn delete_any(db: &Connection, id: i64) -> rusqlite::Result<Option<String>> {
    db.query_row("DELETE FROM tokens WHERE id = ? RETURNING name", [id], |row| row.get(0)).optional()
}

/// Returns the response to an unknown key of a token.
pub(crate) fn none(id: i64) -> Problem {
    Problem::of(NOT_FOUND).value("id", id)
}

/// Deletes one of the tokens that [`all`] returns. Returns its name.
pub(crate) fn delete(
    db: &Connection,
    user: i64,
    of_machine: bool,
    id: i64,
) -> rusqlite::Result<Option<String>> {
    let query = "DELETE FROM tokens WHERE id = ? AND (user = ? OR (? AND user IS NULL)) RETURNING name";
    db.query_row(query, params![id, user, of_machine], |row| row.get(0)).optional()
}
