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

/// Elements within each other in an XML document. libxml2's 256 and the one that it lets pass; beyond it the body is an error.
pub const XML_DEPTH: usize = 257;

/// Elements and texts of an XML document. Ours, about 40 bytes each. Beyond it the body is an error.
pub const XML_NODES: usize = 1_000_000;

/// Bytes that entities may add to an XML document, each reference in another entity counted as some too. Ours; libxml2
/// compares with the size of the document instead. Beyond it the body is an error.
pub const XML_EXPANSION: usize = 4 * 1024 * 1024;

/// XML entities within each other. libxml2's 40 and below; beyond it the body is an error.
pub const XML_ENTITY_DEPTH: usize = 32;

/// Bytes of values that one XPath expression may select beyond what is borrowed from the body. Ours: with `//*` the text of an
/// element counts for each element around it. Beyond it the inner elements are left out, whose text the outer ones hold.
pub const XML_VALUES: usize = 16 * 1024 * 1024;
