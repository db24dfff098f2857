//! What can be known of rules before they run, so that most need not run.
//!
//! Over 95 % of rule evaluations do not match. For each rule the plan knows what a value must hold to match it: one of
//! some literals, one byte of each of some sets. A value is scanned once for the literals of all rules; the result is a
//! bit for each rule. Rules that look at the same values through the same transformations form a [`Group`]: where no
//! value of a group has a rule's bit, the rule is passed over without looking at any value.
//!
//! The outcome is that of plain evaluation, which a differential test compares
//! ([`Transaction::set_plain`](crate::Transaction::set_plain)).
//!
//! | module | holds |
//! |---|---|
//! | [`byte_set`], [`classes`] | sets of bytes, and bytes that no set tells apart |
//! | [`requirement`] | what a value must hold for an operator to match it |
//! | [`triggers`] | the bytes without which a transformation changes nothing |
//! | [`filter`] | the scan for all rules |

pub(crate) mod byte_set;
pub(crate) mod classes;
pub(crate) mod filter;
pub(crate) mod requirement;
pub(crate) mod triggers;

use seclang::variable::Variable;

use crate::chain::{ChainId, ChainTree};
use crate::operators::{Comparison, Kind};
use crate::ruleset::{Disruptive, Link, Rule, Step};
use crate::target::{Exclusion, Selector, Target};
use classes::Classes;
use filter::{Filter, FilterBuilder};
use triggers::Trigger;

/// The plan of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) filter: Filter,
    pub(crate) families: Vec<Family>,
    pub(crate) groups: Vec<Group>,
    pub(crate) classes: Classes,
    /// For each chain the classes of bytes without which it leaves a value as it is.
    pub(crate) triggers: Vec<Trigger>,
}

/// Values that rules look at together: the same targets, less the same exclusions.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) targets: Vec<Target>,
    pub(crate) exclusions: Vec<Exclusion>,
    name: String,
}

/// A family seen through the same chains: one, or all that multiMatch tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) family: u16,
    pub(crate) chains: Vec<ChainId>,
}

/// A link's place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// It is evaluated plainly.
    #[default]
    Plain,
    /// It is passed over where no value of the group has the bit.
    Filtered { group: u16, bit: u16 },
    /// It compares one TX variable with a number.
    Compared { slot: u32, comparison: Comparison, number: i32 },
    /// It asks whether a TX variable is set, by comparing their count (0 or 1) with a number.
    Counted { slot: u32, comparison: Comparison, number: i32 },
}

/// Makes the plan and gives each link its place.
pub(crate) fn make(rules: &mut [Rule], phases: &mut [Vec<Step>], chains: &ChainTree) -> Plan {
    let mut plan = Plan { triggers: triggers::of_chains(chains), ..Plan::default() };
    let mut builder = FilterBuilder::default();
    for link in rules.iter_mut().flat_map(|rule| &mut rule.links) {
        link.place = place(link, &mut plan, &mut builder);
    }
    for rule in rules.iter_mut() {
        rule.only_skips = only_skips(rule);
    }
    for step in phases.iter_mut().flatten() {
        if let Step::Rule(index, place) = step {
            *place = rules[*index as usize].links.first().map_or(Place::Plain, |link| link.place);
        }
    }
    plan.classes = Classes::of_sets(builder.sets().chain(plan.triggers.iter().map(|trigger| &trigger.set)));
    for trigger in &mut plan.triggers {
        trigger.set = plan.classes.translate(trigger.set);
    }
    plan.filter = builder.build(&plan.classes);
    plan
}

fn place(link: &Link, plan: &mut Plan, builder: &mut FilterBuilder) -> Place {
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
    // A negated operator matches where it finds nothing: no literal can tell.
    if test.negated || !link.targets.iter().all(is_settled) {
        return Place::Plain;
    }
    let Some(requirement) = requirement::of(&test.operator) else { return Place::Plain };
    let Some(bit) = builder.add(requirement) else { return Place::Plain };
    let family = plan.family(link);
    let chains = link.multi_match.clone().unwrap_or_else(|| vec![link.chain]);
    let group = plan.group(Group { family, chains });
    Place::Filtered { group, bit }
}

fn only_skips(rule: &Rule) -> bool {
    let silent = !rule.log && !rule.audit_log && rule.meta.severity.is_none() && rule.pause.is_none();
    let [link] = rule.links.as_slice() else { return false };
    silent && matches!(rule.disruptive, Disruptive::Pass) && link.actions.is_empty() && !link.capture
}

impl Plan {
    fn family(&mut self, link: &Link) -> u16 {
        let name = format!("{:?} {:?}", link.targets, link.exclusions);
        let known = self.families.iter().position(|family| family.name == name);
        let index = known.unwrap_or_else(|| {
            let (targets, exclusions) = (link.targets.clone(), link.exclusions.clone());
            self.families.push(Family { targets, exclusions, name });
            self.families.len() - 1
        });
        index as u16
    }

    fn group(&mut self, group: Group) -> u16 {
        let known = self.groups.iter().position(|g| *g == group);
        known.unwrap_or_else(|| {
            self.groups.push(group);
            self.groups.len() - 1
        }) as u16
    }
}

/// Whether the values of a target stay the same during a phase, and are kept as they came in.
fn is_settled(target: &Target) -> bool {
    use Variable as V;
    !target.counted
        && matches!(
            target.variable,
            V::Args
                | V::ArgsGet
                | V::ArgsGetNames
                | V::ArgsNames
                | V::ArgsPost
                | V::ArgsPostNames
                | V::Files
                | V::FilesNames
                | V::FilesTmpContent
                | V::MultipartPartHeaders
                | V::QueryString
                | V::RequestBasename
                | V::RequestBody
                | V::RequestCookies
                | V::RequestCookiesNames
                | V::RequestFilename
                | V::RequestHeaders
                | V::RequestHeadersNames
                | V::RequestLine
                | V::RequestMethod
                | V::RequestProtocol
                | V::RequestUri
                | V::RequestUriRaw
                | V::ResponseBody
                | V::ResponseContentType
                | V::ResponseHeaders
                | V::ResponseHeadersNames
                | V::ResponseProtocol
                | V::ScriptBasename
                | V::ScriptFilename
                | V::StatusLine
                | V::Xml
        )
}
