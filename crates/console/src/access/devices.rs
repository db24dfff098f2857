//! Known browsers: a signed cookie marks a browser in which a user has signed in, so that wrong passwords of strangers do not
//! lock it out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The cookie proves nothing else: a known browser
//! needs the same credentials to sign in.
//!
//! Its form is `ID.USER:SECONDS.….MAC`: a random name, up to [`MAX_DEVICE_USERS`] users with the time of their last sign-in, and an
//! HMAC-SHA-256 of the text before it, with a key in `console.sqlite`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::Timestamp;
use ring::hmac;
use rusqlite::{Connection, OptionalExtension, params};

use super::limits::{DEVICE_AGE, MAX_DEVICE_BYTES, MAX_DEVICE_USERS};
use super::secret;
use crate::Problem;

/// A known browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    id: String,
    /// Users and the second of their last sign-in, the latest first.
    users: Vec<(i64, i64)>,
}

impl Device {
    /// Parses a cookie's value; none if the signature is invalid.
    ///
    /// # Errors
    /// The database cannot be used.
    pub(super) fn read(db: &Connection, value: &str) -> Result<Option<Self>, Problem> {
        let key = key(db)?;
        Ok(Self::parse(value, |signed, mac| hmac::verify(&key, signed, mac).is_ok()))
    }

    /// Parses a value whose signature `is_genuine` accepts.
    pub fn parse(value: &str, is_genuine: impl FnOnce(&[u8], &[u8]) -> bool) -> Option<Self> {
        let (signed, mac) = value.rsplit_once('.').filter(|_| value.len() <= MAX_DEVICE_BYTES)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        if !is_genuine(signed.as_bytes(), &mac) {
            return None;
        }
        let mut parts = signed.split('.');
        let id = parts.next()?.to_owned();
        let users = parts.map(|part| {
            let (user, since) = part.split_once(':')?;
            Some((user.parse().ok()?, since.parse().ok()?))
        });
        Some(Self { id, users: users.collect::<Option<_>>()? })
    }

    /// Returns the random name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether this user signed in there recently, and after the last password reset.
    pub(super) fn is_of(&self, db: &Connection, user: i64, now: Timestamp) -> rusqlite::Result<bool> {
        let Some((_, since)) = self.users.iter().find(|(known, _)| *known == user) else { return Ok(false) };
        if !is_recent(*since, now) {
            return Ok(false);
        }
        let least: Option<i64> = db
            .query_row("SELECT devices_since FROM users WHERE id = ?", [user], |row| row.get(0))
            .optional()?;
        Ok(least.is_some_and(|least| *since >= least))
    }

    /// Returns the cookie's value after a sign-in. A known browser keeps its name and its other users.
    ///
    /// # Errors
    /// The database or the random generator fails.
    pub(super) fn remember(
        db: &Connection,
        known: Option<Self>,
        user: i64,
        now: Timestamp,
    ) -> Result<String, Problem> {
        let Self { id, mut users } = match known {
            Some(known) => known,
            None => Self { id: URL_SAFE_NO_PAD.encode(secret::random::<16>()?), users: Vec::new() },
        };
        users.retain(|(known, since)| *known != user && is_recent(*since, now));
        users.insert(0, (user, seconds(now)));
        users.truncate(MAX_DEVICE_USERS);
        let users: Vec<String> = users.iter().map(|(user, since)| format!("{user}:{since}")).collect();
        let signed = format!("{id}.{}", users.join("."));
        let mac = hmac::sign(&key(db)?, signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }
}

/// Forgets all known browsers of a user.
pub(super) fn forget(db: &Connection, user: i64, now: Timestamp) -> rusqlite::Result<()> {
    db.execute("UPDATE users SET devices_since = ? WHERE id = ?", params![seconds(now), user]).map(drop)
}

fn seconds(now: Timestamp) -> i64 {
    now.as_micros() / 1_000_000
}

fn is_recent(since: i64, now: Timestamp) -> bool {
    seconds(now) - since < DEVICE_AGE.as_secs().cast_signed()
}

/// Returns the signing key. Creates it on first use.
fn key(db: &Connection) -> Result<hmac::Key, Problem> {
    let read = || {
        let query = "SELECT key FROM keys WHERE name = 'devices'";
        db.query_row(query, [], |row| row.get::<_, Vec<u8>>(0)).optional()
    };
    let key = match read()? {
        Some(key) => key,
        None => {
            let fresh = secret::random::<32>()?;
            db.execute("INSERT INTO keys (name, key) VALUES ('devices', ?)", [&fresh[..]])?;
            fresh.to_vec()
        }
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}
