//! How much rule text is read. Rule files belong to the machine's owner, but a typing error (an Include of `/dev/zero` or of a
//! log) must end in an error and not in a full memory. Beyond each limit the load fails with a located error.

/// Bytes of one file. CRS 4's largest is 200 kB; a list of a million addresses would take 16 MB.
pub const FILE_BYTES: usize = 16 << 20;
/// Bytes of all files of a load together, each counted as often as it is included.
pub const TOTAL_BYTES: usize = 64 << 20;
/// Files of a load, each counted as often as it is included.
pub const FILES: usize = 10_000;
/// Includes inside includes. Apache stops at 20.
pub const INCLUDE_DEPTH: usize = 20;
/// Bytes of a directive with its continuation lines. The longest pattern of CRS 4 has 12.1 kB.
pub const LINE_BYTES: usize = 1 << 20;
/// Bytes of one argument of a directive.
pub const ARGUMENT_BYTES: usize = 512 << 10;
/// Targets of one list; CRS has up to 20.
pub const TARGETS: usize = 1_000;
/// Actions of one list, a `ctl` with several ids or targets counted for each; CRS has about 100.
pub const ACTIONS: usize = 10_000;
/// Bytes of rule text that an error shows; the rest is cut off.
pub const SHOWN_BYTES: usize = 200;
/// Directives of a load; CRS has about 800.
pub const DIRECTIVES: usize = 200_000;
/// Errors that are reported; behind them stands one that says that there are more.
pub const ERRORS: usize = 1_000;
/// The highest rule id: 2^63 - 1, as databases keep it in a signed 64-bit column.
pub const RULE_ID: u64 = i64::MAX as u64;
/// The highest body limit that rules may set, in bytes: 1 GiB, the hard limit of ModSecurity 2.
pub const BODY_LIMIT: u64 = 1 << 30;
/// Depth of nesting that SecRequestBodyJsonDepthLimit may allow; ModSecurity's default is 10,000.
pub const JSON_DEPTH: u64 = 10_000;
/// Seconds that SecCollectionTimeout may say: 30 days, as in ModSecurity 2.
pub const COLLECTION_TIMEOUT: u64 = 2_592_000;
