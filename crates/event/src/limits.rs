//! The limits of this crate: what each counts, why it stands where it does, and what happens beyond it.

/// Bytes of one event's JSON; beyond it [`crate::Event::from_json`] answers `TooLong`. Two bodies of the largest captured size
/// stay below it, whatever their bytes: none takes more than twice its length ([`crate::ByteString`]).
pub const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// Bytes from which on a [`crate::ByteString`] stands in JSON as base64 where escapes would more than double it. Shorter ones
/// stay readable and searchable.
pub const BASE64_FROM_BYTES: usize = 1024;

/// Bytes of a request or response body that an event is made with, so that secrets and matches are found in it; beyond it
/// [`crate::Body::capture`] cuts, sets `truncated` and keeps the true total. [`KEPT_BODY_BYTES`] are kept. ModSecurity's
/// default for bodies without files (SecRequestBodyNoFilesLimit) is 128 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Bytes of JSON that an event's evidence takes at most when it is kept: [`crate::Event::shrink`] cuts what is more.
pub const MAX_EVIDENCE_BYTES: usize = 256 * 1024;

/// Bytes of evidence of an unknown kind that stay in a list.
pub const MAX_SUMMARY_EVIDENCE_BYTES: usize = 4 * 1024;

/// Bytes from the beginning of a body that are kept; of the rest only [`crate::BodyWindow`]s are.
pub const KEPT_BODY_BYTES: usize = 64 * 1024;

/// Bytes before and after a match that its window keeps.
pub const WINDOW_MARGIN_BYTES: usize = 1024;

/// Windows of one body; matches beyond have none.
pub const MAX_BODY_WINDOWS: usize = 32;

/// Matches that are looked for in the part of a body that is not kept; further ones have no window.
pub const LOCATED_MATCHES: usize = 64;

/// Bytes of a matched value that an event keeps; longer ones are cut by [`crate::MatchedRule::capture_value`].
pub const MAX_VALUE_BYTES: usize = 4 * 1024;

/// Parts of a multipart body that redaction and the audit log tell apart; further ones count as one with the last.
pub const MAX_MULTIPART_PARTS: usize = 1000;

/// Bytes of one line of JSON in an audit log that is read, and of what a [`crate::audit_log::Reader`] holds back while it
/// waits for the end of an entry whose end is in doubt; beyond it the line is told as damage and reading goes on behind it.
/// ModSecurity's SecRequestBodyLimit is 13,107,200 bytes by default.
pub const MAX_AUDIT_ENTRY_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a part of an audit log entry that holds no body (A, B, F, H); what is beyond is left out. ModSecurity cuts a
/// message to 1,023 bytes, Apache refuses headers beyond 8,190 bytes each.
pub const MAX_AUDIT_PART_BYTES: usize = 1024 * 1024;

/// Bytes of a line outside any entry, and of a line that may be a boundary; a longer one is neither.
pub const MAX_AUDIT_LINE_BYTES: usize = 64 * 1024;

/// Headers of one message in an audit log entry, its matched rules, and the tags of a rule; further ones are left out.
pub const MAX_AUDIT_ITEMS: usize = 1000;

/// Bytes of a sensor's unique id; an entry with a longer one is damage. Apache's has 27, nginx's 32.
pub const MAX_ORIGIN_ID_BYTES: usize = 128;

/// Bytes of the JSON of a request that is read from an audit log, until its secrets are replaced and it is cut to
/// [`MAX_EVIDENCE_BYTES`]; beyond it texts are cut, and rules and headers left out. Two bodies of [`MAX_BODY_BYTES`] take four
/// MiB at most.
pub const MAX_AUDIT_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// Bytes of a gate, of each of the two words of a kind, of the name of a fact and of evidence; a longer one is refused.
pub const MAX_WORD_BYTES: usize = 32;

/// Bytes of the text of a fact; of a longer one the beginning counts.
pub const MAX_FACT_BYTES: usize = 512;

/// Facts of one event beyond those of its actor and of a request's evidence; further ones are kept, but not indexed.
pub const MAX_FACTS: usize = 64;

/// Bytes of a request's category; the rest is cut off. The tags of CRS have at most 40.
pub const MAX_CATEGORY_BYTES: usize = 100;
