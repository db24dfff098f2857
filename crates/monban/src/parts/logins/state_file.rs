//! The part's file: the observer's state, and the places up to which the sources were read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use event::Timestamp;
use login::limits::MAX_STATE_BYTES;
use login::observer::State;
use serde::{Deserialize, Serialize};

/// The name of the file in the part's folder.
const FILE: &str = "state.json";

/// A place in a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Device of the file.
    pub device: u64,
    /// Inode of the file.
    pub inode: u64,
    /// Bytes that were read.
    pub offset: u64,
}

/// The places up to which the sources were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    /// Cursor of the last journal entry.
    pub cursor: Option<String>,
    /// Time of the last journal entry.
    pub time: Option<Timestamp>,
    /// Places in log files, by path.
    pub files: BTreeMap<PathBuf, Place>,
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stored {
    /// Places.
    pub places: Places,
    /// State.
    pub state: State,
}

impl Stored {
    /// Reads the file in a folder; nothing if there is none, or if it is damaged, which is logged.
    pub fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let read = match store::regular_file::read(&path, MAX_STATE_BYTES + 1) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::default(),
            Err(error) => Err(error.to_string()),
            Ok(json) if json.len() as u64 > MAX_STATE_BYTES => Err("too long".to_owned()),
            Ok(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
        };
        read.unwrap_or_else(|error| {
            tracing::warn!(
                "cannot read {}: {error}; monban starts without the state of logins",
                path.display()
            );
            Self::default()
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let path = folder.join(FILE);
        store::replace_file(&path, |out| serde_json::to_writer(out, self).map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Stored::read(folder.path()).places, Places::default());
        let places = Places {
            cursor: Some("s=1".into()),
            time: Some(Timestamp::from_micros(7)),
            files: [("/var/log/auth.log".into(), Place { device: 1, inode: 2, offset: 3 })].into(),
        };
        let stored = Stored { places: places.clone(), state: State::default() };
        stored.write(folder.path()).unwrap();
        assert_eq!(Stored::read(folder.path()).places, places);
        std::fs::write(folder.path().join(FILE), "{\"places\":[").unwrap();
        assert_eq!(Stored::read(folder.path()).places, Places::default());
    }
}
