//! The limits of this crate: what each counts, why it stands where it does, and what happens beyond it.

/// Bytes of one record's payload in the journal. An event whose JSON is longer is cut first
/// ([`event::Event::shrink`]); one that is still longer is refused with `JournalError::TooLong`. A record that claims to be longer
/// is damaged. The same as what `event` reads.
pub const MAX_RECORD_BYTES: usize = event::limits::MAX_JSON_BYTES;

/// Bytes after which the journal starts a new segment: the default of `JournalOptions::segment_bytes`. Small, because a
/// segment is deleted as a whole and only when all of it is in the store.
pub const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// The largest `JournalOptions::segment_bytes`; a larger one is cut to it. A position in the journal is kept in one 64-bit
/// integer with 32 bits for the offset, and a segment exceeds its size by at most one record.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 31;

/// Bytes of records that wait in memory while the disk takes none: the default of `JournalOptions::fallback_bytes`. Beyond
/// it an event is lost, counted and reported; at 4 kB each this holds 4,000 events.
pub const FALLBACK_BYTES: usize = 16 * 1024 * 1024;

/// Events of one page of a query; a larger limit is cut to it.
pub const MAX_PAGE: usize = 1000;

/// Bytes of the JSON of a page's events, of a query and of a tail; beyond it the page ends after the event that exceeds it,
/// and the next one goes on. An event takes 4 kB as a rule and 256 KiB at most.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a text to search for. Beyond it nothing is found: no event holds it that is worth finding.
pub const MAX_TEXT_BYTES: usize = 4096;

/// Records that are ingested in one transaction, and the bytes of JSON after which a batch ends early. They bound the memory
/// of the ingester.
pub const INGEST_BATCH: usize = 500;

/// See [`INGEST_BATCH`].
pub const INGEST_BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a file of persistent collections; a larger one is not read but reported as damaged, and the next save
/// replaces it.
pub const MAX_COLLECTIONS_BYTES: u64 = 256 * 1024 * 1024;

/// Identifiers of received events that are remembered until they are surely in the store, to know what comes twice. Beyond
/// it the oldest are forgotten; an event that then comes again is stored once all the same, but counts as new. 16 bytes
/// each, about 5 MB in all.
pub const RECENT_IDS: usize = 100_000;

/// Bytes of the journal that may wait for the store while events of others are taken; beyond it they wait.
pub const MAX_LAG_BYTES: u64 = 256 * 1024 * 1024;

/// What one page of a query may cost, in rows of an index that are looked at; beyond it the page ends and says how far the
/// search came. A row takes about a microsecond, so a page takes about 0.1 s, whatever the filter and the size of the store.
pub const QUERY_BUDGET: u64 = 100_000;

/// What it costs to read an event's JSON and look for a text in it, in rows.
pub const QUERY_JSON_COST: u64 = 10;

/// What it costs to look up an event that an index names, in rows of the index.
pub const QUERY_LOOKUP_COST: u64 = 5;

/// Candidates (groups of events that may hold a text, events of a network) that are gathered and sorted; where there are more,
/// events are looked at one by one in their order instead, for then one that passes is not far.
pub const QUERY_CANDIDATES: usize = 20_000;

/// Values of a fact that the index of facts is asked for; where more fit a pattern, events are read instead.
pub const MOST_FACT_VALUES: usize = 32;

/// Trigrams of a text that the index is asked for; of a longer text only every second, third and so on.
pub const TEXT_TRIGRAMS: usize = 24;

/// Groups that the index of texts is extended by in one transaction: about 50 ms, in which nothing else can be ingested.
pub const TEND_GROUPS: usize = 64;

/// Buckets of an overview, as hours or days: a hundred days of hours. Of a longer span only the last are counted.
pub const MAX_BUCKETS: i64 = 2400;

/// Rules, clients, paths and sites that an overview names; a larger number is cut to it.
pub const MAX_TOP: usize = 1000;

/// Of the bytes that the retention allows, the events of one client (an IPv4 address or an IPv6 /64) may take one part in so
/// many, and all that others leave. Where a store is full, the oldest events of a client that takes more go before all others.
pub const CLIENT_SHARE: u64 = 8;

/// Bytes that a client may take in any case, however small the store is.
pub const LEAST_CLIENT_SHARE: i64 = 1024 * 1024;

/// Bytes that an event is counted with beyond its payload: its rows in tables and indices.
pub const EVENT_OVERHEAD_BYTES: usize = 1024;

/// Facts of one event that are counted for overviews; further ones are not.
pub const TALLIED_FACTS: usize = 16;

/// Bytes of a path or a fact as it is counted; a longer one is counted under its beginning.
pub const MAX_TALLIED_PATH: usize = 200;

/// Bytes of a rule's message in an overview; the rest is cut off.
pub const MAX_RULE_MESSAGE: usize = 200;

/// Different rules whose messages are kept for overviews; further ones have none there.
pub const MAX_RULE_MESSAGES: u64 = 10_000;

/// Different clients of an hour and of a day, and as many paths and rules, whose counts are kept for sure. Beyond twice as
/// many those with the lowest counts are forgotten, so that a scan of many paths does not fill the disk; totals stay exact.
pub const TALLY_KEYS: usize = 1000;

/// Different rules of which an incident knows in how many of its events they matched; further ones are left out.
pub const INCIDENT_RULES: usize = 256;

/// Categories of an incident; further ones are left out.
pub const INCIDENT_CATEGORIES: usize = 32;

/// Bytes of an incident's subject and path segment; the rest is cut off.
pub const MAX_TARGET: usize = 100;

/// Incidents of one page; a larger limit is cut to it.
pub const MAX_INCIDENTS: usize = 500;

/// Events that are read at once while many are counted: about 10 MB.
pub const COUNT_PAGE: usize = 250;
