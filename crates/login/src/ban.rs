//! Bans: when a burst bans its source, and for how long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use event::Timestamp;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_BANNED, MAX_OWN_ADDRESSES, OWN_ADDRESS_TIME};

/// The rule for bans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRule {
    /// Tries within one burst that ban the source.
    pub tries: u64,
    /// Duration of an address's first ban. Each further ban is twice as long.
    pub first: Duration,
    /// The longest duration.
    pub longest: Duration,
}

/// A ban to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The address.
    pub address: IpAddr,
    /// Its end.
    pub until: Timestamp,
    /// Tries of its burst.
    pub tries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Earlier {
    at: Timestamp,
    bans: u32,
}

/// Earlier bans, and the addresses that are never banned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bans {
    earlier: BTreeMap<IpAddr, Earlier>,
    /// Addresses with an accepted login, and its time.
    own: BTreeMap<IpAddr, Timestamp>,
}

impl Bans {
    /// Notes an accepted login: its address is not banned for [`OWN_ADDRESS_TIME`].
    pub fn accepted(&mut self, address: IpAddr, time: Timestamp) {
        let last = self.own.entry(address).or_default();
        *last = (*last).max(time);
        keep_newest(&mut self.own, MAX_OWN_ADDRESSES, |time| *time);
    }

    /// Returns whether an address is never banned at `now`: loopback, a network of the owner, or the address of an
    /// accepted login.
    pub fn is_own(&self, address: IpAddr, own: &[IpNet], now: Timestamp) -> bool {
        let lately = self.own.get(&address).is_some_and(|time| after(*time, OWN_ADDRESS_TIME) > now);
        lately || address.is_loopback() || own.iter().any(|network| network.contains(&address))
    }

    /// Returns the ban for a source with this number of tries; none if they are too few or the address is the owner's.
    pub fn judge(
        &mut self,
        rule: &BanRule,
        own: &[IpNet],
        address: IpAddr,
        tries: u64,
        now: Timestamp,
    ) -> Option<Ban> {
        if tries < rule.tries || self.is_own(address, own, now) {
            return None;
        }
        let earlier = self.earlier.entry(address).or_insert(Earlier { at: now, bans: 0 });
        let time = rule.first.saturating_mul(1 << earlier.bans.min(16)).min(rule.longest);
        *earlier = Earlier { at: now, bans: earlier.bans.saturating_add(1) };
        keep_newest(&mut self.earlier, MAX_BANNED, |earlier| earlier.at);
        Some(Ban { address, until: after(now, time), tries })
    }

    /// Cuts restored tables to their limits.
    pub(crate) fn bound(&mut self) {
        while self.own.len() > MAX_OWN_ADDRESSES {
            self.own.pop_first();
        }
        while self.earlier.len() > MAX_BANNED {
            self.earlier.pop_first();
        }
    }
}

fn after(time: Timestamp, delay: Duration) -> Timestamp {
    let micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}

/// Removes the oldest entry if there are more than `most`.
fn keep_newest<V>(entries: &mut BTreeMap<IpAddr, V>, most: usize, time: impl Fn(&V) -> Timestamp) {
    if entries.len() > most {
        let oldest = entries.iter().min_by_key(|(_, value)| time(value)).map(|(address, _)| *address);
        oldest.map(|address| entries.remove(&address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> BanRule {
        BanRule { tries: 5, first: Duration::from_secs(600), longest: Duration::from_secs(3600) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn each_ban_of_an_address_is_longer_up_to_the_longest() {
        let mut bans = Bans::default();
        let bad: IpAddr = "203.0.113.9".parse().unwrap();
        assert_eq!(bans.judge(&rule(), &[], bad, 4, at(0)), None);
        for (number, seconds) in [(0, 600), (1, 1200), (2, 2400), (3, 3600), (4, 3600)] {
            let ban = bans.judge(&rule(), &[], bad, 5, at(number)).unwrap();
            assert_eq!(ban, Ban { address: bad, until: at(number + seconds), tries: 5 });
        }
        let other = bans.judge(&rule(), &[], "203.0.113.8".parse().unwrap(), 9, at(0)).unwrap();
        assert_eq!(other.until, at(600));
    }

    #[test]
    fn the_owner_is_never_banned() {
        let mut bans = Bans::default();
        let own = ["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let home: IpAddr = "203.0.113.9".parse().unwrap();
        bans.accepted(home, at(0));
        for address in ["127.0.0.1", "::1", "198.51.100.7", "2001:db8:1::1", "203.0.113.9"] {
            assert_eq!(bans.judge(&rule(), &own, address.parse().unwrap(), 1000, at(1)), None, "{address}");
        }
        let month = i64::try_from(OWN_ADDRESS_TIME.as_secs()).unwrap();
        assert_eq!(bans.judge(&rule(), &own, home, 1000, at(month - 1)), None);
        assert!(bans.judge(&rule(), &own, home, 1000, at(month)).is_some());
    }

    #[test]
    fn tables_are_bounded() {
        let mut bans = Bans::default();
        let most = u32::try_from(MAX_BANNED).unwrap();
        for number in 0..=most {
            let address = IpAddr::from((0xCB00_0000 + number).to_be_bytes());
            bans.accepted(address, at(number.into()));
            bans.judge(
                &rule(),
                &[],
                IpAddr::from((0xCC00_0000 + number).to_be_bytes()),
                5,
                at(number.into()),
            );
        }
        assert_eq!((bans.own.len(), bans.earlier.len()), (MAX_OWN_ADDRESSES, MAX_BANNED));
        assert!(!bans.earlier.contains_key(&IpAddr::from(0xCC00_0000_u32.to_be_bytes())));
    }
}
