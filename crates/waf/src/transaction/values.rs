//! The values of a transaction, and facts about each: its bytes, its transformed forms, the rules that it might match. Each fact
//! is computed once, when a rule first needs it.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a transaction has fewer than 2^32 values, and any part of a hash selects a cell"
)]

use std::ops::Range;

use seclang::transformation::Transformation;

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

/// A named value. `id` is the number of the value; the name has the next number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: Slice,
    pub(super) value: Slice,
    pub(super) id: ValueId,
}

/// A value without a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Single {
    pub(super) value: Slice,
    pub(super) id: ValueId,
}

/// The facts about one value.
#[derive(Debug, Clone, Copy)]
struct Known {
    slice: Slice,
    /// Offset of its scan's bits plus one; 0 before the scan.
    scan: u32,
    /// A value that differs only in the case of letters and so has the same scan; else the value itself.
    same_scan: ValueId,
    /// Offset of its transformed forms plus one; 0 without forms.
    forms: u32,
    /// A value with equal bytes; [`UNKNOWN`] before the first search.
    first_equal: ValueId,
    /// Chains that may change it. The scan and the classes of its bytes show them.
    touched: Touched,
    present: ByteSet,
}

const UNKNOWN: ValueId = ValueId::MAX;

/// Number of recent values in the table that finds equal values.
const RECENT: usize = 512;

/// Number of values for which capacity is reserved at the start.
const MANY: usize = 256;

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
    /// For each value, a block with one number for each chain that may change it: the value's form after the chain plus one, or
    /// 0.
    forms: Vec<u32>,
    bits: Vec<u64>,
    /// The output buffer of the last transformation, reused by the next one.
    out: Vec<u8>,
    /// The last value of each hash modulo [`RECENT`], with the rest of its hash. Most repetitions follow soon, and a table of all
    /// values would not fit into the processor's caches.
    recent: Vec<(u32, ValueId)>,
    /// All values during a rest; `known` is empty then.
    resting: Vec<Slice>,
    /// Whether every transformation runs, even if it cannot change the value.
    plain: bool,
    /// Costs, if the transaction measures them.
    pub(super) profile: Option<Box<Profile>>,
}

