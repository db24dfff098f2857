//! Compiled rules. All transactions share them, and they never change.

use std::collections::HashMap;
use std::sync::Arc;

use seclang::action::{AllowScope, BodyProcessor, Sanitise};
use seclang::setting::{AuditEngine, RuleEngine};
use seclang::variable::Variable;

use crate::chain::{ChainId, ChainTree};
use crate::compile::CompileWarning;
use crate::expression::Expression;
use crate::names::Names;
use crate::needs::Needs;
use crate::operators::{GeoDatabase, Operator};
use crate::plan::{Place, Plan, Question};
use crate::settings::Settings;
use crate::target::{Exclusion, Paths, Target};
use crate::transaction::Spares;
use crate::transformations::UnicodeMap;
use crate::tx::Value;

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

/// The index of a rule in [`RuleSet::rules`].
pub(crate) type RuleIndex = u32;

/// A step of a phase. The steps run in order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A rule, with the place of its first link in the plan, so that most rules are skipped without reading them.
    Rule(RuleIndex, Place),
    /// A target of `skipAfter`.
    Marker,
}

/// A rule with all links of its chain.
pub(crate) struct Rule {
    /// The id; 0 for a rule without one, which ModSecurity 2 allows.
    pub(crate) id: u64,
    pub(crate) phase: u8,
    pub(crate) file: u32,
    /// First and last line of the head.
    pub(crate) line: u32,
    pub(crate) end_line: u32,
    pub(crate) meta: Meta,
    pub(crate) disruptive: Disruptive,
    pub(crate) status: Option<u16>,
    pub(crate) log: bool,
    pub(crate) audit_log: bool,
    pub(crate) skip: Skip,
    pub(crate) pause: Option<Expression>,
    /// Whether a match neither reports nor decides anything: one link, no log, no severity.
    pub(crate) is_quiet: bool,
    /// The links, the head first; never empty.
    pub(crate) links: Vec<Link>,
}

/// The keys of RULE.
pub(crate) const RULE_KEYS: [&str; 5] = ["id", "rev", "severity", "msg", "logdata"];

impl Rule {
    /// Returns the value of RULE for one of [`RULE_KEYS`], ignoring case, as written, with macros unexpanded.
    pub(crate) fn says(&self, key: &[u8]) -> Option<Vec<u8>> {
        let meta = &self.meta;
        let text = |text: &Option<Expression>| text.as_ref().map(|text| text.text.to_vec());
        match key.to_ascii_lowercase().as_slice() {
            b"id" => Some(self.id.to_string().into_bytes()),
            b"rev" => Some(meta.revision.clone()).filter(|revision| !revision.is_empty()),
            b"severity" => meta.severity.map(|severity| severity.to_string().into_bytes()),
            b"msg" => text(&meta.message),
            b"logdata" => text(&meta.logdata),
            _ => None,
        }
    }
}

/// A rule's own description.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) message: Option<Expression>,
    pub(crate) logdata: Option<Expression>,
    pub(crate) tags: Vec<Expression>,
    /// The tags as texts if none contains a macro. Matches share them.
    pub(crate) plain_tags: Option<Arc<Vec<String>>>,
    pub(crate) revision: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) severity: Option<u8>,
    pub(crate) maturity: Option<u8>,
    pub(crate) accuracy: Option<u8>,
}

impl Meta {
    /// Stores the tags as texts.
    pub(crate) fn note_plain_tags(&mut self) {
        let text = |tag: &Expression| tag.literal().map(|text| String::from_utf8_lossy(text).into_owned());
        self.plain_tags = self.tags.iter().map(text).collect::<Option<Vec<_>>>().map(Arc::new);
    }
}

/// One SecRule or SecAction of a chain.
pub(crate) struct Link {
    pub(crate) targets: Vec<Target>,
    pub(crate) exclusions: Vec<Exclusion>,
    /// The test; none for a SecAction, which always matches.
    pub(crate) test: Option<Test>,
    pub(crate) chain: ChainId,
    /// For multiMatch: the chains to test, from the unchanged value to `chain`.
    pub(crate) multi_match: Option<Vec<ChainId>>,
    pub(crate) capture: bool,
    pub(crate) actions: Vec<Action>,
    pub(crate) place: Place,
    /// The number of its question, if other links ask the same question.
    pub(crate) question: Option<Question>,
}

/// An operator with its argument.
pub(crate) struct Test {
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    /// The argument, if it contains macros.
    pub(crate) argument: Option<Expression>,
    /// The text as written, for `monban rules show`.
    pub(crate) text: Vec<u8>,
    /// Work of the test in addition to the value's length, as the deadline counts it.
    pub(crate) work: u32,
    /// Whether this is `@geoLookup`, for which the transaction looks up the value.
    pub(crate) looks_up: bool,
}

/// The effect of a matching rule on the request.
#[derive(Debug, Clone)]
pub(crate) enum Disruptive {
    Pass,
    Deny,
    Drop,
    Redirect(Expression),
    Allow(AllowScope),
}

/// The next step after a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Skip {
    No,
    /// Skip this number of rules.
    Rules(u32),
    /// Go to a step of the phase: the step after the marker, or the end of the phase without such a marker.
    To(u32),
}

/// Further effects of a matching link.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// `setvar` of a TX variable to a text without macros.
    SetTx {
        slot: u32,
        value: Value,
    },
    SetVar {
        collection: Variable,
        key: Key,
        change: Change,
    },
    ExpireVar {
        collection: Variable,
        key: Expression,
        seconds: Expression,
    },
    DeprecateVar {
        collection: Variable,
        key: Expression,
        amount: i64,
        period: i64,
    },
    InitCol {
        collection: Variable,
        key: Expression,
    },
    SetSession(Expression),
    SetUser(Expression),
    SetResource(Expression),
    SetEnv {
        name: Expression,
        value: Expression,
    },
    Sanitise {
        what: Sanitise,
        name: Vec<u8>,
    },
    Ctl(Ctl),
}

/// The key of a variable that an action changes.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// A TX variable whose name is known at load time.
    Slot(u32),
    /// A name that may contain macros.
    Dynamic(Expression),
}

/// The change that `setvar` makes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(Expression),
    Add(Expression),
    Subtract(Expression),
    Remove,
}

/// Changes to this transaction. The affected rules are known at load time.
#[derive(Debug, Clone)]
pub(crate) enum Ctl {
    RuleEngine(RuleEngine),
    AuditEngine(AuditEngine),
    AuditLogParts(Vec<u8>),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    RequestBodyLimit(u64),
    RequestBodyProcessor(BodyProcessor),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(u64),
    RemoveRules(Box<[RuleIndex]>),
    RemoveTarget(Arc<TargetRemoval>),
    /// Accepted without effect (hash engine, debug log level).
    Nothing,
}

/// `ctl:ruleRemoveTargetBy…`
#[derive(Debug)]
pub(crate) struct TargetRemoval {
    /// The rules, in ascending order.
    pub(crate) rules: Box<[RuleIndex]>,
    pub(crate) exclusion: Exclusion,
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
