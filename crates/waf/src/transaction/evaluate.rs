//! Evaluates phases, rules and links, one rule after the other.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a rule has fewer than 2^32 targets and items"
)]

use std::sync::Arc;

use event::Timestamp;
use seclang::action::AllowScope;
use seclang::variable::Variable;

use super::variables::{Item, ItemName, NO_ID};
use super::{Decision, FaultKind, Matched, Mode, Noted, Transaction};
use crate::chain::ChainId;
use crate::memory::Slice;
use crate::operators::MatchError;
use crate::rule::{Link, Place, Rule, RuleIndex, Skip, Step, Test};
use crate::ruleset::RuleSet;
use crate::target::{Exclusion, Target};
use crate::transformations::{TransformContext, counts_as_change, transform};
use crate::tx::Value;

impl Transaction {
    pub(super) fn run_phase(&mut self, phase: u8, now: Timestamp) -> Decision {
        self.now = now;
        self.tx.wake();
        self.values.wake();
        if phase < 5
            && let Some(intervention) = &self.intervention
        {
            return Decision::Intervene(intervention.clone());
        }
        self.phase = phase;
        if self.allowed == Some(AllowScope::Phase) {
            self.allowed = None;
        }
        let allowed = match self.allowed {
            Some(AllowScope::Transaction) => phase < 5,
            Some(AllowScope::Request) => phase <= 2,
            Some(AllowScope::Phase) | None => false,
        };
        if !allowed {
            let rules = Arc::clone(&self.rules);
            self.candidates.start_phase();
            self.run_steps(&rules, &rules.phases[phase as usize - 1]);
        }
        if self.key_faults.take() {
            self.note_fault(FaultKind::PcreMatch, 0, || {
                "a pattern over names in a rule's targets reached a limit of PCRE2".to_owned()
            });
        }
        match &self.intervention {
            Some(intervention) => Decision::Intervene(intervention.clone()),
            None => Decision::Continue,
        }
    }

