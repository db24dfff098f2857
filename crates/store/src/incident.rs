//! Incidents: groups of related events, so that a scan of 10,000 requests is one line.
//!
//! - **Actor** ([`Actor`]): the address (the /64 of an IPv6 address), else the user, the device or the certificate,
//!   else the subject. An event without any of these belongs to no incident.
//! - **Category** ([`event::Event::category`]): an event without a category belongs to no incident. An incident may
//!   have several.
//! - **Grouping**: events of one actor belong together while less than [`GAP`] lies between one and the next. Their
//!   order does not matter.
//! - **Target**: the subject (without one, the host of the request or the node) and the first segment of the path, if
//!   all events of the incident share them.
//! - **Course** ([`Course`]): the number of events in each of up to 32 equal time intervals.
//! - **Retention**: the store deletes an incident when retention has deleted the last of its events.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use event::{ByteString, Event, Outcome, Timestamp};

use crate::limits::{INCIDENT_CATEGORIES, INCIDENT_RULES, MAX_TARGET};
use crate::overview::{cut, largest, rules_of};

/// Microseconds without an event after which an incident ends.
pub const GAP: i64 = 30 * 60 * 1_000_000;

/// Number of counts in a course.
pub const COURSE: usize = 32;

/// The actor of an incident, as a condition of a filter: `client`, `203.0.113.7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// The property: `client`, `user`, `device`, `certificate` or `subject`.
    pub property: String,
    /// Its value; of an IPv6 address the network, such as `2001:db8:0:1::/64`.
    pub value: String,
}

impl Actor {
    /// Returns the actor of an event.
    pub fn of(event: &Event) -> Option<Self> {
        if let Some(address) = event.address() {
            return Some(Self::at(address));
        }
        let actor = event.actor.clone().unwrap_or_default();
        [
            ("user", actor.user),
            ("device", actor.device),
            ("certificate", actor.certificate),
            ("subject", event.subject.clone()),
        ]
        .into_iter()
        .find_map(|(property, value)| Some(Self { property: property.to_owned(), value: value? }))
    }

    /// Returns the actor of an address: the address itself, or the /64 of an IPv6 address.
    pub(crate) fn at(address: IpAddr) -> Self {
        let value = match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        };
        Self { property: "client".to_owned(), value }
    }
}

/// A group of related events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Identifier in the store; 0 before it is stored. It stays the same when events are added.
    pub id: i64,
    /// The actor.
    pub actor: Actor,
    /// Number of events in each category, for the first [`INCIDENT_CATEGORIES`] categories.
    pub categories: BTreeMap<String, u64>,
    /// The subject that all events share; none if they have several.
    pub subject: Option<String>,
    /// The first segment of the path that all events share, with its slash; none if they have several.
    pub path: Option<String>,
    /// Time of the first event.
    pub first: Timestamp,
    /// Time of the last event.
    pub last: Timestamp,
    /// Number of events.
    pub events: u64,
    /// Number of events that went no further: blocked, refused or denied.
    pub stopped: u64,
    /// The highest anomaly score of a request.
    pub highest_score: i64,
    /// Number of events in which each rule matched, for the first [`INCIDENT_RULES`] different rules.
    pub rules: BTreeMap<u64, u64>,
    /// Number of events over time.
    pub course: Course,
}

/// A search for incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Finds incidents whose last event is at this time or later.
    pub since: Option<Timestamp>,
    /// Finds incidents whose last event is before this time.
    pub until: Option<Timestamp>,
    /// Returns only incidents after this one: `next` of the previous page.
    pub before: Option<(Timestamp, i64)>,
    /// Number of incidents; at most [`crate::limits::MAX_INCIDENTS`], and larger values are reduced to it.
    pub limit: usize,
}

/// One page of incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentPage {
    /// The incidents, the one with the newest event first.
    pub incidents: Vec<Incident>,
    /// The start of the next page: time of the last event and identifier; none at the end.
    pub next: Option<(Timestamp, i64)>,
}

