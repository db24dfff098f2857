//! The syntax tree: what a set of rule files says, includes resolved, in order.

use crate::action::Action;
use crate::operator::OperatorCall;
use crate::setting::Setting;
use crate::span::{FileId, Span};
use crate::template::Template;
use crate::variable::Variable;

/// All files of a load in the order in which their directives take effect.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The files' names as given or found, indexed by [`FileId`].
    pub files: Vec<String>,
    /// The directives; an Include's stand in its place.
    pub directives: Vec<Directive>,
}

impl Document {
    /// The name of a file.
    pub fn file(&self, id: FileId) -> &str {
        self.files.get(id.0 as usize).map_or("", String::as_str)
    }
}

/// One directive and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its place.
    pub span: Span,
    /// What it says.
    pub kind: DirectiveKind,
}

/// What a directive says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectiveKind {
    /// `SecRule TARGETS "OPERATOR" "ACTIONS"`
    Rule(Rule),
    /// `SecAction "ACTIONS"`
    Action(Vec<Action>),
    /// `SecMarker NAME`
    Marker(Vec<u8>),
    /// `SecDefaultAction "ACTIONS"`; holds for the rules behind it in the same configuration context.
    DefaultAction(Vec<Action>),
    /// `SecRuleRemoveById 1 2-5 "7-9"`
    RemoveById(Vec<IdRange>),
    /// `SecRuleRemoveByTag REGEX`
    RemoveByTag(String),
    /// `SecRuleRemoveByMsg REGEX`
    RemoveByMsg(String),
    /// `SecRuleUpdateTargetById ID[:OFFSET] "TARGETS" ["REPLACED"]`
    UpdateTargetById {
        /// The rules.
        rules: RuleRef,
        /// Targets to add; exclusions take away.
        targets: Vec<Target>,
        /// If given, these targets are replaced by `targets`.
        replaced: Vec<Target>,
    },
    /// `SecRuleUpdateTargetByTag REGEX "TARGETS" ["REPLACED"]`
    UpdateTargetByTag {
        /// The pattern of the rules' tags.
        pattern: String,
        /// Targets to add; exclusions take away.
        targets: Vec<Target>,
        /// If given, these targets are replaced by `targets`.
        replaced: Vec<Target>,
    },
    /// `SecRuleUpdateTargetByMsg REGEX "TARGETS" ["REPLACED"]`
    UpdateTargetByMsg {
        /// The pattern of the rules' messages.
        pattern: String,
        /// Targets to add; exclusions take away.
        targets: Vec<Target>,
        /// If given, these targets are replaced by `targets`.
        replaced: Vec<Target>,
    },
    /// `SecRuleUpdateActionById ID[:OFFSET] "ACTIONS"`
    UpdateActionById {
        /// The rules.
        rules: RuleRef,
        /// Actions to add or to put in the place of those of their kind; never id, phase or chain.
        actions: Vec<Action>,
    },
    /// Anything that sets an option of the engine.
    Setting(Setting),
}

/// `SecRule`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it looks at.
    pub targets: Vec<Target>,
    /// What it asks of each value.
    pub operator: OperatorCall,
    /// What it does.
    pub actions: Vec<Action>,
}

/// An inclusive range of rule ids; a single id is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The first id.
    pub first: u64,
    /// The last id, not less than the first.
    pub last: u64,
}

impl IdRange {
    /// Whether `id` lies in it.
    pub fn contains(self, id: u64) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

/// The rules that an update means: ids, and within a chain the link counted from the head (0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// The ids.
    pub ids: Vec<IdRange>,
    /// The link of the chain, if one was named.
    pub chain_offset: Option<u32>,
}

/// One target of a rule: `&REQUEST_HEADERS:Host`, `!ARGS:/^x/`, `XML:/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `!`: what it names is taken away from the other targets.
    pub excluded: bool,
    /// `&`: the number of values, not the values.
    pub counted: bool,
    /// The variable.
    pub variable: Variable,
    /// What part of a collection.
    pub selector: Option<Selector>,
}

/// The part of a collection that a target means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A key; compares without case. May hold macros in ctl targets only.
    Key(Vec<u8>),
    /// `/pattern/`, quoted or not: the keys that match, without case.
    Regex(String),
    /// An XPath expression for `XML`.
    XPath(String),
}

/// Text that may hold macros, for messages and the like.
pub type Text = Template;
