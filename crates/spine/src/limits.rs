//! The limits of this crate, each with its reason and its effect.

use std::time::Duration;

/// Longest wait for a wall time before the clock is read again. The wait notices a clock change within this time.
pub const CLOCK_CHECK: Duration = Duration::from_secs(30);

/// Bytes of a folder's schema file that are read. A longer file names no schema.
pub const MAX_SCHEMA_BYTES: u64 = 64;

/// Jobs of a scheduler; a further job is refused. Each certificate and each blocklist needs one.
pub const MAX_JOBS: usize = 1000;
/// Bytes of a job's key, which names its files.
pub const MAX_KEY_BYTES: usize = 100;
/// Bytes of a job's state file that are read. A longer file counts as damaged.
pub const MAX_STATE_BYTES: u64 = 16 * 1024;
/// Characters of a job's error that are kept.
pub const MAX_ERROR_CHARS: usize = 500;
/// Jobs that run at the same time. Further jobs wait.
pub const MAX_RUNNING: usize = 8;
/// Pause after the first failure of a job; it doubles with each further failure in a row.
pub const FIRST_RETRY: Duration = Duration::from_secs(60);
/// Longest pause after a failure, unless the job asks for a longer one.
pub const MAX_RETRY: Duration = Duration::from_secs(6 * 3600);
/// Pause before the scheduler retries a job that another process is running.
pub const BUSY_RETRY: Duration = Duration::from_secs(30);
/// Failures in a row after which a job becomes a finding.
pub const FAILING_AFTER: u32 = 3;

/// Entries of all address sets; a change beyond it is refused. An entry takes about 150 bytes of memory.
pub const MAX_ENTRIES: usize = 200_000;
/// Sources of all address sets, each with its own file; a further source is refused.
pub const MAX_TABLES: usize = 100;
/// Bytes of the name of a set or a source.
pub const MAX_NAME_BYTES: usize = 40;
/// Bytes of an entry's reason; a longer reason is cut.
pub const MAX_REASON_BYTES: usize = 200;
/// Bytes of the reasons of all entries; a change beyond it is refused. A reason that several entries of a source share
/// counts once.
pub const MAX_REASONS_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of the file of one source; a longer file is refused. [`MAX_ENTRIES`] entries with short reasons need less.
pub const MAX_SET_FILE_BYTES: u64 = 96 * 1024 * 1024;
/// Entries of address sets in the list of ends: the entries that end next.
pub const MAX_SET_ENDS: usize = 100;
/// Time from a change of an address set to its write. A killed process loses the changes of this time.
pub const FLUSH_DELAY: Duration = Duration::from_secs(1);

/// Ends in the list; the latest are omitted.
pub const MAX_ENDS: usize = 1000;

/// Panicked tasks that a group remembers.
pub const MAX_PANICS: usize = 20;

/// Bytes of a secret's file; a longer file is refused.
pub const MAX_SECRET_BYTES: u64 = 4096;

/// Bytes of a GeoIP database, which is kept in memory; a larger one is refused. A database of countries has less than
/// 10 MB.
pub const MAX_GEOIP_BYTES: u64 = 64 * 1024 * 1024;

/// Time limit for the answer of one DNS server.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts to query a DNS server that does not answer.
pub const DNS_ATTEMPTS: usize = 2;
/// Answers that a resolver caches until their TTL expires.
pub const DNS_CACHE: u64 = 128;
/// Bytes of a DNS answer over UDP; a longer answer comes over TCP (RFC 9715 section 3.1: no fragments).
pub const DNS_UDP_BYTES: u16 = 1232;
/// Addresses of authoritative servers that are queried.
pub const MAX_NAME_SERVERS: usize = 32;

/// Time limit for a TCP connection to one address of a host, before the next address is tried.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one host that a request tries.
pub const MAX_ADDRESSES: usize = 8;
/// Bytes of the head of an HTTP answer; a longer one is an error.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
