//! Analysis of rules at load time, so that transactions can skip most rules.
//!
//! Over 95 % of rule evaluations do not match. For each rule the plan knows what a value must contain to match: one of some
//! literals, or one byte from each of some sets. Rules that apply the same test to the same values through the same
//! transformations share a [`Slot`]. One scan of a value serves all slots and sets a bit for each. If no value of a slot has its
//! bit, the transaction skips the slot's rules without reading any value.
//!
//! The result is that of plain evaluation, and a differential test compares both
//! ([`Transaction::set_plain`](crate::Transaction::set_plain)).
//!
//! | module | contents |
//! |---|---|
//! | [`byte_set`], [`classes`] | sets of bytes, and classes of bytes that no set distinguishes |
//! | [`requirement`] | the conditions under which an operator can match a value |
//! | [`triggers`] | the bytes without which a transformation changes nothing |
//! | [`filter`] | the scan for all slots |
//! | [`source`], [`interest`] | sources of values, and the slots that read them |

#![expect(clippy::cast_possible_truncation, reason = "a plan has at most filter::MOST_SLOTS slots")]

pub(crate) mod byte_set;
pub(crate) mod classes;
pub(crate) mod filter;
pub(crate) mod interest;
pub(crate) mod requirement;
pub(crate) mod source;
pub(crate) mod triggers;

use std::collections::BTreeMap;

use crate::chain::{ChainId, ChainTree};
use crate::operators::Kind;
use crate::rule::{Disruptive, Link, Place, Question, Rule, Step};
use crate::target::{Exclusion, Selector, Target};
use classes::Classes;
use filter::Filter;
use interest::Interest;
use requirement::Requirement;
use source::Source;
use triggers::Triggers;

/// The plan of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) filter: Filter,
    pub(crate) classes: Classes,
    pub(crate) triggers: Triggers,
    pub(crate) slots: Vec<Slot>,
    pub(crate) families: Vec<Family>,
    /// Number of questions that several links share.
    pub(crate) questions: Question,
    /// The sources that the rules of each phase read.
    pub(crate) interests: [Vec<Interest>; 5],
    /// The slots that read through each chain.
    pub(crate) by_chain: Vec<Box<[u64]>>,
}

/// The same test of the same values through the same chains: one chain, or all that multiMatch tests.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) family: u16,
    pub(crate) chains: Vec<ChainId>,
    /// The chains as bits.
    pub(crate) chain_bits: u128,
}

/// Values that rules read together: the same targets with the same exclusions.
#[derive(Debug)]
pub(crate) struct Family {
    /// The targets, with the numbers of their sources.
    pub(crate) targets: Vec<(Target, Vec<(Source, usize)>)>,
    pub(crate) exclusions: Vec<Exclusion>,
    name: String,
}

/// Makes the plan, and gives each link its place.
pub(crate) fn make(
    rules: &mut [Rule],
    phases: &mut [Vec<Step>],
    chains: &ChainTree,
    files: &[String],
) -> Plan {
    let mut plan = Plan::default();
    let mut requirements = Vec::new();
    for link in rules.iter_mut().flat_map(|rule| &mut rule.links) {
        link.place = place(link, &mut plan, &mut requirements);
    }
    plan.find_questions(rules, files);
    plan.put_in_order(rules, &mut requirements);
    for rule in rules.iter_mut() {
        rule.is_quiet = is_quiet(rule);
        rule.meta.note_plain_tags();
    }
    for step in phases.iter_mut().flatten() {
        if let Step::Rule(index, place) = step {
            *place = rules[*index as usize].links.first().map_or(Place::Plain, |link| link.place);
        }
    }
    let sets = requirements.iter().flat_map(|r: &Requirement| r.sets.iter().chain([&r.or_bytes]));
    let sets: Vec<_> = sets.map(|set| set.folded()).chain(triggers::sets(chains)).collect();
    plan.classes = Classes::of_sets(sets.iter());
    plan.triggers = Triggers::new(chains, &plan.classes);
    plan.filter = Filter::build(&requirements, &plan.classes);
    plan.find_interests(rules, phases, chains);
    plan
}

fn place(link: &Link, plan: &mut Plan, requirements: &mut Vec<Requirement>) -> Place {
    let Some(test) = &link.test else { return Place::Plain };
    if test.argument.is_some() {
        return Place::Plain;
    }
    if let (Kind::Compare(comparison, Some(number)), [target], []) =
        (test.operator.kind(), link.targets.as_slice(), link.exclusions.as_slice())
        && let (Selector::Slot(slot), ChainId::NONE, None, false) =
            (&target.selector, link.chain, &link.multi_match, test.negated)
    {
        let (slot, comparison, number) = (*slot, *comparison, *number);
        return match target.counted {
            true => Place::Counted { slot, comparison, number },
            false => Place::Compared { slot, comparison, number },
        };
    }
    let chains = link.multi_match.clone().unwrap_or_else(|| vec![link.chain]);
    // A negated operator matches if it finds nothing, so no literal can decide.
    if test.negated || chains.iter().any(|chain| chain.0 as usize >= triggers::CHAINS) {
        return Place::Plain;
    }
    let Some(requirement) = requirement::of(&test.operator) else { return Place::Plain };
    let Some(family) = plan.family(link) else { return Place::Plain };
    match plan.slot(family, chains, requirement, requirements) {
        Some(slot) => Place::Filtered { slot },
        None => Place::Plain,
    }
}

