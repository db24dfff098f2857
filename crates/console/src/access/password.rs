//! Passwords: argon2id (RFC 9106), hashed on threads that may block, few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::limits::{
    HASH_KIBIBYTES, HASH_PASSES, HASHES_AT_ONCE, HASHES_WAITING, MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS,
};
use crate::Problem;
use finding::{ProblemCode, table};

table! {
    /// The error responses about passwords.
    pub(crate) PROBLEMS: ProblemCode {
        /// Too many users are signing in at the moment.
        pub(crate) BUSY = ProblemCode::new(
            "session.busy",
            429,
            "Too many users are signing in at the moment.",
            "サインインが混み合っています。",
        );
        /// Use at least {min} characters.
        pub(crate) TOO_SHORT = ProblemCode::new(
            "password.too_short",
            422,
            "Use at least {min} characters.",
            "パスワードは {min} 文字以上にしてください。",
        );
        /// Use at most {max} bytes.
        pub(crate) TOO_LONG = ProblemCode::new(
            "password.too_long",
            422,
            "Use at most {max} bytes.",
            "パスワードは {max} バイト以下にしてください。",
        );
        /// A password cannot repeat a single character.
        pub(crate) ONE_CHARACTER = ProblemCode::new(
            "password.one_character",
            422,
            "A password cannot repeat a single character.",
            "同じ文字の繰り返しはパスワードに使えません。",
        );
        /// The password is too close to the user name.
        pub(crate) USER_NAME = ProblemCode::new(
            "password.user_name",
            422,
            "The password is too close to the user name.",
            "ユーザー名とほぼ同じパスワードは使えません。",
        );
    }
}

/// A hash that no password matches. Checking it takes as long as a real one.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and checks passwords.
#[derive(Debug)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    /// Number of waiting clients of each kind.
    waiting: [AtomicUsize; 2],
}

/// The kind of a waiting client. Each kind has its own queue, so that strangers do not block users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A stranger.
    Stranger,
    /// A client with a session, a known browser or a one-time link.
    Known,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)), waiting: Default::default() }
    }
}

impl Hasher {
    /// Hashes a new password. Returns a PHC string.
    ///
    /// # Errors
    /// 422 if the password is too short, too long or too close to the user name; 429 if too many clients wait.
    pub(crate) async fn hash(&self, user: &str, password: String) -> Result<String, Problem> {
        acceptable(user, &password)?;
        let hashed = self.in_turn(Who::Known, move || {
            argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        hashed.await?.map_err(|error| failed(&error))
    }

    /// Returns whether the password matches the hash. Without a hash, returns false after the same time.
    ///
    /// # Errors
    /// 429 if too many clients wait.
    pub(crate) async fn verify(
        &self,
        who: Who,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Problem> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        self.in_turn(who, move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
            let parsed = PasswordHash::new(&hash).map_err(|error| failed(&error))?;
            Ok(argon2().verify_password(password.as_bytes(), &parsed).is_ok() && known)
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        who: Who,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::of(BUSY).retry_after(Duration::from_secs(1));
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let room = &self.waiting[who as usize];
        let before = room.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(room);
        if before >= HASHES_WAITING + HASHES_AT_ONCE {
            return Err(busy());
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| busy())?;
        // The permit moves into the thread: a client that disconnects frees no slot early.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        let done = done.await.map_err(|error| failed(&error));
        drop(waiting);
        done
    }
}

fn argon2() -> Argon2<'static> {
    // The constants are within argon2's bounds; its own defaults are the same.
    let params = Params::new(HASH_KIBIBYTES, HASH_PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the password cannot be hashed: {error}"))
}

fn acceptable(user: &str, password: &str) -> Result<(), Problem> {
    let chars = password.chars().count();
    if chars < MIN_PASSWORD_CHARS {
        return Err(Problem::of(TOO_SHORT).value("min", MIN_PASSWORD_CHARS));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Problem::of(TOO_LONG).value("max", MAX_PASSWORD_BYTES));
    }
    let first = password.chars().next();
    if password.chars().all(|char| Some(char) == first) {
        return Err(Problem::of(ONE_CHARACTER));
    }
    let (password, user) = (password.to_lowercase(), user.to_lowercase());
    let rest = password.replace(&user, "");
    if !user.is_empty() && rest.len() < password.len() && rest.chars().count() < MIN_PASSWORD_CHARS / 2 {
        return Err(Problem::of(USER_NAME));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let hasher = Hasher::default();
        let hash = hasher.hash("anna", "correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash("anna", "correct horse battery".into()).await.unwrap());
        for (password, hash, right) in [
            ("correct horse battery", Some(hash.clone()), true),
            ("correct horse batterz", Some(hash.clone()), false),
            ("", Some(hash.clone()), false),
            ("correct horse battery", None, false),
        ] {
            assert_eq!(
                hasher.verify(Who::Stranger, password.into(), hash).await.unwrap(),
                right,
                "{password}"
            );
        }
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert!(!hasher.verify(Who::Stranger, long, Some(hash)).await.unwrap());
    }

    #[test]
    fn weak_and_endless_passwords_are_refused() {
        for (user, password, taken) in [
            ("anna", "elevenchars", false),
            ("anna", "twelve chars", true),
            ("anna", "門番門番門番門番門番門番", true),
            ("anna", "aaaaaaaaaaaaaaaaa", false),
            ("annabellissima", "AnnaBellissima1", false),
            ("anna", "anna likes long walks", true),
            ("anna", "annaannaannaanna", false),
        ] {
            assert_eq!(acceptable(user, password).is_ok(), taken, "{password}");
        }
        assert!(acceptable("a", &"ab".repeat(MAX_PASSWORD_BYTES / 2)).is_ok());
        assert!(acceptable("a", &"ab".repeat(MAX_PASSWORD_BYTES / 2 + 1)).is_err());
    }

    #[tokio::test]
    async fn e21_attempts_beyond_those_that_may_wait_are_sent_away_and_nobody_else() {
        let hasher = Arc::new(Hasher::default());
        let _all = hasher.turns.acquire_many(HASHES_AT_ONCE as u32).await.unwrap();
        let waiting: Vec<_> = (0..HASHES_WAITING + HASHES_AT_ONCE)
            .map(|_| {
                let hasher = Arc::clone(&hasher);
                tokio::spawn(async move {
                    hasher.verify(Who::Stranger, "x".into(), None).await.map_err(|problem| problem.status())
                })
            })
            .collect();
        while hasher.waiting[0].load(Ordering::Relaxed) < waiting.len() {
            tokio::task::yield_now().await;
        }
        let status = hasher.verify(Who::Stranger, "x".into(), None).await.unwrap_err().status();
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        let known = tokio::spawn({
            let hasher = Arc::clone(&hasher);
            async move { hasher.verify(Who::Known, "x".into(), None).await.is_ok() }
        });
        drop(_all);
        assert!(known.await.unwrap(), "strangers send nobody else away");
        for attempt in waiting {
            assert_eq!(attempt.await.unwrap(), Ok(false));
        }
        assert_eq!(hasher.waiting[0].load(Ordering::Relaxed), 0);
    }
}