impl Values {
    /// Clears the contents and keeps the allocations.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.forms.clear();
        self.bits.clear();
        self.recent.clear();
        self.resting.clear();
        self.plain = false;
        self.profile = None;
    }

    /// Returns roughly the number of bytes that stay allocated after [`Values::clear`].
    pub(super) fn capacity(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
            + self.forms.capacity() * 4
            + self.bits.capacity() * 8
            + self.out.capacity()
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.known.len() + self.resting.len()
    }

    /// Keeps only the values, in little memory. [`Values::wake`] must precede the next use, which computes the facts again.
    pub(super) fn rest(&mut self) {
        if self.resting.is_empty() {
            self.resting = self.known.iter().map(|known| known.slice).collect();
            self.release(0);
        }
    }

    /// Ends a rest.
    pub(super) fn wake(&mut self) {
        if !self.resting.is_empty() {
            self.take_places();
        }
    }

    #[cold]
    fn take_places(&mut self) {
        let slices = std::mem::take(&mut self.resting);
        self.known = (0..).zip(slices).map(|(id, slice)| Known::new(slice, id)).collect();
    }

    /// Removes the values after the first `count`, and all facts about the others, which are computed again if a rule needs them.
    pub(super) fn release(&mut self, count: usize) {
        self.known.truncate(count);
        for (id, known) in (0..).zip(&mut self.known) {
            *known = Known { slice: known.slice, ..Known::new(known.slice, id) };
        }
        self.known.shrink_to_fit();
        self.forms = Vec::new();
        self.bits = Vec::new();
        self.recent = Vec::new();
        self.out = Vec::new();
    }

    /// Reserves capacity for `count` further values, so that their data does not move when it grows.
    pub(super) fn make_room(&mut self, count: usize, rules: &RuleSet) {
        if count < MANY {
            return;
        }
        // half of them are names, most of which are known and stay unchanged; the rest may have forms
        self.known.reserve(count + count / 2);
        self.bits.reserve(count * rules.plan.filter.words());
    }

    /// Adds a value.
    pub(super) fn add(&mut self, slice: Slice) -> ValueId {
        self.wake();
        let id = self.known.len() as u32;
        self.known.push(Known::new(slice, id));
        id
    }

    /// Adds a name with its value.
    pub(super) fn add_field(&mut self, name: Slice, value: Slice) -> Field {
        let value_id = self.add(value);
        self.add(name);
        Field { name, value, id: value_id }
    }

    /// Adds a value without a name.
    pub(super) fn add_single(&mut self, value: Slice) -> Single {
        Single { value, id: self.add(value) }
    }

    /// Removes the facts about a value that has grown.
    pub(super) fn replace(&mut self, id: ValueId, slice: Slice) {
        if let Some(known) = self.known.get_mut(id as usize) {
            *known = Known::new(slice, id);
        }
    }

    pub(super) fn slice(&self, id: ValueId) -> Slice {
        self.known.get(id as usize).map_or(Slice::default(), |known| known.slice)
    }

    /// Runs every transformation from now on.
    pub(super) fn set_plain(&mut self) {
        self.plain = true;
    }

    /// Returns the value's form after a chain of transformations; the value itself if the chain leaves it unchanged.
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
        let cells = self.cells(id, rules.chains.len());
        let cell = cells.start + self.cell_of(id, chain.0 as usize);
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
        let form =
            if changed { self.add_form(cells, input, node.transformation, &mut out, memory) } else { input };
        self.out = out;
        self.forms[cell] = form + 1;
        form
    }

    /// Returns a value's cells in `forms`: one for each chain that may change it, in the order of chain numbers.
    fn cells(&mut self, id: ValueId, chains: usize) -> Range<usize> {
        let length = self.cell_of(id, chains);
        let known = &mut self.known[id as usize];
        if known.forms == 0 {
            known.forms = self.forms.len() as u32 + 1;
            self.forms.resize(self.forms.len() + length, 0);
        }
        let start = known.forms as usize - 1;
        start..start + length
    }

    /// Returns the number of chains with a lower number that may change the value.
    fn cell_of(&self, id: ValueId, chain: usize) -> usize {
        let touched = if self.plain { u128::MAX } else { self.known[id as usize].touched.exact };
        let below = 1u128.checked_shl(chain as u32).map_or(u128::MAX, |bit| bit - 1);
        (touched & below).count_ones() as usize + chain.saturating_sub(CHAINS)
    }

    /// Records the cost of a transformation.
    #[inline]
    pub(super) fn profile_form(&mut self, started: Option<u64>, chain: ChainId, bytes: usize, changed: bool) {
        if let (Some(started), Some(profile)) = (started, &mut self.profile) {
            profile.transformed(chain, bytes, changed, started);
        }
    }

    /// Adds a transformed value, unless another chain gave the same one.
    fn add_form(
        &mut self,
        cells: Range<usize>,
        input: ValueId,
        transformation: Transformation,
        bytes: &mut Vec<u8>,
        memory: &mut Memory,
    ) -> ValueId {
        let others = self.forms[cells].iter().filter_map(|form| form.checked_sub(1));
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

    /// Returns an earlier value with equal bytes, or the value itself. Facts about one are valid for both. JSON values and
    /// repeated fields have many equal names.
    pub(super) fn first_equal(&mut self, id: ValueId, memory: &Memory) -> ValueId {
        let first = self.known[id as usize].first_equal;
        if first != UNKNOWN {
            return first;
        }
        let bytes = memory.get(self.slice(id));
        self.recent.resize(RECENT, (0, UNKNOWN));
        let hash = hash(bytes);
        let rest = (hash >> 32) as u32;
        let cell = &mut self.recent[hash as usize % RECENT];
        // Another value with the same hash only means that this value is scanned separately.
        let first = match *cell {
            (known, before) if known == rest && before != UNKNOWN => before,
            _ => id,
        };
        *cell = (rest, first);
        let first = if memory.get(self.slice(first)) == bytes { first } else { id };
        self.known[id as usize].first_equal = first;
        first
    }

    /// Scans a value's bytes once: finds the chains that may change it, and sets a bit for each slot that it might match.
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

    /// Returns the offset of the bits of a scanned value.
    pub(super) fn scan_of(&self, id: ValueId) -> u32 {
        self.known[id as usize].scan.saturating_sub(1)
    }

    /// Returns a slot's bit of the scan at `scan`.
    #[inline]
    pub(super) fn bit(&self, scan: u32, slot: u16) -> bool {
        self.bits.get(scan as usize + slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Whether a scanned value might match a slot.
    pub(super) fn might_match(&self, id: ValueId, slot: u16, plan: &Plan) -> bool {
        self.bit(self.scan_of(id), slot) && plan.filter.has_sets(slot, self.known[id as usize].present)
    }
}

/// Hashes words of eight bytes with FNV-1a.
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
