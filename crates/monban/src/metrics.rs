//! The registry of all metrics. Parts add metrics to it, and `/metrics` shows them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Returns an empty registry with the prefix `monban_`.
pub fn registry() -> Registry {
    Registry::with_prefix("monban")
}

/// Writes all metrics of a registry in the OpenMetrics text format.
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => text,
        // a String accepts all text, and no collector fails
        Err(_) => String::new(),
    }
}

/// A collector that calls a function for its metrics at each scrape.
pub struct Asked<F>(pub F);

impl<F> fmt::Debug for Asked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

impl<F: Fn() -> Vec<Metric> + Send + Sync + 'static> Collector for Asked<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in (self.0)() {
            match metric {
                Metric::Gauge(name, help, value) => {
                    let gauge = ConstGauge::new(value);
                    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
                }
                Metric::Counter(name, help, value) => {
                    let counter = ConstCounter::new(value);
                    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
                }
            }
        }
        Ok(())
    }
}

/// A metric without labels: name without prefix and suffix, help without a full stop, value.
pub enum Metric {
    /// A value that rises and falls.
    Gauge(&'static str, &'static str, i64),
    /// A count since the start, or a permanent count.
    Counter(&'static str, &'static str, u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_registry_writes_all_metrics() {
        let mut registry = registry();
        registry.register_collector(Box::new(Asked(|| {
            vec![Metric::Gauge("toys", "Toys in the box", 3), Metric::Counter("wound", "Toys wound up", 7)]
        })));
        let expected = "# HELP monban_toys Toys in the box\n# TYPE monban_toys gauge\nmonban_toys 3\n\
                        # HELP monban_wound Toys wound up\n# TYPE monban_wound counter\nmonban_wound_total 7\n# EOF\n";
        assert_eq!(text(&registry), expected);
    }
}
