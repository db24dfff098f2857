//! Active health checks of an upstream.

use std::sync::{Arc, Weak};

use http1::{Headers, RequestHead, Version};

use super::failure::Failure;
use super::{Connection, Upstream, h1, h2};
use crate::config::HealthCheck;

impl Upstream {
    /// Starts the active health check, if one is configured. It ends with the upstream.
    pub(crate) fn watch(self: &Arc<Self>) {
        if let Some(check) = &self.settings.health {
            watch(self, check.clone());
        }
    }
}

/// Runs the checks until nothing else refers to the upstream.
fn watch(upstream: &Arc<Upstream>, check: HealthCheck) {
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

/// Runs one check. Returns none if the upstream no longer exists.
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
    // HTTP/1.1 uses a new connection each time, to detect an upstream that refuses connections
    let connection = if upstream.may_speak_http2() {
        upstream.connection(false, false).await?
    } else {
        upstream.connect(true).await?
    };
    let status = match connection {
        Connection::Http1 { connection, .. } => h1::ask(connection, &head).await?,
        Connection::Http2(sender) => h2::ask(sender, &head).await?,
    };
    if status < 500 { Ok(()) } else { Err(Failure::Closed) }
}
