//! How the daemon is, for /healthz and /metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use console::access::Access;
use console::{HealthCode, HealthProblem};
use event::Timestamp;
use gateway::Metrics;
use store::{Ingester, Journal};

use super::acknowledge::Acknowledge;
use crate::certificates::Certificates;
use crate::notices::Notices;
use crate::reception::Reception;
use crate::sink::Sink;
use crate::tuner::Tuner;

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
    /// How many rules are in force.
    pub rules: Arc<Mutex<usize>>,
}

impl Parts {
    pub fn health(&self) -> console::Health {
        let (journal, ingest) = (self.journal.health(), self.ingester.health());
        let mut problems = Vec::new();
        if let Some(failure) = &journal.failure {
            let error = format!("the journal waits in memory: {failure}");
            problems.push(HealthProblem::new(HealthCode::JournalWaits, error).value("why", failure.as_str()));
        }
        problems.extend(self.acknowledge.problems());
        if let Some(failure) = &ingest.failure {
            let error = format!("the store takes no events, the journal keeps them: {failure}");
            problems.push(HealthProblem::new(HealthCode::StoreWaits, error).value("why", failure.as_str()));
        }
        problems.extend(coded(HealthCode::LogUnwritten, self.sink.problems()));
        problems.extend(self.reception.receiver_problem().map(|why| {
            let error = format!("events of sensors are not stored; they keep them and try again: {why}");
            HealthProblem::new(HealthCode::EventsRefused, error).value("why", why)
        }));
        problems.extend(coded(HealthCode::WatchFails, self.reception.watch_problems()));
        problems.extend(of_notices(&self.notices.status()));
        problems.extend(self.access.problems());
        problems.extend(self.certificates.problems(Timestamp::from(SystemTime::now())));
        problems.extend(coded(HealthCode::ExclusionsFile, self.tuner.problems()));
        problems.sort_by(|a, b| a.error.cmp(&b.error));
        problems.dedup();
        let status = if problems.is_empty() { console::Status::Ok } else { console::Status::Degraded };
        console::Health {
            status,
            problems,
            waiting: journal.waiting,
            lost: journal.lost,
            ingested: ingest.ingested,
            removed: ingest.removed,
            unindexed: ingest.unindexed,
            rules: *self.rules.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// In the text form of OpenMetrics.
    pub fn metrics(&self) -> String {
        let others = self.notices.status().metrics() + &self.reception.metrics();
        with_health(&(others + &self.metrics.render()), &self.health())
    }
}

/// Problems that are told in one line each.
fn coded(code: HealthCode, lines: Vec<String>) -> Vec<HealthProblem> {
    lines.into_iter().map(|line| HealthProblem::new(code, line.clone()).value("why", line)).collect()
}

fn of_notices(status: &notify::Status) -> Vec<HealthProblem> {
    let failing = status.failing().map(|channel| {
        HealthProblem::new(HealthCode::ChannelFails, channel.failure())
            .value("channel", channel.name.as_str())
            .value("why", channel.last_error.as_str())
            .value("waiting", channel.waiting)
    });
    coded(HealthCode::NoticesFail, status.problem.clone().into_iter().collect())
        .into_iter()
        .chain(failing)
        .collect()
}

/// The gate's metrics with those of journal and store, before the end mark of OpenMetrics.
fn with_health(metrics: &str, health: &console::Health) -> String {
    let degraded = u8::from(health.status == console::Status::Degraded);
    let mut text = metrics.trim_end().trim_end_matches("# EOF").to_owned();
    for (name, kind, help, value) in [
        ("monban_degraded", "gauge", "1 while something is wrong: see /healthz", u64::from(degraded)),
        ("monban_rules", "gauge", "Rules in force", health.rules as u64),
        (
            "monban_journal_waiting_events",
            "gauge",
            "Events that wait for room on the disk",
            health.waiting as u64,
        ),
        ("monban_journal_lost_events", "counter", "Events that neither disk nor memory took", health.lost),
        ("monban_store_ingested_events", "counter", "Events that came into the store", health.ingested),
        ("monban_store_removed_events", "counter", "Events that retention ever removed", health.removed),
    ] {
        let suffix = if kind == "counter" { "_total" } else { "" };
        text += &format!("# HELP {name} {help}.\n# TYPE {name} {kind}\n{name}{suffix} {value}\n");
    }
    text + "# EOF\n"
}
