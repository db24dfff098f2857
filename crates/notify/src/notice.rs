//! A notice: what one channel is to be told, before it is put into words.

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::seen::Seen;
use crate::tally::Tally;

/// Something that a channel is to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Unique: receivers that get a notice twice know it by this.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// Whether it is told in quiet hours, too.
    #[serde(default)]
    pub urgent: bool,
    /// What it is about.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The first event of a burst.
    Event {
        /// The rule that wants it told.
        rule: String,
        /// The event.
        event: Box<Seen>,
    },
    /// What came since the last notice of this rule.
    Digest {
        /// The rule that wants it told.
        rule: String,
        /// The events.
        tally: Box<Tally>,
    },
    /// The daily summary.
    Summary {
        /// Since when it counts.
        since: Timestamp,
        /// All events since then.
        tally: Box<Tally>,
        /// The day before; none on the first day.
        before: Option<DayBefore>,
        /// Channels that fail, one line each.
        problems: Vec<String>,
    },
    /// Another channel fails.
    Failing {
        /// That channel.
        channel: String,
        /// What it says.
        what: String,
        /// Since when.
        since: Timestamp,
        /// Notices that wait for it.
        waiting: usize,
    },
    /// It delivers again.
    Recovered {
        /// That channel.
        channel: String,
        /// Since when it failed.
        since: Timestamp,
        /// Notices that waited for it and come now.
        waiting: usize,
    },
    /// Notices are lost.
    Dropped {
        /// For which channel.
        channel: String,
        /// Why.
        why: String,
        /// How many notices.
        notices: u64,
        /// How many events they told of.
        events: u64,
    },
    /// The notifier's own state was lost.
    StateLost {
        /// What was wrong with it.
        what: String,
    },
    /// The owner tries the channel.
    Test,
}

/// The numbers of the day before, to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayBefore {
    /// Blocked and detected.
    pub attacks: u64,
}

impl Notice {
    /// How many events it tells of.
    pub fn events(&self) -> u64 {
        match &self.kind {
            Kind::Event { .. } => 1,
            Kind::Digest { tally, .. } => tally.count,
            _ => 0,
        }
    }

    /// Keeps what was read from a file within the limits.
    pub(crate) fn bound(&mut self) {
        if let Kind::Digest { tally, .. } | Kind::Summary { tally, .. } = &mut self.kind {
            tally.bound();
        }
    }
}
