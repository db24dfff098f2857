//! Parses the words of a directive into its contents.

use crate::ast::{DirectiveKind, Rule, RuleRef, Target};
use crate::directive::{DIRECTIVES, DirectiveName};
use crate::error::{Fault, LoadErrorKind};
use crate::lexer::{Fragment, Text};
use crate::parse::actions::{Actions, Place, actions};
use crate::parse::operator::operator;
use crate::parse::settings::setting;
use crate::parse::target::targets;
use crate::parse::value::{id_ranges, number32, unknown};

/// A parsed directive, as the loader needs it.
pub(crate) struct Parsed {
    /// The contents; several for directives that Apache calls once for each argument.
    pub kinds: Vec<DirectiveKind>,
    /// The position of its rule id.
    pub id_at: Option<u32>,
}

/// Returns the directive with this name.
pub(crate) fn find(word: Fragment<'_>) -> Result<&'static DirectiveName, Fault> {
    DirectiveName::find(&word.lossy())
        .ok_or_else(|| unknown(word, "directive", DIRECTIVES.iter().map(|directive| directive.name)))
}

/// Checks the number of arguments.
pub(crate) fn check_count(
    directive: &'static DirectiveName,
    name: Fragment<'_>,
    arguments: &[Text],
) -> Result<(), Fault> {
    let found = arguments.len();
    if (directive.least..=directive.most).contains(&found) {
        return Ok(());
    }
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    let expected = match (directive.least, directive.most) {
        (least, usize::MAX) => format!("at least {least} {}", plural(least)),
        (0, 0) => "no arguments".to_owned(),
        (least, most) if least == most => format!("{least} {}", plural(least)),
        (least, most) => format!("{least} or {most} arguments"),
    };
    Err(name.fault(LoadErrorKind::ArgumentCount { name: directive.name, expected, found }))
}

/// Reads a directive with a valid number of arguments. Adds faults to `faults`. A rule with a fault is returned with its readable
/// parts, so that the loader can follow chains.
pub(crate) fn directive(
    directive: &'static DirectiveName,
    line: Fragment<'_>,
    arguments: &[Text],
    in_chain: bool,
    faults: &mut Vec<Fault>,
) -> Parsed {
    let mut id_at = None;
    let place = if in_chain { Place::Link } else { Place::Head };
    let argument = |index: usize| arguments.get(index).map_or(line.from(line.bytes.len()), Text::fragment);
    let one = |result: Result<DirectiveKind, Fault>| result.map(|kind| vec![kind]);
    let result = match directive.name {
        "SecRule" => {
            let targets = targets(argument(0), faults);
            let operator = operator(argument(1));
            // Without actions, the fault of a missing id refers to the whole rule.
            let list = arguments.get(2).map_or(line.slice(0, 0), Text::fragment);
            let Actions { list: actions, id_at: at } = actions(list, place, faults);
            id_at = at;
            match operator {
                Ok(operator) => Ok(vec![DirectiveKind::Rule(Rule { targets, operator, actions })]),
                Err(fault) => {
                    faults.push(fault);
                    Ok(vec![DirectiveKind::Action(actions)])
                }
            }
        }
        "SecAction" => {
            let Actions { list, id_at: at } = actions(argument(0), place, faults);
            id_at = at;
            Ok(vec![DirectiveKind::Action(list)])
        }
        "SecMarker" if argument(0).is_empty() => Err(argument(0).fault(LoadErrorKind::Nothing("name"))),
        "SecMarker" => Ok(vec![DirectiveKind::Marker(argument(0).bytes.to_vec())]),
        "SecDefaultAction" => {
            Ok(vec![DirectiveKind::DefaultAction(actions(argument(0), Place::Default, faults).list)])
        }
        "SecRuleRemoveById" => {
            let ranges: Result<Vec<_>, _> =
                arguments.iter().map(|a| id_ranges(a.fragment(), directive.name)).collect();
            one(ranges.map(|ranges| DirectiveKind::RemoveById(ranges.concat())))
        }
        "SecRuleRemoveByTag" => patterns(directive.name, arguments, DirectiveKind::RemoveByTag),
        "SecRuleRemoveByMsg" => patterns(directive.name, arguments, DirectiveKind::RemoveByMsg),
        "SecRuleUpdateTargetById" => {
            let (targets, replaced) = update_targets(arguments, faults);
            one(rule_ref(argument(0), directive.name).map(|rules| DirectiveKind::UpdateTargetById {
                rules,
                targets,
                replaced,
            }))
        }
        "SecRuleUpdateTargetByTag" => {
            let (targets, replaced) = update_targets(arguments, faults);
            one(argument(0).utf8(directive.name).map(|pattern| DirectiveKind::UpdateTargetByTag {
                pattern,
                targets,
                replaced,
            }))
        }
        "SecRuleUpdateTargetByMsg" => {
            let (targets, replaced) = update_targets(arguments, faults);
            one(argument(0).utf8(directive.name).map(|pattern| DirectiveKind::UpdateTargetByMsg {
                pattern,
                targets,
                replaced,
            }))
        }
        "SecRuleUpdateActionById" => {
            let actions = actions(argument(1), Place::Update, faults).list;
            one(rule_ref(argument(0), directive.name)
                .map(|rules| DirectiveKind::UpdateActionById { rules, actions }))
        }
        _ => one(setting(directive, line, arguments).map(DirectiveKind::Setting)),
    };
    let kinds = result.unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    Parsed { kinds, id_at }
}

fn patterns(
    name: &'static str,
    arguments: &[Text],
    kind: fn(String) -> DirectiveKind,
) -> Result<Vec<DirectiveKind>, Fault> {
    arguments.iter().map(|argument| argument.fragment().utf8(name).map(kind)).collect()
}

fn update_targets(arguments: &[Text], faults: &mut Vec<Fault>) -> (Vec<Target>, Vec<Target>) {
    let added = arguments.get(1).map(|list| targets(list.fragment(), faults)).unwrap_or_default();
    let replaced = arguments.get(2).map(|list| targets(list.fragment(), faults)).unwrap_or_default();
    (added, replaced)
}

/// Reads `ID`, `FIRST-LAST`, lists of them, and `:LINK` after them.
fn rule_ref(text: Fragment<'_>, name: &str) -> Result<RuleRef, Fault> {
    match text.split(b':') {
        Some((ids, link)) => {
            let chain_offset = Some(number32(link.trim(), name, 0)?);
            Ok(RuleRef { ids: id_ranges(ids, name)?, chain_offset })
        }
        None => Ok(RuleRef { ids: id_ranges(text, name)?, chain_offset: None }),
    }
}

/// Makes the fault of a directive that follows a rule with `chain` but is not a link.
pub(crate) fn chain_broken(name: Fragment<'_>, line: u32) -> Fault {
    name.fault(LoadErrorKind::ChainBroken { line, found: name.lossy() })
}
