//! The limits of this crate, each with its reason and its effect.

use std::time::Duration;

/// Bytes of one answer of an API; a longer answer is an error. A page of 1,000 records has about 300 KB.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Zones of an account; a longer list is an error.
pub const MAX_ZONES: usize = 10_000;
/// Records of one zone that a provider lists; a longer list is an error.
pub const MAX_RECORDS: usize = 50_000;
/// Pages of one list; a further page is an error, because an API may offer the same page without end.
pub const MAX_PAGES: usize = 500;
/// Bytes of an identifier that an API assigns to a zone or a record; a longer one is an error.
pub const MAX_ID_BYTES: usize = 128;
/// Bytes of a token that an API returns; a longer one is an error.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Bytes of a record's value; a longer one is refused before it is sent. A DNS message has at most 64 KiB.
pub const MAX_VALUE_BYTES: usize = 32 * 1024;
/// Bytes of a domain name without the final dot (RFC 1035 §2.3.4).
pub const MAX_NAME_BYTES: usize = 253;
/// Bytes of an answer or of a program's output that an error shows.
pub const MAX_EXCERPT_BYTES: usize = 300;

/// Time limit of one request.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// Attempts of one request, the first included.
pub const MAX_ATTEMPTS: u32 = 4;
/// Pause after the first failed attempt; it doubles with each further one.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Questions whether an accepted change is done, 1 s apart; then it is an error.
pub const MAX_POLLS: usize = 60;
/// Longest Retry-After that a request waits for. Beyond it, the error passes the wait on to the caller.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Remaining lifetime below which a token is renewed before use.
pub const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// Time limit of one exchange with a DNS server.
pub const DNS_DEADLINE: Duration = Duration::from_secs(10);
/// Seconds that the clocks of both ends of a TSIG signature may differ (RFC 8945 §5.2.3).
pub const TSIG_FUDGE: u16 = 300;

/// Time limit of a program unless the settings name another.
pub const PROGRAM_DEADLINE: Duration = Duration::from_secs(300);
/// Longest time limit of a program that the settings may name.
pub const MAX_PROGRAM_DEADLINE: Duration = Duration::from_secs(3600);
/// Bytes of a program's output that are kept; the rest is read and dropped.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;
