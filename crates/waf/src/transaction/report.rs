//! Reports a rule that matched, and takes its disruptive action.

#![expect(clippy::cast_sign_loss, reason = "the number is not negative")]

use std::sync::Arc;

use event::{Disruptive as Done, MatchedRule, Severity};
use seclang::action::AllowScope;

use super::{FaultKind, Intervention, InterventionAction, Match, Mode, Transaction};
use crate::expression::Expression;
use crate::limits;
use crate::rule::{Disruptive, Rule, Test};
use crate::ruleset::RuleSet;
use crate::tx::leading_number;

/// The status of `deny` without `status`.
const DENIED: u16 = 403;
/// The status of `redirect` without `status`.
const REDIRECTED: u16 = 302;

impl Transaction {
    /// Runs after the last link's first match: first the disruptive action, then the report, which names the action.
    pub(super) fn conclude(&mut self, rules: &RuleSet, rule: &Rule, test: Option<&Test>) {
        if let Some(pause) = &rule.pause {
            let asked = leading_number(&self.expanded(pause, rules, rule)).max(0) as u64;
            self.pause_ms = (self.pause_ms + asked).min(limits::PAUSE);
        }
        let done = self.disrupt(rules, rule);
        if !rule.log && !rule.audit_log {
            return;
        }
        if self.matches.len() >= limits::MATCHES {
            return self.note_fault(FaultKind::Matches, rule.id, || {
                format!("more than {} matches: the rest is not reported", limits::MATCHES)
            });
        }
        let report = self.report(rules, rule, test, done);
        self.matches.push(Match { rule: report, log: rule.log, audit_log: rule.audit_log });
    }

    fn disrupt(&mut self, rules: &RuleSet, rule: &Rule) -> Option<Done> {
        if self.mode != Mode::On || self.phase >= 5 || self.intervention.is_some() {
            return None;
        }
        let (status, action) = match &rule.disruptive {
            Disruptive::Pass => return None,
            Disruptive::Allow(scope) => {
                self.allowed = Some(*scope);
                return Some(match scope {
                    AllowScope::Transaction => Done::Allow,
                    AllowScope::Phase => Done::AllowPhase,
                    AllowScope::Request => Done::AllowRequest,
                });
            }
            Disruptive::Deny => (rule.status.unwrap_or(DENIED), InterventionAction::Deny),
            Disruptive::Drop => (rule.status.unwrap_or(DENIED), InterventionAction::Drop),
            Disruptive::Redirect(url) => {
                let status =
                    rule.status.filter(|s| matches!(s, 301 | 302 | 303 | 307 | 308)).unwrap_or(REDIRECTED);
                (status, InterventionAction::Redirect(self.expanded(url, rules, rule)))
            }
        };
        let done = match &action {
            InterventionAction::Deny => Done::Deny { status },
            InterventionAction::Drop => Done::Drop,
            InterventionAction::Redirect(url) => Done::Redirect { status, location: url.as_slice().into() },
        };
        self.intervene(Intervention { status, action, rule_id: rule.id, phase: self.phase });
        Some(done)
    }

    fn report(
        &mut self,
        rules: &RuleSet,
        rule: &Rule,
        test: Option<&Test>,
        done: Option<Done>,
    ) -> MatchedRule {
        let meta = &rule.meta;
        let text = |this: &mut Self, text: &Option<Expression>| {
            text.as_ref().map(|text| this.expanded(text, rules, rule)).unwrap_or_default()
        };
        let message = text(self, &meta.message);
        let data = text(self, &meta.logdata);
        let tags = match &meta.plain_tags {
            Some(tags) => Arc::clone(tags),
            None => {
                let tags = meta.tags.iter().map(|tag| lossy(&self.expanded(tag, rules, rule)));
                Arc::new(tags.collect())
            }
        };
        let mut report = MatchedRule {
            id: rule.id,
            phase: rule.phase,
            message: message.into(),
            data: data.into(),
            severity: meta.severity.and_then(Severity::from_number),
            tags,
            rev: lossy(&meta.revision),
            ver: lossy(&meta.version),
            maturity: meta.maturity,
            accuracy: meta.accuracy,
            file: rules.files.get(rule.file as usize).cloned().unwrap_or_default(),
            line: rule.end_line,
            operator: "unconditionalMatch".into(),
            disruptive: done,
            ..MatchedRule::default()
        };
        // A SecAction has no value, but an earlier match may have set one.
        if let (Some(matched), Some(test)) = (self.matched.clone(), test) {
            let argument = test.argument.as_ref().map(|argument| self.expanded(argument, rules, rule));
            let value = self.memory.get(matched.value);
            report.variable = self.memory.get(matched.name).into();
            report.value = MatchedRule::capture_value(value);
            report.negated = test.negated;
            self.describe(test, argument, value, &mut report);
        }
        report
    }

    /// Returns the operator's description of its match.
    fn describe(&self, test: &Test, argument: Option<Vec<u8>>, value: &[u8], report: &mut MatchedRule) {
        report.operator = test.operator.name().name().into();
        report.argument = argument.as_deref().unwrap_or(test.operator.argument()).into();
        let found = test.operator.describe(value, argument.as_deref(), &report.variable, test.negated);
        report.detail = found.into();
        let matched = self.captures.matched_range().and_then(|range| value.get(range));
        report.matched = matched.map(MatchedRule::capture_value).unwrap_or_default();
    }
}

fn lossy(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
