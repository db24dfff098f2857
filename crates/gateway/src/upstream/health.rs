//! Whether an upstream takes requests: what failed requests show (passive), and checks of our own (active).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http1::{Headers, RequestHead, Version};

use super::{Connection, Failure, Upstream, UpstreamGauge};
use crate::config::HealthCheck;
use crate::metrics::Metrics;

#[derive(Debug)]
pub(super) struct Health {
    began: Instant,
    /// Milliseconds after `began` until which it rests after a failed connection; 0 when it does not.
    rests_until: AtomicU64,
    /// What active checks say.
    down: AtomicBool,
    name: Arc<str>,
    gauge: UpstreamGauge,
}

impl Health {
    pub(super) fn new(gauge: UpstreamGauge, name: Arc<str>) -> Self {
        Self {
            began: Instant::now(),
            rests_until: AtomicU64::new(0),
            down: AtomicBool::new(false),
            name,
            gauge,
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.gauge.metrics()
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

    fn checked(&self, up: bool) {
        if self.down.swap(!up, Ordering::Relaxed) == up {
            tracing::warn!(upstream = %self.name, up, "health check");
            self.gauge.set(up);
        }
    }
}

/// Checks as long as anybody else holds the upstream.
pub(super) fn watch(upstream: &Arc<Upstream>, check: HealthCheck) {
    let weak = Arc::downgrade(upstream);
    tokio::spawn(async move {
        let (mut failures, mut successes) = (0_u32, 0_u32);
        loop {
            let Some(result) = check_once(&weak, &check).await else { return };
            match result {
                Ok(()) => {
                    failures = 0;
                    successes = successes.saturating_add(1);
                }
                Err(error) => {
                    tracing::debug!(%error, "health check failed");
                    successes = 0;
                    failures = failures.saturating_add(1);
                }
            }
            let Some(upstream) = weak.upgrade() else { return };
            if failures >= check.unhealthy_after.max(1) {
                upstream.health.checked(false);
            } else if successes >= check.healthy_after.max(1) {
                upstream.health.checked(true);
            }
            drop(upstream);
            tokio::time::sleep(check.interval).await;
        }
    });
}

/// None when the upstream is no longer configured.
async fn check_once(weak: &Weak<Upstream>, check: &HealthCheck) -> Option<Result<(), Failure>> {
    let upstream = weak.upgrade()?;
    let limit = check.timeout;
    Some(match tokio::time::timeout(limit, ask(&upstream, check)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::ResponseTimeout(limit)),
    })
}

async fn ask(upstream: &Upstream, check: &HealthCheck) -> Result<(), Failure> {
    let host = if check.host.is_empty() { upstream.authority.clone() } else { check.host.clone() };
    let mut fields = Headers::new();
    let broken = |fault: http1::Fault| Failure::Malformed(http1::Error { fault, offset: 0 });
    fields.push("Host", host).map_err(broken)?;
    fields.push("User-Agent", "monban health check").map_err(broken)?;
    let head = RequestHead::new("GET", check.path.clone(), Version::HTTP_11, fields).map_err(broken)?;
    // HTTP/1.1: a connection of its own each time, so that a refused one shows
    let connection = if upstream.may_speak_http2() {
        upstream.connection(false, false).await?
    } else {
        upstream.connect(true).await?
    };
    let status = match connection {
        Connection::Http1 { connection, .. } => super::h1::ask(connection, &head).await?,
        Connection::Http2(sender) => super::h2::ask(sender, &head).await?,
    };
    if status < 500 { Ok(()) } else { Err(Failure::Closed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_rests_and_comes_back() {
        let metrics = Arc::new(Metrics::new(Arc::new(|| 0)));
        let health = Health::new(UpstreamGauge::new(metrics, "u".into()), "u".into());
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
