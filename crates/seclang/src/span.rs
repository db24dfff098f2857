//! Positions in the rule text.

/// The number of a file in [`crate::ast::Document::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A directive's position: its file and its lines, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first line.
    pub line: u32,
    /// The first column in bytes, counted from 1.
    pub column: u32,
    /// The last line, equal to `line` for a directive without continuation. ModSecurity 2 logs this line, libmodsecurity 3 the
    /// first.
    pub end_line: u32,
}

/// Returns an offset, a length or a number of lines in a rule file as 32 bits. A file has at most
/// [`crate::limits::FILE_BYTES`] bytes, so the result is exact.
pub(crate) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
