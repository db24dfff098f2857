//! Connections with failed tries, to count each try once although it has several lines.

use std::collections::{HashMap, VecDeque};

use crate::claim::{Source, Step};
use crate::limits::MAX_CONNECTIONS;

/// A connection: the pid of its process, and its source where the line has one.
type Key = (Option<u32>, Option<Source>);

/// The connections that counted a try.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    /// Whether the last line that counted was `Invalid user`, which the next try belongs to.
    named: HashMap<Key, bool>,
    order: VecDeque<Key>,
}

impl Connections {
    /// Returns whether this line counts a try.
    pub(super) fn counts(&mut self, pid: Option<u32>, source: Option<Source>, step: Step) -> bool {
        let key = (pid, source);
        let before = self.named.get(&key).copied();
        let counts = match step {
            Step::Named => before.is_none(),
            Step::Tried => before != Some(true),
            Step::Closed => before.is_none(),
        };
        if step == Step::Closed {
            self.remove(&key);
            return counts;
        }
        if before.is_none() {
            if self.order.len() >= MAX_CONNECTIONS
                && let Some(oldest) = self.order.pop_front()
            {
                self.named.remove(&oldest);
            }
            self.order.push_back(key);
        }
        self.named.insert(key, step == Step::Named);
        counts
    }

    /// Forgets a connection that led to a login.
    pub(super) fn forget(&mut self, pid: Option<u32>, source: Option<Source>) {
        self.remove(&(pid, source));
    }

    fn remove(&mut self, key: &Key) {
        if self.named.remove(key).is_some()
            && let Some(at) = self.order.iter().position(|of| of == key)
        {
            self.order.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_try_count_once() {
        use Step::{Closed, Named, Tried};
        for (steps, expected) in [
            (&[Named, Tried, Closed][..], 1),
            (&[Named, Tried, Tried, Tried, Closed], 3),
            (&[Tried, Tried, Closed], 2),
            (&[Named, Closed], 1),
            (&[Closed], 1),
            (&[Tried], 1),
        ] {
            let mut connections = Connections::default();
            let source = Some(Source { address: [192, 0, 2, 1].into(), port: Some(7) });
            let counted = steps.iter().filter(|step| connections.counts(Some(1), source, **step)).count();
            assert_eq!(counted, expected, "{steps:?}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut connections = Connections::default();
        for pid in 0..u32::try_from(MAX_CONNECTIONS).unwrap() + 10 {
            assert!(connections.counts(Some(pid), None, Step::Named));
        }
        assert_eq!((connections.named.len(), connections.order.len()), (MAX_CONNECTIONS, MAX_CONNECTIONS));
        assert!(
            !connections.counts(Some(10), None, Step::Tried)
                && connections.counts(Some(9), None, Step::Tried)
        );
    }
}
