//! Writes the events of gates to the journal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use event::{Event, EventSink, Severity};
use finding::{Declaration, Finding, Text, table};
use prometheus_client::metrics::counter::Counter;
use store::{Appended, Journal};

table! {
    /// The findings of the recorder.
    pub FINDINGS: Declaration {
        /// An event was too long for the journal.
        EVENT_UNSTORED = Declaration::new(
            "store.event_refused",
            Severity::Warning,
            Text::new("An event could not be stored", "保存できなかったイベント"),
            Text::new(
                "The journal refused the event: {why}. `monban_events_dropped_total` counts such events.",
                "ジャーナルがイベントを受け付けませんでした: {why}。件数は `monban_events_dropped_total` で確認できます。",
            ),
            Text::new(
                "No action is needed: the finding clears with the next event. Please report the error if it repeats.",
                "対処は不要です。次のイベントが保存されると解消します。繰り返す場合はご報告ください。",
            ),
        );
    }
}

/// Records events in the journal, and keeps the error of the last one.
pub struct Recorder {
    journal: Arc<Journal>,
    dropped: Counter,
    /// Whether the last event is only in memory.
    waits: AtomicBool,
    /// The error of the last event; none if it was stored.
    refused: Mutex<Option<String>>,
}

impl Recorder {
    /// Makes a recorder for this journal.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            dropped: Counter::default(),
            waits: AtomicBool::new(false),
            refused: Mutex::default(),
        }
    }

    /// Returns the counter of events that were not stored.
    pub fn dropped(&self) -> &Counter {
        &self.dropped
    }

    /// Returns the problem with the last event. The journal has findings of its own.
    pub fn findings(&self) -> Vec<Finding> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refused.map(|why| EVENT_UNSTORED.finding("the last event").with("why", why)).into_iter().collect()
    }

    /// Records whether events wait in memory, and logs a change.
    fn note_waiting(&self, waits: bool) {
        match (self.waits.swap(waits, Ordering::Relaxed), waits) {
            (false, true) => {
                let cause = self.journal.health().failure.unwrap_or_default();
                tracing::error!("the journal waits in memory: {cause}");
            }
            (true, false) => tracing::info!("the journal writes to the disk again"),
            _ => {}
        }
    }
}

impl EventSink for Recorder {
    fn record(&self, event: Event) {
        let why = match self.journal.append(&event) {
            Ok(Appended::Disk(_)) => {
                self.note_waiting(false);
                None
            }
            Ok(Appended::Memory) => {
                self.note_waiting(true);
                None
            }
            Err(error) => {
                self.dropped.inc();
                Some(error.to_string())
            }
        };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // the change of state is logged, not each event
        if let (None, Some(why)) = (&*refused, &why) {
            tracing::error!("cannot keep an event: {why}");
        }
        *refused = why;
    }
}

#[cfg(test)]
mod tests {
    use event::{IdSource, Outcome, RequestEvidence, Timestamp};
    use store::JournalOptions;

    use super::*;

    #[test]
    fn an_event_that_the_journal_refuses_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), JournalOptions::default()).unwrap();
        let recorder = Recorder::new(Arc::new(journal));
        let ids = IdSource::new("test", 1);
        let event = |reason: String| {
            let evidence = RequestEvidence::default();
            let time = Timestamp::MIN;
            Event {
                summary: Some(reason),
                ..Event::of_request(ids.next(time), time, "test", Outcome::Passed, evidence)
            }
        };
        recorder.record(event("short".to_owned()));
        assert_eq!((recorder.dropped().get(), recorder.findings().len()), (0, 0));
        recorder.record(event("x".repeat(event::limits::MAX_JSON_BYTES)));
        assert_eq!((recorder.dropped().get(), recorder.findings().len()), (1, 1));
        recorder.record(event("short".to_owned()));
        assert_eq!((recorder.dropped().get(), recorder.findings().len()), (1, 0));
    }
}
