//! Decides what each channel sends, and when: rules, bursts, quiet hours, limits, the daily summary. Pure: it takes events and
//! the time, and puts notices into the outboxes.
//!
//! Each rule has a window for each channel. The first matching event opens the window, and causes an immediate notice if the
//! channel is configured so. The window counts later events. At its end, a digest reports the counts and the window continues for
//! another period; a window without events closes, and the next event is a first one again. In quiet hours, beyond the channel's
//! limit, and while many notices wait for a failing channel, the window stays open and continues to count: nothing is lost, but
//! it arrives later and in fewer notices.

use std::collections::BTreeMap;

use event::{Event, EventId, Outcome, Timestamp};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use store::Filter;

use crate::config::{Common, NotifyConfig, RuleConfig};
use crate::limits::{COALESCE_FROM, MAX_EVENT_AGE};
use crate::notice::{DayBefore, Kind, Notice};
use crate::notice_event::NoticeEvent;
use crate::outbox::{Lost, Outbox, Tell, later};
use crate::quiet::{self, Quiet};
use crate::retry::SendError;
use crate::state::{Day, State, Window};
use crate::tally::Tally;

struct Rule {
    config: RuleConfig,
    filter: Filter,
    channels: Vec<String>,
}

struct Channel {
    kind: &'static str,
    at_once: bool,
    quiet: Option<Quiet>,
    max_per_hour: u32,
}

/// The planner; see the module.
pub struct Planner {
    node: String,
    zone: TimeZone,
    rules: Vec<Rule>,
    channels: BTreeMap<String, Channel>,
    summary: Option<(Time, Vec<String>)>,
    state: State,
}

impl Planner {
    /// Continues from `state` with the rules and channels of `config`, on the machine `node`. Removes from the state the rules
    /// and channels that the configuration no longer has.
    pub fn new(config: &NotifyConfig, node: &str, mut state: State) -> Self {
        let named = |names: &[String]| match names {
            [] => config.channels().map(|channel| channel.name.to_owned()).collect(),
            names => names.to_vec(),
        };
        let rules: Vec<Rule> = config
            .rules()
            .into_iter()
            .map(|rule| Rule { filter: rule.when.0.clone(), channels: named(&rule.channels), config: rule })
            .collect();
        let channels: BTreeMap<String, Channel> = config
            .channels()
            .map(|Common { name, kind, at_once, quiet, max_per_hour, .. }| {
                (name.to_owned(), Channel { kind, at_once, quiet, max_per_hour })
            })
            .collect();
        state.channels.retain(|name, _| channels.contains_key(name));
        for name in channels.keys() {
            state.channels.entry(name.clone()).or_default();
        }
        state.windows.retain(|rule, windows| {
            let rule = rules.iter().find(|known| known.config.name == *rule);
            windows.retain(|channel, _| rule.is_some_and(|rule| rule.channels.contains(channel)));
            !windows.is_empty()
        });
        Self {
            node: node.to_owned(),
            zone: config.time_zone.clone().unwrap_or_else(TimeZone::system),
            rules,
            channels,
            summary: config.summary.as_ref().map(|summary| (summary.at, named(&summary.channels))),
            state,
        }
    }

    /// Returns the state, which the caller must save.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the state, for changing the cursor.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Returns the state, for a planner with another configuration.
    pub fn into_state(self) -> State {
        self.state
    }

    /// Returns the names and kinds of the channels.
    pub fn channels(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.channels.iter().map(|(name, channel)| (name.as_str(), channel.kind))
    }

    /// Handles an event that arrived at `now`.
    pub fn observe(&mut self, event: &Event, now: Timestamp) {
        if later(event.time, MAX_EVENT_AGE) < now {
            self.state.skipped += 1;
            return;
        }
        let matching: Vec<usize> =
            (0..self.rules.len()).filter(|at| self.rules[*at].filter.matches(event)).collect();
        if matching.is_empty() && self.summary.is_none() {
            return;
        }
        let seen = NoticeEvent::from(event);
        if let Some(day) = &mut self.state.day {
            day.tally.add(&seen);
        }
        for at in matching {
            for name in self.rules[at].channels.clone() {
                self.take(at, &name, &seen, now);
            }
        }
    }

