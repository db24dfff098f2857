//! The state that survives a restart: one JSON file with the position in the journal, the open windows, the queues and the
//! channels' records. The file is replaced atomically, so a process that is killed at any time continues from a complete state:
//! it handles no event twice and misses none.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use event::Timestamp;
use serde::{Deserialize, Serialize};
use store::Position;

use crate::limits::{MAX_CHANNELS, MAX_RULES, MAX_STATE_BYTES};
use crate::notice::DayBefore;
use crate::outbox::Outbox;
use crate::tally::Tally;

/// The events of one rule that wait for one channel's digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// End of the window.
    pub until: Timestamp,
    /// The events since the window opened.
    pub tally: Tally,
}

/// The day that the next summary covers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Day {
    /// Start of the day.
    pub since: Timestamp,
    /// Time at which the summary is due.
    pub until: Timestamp,
    /// The events of the day.
    pub tally: Tally,
    /// The numbers of the day before.
    pub before: Option<DayBefore>,
}

/// The notifier's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Version of the format; see [`State::VERSION`].
    pub version: u32,
    /// Position in the journal after the last handled event ([`Position::to_i64`]).
    pub cursor: i64,
    /// Number of all notices created so far.
    pub sequence: u64,
    /// Number of events that were too old for a notice.
    pub skipped: u64,
    /// The open windows, by rule and channel.
    pub windows: BTreeMap<String, BTreeMap<String, Window>>,
    /// The day of the next summary.
    pub day: Option<Day>,
    /// The channels.
    pub channels: BTreeMap<String, Outbox>,
}

/// The content of a state file.
#[derive(Debug, PartialEq)]
pub enum Loaded {
    /// No file exists: this is the first start.
    Nothing,
    /// A complete state.
    State(Box<State>),
    /// A damaged file, which has been moved aside.
    Damaged {
        /// The fault.
        what: String,
        /// Its new path.
        aside: PathBuf,
    },
}

impl State {
    /// The version that this crate writes and reads.
    pub const VERSION: u32 = 1;

    /// Returns a new state that starts at this position in the journal.
    pub fn beginning_at(cursor: Position) -> Self {
        Self { version: Self::VERSION, cursor: cursor.to_i64(), ..Self::default() }
    }

    /// Parses a state from any source and cuts it to the limits.
    ///
    /// # Errors
    /// The fault.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let mut state: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if state.version != Self::VERSION {
            return Err(format!("version {} is not {}", state.version, Self::VERSION));
        }
        while state.channels.len() > MAX_CHANNELS {
            state.channels.pop_last();
        }
        while state.windows.len() > MAX_RULES {
            state.windows.pop_last();
        }
        state.channels.values_mut().for_each(Outbox::bound);
        for windows in state.windows.values_mut() {
            while windows.len() > MAX_CHANNELS {
                windows.pop_last();
            }
            windows.values_mut().for_each(|window| window.tally.bound());
        }
        if let Some(day) = &mut state.day {
            day.tally.bound();
        }
        Ok(state)
    }

    /// Reads the file. A damaged one is moved aside.
    ///
    /// # Errors
    /// The system's error.
    pub fn load(path: &Path) -> io::Result<Loaded> {
        let what = match read(path) {
            Ok(None) => return Ok(Loaded::Nothing),
            Ok(Some(json)) => match Self::from_json(&json) {
                Ok(state) => return Ok(Loaded::State(Box::new(state))),
                Err(what) => what,
            },
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => error.to_string(),
            Err(error) => return Err(error),
        };
        let aside = store::sqlite::move_aside(path).map_err(io::Error::other)?;
        Ok(Loaded::Damaged { what, aside })
    }

    /// Returns the state in the file, for another process; none without a file.
    ///
    /// # Errors
    /// The system's error, or a damaged file.
    pub fn peek(path: &Path) -> io::Result<Option<Self>> {
        let Some(json) = read(path)? else { return Ok(None) };
        Self::from_json(&json).map(Some).map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Returns the content for the file.
    ///
    /// # Errors
    /// No known case, because every key is a text.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut json = Vec::new();
    file.take(MAX_STATE_BYTES + 1).read_to_end(&mut json)?;
    if json.len() as u64 > MAX_STATE_BYTES {
        let what = format!("longer than {MAX_STATE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(Some(json))
}

/// Replaces the file by [`store::replace_file`].
///
/// # Errors
/// The errors of that function.
pub fn write(path: &Path, json: &[u8]) -> io::Result<()> {
    store::replace_file(path, |out| out.write_all(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_QUEUE;

    #[test]
    fn files_come_back_and_damaged_ones_stand_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.json");
        assert_eq!(State::load(&path).unwrap(), Loaded::Nothing);
        let state = State::beginning_at(Position { segment: 3, offset: 99 });
        write(&path, &state.to_json().unwrap()).unwrap();
        assert_eq!(State::load(&path).unwrap(), Loaded::State(Box::new(state.clone())));
        assert_eq!(State::peek(&path).unwrap(), Some(state));
        for damage in [&b""[..], b"{}", b"{\"version\":2}", b"{\"version\":1,\"cursor\":\"x\"}", b"\xff\x00"]
        {
            write(&path, damage).unwrap();
            assert!(State::peek(&path).is_err());
            let Loaded::Damaged { aside, .. } = State::load(&path).unwrap() else {
                panic!("{damage:?} was read")
            };
            assert_eq!(std::fs::read(aside).unwrap(), damage);
            assert_eq!(State::load(&path).unwrap(), Loaded::Nothing);
        }
    }

    #[test]
    fn what_is_read_is_within_the_limits() {
        let notice = r#"{"id":"1","at":"2026-11-24T00:00:00Z","kind":"test"}"#;
        let queue = vec![notice; MAX_QUEUE + 50].join(",");
        let json = format!(r#"{{"version":1,"channels":{{"a":{{"queue":[{queue}]}}}}}}"#);
        let state = State::from_json(json.as_bytes()).unwrap();
        assert_eq!(state.channels["a"].queue.len(), MAX_QUEUE);
        let channels: Vec<String> = (0..100).map(|number| format!("\"{number}\":{{}}")).collect();
        let json = format!(r#"{{"version":1,"channels":{{{}}}}}"#, channels.join(","));
        assert_eq!(State::from_json(json.as_bytes()).unwrap().channels.len(), MAX_CHANNELS);
    }

    #[test]
    fn a_file_that_is_too_long_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.json");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(MAX_STATE_BYTES + 1).unwrap(); // sparse
        assert!(matches!(State::load(&path).unwrap(), Loaded::Damaged { .. }));
    }
}
