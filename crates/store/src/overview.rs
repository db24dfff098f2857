//! Counts of events over a time span: the reference definition that every store must agree with.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use event::{ByteString, Event, Outcome, Timestamp};

use crate::filter::Filter;
use crate::limits::{MAX_BUCKETS, MAX_RULE_MESSAGE, MAX_TALLIED_PATH, MAX_TOP, TALLIED_FACTS};

/// Microseconds per hour.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// The width of the buckets of an [`Overview`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Clock minutes. They count events only, not requests, and within the budget of a page.
    Minute,
    /// Clock hours.
    Hour,
    /// Days of the zone of [`OverviewQuery::offset`].
    Day,
}

impl Step {
    /// Returns the width of a bucket in microseconds.
    pub(crate) fn width(self) -> i64 {
        match self {
            Self::Minute => HOUR / 60,
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }
}

/// A request for an overview.
#[derive(Clone, Debug, PartialEq)]
pub struct OverviewQuery {
    /// The events to count.
    pub filter: Filter,
    /// The start: counting begins with the bucket that contains this time.
    pub since: Timestamp,
    /// The end, exclusive: counting includes all of the bucket that contains the moment before this time.
    pub until: Timestamp,
    /// The width of the buckets. There are at most [`MAX_BUCKETS`]; of a longer span only the last are counted.
    pub step: Step,
    /// Hours that the zone of the days is east of UTC; no effect on other steps.
    pub offset: i64,
    /// Number of rules, clients, paths and sites to list; at most [`MAX_TOP`], and larger values are reduced to it.
    pub top: usize,
}

impl OverviewQuery {
    /// Returns the number of buckets between `since` and `until`.
    pub fn buckets(&self) -> u64 {
        let (first, end) = self.asked();
        (end - first).max(0).unsigned_abs()
    }

    /// Returns the requested buckets, as multiples of the step since 1970 in the zone of `offset`; the second value is
    /// exclusive.
    fn asked(&self) -> (i64, i64) {
        let (width, east) = (self.step.width(), self.east());
        let end = (self.until.as_micros() + east + width - 1).div_euclid(width);
        ((self.since.as_micros() + east).div_euclid(width), end)
    }

    /// Returns the microseconds that the zone of the buckets is east of UTC.
    fn east(&self) -> i64 {
        if self.step == Step::Day { self.offset * HOUR } else { 0 }
    }

    /// Returns the counted span, in microseconds since 1970; the second value is exclusive.
    pub(crate) fn span(&self) -> (i64, i64) {
        let (first, end) = self.asked();
        let first = first.max(end - MAX_BUCKETS);
        let start = |number: i64| number * self.step.width() - self.east();
        (start(first.min(end)), start(end))
    }

    /// Returns the span in hours since 1970, for a step of whole hours.
    pub(crate) fn hours(&self) -> (i64, i64) {
        let (first, end) = self.span();
        (first.div_euclid(HOUR), end.div_euclid(HOUR))
    }

    /// Returns the filter, limited to the counted span.
    pub(crate) fn within(&self) -> Filter {
        use crate::filter::Test;
        let (first, end) = self.span();
        let time = Timestamp::from_micros;
        self.filter.clone().with(Test::Since(time(first))).with(Test::Until(time(end)))
    }

    pub(crate) fn top(&self) -> usize {
        self.top.min(MAX_TOP)
    }
}

/// Counts over a time span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// One bucket for each step, the oldest first, without gaps.
    pub series: Vec<Bucket>,
    /// The sums of all buckets.
    pub totals: Totals,
    /// The rules that matched in the most events.
    pub rules: Vec<RuleCount>,
    /// The clients with the most events.
    pub clients: Vec<(IpAddr, u64)>,
    /// The paths with the most events, without their queries and cut to [`MAX_TALLIED_PATH`] bytes.
    pub paths: Vec<(String, u64)>,
    /// The sites, or other subjects, with the most events.
    pub sites: Vec<(String, u64)>,
    /// The gates and kinds with the most events.
    pub kinds: Vec<((String, String), u64)>,
    /// The most frequent facts of events other than requests: name and value, joined by `=`.
    pub facts: Vec<(String, u64)>,
    /// Set if counting stopped before all events were examined: the counts cover events of this time and later. None:
    /// all events are counted.
    pub counted_to: Option<Timestamp>,
}

