//! The limits of this crate, each with its reason and its effect.

use std::time::Duration;

/// Bytes of a request; a longer one is refused when its length arrives. The content of the longest file fits in base64.
pub const MAX_REQUEST_BYTES: usize = 384 * 1024;
/// Bytes of an answer; a longer one becomes a refusal. [`MAX_OUTPUT_BYTES`] of control characters fit in JSON.
pub const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// Bytes of a name or a user in a log line; a longer one is cut.
pub const MAX_LOGGED_BYTES: usize = 64;
/// Bytes of a refusal in a log line; a longer one is cut.
pub const MAX_LOGGED_REFUSAL_BYTES: usize = 512;

/// Requests in progress; a further client is refused.
pub const MAX_CLIENTS: usize = 8;
/// Time for a whole request to arrive, and for a client to take the answer.
pub const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time of a client's patience beyond the longest time of the verb itself, which includes the warden's start.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after an error of accept, until other connections have ended.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a thread's stack.
pub const STACK_BYTES: usize = 512 * 1024;

/// Bytes of warden.toml; a longer file is refused.
pub const MAX_SETTINGS_BYTES: u64 = 256 * 1024;
/// Bytes of a name in warden.toml.
pub const MAX_NAME_BYTES: usize = 40;
/// Bytes of /etc/passwd and of /etc/group that are read; accounts beyond do not exist.
pub const MAX_ACCOUNTS_BYTES: u64 = 1024 * 1024;

/// Bytes of an authorized_keys file that are read; the answer says that more follow.
pub const MAX_KEYS_BYTES: u64 = 256 * 1024;
/// Keys of a user in an answer; the answer says that more follow.
pub const MAX_KEYS: usize = 500;
/// Bytes of the name of a key's algorithm (RFC 4251 section 6); a line with a longer one is no key.
pub const MAX_ALGORITHM_BYTES: usize = 64;
/// Bytes of a key's comment; a longer one is cut.
pub const MAX_COMMENT_BYTES: usize = 200;

/// Bytes of a cursor of the journal; systemd's have about 110.
pub const MAX_CURSOR_BYTES: usize = 256;
/// Programs that follow the journal at the same time; a further one is refused.
pub const MAX_FOLLOWERS: usize = 4;

/// Bytes of a file that `write` accepts.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// Longest time limit of a hook.
pub const MAX_HOOK_TIME: Duration = Duration::from_secs(600);
/// Time limit of a reload, as systemd's own default for a unit.
pub const RELOAD_TIME: Duration = Duration::from_secs(90);
/// Bytes of a program's output that are kept, from its beginning; the rest is read and dropped.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;
