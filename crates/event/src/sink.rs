//! The interface through which gates report events.

use crate::Event;

/// Takes the events of every gate. A gate calls it on the task that made the event; implementations append to a file
/// and return, and never wait for a network.
pub trait EventSink: Send + Sync {
    /// Stores an event. Its secrets must be redacted.
    fn record(&self, event: Event);
}
