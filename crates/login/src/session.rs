//! Open sessions: who is in, and how long a session lasted.

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::{Key, Service, Source};
use crate::limits::MAX_SESSIONS;

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The boot in which it began (`_BOOT_ID`); empty if unknown.
    pub boot: String,
    /// Pid of the process that logs its beginning and end.
    pub pid: u32,
    /// The program.
    pub service: Service,
    /// The account.
    pub user: String,
    /// The remote end; none at the console.
    pub source: Option<Source>,
    /// Time of the login.
    pub since: Timestamp,
    /// The method.
    pub method: Option<String>,
    /// The key.
    pub key: Option<Key>,
    /// The terminal, which only the hook reports.
    pub terminal: Option<String>,
}

/// The open sessions, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sessions(Vec<Session>);

impl Sessions {
    /// Adds a session. It replaces a session with the same pid: the same one from another report, whose terminal it
    /// keeps, or one whose end was not seen.
    pub fn open(&mut self, mut session: Session) {
        let is_same_pid = |old: &Session| (old.pid, old.service) == (session.pid, session.service);
        if let Some(at) = self.0.iter().position(is_same_pid) {
            let old = self.0.remove(at);
            if old.user == session.user
                && old.source.map(|of| of.address) == session.source.map(|of| of.address)
            {
                session.terminal = session.terminal.or(old.terminal);
            }
        }
        if self.0.len() >= MAX_SESSIONS {
            self.0.remove(0);
        }
        self.0.push(session);
    }

    /// Removes and returns the session of this process.
    pub fn close(&mut self, service: Service, pid: u32, user: &str) -> Option<Session> {
        let at = self.0.iter().position(|old| (old.pid, old.service, &*old.user) == (pid, service, user))?;
        Some(self.0.remove(at))
    }

    /// Removes the sessions of earlier boots.
    pub fn booted(&mut self, boot: &str) {
        self.0.retain(|session| session.boot.is_empty() || session.boot == boot);
    }

    /// Returns the sessions, the newest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Session> {
        self.0.iter()
    }

    /// Returns the newest session of this user from this source, for changing.
    pub(crate) fn newest_mut(&mut self, user: &str, source: Option<Source>) -> Option<&mut Session> {
        let address = source.map(|source| source.address);
        let same = |session: &&mut Session| {
            session.user == user && session.source.map(|source| source.address) == address
        };
        self.0.iter_mut().rev().find(same)
    }

    /// Cuts a restored list to its limit.
    pub(crate) fn bound(&mut self) {
        let excess = self.0.len().saturating_sub(MAX_SESSIONS);
        self.0.drain(..excess);
    }
}
