//! The limits of this crate: the quantity, the reason for the value, and the effect of exceeding it.

use std::time::Duration;

/// Bytes of one journal entry as JSON. [`crate::entry::Entry::parse`] refuses a longer one. journald cuts a message at
/// 48 KiB by default (LineMax), and `journalctl` prints null for a field of more than 4 KiB.
pub const MAX_ENTRY_BYTES: usize = 256 * 1024;

/// Bytes of one line of a log file. [`crate::syslog::SyslogLine::parse`] refuses a longer one. rsyslog cuts at 8 KiB.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

/// Bytes of a message that are searched for a claim; the message of a longer one makes no claim. sshd writes at most 1
/// KiB, sudo splits its lines at 980 bytes.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Bytes of a user name; the rest is cut off. sshd cuts at 100 characters, and Linux allows 32.
pub const MAX_USER_BYTES: usize = 128;

/// Bytes of any other text of a claim: terminal, fingerprint, command, forged line; the rest is cut off.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Bytes of a report of the hook. [`crate::hook::HookReport::parse`] refuses a longer one.
pub const MAX_HOOK_BYTES: usize = 4 * 1024;

/// Bursts of failed tries that are counted by their source at a time. A try of a further source replaces the burst that
/// has been quiet for the longest time, whose tries then belong to the burst of all other sources.
pub const MAX_BURSTS: usize = 4096;

/// Users of one burst that are counted by name; tries with further names are counted together.
pub const MAX_BURST_USERS: usize = 32;

/// Bytes of the names of users in all bursts together; beyond it, tries with new names are counted together.
pub const MAX_BURST_NAMES_BYTES: usize = 2 * 1024 * 1024;

/// Open sessions. A further one replaces the oldest, whose end is then not seen.
pub const MAX_SESSIONS: usize = 1024;

/// Users whose countries, networks, keys and hours are known. A further one replaces the user who has been away for the
/// longest time, who is then new again.
pub const MAX_KNOWN_USERS: usize = 512;

/// Countries, networks and keys of one user, each. A further one replaces the one that has not been seen for the longest
/// time, which is then new again.
pub const MAX_KNOWN_VALUES: usize = 64;

/// Addresses with an accepted login, which are never banned. A further one replaces the oldest.
pub const MAX_OWN_ADDRESSES: usize = 1024;

/// Time after an accepted login in which its address is never banned.
pub const OWN_ADDRESS_TIME: Duration = Duration::from_secs(30 * 86_400);

/// Addresses whose earlier bans are remembered. A further one replaces the one with the oldest ban, whose next ban then
/// has the first duration again.
pub const MAX_BANNED: usize = 4096;

/// Connections that are remembered, so that several lines of one try count once. A further one replaces the oldest,
/// whose next line may count a try twice.
pub const MAX_CONNECTIONS: usize = 4096;

/// Accepted logins that a report of the hook, or a journal entry after it, is compared with.
pub const MAX_RECENT: usize = 256;

/// Logins within a minute that users other than root may report by the hook where nothing else reports logins; further
/// ones are counted as forged.
pub const MAX_UNCERTAIN: usize = 20;

/// Time between the report of the hook and the journal entry of the same login.
pub const SAME_LOGIN_TIME: Duration = Duration::from_secs(60);

/// Logins of a user after which an hour counts as new.
pub const LOGINS_BEFORE_HOURS: u32 = 10;

/// Reports that wait for [`crate::observer::Observer::take_reports`]; further ones are counted as lost. The caller takes
/// them after each batch of lines.
pub const MAX_REPORTS: usize = 16 * 1024;

/// Bytes of the JSON of the stored state. [`crate::observer::Observer::restore`] refuses a longer one.
pub const MAX_STATE_BYTES: u64 = 32 * 1024 * 1024;
