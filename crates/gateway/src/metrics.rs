//! Metrics of the gateway, for the daemon's registry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::gauges::Gauges;
use crate::quantiles::{ClockOf, QuantileCollector, Quantiles};
use crate::share::{Resource, Shares};

/// The gateway's metrics. One instance lives as long as the gateway and survives all reloads.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    /// Requests by site, because the values of a family cannot be listed.
    by_site: RwLock<HashMap<Arc<str>, AtomicU64>>,
    inspection: Family<SiteLabels, Histogram, fn() -> Histogram>,
    quantiles: Arc<Quantiles>,
    clock: ClockOf,
    overruns: Family<SiteLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    duration: Family<SiteLabels, Histogram, fn() -> Histogram>,
    received: Family<SiteLabels, Counter>,
    sent: Family<SiteLabels, Counter>,
    upstream_errors: Family<UpstreamErrorLabels, Counter>,
    pub(crate) upstreams: Arc<Gauges>,
    refused_connections: Family<ReasonLabels, Counter>,
    shares_spent: Family<ReasonLabels, Counter>,
    /// Connections accepted.
    pub connections: Counter,
    /// Open connections.
    pub open_connections: Gauge<i64, AtomicI64>,
    /// Requests being served.
    pub open_requests: Gauge<i64, AtomicI64>,
    /// Events recorded.
    pub events: Counter,
    /// Access log lines that did not reach the disk.
    pub access_lines_dropped: Counter,
    /// Reloads by outcome.
    reloads: Family<ReasonLabels, Counter>,
    /// None without a gateway.
    holdings: Option<Holdings>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    site: Arc<str>,
    status: StatusClass,
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SiteLabels {
    site: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    site: Arc<str>,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamErrorLabels {
    upstream: Arc<str>,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// The class `1xx` to `5xx`, or `none` for a connection that ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct StatusClass(u8);

impl EncodeLabelValue for StatusClass {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let text = match self.0 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "none",
        };
        text.encode(encoder)
    }
}

/// Buckets from 10 µs to 2.6 s, each four times the previous.
fn time_buckets() -> Histogram {
    Histogram::new([
        0.000_01, 0.000_04, 0.000_16, 0.000_64, 0.002_56, 0.010_24, 0.040_96, 0.163_84, 0.655_36, 2.621_44,
    ])
}

impl Metrics {
    /// Creates metrics at zero.
    pub fn new(clock: waf::Clock) -> Self {
        Self {
            requests: Family::default(),
            by_site: RwLock::default(),
            inspection: Family::new_with_constructor(time_buckets),
            quantiles: Arc::default(),
            clock: ClockOf(clock),
            overruns: Family::default(),
            faults: Family::default(),
            duration: Family::new_with_constructor(time_buckets),
            received: Family::default(),
            sent: Family::default(),
            upstream_errors: Family::default(),
            upstreams: Arc::default(),
            refused_connections: Family::default(),
            shares_spent: Family::default(),
            connections: Counter::default(),
            open_connections: Gauge::default(),
            open_requests: Gauge::default(),
            events: Counter::default(),
            access_lines_dropped: Counter::default(),
            reloads: Family::default(),
            holdings: None,
        }
    }

    /// Adds the metrics to a registry, which adds its prefix to their names.
    pub fn register(&self, r: &mut Registry) {
        r.register("requests", "Requests answered, by site, status class and action", self.requests.clone());
        r.register_with_unit(
            "inspection",
            "Time in the rule engine per request",
            Unit::Seconds,
            self.inspection.clone(),
        );
        r.register_collector(Box::new(QuantileCollector {
            quantiles: Arc::clone(&self.quantiles),
            clock: self.clock.clone(),
        }));
        r.register("inspection_overruns", "Requests whose inspection ran out of time", self.overruns.clone());
        r.register(
            "engine_faults",
            "Requests in which the rule engine reached a limit or an operator failed, by site and kind of fault",
            self.faults.clone(),
        );
        r.register_with_unit(
            "request",
            "Time from the request head to the end of the response",
            Unit::Seconds,
            self.duration.clone(),
        );
        r.register_with_unit(
            "received_body",
            "Bytes of request bodies received",
            Unit::Bytes,
            self.received.clone(),
        );
        r.register_with_unit("sent_body", "Bytes of response bodies sent", Unit::Bytes, self.sent.clone());
        r.register(
            "upstream_errors",
            "Failed attempts to reach an upstream, by upstream and reason",
            self.upstream_errors.clone(),
        );
        r.register("upstream_up", "1 if the upstream accepts requests", self.upstreams.family());
        r.register("connections", "Connections accepted", self.connections.clone());
        r.register(
            "connections_refused",
            "Connections closed on accept, by reason",
            self.refused_connections.clone(),
        );
        r.register(
            "shares_spent",
            "Requests refused because their client had used up its share, by resource (memory, disk, requests)",
            self.shares_spent.clone(),
        );
        r.register("connections_open", "Open connections", self.open_connections.clone());
        r.register("requests_open", "Requests being served", self.open_requests.clone());
        r.register("events", "Events recorded", self.events.clone());
        r.register(
            "access_lines_dropped",
            "Access log lines that did not reach the disk",
            self.access_lines_dropped.clone(),
        );
        r.register("reloads", "Configuration reloads, by outcome", self.reloads.clone());
        if let Some(holdings) = &self.holdings {
            r.register_collector(Box::new(holdings.clone()));
        }
    }

