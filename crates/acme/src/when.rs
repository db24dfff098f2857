//! The time of a renewal.
//!
//! The earliest of three times counts: the owner's own rule, a time drawn within the window that the CA suggests (ARI,
//! RFC 9773), and a share of the lifetime. No rule has a fixed number of days, because lifetimes shrink: a 6-day
//! certificate with a rule of 30 days would be renewed at every run.

use std::time::Duration;

use event::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use spine::clock::{after, between};

/// Lifetime below which a certificate is renewed with half of it left. Let's Encrypt's integration guide advises a third of the
/// lifetime, and half for lifetimes under ten days.
const SHORT: Duration = Duration::from_secs(10 * 86_400);

/// The period of a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Its start.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

/// A window that a CA suggests for a renewal (RFC 9773 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its start.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

/// The rule that determines a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The owner's `renew_before`.
    Owner,
    /// The CA's window.
    Window,
    /// A third of the lifetime, or half of a short one.
    Lifetime,
}

/// The time of a renewal, and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Time from which on to renew.
    pub at: Timestamp,
    /// The rule with the earliest time.
    pub rule: Rule,
}

impl Validity {
    /// Returns the lifetime.
    pub fn lifetime(self) -> Duration {
        between(self.not_before, self.not_after)
    }

    /// Returns the time at which a third of the lifetime is left, or half of a lifetime under ten days.
    fn by_lifetime(self) -> Timestamp {
        let lifetime = self.lifetime();
        let left = if lifetime < SHORT { lifetime / 2 } else { lifetime / 3 };
        before(self.not_after, left)
    }
}

impl Window {
    /// Returns the certificate's time within the window. It depends on the certificate and the window alone, so that a
    /// restart draws the same time, and the certificates of many hosts are spread over the window.
    pub fn drawn(self, certificate: &[u8]) -> Timestamp {
        let hash = digest(&SHA256, certificate);
        let bytes = hash.as_ref().first_chunk::<4>().copied().unwrap_or_default();
        let share = f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX);
        after(self.start, between(self.start, self.end).mul_f64(share))
    }
}

/// Returns the earliest of the owner's rule, the CA's window and the share of the lifetime. `certificate` is the leaf in
/// DER.
pub fn due(validity: Validity, certificate: &[u8], window: Option<Window>, own: Option<Duration>) -> Due {
    let own = own.map(|left| Due { at: before(validity.not_after, left), rule: Rule::Owner });
    let window = window.map(|window| Due { at: window.drawn(certificate), rule: Rule::Window });
    let lifetime = Due { at: validity.by_lifetime(), rule: Rule::Lifetime };
    [own, window]
        .into_iter()
        .flatten()
        .fold(lifetime, |least, due| if due.at < least.at { due } else { least })
}

/// Returns `time` less `by`.
fn before(time: Timestamp, by: Duration) -> Timestamp {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_sub(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);

    fn start() -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000)
    }

    fn valid(lifetime: Duration) -> Validity {
        Validity { not_before: start(), not_after: after(start(), lifetime) }
    }

    /// C8: certificates of 6 days that were renewed at every run, by a rule of 30 days.
    #[test]
    fn c8_first_renewal_by_lifetime() {
        let table = [
            (160 * HOUR, 80 * HOUR),
            (45 * DAY, 30 * DAY),
            (64 * DAY, 64 * DAY / 3 * 2),
            (90 * DAY, 60 * DAY),
            (3650 * DAY, 3650 * DAY / 3 * 2),
            (10 * DAY - HOUR, (10 * DAY - HOUR) / 2),
        ];
        for (lifetime, renewed) in table {
            let due = due(valid(lifetime), b"", None, None);
            let age = between(start(), due.at);
            assert!(age.abs_diff(renewed) < Duration::from_secs(1), "{lifetime:?}: {age:?}");
            assert_eq!(due.rule, Rule::Lifetime);
        }
    }

    /// C7: a mass re-issue for which the client waited for its own date, and an owner's date that was ignored.
    #[test]
    fn c7_whichever_is_first() {
        let validity = valid(90 * DAY);
        let at = |days: u32| after(start(), days * DAY);
        let window = |days: u32| Window { start: at(days), end: at(days) };
        for (ari, own, want, rule) in [
            (1, 1, 1, Rule::Owner),
            (1, 50, 1, Rule::Window),
            (50, 1, 1, Rule::Owner),
            (50, 55, 50, Rule::Window),
            (70, 80, 60, Rule::Lifetime),
        ] {
            let found = due(validity, b"", Some(window(ari)), Some((90 - own) * DAY));
            assert_eq!((found.at, found.rule), (at(want), rule), "{ari} {own}");
        }
        // the window's end is before its start, or the owner's rule is longer than the lifetime
        let reversed = Window { start: at(30), end: at(20) };
        assert_eq!(due(validity, b"", Some(reversed), None).at, at(30));
        assert!(due(validity, b"", None, Some(200 * DAY)).at < start());
    }

    #[test]
    fn a_drawn_time_stays_and_lies_in_the_window() {
        let window = Window { start: start(), end: after(start(), 2 * DAY) };
        let mut times: Vec<_> = (0..200_u8).map(|number| window.drawn(&[number])).collect();
        assert_eq!(times[7], window.drawn(&[7]));
        assert!(times.iter().all(|time| (window.start..=window.end).contains(time)));
        times.sort();
        let largest_gap = times.windows(2).map(|two| between(two[0], two[1])).max().unwrap();
        assert!(largest_gap < 5 * HOUR, "{largest_gap:?}");
    }
}
