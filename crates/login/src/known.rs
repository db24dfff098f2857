//! Known things: the countries, networks, keys and hours of each user's logins, to tell what is new.

use std::collections::BTreeMap;
use std::net::IpAddr;

use event::Timestamp;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::limits::{LOGINS_BEFORE_HOURS, MAX_KNOWN_USERS, MAX_KNOWN_VALUES};

/// Something that is new for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum New {
    /// The user: this is the first login that monban has seen.
    User,
    /// The country.
    Country,
    /// The network (/24, /48).
    Network,
    /// The key.
    Key,
    /// The hour: no login has been within an hour of this time of day.
    Hour,
}

impl New {
    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Country => "country",
            Self::Network => "network",
            Self::Key => "key",
            Self::Hour => "hour",
        }
    }
}

/// Values with the time when each was last seen.
type Seen = BTreeMap<String, Timestamp>;

/// The logins of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct User {
    last: Timestamp,
    logins: u32,
    countries: Seen,
    networks: Seen,
    keys: Seen,
    /// Whether a login was in each hour of the day.
    hours: [bool; 24],
}

/// The history of all users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Known(BTreeMap<String, User>);

/// One login.
#[derive(Clone, Copy, Debug)]
pub struct Seeing<'a> {
    /// Time.
    pub time: Timestamp,
    /// The hour of the day where the owner lives, 0 to 23.
    pub hour: u8,
    /// The address.
    pub address: Option<IpAddr>,
    /// The country.
    pub country: Option<&'a str>,
    /// The key's fingerprint.
    pub key: Option<&'a str>,
}

impl Known {
    /// Returns the facts that are new in a login, and learns them.
    pub fn learn(&mut self, name: &str, seen: Seeing) -> Vec<New> {
        if !self.0.contains_key(name) && self.0.len() >= MAX_KNOWN_USERS {
            let oldest = self.0.iter().min_by_key(|(_, user)| user.last).map(|(name, _)| name.clone());
            oldest.map(|name| self.0.remove(&name));
        }
        let first = !self.0.contains_key(name);
        let user = self.0.entry(name.to_owned()).or_default();
        let mut new = Vec::new();
        let network = seen.address.map(network).map(|network| network.to_string());
        for (kind, values, value) in [
            (New::Country, &mut user.countries, seen.country),
            (New::Network, &mut user.networks, network.as_deref()),
            (New::Key, &mut user.keys, seen.key),
        ] {
            if value.is_some_and(|value| note(values, value, seen.time)) {
                new.push(kind);
            }
        }
        let hour = usize::from(seen.hour % 24);
        let near = [hour, (hour + 1) % 24, (hour + 23) % 24];
        if user.logins >= LOGINS_BEFORE_HOURS && !near.iter().any(|hour| user.hours[*hour]) {
            new.push(New::Hour);
        }
        user.hours[hour] = true;
        user.logins = user.logins.saturating_add(1);
        user.last = user.last.max(seen.time);
        if first { vec![New::User] } else { new }
    }

    /// Cuts a restored table to its limits.
    pub(crate) fn bound(&mut self) {
        while self.0.len() > MAX_KNOWN_USERS {
            self.0.pop_first();
        }
        for user in self.0.values_mut() {
            for values in [&mut user.countries, &mut user.networks, &mut user.keys] {
                while values.len() > MAX_KNOWN_VALUES {
                    values.pop_first();
                }
            }
        }
    }
}

/// Notes a value, and returns whether it is new.
fn note(values: &mut Seen, value: &str, time: Timestamp) -> bool {
    if let Some(last) = values.get_mut(value) {
        *last = (*last).max(time);
        return false;
    }
    if values.len() >= MAX_KNOWN_VALUES {
        let oldest = values.iter().min_by_key(|(_, last)| **last).map(|(value, _)| value.clone());
        oldest.map(|value| values.remove(&value));
    }
    values.insert(value.to_owned(), time);
    true
}

/// Returns the network of an address: /24 for IPv4, /48 for IPv6.
pub fn network(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, bits).map_or(IpNet::from(address), |network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + day * 86_400_000_000)
    }

    fn seeing<'a>(day: i64, hour: u8, address: &str, country: &'a str, key: &'a str) -> Seeing<'a> {
        let address = Some(address.parse().unwrap());
        Seeing { time: at(day), hour, address, country: Some(country), key: Some(key) }
    }

    #[test]
    fn only_what_differs_from_earlier_logins_is_new() {
        let mut known = Known::default();
        assert_eq!(known.learn("alice", seeing(0, 9, "192.0.2.1", "JP", "a")), [New::User]);
        assert_eq!(known.learn("alice", seeing(1, 9, "192.0.2.99", "JP", "a")), []);
        assert_eq!(known.learn("alice", seeing(1, 3, "198.51.100.1", "JP", "a")), [New::Network]);
        assert_eq!(
            known.learn("alice", seeing(1, 9, "2001:db8:1:2::1", "DE", "b")),
            [New::Country, New::Network, New::Key]
        );
        assert_eq!(known.learn("alice", seeing(2, 9, "2001:db8:1:ffff::1", "DE", "b")), []);
        assert_eq!(known.learn("bob", seeing(2, 9, "192.0.2.1", "JP", "a")), [New::User]);
        for day in 3..10 {
            assert_eq!(known.learn("alice", seeing(day, 10, "192.0.2.1", "JP", "a")), [], "{day}");
        }
        // known hours: 3, 9 and 10
        for (hour, expected) in [(23, vec![New::Hour]), (0, vec![]), (4, vec![]), (11, vec![])] {
            assert_eq!(known.learn("alice", seeing(11, hour, "192.0.2.1", "JP", "a")), expected, "{hour}");
        }
        let json = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Known>(&json).unwrap(), known);
    }

    #[test]
    fn users_and_values_are_bounded_and_the_oldest_goes() {
        let mut known = Known::default();
        for number in 0..=MAX_KNOWN_USERS {
            let day = i64::try_from(number).unwrap();
            known.learn(&format!("user{number}"), seeing(day, 9, "192.0.2.1", "JP", "a"));
        }
        assert_eq!(known.0.len(), MAX_KNOWN_USERS);
        assert_eq!(known.learn("user1", seeing(9999, 9, "192.0.2.1", "JP", "a")), []);
        assert_eq!(known.learn("user0", seeing(9999, 9, "192.0.2.1", "JP", "a")), [New::User]);
        for number in 0..=MAX_KNOWN_VALUES {
            let (day, key) = (i64::try_from(number).unwrap() + 10_000, format!("key{number}"));
            known.learn("user1", seeing(day, 9, "192.0.2.1", "JP", &key));
        }
        assert_eq!(known.0["user1"].keys.len(), MAX_KNOWN_VALUES);
        assert_eq!(known.learn("user1", seeing(20_000, 9, "192.0.2.1", "JP", "key1")), []);
        assert_eq!(known.learn("user1", seeing(20_000, 9, "192.0.2.1", "JP", "key0")), [New::Key]);
    }
}
