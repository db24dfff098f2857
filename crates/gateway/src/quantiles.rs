//! Quantiles of recent durations by site, in constant memory.
//!
//! Buckets are an eighth of a power of two wide, so that a quantile is at most 12.5 % too high. The counts of the current period
//! and of the previous one are kept, so quantiles cover the last 5 to 10 minutes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use waf::Clock;

/// Length of a period in nanoseconds.
const SPAN: u64 = 300_000_000_000;

/// Base-2 logarithm of the number of buckets for each power of two.
const BITS: u32 = 3;

/// Number of buckets: the first 8 are 0 to 7 µs, then 8 for each power of two up to 2^38 µs (76 hours).
const BUCKETS: usize = 36 << BITS;

/// The reported quantiles.
const REPORTED: [(&str, f64); 2] = [("0.5", 0.5), ("0.99", 0.99)];

/// Durations of one site.
#[derive(Debug)]
struct Spans {
    /// Number of the period that `now` counts.
    number: u64,
    now: [u32; BUCKETS],
    before: [u32; BUCKETS],
}

/// Durations by site.
#[derive(Debug, Default)]
pub(crate) struct Quantiles {
    sites: Mutex<BTreeMap<Arc<str>, Box<Spans>>>,
}

impl Quantiles {
    /// Counts a duration at the time `now`, in nanoseconds.
    pub(crate) fn observe(&self, site: &Arc<str>, duration: Duration, now: u64) {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = match sites.get_mut(site) {
            Some(spans) => spans,
            None => sites
                .entry(Arc::clone(site))
                .or_insert_with(|| Box::new(Spans { number: 0, now: [0; BUCKETS], before: [0; BUCKETS] })),
        };
        spans.turn(now);
        let bucket = &mut spans.now[bucket_of(duration.as_micros())];
        *bucket = bucket.saturating_add(1);
    }

    /// Returns the quantiles in seconds of each site that has durations.
    fn values(&self, now: u64) -> Vec<(Arc<str>, [f64; REPORTED.len()])> {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites
            .iter_mut()
            .filter_map(|(site, spans)| {
                spans.turn(now);
                let mut found = [0.0; REPORTED.len()];
                for (found, (_, quantile)) in found.iter_mut().zip(REPORTED) {
                    *found = spans.quantile(quantile)?;
                }
                Some((Arc::clone(site), found))
            })
            .collect()
    }
}

impl Spans {
    fn turn(&mut self, now: u64) {
        let number = now / SPAN;
        if number > self.number {
            self.before = if number == self.number + 1 { self.now } else { [0; BUCKETS] };
            self.now = [0; BUCKETS];
            self.number = number;
        }
    }

    /// Returns the upper bound in seconds of the bucket that contains the quantile; none without durations.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank is positive, and neither counts nor microseconds come near 2^52"
    )]
    fn quantile(&self, quantile: f64) -> Option<f64> {
        let counts = || self.now.iter().zip(&self.before).map(|(a, b)| u64::from(*a) + u64::from(*b));
        let total: u64 = counts().sum();
        let rank = (quantile * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = counts().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(|bucket| start_of(bucket + 1) as f64 / 1e6)
    }
}

fn bucket_of(micros: u128) -> usize {
    let micros = u64::try_from(micros).unwrap_or(u64::MAX);
    let small = micros < 1 << BITS;
    // the number of halvings that leave 4 binary digits
    let halved = if small { 0 } else { micros.ilog2() - BITS };
    // below 16, the remaining digits
    let digits = usize::try_from(micros >> halved).unwrap_or(usize::MAX);
    ((halved as usize) << BITS).saturating_add(digits).min(BUCKETS - 1)
}

/// Returns the first microsecond of a bucket.
fn start_of(bucket: usize) -> u64 {
    let halved = (bucket >> BITS).saturating_sub(1);
    ((bucket - (halved << BITS)) as u64) << halved
}

/// A collector of the quantiles. It reports gauges, because the library has no summaries.
#[derive(Debug)]
pub(crate) struct QuantileCollector {
    pub(crate) quantiles: Arc<Quantiles>,
    pub(crate) clock: ClockOf,
}

/// A clock with `Debug`.
#[derive(Clone)]
pub(crate) struct ClockOf(pub(crate) Clock);

impl std::fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Collector for QuantileCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(0.0f64);
        let mut family = encoder.encode_descriptor(
            "inspection_quantile",
            "Median (0.5) and 99th percentile (0.99) of the time in the rule engine, over the last 5 to 10 minutes",
            Some(&Unit::Seconds),
            gauge.metric_type(),
        )?;
        for (site, found) in self.quantiles.values((self.clock.0)()) {
            for ((name, _), seconds) in REPORTED.iter().zip(found) {
                let labels = [("site", &*site), ("quantile", *name)];
                ConstGauge::new(seconds).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for bucket in 0..BUCKETS - 1 {
            let (start, next) = (start_of(bucket), start_of(bucket + 1));
            assert!(start < next && next - start <= start.max(8).div_ceil(8), "{bucket}: {start} {next}");
            assert_eq!((bucket_of(start.into()), bucket_of((next - 1).into())), (bucket, bucket));
        }
        assert_eq!(bucket_of(u128::MAX), BUCKETS - 1);
        assert!(start_of(BUCKETS - 1) > 86_400 * 1_000_000);
    }

    #[test]
    fn quantiles_of_the_last_minutes() {
        let quantiles = Quantiles::default();
        let site: Arc<str> = "a".into();
        for micros in 1..=1000 {
            quantiles.observe(&site, Duration::from_micros(micros), SPAN);
        }
        let values = |now| quantiles.values(now).first().map(|(_, found)| *found);
        let [half, most] = values(SPAN).unwrap();
        assert!((0.000_5..0.000_57).contains(&half) && (0.000_99..0.001_12).contains(&most), "{half} {most}");
        // the next period still includes them, together with its own
        quantiles.observe(&site, Duration::from_secs(2), 2 * SPAN);
        assert_eq!(values(2 * SPAN).unwrap()[0], half);
        // one period later only the slow one remains, then nothing
        let [half, most] = values(3 * SPAN).unwrap();
        assert!((2.0..2.25).contains(&half) && half == most, "{half} {most}");
        assert_eq!(values(4 * SPAN), None);
    }
}