/// The counts of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Start of the bucket.
    pub time: Timestamp,
    /// Number of requests, including those without an event; none if unknown.
    pub requests: Option<u64>,
    /// Number of events.
    pub events: u64,
    /// Number of events with the action `blocked`.
    pub blocked: u64,
    /// Number of events with the action `detected`.
    pub detected: u64,
    /// Number of events with the action `blocked` or `detected` whose response had a status below 400.
    pub attacks_answered_below_400: u64,
}

/// The sums of all buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The sum of [`Bucket::requests`] over the buckets where it is known.
    pub requests: Option<u64>,
    /// Number of events.
    pub events: u64,
    /// Number of events with the action `blocked`.
    pub blocked: u64,
    /// Number of events with the action `detected`.
    pub detected: u64,
    /// Number of events with the action `blocked` or `detected` whose response had a status below 400.
    pub attacks_answered_below_400: u64,
}

/// A rule and the number of events in which it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Identifier of the rule.
    pub id: u64,
    /// One of the rule's messages, cut to [`MAX_RULE_MESSAGE`] bytes; empty if it has none.
    pub message: String,
    /// Number of events.
    pub count: u64,
}

/// Returns the hour of a time, in hours since 1970.
pub(crate) fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(HOUR)
}

/// Returns whether the rules found an attack and the client still got a response with a status below 400.
pub(crate) fn is_answered_attack(event: &Event) -> bool {
    let attack = matches!(event.outcome, Outcome::Blocked | Outcome::Detected);
    let response = event.request().and_then(|request| request.response.as_ref());
    attack && response.is_some_and(|response| response.status < 400)
}

/// Returns the rules that matched, each once.
pub(crate) fn rules_of(event: &Event) -> Vec<u64> {
    let rules = event.request().map(|request| &request.rules[..]).unwrap_or_default();
    let mut ids: Vec<u64> = rules.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Returns the path in the form in which it is counted.
pub(crate) fn path_of(event: &Event) -> Option<Cow<'_, str>> {
    let path = event.request()?.path();
    let path = &path[..path.len().min(MAX_TALLIED_PATH)];
    Some(match str::from_utf8(path) {
        Ok(path) => path.into(),
        Err(_) => cut(ByteString::from(path).to_string(), MAX_TALLIED_PATH).into(),
    })
}

/// Returns the facts of an event in the form in which they are counted; none for a request, which has counters of its
/// own.
pub(crate) fn facts_of(event: &Event) -> Vec<String> {
    if event.request().is_some() {
        return Vec::new();
    }
    let mut facts: Vec<String> = event
        .all_facts()
        .into_iter()
        .filter(|fact| fact.name != "category")
        .take(TALLIED_FACTS)
        .map(|fact| cut(format!("{}={}", fact.name, fact.value), MAX_TALLIED_PATH))
        .collect();
    facts.dedup();
    facts
}

/// Returns a rule's message, cut for display.
pub(crate) fn message_of(message: &ByteString) -> String {
    cut(message.to_string(), MAX_RULE_MESSAGE)
}

/// Cuts a text to at most `bytes` bytes.
pub(crate) fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// Returns the `top` largest counts, the largest first; among equal counts the lower key comes first.
pub fn largest<K: Ord>(counts: impl IntoIterator<Item = (K, u64)>, top: usize) -> Vec<(K, u64)> {
    let mut counts: Vec<(K, u64)> = counts.into_iter().collect();
    let order = |a: &(K, u64), b: &(K, u64)| (b.1, &a.0).cmp(&(a.1, &b.0));
    if counts.len() > top && top > 0 {
        counts.select_nth_unstable_by(top - 1, order);
    }
    counts.truncate(top);
    counts.sort_unstable_by(order);
    counts
}

/// Counts one event after another. Its memory grows with the number of different clients, paths, sites and rules.
#[derive(Debug)]
pub struct Tally {
    /// Start of the first bucket, in microseconds since 1970.
    first: i64,
    /// Width of a bucket in microseconds.
    width: i64,
    top: usize,
    series: Vec<Bucket>,
    rules: HashMap<u64, (u64, String)>,
    clients: HashMap<IpAddr, u64>,
    paths: HashMap<String, u64>,
    sites: BTreeMap<String, u64>,
    kinds: HashMap<(String, String), u64>,
    facts: HashMap<String, u64>,
}

