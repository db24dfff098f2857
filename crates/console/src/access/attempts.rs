//! Rate limits of attempts to sign in: token buckets in memory. They use the uptime of the machine, so that changing the clock
//! neither locks a user out nor lets an attacker in.
//!
//! A stranger cannot lock a user out: wrong passwords count for the pair of user *and* source network. A browser in which the
//! user has signed in before ([`devices`](super::devices)) has its own buckets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::limits::{ATTEMPT_EVERY, ATTEMPTS, MAX_COUNTED, NETWORK_ATTEMPT_EVERY, NETWORK_ATTEMPTS};

/// Counts attempts in memory.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<Key, Bucket>>);

/// The source of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An IPv4 address, or an IPv6 /64, because a client can use all addresses of a /64.
    Network(IpAddr),
    /// A browser in which the user has signed in before.
    Device(String),
}

impl Source {
    /// Returns the network of an address.
    pub(crate) fn network(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        })
    }
}

/// Attempts that count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Passwords of one user from one source.
    Password(Source, String),
    /// Passwords of any user from one source: one password tried on many names.
    Passwords(Source),
    /// Codes of one user, after a correct password.
    Code(i64),
    /// Answers of passkeys from one source.
    Passkey(Source),
    /// Passkey ceremonies that one source begins.
    PasskeyBegun(Source),
    /// One-time links from one source.
    Link(Source),
    /// Passwords and codes of a user who is signed in.
    Account(i64),
}

impl Key {
    /// Returns the counters of passwords for this user name, ignoring its case.
    pub(crate) fn passwords(source: Source, user: &str) -> Vec<Self> {
        let user = user.chars().take(64).collect::<String>().to_lowercase();
        let of_network = matches!(source, Source::Network(_)).then(|| Self::Passwords(source.clone()));
        std::iter::once(Self::Password(source, user)).chain(of_network).collect()
    }

    /// Returns the size of the bucket, and the time until it allows another attempt.
    fn limit(&self) -> (u32, Duration) {
        match self {
            Self::Passwords(_) => (NETWORK_ATTEMPTS, NETWORK_ATTEMPT_EVERY),
            _ => (ATTEMPTS, ATTEMPT_EVERY),
        }
    }
}

/// The time at which the bucket is full again. A time in the past means that it is full.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Duration,
}

impl Attempts {
    /// Counts an attempt in each of these buckets.
    ///
    /// # Errors
    /// The time to wait. Nothing is counted in this case.
    pub(crate) fn take(&self, keys: &[Key], uptime: Duration) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wait = Duration::ZERO;
        for key in keys {
            let (attempts, every) = key.limit();
            let full_at = buckets.get(key).map_or(uptime, |bucket| bucket.full_at.max(uptime));
            wait = wait.max((full_at + every).saturating_sub(uptime + every * attempts));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for key in keys {
            if buckets.len() >= MAX_COUNTED && !buckets.contains_key(key) {
                forget_one(&mut buckets, uptime);
            }
            let bucket = buckets.entry(key.clone()).or_insert(Bucket { full_at: uptime });
            bucket.full_at = bucket.full_at.max(uptime) + key.limit().1;
        }
        Ok(())
    }

    /// Removes a counted attempt, because it succeeded.
    pub(crate) fn give_back(&self, keys: &[Key]) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(bucket) = buckets.get_mut(key) {
                bucket.full_at = bucket.full_at.saturating_sub(key.limit().1);
            }
        }
    }
}

/// Makes space: removes all full buckets, or else the one that will be full first.
fn forget_one(buckets: &mut HashMap<Key, Bucket>, uptime: Duration) {
    buckets.retain(|_, bucket| bucket.full_at > uptime);
    if buckets.len() >= MAX_COUNTED
        && let Some(key) = buckets.iter().min_by_key(|(_, bucket)| bucket.full_at).map(|(key, _)| key.clone())
    {
        buckets.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn network(last: u16) -> Source {
        Source::network(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 1, 2, 3, 4)))
    }

    #[test]
    fn so_many_then_one_at_a_time() {
        let attempts = Attempts::default();
        let key = |source| [Key::Link(source)];
        for _ in 0..ATTEMPTS {
            assert_eq!(attempts.take(&key(network(1)), START), Ok(()));
        }
        assert_eq!(attempts.take(&key(network(1)), START), Err(ATTEMPT_EVERY));
        let neighbour = Source::network(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9)));
        assert!(attempts.take(&key(neighbour), START).is_err(), "the same /64");
        assert!(attempts.take(&key(network(2)), START).is_ok(), "another one");
        assert!(attempts.take(&[Key::Passkey(network(1))], START).is_ok(), "another kind");
        let mapped = |text: &str| Source::network(text.parse().unwrap());
        assert_eq!(mapped("::ffff:192.0.2.1"), mapped("192.0.2.1"));
        let later = START + ATTEMPT_EVERY;
        assert!(attempts.take(&key(network(1)), later).is_ok());
        assert!(attempts.take(&key(network(1)), later).is_err());
        attempts.give_back(&key(network(1)));
        assert!(attempts.take(&key(network(1)), later).is_ok());
        let much_later = later + ATTEMPT_EVERY * 1000;
        for _ in 0..ATTEMPTS {
            assert!(attempts.take(&key(network(1)), much_later).is_ok());
        }
        assert!(attempts.take(&key(network(1)), much_later).is_err(), "no more are saved up");
    }

    #[test]
    fn e21_passwords_count_for_user_and_network_together() {
        let attempts = Attempts::default();
        let take = |source, user: &str| attempts.take(&Key::passwords(source, user), START);
        for _ in 0..ATTEMPTS {
            assert_eq!(take(network(1), "anna"), Ok(()));
        }
        assert_eq!(take(network(1), "ANNA"), Err(ATTEMPT_EVERY), "names have no case");
        assert_eq!(take(network(2), "anna"), Ok(()), "from elsewhere");
        assert_eq!(take(network(1), "bert"), Ok(()), "somebody else");
        assert_eq!(take(Source::Device("d".into()), "anna"), Ok(()), "a browser that is known");
        // One password for many names.
        let names = (0..NETWORK_ATTEMPTS).take_while(|name| take(network(3), &name.to_string()).is_ok());
        assert_eq!(names.count(), NETWORK_ATTEMPTS as usize);
        assert_eq!(take(network(3), "anna"), Err(NETWORK_ATTEMPT_EVERY));
        assert_eq!(take(Source::Device("d".into()), "anna"), Ok(()));
    }

    #[test]
    fn no_more_are_remembered_than_the_limit_and_the_busy_ones_stay() {
        let attempts = Attempts::default();
        let of = |number: u32| [Key::Link(Source::network(number.to_be_bytes().into()))];
        for _ in 0..ATTEMPTS {
            attempts.take(&of(u32::MAX), START).unwrap();
        }
        for number in 0..MAX_COUNTED as u32 + 10 {
            attempts.take(&of(number), START).unwrap();
        }
        assert_eq!(attempts.0.lock().unwrap().len(), MAX_COUNTED);
        assert!(attempts.take(&of(u32::MAX), START).is_err());
        // All other buckets are full again.
        attempts.take(&of(MAX_COUNTED as u32 + 10), START + ATTEMPT_EVERY).unwrap();
        assert_eq!(attempts.0.lock().unwrap().len(), 2);
    }
}
