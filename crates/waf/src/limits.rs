//! The limits of this crate, which bound the cost of a hostile request or rule file. Limits that rules set (SecArgumentsLimit,
//! SecRequestBodyJsonDepthLimit, SecUploadFileLimit …) are passed as arguments instead.

// -- cookies and bodies --

/// Bytes of the names of `$Path`, `$Domain` and the like in one Cookie header of format 1, where each name repeats the name of
/// its cookie. Our own limit: header lines are limited, but a long name with many attributes would be copied for each. Beyond it
/// attributes keep the name that the client sent.
pub const COOKIE_ATTRIBUTE_NAMES: usize = 64 * 1024;

/// Bytes of a Content-Type header with a boundary. ModSecurity's limit; beyond it the multipart body is an error.
pub const MULTIPART_CONTENT_TYPE: usize = 1024;

/// Bytes that the multipart parser reads at a time. A header line must be shorter, and the parser finds a boundary in the middle
/// of a line only within this distance. ModSecurity's MULTIPART_BUF_SIZE.
pub const MULTIPART_LINE: usize = 4096;

/// Header lines in one part. Our own limit, because the parser searches them for duplicates. Beyond it the body is an error.
pub const MULTIPART_PART_HEADERS: usize = 64;

/// Parts of a multipart body. Our own limit; SecArgumentsLimit applies to the parts that are arguments. Beyond it the body is
/// an error.
pub const MULTIPART_PARTS: usize = 10_000;

/// Bytes of all argument names of a JSON body, since each repeats the names of the objects around it. Our own limit. Beyond it
/// the body is an error.
pub const JSON_NAMES: usize = 16 * 1024 * 1024;

/// Depth of elements in an XML document: libxml2's 256, and the one more that it allows. Beyond it the body is an error.
pub const XML_DEPTH: usize = 257;

/// Elements and texts of an XML document, about 40 bytes each. Our own limit. Beyond it the body is an error.
pub const XML_NODES: usize = 1_000_000;

/// Bytes that entities may add to an XML document. Our own limit; libxml2 compares with the size of the document instead.
/// Beyond it the body is an error.
pub const XML_EXPANSION: usize = 4 * 1024 * 1024;

/// Bytes of [`XML_EXPANSION`] that a reference within an entity costs in addition to its text, for its processing. Our own limit:
/// a body of 500 bytes can contain a billion references.
pub const XML_REFERENCE: usize = 256;

/// Depth of XML entities. libxml2 has 40; beyond it the body is an error.
pub const XML_ENTITY_DEPTH: usize = 32;

/// Characters of the external subset's system identifier that rules see. Beyond it the identifier is cut.
pub const XML_IDENTIFIER: usize = 1024;

/// Bytes of values that one XPath expression may select, except those borrowed from the body. Our own limit: with `//*` the text
/// of an element counts for each element around it. Beyond it the inner elements are omitted (the outer ones contain their text),
/// TX:MSC_XML_LIMITS_EXCEEDED is 1, and a fault is reported.
pub const XML_VALUES: usize = 16 * 1024 * 1024;

/// Nodes that one XPath expression visits, plus bytes of values that its predicates compare: some tens of milliseconds. Our own
/// limit. Beyond it the expression selects no more nodes, TX:MSC_XML_LIMITS_EXCEEDED is 1, and a fault is reported.
pub const XPATH_WORK: usize = 10_000_000;

/// Depth of brackets and parentheses in an XPath expression. Our own limit. Beyond it the rule does not load.
pub const XPATH_DEPTH: usize = 64;

// -- operators --

/// Bytes of one regular expression. Beyond it the rule does not load. The longest of CRS 4 has 12,100.
pub const PATTERN_BYTES: usize = 64 * 1024;

/// Bytes of the compiled automaton of one regular expression, without its cache. Beyond it PCRE2 runs the expression, which needs
/// less memory. The largest of CRS 3.3.4 takes 180 KiB.
pub const AUTOMATON_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of the lazy DFA's cache for each expression and thread. Beyond it the cache is cleared and filled again.
pub const LAZY_DFA_BYTES: usize = 512 * 1024;

/// Steps of PCRE2 in one match, unless the rules set `SecPcreMatchLimit`. Beyond it the rule does not match (a negated one
/// does), TX:MSC_PCRE_LIMITS_EXCEEDED is 1, and a fault is reported.
pub const PCRE_MATCH_LIMIT: u32 = 100_000;

/// Depth of backtracking of PCRE2 in one match, unless the rules set `SecPcreMatchLimitRecursion`. Beyond it the same happens
/// as beyond [`PCRE_MATCH_LIMIT`].
pub const PCRE_DEPTH_LIMIT: u32 = 100_000;

/// Bytes of the stack of PCRE2's machine code, for each pattern and thread. Ordinary values need more than PCRE2's default of 32
/// KiB. Beyond it the same happens as beyond [`PCRE_MATCH_LIMIT`].
pub const PCRE_JIT_STACK: usize = 512 * 1024;

/// Expressions with macros that a rule keeps compiled for later transactions. Beyond it the oldest is dropped.
pub const EXPANDED_PATTERNS: usize = 16;

