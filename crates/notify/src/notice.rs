//! A notice as facts, before it becomes text.

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notice_event::NoticeEvent;
use crate::tally::Tally;

/// A notice for one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// A unique id, by which receivers recognise a repeated notice.
    pub id: String,
    /// Time of creation.
    pub at: Timestamp,
    /// Whether it is also sent in quiet hours.
    #[serde(default)]
    pub urgent: bool,
    /// The subject.
    #[serde(flatten)]
    pub kind: Kind,
}

/// The subject of a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The first event of a burst.
    Event {
        /// The rule that matched.
        rule: String,
        /// The event.
        event: Box<NoticeEvent>,
    },
    /// The events since the last notice of this rule.
    Digest {
        /// The rule that matched.
        rule: String,
        /// The events.
        tally: Box<Tally>,
    },
    /// The daily summary.
    Summary {
        /// Start of the day.
        since: Timestamp,
        /// All events since then.
        tally: Box<Tally>,
        /// The day before; none on the first day.
        before: Option<DayBefore>,
        /// Failing channels, one line each.
        problems: Vec<String>,
    },
    /// Another channel fails.
    Failing {
        /// That channel.
        channel: String,
        /// Its last error.
        what: String,
        /// Time of its first failure.
        since: Timestamp,
        /// Number of notices that wait for it.
        waiting: usize,
    },
    /// Another channel delivers again.
    Recovered {
        /// That channel.
        channel: String,
        /// Time of its first failure.
        since: Timestamp,
        /// Number of queued notices that it sends now.
        waiting: usize,
    },
    /// Notices are lost.
    Dropped {
        /// The channel.
        channel: String,
        /// The cause.
        why: String,
        /// Number of notices.
        notices: u64,
        /// Number of events in them.
        events: u64,
    },
    /// The notifier's own state was lost.
    StateLost {
        /// The fault.
        what: String,
    },
    /// The owner tests the channel.
    Test,
}

/// The numbers of the day before, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayBefore {
    /// Number of blocked and detected events.
    pub attacks: u64,
}

impl Notice {
    /// Returns the number of events in the notice.
    pub fn events(&self) -> u64 {
        match &self.kind {
            Kind::Event { .. } => 1,
            Kind::Digest { tally, .. } => tally.count,
            _ => 0,
        }
    }

    /// Cuts values that were read from a file to the limits.
    pub(crate) fn bound(&mut self) {
        if let Kind::Digest { tally, .. } | Kind::Summary { tally, .. } = &mut self.kind {
            tally.bound();
        }
    }
}
