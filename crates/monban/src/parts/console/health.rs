//! `/healthz` and `/metrics`: the state of all parts.

use crate::metrics::{self, Asked, Metric};
use crate::part::Spine;

/// Returns the state of the daemon.
pub fn health(spine: &Spine) -> console::Health {
    let (journal, ingest) = (spine.journal().health(), spine.storage.ingest_health());
    let mut findings = spine.findings();
    findings.sort_by(|a, b| (a.severity(), a.code(), &a.subject).cmp(&(b.severity(), b.code(), &b.subject)));
    findings.dedup();
    let status = if findings.is_empty() { console::Status::Ok } else { console::Status::Degraded };
    let parts = spine.running().into_iter().map(|(name, part)| (name.to_owned(), part.state().into()));
    console::Health {
        status,
        findings,
        waiting: journal.waiting,
        lost: journal.lost,
        ingested: ingest.ingested,
        removed: ingest.removed,
        unindexed: ingest.unindexed,
        parts: parts.collect(),
    }
}

/// Returns the metrics of all parts in the OpenMetrics text format.
pub fn metrics(spine: &Spine) -> String {
    let mut registry = metrics::registry();
    for (_, part) in spine.running() {
        part.register(&mut registry);
    }
    let (health, dropped) = (health(spine), spine.recorder.dropped().get());
    let of_spine = move || of_health(&health, dropped);
    registry.register_collector(Box::new(Asked(of_spine)));
    metrics::text(&registry)
}

fn of_health(health: &console::Health, dropped: u64) -> Vec<Metric> {
    use Metric::{Counter, Gauge};
    let degraded = i64::from(health.status == console::Status::Degraded);
    let waiting = i64::try_from(health.waiting).unwrap_or(i64::MAX);
    vec![
        Gauge("degraded", "1 while /healthz has findings", degraded),
        Gauge("journal_waiting_events", "Events that wait in memory for disk space", waiting),
        Counter("journal_lost_events", "Events lost because neither disk nor memory had room", health.lost),
        Counter("events_dropped", "Events that the journal refused", dropped),
        Counter("store_ingested_events", "Events stored", health.ingested),
        Counter("store_removed_events", "Events removed by the retention", health.removed),
    ]
}
