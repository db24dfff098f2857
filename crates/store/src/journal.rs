//! The journal: all events, in the order of their creation, in append-only files.
//!
//! A gate appends its event before it answers. [`Journal::append`] is one `write(2)`; once it returns, the event is in
//! the kernel's page cache and survives the end of the process, even a crash. It does not survive a power cut within
//! the next half minute or so; [`Journal::sync`] waits until the disk has it.
//!
//! # Cost
//!
//! An append of a 4 kB event took 20 µs in all (serialising, checksum, write) in a release build on a busy machine with
//! two cores (`cargo run --release -p store --example measure`). A disk sync adds the disk's own time, usually
//! milliseconds. So an async task may call [`Journal::append`] directly. Writers share one lock, which is held only
//! during the write.
//!
//! # Files
//!
//! A folder (mode 0700) contains `lock`, on which the one writing process holds an exclusive lock, and the segments
//! `00000001.journal`, `00000002.journal` and so on (mode 0600). A process never appends to a segment of an earlier
//! process, so a torn record can only be at the end of a segment. A segment starts with the eight bytes `monbanJ1`,
//! followed by records:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | the marker `ff 4d 4a 01` |
//! | 4 | length of the payload, little-endian, at most [`limits::MAX_RECORD_BYTES`](crate::limits::MAX_RECORD_BYTES) |
//! | 4 | CRC-32 (IEEE) of the length's four bytes and the payload, little-endian |
//! | length | the event's JSON |
//!
//! The marker contains a byte that never occurs in UTF-8, so it cannot occur in a payload: after damage, a reader
//! searches for the marker to find the next whole record.
//!
//! # A full disk
//!
//! A record that the disk does not accept waits in memory, up to `fallback_bytes`; a partly written one is truncated.
//! Each later append, and [`Journal::retry`], writes the waiting records first, in order. Records beyond the memory
//! limit are lost, counted in [`JournalHealth::lost`] and reported as [`JournalError::Lost`]. A process killed in the
//! meantime loses the waiting records. A journal that is opened on a full disk starts in memory and creates its first
//! segment once there is room.
//!
//! # A disk that fails
//!
//! A sync does not block appends. If it fails, the journal gives the segment up: it writes the records again to a new
//! segment and syncs that one instead, and [`JournalHealth::sync_failure`] reports the failure until somebody
//! acknowledges it. After a sync without an error, everything appended before it is on disk.

mod disk;
mod reader;
mod segment;
mod suspects;
mod sync;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use event::Event;

pub use reader::{JournalReader, Step};
pub use segment::{Damage, SegmentReader, SegmentStep};
pub use writer::{Appended, Journal, JournalHealth, JournalOptions};

const SEGMENT_MAGIC: &[u8; 8] = b"monbanJ1";
const RECORD_MARKER: &[u8; 4] = &[0xff, b'M', b'J', 1];
const RECORD_HEADER_BYTES: usize = 12;

/// A position in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment, from 1; 0 means before every segment.
    pub segment: u64,
    /// Byte offset in the segment.
    pub offset: u64,
}

impl Position {
    /// The position before the first event.
    pub const START: Self = Self { segment: 0, offset: 0 };

    /// Returns an integer that sorts as positions do: 31 bits of segment, 32 bits of offset. Larger parts are capped.
    pub fn to_i64(self) -> i64 {
        let segment = self.segment.min(0x7fff_ffff);
        let offset = self.offset.min(0xffff_ffff);
        (segment << 32 | offset).cast_signed()
    }

    /// Unpacks the integer of [`Position::to_i64`]; a negative one gives [`Position::START`].
    pub fn from_i64(packed: i64) -> Self {
        let packed = packed.max(0).cast_unsigned();
        Self { segment: packed >> 32, offset: packed & 0xffff_ffff }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// An event and its position in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The end of the record and the start of the next one: reading may continue from here.
    pub end: Position,
    /// The event.
    pub event: Event,
}

/// An error while opening, reading or writing the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process writes this journal.
    #[error("{}: another process writes this journal", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The segment has a newer format.
    #[error("{}: written by a newer monban (journal form {form:?}, this one reads {:?})",
        path.display(), String::from_utf8_lossy(SEGMENT_MAGIC))]
    NewerForm {
        /// The segment.
        path: PathBuf,
        /// Its first eight bytes.
        form: String,
    },
    /// The event is longer than a record may be, even without its bodies.
    #[error(
        "event {id} of {length} bytes is longer than a journal record ({} bytes)",
        crate::limits::MAX_RECORD_BYTES
    )]
    TooLong {
        /// Its identifier.
        id: event::EventId,
        /// Bytes of its JSON.
        length: usize,
    },
    /// Neither the disk nor the memory accepted the event.
    #[error(
        "event {id} is lost: monban cannot write to the disk ({cause}), and {waiting} bytes already wait in memory"
    )]
    Lost {
        /// Its identifier.
        id: event::EventId,
        /// The system's error for the last write.
        cause: String,
        /// Bytes of the waiting records.
        waiting: usize,
    },
}

impl JournalError {
    /// Returns whether the disk was full.
    pub fn is_no_room(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::Io { source, .. } if full.contains(&source.kind()))
    }

    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.journal"))
}

/// Returns the numbers of the segments in the folder, ascending; none if the folder does not exist.
fn segments(folder: &Path) -> Result<Vec<u64>, JournalError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("list", folder)(error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(JournalError::io("list", folder))?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".journal"))
            .and_then(|stem| stem.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Deletes the segments before `position`. Returns the number of deleted segments.
///
/// # Errors
/// [`JournalError::Io`] for the first segment that cannot be deleted.
pub fn delete_segments_before(folder: &Path, position: Position) -> Result<usize, JournalError> {
    let mut deleted = 0;
    for number in segments(folder)?.into_iter().filter(|number| *number < position.segment) {
        let path = segment_path(folder, number);
        std::fs::remove_file(&path).map_err(JournalError::io("delete", &path))?;
        deleted += 1;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_pack_in_order() {
        let positions = [(0, 0), (1, 8), (1, 0xffff_ffff), (2, 0), (0x7fff_ffff, 0xffff_ffff)]
            .map(|(segment, offset)| Position { segment, offset });
        assert!(positions.map(Position::to_i64).is_sorted());
        for position in positions {
            assert_eq!(Position::from_i64(position.to_i64()), position);
        }
        assert_eq!(Position::from_i64(-1), Position::START);
        assert_eq!(Position { segment: u64::MAX, offset: u64::MAX }.to_i64(), i64::MAX);
    }
}
