//! Limits on rule text. Rule files belong to the machine's owner, but a typing error (an Include of `/dev/zero` or of a log) must
//! cause an error and not fill the memory. Beyond each limit the load fails with a located error.

/// Bytes of one file. CRS 4's largest is 200 kB; a list of a million addresses would take 16 MB.
pub const FILE_BYTES: usize = 16 << 20;
/// Bytes of all files of a load together. Each inclusion of a file counts.
pub const TOTAL_BYTES: usize = 64 << 20;
/// Files of a load. Each inclusion of a file counts.
pub const FILES: usize = 10_000;
/// Includes inside includes. Apache stops at 20.
pub const INCLUDE_DEPTH: usize = 20;
/// Bytes of a directive with its continuation lines. The longest pattern of CRS 4 has 12.1 kB.
pub const LINE_BYTES: usize = 1 << 20;
/// Bytes of one argument of a directive.
pub const ARGUMENT_BYTES: usize = 512 << 10;
/// Targets of one list; CRS has up to 20.
pub const TARGETS: usize = 1_000;
/// Actions of one list. A `ctl` with several ids or targets counts once for each; CRS has about 100.
pub const ACTIONS: usize = 10_000;
/// Bytes of rule text in an error message; the rest is cut off.
pub const SHOWN_BYTES: usize = 200;
/// Directives of a load; CRS has about 800.
pub const DIRECTIVES: usize = 200_000;
/// Errors in a report. Beyond it one last error says that there are more.
pub const ERRORS: usize = 1_000;
/// The highest rule id: 2^63 - 1, because databases store it in a signed 64-bit column.
pub const RULE_ID: u64 = i64::MAX as u64;
/// The highest body limit that rules may set, in bytes: 1 GiB, the hard limit of ModSecurity 2.
pub const BODY_LIMIT: u64 = 1 << 30;
/// The maximum of SecRequestBodyJsonDepthLimit; ModSecurity's default is 10,000.
pub const JSON_DEPTH: u64 = 10_000;
/// The maximum of SecCollectionTimeout in seconds: 30 days, as in ModSecurity 2.
pub const COLLECTION_TIMEOUT: u64 = 2_592_000;