impl Incident {
    /// Returns the incident of one event; none if the event belongs to no incident.
    pub fn of(event: &Event) -> Option<Self> {
        let category = event.category()?;
        let request = event.request();
        let subject = event.subject.clone().or_else(|| {
            let host = request.and_then(|request| request.host())?;
            Some(ByteString::from(host).to_string().to_ascii_lowercase())
        });
        Some(Self {
            id: 0,
            actor: Actor::of(event)?,
            categories: BTreeMap::from([(category.to_owned(), 1)]),
            subject: Some(cut(subject.unwrap_or_else(|| event.node.clone()), MAX_TARGET)),
            path: Some(request.map_or_else(String::new, |request| segment(request.path()))),
            first: event.time,
            last: event.time,
            events: 1,
            stopped: u64::from(matches!(
                event.outcome,
                Outcome::Blocked | Outcome::Refused | Outcome::Denied
            )),
            highest_score: request.map_or(0, |request| request.scores.inbound),
            rules: rules_of(event).into_iter().take(INCIDENT_RULES).map(|id| (id, 1)).collect(),
            course: Course::of(event.time),
        })
    }

    /// Returns whether two incidents of the same actor belong together.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        self.first.as_micros() - other.last.as_micros() < GAP
            && other.first.as_micros() - self.last.as_micros() < GAP
    }

    /// Adds the events of another incident.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.events += other.events;
        self.stopped += other.stopped;
        self.highest_score = self.highest_score.max(other.highest_score);
        if self.subject != other.subject {
            self.subject = None;
        }
        if self.subject.is_none() || self.path != other.path {
            self.path = None;
        }
        add(&mut self.rules, &other.rules, INCIDENT_RULES);
        add(&mut self.categories, &other.categories, INCIDENT_CATEGORIES);
        self.course.merge(&other.course);
    }

    /// Returns the rules that matched in the most events.
    pub fn top_rules(&self, top: usize) -> Vec<(u64, u64)> {
        largest(self.rules.iter().map(|(id, count)| (*id, *count)), top)
    }
}

/// Adds counts, for at most `most` keys; further keys are left out.
fn add<K: Ord + Clone>(all: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>, most: usize) {
    for (key, count) in more {
        if all.len() < most || all.contains_key(key) {
            *all.entry(key.clone()).or_default() += count;
        }
    }
}

/// Returns the first segment of a path: `/shop` of `/shop/basket`.
fn segment(path: &[u8]) -> String {
    let slash = usize::from(path.starts_with(b"/"));
    let end = path[slash..].iter().position(|byte| *byte == b'/').map_or(path.len(), |end| slash + end);
    cut(ByteString::from(&path[..end.min(MAX_TARGET)]).to_string(), MAX_TARGET)
}

/// Groups events into incidents, in the order of actor and time: the reference definition.
pub fn group<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Incident> {
    let mut single: HashMap<Actor, Vec<Incident>> = HashMap::new();
    for incident in events.into_iter().filter_map(Incident::of) {
        single.entry(incident.actor.clone()).or_default().push(incident);
    }
    let mut grouped: Vec<Incident> = Vec::new();
    for (_, mut incidents) in single {
        incidents.sort_by_key(|incident| incident.first);
        let before = grouped.len();
        for incident in incidents {
            match grouped[before..].last_mut() {
                Some(last) if last.touches(&incident) => last.merge(&incident),
                _ => grouped.push(incident),
            }
        }
    }
    grouped.sort_by(|a, b| (&a.actor, a.first).cmp(&(&b.actor, b.first)));
    grouped
}

/// The number of events in each of up to [`COURSE`] equal time intervals, the oldest first. An interval lasts a power
/// of two of seconds, the shortest that suffices, and starts at a multiple of its length since 1970; so the order in
/// which events are added does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// An interval lasts `1 << shift` seconds.
    shift: u32,
    /// The first interval, counted in intervals since 1970.
    first: i64,
    counts: Vec<u64>,
}

impl Course {
    fn of(time: Timestamp) -> Self {
        Self { shift: 0, first: time.as_micros().div_euclid(1_000_000), counts: vec![1] }
    }

    /// Returns the start of the first interval.
    pub fn start(&self) -> Timestamp {
        Timestamp::from_micros((self.first << self.shift) * 1_000_000)
    }

    /// Returns the length of an interval in seconds.
    pub fn step_seconds(&self) -> u64 {
        1 << self.shift
    }

