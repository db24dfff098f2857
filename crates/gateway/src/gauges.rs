//! Gauges of upstreams. After a reload, an upstream of the same name continues the gauge.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The gauges by name.
pub(crate) type UpstreamFamily = Family<UpstreamLabels, Gauge<i64, AtomicI64>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct UpstreamLabels {
    upstream: Arc<str>,
}

/// The state of every living upstream, by name. After a reload two upstreams of the same name exist until the last request of the
/// older one ends; the gauge shows the newer one.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    states: Mutex<HashMap<Arc<str>, Vec<State>>>,
    shown: UpstreamFamily,
}

#[derive(Debug)]
struct State {
    serial: u64,
    up: bool,
}

/// The entry of one upstream. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct UpstreamGauge {
    gauges: Arc<Gauges>,
    name: Arc<str>,
    serial: u64,
}

impl UpstreamGauge {
    /// Adds the entry of a new upstream, which accepts requests.
    pub(crate) fn new(gauges: &Arc<Gauges>, name: &Arc<str>) -> Self {
        let serial = gauges.change(name, |states| {
            let serial = states.last().map_or(0, |newest| newest.serial + 1);
            states.push(State { serial, up: true });
            serial
        });
        Self { gauges: Arc::clone(gauges), name: Arc::clone(name), serial }
    }

    /// Records whether the upstream accepts requests.
    pub(crate) fn set(&self, up: bool) {
        self.gauges.change(&self.name, |states| {
            if let Some(state) = states.iter_mut().find(|state| state.serial == self.serial) {
                state.up = up;
            }
        });
    }
}

impl Drop for UpstreamGauge {
    fn drop(&mut self) {
        self.gauges.change(&self.name, |states| states.retain(|state| state.serial != self.serial));
    }
}

impl Gauges {
    /// Returns the gauges to register.
    pub(crate) fn family(&self) -> UpstreamFamily {
        self.shown.clone()
    }

    fn change<T>(&self, name: &Arc<str>, change: impl FnOnce(&mut Vec<State>) -> T) -> T {
        let mut gauges = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let states = gauges.entry(Arc::clone(name)).or_default();
        let changed = change(states);
        let labels = UpstreamLabels { upstream: Arc::clone(name) };
        match states.last() {
            Some(newest) => {
                self.shown.get_or_create(&labels).set(i64::from(newest.up));
            }
            None => {
                gauges.remove(name);
                self.shown.remove(&labels);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn f23_an_upstream_dropped_late_leaves_its_successors_gauge() {
        let gauges = Arc::<Gauges>::default();
        let name: Arc<str> = "http://127.0.0.1:1".into();
        let mut registry = Registry::default();
        registry.register("up", "help", gauges.family());
        let shown = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let line = text.lines().find(|line| line.starts_with("up{"));
            line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
        };
        let old = UpstreamGauge::new(&gauges, &name);
        assert_eq!(shown().as_deref(), Some("1"));
        let new = UpstreamGauge::new(&gauges, &name);
        old.set(false);
        assert_eq!(shown().as_deref(), Some("1"), "the older one says nothing of its successor");
        new.set(false);
        assert_eq!(shown().as_deref(), Some("0"));
        new.set(true);
        drop(old);
        assert_eq!(shown().as_deref(), Some("1"));
        // the newer upstream may also end first
        let third = UpstreamGauge::new(&gauges, &name);
        third.set(false);
        drop(third);
        assert_eq!(shown().as_deref(), Some("1"));
        drop(new);
        assert_eq!(shown(), None);
        assert!(gauges.states.lock().unwrap().is_empty());
    }
}
