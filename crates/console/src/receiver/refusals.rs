//! Logs refusals of sensors without flooding the log: the first of a kind immediately, later ones as a count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between log lines of one kind of refusal of one sender.
const INTERVAL: Duration = Duration::from_secs(60);
/// Pairs of sender and kind that are tracked. Beyond them, refusals are not logged until older pairs expire.
const MAX_KINDS: usize = 256;
/// Time for which a failure to store events counts as a finding, unless a later event is stored.
const FAILING: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(super) struct Refusals(Mutex<State>);

#[derive(Default)]
struct State {
    /// By sender and kind: the time of the last log line, and the number of refusals since.
    kinds: HashMap<(String, &'static str), (Instant, u64)>,
    /// Time and reason of the last failure to store events.
    failing: Option<(Instant, String)>,
}

impl Refusals {
    /// Counts a refusal. If it must be logged, returns the number of earlier ones that were not.
    pub(crate) fn note(&self, sender: &str, kind: &'static str, now: Instant) -> Option<u64> {
        let kinds = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).kinds;
        let key = (sender.to_owned(), kind);
        if let Some((told, untold)) = kinds.get_mut(&key) {
            if now.saturating_duration_since(*told) < INTERVAL {
                *untold += 1;
                return None;
            }
            *told = now;
            return Some(std::mem::take(untold));
        }
        if kinds.len() >= MAX_KINDS {
            kinds.retain(|_, (told, _)| now.saturating_duration_since(*told) < INTERVAL);
        }
        if kinds.len() >= MAX_KINDS {
            return None;
        }
        kinds.insert(key, (now, 0));
        Some(0)
    }

    /// Records that an event could not be stored.
    pub(crate) fn failed(&self, why: &str, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failing = Some((now, why.to_owned()));
    }

    /// Records that an event was stored.
    pub(crate) fn stored(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failing = None;
    }

    /// Returns the reason why events cannot be stored, if the last failure is recent.
    pub(crate) fn failing(&self, now: Instant) -> Option<String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, why) = state.failing.as_ref()?;
        (now.saturating_duration_since(*at) < FAILING).then(|| why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_others_are_counted() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.note("web1", "credentials", start), Some(0));
        assert_eq!(refusals.note("web1", "credentials", start), None);
        assert_eq!(refusals.note("web1", "credentials", start + INTERVAL / 2), None);
        assert_eq!(refusals.note("web1", "hash", start), Some(0));
        assert_eq!(refusals.note("web2", "credentials", start), Some(0));
        assert_eq!(refusals.note("web1", "credentials", start + INTERVAL), Some(2));
        assert_eq!(refusals.note("web1", "credentials", start + INTERVAL), None);
        // many senders fill neither the memory nor the log
        let told = (0..1000).filter(|n| refusals.note(&n.to_string(), "hash", start).is_some()).count();
        assert!(told < MAX_KINDS);
        assert_eq!(refusals.note("web9", "hash", start + INTERVAL * 3), Some(0));
    }

    #[test]
    fn what_is_not_stored_is_a_problem_until_something_is_or_nobody_tries() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.failing(start), None);
        refusals.failed("disk full", start);
        assert_eq!(refusals.failing(start + FAILING / 2).as_deref(), Some("disk full"));
        assert_eq!(refusals.failing(start + FAILING), None);
        refusals.failed("disk full", start);
        refusals.stored();
        assert_eq!(refusals.failing(start), None);
    }
}
