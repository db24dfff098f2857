//! Counts of events over a span of time: what they are, in the plain definition that every store must agree with.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use event::{ByteString, Event, Outcome, Timestamp};

use crate::filter::Filter;
use crate::limits::{MAX_BUCKETS, MAX_RULE_MESSAGE, MAX_TALLIED_PATH, MAX_TOP, TALLIED_FACTS};

/// Microseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// The width of the buckets of an [`Overview`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Minutes of the clock. Only events are counted by them, not requests, and within the budget of a page.
    Minute,
    /// Hours of the clock.
    Hour,
    /// Days of UTC.
    Day,
}

impl Step {
    /// Microseconds of a bucket.
    pub(crate) fn width(self) -> i64 {
        match self {
            Self::Minute => HOUR / 60,
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
        }
    }
}

/// What to count.
#[derive(Clone, Debug, PartialEq)]
pub struct OverviewQuery {
    /// Which events.
    pub filter: Filter,
    /// From the bucket that holds this time.
    pub since: Timestamp,
    /// Up to the bucket that holds what is just before this time, with all of it.
    pub until: Timestamp,
    /// The buckets. There are at most [`MAX_BUCKETS`]; of a longer span only the last are counted.
    pub step: Step,
    /// How many rules, clients, paths and sites are named; at most [`MAX_TOP`], a larger number is cut to it.
    pub top: usize,
}

impl OverviewQuery {
    /// How many buckets `since` and `until` ask for.
    pub fn buckets(&self) -> u64 {
        let (first, end) = self.asked();
        (end - first).max(0).unsigned_abs()
    }

    /// The buckets asked for, as multiples of the step since 1970; the second is the first beyond.
    fn asked(&self) -> (i64, i64) {
        let width = self.step.width();
        let end = (self.until.as_micros() + width - 1).div_euclid(width);
        (self.since.as_micros().div_euclid(width), end)
    }

    /// The span that is counted, in microseconds since 1970; the second is the first beyond.
    pub(crate) fn span(&self) -> (i64, i64) {
        let (first, end) = self.asked();
        let first = first.max(end - MAX_BUCKETS);
        (first.min(end) * self.step.width(), end * self.step.width())
    }

    /// The span in hours since 1970, where the step is made of hours.
    pub(crate) fn hours(&self) -> (i64, i64) {
        let (first, end) = self.span();
        (first.div_euclid(HOUR), end.div_euclid(HOUR))
    }

    /// Its filter within the span that is counted.
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

/// Counts over a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// One for each step, the oldest first, without gaps.
    pub series: Vec<Bucket>,
    /// All together.
    pub totals: Totals,
    /// The rules that matched in most events.
    pub rules: Vec<RuleCount>,
    /// The clients of most events.
    pub clients: Vec<(IpAddr, u64)>,
    /// The paths of most events, without their queries and cut to [`MAX_TALLIED_PATH`] bytes.
    pub paths: Vec<(String, u64)>,
    /// The sites of most events, or what else they are about.
    pub sites: Vec<(String, u64)>,
    /// The gates and kinds of most events.
    pub kinds: Vec<((String, String), u64)>,
    /// The facts of most events other than requests: name and value, with `=` between.
    pub facts: Vec<(String, u64)>,
    /// Where the counting ended before all events were looked at: those of this time and later are counted. None: all are.
    pub counted_to: Option<Timestamp>,
}

/// The counts of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its beginning.
    pub time: Timestamp,
    /// Requests, with those of which there is no event; none where that is not known.
    pub requests: Option<u64>,
    /// Events.
    pub events: u64,
    /// Events of the action `blocked`.
    pub blocked: u64,
    /// Events of the action `detected`.
    pub detected: u64,
}

/// The counts of all steps together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// As [`Bucket::requests`]; of those steps where it is known.
    pub requests: Option<u64>,
    /// Events.
    pub events: u64,
    /// Events of the action `blocked`.
    pub blocked: u64,
    /// Events of the action `detected`.
    pub detected: u64,
    /// Events of the action `blocked` or `detected` whose answer had a status below 400.
    pub attacks_answered_below_400: u64,
}

/// A rule and in how many events it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Its id.
    pub id: u64,
    /// One of its messages, cut to [`MAX_RULE_MESSAGE`] bytes; empty where it has none.
    pub message: String,
    /// Events.
    pub count: u64,
}

/// The hour of a time, in hours since 1970.
pub(crate) fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(HOUR)
}

