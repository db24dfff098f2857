//! The audit trail: who changed what, and who was refused.

use event::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::identity::{Identity, Via};
use super::limits::{
    AUDIT_SLACK, AUDIT_TOGETHER, AUDIT_TOGETHER_AMONG, MAX_AUDIT_ENTRIES, MAX_AUDIT_REFUSALS, MAX_KEPT_BYTES,
};

macro_rules! actions {
    ($($(#[doc = $what:literal])+ $action:ident = $word:literal,)+) => {
        /// What the audit trail tells of. Words may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AuditAction {
            $($(#[doc = $what])+ $action,)+
        }

        impl AuditAction {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$action,)+];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $word,)+
                }
            }
        }
    };
}

actions! {
    /// Somebody signed in; the detail says by what.
    SignIn = "sign_in",
    /// Somebody could not prove who it was; the detail says by what.
    SignInRefused = "sign_in_refused",
    /// A session was ended by its user.
    SignOut = "sign_out",
    /// A one-time link was used; the detail says what for.
    Setup = "setup",
    /// A one-time link was made.
    LinkCreated = "link_created",
    /// A user was invited.
    UserInvited = "user_invited",
    /// A user's role was changed.
    RoleChanged = "role_changed",
    /// A user was removed.
    UserDeleted = "user_deleted",
    /// A password was changed.
    PasswordChanged = "password_changed",
    /// Codes of an app were switched on.
    TotpOn = "totp_on",
    /// Codes of an app were switched off.
    TotpOff = "totp_off",
    /// New recovery codes took the place of the old ones.
    RecoveryCodesMade = "recovery_codes_made",
    /// A passkey was added.
    PasskeyAdded = "passkey_added",
    /// A passkey was removed.
    PasskeyDeleted = "passkey_deleted",
    /// Another session of the same user was ended.
    SessionEnded = "session_ended",
    /// An API token was made.
    TokenCreated = "token_created",
    /// An API token was deleted.
    TokenDeleted = "token_deleted",
    /// A test notice was sent; the detail says what became of it.
    NoticeTested = "notice_tested",
    /// An exclusion was added.
    ExclusionAdded = "exclusion_added",
    /// Exclusions took the place of others.
    ExclusionReplaced = "exclusion_replaced",
    /// An exclusion was removed.
    ExclusionRemoved = "exclusion_removed",
    /// A change of the exclusions was undone.
    ChangeUndone = "change_undone",
    /// A site learns, blocks, or detects only.
    SiteMode = "site_mode",
    /// Findings of /healthz were acknowledged; the detail names them.
    FindingsAcknowledged = "findings_acknowledged",
}

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
    #[schema(value_type = AuditAction)]
    pub what: String,
    /// What more there is to say of it.
    pub detail: String,
    /// How often: refused attempts of one user from one address within an hour are one entry.
    pub count: u64,
    /// Time of the last one, if there are several.
    pub last: Option<Timestamp>,
}

/// Adds an entry; a refused attempt counts in the one before it that is of the same kind.
pub fn record(
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
    if what == AuditAction::SignInRefused {
        let since = micros - AUDIT_TOGETHER.as_micros() as i64;
        let counted = db
            .prepare_cached(
                "UPDATE audit SET count = count + 1, last = ?1 WHERE id =
                    (SELECT id FROM (SELECT * FROM audit WHERE what = ?2 ORDER BY id DESC LIMIT ?3)
                        WHERE user = ?4 AND address = ?5 AND detail = ?6 AND time > ?7 LIMIT 1)",
            )?
            .execute(params![
                micros,
                what.as_str(),
                AUDIT_TOGETHER_AMONG,
                who.user,
                address,
                detail,
                since
            ])?;
        if counted > 0 {
            return Ok(());
        }
    }
    db.prepare_cached(
        "INSERT INTO audit (time, user, via, address, what, detail) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![micros, who.user, via, address, what.as_str(), detail])?;
    if db.last_insert_rowid() % AUDIT_SLACK == 0 {
        trim(db, MAX_AUDIT_ENTRIES, MAX_AUDIT_REFUSALS)?;
    }
    Ok(())
}

/// Deletes the oldest, of refused attempts and of the rest apart.
fn trim(db: &Connection, entries: i64, refusals: i64) -> rusqlite::Result<()> {
    let refused = AuditAction::SignInRefused.as_str();
    for (is, most) in [("=", refusals), ("<>", entries)] {
        db.prepare_cached(&format!(
            "DELETE FROM audit WHERE what {is} ?1 AND id <=
                (SELECT id FROM audit WHERE what {is} ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
        ))?
        .execute(params![refused, most])?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_action_as_the_trail_does() {
        let document = serde_json::to_value(crate::openapi::document()).unwrap();
        let described = document["components"]["schemas"]["AuditAction"]["enum"].as_array().unwrap();
        let words: Vec<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(*described, words);
        assert!(words.len() > 20);
    }
}
