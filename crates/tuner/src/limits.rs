//! The limits of this crate: what each counts, and what happens beyond it.

/// Bytes of the history of changes. Beyond them a change is refused until its oldest lines are moved away.
pub const HISTORY_BYTES: u64 = 64 << 20;

/// Bytes of the file that notes a change in progress. Beyond them the note is ignored.
pub const PENDING_BYTES: u64 = 1 << 20;

/// Changes whose texts are kept, so that they can be shown and undone. Older texts are removed.
pub const VERSIONS: usize = 1_000;

/// Changes in a list, the newest.
pub const LISTED_CHANGES: usize = 500;

/// Bytes of a data file (`@pmFromFile` and so on); a longer one is refused. Databases of cities are the largest: GeoLite2's
/// has 60 MiB, DB-IP's 125 MiB.
pub const DATA_FILE_BYTES: u64 = 160 << 20;

/// Bytes of one sampled request as JSON; a longer one is not kept.
pub const SAMPLED_REQUEST_BYTES: usize = 64 << 10;

/// Bytes of all sampled requests; beyond them the oldest go.
pub const SAMPLE_BYTES: usize = 4 << 20;

/// The sample keeps at least one of so many requests.
pub const SAMPLE_INTERVAL: u64 = 100;
