//! The limits of this crate: what each counts, its reason, and what happens beyond it.

use std::time::Duration;

/// Longest wait for a wall time before the clock is read again. A clock that was set is noticed within this time.
pub const CLOCK_CHECK: Duration = Duration::from_secs(30);

/// Bytes of a folder's schema file that are read; a longer one names no schema.
pub const MAX_SCHEMA_BYTES: u64 = 64;

/// Jobs of a scheduler; a further one is refused. A certificate needs one, a blocklist another.
pub const MAX_JOBS: usize = 1000;
/// Bytes of a job's key, which names its files.
pub const MAX_KEY_BYTES: usize = 100;
/// Bytes of a job's state file that are read; a longer one counts as damaged.
pub const MAX_STATE_BYTES: u64 = 16 * 1024;
/// Characters of a job's error that are kept.
pub const MAX_ERROR_CHARS: usize = 500;
/// Jobs that run at the same time; further ones wait for an end.
pub const MAX_RUNNING: usize = 8;
/// Pause after a job's first failure in a row; it doubles with each further one.
pub const FIRST_RETRY: Duration = Duration::from_secs(60);
/// Longest pause between two failures, save where the job asks for a longer one.
pub const MAX_RETRY: Duration = Duration::from_secs(6 * 3600);
/// Pause before a job is looked at again that another process runs now.
pub const BUSY_RETRY: Duration = Duration::from_secs(30);
/// Failures in a row after which a job is a finding.
pub const FAILING_AFTER: u32 = 3;

/// Entries of all address sets; a change beyond it is refused. An entry takes some 150 bytes of memory.
pub const MAX_ENTRIES: usize = 200_000;
/// Sources of all address sets, each with a file; a further one is refused.
pub const MAX_TABLES: usize = 100;
/// Bytes of the name of a set or a source.
pub const MAX_NAME_BYTES: usize = 40;
/// Bytes of an entry's reason; a longer one is cut.
pub const MAX_REASON_BYTES: usize = 200;
/// Bytes of the reasons of all entries, each reason of a source counted once; a change beyond it is refused.
pub const MAX_REASONS_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of the file of one source; a longer one is refused. [`MAX_ENTRIES`] with short reasons take less.
pub const MAX_SET_FILE_BYTES: u64 = 96 * 1024 * 1024;
/// Entries of address sets in the list of ends: those that end next.
pub const MAX_SET_ENDS: usize = 100;
/// Time from a change of an address set to its write. A process that is killed loses the changes of this time.
pub const FLUSH_DELAY: Duration = Duration::from_secs(1);

/// Ends that the list holds; the latest are left out.
pub const MAX_ENDS: usize = 1000;

/// Ended tasks of a group that are remembered because they panicked.
pub const MAX_PANICS: usize = 20;

/// Bytes of a secret's file; more is refused.
pub const MAX_SECRET_BYTES: u64 = 4096;

/// Bytes of a GeoIP database; a larger one is refused, because it is kept in memory. One of countries has less than 10 MB.
pub const MAX_GEOIP_BYTES: u64 = 64 * 1024 * 1024;

/// Time for one DNS server's answer.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions to a DNS server that stays silent.
pub const DNS_ATTEMPTS: usize = 2;
/// Answers that a resolver keeps until their time to live ends.
pub const DNS_CACHE: u64 = 128;
/// Bytes of a DNS answer over UDP that are asked for; a longer one comes over TCP (RFC 9715 section 3.1: no fragments).
pub const DNS_UDP_BYTES: u16 = 1232;
/// Addresses of a zone's own servers that are asked.
pub const MAX_NAME_SERVERS: usize = 32;

/// Time for a TCP connection to one address of a host, before the next address is tried.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one host that a request tries.
pub const MAX_ADDRESSES: usize = 8;
/// Bytes of the head of an HTTP answer; a longer one is an error.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
