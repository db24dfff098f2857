//! Expands macros in messages, arguments and names of variables.

use seclang::variable::Variable;

use super::{Transaction, is_single};
use crate::expression::{Expression, Piece};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::target::Selector;

/// Capacity for the values of a text's macros, so that few texts move when they grow.
const MACROS: usize = 96;

impl Transaction {
    /// Appends the expanded text to `out`. A macro without a value adds nothing, and the result is then false.
    pub(super) fn expand(
        &mut self,
        text: &Expression,
        rules: &RuleSet,
        rule: &Rule,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut resolved = true;
        for piece in &text.parts {
            resolved &= match piece {
                Piece::Literal(bytes) => {
                    out.extend_from_slice(bytes);
                    true
                }
                Piece::Tx(number) => match self.tx.get(*number) {
                    Some(value) => {
                        out.extend_from_slice(value.bytes(&mut [0; 20]));
                        true
                    }
                    None => false,
                },
                Piece::Variable { variable: Variable::Rule, key } => {
                    match rule.says(key.as_deref().unwrap_or_default()) {
                        Some(value) => {
                            out.extend_from_slice(&value);
                            true
                        }
                        None => false,
                    }
                }
                Piece::Variable { variable, key } => {
                    self.expand_variable(*variable, key.as_deref(), rules, out)
                }
                Piece::Unknown => false,
            };
        }
        resolved
    }

    /// Returns the expanded `text`.
    pub(super) fn expanded(&mut self, text: &Expression, rules: &RuleSet, rule: &Rule) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.text.len() + MACROS);
        self.expand(text, rules, rule, &mut out);
        out
    }

    /// Calls `read` with the expanded `text`, which is valid only during the call.
    pub(super) fn with_expanded<T>(
        &mut self,
        text: &Expression,
        rules: &RuleSet,
        rule: &Rule,
        read: impl FnOnce(&mut Self, &[u8]) -> T,
    ) -> T {
        let mut out = std::mem::take(&mut self.text);
        out.clear();
        self.expand(text, rules, rule, &mut out);
        let answer = read(self, &out);
        self.text = out;
        answer
    }

    fn expand_variable(
        &mut self,
        variable: Variable,
        key: Option<&[u8]>,
        rules: &RuleSet,
        out: &mut Vec<u8>,
    ) -> bool {
        // This is by far the most common case.
        if let (Variable::MatchedVar, None, Some(matched)) = (variable, self.noted, &self.matched) {
            out.extend_from_slice(self.memory.get(matched.value));
            return true;
        }
        let selector = match key {
            Some(key) if !is_single(variable) => Selector::Key(key.into()),
            _ => Selector::All,
        };
        let mut items = Vec::new();
        self.collect(variable, &selector, rules, &mut items);
        let Some(item) = items.first() else { return false };
        out.extend_from_slice(self.memory.get(item.value));
        true
    }
}
