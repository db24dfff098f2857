//! Services that the embedding program passes to the gateway: event sink, identifiers, collections, clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use event::{Event, EventSink, IdSource};

use crate::tls::Managed;

/// A sink for events, ModSecurity's audit log and a sample of clean requests. It runs on the request's task; if the rules or the
/// gate decided the response, before the response is sent.
pub trait RequestSink: EventSink {
    /// Writes an entry of ModSecurity's audit log with these parts (`ABCFHZ`), if the rules want one.
    fn audit(&self, event: &Event, parts: &str) {
        let _ = (event, parts);
    }

    /// Whether `passed` wants a request of this site that rules inspected without an event. Called for each such request.
    fn wants_passed(&self, site: &str) -> bool {
        let _ = site;
        false
    }

    /// Takes a clean request as an event that is not recorded. Its secrets are redacted.
    fn passed(&self, event: Event) {
        drop(event);
    }
}

/// Services of the embedding program.
#[derive(Clone)]
pub struct Services {
    /// Makes the identifiers of events.
    pub ids: Arc<IdSource>,
    /// Takes the events.
    pub sink: Arc<dyn RequestSink>,
    /// The rules' persistent collections (IP, SESSION and so on).
    pub collections: Arc<waf::Collections>,
    /// A clock that measures and limits inspection. Tests pass a clock that jumps.
    pub clock: waf::Clock,
    /// Folder for bodies held on disk, in unnamed files. It should not be in memory, as /tmp may be.
    pub spill_dir: PathBuf,
    /// Certificates and challenge responses of another part of the program.
    pub managed: Arc<Managed>,
}

impl Services {
    /// Returns services with empty collections, no managed certificates, the system's monotonic clock and its folder for temporary files.
    pub fn new(ids: Arc<IdSource>, sink: Arc<dyn RequestSink>) -> Self {
        Self {
            ids,
            sink,
            collections: Arc::default(),
            clock: monotonic_clock(),
            spill_dir: std::env::temp_dir(),
            managed: Arc::default(),
        }
    }
}

/// Returns a clock in nanoseconds that never goes back.
pub(crate) fn monotonic_clock() -> waf::Clock {
    let start = Instant::now();
    // 64 bits are enough for the nanoseconds of 584 years
    Arc::new(move || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}
