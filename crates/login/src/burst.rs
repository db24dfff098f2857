//! Bursts: failed tries of one source within a short time, counted by user.
//!
//! A burst ends after a quiet time, or when it has lasted for the longest time. Memory is bounded whatever comes, and no
//! try is lost from the counts: a source or user without room of its own is counted with all others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::Service;
use crate::limits::{MAX_BURST_NAMES_BYTES, MAX_BURST_USERS, MAX_BURSTS};

/// The source of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// A remote address.
    Address(IpAddr),
    /// No address: the console, or an ambiguous line.
    Nowhere,
    /// Addresses without room of their own.
    Others,
    /// A local user who writes forged lines, by uid.
    Forger(Option<u32>),
}

/// Failed tries of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// The program.
    pub service: Service,
    /// The source.
    pub from: From,
    /// Time of the first try.
    pub first: Timestamp,
    /// Time of the last try.
    pub last: Timestamp,
    /// Number of tries.
    pub tries: u64,
    /// Tries by user, without those of `other_users`.
    pub users: BTreeMap<String, u64>,
    /// Tries with names that are not in `users`.
    pub other_users: u64,
    /// The method of the first try, or the first forged line.
    pub example: Option<String>,
    /// The reason for not believing forged lines.
    pub doubt: Option<String>,
    /// Bursts that were added to this one; only for [`From::Others`].
    pub sources: u64,
    /// Whether its source was banned.
    #[serde(default)]
    pub banned: bool,
}

impl Burst {
    fn names_bytes(&self) -> usize {
        self.users.keys().map(String::len).sum()
    }

    fn add_user(&mut self, user: &str, tries: u64, room: &mut usize) {
        if let Some(count) = self.users.get_mut(user) {
            *count = count.saturating_add(tries);
        } else if self.users.len() < MAX_BURST_USERS && user.len() <= *room {
            *room -= user.len();
            self.users.insert(user.to_owned(), tries);
        } else {
            self.other_users = self.other_users.saturating_add(tries);
        }
    }
}

/// One failed try.
#[derive(Clone, Copy, Debug)]
pub struct Try<'a> {
    /// The program.
    pub service: Service,
    /// The source.
    pub from: From,
    /// Time.
    pub time: Timestamp,
    /// The name that was tried.
    pub user: &'a str,
    /// The method, or the forged line.
    pub example: Option<&'a str>,
    /// The reason for not believing a forged line.
    pub doubt: Option<&'a str>,
}

type Key = (Service, From);

/// The open bursts.
#[derive(Clone, Debug)]
pub struct Bursts {
    quiet: Duration,
    longest: Duration,
    open: BTreeMap<Key, Burst>,
    /// The open bursts by the time of their last try, without [`From::Others`].
    by_last: BTreeSet<(Timestamp, Key)>,
    /// Bytes that the names of further users may take.
    room: usize,
}

impl Bursts {
    /// Makes an empty table. A burst ends after `quiet` without a try, or after `longest`.
    pub fn new(quiet: Duration, longest: Duration) -> Self {
        Self { quiet, longest, open: BTreeMap::new(), by_last: BTreeSet::new(), room: MAX_BURST_NAMES_BYTES }
    }

    /// Restores open bursts.
    pub fn restore(&mut self, bursts: Vec<Burst>) {
        for burst in bursts.into_iter().take(MAX_BURSTS + Service::Logind as usize + 1) {
            let key = (burst.service, burst.from);
            self.room = self.room.saturating_sub(burst.names_bytes());
            if burst.from != From::Others {
                self.by_last.insert((burst.last, key));
            }
            self.open.insert(key, burst);
        }
    }

    /// Returns the open bursts.
    pub fn open(&self) -> impl Iterator<Item = &Burst> {
        self.open.values()
    }

    /// Counts a try and returns its burst.
    pub fn count(&mut self, tried: Try) -> &mut Burst {
        let key = (tried.service, tried.from);
        if !self.open.contains_key(&key) && self.by_last.len() >= MAX_BURSTS {
            self.evict();
        }
        self.add(key, tried)
    }

    fn add(&mut self, key: Key, tried: Try) -> &mut Burst {
        let Self { open, by_last, room, .. } = self;
        let burst = open.entry(key).or_insert_with(|| Burst {
            service: tried.service,
            from: tried.from,
            first: tried.time,
            last: tried.time,
            tries: 0,
            users: BTreeMap::new(),
            other_users: 0,
            example: tried.example.map(crate::claim::text),
            doubt: tried.doubt.map(crate::claim::text),
            sources: 0,
            banned: false,
        });
        by_last.remove(&(burst.last, key));
        burst.first = burst.first.min(tried.time);
        burst.last = burst.last.max(tried.time);
        by_last.insert((burst.last, key));
        burst.tries = burst.tries.saturating_add(1);
        burst.add_user(tried.user, 1, room);
        burst
    }

