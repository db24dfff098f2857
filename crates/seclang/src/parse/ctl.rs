//! Parses `ctl:name=value` into changes of one transaction.

use crate::action::Ctl;
use crate::error::{Fault, LoadErrorKind};
use crate::lexer::Fragment;
use crate::limits;
use crate::parse::target::targets;
use crate::parse::value::{id_ranges, number, on_off, refuse, unknown, word};

/// The names after `ctl:`, and the values of each.
pub(crate) const CTL: &[(&str, &str)] = &[
    ("auditEngine", "On, Off or RelevantOnly"),
    ("auditLogParts", "letters, or + or - and letters"),
    ("debugLogLevel", "a number from 0 to 9"),
    ("forceRequestBodyVariable", "On or Off"),
    ("hashEnforcement", "On or Off; without effect"),
    ("hashEngine", "On or Off; without effect"),
    ("requestBodyAccess", "On or Off"),
    ("requestBodyLimit", "bytes"),
    ("requestBodyProcessor", "URLENCODED, MULTIPART, XML or JSON"),
    ("responseBodyAccess", "On or Off"),
    ("responseBodyLimit", "bytes"),
    ("ruleEngine", "On, DetectionOnly or Off"),
    ("ruleRemoveById", "ids or ranges"),
    ("ruleRemoveByMsg", "a pattern"),
    ("ruleRemoveByTag", "a pattern"),
    ("ruleRemoveTargetById", "ids or ranges, `;` and targets"),
    ("ruleRemoveTargetByMsg", "a pattern, `;` and targets"),
    ("ruleRemoveTargetByTag", "a pattern, `;` and targets"),
];

/// Reads the value of a `ctl` action. An action with several ids or targets gives a change for each.
pub(super) fn ctl(text: Fragment<'_>, faults: &mut Vec<Fault>) -> Vec<Ctl> {
    changes(text, faults).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    })
}

fn changes(text: Fragment<'_>, faults: &mut Vec<Fault>) -> Result<Vec<Ctl>, Fault> {
    let (word_text, value) = match text.split(b'=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (text.trim(), None),
    };
    let Some(&(name, expected)) =
        CTL.iter().find(|(name, _)| word_text.bytes.eq_ignore_ascii_case(name.as_bytes()))
    else {
        return Err(unknown(word_text, "ctl", CTL.iter().map(|(name, _)| *name)));
    };
    let full = &format!("ctl:{name}");
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        let kind = LoadErrorKind::MissingValue { name: full.clone(), expected: expected.to_owned() };
        return Err(text.fault(kind));
    };
    Ok(vec![match name {
        "auditEngine" => Ctl::AuditEngine(word(value, full)?),
        "auditLogParts" => Ctl::AuditLogParts(audit_log_parts(value, full)?),
        "debugLogLevel" => Ctl::DebugLogLevel(number(value, full, 0..=9)?),
        "forceRequestBodyVariable" => Ctl::ForceRequestBodyVariable(on_off(value, full)?),
        "hashEnforcement" | "hashEngine" => Ctl::HashEngine(on_off(value, full)?),
        "requestBodyAccess" => Ctl::RequestBodyAccess(on_off(value, full)?),
        "requestBodyLimit" => Ctl::RequestBodyLimit(number(value, full, 1..=limits::BODY_LIMIT)?),
        "requestBodyProcessor" => Ctl::RequestBodyProcessor(word(value, full)?),
        "responseBodyAccess" => Ctl::ResponseBodyAccess(on_off(value, full)?),
        "responseBodyLimit" => Ctl::ResponseBodyLimit(number(value, full, 1..=limits::BODY_LIMIT)?),
        "ruleEngine" => Ctl::RuleEngine(word(value, full)?),
        "ruleRemoveById" => {
            let ranges = id_ranges(value, full)?;
            if ranges.len() > limits::ACTIONS {
                return Err(value.too_many("actions", limits::ACTIONS));
            }
            return Ok(ranges.into_iter().map(Ctl::RuleRemoveById).collect());
        }
        "ruleRemoveByMsg" => Ctl::RuleRemoveByMsg(value.utf8(name)?),
        "ruleRemoveByTag" => Ctl::RuleRemoveByTag(value.utf8(name)?),
        _ => return remove_target(name, value, expected, faults),
    }])
}

/// Reads `RULES;TARGETS` of the three `ruleRemoveTargetBy…`.
fn remove_target(
    name: &'static str,
    value: Fragment<'_>,
    expected: &'static str,
    faults: &mut Vec<Fault>,
) -> Result<Vec<Ctl>, Fault> {
    let full = &format!("ctl:{name}");
    let Some((rules, list)) = value.split(b';').filter(|(rules, _)| !rules.is_empty()) else {
        return Err(refuse(value, full, expected));
    };
    let ranges = if name == "ruleRemoveTargetById" { id_ranges(rules, full)? } else { Vec::new() };
    let pattern = rules.utf8(name)?;
    let targets = targets(list, faults);
    if targets.len().saturating_mul(ranges.len()) > limits::ACTIONS {
        return Err(value.too_many("actions", limits::ACTIONS));
    }
    let mut changes = Vec::new();
    for target in targets {
        match name {
            "ruleRemoveTargetById" => {
                changes.extend(ranges.iter().map(|&range| Ctl::RuleRemoveTargetById(range, target.clone())));
            }
            "ruleRemoveTargetByMsg" => changes.push(Ctl::RuleRemoveTargetByMsg(pattern.clone(), target)),
            _ => changes.push(Ctl::RuleRemoveTargetByTag(pattern.clone(), target)),
        }
    }
    Ok(changes)
}

fn audit_log_parts(value: Fragment<'_>, name: &str) -> Result<Vec<u8>, Fault> {
    let letters = match value.bytes {
        [b'+' | b'-', letters @ ..] => letters,
        letters => letters,
    };
    if letters.is_empty() || !letters.iter().all(|&b| is_audit_log_part(b)) {
        return Err(refuse(value, name, "letters from A to K and Z, or + or - and such letters"));
    }
    Ok(value.bytes.to_ascii_uppercase())
}

/// Whether the letter names a section of the audit log: A to K and Z.
pub(super) fn is_audit_log_part(letter: u8) -> bool {
    matches!(letter.to_ascii_uppercase(), b'A'..=b'K' | b'Z')
}
