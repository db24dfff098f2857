//! Reads the audit logs of other sensors: takes the bytes of a log and returns [`Event`]s.
//!
//! | format | written by |
//! |---|---|
//! | sections between boundaries | ModSecurity 2 (`SecAuditLogFormat Native`), libmodsecurity 3, monban ([`crate::modsec`]) |
//! | JSON, one object a line | ModSecurity 2 (`SecAuditLogFormat JSON`), libmodsecurity 3, Coraza 3, monban |
//! | index lines of a Concurrent log | both ModSecurities: they name the file of each entry |
//!
//! [`Reader`] recognises the format; one file may mix formats. The reader takes the bytes in pieces of any size and
//! keeps a bounded part of them ([`limits`]). It continues after damage: it reports bytes that are not an entry as
//! [`Damage`], with their place.
//!
//! Entries of another sensor become events of gate [`Gate::MLOGC`](crate::Gate::MLOGC). Their `node` is the sensor's
//! name, their `origin_id` is the sensor's unique id, and their identifier is
//! [`EventId::derived`](crate::EventId::derived) from both and the time. The same entry is therefore the same event,
//! however often and in whatever format it arrives. Entries that monban wrote keep their own identifier. Redact an
//! event before storing it.
//!
//! # Information that the formats lack
//!
//! - The phase of a rule that only warned: the reader sets 0.
//! - Time zones (libmodsecurity 3, JSON): local time without an offset. Its unique ids begin with the second of the
//!   transaction in UTC, from which the reader computes the offset. If a server assigns its own ids, the reader takes
//!   the time as UTC.
//! - Whether libmodsecurity 3 denied the request (JSON up to 3.0.12). The reader assumes that it did if its engine was
//!   on and a rule of CRS's blocking evaluation (949xxx, 959xxx) matched, or if the status is 403 and a rule matched.
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

/// One result of a [`Reader`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An entry.
    Entry(Box<Entry>),
    /// A line of a Concurrent log's index, which names the file of the entry.
    Index(Box<IndexLine>),
    /// Bytes that are not an entry, or an entry with a missing part.
    Damage(Damage),
}

/// An entry and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The event. An event with a `reason` comes from a damaged entry and holds its readable part.
    pub event: Event,
    /// The offset of the entry in the log, in bytes.
    pub offset: u64,
    /// The format of the entry.
    pub format: Format,
}

/// The formats of an entry.
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

/// A range of a log that is not readable, or only in part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at offset {offset}: {fault}")]
pub struct Damage {
    /// The offset of the range, in bytes.
    pub offset: u64,
    /// The length of the range, in bytes.
    pub length: u64,
    /// The fault.
    pub fault: Fault,
}

impl Damage {
    /// Returns `event` with a `reason` that describes this damage.
    fn told_in(&self, event: Event) -> Event {
        Event { summary: Some(format!("the audit log entry was damaged: {self}")), ..event }
    }
}

/// The faults of a range of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not an entry.
    #[error("not an audit log entry of a known format")]
    UnknownFormat,
    /// The log of an mlogc that reads a Serial log, a format that mlogc cannot parse. mlogc has sent none of it.
    #[error(
        "this is mlogc's own log; mlogc received a Serial audit log, which it cannot send: set `SecAuditLogType \
         Concurrent` and `SecAuditLogStorageDir` where `SecAuditLog` pipes to mlogc"
    )]
    SerialForMlogc,
    /// The entry ends before its part Z. It still becomes an event if its part A is complete.
    #[error("the entry is cut off")]
    CutOff,
    /// A part that every event needs is missing.
    #[error("the entry has no {0}")]
    Missing(&'static str),
    /// A field that every event needs is malformed.
    #[error("{what} is malformed: `{text}`")]
    Malformed {
        /// The name of the field.
        what: &'static str,
        /// The text of the field, cut to 64 characters.
        text: String,
    },
    /// Invalid JSON, or JSON that is not of an audit log.
    #[error("not the JSON of an audit log: {0}")]
    Json(String),
    /// A line longer than [`limits::MAX_AUDIT_ENTRY_BYTES`].
    #[error("longer than {} bytes", limits::MAX_AUDIT_ENTRY_BYTES)]
    TooLong,
}

impl Fault {
    fn malformed(what: &'static str, text: &[u8]) -> Self {
        Self::Malformed { what, text: String::from_utf8_lossy(text).chars().take(64).collect() }
    }
}

/// Reads the first entry in `bytes`, as a sensor sends it. The event of a damaged entry has a `reason`.
///
/// # Errors
/// The damage, if the bytes hold no entry.
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
