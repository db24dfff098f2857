//! Stored read positions of files.

use std::path::Path;

use event::ByteString;
use serde::{Deserialize, Serialize};

/// Largest number of stored positions, which exceeds the number of rotated files beside a log.
const MAX_PLACES: usize = 1000;

/// The read position in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The first bytes of the file in hexadecimal.
    pub head: String,
    /// Offset in bytes of the uncompressed content.
    pub offset: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified: u64,
}

/// An unreadable entry file, to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Later {
    /// The path in the index.
    pub path: ByteString,
    /// The entry's unique id.
    pub origin_id: ByteString,
    /// Offset of the entry's line in the index.
    pub offset: u64,
    /// Number of attempts.
    pub tries: u32,
}

/// The stored state of a watched file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Places {
    /// One position for each existing file. The last is the file that is being read.
    pub files: Vec<Place>,
    /// Entry files to be tried again.
    #[serde(default)]
    pub later: Vec<Later>,
}

impl Places {
    /// Loads the stored state. Returns none if none exists, because the file has not been watched before.
    pub fn load(path: &Path) -> Option<Self> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            text => text.unwrap_or_default(),
        };
        // With a damaged state, the files are only read again from their beginning.
        Some(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Stores the state.
    ///
    /// # Errors
    /// If the file cannot be written; the error names the path.
    pub fn store(&self, path: &Path) -> Result<(), String> {
        store::replace_file(path, |out| serde_json::to_writer(out, self).map_err(Into::into))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Returns the position in the file with this beginning. The file may have been shorter than its head at that time.
    pub fn of(&self, head: &str) -> Option<&Place> {
        let of_it = self.files.iter().filter(|place| head.starts_with(&place.head));
        of_it.max_by_key(|place| place.head.len())
    }

    /// Sets the position of the file that is being read, and replaces its previous position.
    pub fn set(&mut self, place: Place) {
        if place.head.is_empty() {
            return;
        }
        self.files.retain(|old| !place.head.starts_with(&old.head) && !old.head.starts_with(&place.head));
        self.files.push(place);
        let excess = self.files.len().saturating_sub(MAX_PLACES);
        self.files.drain(..excess);
    }

    /// Forgets files that no longer exist, whose heads are not in `heads`. Returns the position in the file that was
    /// being read, if it is one of them.
    pub fn keep(&mut self, heads: &[&str]) -> Option<Place> {
        let is_there = |place: &Place| heads.iter().any(|head| head.starts_with(&place.head));
        let lost = self.files.last().filter(|place| !is_there(place)).cloned();
        self.files.retain(is_there);
        lost
    }

    /// Returns the modification time of the newest file that was read.
    pub fn newest(&self) -> u64 {
        self.files.iter().map(|place| place.modified).max().unwrap_or(0)
    }
}
