//! Where something stands in the rule text.

/// The number of a file in [`crate::ast::Document::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A directive's place: its file and the lines it covers, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The line it starts on.
    pub line: u32,
    /// The column it starts at, in bytes, counted from 1.
    pub column: u32,
    /// The last line, equal to `line` for a directive without continuation. ModSecurity 2 reports this one in its
    /// logs, libmodsecurity 3 the first.
    pub end_line: u32,
}