    /// Returns the counts.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn last(&self) -> i64 {
        self.first + i64::try_from(self.counts.len()).unwrap_or(i64::MAX) - 1
    }

    fn coarsen(&mut self, shift: u32) {
        while self.shift < shift {
            let first = self.first >> 1;
            let mut counts = vec![0; index((self.last() >> 1) - first) + 1];
            for (number, count) in (self.first..).zip(&self.counts) {
                counts[index((number >> 1) - first)] += count;
            }
            *self = Self { shift: self.shift + 1, first, counts };
        }
    }

    fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        let mut shift = self.shift.max(other.shift);
        let (first, last) = loop {
            self.coarsen(shift);
            other.coarsen(shift);
            let (first, last) = (self.first.min(other.first), self.last().max(other.last()));
            if index(last - first) < COURSE {
                break (first, last);
            }
            shift += 1;
        };
        let mut counts = vec![0; index(last - first) + 1];
        for course in [&*self, &other] {
            for (number, count) in (course.first..).zip(&course.counts) {
                counts[index(number - first)] += count;
            }
        }
        *self = Self { shift, first, counts };
    }

    /// Encodes the course as bytes, for a store.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.shift).unwrap_or(u8::MAX)];
        bytes.extend(self.first.to_be_bytes());
        bytes.extend(self.counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes
    }

    /// Decodes the bytes; none if they are not a course.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (shift, rest) = bytes.split_first()?;
        let (first, counts) = rest.split_first_chunk()?;
        let counts: Vec<u64> =
            counts.chunks_exact(8).map(|count| count.iter().fold(0, |n, b| n << 8 | u64::from(*b))).collect();
        let plausible = (1..=COURSE).contains(&counts.len()) && *shift < 40;
        plausible.then(|| Self { shift: u32::from(*shift), first: i64::from_be_bytes(*first), counts })
    }
}

