//! The limits of this crate: what a hostile request or rule file may cost at most. Limits that rules set
//! (SecArgumentsLimit, SecRequestBodyJsonDepthLimit, SecUploadFileLimit …) are passed as arguments instead.

// -- cookies and bodies --

/// Bytes that the names of `$Path`, `$Domain` … may take in one Cookie header of format 1, where each repeats the name of
/// its cookie. Ours: header lines are limited, but a long name with many attributes would be copied for each.
/// Beyond it attributes keep the name that they were sent with.
pub const COOKIE_ATTRIBUTE_NAMES: usize = 64 * 1024;

/// Bytes of a Content-Type header with a boundary. ModSecurity's; beyond it the multipart body is an error.
pub const MULTIPART_CONTENT_TYPE: usize = 1024;

/// Bytes that the multipart parser looks at together: a header line must be shorter, and a boundary in the middle of a line
/// is only looked for in so many bytes of it. ModSecurity's MULTIPART_BUF_SIZE.
pub const MULTIPART_LINE: usize = 4096;

/// Header lines in one part. Ours: duplicates are looked for among them. Beyond it the body is an error.
pub const MULTIPART_PART_HEADERS: usize = 64;

/// Parts of a multipart body. Ours; SecArgumentsLimit is for those of them that are arguments. Beyond it the body is an
/// error.
pub const MULTIPART_PARTS: usize = 10_000;

/// Bytes that all argument names of a JSON body may take, since each repeats the names of the objects around it. Ours.
/// Beyond it the body is an error.
pub const JSON_NAMES: usize = 16 * 1024 * 1024;
