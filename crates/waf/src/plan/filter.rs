//! One scan of a value for the requirements of all slots.

#![expect(clippy::cast_possible_truncation, reason = "a filter has fewer than 2^32 owners")]

use std::collections::BTreeMap;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::{Anchored, MatchKind, dfa::DFA};

use super::byte_set::ByteSet;
use super::classes::Classes;
use super::requirement::{LONGEST, Requirement, SHORTEST};

/// Number of words of bits, with 64 slots in each. Links without a slot are always evaluated.
const MOST_WORDS: usize = 64;

/// Number of slots that can have a bit.
pub(crate) const MOST_SLOTS: usize = MOST_WORDS * 64;

/// Words that are combined at a time. Compilers turn this into vector instructions.
type Block = [u64; 4];

/// Finds the slots that a value might match: a bit for each.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    automaton: Option<DFA>,
    /// The slots of each literal: `owners[starts[n]..starts[n + 1]]`.
    owners: Vec<u16>,
    starts: Vec<u32>,
    /// Slots that may match any value, because no requirement is known.
    always: Vec<u64>,
    /// The first words, in which single bytes can set a bit: for each class of bytes, the slots that it sets.
    met: Vec<Block>,
    /// Number of their blocks of words.
    met_blocks: usize,
    /// Classes that set at least one bit.
    meeting: ByteSet,
    /// For each slot, the sets from which a value must contain one byte each, in addition to what sets its bit.
    rest: Vec<Vec<ByteSet>>,
}

/// Whether a single byte can set a slot's bit. Such slots have the lowest numbers.
pub(super) fn is_met_by_bytes(requirement: &Requirement) -> bool {
    requirement.literals.is_none() || requirement.or_bytes != ByteSet::EMPTY
}

impl Filter {
    /// Makes a filter with a bit for each requirement, in order. It finds letters in both cases, so lower-casing changes nothing.
    /// `classes` must distinguish at least the [`folded`](ByteSet::folded) sets.
    pub(crate) fn build(requirements: &[Requirement], classes: &Classes) -> Filter {
        let words = requirements.len().div_ceil(64);
        let met_slots = requirements.iter().rposition(is_met_by_bytes).map_or(0, |last| last + 1);
        let met_blocks = met_slots.div_ceil(64 * Block::default().len());
        let mut filter = Filter {
            always: vec![0; words],
            met: vec![Block::default(); classes.count() * met_blocks],
            met_blocks,
            starts: vec![0],
            ..Filter::default()
        };
        let mut owners: BTreeMap<&[u8], Vec<u16>> = BTreeMap::new();
        for (slot, requirement) in (0u16..).zip(requirements) {
            let mut sets: Vec<_> =
                requirement.sets.iter().map(|set| classes.translate(set.folded())).collect();
            match &requirement.literals {
                Some(literals) => {
                    literals.iter().for_each(|literal| owners.entry(literal).or_default().push(slot));
                    filter.add_met(slot, classes.translate(requirement.or_bytes.folded()));
                }
                None if sets.is_empty() => filter.always[slot as usize / 64] |= 1 << (slot % 64),
                None => filter.add_met(slot, sets.remove(0)),
            }
            filter.rest.push(sets);
        }
        let automaton =
            DFA::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(owners.keys());
        for slots in owners.into_values() {
            filter.owners.extend(slots);
            filter.starts.push(filter.owners.len() as u32);
        }
        match automaton {
            Ok(automaton) => filter.automaton = Some(automaton),
            // The automaton is too large: every slot stays a candidate, and only its byte sets decide.
            Err(_) => filter.always.fill(u64::MAX),
        }
        filter
    }

    fn add_met(&mut self, slot: u16, classes: ByteSet) {
        let (block, word) = (slot as usize / 256, slot as usize / 64 % 4);
        classes.for_each(|class| {
            self.met[class * self.met_blocks + block][word] |= 1 << (slot % 64);
        });
        self.meeting = self.meeting.union(classes);
    }

    /// Returns the number of words in a scan's result.
    pub(crate) fn words(&self) -> usize {
        self.always.len()
    }

    /// Writes the bits of the slots that `value` might match according to one scan. `present` contains the classes of its bytes.
    pub(crate) fn scan(&self, value: &[u8], present: ByteSet, bits: &mut [u64]) {
        bits.copy_from_slice(&self.always);
        for block in 0..self.met_blocks {
            let mut all = Block::default();
            present.intersection(self.meeting).for_each(|class| {
                let row = self.met[class * self.met_blocks + block];
                all = std::array::from_fn(|word| all[word] | row[word]);
            });
            for (bits, met) in bits.iter_mut().skip(block * all.len()).zip(all) {
                *bits |= met;
            }
        }
        self.find_literals(value, bits);
    }

