//! Limits of attempts: one token bucket for each client address and for each user name. Time is the machine's uptime, so
//! that a clock that is set neither locks anybody out nor lets anybody in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::limits::{ATTEMPT_EVERY, ATTEMPTS, MAX_COUNTED};

/// Counts attempts in memory.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Key, Bucket>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    User(String),
}

/// When the bucket would be full again; it is full while that is past.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Duration,
}

/// How far in the future `full_at` may be: so many attempts were used.
const FULL: Duration = Duration::from_secs(ATTEMPT_EVERY.as_secs() * ATTEMPTS as u64);

impl Attempts {
    /// Counts an attempt from this address and, where one is named, for this user.
    ///
    /// # Errors
    /// How long to wait; then nothing is counted.
    pub fn take(&self, address: IpAddr, user: Option<&str>, uptime: Duration) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = keys(address, user);
        let mut wait = Duration::ZERO;
        for key in &keys {
            let full_at = buckets.get(key).map_or(uptime, |bucket| bucket.full_at.max(uptime));
            wait = wait.max((full_at + ATTEMPT_EVERY).saturating_sub(uptime + FULL));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for key in keys {
            if buckets.len() >= MAX_COUNTED && !buckets.contains_key(&key) {
                forget_one(&mut buckets, uptime);
            }
            let bucket = buckets.entry(key).or_insert(Bucket { full_at: uptime });
            bucket.full_at = bucket.full_at.max(uptime) + ATTEMPT_EVERY;
        }
        Ok(())
    }

    /// Takes a counted attempt back: it was right.
    pub fn give_back(&self, address: IpAddr, user: Option<&str>) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(address, user) {
            if let Some(bucket) = buckets.get_mut(&key) {
                bucket.full_at = bucket.full_at.saturating_sub(ATTEMPT_EVERY);
            }
        }
    }
}

fn keys(address: IpAddr, user: Option<&str>) -> Vec<Key> {
    let address = match address.to_canonical() {
        // A client has a whole /64 at its disposal.
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    };
    let user = user.map(|user| Key::User(user.chars().take(64).collect::<String>().to_lowercase()));
    std::iter::once(Key::Address(address)).chain(user).collect()
}

/// Makes room: all that are full again, else the one that is nearest to it.
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

    fn address(last: u16) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 1, 2, 3, 4))
    }

    #[test]
    fn so_many_then_one_at_a_time() {
        let attempts = Attempts::default();
        for _ in 0..ATTEMPTS {
            assert_eq!(attempts.take(address(1), None, START), Ok(()));
        }
        assert_eq!(attempts.take(address(1), None, START), Err(ATTEMPT_EVERY));
        let neighbour = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9));
        assert!(attempts.take(neighbour, None, START).is_err(), "the same /64");
        assert_eq!(attempts.take(address(2), None, START), Ok(()));
        let later = START + ATTEMPT_EVERY / 2;
        assert_eq!(attempts.take(address(1), None, later), Err(ATTEMPT_EVERY / 2));
        let later = START + ATTEMPT_EVERY;
        assert_eq!(attempts.take(address(1), None, later), Ok(()));
        assert!(attempts.take(address(1), None, later).is_err());
    }

    #[test]
    fn a_user_is_guarded_against_many_addresses() {
        let attempts = Attempts::default();
        for number in 0..ATTEMPTS as u16 {
            assert_eq!(attempts.take(address(number), Some("Anna"), START), Ok(()));
        }
        assert!(attempts.take(address(100), Some("anna"), START).is_err());
        assert_eq!(attempts.take(address(100), Some("bert"), START), Ok(()));
    }

    #[test]
    fn a_right_one_does_not_count() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            assert_eq!(attempts.take(address(1), Some("anna"), START), Ok(()));
            attempts.give_back(address(1), Some("anna"));
        }
    }

    #[test]
    fn no_more_are_remembered_than_the_limit_and_the_busy_ones_stay() {
        let attempts = Attempts::default();
        for _ in 0..ATTEMPTS {
            attempts.take(address(0xffff), None, START).unwrap();
        }
        for number in 0..MAX_COUNTED as u32 + 10 {
            let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            attempts.take(address, None, START).unwrap();
        }
        assert_eq!(attempts.0.lock().unwrap().len(), MAX_COUNTED);
        assert!(attempts.take(address(0xffff), None, START).is_err());
    }
}
