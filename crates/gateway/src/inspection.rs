//! The interface to the rule engine: every call into crate `waf` is here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use event::redaction::Hidden;
use event::{Engine, EventId, MatchedRule, Scores, Timestamp};
use http1::{RequestHead, ResponseHead};
use waf::{BodyProgress, Clock, Connection, Decision, Fault, FaultKind, Intervention, Mode, Transaction};

use crate::config::{Preset, WafMode};
use crate::gate::{Gate, Rules, Runtime};

/// A transaction of the rule engine, and the duration of its phases.
pub(crate) struct Inspection {
    transaction: Transaction,
    phases: [Duration; 5],
    clock: Clock,
    /// Time limit of all phases together.
    time_limit: Duration,
    preset: Option<Preset>,
}

impl Inspection {
    /// Starts an inspection. None if no rules run.
    pub(crate) fn begin(
        gate: &Gate,
        runtime: &Runtime,
        rules: Rules,
        client: SocketAddr,
        server: SocketAddr,
        id: EventId,
        time: Timestamp,
    ) -> Option<Self> {
        let mode = match rules.mode {
            WafMode::Block => Mode::On,
            WafMode::Detect => Mode::DetectionOnly,
            WafMode::Off => return None,
        };
        let set = Arc::clone(runtime.rules.as_ref()?);
        let collections = Arc::clone(&gate.services.collections);
        let connection = Connection { client, server };
        let mut transaction = Transaction::new(set, connection, time, &id.to_string(), collections);
        transaction.set_mode(mode);
        if let Some(preset) = rules.preset {
            transaction.set_preset(preset.as_str());
        }
        Some(Self {
            transaction,
            phases: [Duration::ZERO; 5],
            clock: Arc::clone(&gate.services.clock),
            time_limit: runtime.limits.inspection_time,
            preset: rules.preset,
        })
    }

    /// Returns the site's preset.
    pub(crate) fn preset(&self) -> Option<Preset> {
        self.preset
    }

    /// Runs one phase and measures its time.
    fn phase<T>(&mut self, phase: usize, run: impl FnOnce(&mut Transaction) -> T) -> T {
        let started = (self.clock)();
        let left = self.time_limit.saturating_sub(self.phases.iter().sum());
        let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        self.transaction.set_deadline(&self.clock, started.saturating_add(left));
        let result = run(&mut self.transaction);
        self.phases[phase - 1] += Duration::from_nanos((self.clock)().saturating_sub(started));
        result
    }

    /// Runs phase 1. `protocol` replaces the version in the head, which HTTP/2 lacks.
    pub(crate) fn request_head(&mut self, head: &RequestHead, protocol: &str) -> Decision {
        self.phase(1, |transaction| {
            transaction.request_line(head.method(), head.target(), protocol.as_bytes());
            for field in head.headers() {
                transaction.request_header(field.name(), field.value());
            }
            transaction.request_headers_done(now())
        })
    }

    pub(crate) fn wants_request_body(&self) -> bool {
        self.transaction.inspects_request_body()
    }

    /// Refuses a body by its announced length; see [`Transaction::request_body_length`].
    pub(crate) fn request_body_length(&mut self, length: u64) -> Option<Intervention> {
        self.transaction.request_body_length(length)
    }

    pub(crate) fn request_body(&mut self, piece: &[u8]) -> BodyProgress {
        self.phase(2, |transaction| transaction.request_body(piece))
    }

    /// Runs phase 2.
    pub(crate) fn request_body_done(&mut self) -> Decision {
        self.phase(2, |transaction| transaction.request_body_done(now()))
    }

    /// Returns the number of bytes of the request body that rules inspected.
    pub(crate) fn inspected_request_bytes(&self) -> usize {
        self.transaction.inspected_request_bytes()
    }

    /// Frees memory before a possibly long wait.
    pub(crate) fn rest(&mut self) {
        self.transaction.rest();
    }

    /// Returns the number of bytes that the engine holds.
    pub(crate) fn memory_size(&self) -> usize {
        self.transaction.memory_size()
    }

    /// Runs phase 3.
    pub(crate) fn response_head(&mut self, head: &ResponseHead) -> Decision {
        self.phase(3, |transaction| {
            transaction.response_head(head.status(), b"HTTP/1.1");
            for field in head.headers() {
                transaction.response_header(field.name(), field.value());
            }
            transaction.response_headers_done(now())
        })
    }

    pub(crate) fn wants_response_body(&self) -> bool {
        self.transaction.inspects_response_body()
    }

    /// Whether rules may inspect the response body. Can be called before the response arrives.
    pub(crate) fn reads_response_bodies(&self) -> bool {
        self.transaction.reads_response_bodies()
    }

    /// Returns the number of bytes of a response body that rules inspect.
    pub(crate) fn response_body_limit(&self) -> usize {
        usize::try_from(self.transaction.response_body_limit()).unwrap_or(usize::MAX)
    }

