//! Sums of requests by hour and site, from the gate's counts to the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway::Metrics;
use store::{EventStore, Traffic};

/// How often new requests are added to the store's sums; a crash loses those of the last interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the sums of requests by hour and site.
pub struct TrafficKeeper {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl TrafficKeeper {
    /// Starts to take the gate's counts to the store every minute.
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
                    // it has panicked, which was printed
                    Err(_) => return,
                }
            }
        });
        Self { stop, task }
    }

    /// Keeps what has been counted until now, then ends.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        // the store gives up by itself where it is locked
        let _ = self.task.await;
    }
}

struct Counts {
    metrics: Arc<Metrics>,
    store: Arc<dyn EventStore>,
    /// What is in the store of each site's count.
    kept: HashMap<Arc<str>, u64>,
}

impl Counts {
    /// Adds what is new to the hour of this time.
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
            // nothing was added: the next time adds it
            Err(error) => tracing::warn!("cannot count requests in the store for now: {error}"),
        }
    }
}
