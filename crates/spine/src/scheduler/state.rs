//! The stored state of a job.

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{after, between};
use crate::limits::{MAX_ERROR_CHARS, MAX_STATE_BYTES};

/// Due time, failures and last run of a job. The state file contains it as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobState {
    /// The time of the next run.
    pub due: Timestamp,
    /// The wall time when `due` was set. If the clock shows less, it has gone back.
    pub set_at: Timestamp,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// The last run, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
}

/// A completed run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastRun {
    /// The start.
    pub started: Timestamp,
    /// The end.
    pub ended: Timestamp,
    /// The error; none after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl JobState {
    /// Returns the state of a job that has not run yet.
    pub(super) fn due_at(due: Timestamp, now: Timestamp) -> Self {
        Self { due, set_at: now, ..Self::default() }
    }

    /// Reads a state file.
    ///
    /// # Errors
    /// If the text is longer than [`MAX_STATE_BYTES`] or is not a state.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_STATE_BYTES {
            return Err(format!("longer than {MAX_STATE_BYTES} bytes"));
        }
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// Keeps the remaining delay of a job if the clock has gone back: a job due in an hour stays due in an hour.
    pub fn follow_clock(&mut self, now: Timestamp) {
        if now < self.set_at {
            self.due = after(now, between(self.set_at, self.due));
            self.set_at = now;
        }
    }

    /// Returns the state after a run.
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