    pub(crate) fn response_body(&mut self, piece: &[u8]) -> BodyProgress {
        self.phase(4, |transaction| transaction.response_body(piece))
    }

    /// Runs phase 4.
    pub(crate) fn response_body_done(&mut self) -> Decision {
        self.phase(4, |transaction| transaction.response_body_done(now()))
    }

    /// Returns the inspected part of the response body if a rule matched in it.
    pub(crate) fn response_body_evidence(&self) -> Option<&[u8]> {
        let found = self.transaction.matches().iter().any(|found| found.log && found.rule.phase == 4);
        found.then(|| self.transaction.inspected_response_body()).filter(|body| !body.is_empty())
    }

    /// Runs phase 5.
    pub(crate) fn logging(&mut self) {
        self.phase(5, |transaction| transaction.logging(now()));
    }

    /// Whether the inspection has something to report: a logged match, a fault or an overrun.
    pub(crate) fn has_findings(&self) -> bool {
        self.transaction.overrun().is_some()
            || !self.transaction.faults().is_empty()
            || self.transaction.matches().iter().any(|found| found.log)
    }

    /// Returns the faults of the engine.
    pub(crate) fn faults(&self) -> &[Fault] {
        self.transaction.faults()
    }

    /// Returns the kinds of all faults.
    pub(crate) fn fault_kinds(&self) -> impl Iterator<Item = FaultKind> {
        self.transaction.fault_kinds()
    }

    /// Returns the rule and phase in which the time limit ended the inspection.
    pub(crate) fn overrun(&self) -> Option<String> {
        let overrun = self.transaction.overrun()?;
        Some(format!("inspection exceeded {:?}: it ended at {overrun}", self.time_limit))
    }

    /// Returns the body limit that ended the transaction.
    pub(crate) fn limit_reached(&self) -> Option<&str> {
        self.transaction.limit_reached()
    }

    /// Returns the logged matches.
    pub(crate) fn rules(&self) -> Vec<MatchedRule> {
        self.transaction.matches().iter().filter(|found| found.log).map(|found| found.rule.clone()).collect()
    }

    /// Returns the scores; see [`scores`].
    pub(crate) fn scores(&self) -> Scores {
        scores(&self.transaction)
    }

    pub(crate) fn engine(&self) -> Engine {
        match self.transaction.mode() {
            Mode::On => Engine::On,
            Mode::DetectionOnly => Engine::DetectionOnly,
            Mode::Off => Engine::Off,
        }
    }

    pub(crate) fn phases(&self) -> [Duration; 5] {
        self.phases
    }

    /// Returns the delay before the response that rules request.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(self.transaction.pause_ms())
    }

    /// Returns the values that rules hide in all records of the request.
    pub(crate) fn hidden(&self) -> Option<Hidden> {
        self.transaction.hidden()
    }

    /// Returns the parts of an audit log entry if rules want one.
    pub(crate) fn audit_parts(&self, status: u16) -> Option<String> {
        self.transaction.wants_audit_log(status).then(|| self.transaction.audit_log_parts().to_owned())
    }
}

/// Returns the anomaly scores of the Core Rule Set, version 3 or 4, and the categories above 0.
pub fn scores(transaction: &Transaction) -> Scores {
    let number = |names: &[&str]| names.iter().map(|name| transaction.tx_number(name)).max().unwrap_or(0);
    let categories = [
        ("sqli", "sql_injection_score"),
        ("xss", "xss_score"),
        ("rfi", "rfi_score"),
        ("lfi", "lfi_score"),
        ("rce", "rce_score"),
        ("php", "php_injection_score"),
        ("http", "http_violation_score"),
        ("session", "session_fixation_score"),
    ];
    Scores {
        inbound: number(&["anomaly_score", "inbound_anomaly_score", "blocking_inbound_anomaly_score"]),
        outbound: number(&["outbound_anomaly_score", "blocking_outbound_anomaly_score"]),
        categories: categories
            .iter()
            .map(|(kind, name)| ((*kind).to_owned(), transaction.tx_number(name)))
            .filter(|(_, score)| *score > 0)
            .collect(),
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Whether rules run on a request that is refused because of its head. They do not if even the extent of the request is uncertain
/// (as in ModSecurity under Apache): then the event contains the raw head.
pub fn rules_may_see(fault: http1::Fault) -> bool {
    matches!(
        fault,
        http1::Fault::ObsoleteVersion
            | http1::Fault::UnsupportedVersion
            | http1::Fault::Connect
            | http1::Fault::BadTarget
            | http1::Fault::MissingHost
            | http1::Fault::TwoHosts
            | http1::Fault::BadHost
            | http1::Fault::HostMismatch
    )
}

/// Whether this Content-Type is that of server-sent events. Their body never ends, so rules do not inspect it.
pub fn is_event_stream(kind: &[u8]) -> bool {
    let media = kind.split(|b| *b == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
