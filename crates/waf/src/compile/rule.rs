//! Compiles one chain: from a draft to a [`Rule`].

use seclang::action::Action as Written;
use seclang::ast::Document;
use seclang::operator::OperatorName;
use seclang::transformation::Transformation;

use super::lookup::Lookup;
use super::{CompileError, Draft, DraftLink, actions};
use crate::expression::Expression;
use crate::operators::{DataFiles, Kind, Operator, PatternLimits};
use crate::rule::{Disruptive, Link, Meta, Place, Rule, Skip, Test};
use crate::ruleset::RuleSet;
use crate::target::{Exclusion, Target};

pub(super) fn compile(
    draft: &Draft,
    rules: &mut RuleSet,
    lookup: &Lookup<'_>,
    document: &Document,
    files: &dyn DataFiles,
    limits: &PatternLimits,
    errors: &mut Vec<CompileError>,
) -> Rule {
    let head = &draft.links[0];
    let mut rule = Rule {
        id: draft.id,
        phase: draft.phase,
        file: head.span.file.0,
        line: head.span.line,
        end_line: head.span.end_line,
        meta: Meta::default(),
        disruptive: Disruptive::Pass,
        status: None,
        log: true,
        audit_log: true,
        skip: Skip::No,
        pause: None,
        is_quiet: false,
        links: Vec::with_capacity(draft.links.len()),
    };
    apply_head(head, &mut rule, rules);
    // As in ModSecurity 2: such a rule would have no effect.
    if rule.phase == 5
        && matches!(rule.disruptive, Disruptive::Deny | Disruptive::Drop | Disruptive::Redirect(_))
    {
        errors.push(CompileError {
            file: document.file(head.span.file).to_owned(),
            line: head.span.line,
            message: format!(
                "rule {} denies, drops or redirects in phase 5, after the response was sent; use pass, or another phase",
                draft.id
            ),
        });
    }
    for link in &draft.links {
        let located = |message: String| CompileError {
            file: document.file(link.span.file).to_owned(),
            line: link.span.line,
            message,
        };
        match compile_link(link, rules, lookup, document, files, limits) {
            Ok(compiled) => rule.links.push(compiled),
            Err(messages) => errors.extend(messages.into_iter().map(located)),
        }
    }
    rule
}

/// Applies the head's actions, which hold for the whole chain. Of contradicting actions the last one wins.
fn apply_head(head: &DraftLink, rule: &mut Rule, rules: &mut RuleSet) {
    let (defaults, own) = head.actions.split_at(head.defaults);
    for action in defaults {
        apply(action, rule, rules, None);
    }
    let default = (rule.disruptive.clone(), rule.status);
    for action in own {
        apply(action, rule, rules, Some(&default));
    }
}

fn apply(
    action: &Written,
    rule: &mut Rule,
    rules: &mut RuleSet,
    default: Option<&(Disruptive, Option<u16>)>,
) {
    let names = &mut rules.names;
    match action {
        Written::Msg(text) => rule.meta.message = Some(Expression::compile(text, names)),
        Written::Logdata(text) => rule.meta.logdata = Some(Expression::compile(text, names)),
        Written::Tag(text) => rule.meta.tags.push(Expression::compile(text, names)),
        Written::Rev(text) => rule.meta.revision = text.clone(),
        Written::Ver(text) => rule.meta.version = text.clone(),
        Written::Severity(level) => rule.meta.severity = Some(*level),
        Written::Maturity(level) => rule.meta.maturity = Some(*level),
        Written::Accuracy(level) => rule.meta.accuracy = Some(*level),
        Written::Allow(scope) => rule.disruptive = Disruptive::Allow(*scope),
        Written::Deny => rule.disruptive = Disruptive::Deny,
        Written::Drop => rule.disruptive = Disruptive::Drop,
        Written::Pass => rule.disruptive = Disruptive::Pass,
        Written::Redirect(url) => rule.disruptive = Disruptive::Redirect(Expression::compile(url, names)),
        Written::Block => {
            if let Some((disruptive, status)) = default {
                rule.disruptive = disruptive.clone();
                rule.status = rule.status.or(*status);
            }
        }
        Written::Status(status) => rule.status = Some(*status),
        Written::Pause(time) => rule.pause = Some(Expression::compile(time, names)),
        Written::Skip(count) => rule.skip = Skip::Rules(*count),
        Written::Log => (rule.log, rule.audit_log) = (true, true),
        Written::NoLog => (rule.log, rule.audit_log) = (false, false),
        Written::AuditLog => rule.audit_log = true,
        Written::NoAuditLog => rule.audit_log = false,
        _ => {}
    }
}