    /// Whether a value with bytes of the classes `present` has a byte from each set that a slot requires. The slot's bit usually
    /// implies this, so it comes last.
    pub(crate) fn has_sets(&self, slot: u16, present: ByteSet) -> bool {
        self.rest.get(slot as usize).is_some_and(|sets| sets.iter().all(|set| set.intersects(present)))
    }

    /// Adds the bits of the slots that have a literal in `value`.
    fn find_literals(&self, value: &[u8], bits: &mut [u64]) {
        match value.len() {
            0..SHORTEST => {}
            SHORTEST..24 => self.find_in_parts::<1>(value, bits),
            24..96 => self.find_in_parts::<2>(value, bits),
            _ => self.find_in_parts::<4>(value, bits),
        }
    }

    /// Scans `N` parts of a value at a time. Each step of the automaton waits for the previous step, so the processor runs the
    /// other parts meanwhile. Each part overlaps the next one by enough bytes that the scan misses no literal that begins in it.
    fn find_in_parts<const N: usize>(&self, value: &[u8], bits: &mut [u64]) {
        let Some(automaton) = &self.automaton else { return };
        let Ok(start) = automaton.start_state(Anchored::No) else { return };
        let mut step = |state: &mut StateID, byte: u8| {
            *state = automaton.next_state(Anchored::No, *state, byte);
            // Special states are dead (never in this search), start (matches nothing), and matching ones.
            if automaton.is_special(*state) && automaton.is_match(*state) {
                self.add_matches(automaton, *state, bits);
            }
        };
        let length = value.len() / N;
        let parts: [&[u8]; N] = std::array::from_fn(|n| &value[n * length..(n + 1) * length]);
        let mut states = [start; N];
        for at in 0..length {
            for (state, part) in states.iter_mut().zip(parts) {
                step(state, part[at]);
            }
        }
        for (n, state) in states.iter_mut().enumerate() {
            let rest = &value[(n + 1) * length..];
            let rest = if n + 1 == N { rest } else { &rest[..rest.len().min(LONGEST - 1)] };
            rest.iter().for_each(|&byte| step(state, byte));
        }
    }

    fn add_matches(&self, automaton: &DFA, state: StateID, bits: &mut [u64]) {
        for index in 0..automaton.match_len(state) {
            let literal = automaton.match_pattern(state, index).as_usize();
            let (start, end) = (self.starts[literal] as usize, self.starts[literal + 1] as usize);
            for &slot in &self.owners[start..end] {
                bits[slot as usize / 64] |= 1 << (slot % 64);
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
        let requirement = Requirement::default;
        let requirements = [
            requirement(),
            Requirement { sets: vec![ByteSet::of(b"\nZ"), ByteSet::of(b"z<")], ..requirement() },
            Requirement { literals: literals(&["select"]), or_bytes: ByteSet::of(b"'"), ..requirement() },
            Requirement { literals: literals(&["<script"]), ..requirement() },
            Requirement {
                literals: literals(&["union", "select"]),
                sets: vec![ByteSet::of(b"(")],
                ..requirement()
            },
        ];
        let sets = requirements.iter().flat_map(|r| r.sets.iter().chain([&r.or_bytes]));
        let folded: Vec<_> = sets.map(|set| set.folded()).collect();
        let classes = Classes::of_sets(folded.iter());
        let filter = Filter::build(&requirements, &classes);
        let slots = |text: &str| {
            let mut bits = vec![0; filter.words()];
            let present = classes.present(text.as_bytes());
            filter.scan(text.as_bytes(), present, &mut bits);
            let holds = |slot: &u16| bits[0] >> slot & 1 == 1 && filter.has_sets(*slot, present);
            (0..5).filter(holds).collect::<Vec<_>>()
        };
        assert_eq!(slots("plain"), [0]);
        assert_eq!(slots("'"), [0, 2]);
        assert_eq!(slots("z"), [0, 1]);
        assert_eq!(slots("\n"), [0]);
        assert_eq!(slots("a<ScRipt>\n"), [0, 1, 3]);
        assert_eq!(slots("UNION x"), [0]);
        assert_eq!(slots("(select"), [0, 2, 4]);
        // anywhere in the value, also across the parts that are read at a time
        for length in [7, 23, 24, 60, 95, 96, 200, 1003] {
            for at in 0..=length - 7 {
                let text = format!("{}<script{}", ".".repeat(at), ".".repeat(length - 7 - at));
                assert_eq!(slots(&text), [0, 3], "{length} {at}");
            }
        }
    }
}
