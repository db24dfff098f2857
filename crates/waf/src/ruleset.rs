//! Compiled rules. All transactions share them, and they never change.

use std::collections::HashMap;

use seclang::action::Sanitise;

use crate::chain::ChainTree;
use crate::names::Names;
use crate::needs::Needs;
use crate::operators::GeoDatabase;
use crate::plan::Plan;
use crate::rule::{Action, Link, Place, Rule, RuleIndex, Step};
use crate::settings::Settings;
use crate::spares::Spares;
use crate::target::Paths;
use crate::transformations::UnicodeMap;

/// Compiled rules with their settings. [`RuleSet::compile`](crate::compile) makes them; cloning an `Arc` of them is cheap.
pub struct RuleSet {
    /// Values of the configuration directives.
    pub settings: Settings,
    /// The steps of phases 1 to 5.
    pub(crate) phases: [Vec<Step>; 5],
    pub(crate) rules: Vec<Rule>,
    pub(crate) chains: ChainTree,
    pub(crate) names: Names,
    pub(crate) plan: Plan,
    pub(crate) needs: Needs,
    pub(crate) paths: Paths,
    pub(crate) files: Vec<String>,
    pub(crate) unicode_map: Option<UnicodeMap>,
    /// `SecGeoLookupDB`
    pub(crate) geo: Option<GeoDatabase>,
    pub(crate) by_id: HashMap<u64, RuleIndex>,
    pub(crate) spares: Spares,
    pub(crate) warnings: Vec<CompileWarning>,
    /// The fields that `sanitiseArg` and similar actions name in any rule.
    pub(crate) sanitised: Vec<(Sanitise, Vec<u8>)>,
}

impl RuleSet {
    /// Returns the number of rules; a chain counts once.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Collects the fields that rules hide by name.
    pub(crate) fn note_sanitised(&mut self) {
        let links = self.rules.iter().flat_map(|rule| &rule.links);
        self.sanitised = links
            .flat_map(|link| &link.actions)
            .filter_map(|action| match action {
                Action::Sanitise { what, name } if !name.is_empty() && *what != Sanitise::MatchedBytes => {
                    Some((*what, name.clone()))
                }
                _ => None,
            })
            .collect();
    }

    /// Returns warnings about rules that probably do not do what their author meant, in the order of files and lines.
    pub fn warnings(&self) -> &[CompileWarning] {
        &self.warnings
    }

    /// Returns the names of the rule files.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Returns the description of the rule with this id.
    pub fn describe(&self, id: u64) -> Option<RuleDescription<'_>> {
        self.by_id.get(&id).map(|&index| RuleDescription { rules: self, rule: &self.rules[index as usize] })
    }

    pub(crate) fn description(&self, index: RuleIndex) -> RuleDescription<'_> {
        RuleDescription { rules: self, rule: &self.rules[index as usize] }
    }

    /// Returns the descriptions of all rules, in the order of the files.
    pub fn descriptions(&self) -> impl Iterator<Item = RuleDescription<'_>> {
        self.rules.iter().map(|rule| RuleDescription { rules: self, rule })
    }
}

/// A view of one rule, for listings.
#[derive(Clone, Copy)]
pub struct RuleDescription<'a> {
    rules: &'a RuleSet,
    rule: &'a Rule,
}

impl<'a> RuleDescription<'a> {
    /// Returns the rule's id; 0 if it has none.
    pub fn id(&self) -> u64 {
        self.rule.id
    }
    /// Returns the phase, 1 to 5.
    pub fn phase(&self) -> u8 {
        self.rule.phase
    }
    /// Returns the name of the rule's file.
    pub fn file(&self) -> &'a str {
        self.rules.files.get(self.rule.file as usize).map_or("", String::as_str)
    }
    /// Returns the first line of the rule's head.
    pub fn line(&self) -> u32 {
        self.rule.line
    }
    /// Returns the message as written, with macros unexpanded.
    pub fn message(&self) -> Option<String> {
        self.rule.meta.message.as_ref().map(|m| String::from_utf8_lossy(&m.text).into_owned())
    }
    /// Returns the tags as written.
    pub fn tags(&self) -> Vec<String> {
        self.rule.meta.tags.iter().map(|t| String::from_utf8_lossy(&t.text).into_owned()).collect()
    }
    /// Returns the severity, from 0 (emergency) to 7 (debug).
    pub fn severity(&self) -> Option<u8> {
        self.rule.meta.severity
    }
    /// Whether the plan can skip the rule when no value can match it.
    pub fn has_prefilter(&self) -> bool {
        self.rule.links.first().is_some_and(|head| head.place != Place::Plain)
    }
    /// Returns the number of links of its chain; 1 without a chain.
    pub fn links(&self) -> usize {
        self.rule.links.len()
    }
    /// Returns the operator of each link, as written; "" for a SecAction.
    pub fn operators(&self) -> Vec<String> {
        let text = |link: &Link| link.test.as_ref().map(|t| String::from_utf8_lossy(&t.text).into_owned());
        self.rule.links.iter().map(|link| text(link).unwrap_or_default()).collect()
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules.len()).field("files", &self.files.len()).finish()
    }
}

/// A part of the rules that loads, but probably does not do what its author meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileWarning {
    /// The file, as named or found.
    pub file: String,
    /// The first line of the directive.
    pub line: u32,
    /// The problem.
    pub message: String,
    /// Advice on the next step.
    pub hint: String,
}

impl std::fmt::Display for CompileWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.message, self.hint)
    }
}
