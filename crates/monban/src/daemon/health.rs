//! State of the daemon, for /healthz and /metrics.

use std::sync::Arc;
use std::time::SystemTime;

use console::access::Access;
use event::Timestamp;
use gateway::Metrics;
use prometheus_client::registry::Registry;
use store::{Ingester, Journal};
use tuner::Tuner;

use super::acknowledge::Acknowledge;
use crate::certificates::Certificates;
use crate::metrics::{self, Asked, Metric};
use crate::notices::Notices;
use crate::reception::Reception;
use crate::sink::Sink;

/// The parts that are asked.
pub(super) struct Parts {
    pub journal: Arc<Journal>,
    pub acknowledge: Arc<Acknowledge>,
    pub ingester: Arc<Ingester>,
    pub sink: Arc<Sink>,
    pub reception: Arc<Reception>,
    pub notices: Arc<Notices>,
    pub access: Arc<Access>,
    pub tuner: Arc<Tuner>,
    pub metrics: Arc<Metrics>,
    pub certificates: Arc<Certificates>,
}

impl Parts {
    pub fn health(&self) -> console::Health {
        let (journal, ingest) = (self.journal.health(), self.ingester.health());
        let mut findings = journal.findings();
        findings.extend(self.acknowledge.findings());
        findings.extend(ingest.findings());
        findings.extend(self.sink.findings());
        findings.extend(self.reception.findings());
        findings.extend(self.notices.status().findings());
        findings.extend(self.access.findings());
        findings.extend(self.certificates.findings(Timestamp::from(SystemTime::now())));
        findings.extend(self.tuner.findings());
        findings
            .sort_by(|a, b| (a.severity(), a.code(), &a.subject).cmp(&(b.severity(), b.code(), &b.subject)));
        findings.dedup();
        let status = if findings.is_empty() { console::Status::Ok } else { console::Status::Degraded };
        console::Health {
            status,
            findings,
            waiting: journal.waiting,
            lost: journal.lost,
            ingested: ingest.ingested,
            removed: ingest.removed,
            unindexed: ingest.unindexed,
            rules: self.tuner.rule_count(),
        }
    }

    /// The registry of all metrics.
    pub fn registry(self: &Arc<Self>) -> Registry {
        let mut registry = metrics::registry();
        let notices = Arc::clone(&self.notices);
        registry.register_collector(Box::new(notify::status::Metrics(move || notices.status())));
        self.reception.register(&mut registry);
        self.metrics.register(&mut registry);
        let parts = Arc::clone(self);
        registry.register_collector(Box::new(Asked(move || of_health(&parts.health()))));
        registry
    }
}

/// Metrics of the daemon's state, with journal and store.
fn of_health(health: &console::Health) -> Vec<Metric> {
    use Metric::{Counter, Gauge};
    let degraded = i64::from(health.status == console::Status::Degraded);
    vec![
        Gauge("degraded", "1 while /healthz has findings", degraded),
        Gauge("rules", "Rules in force", health.rules as i64),
        Gauge("journal_waiting_events", "Events that wait in memory for disk space", health.waiting as i64),
        Counter("journal_lost_events", "Events lost because neither disk nor memory had room", health.lost),
        Counter("store_ingested_events", "Events stored", health.ingested),
        Counter("store_removed_events", "Events removed by the retention", health.removed),
    ]
}
