//! The values that came in, and what has been found out about each: its bytes, its transformed forms, the rules that it
//! might match. Each is found out once, when a rule first asks.

use std::collections::HashMap;

use seclang::transformation::Transformation;

use super::input::{Field, Single};
use super::profile::Profile;
use crate::chain::ChainId;
use crate::memory::{Memory, Slice};
use crate::plan::Plan;
use crate::plan::byte_set::ByteSet;
use crate::ruleset::RuleSet;
use crate::transformations::{TransformContext, transform};

/// The number of a value.
pub(super) type ValueId = u32;

/// What is known of one value.
#[derive(Debug, Clone, Copy)]
struct Known {
    slice: Slice,
    /// The classes of its bytes, once asked for.
    present: Option<ByteSet>,
    /// A value that differs in case only: they hold the same literals. Itself if there is none.
    same_literals: ValueId,
    /// Where the bits of its literals begin, plus one; 0 if they are not known.
    literals: u32,
    /// Where its scan's bits begin, plus one; 0 if it was not scanned.
    scan: u32,
    /// Where its transformed forms stand, plus one; 0 if there are none yet.
    forms: u32,
    /// The first value with the same bytes, once asked for.
    first_equal: Option<ValueId>,
}

impl Known {
    fn new(slice: Slice, id: ValueId) -> Known {
        Known { slice, present: None, same_literals: id, literals: 0, scan: 0, forms: 0, first_equal: None }
    }
}

/// The values of a transaction.
#[derive(Debug, Default)]
pub(super) struct Values {
    known: Vec<Known>,
    /// Blocks of one number for each chain: the value's form after it plus one, or 0.
    forms: Vec<u32>,
    bits: Vec<u64>,
    /// The output of the last transformation, for the next to use.
    out: Vec<u8>,
    /// The first value of each hash.
    by_hash: HashMap<u64, ValueId>,
    /// What everything costs, if it is measured.
    pub(super) profile: Option<Box<Profile>>,
}

impl Values {
    /// Takes in a value.
    pub(super) fn add(&mut self, slice: Slice) -> ValueId {
        let id = self.known.len() as u32;
        self.known.push(Known::new(slice, id));
        id
    }

    /// Takes in a name with its value.
    pub(super) fn add_field(&mut self, name: Slice, value: Slice) -> Field {
        let value_id = self.add(value);
        self.add(name);
        Field { name, value, id: value_id }
    }

    /// Takes in a value without a name.
    pub(super) fn add_single(&mut self, value: Slice) -> Single {
        Single { value, id: self.add(value) }
    }

    /// A value has grown: what was known of it no longer holds.
    pub(super) fn replace(&mut self, id: ValueId, slice: Slice) {
        if let Some(known) = self.known.get_mut(id as usize) {
            *known = Known::new(slice, id);
        }
    }

    pub(super) fn slice(&self, id: ValueId) -> Slice {
        self.known.get(id as usize).map_or(Slice::default(), |known| known.slice)
    }

    fn present(&mut self, id: ValueId, plan: &Plan, memory: &Memory) -> ByteSet {
        let known = &mut self.known[id as usize];
        match known.present {
            Some(present) => present,
            None => *known.present.insert(plan.classes.present(memory.get(known.slice))),
        }
    }

