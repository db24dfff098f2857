//! One compiled rule: its links, its tests and its effects.

use std::sync::Arc;

use seclang::action::{AllowScope, BodyProcessor, Sanitise};
use seclang::setting::{AuditEngine, RuleEngine};
use seclang::variable::Variable;

use crate::chain::ChainId;
use crate::expression::Expression;
use crate::operators::{Comparison, Operator};
use crate::target::{Exclusion, Target};
use crate::tx::Value;

/// The index of a rule in a rule set.
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

impl Rule {
    /// Returns the value of RULE for one of [`RULE_KEYS`](crate::target::RULE_KEYS), ignoring case, as written, with macros unexpanded.
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

/// The treatment of a link by the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// The link is always evaluated.
    #[default]
    Plain,
    /// The link is skipped if no value has the slot's bit.
    Filtered { slot: u16 },
    /// The link compares one TX variable with a number.
    Compared { slot: u32, comparison: Comparison, number: i32 },
    /// The link tests whether a TX variable is set, by comparing its count (0 or 1) with a number.
    Counted { slot: u32, comparison: Comparison, number: i32 },
}

/// The number of a question that several links share: the same operator, values and chains. The answer "no" holds for all of them
/// until the phase ends.
pub(crate) type Question = u32;
