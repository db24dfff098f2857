//! Reads the audit logs of other sensors: bytes of a log come in, [`Event`]s come out.
//!
//! | form | written by |
//! |---|---|
//! | sections between boundaries | ModSecurity 2 (`SecAuditLogFormat Native`), libmodsecurity 3, monban ([`crate::modsec`]) |
//! | JSON, one object a line | ModSecurity 2 (`SecAuditLogFormat JSON`), libmodsecurity 3, Coraza 3, monban |
//! | index lines of a Concurrent log | both ModSecurities: they name the file of each entry |
//!
//! [`Reader`] finds out by itself what it is given, and forms may follow each other in one file. It takes the bytes in
//! pieces of any size, keeps a bounded part of them ([`limits`]), and goes on behind damage: what is no
//! entry is told as [`Damage`] with its place.
//!
//! Entries of another sensor become events of gate [`Gate::MLOGC`](crate::Gate::MLOGC) whose `node` is the sensor's name,
//! whose `origin_id` is the sensor's unique id, and whose identifier is [`EventId::derived`](crate::EventId::derived) from
//! both and the time: the same entry, however often and in whatever form it comes, is the same event. What monban itself
//! wrote keeps its own identifier. Redact an event before it is kept.
//!
//! # What the formats do not tell
//!
//! - The phase of a rule that only warned: it is 0.
//! - Time zones (libmodsecurity 3, JSON): local time without an offset. Its unique ids begin with the second of the
//!   transaction, which decides; where a server gives its own ids, the time is taken as UTC.
//! - Whether libmodsecurity 3 denied (JSON up to 3.0.12): it did where its engine was on and a rule of CRS's blocking
//!   evaluation (949xxx, 959xxx) matched, or the status is 403 and a rule matched.
//!
//! ```
//! use event::audit_log::{Reader, Step};
//!
//! let log = b"--1a2b3c4d-A--\n[23/Nov/2026:09:04:46.454636 +0000] awQBrifg 203.0.113.7 38596 192.0.2.1 443\n\
//!     --1a2b3c4d-B--\nGET /?q=<script> HTTP/1.1\nHost: a.test\n\n--1a2b3c4d-Z--\n\nnoise\n";
//! let mut steps = Vec::new();
//! let mut reader = Reader::new("web3");
//! reader.push(log, &mut |step| steps.push(step));
//! reader.finish(&mut |step| steps.push(step));
//! let [Step::Entry(entry), Step::Damage(damage)] = &steps[..] else { panic!("{steps:?}") };
//! assert_eq!(entry.event.node, "web3");
//! assert_eq!(entry.event.origin_id.as_deref(), Some("awQBrifg"));
//! assert_eq!(damage.to_string(), "6 bytes at offset 163: not an audit log entry of a known format");
//! ```

mod coraza;
mod dates;
mod draft;
mod index;
mod json_text;
mod json_v2;
mod json_v3;
mod message;
mod native;
mod reader;

use std::fmt;

pub use index::IndexLine;
pub use reader::Reader;

use crate::{Event, limits};

/// What a [`Reader`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An entry.
    Entry(Box<Entry>),
    /// A line of a Concurrent log's index: the entry is in the file that it names.
    Index(Box<IndexLine>),
    /// Bytes that are no entry, or an entry of which a part is missing.
    Damage(Damage),
}

/// An entry and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The event. One with a `reason` is of an entry that was damaged: it holds what could be read of it.
    pub event: Event,
    /// Where the entry begins in the log, in bytes.
    pub offset: u64,
    /// In which form it stood.
    pub format: Format,
}

/// The forms of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Sections between boundaries, of ModSecurity 2 or monban.
    Native,
    /// Sections between boundaries, of libmodsecurity 3.
    NativeV3,
    /// JSON of ModSecurity 2 or monban.
    JsonV2,
    /// JSON of libmodsecurity 3.
    JsonV3,
    /// JSON of Coraza.
    Coraza,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "ModSecurity 2, native",
            Self::NativeV3 => "libmodsecurity 3, native",
            Self::JsonV2 => "ModSecurity 2, JSON",
            Self::JsonV3 => "libmodsecurity 3, JSON",
            Self::Coraza => "Coraza, JSON",
        })
    }
}

/// A stretch of a log that could not be read, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at offset {offset}: {fault}")]
pub struct Damage {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl Damage {
    /// The event of an entry that has this damage, which says so.
    fn told_in(&self, event: Event) -> Event {
        Event { summary: Some(format!("the audit log entry was damaged: {self}")), ..event }
    }
}

/// What can be wrong with a stretch of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not an entry.
    #[error("not an audit log entry of a known format")]
    UnknownFormat,
    /// The log of an mlogc that is fed with a Serial log, which it cannot read. It has sent none of it.
    #[error(
        "this is mlogc's own log, and it was given a Serial audit log, of which it sends nothing: set `SecAuditLogType \
         Concurrent` and `SecAuditLogStorageDir` where `SecAuditLog` pipes to mlogc"
    )]
    SerialForMlogc,
    /// The entry ends before its part Z. What there was of it is an event all the same, if its part A was there.
    #[error("the entry is cut off")]
    CutOff,
    /// A part that an event cannot do without is missing.
    #[error("the entry has no {0}")]
    Missing(&'static str),
    /// A field that an event cannot do without is malformed.
    #[error("{what} is malformed: `{text}`")]
    Malformed {
        /// Which.
        what: &'static str,
        /// Its text, cut to 64 characters.
        text: String,
    },
    /// JSON that is none, or not that of an audit log.
    #[error("not the JSON of an audit log: {0}")]
    Json(String),
    /// One line is longer than [`limits::MAX_AUDIT_ENTRY_BYTES`].
    #[error("longer than {} bytes", limits::MAX_AUDIT_ENTRY_BYTES)]
    TooLong,
}

impl Fault {
    fn malformed(what: &'static str, text: &[u8]) -> Self {
        Self::Malformed { what, text: String::from_utf8_lossy(text).chars().take(64).collect() }
    }
}

/// Reads one entry, as a sensor sends it: the first that stands in `bytes`. If it was damaged, its event has a `reason`.
///
/// # Errors
/// What is wrong with the bytes when there is no entry in them.
pub fn read_entry(sensor: &str, bytes: &[u8]) -> Result<Entry, Damage> {
    let mut found = None;
    let mut damage = None;
    let mut reader = Reader::new(sensor);
    let mut each = |step| match step {
        Step::Entry(entry) if found.is_none() => found = Some(*entry),
        Step::Damage(what) if damage.is_none() => damage = Some(what),
        _ => {}
    };
    reader.push(bytes, &mut each);
    reader.finish(&mut each);
    let nothing = Damage { offset: 0, length: bytes.len() as u64, fault: Fault::UnknownFormat };
    found.ok_or(damage.unwrap_or(nothing))
}

#[cfg(test)]
mod tests;
