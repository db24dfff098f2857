//! Everything that expires, in one list.
//!
//! A part with expiring things, such as certificates, exclusions, tokens or entries of address sets, implements
//! [`Expiring`] and registers it with [`Ends`].
//!
//! ```
//! use std::sync::Arc;
//! use event::Timestamp;
//! use spine::ends::{End, Ends, Expiring, Renewal};
//!
//! struct Tokens;
//!
//! impl Expiring for Tokens {
//!     fn ends(&self) -> Vec<End> {
//!         vec![End {
//!             kind: "API token",
//!             subject: "backup".into(),
//!             at: Timestamp::from_micros(0),
//!             source: "the console".into(),
//!             renewal: Renewal::ByHand,
//!         }]
//!     }
//! }
//!
//! let ends = Ends::default();
//! ends.register(Arc::new(Tokens));
//! assert_eq!(ends.list()[0].subject, "backup");
//! assert_eq!(ends.findings("2026-11-30T12:00:00Z".parse()?).len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use event::Timestamp;
use finding::Finding;
use serde::Serialize;

use crate::clock::between;
use crate::findings::{ENDED, ENDS_SOON, RENEWAL_LATE};
use crate::limits::MAX_ENDS;

/// Time before an end from which on a manually renewed thing is a finding.
pub const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Time before an end from which on an automatically renewed thing is a finding.
pub const RENEWAL_DUE: Duration = Duration::from_secs(3 * 86_400);

/// A thing that expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// The kind, such as `certificate`.
    pub kind: &'static str,
    /// The name or address.
    pub subject: String,
    /// The time of the end.
    pub at: Timestamp,
    /// The origin: a file, an import, a user.
    pub source: String,
    /// The kind of renewal.
    pub renewal: Renewal,
}

/// The way in which a thing is renewed before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// A named component, such as `acme`, renews it.
    Automatic(String),
    /// A person renews it.
    ByHand,
    /// A person renews it, and the part that owns it reports its own finding.
    Reported,
    /// The end is intended, as of a ban or of an exclusion for a week.
    Intended,
}

/// A source of expiring things.
pub trait Expiring: Send + Sync {
    /// Returns all ends, in any order.
    fn ends(&self) -> Vec<End>;
}

/// The list of all sources of ends.
#[derive(Default)]
pub struct Ends(RwLock<Vec<Arc<dyn Expiring>>>);

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends")
    }
}

impl Ends {
    /// Adds a source.
    pub fn register(&self, source: Arc<dyn Expiring>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Returns the soonest [`MAX_ENDS`] ends, in ascending order.
    pub fn list(&self) -> Vec<End> {
        // query the sources without holding the lock
        let sources = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut ends: Vec<End> = sources.iter().flat_map(|source| source.ends()).collect();
        ends.sort_by(|a, b| (a.at, a.kind, &a.subject).cmp(&(b.at, b.kind, &b.subject)));
        ends.truncate(MAX_ENDS);
        ends
    }

    /// Returns a finding for each end that is near or past, the soonest first. Intended ends have no finding.
    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        self.list().iter().filter_map(|end| finding(end, now)).collect()
    }
}

fn finding(end: &End, now: Timestamp) -> Option<Finding> {
    let left = between(now, end.at);
    let row = match &end.renewal {
        Renewal::Intended | Renewal::Reported => return None,
        _ if left.is_zero() => &ENDED,
        Renewal::Automatic(_) if left <= RENEWAL_DUE => &RENEWAL_LATE,
        Renewal::ByHand if left <= SOON => &ENDS_SOON,
        _ => return None,
    };
    let finding = row
        .finding(&end.subject)
        .with("kind", end.kind)
        .with("at", end.at.to_string())
        .with("source", end.source.as_str());
    Some(match &end.renewal {
        Renewal::Automatic(by) => finding.with("renewal", by.as_str()),
        _ => finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;

    struct Things(Vec<End>);

    impl Expiring for Things {
        fn ends(&self) -> Vec<End> {
            self.0.clone()
        }
    }

    const DAY: Duration = Duration::from_secs(86_400);

    fn end(subject: &str, at: Timestamp, renewal: Renewal) -> End {
        End { kind: "certificate", subject: subject.into(), at, source: "shop.pem".into(), renewal }
    }

    #[test]
    fn one_list_of_all_sources_is_sorted_by_time() {
        let ends = Ends::default();
        let at = Timestamp::from_micros;
        ends.register(Arc::new(Things(vec![
            end("c", at(3), Renewal::ByHand),
            end("a", at(1), Renewal::Intended),
        ])));
        ends.register(Arc::new(Things(vec![end("b", at(1), Renewal::ByHand)])));
        let subjects: Vec<_> = ends.list().into_iter().map(|end| end.subject).collect();
        assert_eq!(subjects, ["a", "b", "c"]);
        ends.register(Arc::new(Things(vec![end("d", at(9), Renewal::Intended); MAX_ENDS])));
        assert_eq!(ends.list().len(), MAX_ENDS);
        assert_eq!(ends.list()[0].subject, "a");
    }

    #[test]
    fn thresholds_give_findings() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let (second, acme) = (Duration::from_secs(1), || Renewal::Automatic("acme".into()));
        for (left, renewal, code) in [
            (SOON + second, Renewal::ByHand, None),
            (SOON, Renewal::ByHand, Some("ends.soon")),
            (DAY, Renewal::ByHand, Some("ends.soon")),
            (Duration::ZERO, Renewal::ByHand, Some("ends.ended")),
            (SOON, acme(), None),
            (RENEWAL_DUE, acme(), Some("ends.renewal_late")),
            (Duration::ZERO, acme(), Some("ends.ended")),
            (DAY, Renewal::Intended, None),
            (DAY, Renewal::Reported, None),
            (Duration::ZERO, Renewal::Intended, None),
        ] {
            let ends = Ends::default();
            ends.register(Arc::new(Things(vec![end("shop.example", after(now, left), renewal.clone())])));
            let findings = ends.findings(now);
            let codes: Vec<_> = findings.iter().map(Finding::code).collect();
            assert_eq!(codes, Vec::from_iter(code), "{left:?} {renewal:?}");
            // each text has values for all its placeholders
            for finding in findings {
                let shown = serde_json::to_string(&finding).unwrap();
                assert!(!shown.contains("{kind}") && !shown.contains("{renewal}"), "{shown}");
            }
        }
        let ends = Ends::default();
        ends.register(Arc::new(Things(vec![end("shop.example", Timestamp::MIN, Renewal::ByHand)])));
        // long past
        assert_eq!(ends.findings(now).len(), 1);
    }
}
