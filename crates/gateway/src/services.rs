//! Services that the gateway gets from its owner: where events go, identifiers, collections, the clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use event::{Event, EventSink, IdSource};

/// The sink of the gate: it takes events, ModSecurity's audit log and a sample of clean requests. It runs on the task
/// of the request, before the response is sent if rules or the gate decided it.
pub trait RequestSink: EventSink {
    /// Writes an entry of ModSecurity's audit log with these parts (`ABCFHZ`) if the rules ask for one.
    fn audit(&self, event: &Event, parts: &str) {
        let _ = (event, parts);
    }

    /// Returns whether `passed` wants a request of this site that rules inspected without an event. Called for each
    /// one.
    fn wants_passed(&self, site: &str) -> bool {
        let _ = site;
        false
    }

    /// Takes a clean request as an event that is not recorded. Its secrets are redacted.
    fn passed(&self, event: Event) {
        drop(event);
    }
}

/// Services of the gateway's owner.
#[derive(Clone)]
pub struct Services {
    /// Makes the identifiers of events.
    pub ids: Arc<IdSource>,
    /// Takes the events.
    pub sink: Arc<dyn RequestSink>,
    /// The rules' persistent collections (IP, SESSION and so on).
    pub collections: Arc<waf::Collections>,
    /// Clock that measures and limits inspection. Tests pass one that jumps.
    pub clock: waf::Clock,
    /// Folder for bodies held on disk; their files have no names. It should not be in memory, as /tmp may be.
    pub spill_dir: PathBuf,
}

impl Services {
    /// Services with empty collections, the machine's monotonic clock and its folder for temporary files.
    pub fn new(ids: Arc<IdSource>, sink: Arc<dyn RequestSink>) -> Self {
        Self {
            ids,
            sink,
            collections: Arc::default(),
            clock: monotonic_clock(),
            spill_dir: std::env::temp_dir(),
        }
    }
}

/// Returns a clock in nanoseconds that never goes back.
pub(crate) fn monotonic_clock() -> waf::Clock {
    let start = Instant::now();
    // 64 bits hold the nanoseconds of 584 years
    Arc::new(move || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}
