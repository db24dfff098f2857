//! The queue of one channel, and its delivery record. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_QUEUE, MAX_RETRY_AFTER, TELL_AFTER_FAILURES, TELL_INTERVAL};
use crate::notice::Notice;
use crate::retry::{SendError, pause};
use crate::text::shown;

/// One channel's queue and delivery record. All of it survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outbox {
    /// Queued notices, oldest first; at most [`MAX_QUEUE`].
    pub queue: VecDeque<Notice>,
    /// Number of consecutive failures.
    pub failures: u32,
    /// Time of the next delivery attempt.
    pub next_try: Timestamp,
    /// Time of the first of the consecutive failures; none after a success.
    pub failing_since: Option<Timestamp>,
    /// The last failure; empty after a success.
    pub last_error: String,
    /// Whether the other channels have reported this failure.
    pub told: bool,
    /// Time of the last notice about it on the other channels.
    pub told_at: Option<Timestamp>,
    /// Number of delivered notices.
    pub sent: u64,
    /// Time of the last delivery.
    pub last_sent: Option<Timestamp>,
    /// Number of failed attempts.
    pub failed_tries: u64,
    /// Lost notices: refused by the peer, or dropped from a full queue.
    pub lost: Lost,
    /// Lost notices that no notice on this channel has reported yet.
    pub owed: Lost,
    /// Times of the notices of events within the last hour.
    pub made: VecDeque<Timestamp>,
}

/// A number of lost notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// Number of notices.
    pub notices: u64,
    /// Number of events in these notices.
    pub events: u64,
}

impl Lost {
    fn add(&mut self, notice: &Notice) {
        self.notices += 1;
        self.events += notice.events();
    }
}

/// The notice that the other channels must send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// No notice.
    Nothing,
    /// This channel fails.
    Failing {
        /// Time of the first failure.
        since: Timestamp,
    },
    /// This channel delivers again, and its readers missed some notices.
    Recovered {
        /// Time of the first failure, if the other channels have reported it.
        since: Option<Timestamp>,
        /// Notices lost during the failure.
        lost: Lost,
    },
}

impl Outbox {
    /// Adds a notice. Returns true if the queue dropped its oldest notice, for the first time since a loss was reported.
    pub fn push(&mut self, notice: Notice) -> bool {
        self.queue.push_back(notice);
        let mut first = false;
        while self.queue.len() > MAX_QUEUE
            && let Some(oldest) = self.queue.pop_front()
        {
            first |= self.owed.notices == 0;
            self.lost.add(&oldest);
            self.owed.add(&oldest);
        }
        first
    }

    /// Returns the notice to send now; in quiet hours only if it is urgent.
    pub fn due(&self, now: Timestamp, quiet: bool) -> Option<&Notice> {
        // A clock that was set back must not block a channel.
        let waits = now < self.next_try && self.next_try <= later(now, MAX_RETRY_AFTER);
        if waits { None } else { self.queue.iter().find(|notice| notice.urgent || !quiet) }
    }

    /// Records a delivery.
    pub fn delivered(&mut self, id: &str, now: Timestamp) -> Tell {
        self.queue.retain(|notice| notice.id != id);
        self.sent += 1;
        self.last_sent = Some(now);
        self.failures = 0;
        self.next_try = Timestamp::MIN;
        self.last_error.clear();
        let since = self.failing_since.take().filter(|_| std::mem::take(&mut self.told));
        let lost = std::mem::take(&mut self.owed);
        if since.is_none() && lost.notices == 0 { Tell::Nothing } else { Tell::Recovered { since, lost } }
    }

    /// Records a failure. A refused notice is dropped; any other stays in the queue for a retry.
    pub fn failed(&mut self, id: &str, error: &SendError, now: Timestamp) -> Tell {
        self.failures = self.failures.saturating_add(1);
        self.failed_tries += 1;
        self.last_error = shown(error.what().as_bytes(), 400);
        let since = *self.failing_since.get_or_insert(now);
        let (asked, refused) = match error {
            SendError::Later { after, .. } => (after.unwrap_or_default(), false),
            SendError::Refused { .. } => (Duration::ZERO, true),
        };
        self.next_try = later(now, pause(self.failures).max(asked.min(MAX_RETRY_AFTER)));
        if refused
            && let Some(at) = self.queue.iter().position(|notice| notice.id == id)
            && let Some(notice) = self.queue.remove(at)
        {
            self.lost.add(&notice);
            self.owed.add(&notice);
        }
        let lately = self.told_at.is_some_and(|told| told <= now && now < later(told, TELL_INTERVAL));
        if self.told || lately || !(refused || self.failures >= TELL_AFTER_FAILURES) {
            return Tell::Nothing;
        }
        self.told = true;
        self.told_at = Some(now);
        Tell::Failing { since }
    }

