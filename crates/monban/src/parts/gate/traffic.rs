//! Sums of requests by hour and site, transferred from the gate's counters to the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway::Metrics;
use store::{EventStore, Traffic};

/// Interval at which new requests are added to the store's sums. A crash loses the requests of the last interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// A task that keeps the sums of requests by hour and site.
pub struct TrafficKeeper {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl TrafficKeeper {
    /// Starts to transfer the gate's counts to the store at each `INTERVAL`.
    pub fn start(metrics: Arc<Metrics>, store: Arc<dyn EventStore>) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut counts = Counts { metrics, store, kept: HashMap::new() };
            let mut ending = false;
            while !ending {
                ending = tokio::time::timeout(INTERVAL, &mut stopped).await.is_ok();
                let keeping = tokio::task::spawn_blocking(move || {
                    counts.keep(SystemTime::now());
                    counts
                });
                match keeping.await {
                    Ok(back) => counts = back,
                    // it has panicked, and the panic was printed
                    Err(_) => return,
                }
            }
        });
        Self { stop, task }
    }

    /// Stores the current counts and then ends.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        // the store returns by itself if it is locked
        let _ = self.task.await;
    }
}

struct Counts {
    metrics: Arc<Metrics>,
    store: Arc<dyn EventStore>,
    /// The stored part of each site's count.
    kept: HashMap<Arc<str>, u64>,
}

impl Counts {
    /// Adds new requests to the hour of `now`.
    fn keep(&mut self, now: SystemTime) {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let hour = i64::try_from(seconds / 3600).unwrap_or(0);
        let counts = self.metrics.requests_by_site();
        let new: Vec<Traffic> = counts
            .iter()
            .filter_map(|(site, count)| {
                let requests = count.saturating_sub(self.kept.get(site).copied().unwrap_or(0));
                (requests > 0).then(|| Traffic { hour, site: site.to_string(), requests })
            })
            .collect();
        if new.is_empty() {
            return;
        }
        match self.store.add_traffic(&new) {
            Ok(()) => self.kept = counts.into_iter().collect(),
            // nothing was added: the next call adds it
            Err(error) => tracing::warn!("cannot count requests in the store for now: {error}"),
        }
    }
}