/// Whether the rules found an attack and the client got an answer of success all the same.
pub(crate) fn is_answered_attack(event: &Event) -> bool {
    let attack = matches!(event.outcome, Outcome::Blocked | Outcome::Detected);
    let response = event.request().and_then(|request| request.response.as_ref());
    attack && response.is_some_and(|response| response.status < 400)
}

/// The rules that matched, each once.
pub(crate) fn rules_of(event: &Event) -> Vec<u64> {
    let rules = event.request().map(|request| &request.rules[..]).unwrap_or_default();
    let mut ids: Vec<u64> = rules.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The path as it is counted.
pub(crate) fn path_of(event: &Event) -> Option<String> {
    let path = event.request()?.path();
    let path = ByteString::from(&path[..path.len().min(MAX_TALLIED_PATH)]).to_string();
    Some(cut(path, MAX_TALLIED_PATH))
}

/// Returns the facts of an event as they are counted; none of a request, which has counters of its own.
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

/// A rule's message as it is shown.
pub(crate) fn message_of(message: &ByteString) -> String {
    cut(message.to_string(), MAX_RULE_MESSAGE)
}

/// At most so many bytes of a text.
pub(crate) fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// Returns the `top` largest counts, the largest first; of equal ones the lower key first.
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

/// Counts one event after another. What it holds grows with the different clients, paths, sites and rules.
#[derive(Debug)]
pub struct Tally {
    /// In microseconds since 1970.
    first: i64,
    /// Microseconds of a bucket.
    width: i64,
    top: usize,
    series: Vec<Bucket>,
    answered_attacks: u64,
    rules: HashMap<u64, (u64, String)>,
    clients: HashMap<IpAddr, u64>,
    paths: HashMap<String, u64>,
    sites: BTreeMap<String, u64>,
    kinds: HashMap<(String, String), u64>,
    facts: HashMap<String, u64>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(query: &OverviewQuery) -> Self {
        let (first, end) = query.span();
        let width = query.step.width();
        let bucket = |time| Bucket {
            time: Timestamp::from_micros(time),
            requests: None,
            events: 0,
            blocked: 0,
            detected: 0,
        };
        Self {
            first,
            width,
            top: query.top(),
            series: (first..end).step_by(width as usize).map(bucket).collect(),
            answered_attacks: 0,
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

    /// Counts an event that passes the query's filter; one of another time is left out.
    pub fn add(&mut self, event: &Event) {
        if !self.add_events(event.time, event.outcome.as_str(), 1) {
            return;
        }
        self.answered_attacks += u64::from(is_answered_attack(event));
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
            *self.paths.entry(path).or_default() += 1;
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

    /// Counts events of a bucket in the series and the totals alone. Returns whether the time is in the query's span.
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

    pub(crate) fn add_answered_attacks(&mut self, count: u64) {
        self.answered_attacks += count;
    }

    pub(crate) fn add_site(&mut self, site: &str, count: u64) {
        *self.sites.entry(site.to_owned()).or_default() += count;
    }

    /// Counts requests.
    pub fn add_requests(&mut self, time: Timestamp, count: u64) {
        if let Some(bucket) = self.bucket(time) {
            *bucket.requests.get_or_insert(0) += count;
        }
    }

    /// The counts.
    pub fn finish(self) -> Overview {
        let sum = |of: fn(&Bucket) -> u64| self.series.iter().map(of).sum();
        let known = self.series.iter().filter_map(|bucket| bucket.requests);
        let totals = Totals {
            requests: known.fold(None, |sum, requests| Some(sum.unwrap_or(0) + requests)),
            events: sum(|bucket| bucket.events),
            blocked: sum(|bucket| bucket.blocked),
            detected: sum(|bucket| bucket.detected),
            attacks_answered_below_400: self.answered_attacks,
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
    fn counts_and_names_the_most_frequent() {
        let epoch = samples::EPOCH;
        let mut tally = Tally::new(&query(epoch, epoch + 2 * HOUR, Step::Hour));
        for number in 0..10 {
            tally.add(&samples::event(number));
        }
        tally.add(&samples::event(1_000_000)); // far beyond
        tally.add_requests(Timestamp::from_micros(epoch + HOUR), 7);
        let overview = tally.finish();
        assert_eq!(overview.series.len(), 3);
        let mut by_minute = Tally::new(&query(epoch, epoch + 60_000_000, Step::Minute));
        (0..60).for_each(|number| by_minute.add(&samples::event(number)));
        // the first minute began 46 seconds before
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