    /// The value's form after a chain of transformations; itself if the chain leaves it as it is.
    pub(super) fn form(
        &mut self,
        id: ValueId,
        chain: ChainId,
        rules: &RuleSet,
        memory: &mut Memory,
    ) -> ValueId {
        let Some(node) = rules.chains.node(chain) else { return id };
        let trigger = rules.plan.triggers[chain.0 as usize];
        if !trigger.always && !trigger.set.intersects(self.present(id, &rules.plan, memory)) {
            return id;
        }
        let chains = rules.chains.len();
        if self.known[id as usize].forms == 0 {
            self.known[id as usize].forms = self.forms.len() as u32 + 1;
            self.forms.resize(self.forms.len() + chains, 0);
        }
        let cell = self.known[id as usize].forms as usize - 1 + chain.0 as usize;
        if let Some(found) = self.forms[cell].checked_sub(1) {
            return found;
        }
        let input = self.form(id, node.parent, rules, memory);
        let context = TransformContext { unicode_map: rules.unicode_map.as_ref() };
        let mut out = std::mem::take(&mut self.out);
        let started = self.profile.as_ref().map(|profile| profile.now());
        let changed = transform(node.transformation, memory.get(self.slice(input)), &mut out, &context);
        self.profile_form(started, chain, self.slice(input).len(), changed);
        let form = if changed {
            self.add_form(id, input, node.transformation, chains, &mut out, memory)
        } else {
            input
        };
        self.out = out;
        self.forms[cell] = form + 1;
        form
    }

    /// Notes what a transformation took.
    #[inline]
    pub(super) fn profile_form(&mut self, started: Option<u64>, chain: ChainId, bytes: usize, changed: bool) {
        if let (Some(started), Some(profile)) = (started, &mut self.profile) {
            profile.transformed(chain, bytes, changed, started);
        }
    }

    /// Takes in a transformed value, unless another chain has led to the same.
    fn add_form(
        &mut self,
        root: ValueId,
        input: ValueId,
        transformation: Transformation,
        chains: usize,
        bytes: &mut Vec<u8>,
        memory: &mut Memory,
    ) -> ValueId {
        let start = self.known[root as usize].forms as usize - 1;
        let others = self.forms[start..start + chains].iter().filter_map(|form| form.checked_sub(1));
        for other in others {
            if memory.get(self.slice(other)) == bytes.as_slice() {
                return other;
            }
        }
        let form = self.add(memory.take(bytes));
        if matches!(transformation, Transformation::Lowercase | Transformation::Uppercase) {
            self.known[form as usize].same_literals = self.known[input as usize].same_literals;
        }
        form
    }

    /// The first value that has the same bytes: what is found out about one holds for both. Names of JSON values and of
    /// repeated fields are many and equal.
    pub(super) fn first_equal(&mut self, id: ValueId, memory: &Memory) -> ValueId {
        if let Some(first) = self.known[id as usize].first_equal {
            return first;
        }
        let bytes = memory.get(self.slice(id));
        let first = *self.by_hash.entry(hash(bytes)).or_insert(id);
        // Another value with the same hash is no harm: it is only looked at by itself.
        let first = if memory.get(self.slice(first)) == bytes { first } else { id };
        self.known[id as usize].first_equal = Some(first);
        first
    }

    /// The bits of the rules that the value might match.
    pub(super) fn scan(&mut self, id: ValueId, plan: &Plan, memory: &Memory) -> &[u64] {
        let words = plan.filter.words();
        if self.known[id as usize].scan == 0 {
            let present = self.present(id, plan, memory);
            let literals = self.literals(self.known[id as usize].same_literals, plan, memory);
            let start = self.bits.len();
            self.bits.extend_from_within(literals..literals + words);
            plan.filter.meet(present, &mut self.bits[start..]);
            self.known[id as usize].scan = start as u32 + 1;
        }
        let start = self.known[id as usize].scan as usize - 1;
        &self.bits[start..start + words]
    }

    /// Where the bits of a value's literals begin.
    fn literals(&mut self, id: ValueId, plan: &Plan, memory: &Memory) -> usize {
        let known = &mut self.known[id as usize];
        if known.literals == 0 {
            let start = self.bits.len();
            self.bits.resize(start + plan.filter.words(), 0);
            plan.filter.literals(memory.get(known.slice), &mut self.bits[start..]);
            known.literals = start as u32 + 1;
        }
        known.literals as usize - 1
    }
}

/// FNV-1a, over words of eight bytes.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
    let mut words = bytes.chunks_exact(8);
    let whole = words.by_ref().fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, |hash, word| {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        step(hash, u64::from_le_bytes(eight))
    });
    words.remainder().iter().fold(whole, |hash, &byte| step(hash, u64::from(byte)))
}