impl Tally {
    /// Returns a tally without any counts.
    pub fn new(query: &OverviewQuery) -> Self {
        let (first, end) = query.span();
        let width = query.step.width();
        let bucket = |time| Bucket {
            time: Timestamp::from_micros(time),
            requests: None,
            events: 0,
            blocked: 0,
            detected: 0,
            attacks_answered_below_400: 0,
        };
        let times =
            std::iter::successors(Some(first), |time| Some(time + width)).take_while(|time| *time < end);
        Self {
            first,
            width,
            top: query.top(),
            series: times.map(bucket).collect(),
            rules: HashMap::new(),
            clients: HashMap::new(),
            paths: HashMap::new(),
            sites: BTreeMap::new(),
            kinds: HashMap::new(),
            facts: HashMap::new(),
        }
    }

    fn bucket(&mut self, time: Timestamp) -> Option<&mut Bucket> {
        let after = time.as_micros() - self.first;
        self.series.get_mut(usize::try_from(after.div_euclid(self.width)).ok()?)
    }

    /// Counts an event that passes the query's filter; ignores one outside the query's span.
    pub fn add(&mut self, event: &Event) {
        if !self.add_events(event.time, event.outcome.as_str(), 1) {
            return;
        }
        self.add_answered_attacks(event.time, u64::from(is_answered_attack(event)));
        for id in rules_of(event) {
            self.rules.entry(id).or_default().0 += 1;
        }
        for rule in event.request().map(|request| &request.rules[..]).unwrap_or_default() {
            if let Some((_, message)) = self.rules.get_mut(&rule.id)
                && message.is_empty()
            {
                *message = message_of(&rule.message);
            }
        }
        if let Some(address) = event.address() {
            *self.clients.entry(address.to_canonical()).or_default() += 1;
        }
        if let Some(path) = path_of(event) {
            *self.paths.entry(path.into_owned()).or_default() += 1;
        }
        if let Some(site) = &event.subject {
            *self.sites.entry(site.clone()).or_default() += 1;
        }
        let kind = (event.gate.as_str().to_owned(), event.kind.as_str().to_owned());
        *self.kinds.entry(kind).or_default() += 1;
        for fact in facts_of(event) {
            *self.facts.entry(fact).or_default() += 1;
        }
    }

    /// Adds to the series and the totals only. Returns whether the time lies in the query's span.
    pub(crate) fn add_events(&mut self, time: Timestamp, action: &str, count: u64) -> bool {
        let Some(bucket) = self.bucket(time) else { return false };
        bucket.events += count;
        match action {
            "blocked" => bucket.blocked += count,
            "detected" => bucket.detected += count,
            _ => {}
        }
        true
    }

    pub(crate) fn add_answered_attacks(&mut self, time: Timestamp, count: u64) {
        if let Some(bucket) = self.bucket(time) {
            bucket.attacks_answered_below_400 += count;
        }
    }

    pub(crate) fn add_site(&mut self, site: &str, count: u64) {
        *self.sites.entry(site.to_owned()).or_default() += count;
    }

    /// Adds requests to the bucket of this time.
    pub fn add_requests(&mut self, time: Timestamp, count: u64) {
        if let Some(bucket) = self.bucket(time) {
            *bucket.requests.get_or_insert(0) += count;
        }
    }

