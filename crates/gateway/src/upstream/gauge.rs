//! The gauge of an upstream, which its successor of the same name takes over at a reload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Metrics;

/// The state of every living upstream, by name. After a reload two of one name live side by side until the last request of
/// the older one has ended; the gauge shows the newest.
#[derive(Debug, Default)]
pub(crate) struct Gauges(Mutex<HashMap<Arc<str>, Vec<State>>>);

#[derive(Debug)]
struct State {
    serial: u64,
    up: bool,
}

/// One upstream's entry, which ends with it.
#[derive(Debug)]
pub(crate) struct UpstreamGauge {
    metrics: Arc<Metrics>,
    name: Arc<str>,
    serial: u64,
}

impl UpstreamGauge {
    /// The entry of a new upstream, which takes requests.
    pub(crate) fn new(metrics: Arc<Metrics>, name: Arc<str>) -> Self {
        let serial = metrics.upstreams.change(&metrics, &name, |states| {
            let serial = states.last().map_or(0, |newest| newest.serial + 1);
            states.push(State { serial, up: true });
            serial
        });
        Self { metrics, name, serial }
    }

    /// The metrics that it belongs to.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Notes whether the upstream takes requests.
    pub(crate) fn set(&self, up: bool) {
        self.metrics.upstreams.change(&self.metrics, &self.name, |states| {
            if let Some(state) = states.iter_mut().find(|state| state.serial == self.serial) {
                state.up = up;
            }
        });
    }
}

impl Drop for UpstreamGauge {
    fn drop(&mut self) {
        self.metrics.upstreams.change(&self.metrics, &self.name, |states| {
            states.retain(|state| state.serial != self.serial);
        });
    }
}

impl Gauges {
    fn change<T>(&self, metrics: &Metrics, name: &Arc<str>, change: impl FnOnce(&mut Vec<State>) -> T) -> T {
        let mut gauges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let states = gauges.entry(Arc::clone(name)).or_default();
        let changed = change(states);
        match states.last() {
            Some(newest) => metrics.upstream_up(name, newest.up),
            None => {
                gauges.remove(name);
                metrics.forget_upstream(name);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f23_an_upstream_dropped_late_leaves_its_successors_gauge() {
        let metrics = Arc::new(Metrics::new(Arc::new(|| 0)));
        let name: Arc<str> = "http://127.0.0.1:1".into();
        let shown = || {
            let text = crate::metrics::text_of(&metrics);
            let line = text.lines().find(|line| line.starts_with("monban_upstream_up{"));
            line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
        };
        let old = UpstreamGauge::new(Arc::clone(&metrics), Arc::clone(&name));
        assert_eq!(shown().as_deref(), Some("1"));
        let new = UpstreamGauge::new(Arc::clone(&metrics), Arc::clone(&name));
        old.set(false);
        assert_eq!(shown().as_deref(), Some("1"), "the older one says nothing of its successor");
        new.set(false);
        assert_eq!(shown().as_deref(), Some("0"));
        new.set(true);
        drop(old);
        assert_eq!(shown().as_deref(), Some("1"));
        // the successor may also be the first to go
        let third = UpstreamGauge::new(Arc::clone(&metrics), Arc::clone(&name));
        third.set(false);
        drop(third);
        assert_eq!(shown().as_deref(), Some("1"));
        drop(new);
        assert_eq!(shown(), None);
        assert!(metrics.upstreams.0.lock().unwrap().is_empty());
    }
}