    fn take(&mut self, at: usize, name: &str, seen: &NoticeEvent, now: Timestamp) {
        let held = self.held_until(at, name, now);
        let Self { rules, channels, state, .. } = self;
        let (rule, Some(channel)) = (&rules[at].config, channels.get(name)) else { return };
        let ends = later(now, rule.digest);
        let windows = state.windows.entry(rule.name.clone()).or_default();
        // a window without events counts as closed
        if windows.get(name).is_some_and(|window| window.until <= now && window.tally.count == 0) {
            windows.remove(name);
        }
        if let Some(window) = windows.get_mut(name) {
            window.tally.add(seen);
            return;
        }
        let at_once = rule.at_once.unwrap_or(channel.at_once) && held.is_none();
        let mut window = Window { until: held.map_or(ends, |held| held.max(ends)), tally: Tally::default() };
        if !at_once {
            window.tally.add(seen);
        }
        windows.insert(name.to_owned(), window);
        if at_once {
            let kind = Kind::Event { rule: rule.name.clone(), event: Box::new(seen.clone()) };
            let urgent = rule.through_quiet;
            self.push_counted(name, kind, urgent, now);
        }
    }

    /// Returns the time until which the channel must get no notice of this rule's events; none if it may now.
    fn held_until(&mut self, at: usize, name: &str, now: Timestamp) -> Option<Timestamp> {
        let rule = &self.rules[at].config;
        let channel = self.channels.get(name)?;
        let outbox = self.state.channels.get_mut(name)?;
        let quiet =
            channel.quiet.filter(|_| !rule.through_quiet).and_then(|quiet| quiet.until(now, &self.zone));
        let full = outbox.has_room_at(channel.max_per_hour, now);
        let failing = (outbox.queue.len() >= COALESCE_FROM).then(|| later(now, rule.digest));
        quiet.max(full).max(failing)
    }

    /// Creates the digests and the summary that are due.
    pub fn tick(&mut self, now: Timestamp) {
        for at in 0..self.rules.len() {
            for name in self.rules[at].channels.clone() {
                self.tick_window(at, &name, now);
            }
        }
        self.tick_summary(now);
    }

    fn tick_window(&mut self, at: usize, name: &str, now: Timestamp) {
        let rule = &self.rules[at].config;
        let (rule_name, digest, urgent) = (rule.name.clone(), rule.digest, rule.through_quiet);
        if !self.state.windows.get(&rule_name).is_some_and(|windows| windows.contains_key(name)) {
            return;
        }
        let held = self.held_until(at, name, now);
        let Some(windows) = self.state.windows.get_mut(&rule_name) else { return };
        let Some(window) = windows.get_mut(name) else { return };
        let ends = later(now, digest);
        // a clock that was set back must not lengthen the wait
        window.until = window.until.min(held.map_or(ends, |held| held.max(ends)));
        if now < window.until {
            return;
        }
        if window.tally.count == 0 {
            windows.remove(name);
        } else if let Some(held) = held {
            window.until = held;
        } else {
            let tally = Box::new(std::mem::take(&mut window.tally));
            window.until = ends;
            self.push_counted(name, Kind::Digest { rule: rule_name, tally }, urgent, now);
        }
    }

    fn tick_summary(&mut self, now: Timestamp) {
        let Some((time, channels)) = self.summary.clone() else {
            self.state.day = None;
            return;
        };
        let next = quiet::next(time, now, &self.zone);
        let Some(day) = &mut self.state.day else {
            self.state.day = Some(Day { since: now, until: next, ..Day::default() });
            return;
        };
        // another time of day was configured, or the clock was set back
        day.until = day.until.min(next);
        if now < day.until {
            return;
        }
        let tally = Box::new(std::mem::take(&mut day.tally));
        let (since, before) = (day.since, day.before);
        let attacks = tally.of(Outcome::Blocked) + tally.of(Outcome::Detected);
        *day = Day { since: now, until: next, before: Some(DayBefore { attacks }), ..Day::default() };
        let problems: Vec<String> = self
            .state
            .channels
            .iter()
            .filter_map(|(name, outbox)| {
                let lost = match outbox.lost.notices {
                    0 => String::new(),
                    lost => format!(", {lost} lost"),
                };
                outbox.failing_since?;
                Some(format!("{name} fails ({}), {} waiting{lost}", outbox.last_error, outbox.queue.len()))
            })
            .collect();
        for name in channels {
            let kind = Kind::Summary { since, tally: tally.clone(), before, problems: problems.clone() };
            self.push(&name, kind, false, now);
        }
    }

