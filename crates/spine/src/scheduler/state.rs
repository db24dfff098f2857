//! The stored state of a job.

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{after, between};
use crate::limits::{MAX_ERROR_CHARS, MAX_STATE_BYTES};

/// Due time, failures and last run of a job; its file is this as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobState {
    /// The next run.
    pub due: Timestamp,
    /// The wall time when `due` was set. A clock that shows less has gone back.
    pub set_at: Timestamp,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// The last run, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastRun {
    /// Its start.
    pub started: Timestamp,
    /// Its end.
    pub ended: Timestamp,
    /// Why it failed; none after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl JobState {
    /// A job that has not run yet.
    pub(super) fn due_at(due: Timestamp, now: Timestamp) -> Self {
        Self { due, set_at: now, ..Self::default() }
    }

    /// Reads a state file.
    ///
    /// # Errors
    /// If the text is longer than [`MAX_STATE_BYTES`] or is no state.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_STATE_BYTES {
            return Err(format!("longer than {MAX_STATE_BYTES} bytes"));
        }
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// After the clock has gone back, counts the remaining delay from the new time: a job that was due in an hour still is.
    pub fn follow_clock(&mut self, now: Timestamp) {
        if now < self.set_at {
            self.due = after(now, between(self.set_at, self.due));
            self.set_at = now;
        }
    }

    /// The state after a run.
    pub(super) fn ended(
        self,
        started: Timestamp,
        now: Timestamp,
        due: Timestamp,
        error: Option<String>,
    ) -> Self {
        let failures = if error.is_some() { self.failures.saturating_add(1) } else { 0 };
        let error = error.map(|error| error.chars().take(MAX_ERROR_CHARS).collect());
        Self { due, set_at: now, failures, last: Some(LastRun { started, ended: now, error }) }
    }
}
