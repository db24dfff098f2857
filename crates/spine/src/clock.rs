//! Time: the machine's clock, and a clock that a test controls.
//!
//! Code that waits or compares times takes a [`Clock`], so that its tests neither wait nor depend on the time of day.
//! Wall time may jump forwards or back at any moment; [`Clock::uptime`] never goes back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use event::Timestamp;
use tokio::sync::watch;

use crate::limits::CLOCK_CHECK;

/// A future that a trait returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A source of time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the wall time.
    fn now(&self) -> Timestamp;

    /// Returns the time since a fixed moment. It never goes back.
    fn uptime(&self) -> Duration;

    /// Waits until the wall time is `when` or later, or until the clock goes back; then the caller decides again.
    ///
    /// The wait notices within [`CLOCK_CHECK`] that the clock was set or that the machine woke from sleep.
    fn sleep_until(&self, when: Timestamp) -> BoxFuture<'_, ()>;
}

/// Returns `time` plus `delay`, at most [`Timestamp::MAX`].
pub fn after(time: Timestamp, delay: Duration) -> Timestamp {
    let micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}

/// Returns the time from `earlier` to `later`, or zero if `later` is not after `earlier`.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    let micros = later.as_micros().saturating_sub(earlier.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, when: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut latest = Timestamp::MIN;
            loop {
                let now = self.now();
                let rest = between(now, when);
                if rest.is_zero() || now < latest {
                    return;
                }
                latest = now;
                tokio::time::sleep(rest.min(CLOCK_CHECK)).await;
            }
        })
    }
}

/// A clock that stands still until a test advances it.
#[derive(Debug)]
pub struct TestClock {
    uptime: Mutex<Duration>,
    wall: watch::Sender<Timestamp>,
}

impl TestClock {
    /// Creates a clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { uptime: Mutex::default(), wall: watch::Sender::new(now) }
    }

    /// Advances wall time and uptime.
    pub fn advance(&self, by: Duration) {
        *self.uptime.lock().unwrap_or_else(PoisonError::into_inner) += by;
        self.wall.send_modify(|now| *now = after(*now, by));
    }

    /// Sets the wall clock, as an administrator or NTP does. The uptime does not change.
    pub fn set(&self, now: Timestamp) {
        self.wall.send_replace(now);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.wall.borrow()
    }

    fn uptime(&self) -> Duration {
        *self.uptime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, when: Timestamp) -> BoxFuture<'_, ()> {
        let mut wall = self.wall.subscribe();
        let mut latest = *wall.borrow();
        Box::pin(async move {
            // The sender lives as long as the borrow of `self`, so this ends only when the condition holds.
            let _ = wall
                .wait_for(|now| {
                    let back = *now < latest;
                    latest = *now;
                    *now >= when || back
                })
                .await;
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn sums_and_differences_stay_in_range() {
        let noon: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        assert_eq!(after(noon, DAY).to_string(), "2026-12-01T12:00:00.000000Z");
        assert_eq!(after(noon, Duration::MAX), Timestamp::MAX);
        assert_eq!(between(noon, after(noon, DAY)), DAY);
        assert_eq!(between(after(noon, DAY), noon), Duration::ZERO);
    }

    #[test]
    fn a_test_clock_wakes_its_sleepers_however_it_is_moved() {
        let start: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let clock = TestClock::at(start);
        let mut sleep = clock.sleep_until(after(start, DAY));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(DAY / 2);
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(DAY / 2);
        assert!(sleep.now_or_never().is_some());
        for moved in [after(start, DAY * 400), Timestamp::MIN] {
            let sleep = clock.sleep_until(after(start, DAY * 2));
            clock.set(moved);
            assert!(sleep.now_or_never().is_some(), "{moved}");
        }
        assert_eq!(clock.uptime(), DAY);
        assert!(clock.sleep_until(Timestamp::MIN).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_waits_for_wall_time() {
        let clock = SystemClock::default();
        clock.sleep_until(Timestamp::MIN).await;
        let before = tokio::time::Instant::now();
        // tokio's time is paused and jumps; the wall time does not, so the wait never ends by itself
        let waited = tokio::time::timeout(CLOCK_CHECK * 3, clock.sleep_until(after(clock.now(), DAY))).await;
        assert!(waited.is_err());
        assert_eq!(before.elapsed(), CLOCK_CHECK * 3);
    }
}