/// Nested groups in a regular expression, as in PCRE2 (`PARENS_NEST_LIMIT`). Beyond it the rule does not load.
pub(crate) const PCRE_MAX_DEPTH: usize = 250;

/// Largest number in a counted quantifier, as in PCRE2. Beyond it the rule does not load.
pub(crate) const PCRE_MAX_REPEAT: u32 = 65_535;

/// Bytes of a group's name, as in PCRE2. Beyond it the rule does not load.
pub(crate) const PCRE_MAX_NAME: usize = 32;

/// Groups that a match reports, including the whole match: TX.0 to TX.9.
pub const CAPTURES: usize = 10;

/// Bytes of a pattern or phrase in a log line, escaped, as in ModSecurity 2. Beyond it the text is cut and ends with ` ...`.
pub const LOGGED_PATTERN_BYTES: usize = 252;

/// Bytes of all phrases of one `@pm` or `@pmFromFile`. Beyond it the rule does not load. The largest file of CRS has 60 KB.
pub const PHRASES_BYTES: usize = 8 * 1024 * 1024;

/// Entries of one `@ipMatch` or `@ipMatchFromFile`. Beyond it the rule does not load.
pub const IP_ENTRIES: usize = 1_000_000;

// -- the engine --

/// Records of all persistent collections together. Beyond it the records that expire first are evicted and counted.
pub const COLLECTION_RECORDS: usize = 100_000;
/// Bytes of all persistent collections together. Beyond it the same happens as beyond [`COLLECTION_RECORDS`].
pub const COLLECTION_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that a record or a variable costs in addition to its texts: about the size of the surrounding tables.
pub const COLLECTION_OVERHEAD: usize = 128;
/// Bytes of a record's key. Beyond it the key is cut, and its SHA-1 is appended.
pub const COLLECTION_KEY: usize = 256;
/// Bytes of a persistent variable's name. Beyond it `setvar` has no effect, and a fault is reported.
pub const COLLECTION_NAME: usize = 256;
/// Variables of one record. Beyond it `setvar` of a new one has no effect, and a fault is reported.
pub const COLLECTION_VARIABLES: usize = 256;
/// Bytes of a persistent variable's value. Beyond it `setvar` has no effect, and a fault is reported.
pub const COLLECTION_VALUE: usize = 4096;
/// TX variables of a transaction. Beyond it `setvar` of a new one has no effect, TX:MSC_TX_LIMITS_EXCEEDED is 1, and a fault
/// is reported.
pub const TX_VARIABLES: usize = 65_536;
/// Bytes of a TX variable's value. Beyond it the same happens as beyond [`TX_VARIABLES`].
pub const TX_VALUE: usize = 1 << 20;
/// Variables that a transaction sets with setenv. Beyond it setenv has no effect, and a fault is reported.
pub const ENVIRONMENT_VARIABLES: usize = 256;
/// Targets that a transaction removes by ctl. Beyond it ctl has no effect, and a fault is reported.
pub const REMOVED_TARGETS: usize = 4096;
/// Matches that a transaction reports. Beyond it rules still act, and a fault is reported instead of the match.
pub const MATCHES: usize = 1000;
/// Faults of a transaction that are reported with their rule. Beyond it only the kind of fault is reported.
pub const FAULTS: usize = 20;
/// Fields of one kind that the rules of a transaction hide (`sanitiseArg` and the like). Beyond it all fields are hidden.
pub const HIDDEN_FIELDS: usize = 256;
/// Parts of a field that `sanitiseMatchedBytes` hides. Beyond it the whole field is hidden.
pub const HIDDEN_PARTS: usize = 64;
/// Bytes of a value that is neither argument nor header and that `sanitiseMatched` hides. Beyond it everything is hidden.
pub const HIDDEN_TEXT: usize = 4096;
/// Bytes of the shortest such value that is searched for. Shorter values occur in harmless text.
pub const SHORTEST_HIDDEN_TEXT: usize = 4;
/// Milliseconds of all `pause` actions together.
pub const PAUSE: u64 = 10_000;
/// Work between two readings of a transaction's clock, in bytes of inspected values. It takes some tens of microseconds to some
/// milliseconds.
pub const WORK_BETWEEN_LOOKS: i64 = 64 * 1024;
/// Work of a test, in addition to the length of its value.
pub const WORK_OF_TEST: u32 = 64;
/// Work of a test that may take far longer than the length of its value suggests: PCRE2, or a pattern compiled for one request.
pub const WORK_OF_BACKTRACKING: u32 = 4096;

/// Bytes of a body that a transaction may keep after the phase that needed it. Beyond it they are freed, unless a rule of a
/// later phase reads them.
pub const RELEASED: usize = 128 * 1024;

/// Bytes of MATCHED_VAR and its name that are copied so that the rest can be freed. Beyond it nothing is freed.
pub const KEPT_MATCH: usize = 64 * 1024;

/// Transactions whose memory a rule set keeps for the next ones. Beyond it the memory is freed.
pub const SPARES: usize = 32;

/// Bytes of memory that each kept transaction may hold. Beyond it the memory is freed.
pub const SPARE_SIZE: usize = 256 * 1024;

/// Chains of transformations in all rules, each prefix of a chain counted once; rules with more do not load. The Core Rule Set
/// has some dozens.
pub const CHAINS: usize = 4_096;