    /// Returns the notice that the channel must send now.
    pub fn due(&self, name: &str, now: Timestamp) -> Option<&Notice> {
        let quiet = self.quiet_until(name, now).is_some();
        self.state.channels.get(name)?.due(now, quiet)
    }

    /// Returns the end of the channel's current quiet hours; none outside them.
    pub fn quiet_until(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        self.channels.get(name)?.quiet?.until(now, &self.zone)
    }

    /// Records the outcome of a delivery, and notifies the other channels if necessary.
    pub fn sent(&mut self, name: &str, id: &str, result: &Result<(), SendError>, now: Timestamp) {
        let Some(outbox) = self.state.channels.get_mut(name) else { return };
        let tell = match result {
            Ok(()) => outbox.delivered(id, now),
            Err(error) => outbox.failed(id, error, now),
        };
        let (waiting, what) = (outbox.queue.len(), outbox.last_error.clone());
        match tell {
            Tell::Nothing => {}
            Tell::Failing { since } => {
                let kind = Kind::Failing { channel: name.to_owned(), what, since, waiting };
                self.push_others(name, &kind, now);
            }
            Tell::Recovered { since, lost } => {
                if let Some(since) = since {
                    let kind = Kind::Recovered { channel: name.to_owned(), since, waiting };
                    self.push_others(name, &kind, now);
                }
                if lost.notices > 0 {
                    let kind = dropped(name, lost, "while it failed");
                    self.push(name, kind.clone(), false, now);
                    self.push_others(name, &kind, now);
                }
            }
        }
    }

    /// Notifies every channel that the state was lost.
    pub fn state_lost(&mut self, what: &str, now: Timestamp) {
        let names: Vec<String> = self.channels.keys().cloned().collect();
        for name in names {
            self.push(&name, Kind::StateLost { what: what.to_owned() }, false, now);
        }
    }

    fn push_others(&mut self, but: &str, kind: &Kind, now: Timestamp) {
        let names: Vec<String> = self.channels.keys().filter(|name| *name != but).cloned().collect();
        for name in names {
            self.push(&name, kind.clone(), false, now);
        }
    }

    fn push_counted(&mut self, name: &str, kind: Kind, urgent: bool, now: Timestamp) {
        if let Some(outbox) = self.state.channels.get_mut(name) {
            outbox.made.push_back(now);
        }
        self.push(name, kind, urgent, now);
    }

    fn push(&mut self, name: &str, kind: Kind, urgent: bool, now: Timestamp) {
        self.state.sequence += 1;
        let id = EventId::derived(now, &self.node, &format!("notice {} {name}", self.state.sequence));
        let Some(outbox) = self.state.channels.get_mut(name) else { return };
        let first_loss = outbox.push(Notice { id: id.to_string(), at: now, urgent, kind });
        if first_loss {
            let kind = dropped(name, outbox.owed, "the queue is full, and monban drops the oldest notices");
            self.push_others_quietly(name, &kind, now);
        }
    }

    /// Does the same as [`Planner::push_others`], but only counts a loss that this causes, so that two full queues do not report
    /// each other for ever.
    fn push_others_quietly(&mut self, but: &str, kind: &Kind, now: Timestamp) {
        for (name, outbox) in self.state.channels.iter_mut().filter(|(name, _)| *name != but) {
            self.state.sequence += 1;
            let id = EventId::derived(now, &self.node, &format!("notice {} {name}", self.state.sequence));
            outbox.push(Notice { id: id.to_string(), at: now, urgent: false, kind: kind.clone() });
        }
    }

    /// Returns the outbox of a channel.
    pub fn outbox(&self, name: &str) -> Option<&Outbox> {
        self.state.channels.get(name)
    }
}

fn dropped(channel: &str, lost: Lost, why: &str) -> Kind {
    Kind::Dropped {
        channel: channel.to_owned(),
        why: why.to_owned(),
        notices: lost.notices,
        events: lost.events,
    }
}

#[cfg(test)]
mod tests;