    fn run_steps(&mut self, rules: &RuleSet, steps: &[Step]) {
        let intervened_before = self.intervention.is_some();
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            if self.mode == Mode::Off {
                return;
            }
            let Step::Rule(index, place) = *step else { continue };
            if self.is_removed(index) || self.passes_over(rules, index, place) {
                continue;
            }
            let rule = &rules.rules[index as usize];
            if !self.matches_quietly(rules, rule, index, place) && !self.evaluate_measured(rules, rule, index)
            {
                continue;
            }
            if self.intervention.is_some() && !intervened_before || self.ends_phase() {
                return;
            }
            match rule.skip {
                Skip::No => {}
                Skip::To(to) => at = to as usize,
                Skip::Rules(count) => at = behind_rules(steps, at, count),
            }
        }
    }

    /// Whether an `allow` ends the current phase.
    fn ends_phase(&self) -> bool {
        self.allowed.is_some() && self.phase < 5
    }

    fn is_removed(&self, index: RuleIndex) -> bool {
        self.removed.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Whether the plan shows that the rule's first link cannot match.
    fn passes_over(&mut self, rules: &RuleSet, index: RuleIndex, place: Place) -> bool {
        if self.plain || self.has_removed_targets(index) {
            return false;
        }
        match place {
            Place::Plain => false,
            Place::Filtered { slot } => !self.might_match(rules, slot, index),
            Place::Compared { slot, comparison, number } => {
                !self.tx.get(slot).is_some_and(|value| comparison.holds(value.as_c_int(), number))
            }
            Place::Counted { slot, comparison, number } => {
                !comparison.holds(i32::from(self.tx.get(slot).is_some()), number)
            }
        }
    }

    /// Handles a comparison of a TX variable that holds and reports nothing: records the match, and runs the actions.
    fn matches_quietly(&mut self, rules: &RuleSet, rule: &Rule, index: RuleIndex, place: Place) -> bool {
        if self.plain || !rule.is_quiet || !self.removed_targets.is_empty() {
            return false;
        }
        let noted = match place {
            Place::Compared { slot, .. } => match self.tx.get(slot) {
                Some(Value::Number(number)) => Noted::Tx { slot, number: *number },
                _ => return false,
            },
            Place::Counted { slot, .. } => {
                Noted::Count { rule: index, count: self.tx.get(slot).is_some().into() }
            }
            Place::Plain | Place::Filtered { .. } => return false,
        };
        self.noted = Some(noted);
        for link in &rule.links {
            self.act(rules, rule, link);
        }
        true
    }

    /// Runs a rule with its chain. Returns true if the whole chain matched.
    pub(super) fn evaluate(&mut self, rules: &RuleSet, rule: &Rule, index: RuleIndex) -> bool {
        self.matched_in_chain.clear();
        for (number, link) in rule.links.iter().enumerate() {
            let is_last = number + 1 == rule.links.len();
            if !self.evaluate_link(rules, rule, link, index, is_last) {
                return false;
            }
        }
        true
    }

    fn evaluate_link(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        link: &Link,
        index: RuleIndex,
        is_last: bool,
    ) -> bool {
        self.memory.clear_scratch();
        let Some(test) = &link.test else {
            self.on_match(rules, rule, link, None, is_last);
            return true;
        };
        let planned = !self.plain && !self.has_removed_targets(index);
        let question = link.question.filter(|_| planned);
        if question.is_some_and(|question| self.candidates.is_denied(question)) {
            return false;
        }
        let failures = self.faults.failures;
        let matched = match link.place {
            Place::Filtered { slot } if planned => {
                self.evaluate_filtered(rules, rule, index, link, test, slot, is_last)
            }
            _ => self.evaluate_plainly(rules, rule, index, link, test, is_last),
        };
        // Each rule reports its own failed operator.
        if let Some(question) = question
            && !matched
            && self.faults.failures == failures
        {
            self.candidates.deny(question, &rules.plan);
        }
        matched
    }

    fn evaluate_plainly(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        index: RuleIndex,
        link: &Link,
        test: &Test,
        is_last: bool,
    ) -> bool {
        let mut items = std::mem::take(&mut self.items);
        self.collect_targets(rules, link, index, &mut items);
        let mut matched = false;
        for item in &items {
            matched |= self.test_item(rules, rule, link, test, item, is_last);
            if matched && is_last && self.is_over() || self.deadline.has_passed() {
                break;
            }
        }
        items.clear();
        self.items = items;
        matched
    }

    /// Whether ctl has removed targets of the rule.
    fn has_removed_targets(&self, index: RuleIndex) -> bool {
        self.removed_targets.iter().any(|removal| removal.rules.binary_search(&index).is_ok())
    }

    /// Whether a link that has matched needs no further tests.
    pub(super) fn is_over(&self) -> bool {
        self.intervention.is_some() && self.phase < 5 || self.ends_phase()
    }

    /// Collects the values of all targets, without the excluded ones.
    fn collect_targets(&mut self, rules: &RuleSet, link: &Link, index: RuleIndex, items: &mut Vec<Item>) {
        for (number, target) in link.targets.iter().enumerate() {
            let first = items.len();
            match target.variable {
                Variable::Rule => self.rule_value(&rules.rules[index as usize], &target.selector, items),
                variable => self.collect(variable, &target.selector, rules, items),
            }
            self.exclude(rules, link, index, items, first);
            if target.counted {
                let count = (items.len() - first) as i64;
                items.truncate(first);
                items.push(Item {
                    variable: target.variable,
                    name: ItemName::Target(number as u32),
                    value: self.memory.scratch_number(count),
                    id: NO_ID,
                });
            }
        }
    }

    /// Removes the values of the link's own exclusions and of ctl. As in ModSecurity, ctl affects only the first link of a chain,
    /// because the others have neither id nor tags.
    fn exclude(&self, rules: &RuleSet, link: &Link, index: RuleIndex, items: &mut Vec<Item>, first: usize) {
        let is_first = rules.rules[index as usize].links.first().is_some_and(|head| std::ptr::eq(head, link));
        let by_ctl =
            self.removed_targets.iter().filter(|r| is_first && r.rules.binary_search(&index).is_ok());
        let exclusions = link.exclusions.iter().chain(by_ctl.map(|removal| &removal.exclusion));
        self.take_away(rules, exclusions, items, first);
    }

    /// Removes the excluded values from the items after `first`.
    pub(super) fn take_away<'a>(
        &self,
        rules: &RuleSet,
        exclusions: impl Iterator<Item = &'a Exclusion>,
        items: &mut Vec<Item>,
        first: usize,
    ) {
        for exclusion in exclusions {
            let mut at = first;
            while let Some(item) = items.get(at) {
                if self.is_excluded(item, exclusion, rules) {
                    items.remove(at);
                } else {
                    at += 1;
                }
            }
        }
    }

    /// Tests one value (with multiMatch each of its forms), and runs the actions for every match.
    fn test_item(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        link: &Link,
        test: &Test,
        item: &Item,
        is_last: bool,
    ) -> bool {
        let Some(chains) = &link.multi_match else {
            let value = self.transformed(rules, item, link.chain);
            return self.test_value(rules, rule, link, test, item, value, is_last);
        };
        let mut matched = false;
        let mut before = None;
        for &chain in chains {
            let value = self.transformed(rules, item, chain);
            if self.multi_match_tests(rules, chain, before, value) {
                matched |= self.test_value(rules, rule, link, test, item, value, is_last);
            }
            before = Some(value);
        }
        matched
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one rule's context, all by reference, on the hottest path"
    )]
    pub(super) fn test_value(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        link: &Link,
        test: &Test,
        item: &Item,
        value: Slice,
        is_last: bool,
    ) -> bool {
        if self.is_late(rules, rule, test.work as usize + value.len()) {
            return false;
        }
        let mut argument = std::mem::take(&mut self.text);
        argument.clear();
        // As in ModSecurity, a macro without a value expands to an empty text.
        if let Some(expression) = &test.argument {
            self.expand(expression, rules, rule, &mut argument);
        }
        let matched = {
            let expanded = test.argument.as_ref().map(|_| argument.as_slice());
            self.captures.clear();
            self.captures.wanted = link.capture;
            let started = self.profile_start();
            let answer = match test.looks_up {
                true => self.geo_look_up(rules, value),
                false => test.operator.matches(self.memory.get(value), expanded, &mut self.captures),
            };
            self.profile_test(
                started,
                test,
                value.len(),
                matches!(answer, Ok(found) if found != test.negated),
            );
            match answer {
                Ok(found) => found != test.negated,
                Err(error) => self.test_failed(rules, rule, link, test, item, &error),
            }
        };
        self.text = argument;
        if matched {
            self.on_match(rules, rule, link, Some((item, value, test)), is_last);
        }
        matched
    }

    /// Reports an operator that failed on a value, and returns whether the rule matches nevertheless. It is separate from
    /// [`Transaction::test_value`], so that the compiler keeps rare code out of the common path.
    #[cold]
    #[inline(never)]
    fn test_failed(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        link: &Link,
        test: &Test,
        item: &Item,
        error: &MatchError,
    ) -> bool {
        let mut name = Vec::new();
        self.write_name(item, rules, target_name(link, item), &mut name);
        self.captures.clear();
        self.operator_failed(error, test.operator.name().name(), rule.id, test.negated, &name)
    }

    /// Evaluates `@geoLookup`: fills GEO, with and without `!`.
    #[cold]
    #[inline(never)]
    fn geo_look_up(&mut self, rules: &RuleSet, value: Slice) -> Result<bool, MatchError> {
        let Some(database) = &rules.geo else {
            return Err(MatchError::Failed("@geoLookup has no database; set SecGeoLookupDB".to_owned()));
        };
        let place = database.place(self.memory.get(value));
        let found = place.is_some();
        self.geo = place.unwrap_or_default();
        Ok(found)
    }

    fn on_match(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        link: &Link,
        found: Option<(&Item, Slice, &Test)>,
        is_last: bool,
    ) {
        if let Some((item, value, _)) = found {
            let mut text = std::mem::take(&mut self.text);
            text.clear();
            self.write_name(item, rules, target_name(link, item), &mut text);
            let name = self.memory.store(&text);
            self.text = text;
            let value = self.memory.keep(value);
            self.matched = Some(Matched { name, value });
            self.noted = None;
            self.matched_in_chain.push(Matched { name, value });
            if link.capture {
                self.take_captures(value);
            }
        }
        if is_last && let Some(severity) = rule.meta.severity {
            self.highest_severity = self.highest_severity.min(severity);
        }
        self.act(rules, rule, link);
        if is_last {
            self.conclude(rules, rule, found.map(|(_, _, test)| test));
        }
    }

    /// Whether multiMatch tests a form: the unchanged value, and each form that ModSecurity counts as changed.
    pub(super) fn multi_match_tests(
        &self,
        rules: &RuleSet,
        chain: ChainId,
        before: Option<Slice>,
        value: Slice,
    ) -> bool {
        match (before, rules.chains.node(chain)) {
            (Some(before), Some(node)) => {
                counts_as_change(node.transformation, self.memory.get(before), self.memory.get(value))
            }
            _ => true,
        }
    }

    /// Returns the value after a chain of transformations. Each step is computed once for each value whose bytes cannot change.
    fn transformed(&mut self, rules: &RuleSet, item: &Item, chain: ChainId) -> Slice {
        if item.id != NO_ID {
            let form = self.values.form(item.id, chain, rules, &mut self.memory);
            return self.values.slice(form);
        }
        let Some(node) = rules.chains.node(chain) else { return item.value };
        let input = self.transformed(rules, item, node.parent);
        let context = TransformContext { unicode_map: rules.unicode_map.as_ref() };
        let mut out = Vec::new();
        let started = self.profile_start();
        let changed = transform(node.transformation, self.memory.get(input), &mut out, &context);
        self.values.profile_form(started, chain, input.len(), changed);
        if changed { self.memory.adopt(out) } else { input }
    }
}

/// Returns the target's name for a count. The names of other values contain their key.
fn target_name<'a>(link: &'a Link, item: &Item) -> &'a str {
    match item.name {
        ItemName::Target(number) => link.targets.get(number as usize).map_or("", |t: &Target| &t.name),
        _ => "",
    }
}

/// Returns the position after the next `count` rules.
fn behind_rules(steps: &[Step], mut at: usize, count: u32) -> usize {
    let mut left = count;
    while left > 0 && at < steps.len() {
        if matches!(steps[at], Step::Rule(..)) {
            left -= 1;
        }
        at += 1;
    }
    at
}
