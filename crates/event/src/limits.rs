//! The limits of this crate: what each one counts, the reason for its value, and the effect of exceeding it.

/// Bytes of one event's JSON. Beyond it, [`crate::Event::from_json`] returns `TooLong`. Two bodies of the largest
/// captured size fit, whatever their bytes: neither takes more than twice its length ([`crate::ByteString`]).
pub const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// Shortest [`crate::ByteString`], in bytes, that becomes base64 in JSON if escapes would more than double its length.
/// Shorter ones stay readable and searchable.
pub const BASE64_FROM_BYTES: usize = 1024;

/// Bytes of a request or response body in a new event, in which redaction looks for secrets and
/// [`crate::Event::shrink`] for matches. Beyond it, [`crate::Body::capture`] cuts the body, sets `truncated` and keeps
/// the true total. The stored event has [`KEPT_BODY_BYTES`] of it. ModSecurity's default for bodies without files
/// (SecRequestBodyNoFilesLimit) is 128 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Bytes of JSON of a stored event's evidence; [`crate::Event::shrink`] cuts the rest.
pub const MAX_EVIDENCE_BYTES: usize = 256 * 1024;

/// Bytes of evidence of an unknown kind in a list; longer evidence is left out.
pub const MAX_SUMMARY_EVIDENCE_BYTES: usize = 4 * 1024;

/// Bytes that are kept from the beginning of a body; of the rest, only [`crate::BodyWindow`]s are kept.
pub const KEPT_BODY_BYTES: usize = 64 * 1024;

/// Bytes before and after a match in its window.
pub const WINDOW_MARGIN_BYTES: usize = 1024;

/// Windows of one body; further matches have none.
pub const MAX_BODY_WINDOWS: usize = 32;

/// Matches to search for in the rest of a body; further ones have no window.
pub const LOCATED_MATCHES: usize = 64;

/// Bytes of a matched value in an event; [`crate::MatchedRule::capture_value`] cuts longer ones.
pub const MAX_VALUE_BYTES: usize = 4 * 1024;

/// Parts of a multipart body for redaction and the audit log; further parts are joined to the last one.
pub const MAX_MULTIPART_PARTS: usize = 1000;

/// Bytes of one line of JSON in an audit log, and bytes that a [`crate::audit_log::Reader`] holds back while the end of
/// an entry is uncertain. A longer line is reported as damage, and reading continues after it. ModSecurity's
/// SecRequestBodyLimit is 13,107,200 bytes by default.
pub const MAX_AUDIT_ENTRY_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a part of an audit log entry without a body (A, B, F, H); the rest is left out. ModSecurity cuts a message
/// to 1,023 bytes, Apache refuses headers beyond 8,190 bytes each.
pub const MAX_AUDIT_PART_BYTES: usize = 1024 * 1024;

/// Bytes of a line outside any entry, and of a boundary line. A longer line is neither.
pub const MAX_AUDIT_LINE_BYTES: usize = 64 * 1024;

/// Headers of one message in an audit log entry, its matched rules, and the tags of a rule; further ones are left out.
pub const MAX_AUDIT_ITEMS: usize = 1000;

/// Bytes of a sensor's unique id; an entry with a longer one is damage. Apache's has 27, nginx's 32.
pub const MAX_ORIGIN_ID_BYTES: usize = 128;

/// Bytes of JSON of a request from an audit log, before its secrets are replaced and it is cut to
/// [`MAX_EVIDENCE_BYTES`]. Beyond it, texts are cut, and rules and headers left out. Two bodies of [`MAX_BODY_BYTES`]
/// take four MiB at most.
pub const MAX_AUDIT_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// Bytes of a gate, of each of the two words of a kind, and of the name of a fact or of evidence; a longer one is
/// refused.
pub const MAX_WORD_BYTES: usize = 32;

/// Bytes of the text of a fact; a longer text is cut.
pub const MAX_FACT_BYTES: usize = 512;

/// Indexed facts of one event, without those of its actor and of a request's evidence; further ones are stored, but not
/// indexed.
pub const MAX_FACTS: usize = 64;

/// Bytes of a request's category; the rest is cut off. The tags of CRS have at most 40.
pub const MAX_CATEGORY_BYTES: usize = 100;
