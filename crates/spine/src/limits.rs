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

/// Ends that the list holds; the latest are left out.
pub const MAX_ENDS: usize = 1000;

/// Ended tasks of a group that are remembered because they panicked.
pub const MAX_PANICS: usize = 20;

/// Bytes of a secret's file; more is refused.
pub const MAX_SECRET_BYTES: u64 = 4096;

/// Bytes of a GeoIP database; a larger one is refused, because it is kept in memory. One of countries has less than 10 MB.
pub const MAX_GEOIP_BYTES: u64 = 64 * 1024 * 1024;

/// Time for a TCP connection to one address of a host, before the next address is tried.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one host that a request tries.
pub const MAX_ADDRESSES: usize = 8;
/// Bytes of the head of an HTTP answer; a longer one is an error.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
