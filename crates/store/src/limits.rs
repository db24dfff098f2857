//! The limits of this crate: the quantity, the reason for the value, and the effect of exceeding it.

/// Bytes of one record's payload in the journal. An event whose JSON is longer is shortened first
/// ([`event::Event::shrink`]); if it is still longer, the journal refuses it with `JournalError::TooLong`. A reader
/// treats a record with a larger length as damaged. `event` has the same limit for reading JSON.
pub const MAX_RECORD_BYTES: usize = event::limits::MAX_JSON_BYTES;

/// Bytes after which the journal starts a new segment: the default of `JournalOptions::segment_bytes`. The value is
/// small because a segment is deleted as a whole, and only after all of it is in the store.
pub const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// The largest `JournalOptions::segment_bytes`; larger values are reduced to it. One 64-bit integer holds a position in
/// the journal, with 32 bits for the offset, and a segment exceeds its size by at most one record.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 31;

/// Bytes of records that wait in memory while the disk accepts none: the default of `JournalOptions::fallback_bytes`.
/// Beyond it, events are lost, counted and reported. At 4 kB per event the memory holds 4,000 events.
pub const FALLBACK_BYTES: usize = 16 * 1024 * 1024;

/// Events of one page of a query; larger values are reduced to it.
pub const MAX_PAGE: usize = 1000;

/// Bytes of the JSON of the events on one page, of a query or a tail. The page ends after the event that exceeds it,
/// and the next page continues. An event usually takes 4 kB, and at most 256 KiB.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a search text. A longer text finds nothing: no event worth finding contains one.
pub const MAX_TEXT_BYTES: usize = 4096;

/// Records that are ingested in one transaction, and the bytes of JSON after which a batch ends early. They bound the
/// ingester's memory.
pub const INGEST_BATCH: usize = 500;

/// See [`INGEST_BATCH`].
pub const INGEST_BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a file of persistent collections. A larger file is not read but reported as damaged, and the next save
/// replaces it.
pub const MAX_COLLECTIONS_BYTES: u64 = 256 * 1024 * 1024;

/// Identifiers of received events that are remembered, to recognise duplicates, until the events are certainly in the
/// store. Beyond it the oldest are forgotten; a duplicate of such an event is still stored only once, but counts as
/// new. Each has 16 bytes; all together take about 5 MB.
pub const RECENT_IDS: usize = 100_000;

/// Bytes of the journal that may wait for the store while events from other sensors are accepted; beyond it those
/// events wait.
pub const MAX_LAG_BYTES: u64 = 256 * 1024 * 1024;

/// The cost limit of one page of a query, in examined rows of an index. Beyond it the page ends and reports how far the
/// search got. A row takes about a microsecond, so a page takes about 0.1 s for any filter and any size of the store.
pub const QUERY_BUDGET: u64 = 100_000;

/// The cost of reading an event's JSON and searching a text in it, in rows.
pub const QUERY_JSON_COST: u64 = 10;

/// The cost of looking up an event that an index returned, in rows of the index.
pub const QUERY_LOOKUP_COST: u64 = 5;

/// Candidates (groups of events that may contain a text, events of a network) that are collected and sorted. If there
/// are more, the search examines the events one by one in their order instead, because it then soon reaches a passing
/// one.
pub const QUERY_CANDIDATES: usize = 20_000;

/// Values of a fact that are looked up in the index of facts. If more values match a pattern, the search reads the
/// events instead.
pub const MOST_FACT_VALUES: usize = 32;

/// Trigrams of a text that are looked up in the index; of a longer text, the search looks up only every second, third
/// and so on.
pub const TEXT_TRIGRAMS: usize = 24;

/// Groups added to the text index in one transaction: about 50 ms, during which no event can be ingested.
pub const TEND_GROUPS: usize = 64;

/// Buckets of an overview, of hours or days: 100 days of hours. Of a longer span only the last buckets are counted.
pub const MAX_BUCKETS: i64 = 2400;

/// Rules, clients, paths and sites that an overview lists; larger values are reduced to it.
pub const MAX_TOP: usize = 1000;

/// The divisor of a client's share: the events of one client (an IPv4 address or an IPv6 /64) may take this fraction
/// (1/8) of the bytes that the retention allows, and any space that others leave free. If a store is full, the oldest
/// events of a client that exceeds its share are deleted before all others.
pub const CLIENT_SHARE: u64 = 8;

/// Bytes that a client may always take, even in a small store.
pub const LEAST_CLIENT_SHARE: i64 = 1024 * 1024;

/// Bytes that an event counts beyond its payload: its rows in tables and indices.
pub const EVENT_OVERHEAD_BYTES: usize = 1024;

/// Facts of one event that are counted for overviews; further ones are not counted.
pub const TALLIED_FACTS: usize = 16;

/// Bytes of a path or a fact that are counted; a longer one is counted by its prefix.
pub const MAX_TALLIED_PATH: usize = 200;

/// Bytes of a rule's message in an overview; the rest is cut off.
pub const MAX_RULE_MESSAGE: usize = 200;

/// Different rules whose messages are kept for overviews; further rules have no message there.
pub const MAX_RULE_MESSAGES: u64 = 10_000;

/// Different clients of an hour and of a day, and as many paths and rules, whose counts are always kept. Beyond twice
/// as many, those with the lowest counts are forgotten, so that a scan of many paths does not fill the disk; totals
/// stay exact.
pub const TALLY_KEYS: usize = 1000;

/// Different rules per incident for which the number of matching events is kept; further ones are left out.
pub const INCIDENT_RULES: usize = 256;

/// Categories of an incident; further ones are left out.
pub const INCIDENT_CATEGORIES: usize = 32;

/// Bytes of an incident's subject and path segment; the rest is cut off.
pub const MAX_TARGET: usize = 100;

/// Incidents of one page; larger values are reduced to it.
pub const MAX_INCIDENTS: usize = 500;

/// Events that are read at a time while counting: about 10 MB.
pub const COUNT_PAGE: usize = 250;
