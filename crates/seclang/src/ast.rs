//! The syntax tree: the directives of a set of rule files in order, with includes resolved.

use crate::action::Action;
use crate::operator::OperatorCall;
use crate::setting::Setting;
use crate::span::{FileId, Span};
pub use crate::target::{IdRange, Selector, Target};

/// All files of a load, in the order in which their directives take effect.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The names of the files as given or found, indexed by [`FileId`].
    pub files: Vec<String>,
    /// The directives. Those of an included file stand in place of the Include.
    pub directives: Vec<Directive>,
}

impl Document {
    /// Returns the name of a file.
    pub fn file(&self, id: FileId) -> &str {
        self.files.get(id.0 as usize).map_or("", String::as_str)
    }
}

/// One directive and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its position.
    pub span: Span,
    /// Its contents.
    pub kind: DirectiveKind,
}

/// The contents of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectiveKind {
    /// `SecRule TARGETS "OPERATOR" "ACTIONS"`
    Rule(Rule),
    /// `SecAction "ACTIONS"`
    Action(Vec<Action>),
    /// `SecMarker NAME`
    Marker(Vec<u8>),
    /// `SecDefaultAction "ACTIONS"`: applies to later rules in the same configuration context.
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
        /// Targets to add. An exclusion removes its target.
        targets: Vec<Target>,
        /// Targets that `targets` replace, if given.
        replaced: Vec<Target>,
    },
    /// `SecRuleUpdateTargetByTag REGEX "TARGETS" ["REPLACED"]`
    UpdateTargetByTag {
        /// The pattern of the rules' tags.
        pattern: String,
        /// Targets to add. An exclusion removes its target.
        targets: Vec<Target>,
        /// Targets that `targets` replace, if given.
        replaced: Vec<Target>,
    },
    /// `SecRuleUpdateTargetByMsg REGEX "TARGETS" ["REPLACED"]`
    UpdateTargetByMsg {
        /// The pattern of the rules' messages.
        pattern: String,
        /// Targets to add. An exclusion removes its target.
        targets: Vec<Target>,
        /// Targets that `targets` replace, if given.
        replaced: Vec<Target>,
    },
    /// `SecRuleUpdateActionById ID[:OFFSET] "ACTIONS"`
    UpdateActionById {
        /// The rules.
        rules: RuleRef,
        /// Actions to add, or to replace those of their kind; never id, phase or chain.
        actions: Vec<Action>,
    },
    /// Any directive that sets an option of the engine.
    Setting(Setting),
}

/// `SecRule`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The values that the rule reads.
    pub targets: Vec<Target>,
    /// The test of each value.
    pub operator: OperatorCall,
    /// The actions.
    pub actions: Vec<Action>,
}

/// The rules of an update: ids, and the link within a chain, counted from the head (0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// The ids.
    pub ids: Vec<IdRange>,
    /// The link of the chain, if one was named.
    pub chain_offset: Option<u32>,
}
