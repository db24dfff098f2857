//! Finds rules by id, tag or message.

use seclang::ast::IdRange;

use super::{Draft, DraftIndex};
use crate::operators::Pattern;
use crate::rule::RuleIndex;

/// Finds rules for ctl actions, which may name later rules.
pub(super) struct Lookup<'a> {
    drafts: Vec<(&'a Draft, RuleIndex)>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(drafts: &'a [Draft], index_of: &[DraftIndex]) -> Lookup<'a> {
        let kept = drafts.iter().zip(index_of).filter_map(|(draft, index)| index.map(|index| (draft, index)));
        Lookup { drafts: kept.collect() }
    }

    fn find(&self, means: impl Fn(&Draft) -> bool) -> Box<[RuleIndex]> {
        self.drafts.iter().filter(|(draft, _)| means(draft)).map(|&(_, index)| index).collect()
    }

    pub(super) fn by_id(&self, range: IdRange) -> Box<[RuleIndex]> {
        self.find(|draft| draft.id != 0 && range.contains(draft.id))
    }

    pub(super) fn by_tag(&self, pattern: &Pattern) -> Box<[RuleIndex]> {
        self.find(|draft| draft.has_tag(pattern))
    }

    pub(super) fn by_message(&self, pattern: &Pattern) -> Box<[RuleIndex]> {
        self.find(|draft| draft.has_message(pattern))
    }
}
