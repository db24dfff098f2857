//! Costs of rules and transformations, measured in running transactions.
//!
//! The caller gives a profile to a transaction, takes it back and gives it to the next. Without a profile, each evaluated rule
//! and each tested or transformed value costs one more comparison.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Clock, Transaction};
use crate::chain::ChainId;
use crate::rule::{Rule, RuleIndex, Test};
use crate::ruleset::{RuleDescription, RuleSet};

/// Cost of one rule, operator or transformation over all transactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Number of runs.
    pub count: u64,
    /// Number of matches; for a transformation the number of changed values.
    pub hits: u64,
    /// Bytes of the values; 0 for whole rules.
    pub bytes: u64,
    /// Total time.
    pub nanos: u64,
    /// Longest time of one run.
    pub longest: u64,
}

impl Cost {
    fn add(&mut self, hit: bool, bytes: usize, nanos: u64) {
        self.count += 1;
        self.hits += u64::from(hit);
        self.bytes += bytes as u64;
        self.nanos += nanos;
        self.longest = self.longest.max(nanos);
    }
}

/// Costs of the rules of one set.
pub struct Profile {
    rules: Arc<RuleSet>,
    clock: Clock,
    by_rule: Vec<Cost>,
    /// Costs by the address of a link's test: the rule, the link's number, the cost.
    by_test: HashMap<usize, (RuleIndex, usize, Cost)>,
    by_chain: Vec<Cost>,
    /// Time of all transformations.
    chain_nanos: u64,
}

impl Profile {
    /// Begins a profile, for transactions of this rule set only.
    pub fn new(rules: &Arc<RuleSet>, clock: Clock) -> Profile {
        let tests = (0..).zip(&rules.rules).flat_map(|(index, rule)| {
            let tests = rule.links.iter().enumerate().filter_map(|(n, link)| Some((n, link.test.as_ref()?)));
            tests.map(move |(number, test)| (place(test), (index, number, Cost::default())))
        });
        Profile {
            by_test: tests.collect(),
            by_rule: vec![Cost::default(); rules.rules.len()],
            by_chain: vec![Cost::default(); rules.chains.len()],
            chain_nanos: 0,
            clock,
            rules: Arc::clone(rules),
        }
    }

    /// Returns each rule with the cost of its evaluation, without transformations. It omits rules that the plan or another rule
    /// skipped, and removed rules.
    pub fn rules(&self) -> impl Iterator<Item = (RuleDescription<'_>, Cost)> {
        self.rules.descriptions().zip(self.by_rule.iter().copied())
    }

    /// Returns each operator that ran: its rule, the number of its link (from 0), its cost for all values.
    pub fn operators(&self) -> impl Iterator<Item = (RuleDescription<'_>, usize, Cost)> {
        let asked = self.by_test.values().filter(|(.., cost)| cost.count > 0);
        asked.map(|(index, link, cost)| (self.rules.description(*index), *link, *cost))
    }

    /// Returns each transformation that ran, named by the whole chain that it ends (`urlDecodeUni,lowercase`).
    pub fn chains(&self) -> impl Iterator<Item = (String, Cost)> {
        let all = (0..).zip(&self.by_chain).filter(|(_, cost)| cost.count > 0);
        all.map(|(number, cost)| (self.rules.chains.name(ChainId(number)), *cost))
    }

    pub(super) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(super) fn transformed(&mut self, chain: ChainId, bytes: usize, changed: bool, started: u64) {
        let nanos = self.now().saturating_sub(started);
        self.chain_nanos += nanos;
        if let Some(cost) = self.by_chain.get_mut(chain.0 as usize) {
            cost.add(changed, bytes, nanos);
        }
    }

    fn tested(&mut self, test: &Test, bytes: usize, matched: bool, started: u64) {
        let nanos = self.now().saturating_sub(started);
        if let Some((.., cost)) = self.by_test.get_mut(&place(test)) {
            cost.add(matched, bytes, nanos);
        }
    }
}

fn place(test: &Test) -> usize {
    std::ptr::from_ref(test).addr()
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("rules", &self.rules).finish()
    }
}

impl Transaction {
    /// Starts measuring. The profile must belong to the same rule set. [`Transaction::take_profile`] returns it.
    pub fn set_profile(&mut self, profile: Box<Profile>) {
        self.values.profile = Some(profile);
    }

    /// Returns the profile, with the measurements since [`Transaction::set_profile`] added.
    pub fn take_profile(&mut self) -> Option<Box<Profile>> {
        self.values.profile.take()
    }

    /// Returns the current time, if the transaction has a profile.
    #[inline]
    pub(super) fn profile_start(&self) -> Option<u64> {
        self.values.profile.as_ref().map(|profile| profile.now())
    }

    /// Records the result of an operator on a value.
    #[inline]
    pub(super) fn profile_test(&mut self, started: Option<u64>, test: &Test, bytes: usize, matched: bool) {
        if let (Some(started), Some(profile)) = (started, &mut self.values.profile) {
            profile.tested(test, bytes, matched, started);
        }
    }

