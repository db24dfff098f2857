//! Incidents: events that belong together, so that a scan of 10,000 requests is one line.
//!
//! The rules, in one place:
//!
//! - **Kind** ([`kind`]): the category of a request ([`event::RequestEvidence::category`]: `attack-xss`, `scanner`, `protocol`,
//!   `other`); the kind of another event (`login.denied`) that was blocked, detected, denied or refused, or that failed. Events
//!   without such a kind and events without an address belong to no incident.
//! - **Grouping**: events of one client and one kind belong together while less than [`GAP`] lies between one and the next.
//!   It does not matter in which order they come.
//! - **Target**: the site (where there is none: the host asked for, else the node) and the first segment of the path, as
//!   far as all events of the incident have the same.
//! - **Course** ([`Course`]): how many events fell into each of up to 32 equal stretches of time.
//! - An incident goes when retention has taken the last of its events.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use event::{ByteString, Event, Outcome, Timestamp};

use crate::limits::{INCIDENT_RULES, MAX_TARGET};
use crate::overview::{cut, largest, rules_of};

/// So much time without an event ends an incident: microseconds.
pub const GAP: i64 = 30 * 60 * 1_000_000;

/// Numbers of a course.
pub const COURSE: usize = 32;

/// Events that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its number in the store; 0 where it has none yet. It stays while events are added.
    pub id: i64,
    /// Who.
    pub client: IpAddr,
    /// What: see the module.
    pub kind: String,
    /// The site that all events have; none where they have several.
    pub site: Option<String>,
    /// The first segment of the path that all events have, with its slash; none where they have several.
    pub path: Option<String>,
    /// Time of the first event.
    pub first: Timestamp,
    /// Time of the last event.
    pub last: Timestamp,
    /// How many.
    pub events: u64,
    /// How many of them were blocked.
    pub blocked: u64,
    /// The highest anomaly score of a request.
    pub highest_score: i64,
    /// In how many events each rule matched; of the first [`INCIDENT_RULES`] different rules.
    pub rules: BTreeMap<u64, u64>,
    /// How many events at which time.
    pub course: Course,
}

/// Which incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Those whose last event is of this time or later.
    pub since: Option<Timestamp>,
    /// Those whose last event is before this time.
    pub until: Option<Timestamp>,
    /// Those after this one: `next` of the page before.
    pub before: Option<(Timestamp, i64)>,
    /// How many; at most [`crate::limits::MAX_INCIDENTS`], a larger number is cut to it.
    pub limit: usize,
}

/// Some incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentPage {
    /// The one with the newest event first.
    pub incidents: Vec<Incident>,
    /// Where the next page begins: time of the last event and number; none at the end.
    pub next: Option<(Timestamp, i64)>,
    /// Whether all events are grouped; after an update from a version that did not group them it takes a while.
    pub complete: bool,
}

impl Incident {
    /// The incident of one event; none where it belongs to none.
    pub fn of(event: &Event) -> Option<Self> {
        let client = event.address()?.to_canonical();
        let request = event.request();
        let site = event.subject.clone().or_else(|| {
            let host = request.and_then(|request| request.host())?;
            Some(ByteString::from(host).to_string().to_ascii_lowercase())
        });
        Some(Self {
            id: 0,
            client,
            kind: kind(event)?,
            site: Some(cut(site.unwrap_or_else(|| event.node.clone()), MAX_TARGET)),
            path: Some(request.map_or_else(String::new, |request| segment(request.path()))),
            first: event.time,
            last: event.time,
            events: 1,
            blocked: u64::from(event.outcome == Outcome::Blocked),
            highest_score: request.map_or(0, |request| request.scores.inbound),
            rules: rules_of(event).into_iter().take(INCIDENT_RULES).map(|id| (id, 1)).collect(),
            course: Course::of(event.time),
        })
    }

    /// Whether the two belong together, if client and kind are the same.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        self.first.as_micros() - other.last.as_micros() < GAP
            && other.first.as_micros() - self.last.as_micros() < GAP
    }

    /// Takes in the events of the other one.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.events += other.events;
        self.blocked += other.blocked;
        self.highest_score = self.highest_score.max(other.highest_score);
        if self.site != other.site {
            self.site = None;
        }
        if self.site.is_none() || self.path != other.path {
            self.path = None;
        }
        for (id, count) in &other.rules {
            if self.rules.len() < INCIDENT_RULES || self.rules.contains_key(id) {
                *self.rules.entry(*id).or_default() += count;
            }
        }
        self.course.merge(&other.course);
    }

    /// The rules that matched in most events.
    pub fn top_rules(&self, top: usize) -> Vec<(u64, u64)> {
        largest(self.rules.iter().map(|(id, count)| (*id, *count)), top)
    }
}

/// Returns the kind of the incident that an event belongs to: see the module.
pub fn kind(event: &Event) -> Option<String> {
    use Outcome::{Blocked, Denied, Detected, Failed, Refused};
    match event.request() {
        Some(request) => request.category(event.outcome).map(str::to_owned),
        None => matches!(event.outcome, Blocked | Detected | Denied | Refused | Failed)
            .then(|| event.kind.to_string()),
    }
}

/// `/shop` of `/shop/basket`.
fn segment(path: &[u8]) -> String {
    let slash = usize::from(path.starts_with(b"/"));
    let end = path[slash..].iter().position(|byte| *byte == b'/').map_or(path.len(), |end| slash + end);
    cut(ByteString::from(&path[..end.min(MAX_TARGET)]).to_string(), MAX_TARGET)
}

