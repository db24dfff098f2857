//! The limits of this crate: what each counts, its reason, and what happens beyond it.

use std::time::Duration;

/// Longest wait for a wall time before the clock is read again. A clock that was set is noticed within this time.
pub const CLOCK_CHECK: Duration = Duration::from_secs(30);

/// Bytes of a folder's schema file that are read; a longer one names no schema.
pub const MAX_SCHEMA_BYTES: u64 = 64;

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
