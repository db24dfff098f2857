//! Limits of accounts and sessions: unit, source, and effect beyond it.

use std::time::Duration;

/// Characters of a user's name; a longer one is refused.
pub const MAX_NAME_CHARS: usize = 64;
/// Users, including invited ones; more are refused.
pub const MAX_USERS: u64 = 1000;
/// Least characters of a password. NIST SP 800-63B-4 §3.1.1.2 requires 15 if it is the only factor, and 8 if it is not.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Bytes of a password; a longer one is refused. Hashing a long password costs no more than a short one, but reading it does.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// Bytes of a request's body; a longer one gets a 413.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Passwords that are hashed at the same time. Each needs [`HASH_KIBIBYTES`].
pub const HASHES_AT_ONCE: usize = 2;
/// Passwords in the queue, separately for strangers and for known browsers; more get a 429.
pub const HASHES_WAITING: usize = 16;
/// Memory for one hash: the first of OWASP's recommendations for argon2id that suits a machine with 512 MB.
pub const HASH_KIBIBYTES: u32 = 19 * 1024;
/// Passes over this memory (same source).
pub const HASH_PASSES: u32 = 2;

/// Wrong passwords of one user from one client address (an IPv6 /64 counts as one), and attempts of each other kind in
/// [`attempts`](super::attempts), before further ones must wait.
pub const ATTEMPTS: u32 = 10;
/// Time until another attempt is allowed.
pub const ATTEMPT_EVERY: Duration = Duration::from_secs(60);
/// Wrong passwords of any user from one client address before further ones must wait: an office behind one address has many
/// users, but an attacker's list of names is longer.
pub const NETWORK_ATTEMPTS: u32 = 100;
/// Time until another attempt is allowed.
pub const NETWORK_ATTEMPT_EVERY: Duration = Duration::from_secs(10);
/// Buckets of attempts in memory. Beyond it, those with the fewest attempts are removed.
pub const MAX_COUNTED: usize = 10_000;
/// Time for which a browser counts as known after a sign-in. Each sign-in renews it.
pub const DEVICE_AGE: Duration = Duration::from_secs(365 * 86_400);
/// Users for whom one browser is known. Beyond it, the one with the oldest sign-in is removed.
pub const MAX_DEVICE_USERS: usize = 4;
/// Bytes of the cookie that marks known browsers; a longer one is ignored.
pub const MAX_DEVICE_BYTES: usize = 512;
/// Addresses of `X-Forwarded-For` that are read, from its end; those before are not trusted.
pub const FORWARDED_HOPS: usize = 32;

/// Lifetime of a session without a request.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 3600);
/// Longest lifetime of a session.
pub const SESSION_AGE: Duration = Duration::from_secs(7 * 86_400);
/// Sessions of one user. A new one beyond it ends the oldest.
pub const MAX_SESSIONS: u32 = 20;
/// Resolution of `last_seen` and `last_used`: they are written at most this often.
pub const SEEN_EVERY: Duration = Duration::from_secs(60);
/// Time by which the clock may go back before a session ends, because the session could otherwise last too long.
pub const CLOCK_STEP: Duration = Duration::from_secs(300);
/// Lifetime of the link to the first account, or to a new password.
pub const LINK_AGE: Duration = Duration::from_secs(24 * 3600);
/// Lifetime of an invitation.
pub const INVITATION_AGE: Duration = Duration::from_secs(7 * 86_400);
/// Recovery codes that are generated when the authenticator app is enabled.
pub const RECOVERY_CODES: usize = 10;
/// Passkeys of one user; more are refused.
pub const MAX_PASSKEYS: usize = 20;
/// Time limit of a passkey's ceremony, which browsers get as their timeout.
pub const CEREMONY_AGE: Duration = Duration::from_secs(300);
/// Running ceremonies of one kind. A new one beyond it removes the oldest.
pub const MAX_CEREMONIES: usize = 1000;
/// API tokens of one user, or of the server; more are refused.
pub const MAX_TOKENS: u32 = 100;
/// Longest lifetime of a token in days; more is refused. Without a lifetime it does not expire.
pub const MAX_TOKEN_DAYS: u32 = 3650;
/// Bytes of a user agent, and of a detail in the audit trail, that are stored.
pub const MAX_KEPT_BYTES: usize = 400;
/// Entries of the audit trail, without refused attempts. Beyond it the oldest are deleted.
pub const MAX_AUDIT_ENTRIES: i64 = 100_000;
/// Entries of refused attempts. They are counted separately, because strangers can cause any number of them and must not displace
/// other entries.
pub const MAX_AUDIT_REFUSALS: i64 = 10_000;
/// Entries beyond each limit after which the oldest are deleted.
pub const AUDIT_SLACK: i64 = 100;
/// Time within which refused attempts of one kind, user and address share an entry with a count.
pub const AUDIT_TOGETHER: Duration = Duration::from_secs(3600);
/// Number of recent entries of refused attempts that are searched for such an entry.
pub const AUDIT_TOGETHER_AMONG: i64 = 100;
/// Size of SQLite's page cache, in KiB.
pub const CACHE_KIBIBYTES: i64 = 512;
