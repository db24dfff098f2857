//! The limits of this crate: what each counts, why it stands where it does, and what happens beyond it.

/// Bytes of one event's JSON; beyond it [`crate::Event::from_json`] answers `TooLong`. A body of the largest captured
/// size in which every byte needs an escape (`\xff` is five characters of JSON) stays below it.
pub const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a request or response body that an event keeps; beyond it [`crate::Body::capture`] cuts, sets `truncated` and
/// keeps the true total. ModSecurity's default for bodies without files (SecRequestBodyNoFilesLimit) is 128 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Bytes of a matched value that an event keeps; longer ones are cut by [`crate::MatchedRule::capture_value`].
pub const MAX_VALUE_BYTES: usize = 4 * 1024;

/// Parts of a multipart body that redaction and the audit log tell apart; further ones count as one with the last.
pub const MAX_MULTIPART_PARTS: usize = 1000;
