//! Finds the rules of a phase that might match by scanning the values before the rules run.
//!
//! Each value that some rule of the phase reads is scanned once. Transformations leave most values unchanged, so a value's scan
//! is usually valid for all chains. A chain that may change a value stays *pending*: its forms are computed when a rule first
//! needs them. Rules of disabled paranoia levels never do.

#![expect(clippy::cast_possible_truncation, reason = "a phase has fewer than 2^32 rules")]

use super::Transaction;
use super::input::inputs;
use super::values::ValueId;
use super::variables::{Item, ItemName};
use crate::plan::source::Source;
use crate::plan::{Plan, Slot};
use crate::rule::{Link, Question, Rule, RuleIndex, Test};
use crate::ruleset::RuleSet;
use crate::target::{Exclusion, Selector, Target};

/// The scan results of the current phase.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Whether the phase's values were scanned.
    ready: bool,
    /// Slots that some value might match according to the scans so far.
    found: Vec<u64>,
    /// Slots of pending chains.
    undecided: Vec<u64>,
    /// Chains that may change values and whose forms have not been scanned yet.
    pending: u128,
    /// Values that might match, or that pending chains may change, by source.
    entries: Vec<Entry>,
    /// The result for each source, by its number.
    sources: Vec<Looked>,
    /// For each source, the slots that one of its untransformed values might match.
    hits: Vec<u64>,
    /// Questions whose answer is "no".
    denied: Vec<u64>,
}

/// The result for a source.
#[derive(Debug, Clone, Copy, Default)]
struct Looked {
    /// Range of its entries.
    start: u32,
    end: u32,
    /// Chains that may change any of its values.
    touched: u128,
}

/// A value that might match.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Index in the source.
    index: u32,
    /// The first value with equal bytes.
    id: ValueId,
    /// Offset of its scan's bits.
    scan: u32,
    /// Chains of its source that may change the result of a scan.
    touched: u128,
}

impl Candidates {
    /// Clears everything, because values may have arrived since the last phase.
    pub(super) fn start_phase(&mut self) {
        self.ready = false;
        self.denied.clear();
    }

    /// Whether the answer to a question is known to be "no".
    pub(super) fn is_denied(&self, question: Question) -> bool {
        has_bit(&self.denied, question as usize)
    }

    /// Records the answer "no".
    pub(super) fn deny(&mut self, question: Question, plan: &Plan) {
        self.denied.resize((plan.questions as usize).div_ceil(64), 0);
        self.denied[question as usize / 64] |= 1 << (question % 64);
    }
}

impl Transaction {
    /// Whether some value might match the rules of a slot. `index` is the rule that asks.
    pub(super) fn might_match(&mut self, rules: &RuleSet, slot: u16, index: RuleIndex) -> bool {
        if !self.candidates.ready {
            self.look_at_values(rules, index);
        }
        if has_bit(&self.candidates.found, slot as usize) {
            return true;
        }
        has_bit(&self.candidates.undecided, slot as usize) && self.decide(rules, slot, index)
    }

    /// Scans the untransformed values that rules of the phase read. Finds nothing after the deadline.
    fn look_at_values(&mut self, rules: &RuleSet, rule: RuleIndex) {
        let plan = &rules.plan;
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.ready = true;
        candidates.found.clear();
        candidates.found.resize(plan.filter.words(), 0);
        candidates.pending = 0;
        candidates.entries.clear();
        let (words, sources) = (plan.filter.words(), Source::FIXED.len() + self.input.xml.len());
        candidates.sources.clear();
        candidates.sources.resize(sources, Looked::default());
        candidates.hits.clear();
        candidates.hits.resize(sources * words, 0);
        for interest in &plan.interests[self.phase as usize - 1] {
            let bytes = self.inputs(interest.source).iter().map(|(_, value, _)| value.len()).sum();
            if self.is_late(rules, &rules.rules[rule as usize], bytes) {
                candidates.found.fill(0);
                break;
            }
            let inputs = inputs(&self.input, &self.response, interest.source);
            let Some(looked) = candidates.sources.get_mut(interest.number) else { continue };
            looked.start = candidates.entries.len() as u32;
            let source_hits = &mut candidates.hits[interest.number * words..][..words];
            for (index, (key, _, id)) in inputs.iter().enumerate() {
                let id = self.values.first_equal(id, &self.memory);
                let (touched, scan) = self.values.look(id, plan, &self.memory);
                let touched = touched.scan & interest.chains;
                let (any, named) = interest.of_key(key.map_or(&[][..], |key| self.memory.get(key)));
                let mut hits = 0;
                let mut add = |slots: &[u64]| {
                    for ((all, scan), slots) in source_hits.iter_mut().zip(scan).zip(slots) {
                        *all |= scan & slots;
                        hits |= scan & slots;
                    }
                };
                add(any);
                if let Some(named) = named {
                    add(named);
                }
                if hits != 0 || touched != 0 {
                    let scan = self.values.scan_of(id);
                    candidates.entries.push(Entry { index: index as u32, id, scan, touched });
                    looked.touched |= touched;
                }
            }
            looked.end = candidates.entries.len() as u32;
            candidates.pending |= looked.touched;
            for (found, hits) in candidates.found.iter_mut().zip(source_hits) {
                *found |= *hits;
            }
        }
        candidates.find_undecided(plan);
        self.candidates = candidates;
    }

