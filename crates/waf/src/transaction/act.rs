//! Effects of a matching link: variables, collections, ctl.

use seclang::variable::Variable;

use super::{FaultKind, Transaction, values::Single};
use crate::collections::{Entry, RecordName};
use crate::expression::{Expression, Piece};
use crate::limits;
use crate::memory::Slice;
use crate::rule::{Action, Change, Ctl, Key, Link, Rule};
use crate::ruleset::RuleSet;
use crate::tx::{Value, leading_number};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

impl Transaction {
    /// Runs the actions of a link for one match.
    pub(super) fn act(&mut self, rules: &RuleSet, rule: &Rule, link: &Link) {
        for action in &link.actions {
            match action {
                Action::SetTx { slot, value } => self.store_tx(*slot, value.clone(), rule),
                Action::SetVar { collection: Variable::Tx, key, change } => {
                    let number = match key {
                        Key::Slot(number) => *number,
                        Key::Dynamic(name) => self.with_expanded(name, rules, rule, |this, name| {
                            this.tx.number_of(name, &rules.names)
                        }),
                    };
                    self.set_tx(number, change, rules, rule);
                }
                Action::SetVar { collection: Variable::Env, key, change } => {
                    let name = self.key_text(key, rules, rule);
                    let value = match change {
                        Change::Set(value) | Change::Add(value) | Change::Subtract(value) => {
                            Some(self.expanded(value, rules, rule))
                        }
                        Change::Remove => None,
                    };
                    self.set_environment(name, value, rule);
                }
                Action::SetVar { collection, key, change } => {
                    self.set_persistent(*collection, key, change, rules, rule);
                }
                Action::ExpireVar { collection, key, seconds } => {
                    let key = self.expanded(key, rules, rule);
                    let seconds = leading_number(&self.expanded(seconds, rules, rule));
                    self.expire(*collection, &key, seconds);
                }
                Action::DeprecateVar { collection, key, amount, period } => {
                    let key = self.expanded(key, rules, rule);
                    self.deprecate(*collection, &key, *amount, *period);
                }
                Action::InitCol { collection, key } => {
                    let key = self.expanded(key, rules, rule);
                    self.open(*collection, key);
                }
                Action::SetSession(key) => {
                    self.session_id = self.expanded(key, rules, rule);
                    self.open(Variable::Session, self.session_id.clone());
                }
                Action::SetUser(key) => {
                    self.user_id = self.expanded(key, rules, rule);
                    self.open(Variable::User, self.user_id.clone());
                }
                Action::SetResource(key) => {
                    let key = self.expanded(key, rules, rule);
                    self.open(Variable::Resource, key);
                }
                Action::SetEnv { name, value } => {
                    let name = self.expanded(name, rules, rule);
                    match name.strip_prefix(b"!") {
                        Some(name) => self.set_environment(name.to_vec(), None, rule),
                        None => {
                            let value = self.expanded(value, rules, rule);
                            self.set_environment(name, Some(value), rule);
                        }
                    }
                }
                Action::Sanitise { what, name } => self.sanitise(*what, name, link),
                Action::Ctl(ctl) => self.control(ctl, rule),
            }
        }
    }

    fn set_tx(&mut self, number: u32, change: &Change, rules: &RuleSet, rule: &Rule) {
        let value = match change {
            Change::Remove => return self.tx.remove(number),
            Change::Set(text) => match text.literal() {
                Some(text) => Value::from_text(text),
                None => self.with_expanded(text, rules, rule, |_, text| Value::from_text(text)),
            },
            Change::Add(text) => self.counted(number, self.number_of_text(text), 1, text, rules, rule),
            Change::Subtract(text) => self.counted(number, self.number_of_text(text), -1, text, rules, rule),
        };
        self.store_tx(number, value, rule);
    }

    #[inline]
    fn store_tx(&mut self, number: u32, value: Value, rule: &Rule) {
        let too_long = matches!(&value, Value::Bytes(bytes) if bytes.len() > limits::TX_VALUE);
        if too_long || (self.tx.get(number).is_none() && self.tx.len() >= limits::TX_VARIABLES) {
            return self.tx_is_full(rule.id);
        }
        self.tx.set(number, value, &self.rules.names);
    }

    #[cold]
    fn tx_is_full(&mut self, rule_id: u64) {
        self.note_fault(FaultKind::Tx, rule_id, || {
            let (variables, bytes) = (limits::TX_VARIABLES, limits::TX_VALUE);
            format!("setvar reached a limit of TX: {variables} variables, {bytes} bytes each")
        });
    }

    /// Returns the sum. As in ModSecurity, a counter never falls below zero.
    fn counted(
        &mut self,
        number: u32,
        known: Option<i64>,
        sign: i64,
        text: &Expression,
        rules: &RuleSet,
        rule: &Rule,
    ) -> Value {
        let amount =
            known.unwrap_or_else(|| self.with_expanded(text, rules, rule, |_, text| leading_number(text)));
        let old = self.tx.get(number).map_or(0, Value::number);
        Value::Number(old.saturating_add(amount.saturating_mul(sign)).max(0))
    }

    /// Returns the numeric value of a text without building the text: rules add scores by `%{tx.critical_anomaly_score}`.
    fn number_of_text(&self, text: &Expression) -> Option<i64> {
        match &*text.parts {
            [Piece::Literal(text)] => Some(leading_number(text)),
            [Piece::Tx(number)] => Some(self.tx.get(*number).map_or(0, Value::number)),
            _ => None,
        }
    }

    fn key_text(&mut self, key: &Key, rules: &RuleSet, rule: &Rule) -> Vec<u8> {
        match key {
            Key::Slot(number) => self.tx.name(*number, &rules.names).to_vec(),
            Key::Dynamic(name) => self.expanded(name, rules, rule),
        }
    }