fn compile_link(
    link: &DraftLink,
    rules: &mut RuleSet,
    lookup: &Lookup<'_>,
    document: &Document,
    files: &dyn DataFiles,
    limits: &PatternLimits,
) -> Result<Link, Vec<String>> {
    let mut errors = Vec::new();
    let mut targets = Vec::new();
    let mut exclusions = Vec::new();
    let (names, paths) = (&mut rules.names, &mut rules.paths);
    paths.namespaces = link.namespaces();
    for target in &link.targets {
        let result = if target.excluded {
            Exclusion::compile(target, names, paths).map(|e| exclusions.push(e))
        } else {
            Target::compile(target, names, paths).map(|t| targets.push(t))
        };
        errors.extend(result.err());
    }
    let test = link.operator.as_ref().and_then(|call| {
        let argument =
            call.argument.has_macros().then(|| Expression::compile(&call.argument, &mut rules.names));
        // This is the only list that answers nothing without a key.
        if call.name == OperatorName::Rbl && call.argument.as_literal() != Some(b"dnsbl.httpbl.org") {
            errors.push("@rbl is not supported by monban: it queries no name servers".to_owned());
            return None;
        }
        match Operator::compile(call, document.file(link.span.file), files, limits) {
            Ok(operator) => {
                let work = work_of(&operator, argument.is_some());
                let looks_up = call.name == OperatorName::GeoLookup;
                Some(Test {
                    operator,
                    negated: call.negated,
                    argument,
                    text: operator_text(call),
                    work,
                    looks_up,
                })
            }
            Err(error) => {
                errors.push(error.to_string());
                None
            }
        }
    });
    let mut steps: Vec<Transformation> = Vec::new();
    let mut capture = false;
    let mut multi_match = false;
    let mut compiled = Vec::new();
    for action in &link.actions {
        match action {
            Written::Transformation(t) => steps.push(*t),
            Written::TransformationNone => steps.clear(),
            Written::Capture => capture = true,
            Written::MultiMatch => multi_match = true,
            _ => match actions::compile(action, &mut rules.names, &mut rules.paths, lookup) {
                Ok(action) => compiled.extend(action),
                Err(message) => errors.push(message),
            },
        }
    }
    let chain = rules.chains.intern(&steps);
    let multi_match =
        multi_match.then(|| (0..=steps.len()).map(|n| rules.chains.intern(&steps[..n])).collect::<Vec<_>>());
    if errors.is_empty() {
        Ok(Link {
            targets,
            exclusions,
            test,
            chain,
            multi_match,
            capture,
            actions: compiled,
            place: Place::Plain,
            question: None,
        })
    } else {
        Err(errors)
    }
}

fn operator_text(call: &OperatorCallRef) -> Vec<u8> {
    let mut text = Vec::new();
    if call.negated {
        text.push(b'!');
    }
    text.push(b'@');
    text.extend_from_slice(call.name.name().as_bytes());
    let argument = call.argument.to_text();
    if !argument.is_empty() {
        text.push(b' ');
        text.extend_from_slice(&argument);
    }
    text
}

type OperatorCallRef = seclang::operator::OperatorCall;

/// Returns the work of one test in addition to the length of its value.
fn work_of(operator: &Operator, has_macros: bool) -> u32 {
    let backtracks = match operator.kind() {
        Kind::Rx(rx) => rx.pattern().is_some_and(|pattern| pattern.beyond_automata().is_some()),
        Kind::RxGlobal(_) => true,
        _ => false,
    };
    if backtracks || has_macros { crate::limits::WORK_OF_BACKTRACKING } else { crate::limits::WORK_OF_TEST }
}
