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

/// Bytes that entities may add to an XML document. Ours; libxml2 compares with the size of the document instead. Beyond it
/// the body is an error.
pub const XML_EXPANSION: usize = 4 * 1024 * 1024;

/// Bytes of [`XML_EXPANSION`] that a reference within an entity costs besides its text, for the work that it makes. Ours: a
/// body of 500 bytes can hold a billion of them.
pub const XML_REFERENCE: usize = 256;

/// XML entities within each other. libxml2's 40 and below; beyond it the body is an error.
pub const XML_ENTITY_DEPTH: usize = 32;

/// Characters of the external subset's system identifier that rules see. Beyond: it is cut.
pub const XML_IDENTIFIER: usize = 1024;

/// Bytes of values that one XPath expression may select beyond what is borrowed from the body. Ours: with `//*` the text of an
/// element counts for each element around it. Beyond it the inner elements are left out, whose text the outer ones hold;
/// TX:MSC_XML_LIMITS_EXCEEDED is 1, and a fault is reported.
pub const XML_VALUES: usize = 16 * 1024 * 1024;

/// Nodes that one XPath expression looks at, and bytes of values that its predicates compare. Ours: some tens of milliseconds.
/// Beyond it nothing more is selected; TX:MSC_XML_LIMITS_EXCEEDED is 1, and a fault is reported.
pub const XPATH_WORK: usize = 10_000_000;

/// Brackets and parentheses within each other in an XPath expression. Ours. Beyond: a load error.
pub const XPATH_DEPTH: usize = 64;

// -- operators --

/// Bytes of one regular expression. Beyond: a load error. CRS 4's longest has 12,100.
pub const PATTERN_BYTES: usize = 64 * 1024;

/// Bytes that the compiled automaton of one regular expression may take before a cache. Beyond: PCRE2 runs it, which
/// needs less memory. The largest of CRS 3.3.4 takes 180 KiB.
pub const AUTOMATON_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of the lazy DFA's cache for each expression and thread that uses it. Beyond: it is cleared and filled anew.
pub const LAZY_DFA_BYTES: usize = 512 * 1024;

/// Steps of PCRE2 in one match, where no rule set says otherwise by `SecPcreMatchLimit`. Beyond: the rule does not match, a
/// negated one does, TX:MSC_PCRE_LIMITS_EXCEEDED is 1, and a fault is reported.
pub const PCRE_MATCH_LIMIT: u32 = 100_000;

/// Depth of backtracking of PCRE2 in one match, where no rule set says otherwise by `SecPcreMatchLimitRecursion`. Beyond: as
/// above.
pub const PCRE_DEPTH_LIMIT: u32 = 100_000;

/// Bytes of the stack of PCRE2's machine code, for each pattern and thread that runs it. PCRE2's default of 32 KiB is reached
/// by ordinary values. Beyond: as above.
pub const PCRE_JIT_STACK: usize = 512 * 1024;

/// Expressions with macros that a rule keeps compiled for later transactions. Beyond: the oldest is dropped.
pub const EXPANDED_PATTERNS: usize = 16;

/// Nested groups in a regular expression, as PCRE2 (`PARENS_NEST_LIMIT`). Beyond: PCRE2 refuses it, a load error.
pub(crate) const PCRE_MAX_DEPTH: usize = 250;

/// The largest number in a counted quantifier, as PCRE2. Beyond: PCRE2 refuses it, a load error.
pub(crate) const PCRE_MAX_REPEAT: u32 = 65_535;

/// Bytes of a group's name, as PCRE2. Beyond: PCRE2 refuses it, a load error.
pub(crate) const PCRE_MAX_NAME: usize = 32;

/// Groups that a match reports, the whole match among them: TX.0 to TX.9.
pub const CAPTURES: usize = 10;

/// Bytes of a log line's pattern or phrase, escaped, as ModSecurity 2. Beyond: cut, and marked with ` ...`.
pub const LOGGED_PATTERN_BYTES: usize = 252;