fn is_quiet(rule: &Rule) -> bool {
    let silent = !rule.log && !rule.audit_log && rule.meta.severity.is_none() && rule.pause.is_none();
    silent && matches!(rule.disruptive, Disruptive::Pass) && matches!(&*rule.links, [link] if !link.capture)
}

impl Plan {
    /// Returns the family of a link's values; none if some values change during a phase, or if the plan has too many families.
    fn family(&mut self, link: &Link) -> Option<u16> {
        let name = format!("{:?} {:?}", link.targets, link.exclusions);
        if let Some(known) = self.families.iter().position(|family| family.name == name) {
            return u16::try_from(known).ok();
        }
        let targets: Vec<_> =
            link.targets.iter().map(|target| (target.clone(), source::of_target(target))).collect();
        if targets.iter().any(|(_, sources)| sources.is_empty()) {
            return None;
        }
        let number = u16::try_from(self.families.len()).ok()?;
        self.families.push(Family { targets, exclusions: link.exclusions.clone(), name });
        Some(number)
    }

    /// Finds links that ask the same question.
    fn find_questions(&mut self, rules: &mut [Rule], files: &[String]) {
        let mut links: BTreeMap<String, Vec<&mut Link>> = BTreeMap::new();
        for rule in rules {
            // Operators name files relative to the folder of the rule.
            let file = files.get(rule.file as usize).map_or("", String::as_str);
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            for link in &mut rule.links {
                let Some(test) = &link.test else { continue };
                let asks_others = matches!(test.operator.kind(), Kind::Rbl | Kind::GeoLookup);
                if test.argument.is_some() || asks_others {
                    continue;
                }
                let Some(family) = self.family(link) else { continue };
                let text = String::from_utf8_lossy(&test.text);
                let name = format!("{family} {:?} {:?} {folder} {text}", link.chain, link.multi_match);
                links.entry(name).or_default().push(link);
            }
        }
        for links in links.into_values().filter(|links| links.len() > 1) {
            links.into_iter().for_each(|link| link.question = Some(self.questions));
            self.questions += 1;
        }
    }

    /// Returns the slot of a question; none if the plan has too many slots.
    fn slot(
        &mut self,
        family: u16,
        chains: Vec<ChainId>,
        requirement: Requirement,
        requirements: &mut Vec<Requirement>,
    ) -> Option<u16> {
        let mut slots = self.slots.iter().zip(requirements.iter());
        let known = slots.position(|(slot, required)| {
            slot.family == family && slot.chains == chains && *required == requirement
        });
        if known.is_none() {
            if self.slots.len() == filter::MOST_SLOTS {
                return None;
            }
            let chain_bits = chains.iter().fold(0, |bits, chain| bits | 1u128 << chain.0);
            self.slots.push(Slot { family, chains, chain_bits });
            requirements.push(requirement);
        }
        Some(known.unwrap_or(self.slots.len() - 1) as u16)
    }

    /// Gives the lowest numbers to the slots whose bits single bytes can set: only these need a table indexed by bytes.
    fn put_in_order(&mut self, rules: &mut [Rule], requirements: &mut Vec<Requirement>) {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|&slot| !filter::is_met_by_bytes(&requirements[slot]));
        let mut places = vec![0u16; order.len()];
        (0u16..).zip(&order).for_each(|(new, &old)| places[old] = new);
        for link in rules.iter_mut().flat_map(|rule| &mut rule.links) {
            if let Place::Filtered { slot } = &mut link.place {
                *slot = places[*slot as usize];
            }
        }
        *requirements = order.iter().map(|&old| std::mem::take(&mut requirements[old])).collect();
        self.slots = order.iter().map(|&old| std::mem::take(&mut self.slots[old])).collect();
    }

    fn find_interests(&mut self, rules: &[Rule], phases: &[Vec<Step>], chains: &ChainTree) {
        let words = self.filter.words();
        self.by_chain = vec![vec![0; words].into_boxed_slice(); chains.len()];
        for (slot, entry) in self.slots.iter().enumerate() {
            for chain in &entry.chains {
                self.by_chain[chain.0 as usize][slot / 64] |= 1 << (slot % 64);
            }
        }
        for (steps, interests) in phases.iter().zip(&mut self.interests) {
            let indices = steps.iter().filter_map(|step| match step {
                Step::Rule(index, _) => Some(*index as usize),
                Step::Marker => None,
            });
            for link in indices.flat_map(|index| &rules[index].links) {
                let Place::Filtered { slot } = link.place else { continue };
                let Slot { family, chain_bits, .. } = self.slots[slot as usize];
                for (target, sources) in &self.families[family as usize].targets {
                    for &(source, _) in sources {
                        let known =
                            interests.iter().position(|interest: &Interest| interest.source == source);
                        let at = known.unwrap_or_else(|| {
                            interests.push(Interest::new(source, words));
                            interests.len() - 1
                        });
                        interests[at].add(slot, chain_bits, &target.selector);
                    }
                }
            }
        }
    }
}