    /// Returns the counts.
    pub fn finish(self) -> Overview {
        let sum = |of: fn(&Bucket) -> u64| self.series.iter().map(of).sum();
        let known = self.series.iter().filter_map(|bucket| bucket.requests);
        let totals = Totals {
            requests: known.fold(None, |sum, requests| Some(sum.unwrap_or(0) + requests)),
            events: sum(|bucket| bucket.events),
            blocked: sum(|bucket| bucket.blocked),
            detected: sum(|bucket| bucket.detected),
            attacks_answered_below_400: sum(|bucket| bucket.attacks_answered_below_400),
        };
        let mut messages: HashMap<u64, String> = HashMap::new();
        let counts = self.rules.into_iter().map(|(id, (count, message))| {
            messages.insert(id, message);
            (id, count)
        });
        let rules = largest(counts, self.top)
            .into_iter()
            .map(|(id, count)| RuleCount { id, message: messages.remove(&id).unwrap_or_default(), count })
            .collect();
        Overview {
            series: self.series,
            totals,
            rules,
            clients: largest(self.clients, self.top),
            paths: largest(self.paths, self.top),
            sites: largest(self.sites, self.top),
            kinds: largest(self.kinds, self.top),
            facts: largest(self.facts, self.top),
            counted_to: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn query(since: i64, until: i64, step: Step) -> OverviewQuery {
        OverviewQuery {
            filter: Filter::default(),
            since: Timestamp::from_micros(since),
            until: Timestamp::from_micros(until),
            step,
            offset: 0,
            top: 2,
        }
    }

    #[test]
    fn spans_are_widened_to_whole_steps() {
        for (since, until, step, hours, buckets) in [
            (0, 0, Step::Hour, (0, 0), 0),
            (0, 1, Step::Hour, (0, 1), 1),
            (HOUR - 1, HOUR, Step::Hour, (0, 1), 1),
            (HOUR - 1, HOUR + 1, Step::Hour, (0, 2), 2),
            (HOUR, HOUR * 25, Step::Day, (0, 48), 2),
            (HOUR / 60 - 1, 2 * HOUR + 1, Step::Minute, (0, 2), 121),
            (5 * HOUR, HOUR, Step::Hour, (1, 1), 0),
            (0, (MAX_BUCKETS + 5) * HOUR, Step::Hour, (5, MAX_BUCKETS + 5), MAX_BUCKETS as u64 + 5),
        ] {
            let query = query(since, until, step);
            assert_eq!((query.hours(), query.buckets()), (hours, buckets), "{query:?}");
        }
    }

    #[test]
    fn days_begin_at_midnight_of_their_zone() {
        // times before 1970 do not exist
        let day = 100 * 24;
        for (since, until, step, offset, hours) in [
            (0, 1, Step::Day, 9, (-9, 15)),
            (15, 16, Step::Day, 9, (15, 39)),
            (14, 15, Step::Day, 9, (-9, 15)),
            (4, 6, Step::Day, -5, (-19, 29)),
            (5, 29, Step::Day, -5, (5, 29)),
            (0, 1, Step::Day, -12, (-12, 12)),
            (0, 1, Step::Hour, 9, (0, 1)),
        ] {
            let query = OverviewQuery { offset, ..query((day + since) * HOUR, (day + until) * HOUR, step) };
            assert_eq!(query.hours(), (day + hours.0, day + hours.1), "{query:?}");
            let starts = Tally::new(&query).finish().series.first().map(|bucket| bucket.time.as_micros());
            assert_eq!(starts, Some((day + hours.0) * HOUR), "{query:?}");
        }
    }

    #[test]
    fn counts_and_names_the_most_frequent() {
        let epoch = samples::EPOCH;
        let mut tally = Tally::new(&query(epoch, epoch + 2 * HOUR, Step::Hour));
        for number in 0..10 {
            tally.add(&samples::event(number));
        }
        tally.add(&samples::event(1_000_000)); // far beyond the span
        tally.add_requests(Timestamp::from_micros(epoch + HOUR), 7);
        let overview = tally.finish();
        assert_eq!(overview.series.len(), 3);
        let mut by_minute = Tally::new(&query(epoch, epoch + 60_000_000, Step::Minute));
        (0..60).for_each(|number| by_minute.add(&samples::event(number)));
        // the first minute began 46 seconds earlier
        assert_eq!(
            by_minute.finish().series.iter().map(|bucket| bucket.events).collect::<Vec<_>>(),
            [14, 46]
        );
        assert_eq!(overview.series[0].time.to_string(), "2026-11-23T09:00:00.000000Z");
        assert_eq!((overview.series[0].events, overview.series[0].requests), (10, None));
        assert_eq!(overview.series[1].requests, Some(7));
        let expected =
            Totals { requests: Some(7), events: 10, blocked: 3, detected: 2, attacks_answered_below_400: 0 };
        assert_eq!(overview.totals, expected);
        let ids: Vec<_> = overview.rules.iter().map(|rule| (rule.id, rule.count)).collect();
        assert_eq!(ids, [(941_100, 4), (941_101, 3)]);
        assert_eq!(overview.clients, [([203, 0, 113, 0].into(), 2), ([203, 0, 113, 1].into(), 2)]);
        assert_eq!(overview.paths, [("/page/0".to_owned(), 1), ("/page/1".to_owned(), 1)]);
        assert_eq!(overview.sites, [("blog".to_owned(), 5), ("shop".to_owned(), 5)]);
    }

    #[test]
    fn what_a_client_chose_is_cut() {
        let mut event = samples::event(0);
        #[allow(irrefutable_let_patterns, reason = "more kinds of evidence will come")]
        if let event::Evidence::Request(request) = &mut event.evidence {
            request.line = format!("GET /{}\u{e9} HTTP/1.1", "x".repeat(MAX_TALLIED_PATH - 2)).into();
        }
        let path = path_of(&event).unwrap();
        assert!(path.len() <= MAX_TALLIED_PATH && path.starts_with("/xx"), "{path}");
        assert_eq!(message_of(&"m".repeat(1000).as_str().into()).len(), MAX_RULE_MESSAGE);
    }
}
