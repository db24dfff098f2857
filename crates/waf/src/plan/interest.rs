//! The slots that read a source's values in a phase, so that the scan tests a value only for slots that read it.

use super::source::Source;
use crate::target::Selector;

/// A bit for each slot.
type Slots = Box<[u64]>;

/// The slots that read a source.
#[derive(Debug, Clone)]
pub(crate) struct Interest {
    pub(crate) source: Source,
    /// Number of the source.
    pub(crate) number: usize,
    /// Slots that read every value, or values selected by a pattern.
    any: Slots,
    /// Slots that read the values with one key, in lower case.
    keys: Vec<(Box<[u8]>, Slots)>,
    /// A bit for each length of a key; the last one stands for 64 bytes and more.
    lengths: u64,
    /// The chains that these slots use.
    pub(crate) chains: u128,
}

impl Interest {
    pub(super) fn new(source: Source, words: usize) -> Interest {
        let none = || vec![0; words].into_boxed_slice();
        Interest { source, number: source.number(), any: none(), keys: Vec::new(), lengths: 0, chains: 0 }
    }

    /// Adds a slot that reads the values of `selector`.
    pub(super) fn add(&mut self, slot: u16, chains: u128, selector: &Selector) {
        let (word, mask) = (slot as usize / 64, 1u64 << (slot % 64));
        self.chains |= chains;
        let Selector::Key(key) = selector else {
            self.any[word] |= mask;
            return;
        };
        let key = key.to_ascii_lowercase().into_boxed_slice();
        let at = self.keys.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.lengths |= 1 << key.len().min(63);
            self.keys.push((key, vec![0; self.any.len()].into_boxed_slice()));
            self.keys.len() - 1
        });
        self.keys[at].1[word] |= mask;
    }

    /// Returns the slots that read every value, and those that read the value with this key.
    pub(crate) fn of_key(&self, key: &[u8]) -> (&[u64], Option<&[u64]>) {
        let named = if self.lengths >> key.len().min(63) & 1 == 1 {
            self.keys.iter().find(|(known, _)| key.eq_ignore_ascii_case(known)).map(|(_, slots)| &**slots)
        } else {
            None
        };
        (&self.any, named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_own_slots() {
        let mut interest = Interest::new(Source::Headers, 2);
        interest.add(0, 1, &Selector::All);
        interest.add(70, 2, &Selector::Key((*b"User-Agent").into()));
        interest.add(71, 2, &Selector::Key((*b"user-agent").into()));
        assert_eq!(interest.of_key(b"USER-AGENT"), (&[1, 0][..], Some(&[0, 0b1100_0000][..])));
        assert_eq!(interest.of_key(b"user-agenx"), (&[1, 0][..], None));
        assert_eq!(interest.chains, 3);
    }
}
