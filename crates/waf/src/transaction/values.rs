//! The values that came in, and what has been found out about each: its bytes, its transformed forms, the rules that it
//! might match. Each is found out once, when a rule first asks.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use seclang::transformation::Transformation;

use super::input::{Field, Single};
use super::profile::Profile;
use crate::chain::ChainId;
use crate::memory::{Memory, Slice};
use crate::plan::Plan;
use crate::plan::byte_set::ByteSet;
use crate::plan::triggers::{CHAINS, Touched};
use crate::ruleset::RuleSet;
use crate::transformations::{TransformContext, transform};

/// The number of a value.
pub(super) type ValueId = u32;

/// What is known of one value.
#[derive(Debug, Clone, Copy)]
struct Known {
    slice: Slice,
    /// Where the bits of its scan begin, plus one; 0 if it was not looked at yet.
    scan: u32,
    /// A value that differs in the case of letters only: their scans are the same. Itself if there is none.
    same_scan: ValueId,
    /// Where its transformed forms stand, plus one; 0 if there are none yet.
    forms: u32,
    /// The first value with the same bytes; [`UNKNOWN`] until asked for.
    first_equal: ValueId,
    /// The chains that may change it; known once it was looked at, as are the classes of its bytes.
    touched: Touched,
    present: ByteSet,
}

const UNKNOWN: ValueId = ValueId::MAX;

impl Known {
    fn new(slice: Slice, id: ValueId) -> Known {
        Known {
            slice,
            scan: 0,
            same_scan: id,
            forms: 0,
            first_equal: UNKNOWN,
            touched: Touched::ALL,
            present: ByteSet::EMPTY,
        }
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
    by_hash: HashMap<u64, ValueId, BuildHasherDefault<Hashed>>,
    /// Whether every transformation is computed, even where it can't change anything.
    plain: bool,
    /// What everything costs, if it is measured.
    pub(super) profile: Option<Box<Profile>>,
}

impl Values {
    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.forms.clear();
        self.bits.clear();
        self.by_hash.clear();
        self.plain = false;
        self.profile = None;
    }

    /// Bytes that stay allocated when it is cleared, roughly.
    pub(super) fn capacity(&self) -> usize {
        let hashed = self.by_hash.capacity() * 16;
        self.known.capacity() * size_of::<Known>()
            + self.forms.capacity() * 4
            + self.bits.capacity() * 8
            + hashed
    }

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

    /// Computes every transformation from now on.
    pub(super) fn set_plain(&mut self) {
        self.plain = true;
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
        if !self.plain && (chain.0 as usize) < CHAINS {
            let (touched, _) = self.look(id, &rules.plan, memory);
            if touched.exact >> chain.0 & 1 == 0 {
                return id;
            }
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
        let before = memory.get(self.slice(input));
        let changed = transform(node.transformation, before, &mut out, &context) && before != out.as_slice();
        self.profile_form(started, chain, before.len(), changed);
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
            self.known[form as usize].same_scan = self.known[input as usize].same_scan;
        }
        form
    }

    /// The first value that has the same bytes: what is found out about one holds for both. Names of JSON values and of
    /// repeated fields are many and equal.
    pub(super) fn first_equal(&mut self, id: ValueId, memory: &Memory) -> ValueId {
        let first = self.known[id as usize].first_equal;
        if first != UNKNOWN {
            return first;
        }
        let bytes = memory.get(self.slice(id));
        let first = *self.by_hash.entry(hash(bytes)).or_insert(id);
        // Another value with the same hash is no harm: it is only looked at by itself.
        let first = if memory.get(self.slice(first)) == bytes { first } else { id };
        self.known[id as usize].first_equal = first;
        first
    }

    /// Looks at a value's bytes, once: the chains that may change it, and a bit for each slot that it might match.
    pub(super) fn look(&mut self, id: ValueId, plan: &Plan, memory: &Memory) -> (Touched, &[u64]) {
        let words = plan.filter.words();
        if self.known[id as usize].scan == 0 {
            self.look_first(id, plan, memory);
        }
        let known = &self.known[id as usize];
        let start = known.scan as usize - 1;
        (known.touched, &self.bits[start..start + words])
    }

    fn look_first(&mut self, id: ValueId, plan: &Plan, memory: &Memory) {
        let Known { slice, same_scan, .. } = self.known[id as usize];
        let value = memory.get(slice);
        let present = plan.classes.present(value);
        let known_scan = self.known[same_scan as usize].scan;
        let scan = match known_scan {
            0 => {
                let start = self.bits.len();
                self.bits.resize(start + plan.filter.words(), 0);
                plan.filter.scan(value, present, &mut self.bits[start..]);
                start as u32 + 1
            }
            known => known,
        };
        let known = &mut self.known[id as usize];
        known.scan = scan;
        known.present = present;
        known.touched = plan.triggers.touched(value, present);
    }

    /// Where the bits of a value that was looked at begin.
    pub(super) fn scan_of(&self, id: ValueId) -> u32 {
        self.known[id as usize].scan.saturating_sub(1)
    }

    /// A slot's bit of the scan that begins at `scan`.
    #[inline]
    pub(super) fn bit(&self, scan: u32, slot: u16) -> bool {
        self.bits.get(scan as usize + slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Whether a value that was looked at might match a slot.
    pub(super) fn might_match(&self, id: ValueId, slot: u16, plan: &Plan) -> bool {
        self.bit(self.scan_of(id), slot) && plan.filter.has_sets(slot, self.known[id as usize].present)
    }
}

/// A hash that is one already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
    fn finish(&self) -> u64 {
        self.0
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
