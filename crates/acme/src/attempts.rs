//! The pace of attempts: pauses after failures, and the bounds on orders.

use std::time::Duration;

use event::Timestamp;
use serde::{Deserialize, Serialize};
use spine::clock::{after, between};

use crate::limits::{FIRST_PAUSE, MAX_ORDERS, MAX_PAUSE, ORDER_INTERVAL, ORDER_PERIOD};

/// The attempts for one certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// Times of the orders of the last [`ORDER_PERIOD`], oldest first.
    pub orders: Vec<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// Time of the first of these failures.
    pub failing_since: Option<Timestamp>,
    /// Time before which no further attempt starts, after a failure.
    pub not_before: Option<Timestamp>,
    /// Whether the owner has heard of these failures.
    pub told: bool,
    /// Whether the owner has heard that little time is left.
    pub told_late: bool,
}

impl Attempts {
    /// Records a new order.
    pub fn ordered(&mut self, now: Timestamp) {
        self.orders.retain(|order| *order <= now && between(*order, now) < ORDER_PERIOD);
        self.orders.push(now);
    }

    /// Records a success.
    pub fn succeeded(&mut self) {
        let orders = std::mem::take(&mut self.orders);
        *self = Self { orders, ..Self::default() };
    }

    /// Records a failure. `random` is a number from 0 to 1 for the jitter, `asked` the pause that the peer asks for.
    pub fn failed(&mut self, now: Timestamp, left: Option<Duration>, asked: Option<Duration>, random: f64) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        // the less time is left, the sooner the next attempt
        let most = left.map_or(MAX_PAUSE, |left| (left / 8).clamp(FIRST_PAUSE, MAX_PAUSE));
        // half to whole, so that hosts that failed together do not come back together
        let pause = doubled.min(most).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        self.not_before = Some(after(now, pause.max(asked.unwrap_or_default())));
    }

    /// Returns whether the owner should hear of the last failure now: at the second one in a row, and once more when a third
    /// of the time is left that the certificate had at the first failure.
    pub fn notice(&mut self, now: Timestamp, not_after: Option<Timestamp>) -> bool {
        if self.failures < 2 {
            return false;
        }
        if !self.told {
            self.told = true;
            return true;
        }
        let (Some(since), Some(end)) = (self.failing_since, not_after) else { return false };
        let is_late = between(now, end) <= between(since, end) / 3;
        let tells = is_late && !self.told_late;
        self.told_late |= is_late;
        tells
    }

    /// Returns the earliest time of the next attempt. `resumes` says that an order is open, so that no new one is needed.
    pub fn earliest(&self, now: Timestamp, resumes: bool) -> Timestamp {
        // a time after a clock that was set back counts as a pause from now
        let pause = self.not_before.map_or(now, |time| time.min(after(now, MAX_PAUSE.max(ORDER_PERIOD))));
        if resumes {
            return pause;
        }
        let recent: Vec<_> = self.orders.iter().filter(|order| **order <= now).collect();
        let spaced = recent.last().map_or(now, |last| after(**last, ORDER_INTERVAL));
        let allowed = recent.len().checked_sub(MAX_ORDERS).map_or(now, |at| after(*recent[at], ORDER_PERIOD));
        pause.max(spaced).max(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((1_800_000_000 + seconds) * 1_000_000)
    }

    #[test]
    fn orders_are_spaced_and_bounded() {
        let mut attempts = Attempts::default();
        for hour in 0..5 {
            let now = at(hour * 3600);
            assert!(attempts.earliest(now, false) <= now, "{hour}");
            attempts.ordered(now);
            assert_eq!(
                attempts.earliest(now, false),
                at((hour + 1) * 3600).max(if hour == 4 { at(7 * 86_400) } else { now })
            );
        }
        assert_eq!(attempts.earliest(at(5 * 3600), false), at(7 * 86_400));
        assert!(attempts.earliest(at(5 * 3600), true) <= at(5 * 3600));
        attempts.ordered(at(7 * 86_400));
        assert_eq!(attempts.orders.len(), 5);
        assert_eq!(attempts.earliest(at(7 * 86_400 + 1), false), at(7 * 86_400 + 3600));
        // orders that a wrong clock dated into the future do not block
        let mut future = Attempts { orders: vec![at(365 * 86_400)], ..Attempts::default() };
        assert!(future.earliest(at(0), false) <= at(0));
        future.ordered(at(0));
        assert_eq!(future.orders, [at(0)]);
    }

    /// C19: renewals that failed silently for weeks.
    #[test]
    fn c19_failures_in_a_row_are_told_twice_at_most() {
        let mut attempts = Attempts::default();
        let day = |days: i64| at(days * 86_400);
        let end = Some(day(30));
        let mut told = Vec::new();
        for today in 0..30 {
            attempts.failed(day(today), None, None, 0.0);
            if attempts.notice(day(today), end) {
                told.push(today);
            }
        }
        assert_eq!(told, [1, 20]);
        attempts.succeeded();
        attempts.failed(day(40), None, None, 0.0);
        assert!(!attempts.notice(day(40), end));
        // there is no certificate yet: once is enough
        attempts.failed(day(41), None, None, 0.0);
        assert!(attempts.notice(day(41), None));
        attempts.failed(day(42), None, None, 0.0);
        assert!(!attempts.notice(day(42), None));
    }

    #[test]
    fn pauses_grow_and_end_with_a_success() {
        let mut attempts = Attempts::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            attempts.failed(at(0), None, None, 1.0);
            pauses.push(between(at(0), attempts.earliest(at(0), true)).as_secs() / 60);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 720, 720]);
        attempts.failed(at(0), Some(Duration::from_secs(16 * 3600)), None, 0.0);
        assert_eq!(attempts.earliest(at(0), true), at(3600));
        attempts.failed(at(0), None, Some(Duration::from_secs(86_400)), 0.0);
        assert_eq!(attempts.earliest(at(0), true), at(86_400));
        assert_eq!((attempts.failures, attempts.failing_since), (11, Some(at(0))));
        attempts.succeeded();
        assert_eq!(attempts, Attempts::default());
        // the clock was a year ahead when the attempt failed
        attempts.failed(at(365 * 86_400), None, None, 1.0);
        assert_eq!(attempts.earliest(at(0), true), at(7 * 86_400));
    }
}