    /// Evaluates a rule, and measures it if a profile is set.
    #[inline]
    pub(super) fn evaluate_measured(&mut self, rules: &RuleSet, rule: &Rule, index: RuleIndex) -> bool {
        if self.values.profile.is_none() {
            self.evaluate(rules, rule, index)
        } else {
            self.measure(rules, rule, index)
        }
    }

    #[cold]
    fn measure(&mut self, rules: &RuleSet, rule: &Rule, index: RuleIndex) -> bool {
        let state = |this: &Self| this.values.profile.as_ref().map_or((0, 0), |p| (p.now(), p.chain_nanos));
        let (started, chains_before) = state(self);
        let matched = self.evaluate(rules, rule, index);
        let (ended, chains_after) = state(self);
        if let Some(cost) = self.values.profile.as_mut().and_then(|p| p.by_rule.get_mut(index as usize)) {
            let nanos = ended.saturating_sub(started).saturating_sub(chains_after - chains_before);
            cost.add(matched, 0, nanos);
        }
        matched
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{Collections, Connection, Timestamp};

    const RULES: &str = r#"
SecRuleEngine On
SecRule ARGS "@rx attack" "id:1,phase:1,pass,nolog,t:lowercase"
SecRule ARGS "@rx never-there" "id:2,phase:1,pass,nolog,t:lowercase,t:urlDecodeUni"
SecRule ARGS "!@rx ^[a-z]+$" "id:3,phase:1,pass,nolog,chain"
  SecRule ARGS:b "@eq 2" "t:length"
"#;

    /// Returns a profile whose clock advances by a nanosecond on each reading.
    fn profile(rules: &Arc<RuleSet>) -> Box<Profile> {
        let now = AtomicU64::new(0);
        Box::new(Profile::new(rules, Arc::new(move || now.fetch_add(1, Ordering::Relaxed))))
    }

    #[test]
    fn costs_by_rule_operator_and_chain() {
        let document = seclang::load::parse_str("rules.conf", RULES).unwrap();
        let rules = Arc::new(RuleSet::compile(&document, &crate::operators::NoFiles).unwrap());
        let connection =
            Connection { client: "192.0.2.1:5".parse().unwrap(), server: "192.0.2.2:80".parse().unwrap() };
        let now = Timestamp::from_micros(0);
        let mut profile = profile(&rules);
        for target in [&b"/?a=ATTACK&b=B2"[..], b"/?a=plain"] {
            let collections = Arc::new(Collections::default());
            let mut tx = Transaction::new(Arc::clone(&rules), connection, now, "id", collections);
            tx.set_profile(profile);
            tx.request_line(b"GET", target, b"HTTP/1.1");
            tx.request_headers_done(now);
            profile = tx.take_profile().unwrap();
            assert!(tx.take_profile().is_none());
        }
        let rule: Vec<(u64, u64, u64)> =
            profile.rules().map(|(rule, cost)| (rule.id(), cost.count, cost.hits)).collect();
        // the plan skips rule 1 except in the first request, and always skips rule 2
        assert_eq!(rule, [(1, 1, 1), (2, 0, 0), (3, 2, 1)]);
        let filtered: Vec<bool> = profile.rules().map(|(rule, _)| rule.has_prefilter()).collect();
        assert_eq!(filtered, [true, true, false]);
        let mut operators: Vec<_> = profile
            .operators()
            .map(|(rule, link, cost)| (rule.id(), link, cost.count, cost.hits, cost.bytes, cost.nanos))
            .collect();
        operators.sort_unstable();
        // ATTACK; ATTACK, B2, plain; B2's length
        assert_eq!(operators, [(1, 0, 1, 1, 6, 1), (3, 0, 3, 2, 13, 3), (3, 1, 1, 1, 1, 1)]);
        let chains: HashMap<String, Cost> = profile.chains().collect();
        // ATTACK; the prefilter ignores case, so no other value is converted to lower case
        let lowercase = chains["lowercase"];
        assert_eq!((lowercase.count, lowercase.hits, lowercase.bytes), (1, 1, 6));
        assert_eq!(chains["length"].count, 1);
        let (_, third) = profile.rules().nth(2).unwrap();
        // two readings for each of 4 tests, and one between start and end of each of 2; none for the transformation
        assert_eq!(third.nanos, 4 * 2 + 2 + 1, "{third:?}");
    }

    #[test]
    fn a_profile_stays_with_its_transaction() {
        let document = seclang::load::parse_str("rules.conf", RULES).unwrap();
        let rules = Arc::new(RuleSet::compile(&document, &crate::operators::NoFiles).unwrap());
        let connection =
            Connection { client: "192.0.2.1:5".parse().unwrap(), server: "192.0.2.2:80".parse().unwrap() };
        let transaction = || {
            let (now, collections) = (Timestamp::from_micros(0), Arc::new(Collections::default()));
            Transaction::new(Arc::clone(&rules), connection, now, "id", collections)
        };
        let mut first = transaction();
        first.set_profile(profile(&rules));
        drop(first);
        assert!(transaction().take_profile().is_none());
    }
}
