//! Recent logins, to recognise one login in the journal and in the report of the hook.

use std::collections::VecDeque;
use std::time::Duration;

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::{Service, Source};
use crate::evidence::Via;
use crate::limits::{MAX_RECENT, MAX_UNCERTAIN, SAME_LOGIN_TIME};

/// A report of the hook that waits for the journal's entry.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) time: Timestamp,
    pub(super) service: Service,
    pub(super) user: String,
    pub(super) source: Option<Source>,
    pub(super) pid: Option<u32>,
    pub(super) terminal: Option<String>,
    /// Whether root sent it.
    pub(super) certain: bool,
}

/// A login that became an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    time: Timestamp,
    service: Service,
    user: String,
    source: Option<Source>,
    pid: Option<u32>,
    via: Via,
    /// Whether the journal has reported it, too.
    matched: bool,
}

impl Pending {
    fn parts(&self) -> Parts<'_> {
        (self.service, &self.user, self.source, self.pid, self.time)
    }
}

impl Told {
    fn parts(&self) -> Parts<'_> {
        (self.service, &self.user, self.source, self.pid, self.time)
    }
}

/// The state of a login that the journal reports.
pub(super) enum Confirmed {
    /// Nothing.
    New,
    /// The hook's report waited, with its terminal.
    Waiting(Option<String>),
    /// The hook's report became an event.
    Told,
}

/// Recent logins.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    pending: VecDeque<Pending>,
    told: VecDeque<Told>,
    /// Times of the last events of users' own reports.
    uncertain: VecDeque<Timestamp>,
}

/// The parts of a login by which two reports are compared.
type Parts<'a> = (Service, &'a str, Option<Source>, Option<u32>, Timestamp);

/// Returns whether two reports are of one login. A port or a pid decides if both have one.
fn same(one: Parts, two: Parts) -> bool {
    let agree = |a: Option<u64>, b: Option<u64>| a.is_none() || b.is_none() || a == b;
    let port = |source: Option<Source>| source.and_then(|source| source.port).map(u64::from);
    let address = |source: Option<Source>| source.map(|source| source.address);
    let apart = one.4.as_micros().abs_diff(two.4.as_micros());
    one.0 == two.0
        && one.1 == two.1
        && address(one.2) == address(two.2)
        && agree(port(one.2), port(two.2))
        && agree(one.3.map(u64::from), two.3.map(u64::from))
        && u128::from(apart) <= SAME_LOGIN_TIME.as_micros()
}

impl Recent {
    /// Returns the logins of the hook's reports that the journal has not reported yet, to store them: the journal may do
    /// so after a restart.
    pub(super) fn unconfirmed(&self) -> Vec<Told> {
        self.told.iter().filter(|told| told.via == Via::Hook && !told.matched).cloned().collect()
    }

    /// Continues with stored logins.
    pub(super) fn restore(&mut self, told: Vec<Told>) {
        self.told.extend(told.into_iter().take(MAX_RECENT));
    }

    /// Returns whether this report of the hook is of a login that became an event.
    pub(super) fn is_told(&self, hook: &Pending) -> bool {
        self.told.iter().rev().any(|told| same(told.parts(), hook.parts()))
    }

    /// Keeps a report of the hook; returns false if too many wait. pam_exec and sshrc may both report a login.
    pub(super) fn wait(&mut self, hook: Pending) -> bool {
        if let Some(first) = self.pending.iter_mut().find(|first| same(first.parts(), hook.parts())) {
            first.terminal = hook.terminal.or(first.terminal.take());
            first.certain |= hook.certain;
            return true;
        }
        if self.pending.len() >= MAX_RECENT
            && hook.certain
            && let Some(at) = self.pending.iter().position(|other| !other.certain)
        {
            // no user can crowd out root's reports
            self.pending.remove(at);
        }
        let room = self.pending.len() < MAX_RECENT;
        if room {
            self.pending.push_back(hook);
        }
        room
    }

    /// Takes the reports that have waited long enough.
    pub(super) fn due(&mut self, now: Timestamp, wait: Duration) -> Vec<Pending> {
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        let is_due = |pending: &Pending| pending.time.as_micros().saturating_add(micros) <= now.as_micros();
        let (due, waiting) = std::mem::take(&mut self.pending).into_iter().partition(is_due);
        self.pending = waiting;
        Vec::from(due)
    }

    /// Notes an event of a user's own report, and returns whether there were few enough in the last minute.
    pub(super) fn may_tell_uncertain(&mut self, now: Timestamp) -> bool {
        let minute = i64::try_from(SAME_LOGIN_TIME.as_micros()).unwrap_or(i64::MAX);
        self.uncertain.retain(|time| now.as_micros().saturating_sub(time.as_micros()) < minute);
        let few = self.uncertain.len() < MAX_UNCERTAIN;
        if few {
            self.uncertain.push_back(now);
        }
        few
    }

    /// Compares a login of the journal with the reports of the hook.
    pub(super) fn confirmed(
        &mut self,
        service: Service,
        user: &str,
        source: Option<Source>,
        pid: Option<u32>,
        time: Timestamp,
    ) -> Confirmed {
        let parts: Parts = (service, user, source, pid, time);
        if let Some(at) = self.pending.iter().position(|hook| same(hook.parts(), parts)) {
            return Confirmed::Waiting(self.pending.remove(at).and_then(|hook| hook.terminal));
        }
        let by_hook = |told: &&mut Told| told.via == Via::Hook && !told.matched && same(told.parts(), parts);
        match self.told.iter_mut().find(by_hook) {
            Some(told) => {
                told.matched = true;
                Confirmed::Told
            }
            None => Confirmed::New,
        }
    }

    /// Keeps a login that became an event.
    pub(super) fn tell(
        &mut self,
        service: Service,
        user: &str,
        source: Option<Source>,
        pid: Option<u32>,
        via: Via,
        time: Timestamp,
    ) {
        if self.told.len() >= MAX_RECENT {
            self.told.pop_front();
        }
        let user = user.to_owned();
        self.told.push_back(Told { time, service, user, source, pid, via, matched: false });
    }
}
