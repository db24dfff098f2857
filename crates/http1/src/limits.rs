//! Every limit of this crate, with its unit, its source, and the effect beyond it.

/// Longest head in bytes, request line and final empty line included: 64 KiB; beyond it 431.
/// nginx allows 32 KiB (`large_client_header_buffers 4 8k`), Apache 100 lines of 8,190 bytes.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Most field lines in one head: 100, as in Apache's `LimitRequestFields`; beyond it 431.
pub const HEADERS: usize = 100;

/// Longest request target in bytes: 16 KiB; beyond it 414. RFC 9112 §3 requires at least 8,000.
pub const TARGET_BYTES: usize = 16 * 1024;

/// Longest method in bytes; beyond it 501. The longest registered one (UPDATEREDIRECTREF) has 17.
pub const METHOD_BYTES: usize = 32;

/// Empty lines skipped before a request line (RFC 9112 §2.2 requires one); beyond it 400.
pub const LEADING_EMPTY_LINES: usize = 1;

/// Longest chunk-size line in bytes, with extensions and without CRLF: 256; beyond it 400. Extensions are dropped: nobody uses
/// them, and without a limit their bytes would not be counted.
pub const CHUNK_LINE_BYTES: usize = 256;

/// Longest trailer section in bytes: 8 KiB; beyond it 431.
pub const TRAILER_BYTES: usize = 8 * 1024;

/// Most trailer fields: 32; beyond it 431.
pub const TRAILERS: usize = 32;

/// Largest length of a body or chunk: `i64::MAX`, the maximum of `off_t` in a C upstream; beyond it 400.
pub const LENGTH: u64 = i64::MAX as u64;

/// Configurable limits of a head; [`Default`] uses the constants above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head; see [`HEAD_BYTES`].
    pub head_bytes: usize,
    /// Number of field lines; see [`HEADERS`].
    pub headers: usize,
    /// Bytes of the request target; see [`TARGET_BYTES`].
    pub target_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: HEAD_BYTES, headers: HEADERS, target_bytes: TARGET_BYTES }
    }
}
