//! The limits of this crate: unit, and effect beyond it.

/// Bytes of the history of changes. Beyond it changes are refused until the oldest lines are moved away.
pub const HISTORY_BYTES: u64 = 64 << 20;

/// Bytes of the pending file. Beyond it the file is ignored.
pub const PENDING_BYTES: u64 = 1 << 20;

/// Changes whose texts are stored, so that they can be shown and undone. Older texts are removed.
pub const VERSIONS: usize = 1_000;

/// Changes in a list, newest first.
pub const LISTED_CHANGES: usize = 500;

/// Bytes of a data file (`@pmFromFile` and so on); a longer one is refused. Databases of cities are the largest: GeoLite2's has
/// 60 MiB, DB-IP's 125 MiB.
pub const DATA_FILE_BYTES: u64 = 160 << 20;

/// Bytes of one sampled request as JSON; a longer one is not stored.
pub const SAMPLED_REQUEST_BYTES: usize = 64 << 10;

/// Bytes of all sampled requests; beyond it the oldest are dropped.
pub const SAMPLE_BYTES: usize = 4 << 20;

/// On a busy site, the sample keeps one request in this many.
pub const SAMPLE_INTERVAL: u64 = 100;