    /// Adds the burst that has been quiet for the longest time to that of all other sources.
    fn evict(&mut self) {
        let Some((_, key)) = self.by_last.pop_first() else { return };
        let Some(old) = self.open.remove(&key) else { return };
        self.room += old.names_bytes();
        let others = (key.0, From::Others);
        let burst = self.open.entry(others).or_insert_with(|| Burst {
            from: From::Others,
            tries: 0,
            users: BTreeMap::new(),
            other_users: 0,
            sources: 0,
            ..old.clone()
        });
        burst.first = burst.first.min(old.first);
        burst.last = burst.last.max(old.last);
        burst.tries = burst.tries.saturating_add(old.tries);
        burst.sources += 1;
        burst.other_users = burst.other_users.saturating_add(old.other_users);
        for (user, tries) in &old.users {
            burst.add_user(user, *tries, &mut self.room);
        }
    }

    /// Removes and returns the bursts that have ended at `now`.
    pub fn ended(&mut self, now: Timestamp) -> Vec<Burst> {
        let over = |since: Timestamp, time: Duration| {
            let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            since.as_micros().saturating_add(micros) <= now.as_micros()
        };
        let keys: Vec<Key> = self
            .open
            .iter()
            .filter(|(_, burst)| over(burst.last, self.quiet) || over(burst.first, self.longest))
            .map(|(key, _)| *key)
            .collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    fn remove(&mut self, key: Key) -> Option<Burst> {
        let burst = self.open.remove(&key)?;
        self.by_last.remove(&(burst.last, key));
        self.room = (self.room + burst.names_bytes()).min(MAX_BURST_NAMES_BYTES);
        Some(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    fn bursts() -> Bursts {
        Bursts::new(Duration::from_secs(60), Duration::from_secs(600))
    }

    fn tried(number: u32, user: &str, time: Timestamp) -> Try<'_> {
        let from = From::Address(IpAddr::from(number.to_be_bytes()));
        Try { service: Service::Sshd, from, time, user, example: Some("password"), doubt: None }
    }

    #[test]
    fn ten_thousand_tries_are_one_burst() {
        let mut bursts = bursts();
        for number in 0..10_000_i64 {
            bursts.count(tried(1, if number % 4 == 0 { "root" } else { "admin" }, at(number / 20)));
        }
        assert_eq!(bursts.ended(at(499 + 59)), []);
        let ended = bursts.ended(at(499 + 60));
        assert_eq!(ended.len(), 1);
        let users: Vec<_> = ended[0].users.iter().map(|(user, tries)| (&**user, *tries)).collect();
        assert_eq!((ended[0].tries, users), (10_000, vec![("admin", 7500), ("root", 2500)]));
        assert_eq!((ended[0].first, ended[0].last), (at(0), at(499)));
        assert_eq!(bursts.ended(at(10_000)), []);
    }

    #[test]
    fn a_burst_that_does_not_pause_ends_at_its_longest_time() {
        let mut bursts = bursts();
        let mut counts = Vec::new();
        for second in 0..1300 {
            bursts.count(tried(1, "root", at(second)));
            counts.extend(bursts.ended(at(second)).iter().map(|burst| burst.tries));
        }
        assert_eq!(counts, [601, 601]);
        assert_eq!(bursts.open().map(|burst| burst.tries).collect::<Vec<_>>(), [98]);
    }

    #[test]
    fn more_sources_and_users_than_there_is_room_for_lose_no_count() {
        let mut bursts = bursts();
        let sources = u32::try_from(MAX_BURSTS).unwrap() + 500;
        let long = "x".repeat(100);
        for number in 0..sources {
            for user in 0..40 {
                bursts.count(tried(number, &format!("{user}{long}"), at(i64::from(number / 100))));
            }
        }
        assert!(bursts.open.len() <= MAX_BURSTS + 1 && bursts.by_last.len() <= MAX_BURSTS);
        let names: usize = bursts.open().map(Burst::names_bytes).sum();
        assert!(names <= MAX_BURST_NAMES_BYTES && names + bursts.room == MAX_BURST_NAMES_BYTES, "{names}");
        let ended = bursts.ended(at(1_000_000));
        assert_eq!(ended.iter().map(|burst| burst.tries).sum::<u64>(), u64::from(sources) * 40);
        for burst in &ended {
            assert_eq!(burst.tries, burst.users.values().sum::<u64>() + burst.other_users);
            assert!(burst.users.len() <= MAX_BURST_USERS);
        }
        let others = ended.iter().find(|burst| burst.from == From::Others).unwrap();
        assert_eq!((others.sources, others.first), (500, at(0)));
        assert_eq!(bursts.room, MAX_BURST_NAMES_BYTES);
    }
}
