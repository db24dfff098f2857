//! Limits of accounts and sessions: constant, unit, source, what happens beyond.

use std::time::Duration;

/// Characters of a user's name; more is refused.
pub const MAX_NAME_CHARS: usize = 64;
/// Users, invited ones included; more are refused.
pub const MAX_USERS: u64 = 1000;
/// Characters of a password, at least: NIST SP 800-63B-4 §3.1.1.2 asks for 15 where it is the only factor and 8 where
/// it is not.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Bytes of a password; more is refused. Hashing a long one costs no more than a short one, but reading it does.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// Bytes of a request's body; more is answered with 413.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Passwords that are hashed at the same time. Each takes [`HASH_KIBIBYTES`].
pub const HASHES_AT_ONCE: usize = 2;
/// Passwords that wait for their turn, of strangers and of known browsers apart; further ones are answered with 429.
pub const HASHES_WAITING: usize = 16;
/// Memory for one hash: the first of OWASP's recommendations for argon2id that fits a machine of 512 MB.
pub const HASH_KIBIBYTES: u32 = 19 * 1024;
/// Passes over that memory (same source).
pub const HASH_PASSES: u32 = 2;

/// Wrong passwords of one user from one client address (an IPv6 /64 counts as one), and of each other kind in
/// [`attempts`](super::attempts), before further ones have to wait.
pub const ATTEMPTS: u32 = 10;
/// How long it takes until one more is allowed.
pub const ATTEMPT_EVERY: Duration = Duration::from_secs(60);
/// Wrong passwords of any user from one client address before further ones have to wait: an office behind one address has many
/// users, a list of names and one password is longer.
pub const NETWORK_ATTEMPTS: u32 = 100;
/// How long it takes until one more is allowed.
pub const NETWORK_ATTEMPT_EVERY: Duration = Duration::from_secs(10);
/// Buckets of attempts that are remembered; beyond it, those with the fewest attempts are forgotten.
pub const MAX_COUNTED: usize = 10_000;
/// How long a browser in which somebody has signed in counts as known; each signing in begins it anew.
pub const DEVICE_AGE: Duration = Duration::from_secs(365 * 86_400);
/// Users that one browser is known for; the one who has not signed in for longest goes.
pub const MAX_DEVICE_USERS: usize = 4;
/// Bytes of the cookie that tells known browsers; a longer one is none.
pub const MAX_DEVICE_BYTES: usize = 512;
/// Addresses of `X-Forwarded-For` that are looked at, from its end; what stands before them is not believed.
pub const FORWARDED_HOPS: usize = 32;

/// How long a session lasts without a request.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 3600);
/// How long a session lasts at most.
pub const SESSION_AGE: Duration = Duration::from_secs(7 * 86_400);
/// Sessions of one user; the oldest ends for a new one.
pub const MAX_SESSIONS: u32 = 20;
/// How exact `last_seen` and `last_used` are: they are written no more often.
pub const SEEN_EVERY: Duration = Duration::from_secs(60);
/// How far the clock may go back before a session ends: it could otherwise last longer than it may.
pub const CLOCK_STEP: Duration = Duration::from_secs(300);
/// How long the link to the first account, or to a new password, is good for.
pub const LINK_AGE: Duration = Duration::from_secs(24 * 3600);
/// How long an invitation is good for.
pub const INVITATION_AGE: Duration = Duration::from_secs(7 * 86_400);
/// Recovery codes that are made when codes are switched on.
pub const RECOVERY_CODES: usize = 10;
/// Passkeys of one user; more are refused.
pub const MAX_PASSKEYS: usize = 20;
/// How long a passkey's ceremony may take: the timeout that browsers are given.
pub const CEREMONY_AGE: Duration = Duration::from_secs(300);
/// Ceremonies of one kind under way; the oldest is forgotten for a new one.
pub const MAX_CEREMONIES: usize = 1000;
/// API tokens of one user, or of the machine; more are refused.
pub const MAX_TOKENS: u32 = 100;
/// Days that a token may last; more is refused. Without a number it does not expire.
pub const MAX_TOKEN_DAYS: u32 = 3650;
/// Bytes of a user agent, and of a detail in the audit trail, that are kept.
pub const MAX_KEPT_BYTES: usize = 400;
/// Entries of the audit trail, refused attempts apart; the oldest go.
pub const MAX_AUDIT_ENTRIES: i64 = 100_000;
/// Entries of refused attempts, apart from the rest: strangers can make them at will, and must not push it out.
pub const MAX_AUDIT_REFUSALS: i64 = 10_000;
/// How many more of each there may be until the oldest are looked for.
pub const AUDIT_SLACK: i64 = 100;
/// Refused attempts of one kind, user and address within this time are one entry with a count.
pub const AUDIT_TOGETHER: Duration = Duration::from_secs(3600);
/// Entries of refused attempts among which that one is looked for.
pub const AUDIT_TOGETHER_AMONG: i64 = 100;
/// Bytes of the memory that SQLite keeps pages in, in KiB.
pub const CACHE_KIBIBYTES: i64 = 512;
