//! Where files were read up to, kept on disk.

use std::path::Path;

use event::ByteString;
use serde::{Deserialize, Serialize};

/// Places that are kept; more rotated files are not beside a log.
const MAX_PLACES: usize = 1000;

/// Where a file was read up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The file's first bytes, as hexadecimal digits.
    pub head: String,
    /// In bytes of what the file holds, whether it is compressed or not.
    pub offset: u64,
    /// When it had last been written to, in nanoseconds since 1970.
    pub modified: u64,
}

/// An entry's own file that could not be read, to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Later {
    /// As the index names it.
    pub path: ByteString,
    /// The entry's unique id.
    pub origin_id: ByteString,
    /// Where its line stands in the index.
    pub offset: u64,
    /// How often it was tried.
    pub tries: u32,
}

/// What is kept of one watched file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Places {
    /// One for each file that is there; the last is the one that is being read.
    pub files: Vec<Place>,
    /// What is tried again.
    #[serde(default)]
    pub later: Vec<Later>,
}

impl Places {
    /// Reads what was kept. None if nothing was: the file has not been watched before.
    pub fn load(path: &Path) -> Option<Self> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            text => text.unwrap_or_default(),
        };
        // A damaged one costs no more than reading the files again from their beginning.
        Some(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Those of writing, with the path.
    pub fn store(&self, path: &Path) -> Result<(), String> {
        store::replace_file(path, |out| serde_json::to_writer(out, self).map_err(Into::into))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The place in the file that begins so; the file may have been shorter than its head then.
    pub fn of(&self, head: &str) -> Option<&Place> {
        let of_it = self.files.iter().filter(|place| head.starts_with(&place.head));
        of_it.max_by_key(|place| place.head.len())
    }

    /// Keeps the place of the file that is being read, instead of a former one in it.
    pub fn set(&mut self, place: Place) {
        if place.head.is_empty() {
            return;
        }
        self.files.retain(|old| !place.head.starts_with(&old.head) && !old.head.starts_with(&place.head));
        self.files.push(place);
        let excess = self.files.len().saturating_sub(MAX_PLACES);
        self.files.drain(..excess);
    }

    /// Forgets files that are not there any more: none of these heads. Returns the place in the one that was being read, if
    /// that is one of them.
    pub fn keep(&mut self, heads: &[&str]) -> Option<Place> {
        let is_there = |place: &Place| heads.iter().any(|head| head.starts_with(&place.head));
        let lost = self.files.last().filter(|place| !is_there(place)).cloned();
        self.files.retain(is_there);
        lost
    }

    /// When the newest of the files that were read was last written to.
    pub fn newest(&self) -> u64 {
        self.files.iter().map(|place| place.modified).max().unwrap_or(0)
    }
}