    /// Returns the time at which the next notice of events may be created; none if one may be created now. `limit` applies to an
    /// hour.
    pub fn has_room_at(&mut self, limit: u32, now: Timestamp) -> Option<Timestamp> {
        const HOUR: Duration = Duration::from_secs(3600);
        self.made.retain(|made| *made <= now && now < later(*made, HOUR));
        let over = (self.made.len() + 1).saturating_sub(limit as usize);
        let oldest = *self.made.get(over.checked_sub(1)?)?;
        Some(later(oldest, HOUR))
    }

    pub(crate) fn bound(&mut self) {
        self.queue.truncate(MAX_QUEUE);
        self.queue.iter_mut().for_each(Notice::bound);
    }
}

/// Adds a duration to a time.
pub(crate) fn later(time: Timestamp, span: Duration) -> Timestamp {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Kind;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000 + seconds * 1_000_000)
    }

    fn notice(number: usize) -> Notice {
        Notice { id: number.to_string(), at: at(0), urgent: false, kind: Kind::Test }
    }

    #[test]
    fn tries_again_with_growing_pauses_and_as_the_peer_asks() {
        let mut outbox = Outbox::default();
        outbox.push(notice(1));
        let mut now = 0;
        let mut told = Vec::new();
        for pause in [10, 20, 40, 80] {
            assert_eq!(outbox.due(at(now), false).unwrap().id, "1");
            told.push(outbox.failed("1", &SendError::later("down"), at(now)) != Tell::Nothing);
            assert_eq!(outbox.due(at(now + pause - 1), false), None);
            now += pause;
        }
        // the other channels report it after the third failure, once
        assert_eq!(told, [false, false, true, false]);
        let asks = SendError::Later { what: "responded 429".into(), after: Some(Duration::from_secs(1000)) };
        outbox.failed("1", &asks, at(now));
        assert_eq!(outbox.due(at(now + 999), false), None);
        assert!(outbox.due(at(now + 1000), false).is_some());
        // a clock set back by a year
        assert!(outbox.due(at(now - 365 * 86_400), false).is_some());
        assert_eq!(
            outbox.delivered("1", at(now + 1000)),
            Tell::Recovered { since: Some(at(0)), lost: Lost::default() }
        );
        assert_eq!(
            (outbox.sent, outbox.failed_tries, outbox.failing_since, outbox.queue.len()),
            (1, 5, None, 0)
        );
    }

    #[test]
    fn a_refused_notice_goes_and_the_others_know_at_once() {
        let mut outbox = Outbox::default();
        outbox.push(notice(1));
        outbox.push(notice(2));
        let refused = SendError::Refused { what: "responded 404: no_service".into() };
        assert_eq!(outbox.failed("1", &refused, at(0)), Tell::Failing { since: at(0) });
        assert_eq!(outbox.lost, Lost { notices: 1, events: 0 });
        assert_eq!(outbox.due(at(10), false).unwrap().id, "2");
        let lost = Lost { notices: 1, events: 0 };
        assert_eq!(outbox.delivered("2", at(10)), Tell::Recovered { since: Some(at(0)), lost });
        // another failure within the same hour causes no notice
        outbox.push(notice(3));
        assert_eq!(outbox.failed("3", &refused, at(20)), Tell::Nothing);
        // its readers still get a notice of the loss
        outbox.push(notice(4));
        assert_eq!(outbox.delivered("4", at(40)), Tell::Recovered { since: None, lost });
        assert_eq!(outbox.delivered("4", at(41)), Tell::Nothing);
    }

    #[test]
    fn a_full_queue_loses_the_oldest_and_counts() {
        let mut outbox = Outbox::default();
        let first_losses: Vec<bool> = (0..MAX_QUEUE + 3).map(|number| outbox.push(notice(number))).collect();
        assert_eq!(first_losses.iter().filter(|first| **first).count(), 1);
        assert_eq!(
            (outbox.queue.len(), outbox.queue[0].id.as_str(), outbox.lost.notices),
            (MAX_QUEUE, "3", 3)
        );
    }

    #[test]
    fn while_it_is_quiet_only_urgent_notices_go() {
        let mut outbox = Outbox::default();
        outbox.push(notice(1));
        outbox.push(Notice { urgent: true, ..notice(2) });
        assert_eq!(outbox.due(at(0), true).unwrap().id, "2");
        assert_eq!(outbox.due(at(0), false).unwrap().id, "1");
    }

    #[test]
    fn an_hour_has_room_for_so_many() {
        let mut outbox = Outbox::default();
        for second in 0..3 {
            assert_eq!(outbox.has_room_at(3, at(second)), None);
            outbox.made.push_back(at(second));
        }
        assert_eq!(outbox.has_room_at(3, at(3)), Some(at(3600)));
        assert_eq!(outbox.has_room_at(4, at(3)), None);
        assert_eq!(outbox.has_room_at(3, at(3600)), None);
        // a limit that was lowered
        assert_eq!(outbox.has_room_at(1, at(3600)), Some(at(3602)));
        // a clock that was set back
        assert_eq!(outbox.has_room_at(1, at(-100_000)), None);
    }
}