    /// Scans the forms of values after the chains of a slot, if these are pending. Returns true if one might match.
    fn decide(&mut self, rules: &RuleSet, slot: u16, rule: RuleIndex) -> bool {
        let plan = &rules.plan;
        let mut candidates = std::mem::take(&mut self.candidates);
        for &chain in &plan.slots[slot as usize].chains {
            let bit = 1u128 << chain.0;
            if candidates.pending & bit == 0 {
                continue;
            }
            candidates.pending &= !bit;
            let through = &plan.by_chain[chain.0 as usize];
            for entry in candidates.entries.iter().filter(|entry| entry.touched & bit != 0) {
                let bytes = self.values.slice(entry.id).len();
                if self.is_late(rules, &rules.rules[rule as usize], bytes) {
                    break;
                }
                let form = self.values.form(entry.id, chain, rules, &mut self.memory);
                let (_, scan) = self.values.look(form, plan, &self.memory);
                for ((found, scan), through) in candidates.found.iter_mut().zip(scan).zip(through) {
                    *found |= scan & through;
                }
            }
        }
        candidates.find_undecided(plan);
        let found = has_bit(&candidates.found, slot as usize);
        self.candidates = candidates;
        found
    }

    /// Evaluates a link that has a slot.
    #[expect(
        clippy::too_many_arguments,
        reason = "one rule's context, all by reference, on the hottest path"
    )]
    pub(super) fn evaluate_filtered(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        index: RuleIndex,
        link: &Link,
        test: &Test,
        slot: u16,
        is_last: bool,
    ) -> bool {
        if !self.might_match(rules, slot, index) {
            return false;
        }
        let entries = std::mem::take(&mut self.candidates.entries);
        let Slot { family, chain_bits: chains, .. } = rules.plan.slots[slot as usize];
        let family = &rules.plan.families[family as usize];
        let mut matched = false;
        'values: for (target, sources) in &family.targets {
            for &(source, number) in sources {
                let Some(looked) = self.candidates.looked(number, chains, slot) else { continue };
                for entry in &entries[looked.start as usize..looked.end as usize] {
                    if !self.concerns(chains, slot, entry) {
                        continue;
                    }
                    let Some((key, value, _)) = self.inputs(source).get(entry.index as usize) else {
                        continue;
                    };
                    let name = key.map_or(ItemName::Bare, ItemName::Key);
                    let item = Item { variable: target.variable, name, value, id: entry.id };
                    if !self.is_meant(rules, target, &family.exclusions, &item) {
                        continue;
                    }
                    matched |= self.test_entry(rules, rule, link, test, slot, &item, is_last);
                    if matched && is_last && self.is_over() || self.deadline.has_passed() {
                        break 'values;
                    }
                }
            }
        }
        self.candidates.entries = entries;
        matched
    }

    /// Whether a value, or one of its forms, might match a slot.
    #[inline]
    fn concerns(&self, chains: u128, slot: u16, entry: &Entry) -> bool {
        entry.touched & chains != 0 || self.values.bit(entry.scan, slot)
    }

    /// Whether a target selects a value, and no exclusion removes it.
    #[inline]
    fn is_meant(&self, rules: &RuleSet, target: &Target, exclusions: &[Exclusion], item: &Item) -> bool {
        let selected = match (&target.selector, item.name) {
            (Selector::All | Selector::XPath(_), _) => true,
            (selector, ItemName::Key(key)) => selector.selects(self.memory.get(key), &self.key_faults),
            _ => true,
        };
        selected && !exclusions.iter().any(|exclusion| self.is_excluded(item, exclusion, rules))
    }

    /// Tests those forms of one value that might match.
    #[expect(
        clippy::too_many_arguments,
        reason = "one rule's context, all by reference, on the hottest path"
    )]
    fn test_entry(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        link: &Link,
        test: &Test,
        slot: u16,
        item: &Item,
        is_last: bool,
    ) -> bool {
        let (mut matched, mut before) = (false, None);
        for &chain in &rules.plan.slots[slot as usize].chains {
            let form = self.values.form(item.id, chain, rules, &mut self.memory);
            let value = self.values.slice(form);
            let tests = self.multi_match_tests(rules, chain, before, value);
            before = Some(value);
            self.values.look(form, &rules.plan, &self.memory);
            if tests && self.values.might_match(form, slot, &rules.plan) {
                matched |= self.test_value(rules, rule, link, test, item, value, is_last);
            }
        }
        matched
    }
}

impl Candidates {
    /// Returns a source, if one of its values might match a slot that reads through `chains`.
    fn looked(&self, number: usize, chains: u128, slot: u16) -> Option<Looked> {
        let looked = *self.sources.get(number)?;
        let hits = self.hits.get(number * self.found.len()..)?;
        (looked.touched & chains != 0 || has_bit(hits, slot as usize)).then_some(looked)
    }

    fn find_undecided(&mut self, plan: &Plan) {
        self.undecided.clear();
        self.undecided.resize(plan.filter.words(), 0);
        let mut pending = self.pending;
        while pending != 0 {
            let slots = &plan.by_chain[pending.trailing_zeros() as usize];
            for (undecided, slots) in self.undecided.iter_mut().zip(slots) {
                *undecided |= slots;
            }
            pending &= pending - 1;
        }
    }
}

fn has_bit(bits: &[u64], bit: usize) -> bool {
    bits.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}