/// Bytes of all phrases of one `@pm` or `@pmFromFile`. Beyond: a load error. CRS's largest file has 60 kB.
pub const PHRASES_BYTES: usize = 8 * 1024 * 1024;

/// Entries of one `@ipMatch` or `@ipMatchFromFile`. Beyond: a load error.
pub const IP_ENTRIES: usize = 1_000_000;

// -- the engine --

/// Records of all persistent collections together. Beyond: what would expire first goes, and is counted.
pub const COLLECTION_RECORDS: usize = 100_000;
/// Bytes of all persistent collections together, as they are counted. Beyond: as above.
pub const COLLECTION_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that a record, or a variable of one, counts besides its texts: roughly what the tables around it take.
pub const COLLECTION_OVERHEAD: usize = 128;
/// Bytes of a record's key. Beyond: its beginning and its SHA-1 stand for it.
pub const COLLECTION_KEY: usize = 256;
/// Bytes of a persistent variable's name. Beyond: `setvar` has no effect, and a fault is reported.
pub const COLLECTION_NAME: usize = 256;
/// Variables of one record. Beyond: `setvar` of a new one has no effect, and a fault is reported.
pub const COLLECTION_VARIABLES: usize = 256;
/// Bytes of a persistent variable's value. Beyond: as above.
pub const COLLECTION_VALUE: usize = 4096;
/// TX variables of a transaction. Beyond: `setvar` of a new one has no effect, TX:MSC_TX_LIMITS_EXCEEDED is 1, and a fault is
/// reported.
pub const TX_VARIABLES: usize = 65_536;
/// Bytes of a TX variable's value. Beyond: as above.
pub const TX_VALUE: usize = 1 << 20;
/// Variables that a transaction sets with setenv. Beyond: no effect, and a fault is reported.
pub const ENVIRONMENT_VARIABLES: usize = 256;
/// Targets that a transaction removes by ctl. Beyond: no effect, and a fault is reported.
pub const REMOVED_TARGETS: usize = 4096;
/// Matches that are reported of one transaction. Beyond: rules still act; a fault is reported instead of the match.
pub const MATCHES: usize = 1000;
/// Faults that are reported of one transaction with the rule that met them. Beyond: only the kind of fault is known.
pub const FAULTS: usize = 20;
/// Fields of a kind that rules of one transaction hide (`sanitiseArg` and the like). Beyond: all is hidden.
pub const HIDDEN_FIELDS: usize = 256;
/// Parts of a field that `sanitiseMatchedBytes` hides. Beyond: all of the field is hidden.
pub const HIDDEN_PARTS: usize = 64;
/// Bytes of a value that is neither argument nor header and that `sanitiseMatched` hides. Beyond: all is hidden.
pub const HIDDEN_TEXT: usize = 4096;
/// Shorter values of that kind are not looked for: they would be found in innocent text.
pub const SHORTEST_HIDDEN_TEXT: usize = 4;
/// What `pause` may add up to, in milliseconds.
pub const PAUSE: u64 = 10_000;
/// Work after which a transaction's clock is asked, in bytes of values looked at: some tens of microseconds to some
/// milliseconds.
pub const WORK_BETWEEN_LOOKS: i64 = 64 * 1024;
/// What a test counts besides the length of its value.
pub const WORK_OF_TEST: u32 = 64;
/// The same for a test that may take far longer than its value tells: PCRE2, or a pattern compiled for one request.
pub const WORK_OF_BACKTRACKING: u32 = 4096;

/// Bytes that a transaction may go on holding of a body when the phase that needed it is over. Beyond: they are given
/// back, unless a rule of a later phase reads them.
pub const RELEASED: usize = 128 * 1024;

/// Bytes of MATCHED_VAR and its name that are copied so that the rest can be given back. Beyond: all of it stays.
pub const KEPT_MATCH: usize = 64 * 1024;

/// Transactions whose memory a rule set keeps for the next ones. Beyond: it is freed.
pub const SPARES: usize = 32;

/// The memory that one of these may have, bytes. Beyond: it is freed.
pub const SPARE_SIZE: usize = 256 * 1024;
