//! Rules by groups: where no value of a group might match a rule, the rule is passed over.

use super::Transaction;
use super::values::ValueId;
use super::variables::Item;
use crate::plan::Family;
use crate::ruleset::{Link, Rule, RuleIndex, RuleSet, Test};

/// The values of a family.
#[derive(Debug, Default)]
struct Gathered {
    /// The phase in which they were gathered.
    phase: u32,
    items: Vec<Item>,
    /// Their numbers, each once: equal values have one.
    distinct: Vec<ValueId>,
    /// The length of all of these.
    bytes: usize,
}

/// What is known of the plan's families and groups in this phase.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Counts the phases, so that what an earlier one found out is known to be old.
    phase: u32,
    families: Vec<Gathered>,
    /// The phase in which each group's bits were gathered.
    gathered: Vec<u32>,
    /// The bits of each group: what any of its values might match.
    bits: Vec<u64>,
}

impl Groups {
    /// Values may have come in since the last phase.
    pub(super) fn start_phase(&mut self) {
        self.phase += 1;
    }
}

impl Transaction {
    /// Evaluates a link that the plan has given a bit.
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
        group: u16,
        bit: u16,
        is_last: bool,
    ) -> bool {
        if !self.group_has(rules, group, bit, index) {
            return false;
        }
        let family = rules.plan.groups[group as usize].family as usize;
        let items = std::mem::take(&mut self.groups.families[family].items);
        let mut matched = false;
        for item in &items {
            let mut before = None;
            for &chain in &rules.plan.groups[group as usize].chains {
                let form = self.values.form(item.id, chain, rules, &mut self.memory);
                let value = self.values.slice(form);
                let tests = self.multi_match_tests(rules, chain, before, value);
                before = Some(value);
                if tests && has_bit(self.values.scan(form, &rules.plan, &self.memory), bit) {
                    matched |= self.test_value(rules, rule, link, test, item, value, is_last);
                }
            }
            if matched && is_last && self.is_over() || self.deadline.has_passed() {
                break;
            }
        }
        self.groups.families[family].items = items;
        matched
    }

    /// Whether some value of a group might match the rules with a bit.
    pub(super) fn group_has(&mut self, rules: &RuleSet, group: u16, bit: u16, index: RuleIndex) -> bool {
        let group = group as usize;
        if self.groups.gathered.get(group) != Some(&self.groups.phase) {
            self.gather(rules, group, rules.plan.groups[group].family as usize, index);
        }
        has_bit(&self.groups.bits[group * rules.plan.filter.words()..], bit)
    }

    /// Finds out which rules the values of a group might match, once in each phase; the rule at `index` is the first that
    /// asks.
    fn gather(&mut self, rules: &RuleSet, group: usize, family: usize, index: RuleIndex) {
        let plan = &rules.plan;
        let words = plan.filter.words();
        if self.groups.gathered.is_empty() {
            self.groups.gathered.resize(plan.groups.len(), 0);
            self.groups.bits.resize(plan.groups.len() * words, 0);
            self.groups.families.resize_with(plan.families.len(), Gathered::default);
        }
        self.groups.gathered[group] = self.groups.phase;
        self.gather_family(rules, family, &plan.families[family]);
        if self.is_late(rules, &rules.rules[index as usize], self.groups.families[family].bytes) {
            return self.groups.bits[group * words..(group + 1) * words].fill(0);
        }
        let bits = &mut self.groups.bits[group * words..(group + 1) * words];
        bits.fill(0);
        for &id in &self.groups.families[family].distinct {
            for &chain in &plan.groups[group].chains {
                let form = self.values.form(id, chain, rules, &mut self.memory);
                let scan = self.values.scan(form, plan, &self.memory);
                for (all, one) in bits.iter_mut().zip(scan) {
                    *all |= one;
                }
            }
        }
    }

    fn gather_family(&mut self, rules: &RuleSet, number: usize, family: &Family) {
        if self.groups.families[number].phase == self.groups.phase {
            return;
        }
        let Gathered { mut items, mut distinct, .. } = std::mem::take(&mut self.groups.families[number]);
        items.clear();
        for target in &family.targets {
            let first = items.len();
            self.collect(target.variable, &target.selector, rules, &mut items);
            self.take_away(rules, family.exclusions.iter(), &mut items, first);
        }
        for item in &mut items {
            item.id = self.values.first_equal(item.id, &self.memory);
        }
        distinct.clear();
        distinct.extend(items.iter().map(|item| item.id));
        distinct.sort_unstable();
        distinct.dedup();
        let bytes = distinct.iter().map(|&id| self.values.slice(id).len()).sum();
        self.groups.families[number] = Gathered { phase: self.groups.phase, items, distinct, bytes };
    }
}

fn has_bit(bits: &[u64], bit: u16) -> bool {
    bits[bit as usize / 64] >> (bit % 64) & 1 == 1
}
