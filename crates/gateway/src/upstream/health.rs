//! Health of an upstream: failed requests (passive) and health checks (active).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::gauges::{Gauges, UpstreamGauge};

#[derive(Debug)]
pub(super) struct Health {
    began: Instant,
    /// End of the pause after a failed connection, in milliseconds since `began`; 0 without a pause.
    rests_until: AtomicU64,
    /// Whether the active checks failed.
    down: AtomicBool,
    name: Arc<str>,
    gauge: UpstreamGauge,
}

impl Health {
    pub(super) fn new(gauges: &Arc<Gauges>, name: &Arc<str>) -> Self {
        Self {
            began: Instant::now(),
            rests_until: AtomicU64::new(0),
            down: AtomicBool::new(false),
            name: Arc::clone(name),
            gauge: UpstreamGauge::new(gauges, name),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_up(&self, now: Instant) -> bool {
        let until = self.rests_until.load(Ordering::Relaxed);
        !self.down.load(Ordering::Relaxed) && (until == 0 || self.millis(now) >= until)
    }

    pub(super) fn rest(&self, pause: Duration) {
        self.rests_until.store(self.millis(Instant::now() + pause).max(1), Ordering::Relaxed);
        self.gauge.set(false);
    }

    pub(super) fn succeeded(&self) {
        if self.rests_until.load(Ordering::Relaxed) != 0 {
            self.rests_until.store(0, Ordering::Relaxed);
            self.gauge.set(!self.down.load(Ordering::Relaxed));
        }
    }

    pub(super) fn checked(&self, up: bool) {
        if self.down.swap(!up, Ordering::Relaxed) == up {
            tracing::warn!(upstream = %self.name, up, "health check changed the state of an upstream");
            self.gauge.set(up);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_rests_and_comes_back() {
        let health = Health::new(&Arc::default(), &"u".into());
        let now = Instant::now();
        assert!(health.is_up(now));
        health.rest(Duration::from_secs(5));
        assert!(!health.is_up(now));
        assert!(health.is_up(now + Duration::from_secs(6)));
        health.succeeded();
        assert!(health.is_up(now));
        health.checked(false);
        assert!(!health.is_up(now + Duration::from_secs(60)));
        health.checked(true);
        assert!(health.is_up(now));
    }
}