/// Returns the index of the interval that is `steps` intervals after the first one.
fn index(steps: i64) -> usize {
    usize::try_from(steps).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use event::{MatchedRule, RequestEvidence};

    use super::*;
    use crate::samples::EPOCH;

    fn event(second: i64, path: &str, action: Outcome, tags: &[&[&str]]) -> Event {
        let time = Timestamp::from_micros(EPOCH + second * 1_000_000);
        let rule = |tags: &&[&str]| MatchedRule {
            id: 1,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>().into(),
            ..Default::default()
        };
        let evidence = RequestEvidence {
            line: format!("GET {path} HTTP/1.1").into(),
            rules: tags.iter().map(rule).collect(),
            ..Default::default()
        };
        Event {
            subject: Some("shop".into()),
            actor: Some(event::Actor::at([192, 0, 2, 1].into(), None)),
            ..Event::of_request(event::EventId::derived(time, "n", path), time, "n", action, evidence)
        }
    }

    #[test]
    fn categories() {
        let (blocked, passed) = (Outcome::Blocked, Outcome::Passed);
        for (action, tags, expected) in [
            (blocked, &[&["OWASP_CRS", "attack-xss"][..], &["attack-generic"]][..], Some("attack-xss")),
            (blocked, &[&["attack-xss"], &["attack-sqli"], &["attack-sqli"]], Some("attack-sqli")),
            (blocked, &[&["attack-xss"], &["attack-sqli"]], Some("attack-sqli")),
            (passed, &[&["attack-protocol"], &["attack-protocol"], &["attack-lfi"]], Some("attack-lfi")),
            (passed, &[&["attack-protocol"], &["attack-generic"]], Some("protocol")),
            (passed, &[&["attack-generic"]], Some("attack-generic")),
            (blocked, &[&["attack-xss"], &["attack-reputation-scanner"]], Some("scanner")),
            (Outcome::Refused, &[], Some("protocol")),
            (blocked, &[], Some("other")),
            (passed, &[&["own"]], Some("other")),
            (passed, &[], None),
            (Outcome::Failed, &[], None),
        ] {
            assert_eq!(event(0, "/", action, tags).category(), expected, "{tags:?}");
        }
    }

    #[test]
    fn refused_logins_of_one_address_are_one_incident() {
        let login = |second: i64, outcome: Outcome| {
            let time = Timestamp::from_micros(EPOCH + second * 1_000_000);
            let id = event::EventId::derived(time, "n", "login");
            let kind = event::Kind::new(format!("login.{outcome}")).unwrap();
            Event {
                subject: Some("sshd".into()),
                actor: Some(event::Actor::at([192, 0, 2, 1].into(), None)),
                ..Event::new(id, time, "n", event::Gate::new("login").unwrap(), kind, outcome)
            }
        };
        let events = [login(0, Outcome::Denied), login(60, Outcome::Denied), login(61, Outcome::Accepted)];
        let found = group(&events);
        let [incident] = &found[..] else { panic!("{found:?}") };
        assert_eq!(incident.categories, BTreeMap::from([("login.denied".to_owned(), 2)]));
        assert_eq!((incident.events, incident.subject.as_deref()), (2, Some("sshd")));
    }

    #[test]
    fn an_actor_is_an_address_or_a_name_or_else_the_subject() {
        let actor =
            |address: Option<&str>, user: Option<&str>, device: Option<&str>, subject: Option<&str>| {
                let mut event = event(0, "/", Outcome::Blocked, &[]);
                event.actor = Some(event::Actor {
                    address: address.map(|address| address.parse().unwrap()),
                    user: user.map(str::to_owned),
                    device: device.map(str::to_owned),
                    ..Default::default()
                });
                event.subject = subject.map(str::to_owned);
                Incident::of(&event)
                    .map(|incident| format!("{}={}", incident.actor.property, incident.actor.value))
            };
        for (address, user, device, subject, expected) in [
            (Some("192.0.2.1"), Some("alice"), None, Some("shop"), Some("client=192.0.2.1")),
            (Some("2001:db8:0:1:f::7"), None, None, None, Some("client=2001:db8:0:1::/64")),
            (Some("::ffff:192.0.2.1"), None, None, None, Some("client=192.0.2.1")),
            (None, Some("alice"), Some("phone"), None, Some("user=alice")),
            (None, None, Some("phone"), Some("vpn"), Some("device=phone")),
            (None, None, None, Some("shop.example"), Some("subject=shop.example")),
            (None, None, None, None, None),
        ] {
            assert_eq!(actor(address, user, device, subject).as_deref(), expected);
        }
    }

    #[test]
    fn counts_of_categories_are_bounded() {
        let mut all = BTreeMap::from([("a".to_owned(), 1)]);
        add(&mut all, &BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1), ("c".to_owned(), 1)]), 2);
        assert_eq!(all, BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 1)]));
    }

    #[test]
    fn a_scan_is_one_incident_and_a_pause_begins_another() {
        let xss: &[&[&str]] = &[&["attack-xss"]];
        let mut events: Vec<Event> =
            (0..10_000).map(|n| event(n, &format!("/shop/{n}"), Outcome::Blocked, xss)).collect();
        events.push(event(9_999 + 1799, "/shop", Outcome::Passed, xss));
        events.push(event(9_999 + 1799 + 1800, "/a/b", Outcome::Passed, xss));
        events.push(event(9_999 + 1799 + 1801, "/c/d", Outcome::Passed, xss));
        events.push(event(5, "/shop", Outcome::Refused, &[&["attack-sqli"]]));
        events.push(event(5, "/shop", Outcome::Passed, &[]));
        let found = group(&events);
        let [scan, later] = &found[..] else { panic!("{found:?}") };
        assert_eq!((scan.events, scan.stopped), (10_002, 10_001));
        let categories = [("attack-sqli".to_owned(), 1), ("attack-xss".to_owned(), 10_001)];
        assert_eq!(scan.categories, BTreeMap::from(categories));
        assert_eq!((scan.subject.as_deref(), scan.path.as_deref()), (Some("shop"), Some("/shop")));
        assert_eq!((later.subject.as_deref(), later.path.as_deref()), (Some("shop"), None));
        // 11,799 seconds are 24 intervals of 512 seconds
        assert_eq!((scan.course.step_seconds(), scan.course.counts().iter().sum::<u64>()), (512, 10_002));
        assert!(scan.course.start() <= scan.first && scan.course.counts().len() <= COURSE);
        assert_eq!(scan.top_rules(1), [(1, 10_002)]);
        // The order of the events does not matter.
        events.reverse();
        assert_eq!(group(&events), found);
        for incident in &found {
            assert_eq!(Course::from_bytes(&incident.course.to_bytes()).as_ref(), Some(&incident.course));
        }
    }

    #[test]
    fn bytes_that_are_no_course_are_none() {
        for bytes in [&[][..], &[0], &[0; 9], &[40; 17], &[0; 9 + 33 * 8]] {
            assert_eq!(Course::from_bytes(bytes), None);
        }
    }

    #[test]
    fn first_segments() {
        for (path, expected) in [("/", "/"), ("/a", "/a"), ("/a/b", "/a"), ("*", "*"), ("", ""), ("a/b", "a")]
        {
            assert_eq!(segment(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(segment("x".repeat(1000).as_bytes()).len(), MAX_TARGET);
    }
}
