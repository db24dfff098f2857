//! The state that survives a restart.

use event::Timestamp;
use serde::{Deserialize, Serialize};

use super::recent::Told;
use crate::ban::Bans;
use crate::burst::Burst;
use crate::known::Known;
use crate::limits::{MAX_BURSTS, MAX_STATE_BYTES};
use crate::session::Sessions;

/// The state of an observer, as JSON of at most [`MAX_STATE_BYTES`]. The folder of the part has its version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last boot.
    pub(super) boot: String,
    /// Open sessions.
    pub(super) sessions: Sessions,
    /// Countries, networks, keys and hours of users.
    pub(super) known: Known,
    /// Earlier bans.
    pub(super) bans: Bans,
    /// Open bursts.
    pub(super) bursts: Vec<Burst>,
    /// Logins of the hook's reports that the journal has not reported yet.
    pub(super) told: Vec<Told>,
    /// Time of the first line.
    pub(super) began: Timestamp,
    /// Time of the last login.
    pub(super) last_login: Timestamp,
    /// Time of the last session that logind began.
    pub(super) last_session: Option<Timestamp>,
    /// Forged lines since a day without one.
    pub(super) forged: u64,
    /// Time of the last forged line.
    pub(super) forged_last: Timestamp,
}

impl State {
    /// Parses a stored state.
    ///
    /// # Errors
    /// If it is too long or not such a state.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        if u64::try_from(json.len()).unwrap_or(u64::MAX) > MAX_STATE_BYTES {
            return Err(format!("the state exceeds {MAX_STATE_BYTES} bytes"));
        }
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }

    /// Cuts everything to its limits.
    pub(super) fn bound(&mut self) {
        self.sessions.bound();
        self.known.bound();
        self.bans.bound();
        self.bursts.truncate(MAX_BURSTS);
    }
}