/// Groups events: the plain definition of incidents, in the order of client, kind and time.
pub fn group<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Incident> {
    let mut single: HashMap<(IpAddr, String), Vec<Incident>> = HashMap::new();
    for incident in events.into_iter().filter_map(Incident::of) {
        single.entry((incident.client, incident.kind.clone())).or_default().push(incident);
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
    grouped.sort_by(|a, b| (a.client, &a.kind, a.first).cmp(&(b.client, &b.kind, b.first)));
    grouped
}

/// How many events fell into each of up to [`COURSE`] equal stretches of time, the oldest first. A stretch is a power of two
/// of seconds, the shortest with which they are enough, and begins at a multiple of it since 1970; so it does not matter in
/// which order events come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// A stretch is `1 << shift` seconds.
    shift: u32,
    /// The first stretch, in stretches since 1970.
    first: i64,
    counts: Vec<u64>,
}

impl Course {
    fn of(time: Timestamp) -> Self {
        Self { shift: 0, first: time.as_micros().div_euclid(1_000_000), counts: vec![1] }
    }

    /// When the first stretch begins.
    pub fn start(&self) -> Timestamp {
        Timestamp::from_micros((self.first << self.shift) * 1_000_000)
    }

    /// Seconds of a stretch.
    pub fn step_seconds(&self) -> u64 {
        1 << self.shift
    }

    /// The counts.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn last(&self) -> i64 {
        self.first + self.counts.len() as i64 - 1
    }

    fn coarsen(&mut self, shift: u32) {
        while self.shift < shift {
            let first = self.first >> 1;
            let mut counts = vec![0; ((self.last() >> 1) - first + 1) as usize];
            for (number, count) in (self.first..).zip(&self.counts) {
                counts[((number >> 1) - first) as usize] += count;
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
            if last - first < COURSE as i64 {
                break (first, last);
            }
            shift += 1;
        };
        let mut counts = vec![0; (last - first + 1) as usize];
        for course in [&*self, &other] {
            for (number, count) in (course.first..).zip(&course.counts) {
                counts[(number - first) as usize] += count;
            }
        }
        *self = Self { shift, first, counts };
    }

    /// As bytes, for a store.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.shift as u8];
        bytes.extend(self.first.to_be_bytes());
        bytes.extend(self.counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes
    }

    /// Reads the bytes; none where they are no course.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (shift, rest) = bytes.split_first()?;
        let (first, counts) = rest.split_first_chunk()?;
        let counts: Vec<u64> =
            counts.chunks_exact(8).map(|count| count.iter().fold(0, |n, b| n << 8 | u64::from(*b))).collect();
        let plausible = (1..=COURSE).contains(&counts.len()) && *shift < 40;
        plausible.then(|| Self { shift: u32::from(*shift), first: i64::from_be_bytes(*first), counts })
    }
}

#[cfg(test)]
mod tests {
    use event::{Actor, MatchedRule, RequestEvidence};

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
            actor: Some(Actor::at([192, 0, 2, 1].into(), None)),
            ..Event::of_request(event::EventId::derived(time, "n", path), time, "n", action, evidence)
        }
    }

    #[test]
    fn kinds() {
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
            assert_eq!(kind(&event(0, "/", action, tags)).as_deref(), expected, "{tags:?}");
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
                actor: Some(Actor::at([192, 0, 2, 1].into(), None)),
                ..Event::new(id, time, "n", event::Gate::new("login").unwrap(), kind, outcome)
            }
        };
        let events = [login(0, Outcome::Denied), login(60, Outcome::Denied), login(61, Outcome::Accepted)];
        let found = group(&events);
        let [incident] = &found[..] else { panic!("{found:?}") };
        assert_eq!((incident.kind.as_str(), incident.events), ("login.denied", 2));
        assert_eq!(incident.site.as_deref(), Some("sshd"));
    }

    #[test]
    fn a_scan_is_one_incident_and_a_pause_begins_another() {
        let xss: &[&[&str]] = &[&["attack-xss"]];
        let mut events: Vec<Event> =
            (0..10_000).map(|n| event(n, &format!("/shop/{n}"), Outcome::Blocked, xss)).collect();
        events.push(event(9_999 + 1799, "/shop", Outcome::Passed, xss));
        events.push(event(9_999 + 1799 + 1800, "/a/b", Outcome::Passed, xss));
        events.push(event(9_999 + 1799 + 1801, "/c/d", Outcome::Passed, xss));
        events.push(event(5, "/shop", Outcome::Blocked, &[&["attack-sqli"]]));
        events.push(event(5, "/shop", Outcome::Passed, &[]));
        let found = group(&events);
        let [sqli, scan, later] = &found[..] else { panic!("{found:?}") };
        assert_eq!((sqli.kind.as_str(), sqli.events), ("attack-sqli", 1));
        assert_eq!((scan.events, scan.blocked), (10_001, 10_000));
        assert_eq!((scan.site.as_deref(), scan.path.as_deref()), (Some("shop"), Some("/shop")));
        assert_eq!((later.site.as_deref(), later.path.as_deref()), (Some("shop"), None));
        // 11,799 seconds are 24 stretches of 512 seconds
        assert_eq!((scan.course.step_seconds(), scan.course.counts().iter().sum::<u64>()), (512, 10_001));
        assert!(scan.course.start() <= scan.first && scan.course.counts().len() <= COURSE);
        assert_eq!(scan.top_rules(1), [(1, 10_001)]);
        // In whatever order.
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
