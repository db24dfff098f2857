//! Counts of events, for digests and the daily summary.

use std::collections::BTreeMap;

use event::{Outcome, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_TALLY_KEYS, TOP};
use crate::notice_event::NoticeEvent;
use crate::text::{cut, grouped};

/// Counts of events by several properties. Totals are exact. Tables are exact for the values that they name, and count other
/// values together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Number of events.
    pub count: u64,
    /// Time of the earliest event.
    pub first: Timestamp,
    /// Time of the latest event.
    pub last: Timestamp,
    /// Counts by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The worst severity.
    pub worst: Option<Severity>,
    /// Number of attacks (blocked or detected) whose response had a status below 400.
    pub answered: u64,
    /// Counts by kind.
    pub kinds: Counts,
    /// Counts by actor.
    pub actors: Counts,
    /// Counts by subject; for requests the site.
    pub subjects: Counts,
    /// Counts by rule; an event counts for each rule that matched.
    pub rules: Counts,
    /// Counts by path.
    pub paths: Counts,
    /// The first event.
    pub example: Option<NoticeEvent>,
}

impl Tally {
    /// Counts one event.
    pub fn add(&mut self, event: &NoticeEvent) {
        self.first = if self.count == 0 { event.time } else { self.first.min(event.time) };
        self.last = self.last.max(event.time);
        self.count += 1;
        *self.outcomes.entry(event.outcome).or_default() += 1;
        self.worst = Some(self.worst.map_or(event.severity, |worst| worst.min(event.severity)));
        let attack = matches!(event.outcome, Outcome::Blocked | Outcome::Detected);
        self.answered += u64::from(attack && (100..400).contains(&event.status));
        self.kinds.add(event.kind.as_str());
        self.actors.add(&event.actor);
        self.subjects.add(&event.subject);
        self.paths.add(&event.path);
        for label in event.labels() {
            self.rules.add(&label);
        }
        self.example.get_or_insert_with(|| event.clone());
    }

    /// Returns the number of events with this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Returns `blocked 9,990, detected 9`.
    pub fn outcomes_text(&self) -> String {
        let mut outcomes: Vec<(&Outcome, &u64)> = self.outcomes.iter().collect();
        outcomes.sort_by_key(|(outcome, count)| (std::cmp::Reverse(**count), **outcome));
        let texts = outcomes.iter().map(|(outcome, count)| format!("{outcome} {}", grouped(**count)));
        texts.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn bound(&mut self) {
        for counts in
            [&mut self.kinds, &mut self.actors, &mut self.subjects, &mut self.rules, &mut self.paths]
        {
            while counts.by.len() > MAX_TALLY_KEYS {
                counts.others += counts.by.pop_last().map_or(0, |(_, count)| count);
            }
        }
    }
}

/// Counts of events by one value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Counts of the first [`MAX_TALLY_KEYS`] values.
    pub by: BTreeMap<String, u64>,
    /// Number of events with other values.
    pub others: u64,
}

impl Counts {
    fn add(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        let value = cut(value, 80);
        if let Some(count) = self.by.get_mut(&value) {
            *count += 1;
        } else if self.by.len() < MAX_TALLY_KEYS {
            self.by.insert(value, 1);
        } else {
            self.others += 1;
        }
    }

    /// Returns the most frequent values, the most frequent first.
    pub fn top(&self, limit: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> =
            self.by.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(limit);
        all
    }

    /// Returns the number of values, such as `12` or `100 or more`.
    pub fn distinct(&self) -> String {
        let known = grouped(self.by.len() as u64);
        if self.others > 0 { format!("{known} or more") } else { known }
    }

    /// Returns `203.0.113.7 (900), 198.51.100.4 (200), others (87)`; empty without events.
    pub fn text(&self) -> String {
        let top = self.top(TOP);
        let named: u64 = top.iter().map(|(_, count)| count).sum();
        let rest = self.by.values().sum::<u64>() + self.others - named;
        let mut texts: Vec<String> =
            top.iter().map(|(value, count)| format!("{value} ({})", grouped(*count))).collect();
        if rest > 0 {
            texts.push(format!("others ({})", grouped(rest)));
        }
        texts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice_event::tests::attack;

    #[test]
    fn totals_are_exact_whatever_comes() {
        let mut tally = Tally::default();
        for number in 0..10_000_u32 {
            let mut event = attack(number, 0, Timestamp::from_micros(i64::from(number)));
            event.actor = Some(event::Actor::at(std::net::Ipv4Addr::from(number % 1000).into(), None));
            event.outcome = if number % 10 == 0 { Outcome::Detected } else { Outcome::Blocked };
            tally.add(&NoticeEvent::from(&event));
        }
        assert_eq!(
            (tally.count, tally.of(Outcome::Blocked), tally.of(Outcome::Detected)),
            (10_000, 9000, 1000)
        );
        assert_eq!((tally.first.as_micros(), tally.last.as_micros()), (0, 9999));
        assert_eq!(tally.actors.by.len(), MAX_TALLY_KEYS);
        assert!(tally.actors.by.values().all(|count| *count == 10));
        assert_eq!(tally.actors.others, 9000);
        assert_eq!(tally.actors.distinct(), "100 or more");
        assert_eq!(tally.rules.top(1), [("941100 XSS Attack Detected", 10_000)]);
        assert_eq!(tally.outcomes_text(), "blocked 9,000, detected 1,000");
        assert!(tally.actors.text().ends_with("0.0.0.12 (10), others (9,950)"), "{}", tally.actors.text());
        assert_eq!(tally.example.as_ref().map(|seen| seen.time.as_micros()), Some(0));
    }

    #[test]
    fn attacks_that_got_an_answer() {
        let mut tally = Tally::default();
        for (outcome, status) in [
            (Outcome::Detected, 200),
            (Outcome::Detected, 404),
            (Outcome::Passed, 200),
            (Outcome::Blocked, 302),
            (Outcome::Blocked, 0),
        ] {
            let event = event::Event { outcome, ..attack(1, 1, Timestamp::MIN) };
            tally.add(&NoticeEvent { status, ..NoticeEvent::from(&event) });
        }
        assert_eq!(tally.answered, 2);
    }
}
