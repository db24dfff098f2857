//! One scan of a value for the literals of all rules.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::byte_set::ByteSet;
use super::classes::Classes;
use super::requirement::{Requirement, SHORTEST};

/// Words of bits: so many rules (64 each) can have a bit; further ones are evaluated plainly.
const MOST_WORDS: usize = 64;

/// Sets that one rule may have.
pub(crate) const LAYERS: usize = 3;

/// Tells of a value which rules might match it: a bit for each.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    automaton: Option<AhoCorasick>,
    /// The bits of each literal: `owners[starts[n]..starts[n + 1]]`.
    owners: Vec<u16>,
    starts: Vec<u32>,
    /// Bits of rules without literals: only their byte sets speak.
    weak: Vec<u64>,
    /// For each class of bytes and each layer the bits of the rules whose set of that layer it meets.
    met: Vec<u64>,
    /// For each layer the bits of the rules that have no set there.
    free: Vec<u64>,
}

/// So many slots can have a bit.
pub(crate) const MOST_SLOTS: usize = MOST_WORDS * 64;

impl Filter {
    /// A filter with a bit for each requirement, in their order. Letters are found in both cases, so that making a value
    /// lower case changes nothing; `classes` tell at least the [`folded`](ByteSet::folded) sets apart.
    pub(crate) fn build(requirements: &[Requirement], classes: &Classes) -> Filter {
        let words = requirements.len().div_ceil(64);
        let mut filter = Filter {
            weak: vec![0; words],
            met: vec![0; classes.count() * LAYERS * words],
            free: vec![0; LAYERS * words],
            starts: vec![0],
            ..Filter::default()
        };
        let mut owners: BTreeMap<Vec<u8>, Vec<u16>> = BTreeMap::new();
        for (bit, requirement) in (0u16..).zip(requirements) {
            let (word, mask) = (bit as usize / 64, 1u64 << (bit % 64));
            for layer in 0..LAYERS {
                match requirement.sets.get(layer) {
                    None => filter.free[layer * words + word] |= mask,
                    Some(set) => {
                        for class in classes.translate(set.folded()).ones() {
                            filter.met[(class as usize * LAYERS + layer) * words + word] |= mask;
                        }
                    }
                }
            }
            match &requirement.literals {
                Some(literals) => {
                    for literal in literals {
                        owners.entry(literal.clone()).or_default().push(bit);
                    }
                }
                None => filter.weak[word] |= mask,
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(owners.keys());
        for bits in owners.into_values() {
            filter.owners.extend(bits);
            filter.starts.push(filter.owners.len() as u32);
        }
        match automaton {
            Ok(automaton) => filter.automaton = Some(automaton),
            // Too large to build: every rule stays a candidate, and its byte sets alone speak.
            Err(_) => filter.weak.fill(u64::MAX),
        }
        filter
    }

    /// Words that a scan's result takes.
    pub(crate) fn words(&self) -> usize {
        self.weak.len()
    }

    /// Adds the bits of the rules one of whose literals `value` holds, and of those without literals.
    pub(crate) fn literals(&self, value: &[u8], bits: &mut [u64]) {
        bits.copy_from_slice(&self.weak);
        let Some(automaton) = self.automaton.as_ref().filter(|_| value.len() >= SHORTEST) else { return };
        for found in automaton.find_overlapping_iter(value) {
            let literal = found.pattern().as_usize();
            let (start, end) = (self.starts[literal] as usize, self.starts[literal + 1] as usize);
            for &bit in &self.owners[start..end] {
                bits[bit as usize / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// Takes away the bits of the rules of whose byte sets one is not met; `present` are the value's classes.
    pub(crate) fn meet(&self, present: ByteSet, bits: &mut [u64]) {
        let words = self.words();
        let mut met = [0u64; LAYERS * MOST_WORDS];
        let met = &mut met[..LAYERS * words];
        met.copy_from_slice(&self.free);
        for class in present.ones() {
            let row = &self.met[class as usize * LAYERS * words..][..LAYERS * words];
            for (all, one) in met.iter_mut().zip(row) {
                *all |= one;
            }
        }
        for layer in met.chunks_exact(words) {
            for (bits, met) in bits.iter_mut().zip(layer) {
                *bits &= met;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_literals_and_of_byte_sets() {
        let literals = |texts: &[&str]| Some(texts.iter().map(|t| t.as_bytes().to_vec()).collect());
        let requirements = [
            Requirement { literals: literals(&["<script"]), sets: vec![] },
            Requirement { literals: literals(&["union", "select"]), sets: vec![ByteSet::of(b"(")] },
            Requirement { literals: None, sets: vec![ByteSet::of(b"\nZ")] },
            Requirement::default(),
        ];
        let folded: Vec<_> = requirements.iter().flat_map(|r| &r.sets).map(|set| set.folded()).collect();
        let classes = Classes::of_sets(folded.iter());
        let filter = Filter::build(&requirements, &classes);
        let bits = |text: &str| {
            let mut bits = vec![0; filter.words()];
            filter.literals(text.as_bytes(), &mut bits);
            filter.meet(classes.present(text.as_bytes()), &mut bits);
            [0, 1, 2, 3].map(|bit| bits[0] >> bit & 1 == 1)
        };
        assert_eq!(bits("plain"), [false, false, false, true]);
        assert_eq!(bits("a<ScRipt>\n"), [true, false, true, true]);
        assert_eq!(bits("z"), [false, false, true, true]);
        assert_eq!(bits("UNION x"), [false, false, false, true]);
        assert_eq!(bits("(select"), [false, true, false, true]);
    }
}
