//! Compiles those actions of a link that do not decide about the request.

use std::sync::Arc;

use seclang::action::{Action as Written, Change as WrittenChange, Ctl as WrittenCtl};
use seclang::ast::Target;
use seclang::template::Template;
use seclang::variable::Variable;

use super::lookup::Lookup;
use crate::expression::Expression;
use crate::names::Names;
use crate::rule::{Action, Change, Ctl, Key, RuleIndex, TargetRemoval};
use crate::target::{Exclusion, Paths, rule_pattern};
use crate::tx::Value;

/// Compiles `action`; none for actions that other modules compile.
pub(super) fn compile(
    action: &Written,
    names: &mut Names,
    paths: &mut Paths,
    lookup: &Lookup<'_>,
) -> Result<Option<Action>, String> {
    let mut text = |template: &Template| Expression::compile(template, names);
    Ok(Some(match action {
        Written::SetVar(set) => {
            let change = match &set.change {
                WrittenChange::Set(value) => Change::Set(text(value)),
                WrittenChange::Add(value) => Change::Add(text(value)),
                WrittenChange::Subtract(value) => Change::Subtract(text(value)),
                WrittenChange::Remove => Change::Remove,
            };
            let key = match set.key.as_literal() {
                Some(key) if set.collection == Variable::Tx => Key::Slot(names.intern(key)),
                _ => Key::Dynamic(text(&set.key)),
            };
            check_collection(set.collection)?;
            if let (Variable::Tx, Key::Slot(slot), Change::Set(text)) = (set.collection, &key, &change)
                && let Some(text) = text.literal()
            {
                return Ok(Some(Action::SetTx { slot: *slot, value: Value::from_text(text) }));
            }
            Action::SetVar { collection: set.collection, key, change }
        }
        Written::ExpireVar { collection, key, seconds } => {
            Action::ExpireVar { collection: persistent(collection)?, key: text(key), seconds: text(seconds) }
        }
        Written::DeprecateVar { collection, key, amount } => {
            let (amount, period) = rate(amount)?;
            Action::DeprecateVar { collection: persistent(collection)?, key: text(key), amount, period }
        }
        Written::InitCol { collection, key } => {
            if !collection.is_persistent() {
                return Err(format!("initcol: {collection} is not a persistent collection"));
            }
            Action::InitCol { collection: *collection, key: text(key) }
        }
        Written::SetSid(key) => Action::SetSession(text(key)),
        Written::SetUid(key) => Action::SetUser(text(key)),
        Written::SetRsc(key) => Action::SetResource(text(key)),
        Written::SetEnv { name, value } => Action::SetEnv { name: text(name), value: text(value) },
        Written::Sanitise { what, name } => Action::Sanitise { what: *what, name: name.clone() },
        Written::Ctl(ctl) => Action::Ctl(compile_ctl(ctl, names, paths, lookup)?),
        Written::Exec(_) | Written::Append(_) | Written::Prepend(_) | Written::Proxy(_) => {
            return Err(format!("action {} is not supported by monban", action.name()));
        }
        _ => return Ok(None),
    }))
}

fn compile_ctl(
    ctl: &WrittenCtl,
    names: &mut Names,
    paths: &mut Paths,
    lookup: &Lookup<'_>,
) -> Result<Ctl, String> {
    Ok(match ctl {
        WrittenCtl::AuditEngine(v) => Ctl::AuditEngine(*v),
        WrittenCtl::AuditLogParts(v) => Ctl::AuditLogParts(v.clone()),
        WrittenCtl::DebugLogLevel(_) | WrittenCtl::HashEngine(_) => Ctl::Nothing,
        WrittenCtl::ForceRequestBodyVariable(v) => Ctl::ForceRequestBodyVariable(*v),
        WrittenCtl::RequestBodyAccess(v) => Ctl::RequestBodyAccess(*v),
        WrittenCtl::RequestBodyLimit(v) => Ctl::RequestBodyLimit(*v),
        WrittenCtl::RequestBodyProcessor(v) => Ctl::RequestBodyProcessor(*v),
        WrittenCtl::ResponseBodyAccess(v) => Ctl::ResponseBodyAccess(*v),
        WrittenCtl::ResponseBodyLimit(v) => Ctl::ResponseBodyLimit(*v),
        WrittenCtl::RuleEngine(v) => Ctl::RuleEngine(*v),
        WrittenCtl::RuleRemoveById(range) => Ctl::RemoveRules(lookup.by_id(*range)),
        WrittenCtl::RuleRemoveByTag(pattern) => Ctl::RemoveRules(lookup.by_tag(&rule_pattern(pattern)?)),
        WrittenCtl::RuleRemoveByMsg(pattern) => Ctl::RemoveRules(lookup.by_message(&rule_pattern(pattern)?)),
        WrittenCtl::RuleRemoveTargetById(range, target) => {
            remove_target(lookup.by_id(*range), target, names, paths)?
        }
        WrittenCtl::RuleRemoveTargetByTag(pattern, target) => {
            remove_target(lookup.by_tag(&rule_pattern(pattern)?), target, names, paths)?
        }
        WrittenCtl::RuleRemoveTargetByMsg(pattern, target) => {
            remove_target(lookup.by_message(&rule_pattern(pattern)?), target, names, paths)?
        }
    })
}

fn remove_target(
    rules: Box<[RuleIndex]>,
    target: &Target,
    names: &mut Names,
    paths: &mut Paths,
) -> Result<Ctl, String> {
    Ok(Ctl::RemoveTarget(Arc::new(TargetRemoval {
        rules,
        exclusion: Exclusion::compile(target, names, paths)?,
    })))
}

fn check_collection(variable: Variable) -> Result<(), String> {
    if variable == Variable::Tx || variable.is_persistent() || variable == Variable::Env {
        Ok(())
    } else {
        Err(format!("setvar: {variable} can't be changed"))
    }
}

/// Returns the collection that a template names. ModSecurity allows persistent collections here (and TX, without effect).
fn persistent(collection: &Template) -> Result<Variable, String> {
    let name = String::from_utf8_lossy(&collection.to_text()).into_owned();
    match Variable::from_name(&name) {
        Some(variable) if variable.is_persistent() || variable == Variable::Tx => Ok(variable),
        _ => Err(format!("{name} is not a collection whose variables can expire")),
    }
}

/// Parses a rate such as `60/300`: an amount for each number of seconds.
fn rate(text: &Template) -> Result<(i64, i64), String> {
    let text = String::from_utf8_lossy(&text.to_text()).into_owned();
    let parsed = text.split_once('/').and_then(|(a, p)| Some((a.parse().ok()?, p.parse().ok()?)));
    parsed
        .filter(|&(_, period)| period > 0)
        .ok_or_else(|| format!("deprecatevar: {text} is not AMOUNT/SECONDS"))
}