    fn set_environment(&mut self, name: Vec<u8>, value: Option<Vec<u8>>, rule: &Rule) {
        self.environment.retain(|(known, _)| *known != name);
        let Some(value) = value else { return };
        if self.environment.len() < limits::ENVIRONMENT_VARIABLES {
            self.environment.push((name, value));
        } else {
            self.note_fault(FaultKind::Environment, rule.id, || {
                format!("setenv reached the limit of {} variables", limits::ENVIRONMENT_VARIABLES)
            });
        }
    }

    /// Opens a record of a collection for this transaction. As in ModSecurity, the first record stays open.
    fn open(&mut self, collection: Variable, key: Vec<u8>) {
        if !key.is_empty() && !self.opened.iter().any(|name| name.collection == collection) {
            self.opened.push(RecordName::new(collection, key));
        }
    }

    fn set_persistent(
        &mut self,
        collection: Variable,
        key: &Key,
        change: &Change,
        rules: &RuleSet,
        rule: &Rule,
    ) {
        let key = self.key_text(key, rules, rule);
        let text = match change {
            Change::Set(text) | Change::Add(text) | Change::Subtract(text) => {
                self.expanded(text, rules, rule)
            }
            Change::Remove => Vec::new(),
        };
        let Some(name) = self.opened.iter().find(|name| name.collection == collection) else { return };
        let timeout = rules.settings.collection_timeout;
        let changed = self.collections.change(name, &key, timeout, self.now.as_micros(), |old| {
            let number = |sign: i64| {
                let old = old.map_or(0, |entry| leading_number(&entry.value));
                old.saturating_add(leading_number(&text).saturating_mul(sign)).max(0).to_string().into_bytes()
            };
            let value = match change {
                Change::Remove => return None,
                Change::Set(_) => text.clone(),
                Change::Add(_) => number(1),
                Change::Subtract(_) => number(-1),
            };
            let expires = old.and_then(|entry| entry.expires);
            Some(Entry { value, expires, deprecated: old.and_then(|entry| entry.deprecated) })
        });
        if !changed {
            self.note_fault(FaultKind::Collection, rule.id, || {
                let (variables, bytes) = (limits::COLLECTION_VARIABLES, limits::COLLECTION_VALUE);
                format!("setvar reached a limit of {collection}: {variables} variables, {bytes} bytes each")
            });
        }
    }

    fn expire(&mut self, collection: Variable, key: &[u8], seconds: i64) {
        let Some(name) = self.opened.iter().find(|name| name.collection == collection) else { return };
        let now = self.now.as_micros();
        let expires = Some(now.saturating_add(seconds.saturating_mul(SECOND)));
        let timeout = self.rules.settings.collection_timeout;
        self.collections
            .change(name, key, timeout, now, |old| old.map(|entry| Entry { expires, ..entry.clone() }));
    }

    fn control(&mut self, ctl: &Ctl, rule: &Rule) {
        match ctl {
            Ctl::RuleEngine(mode) => self.mode = *mode,
            Ctl::AuditEngine(engine) => self.options.audit_engine = *engine,
            Ctl::AuditLogParts(parts) => self.change_audit_parts(parts),
            Ctl::ForceRequestBodyVariable(on) => self.options.force_request_body = *on,
            Ctl::RequestBodyAccess(on) => self.options.request_body_access = *on,
            Ctl::RequestBodyLimit(limit) => self.options.request_body_limit = *limit,
            Ctl::RequestBodyProcessor(processor) => self.options.body_processor = Some(*processor),
            Ctl::ResponseBodyAccess(on) => self.options.response_body_access = *on,
            Ctl::ResponseBodyLimit(limit) => self.options.response_body_limit = *limit,
            Ctl::RemoveRules(rules) => {
                self.removed.resize(self.rules.rules.len().div_ceil(64), 0);
                for &index in rules {
                    self.removed[index as usize / 64] |= 1 << (index % 64);
                }
            }
            Ctl::RemoveTarget(removal) => {
                if self.removed_targets.len() < limits::REMOVED_TARGETS {
                    self.removed_targets.push(removal.clone());
                } else {
                    self.note_fault(FaultKind::RemovedTargets, rule.id, || {
                        format!("ctl reached the limit of {} removed targets", limits::REMOVED_TARGETS)
                    });
                }
            }
            Ctl::Nothing => {}
        }
    }

    /// Changes the parts of the audit log: `+E` adds parts, `-E` removes them, a plain list replaces them.
    fn change_audit_parts(&mut self, change: &[u8]) {
        let parts = &mut self.options.audit_log_parts;
        match change {
            [b'+', added @ ..] => {
                for &part in added {
                    if !parts.contains(part as char) {
                        parts.insert(parts.len().saturating_sub(1), part as char);
                    }
                }
            }
            [b'-', gone @ ..] => parts.retain(|part| !gone.contains(&(part as u8))),
            list => *parts = String::from_utf8_lossy(list).into_owned(),
        }
    }

    /// Sets TX.0 to TX.9 to the operator's captures, and unsets the rest of an earlier capture.
    pub(super) fn take_captures(&mut self, value: Slice) {
        for number in 0..10u32 {
            let captured = self.captures.get(number as usize, self.memory.get(value));
            match captured {
                Some(bytes) => {
                    let value = Value::Bytes(bytes.into());
                    self.tx.set(number, value, &self.rules.names);
                }
                None if self.captures.keeps_others => {}
                None => self.tx.remove(number),
            }
        }
    }

    /// Returns the value of a slice with its number, for variables that are set late.
    pub(super) fn late_single(&mut self, value: Slice) -> Option<Single> {
        self.single_of(value)
    }
}
