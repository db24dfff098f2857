//! The next attempt for a certificate: when it is due, and when the pace of attempts allows it.

use std::time::Duration;

use event::Timestamp;

use crate::chain::Chain;
use crate::names::Name;
use crate::state::State;
use crate::when::{Due, due};

/// The reason of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no certificate yet.
    Missing,
    /// The configuration has names that the certificate lacks.
    Names,
    /// The certificate was revoked.
    Revoked,
    /// Its renewal is due.
    Due(Due),
}

/// The next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Its time, not before now.
    pub at: Timestamp,
    /// Its reason.
    pub reason: Reason,
}

/// Returns the next attempt for a certificate with these names. `chain` is the certificate in use, `own` the owner's
/// `renew_before`.
pub fn next(
    state: &State,
    chain: Option<&Chain>,
    names: &[Name],
    own: Option<Duration>,
    now: Timestamp,
) -> Next {
    let (wanted, reason) = match chain {
        None => (now, Reason::Missing),
        Some(chain) if !chain.covers(names) => (now, Reason::Names),
        Some(_) if state.current.as_ref().is_some_and(|current| current.revoked) => (now, Reason::Revoked),
        Some(chain) => {
            let advice = state.advice.as_ref().filter(|advice| advice.serial == chain.serial);
            let window = advice.and_then(|advice| advice.window);
            let due = due(chain.validity, chain.leaf(), window, own);
            (due.at, Reason::Due(due))
        }
    };
    let resumes = state.open.is_some();
    // an open order is taken up again without waiting for the renewal's time
    let wanted = if resumes { now } else { wanted };
    let at = wanted.max(state.attempts.earliest(wanted.max(now), resumes)).max(now);
    Next { at, reason }
}
