//! The way of events out of a gate.

use crate::Event;

/// Takes the events of every gate. A gate calls it on the task that made the event; implementations append to a file and
/// return, they never wait for a network.
pub trait EventSink: Send + Sync {
    /// Keeps an event. Its secrets are redacted.
    fn record(&self, event: Event);
}
