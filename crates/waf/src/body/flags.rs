//! Oddities of a multipart body, which rules read as variables.

/// The MULTIPART_* variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// MULTIPART_BOUNDARY_QUOTED: the boundary is in quotes in Content-Type.
    pub boundary_quoted: bool,
    /// MULTIPART_BOUNDARY_WHITESPACE: space around the `=` of the parameter.
    pub boundary_whitespace: bool,
    /// MULTIPART_DATA_BEFORE: lines before the first boundary.
    pub data_before: bool,
    /// MULTIPART_DATA_AFTER: bytes after the final boundary.
    pub data_after: bool,
    /// MULTIPART_HEADER_FOLDING: a header line is folded.
    pub header_folding: bool,
    /// MULTIPART_CRLF_LINE: a line ended with CR LF, as it should.
    pub crlf_line: bool,
    /// MULTIPART_LF_LINE: a line ended with LF alone.
    pub lf_line: bool,
    /// MULTIPART_MISSING_SEMICOLON: nothing separates the boundary from the media type.
    pub missing_semicolon: bool,
    /// MULTIPART_INVALID_QUOTING: single quotes.
    pub invalid_quoting: bool,
    /// MULTIPART_INVALID_HEADER_FOLDING: folded with characters other than spaces and tabs.
    pub invalid_header_folding: bool,
    /// MULTIPART_INVALID_PART: a boundary follows where the content should begin.
    pub invalid_part: bool,
    /// MULTIPART_FILE_LIMIT_EXCEEDED: more files than SecUploadFileLimit.
    pub file_limit_exceeded: bool,
    /// MULTIPART_UNMATCHED_BOUNDARY is 1: a line contains the boundary in its middle, or resembles a boundary that another parser
    /// may read from Content-Type.
    pub unmatched_boundary: bool,
    /// MULTIPART_UNMATCHED_BOUNDARY is 2 unless it is 1: a line of a value or file begins with `--`, as in PEM, SQL and Markdown,
    /// and no parser reads it as a boundary. libmodsecurity has the same values; 2.9.7 has 1 for both.
    pub leading_dashes: bool,
    /// The parser stopped. No variable shows this, but it is part of MULTIPART_STRICT_ERROR.
    pub fatal: bool,
}

impl Flags {
    /// MULTIPART_CRLF_LF_LINES: both kinds of line ends.
    pub fn crlf_lf_lines(&self) -> bool {
        self.crlf_line && self.lf_line
    }

    /// MULTIPART_UNMATCHED_BOUNDARY: 0, 1 or 2.
    pub fn unmatched(&self) -> u8 {
        match (self.unmatched_boundary, self.leading_dashes) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        }
    }

    /// MULTIPART_STRICT_ERROR: any of the flags that mean an error. It excludes an unmatched boundary, which has its own rule,
    /// 200004.
    pub fn strict_error(&self) -> bool {
        self.fatal
            || self.boundary_quoted
            || self.boundary_whitespace
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.lf_line
            || self.missing_semicolon
            || self.invalid_quoting
            || self.invalid_part
            || self.invalid_header_folding
            || self.file_limit_exceeded
    }
}