    /// Adds the holdings of clients and persistent collections.
    pub(crate) fn with_holdings(self, shares: &Arc<Shares>, collections: &Arc<waf::Collections>) -> Self {
        let holdings = Holdings { shares: Arc::clone(shares), collections: Arc::clone(collections) };
        Self { holdings: Some(holdings), ..self }
    }

    /// Returns the number of requests by site.
    pub fn requests_by_site(&self) -> Vec<(Arc<str>, u64)> {
        let by_site = self.by_site.read().unwrap_or_else(PoisonError::into_inner);
        by_site.iter().map(|(site, count)| (Arc::clone(site), count.load(Ordering::Relaxed))).collect()
    }

    fn count_for_site(&self, site: &Arc<str>) {
        let count = |by_site: &HashMap<Arc<str>, AtomicU64>| {
            by_site.get(site).map(|count| count.fetch_add(1, Ordering::Relaxed)).is_some()
        };
        if count(&self.by_site.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut by_site = self.by_site.write().unwrap_or_else(PoisonError::into_inner);
        by_site.entry(Arc::clone(site)).or_default().fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a finished request.
    pub(crate) fn request(&self, site: &Arc<str>, done: &FinishedRequest) {
        let labels = RequestLabels {
            site: Arc::clone(site),
            status: StatusClass(u8::try_from(done.status / 100).unwrap_or(0)),
            action: done.action.as_str(),
        };
        self.requests.get_or_create(&labels).inc();
        self.count_for_site(site);
        let site = SiteLabels { site: Arc::clone(site) };
        if let Some(time) = done.inspection {
            self.inspection.get_or_create(&site).observe(time.as_secs_f64());
            self.quantiles.observe(&site.site, time, (self.clock.0)());
        }
        self.duration.get_or_create(&site).observe(done.total.as_secs_f64());
        if done.received > 0 {
            self.received.get_or_create(&site).inc_by(done.received);
        }
        if done.sent > 0 {
            self.sent.get_or_create(&site).inc_by(done.sent);
        }
    }

    pub(crate) fn inspection_overrun(&self, site: &Arc<str>) {
        self.overruns.get_or_create(&SiteLabels { site: Arc::clone(site) }).inc();
    }

    /// Counts a request with a fault of the rule engine.
    pub(crate) fn engine_fault(&self, site: &Arc<str>, kind: waf::FaultKind) {
        let labels = FaultLabels { site: Arc::clone(site), kind: kind.name() };
        self.faults.get_or_create(&labels).inc();
    }

    pub(crate) fn upstream_error(&self, upstream: &Arc<str>, reason: &'static str) {
        let labels = UpstreamErrorLabels { upstream: Arc::clone(upstream), reason };
        self.upstream_errors.get_or_create(&labels).inc();
    }

    pub(crate) fn connection_refused(&self, reason: &'static str) {
        self.refused_connections.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn share_spent(&self, reason: &'static str) {
        self.shares_spent.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&ReasonLabels { reason: outcome }).inc();
    }
}

/// Holdings of all clients. Each scrape reads them.
#[derive(Debug, Clone)]
struct Holdings {
    shares: Arc<Shares>,
    collections: Arc<waf::Collections>,
}

impl Collector for Holdings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let collections = self.collections.holdings();
        let rows = [
            ("held", "Memory that holds requests and responses", self.shares.used(Resource::Memory)),
            ("spilled", "Disk space that holds bodies", self.shares.used(Resource::Disk)),
            ("collections", "Memory of persistent collections", collections.bytes),
        ];
        let evicted = ConstCounter::new(collections.evicted);
        let help = "Records of persistent collections evicted before they expired";
        evicted.encode(encoder.encode_descriptor(
            "collections_evicted",
            help,
            None,
            evicted.metric_type(),
        )?)?;
        for (name, help, bytes) in rows {
            let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}

/// The counted values of a request.
#[derive(Debug)]
pub(crate) struct FinishedRequest {
    /// Status sent; 0 without a response.
    pub status: u16,
    /// The gate's decision.
    pub action: event::Outcome,
    /// Time in the rule engine; none if it did not run.
    pub inspection: Option<Duration>,
    /// Time from the head to the end of the response.
    pub total: Duration,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_text_has_names_labels_and_values() {
        let metrics = Metrics::new(Arc::new(|| 0));
        let site: Arc<str> = "shop".into();
        let done = FinishedRequest {
            status: 403,
            action: event::Outcome::Blocked,
            inspection: Some(Duration::from_micros(50)),
            total: Duration::from_millis(1),
            received: 7,
            sent: 0,
        };
        metrics.request(&site, &done);
        metrics.request(&site, &done);
        metrics.inspection_overrun(&site);
        metrics.upstream_error(&"http://127.0.0.1:1".into(), "connect");
        metrics.connection_refused("client");
        assert_eq!(metrics.requests_by_site(), [(site, 2)]);
        let mut registry = Registry::with_prefix("monban");
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"monban_requests_total{site="shop",status="4xx",action="blocked"} 2"#,
            r#"monban_inspection_seconds_bucket{le="0.00016",site="shop"} 2"#,
            "# TYPE monban_inspection_quantile_seconds gauge",
            r#"monban_inspection_quantile_seconds{site="shop",quantile="0.5"} 0.000052"#,
            r#"monban_inspection_quantile_seconds{site="shop",quantile="0.99"} 0.000052"#,
            r#"monban_inspection_overruns_total{site="shop"} 1"#,
            r#"monban_received_body_bytes_total{site="shop"} 14"#,
            r#"monban_upstream_errors_total{upstream="http://127.0.0.1:1",reason="connect"} 1"#,
            r#"monban_connections_refused_total{reason="client"} 1"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("sent_body_bytes_total{"));
    }
}
