//! Parses a list of actions: `"id:1,phase:2,msg:'It''s',setvar:tx.a=+1"`.

use crate::action::{Action, AllowScope, Change, Sanitise, SetVar};
use crate::error::{Fault, LoadErrorKind};
use crate::lexer::{Fragment, Text, is_blank};
use crate::limits;
use crate::parse::ctl::ctl;
use crate::parse::target::quoted;
use crate::parse::value::{digits, number, number32, refuse, unknown};
use crate::template::Template;
use crate::transformation::Transformation;
use crate::variable::Variable;
use std::mem::discriminant;

/// The value of an action after `:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// The value is optional.
    Maybe(&'static str),
    Value(&'static str),
}

/// The kind of an action, which decides where the action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Describes the rule. Allowed only on the first rule of a chain.
    Metadata,
    /// Decides about the request. Allowed only on the first rule of a chain.
    Disruptive,
    /// Chooses the next rule. Allowed only on the first rule of a chain.
    Flow,
    /// Allowed anywhere.
    Other,
}

/// An action's names (the first is the usual one), value and kind.
pub(crate) struct ActionWord {
    pub names: &'static [&'static str],
    pub takes: Takes,
    pub kind: Kind,
}

const fn action(names: &'static [&'static str], takes: Takes, kind: Kind) -> ActionWord {
    ActionWord { names, takes, kind }
}

/// Every action of the language.
pub(crate) const ACTIONS: &[ActionWord] = {
    use Kind::*;
    use Takes::{Maybe, Nothing, Value};
    &[
        action(&["accuracy"], Value("a number from 0 to 9"), Metadata),
        action(&["allow"], Maybe("phase or request"), Disruptive),
        action(&["append"], Value("text"), Other),
        action(&["auditlog"], Nothing, Other),
        action(&["block"], Nothing, Disruptive),
        action(&["capture"], Nothing, Other),
        action(&["chain"], Nothing, Other),
        action(&["ctl"], Value("name=value"), Other),
        action(&["deny"], Nothing, Disruptive),
        action(&["deprecatevar"], Value("collection.name=amount/seconds"), Other),
        action(&["drop"], Nothing, Disruptive),
        action(&["exec"], Value("a program"), Other),
        action(&["expirevar"], Value("collection.name=seconds"), Other),
        action(&["id"], Value("a number from 1"), Metadata),
        action(&["initcol"], Value("collection=key"), Other),
        action(&["log"], Nothing, Other),
        action(&["logdata"], Value("text"), Metadata),
        action(&["maturity"], Value("a number from 0 to 9"), Metadata),
        action(&["msg"], Value("text"), Metadata),
        action(&["multiMatch"], Nothing, Other),
        action(&["noauditlog"], Nothing, Other),
        action(&["nolog"], Nothing, Other),
        action(&["pass"], Nothing, Disruptive),
        action(&["pause"], Value("milliseconds"), Disruptive),
        action(&["phase"], Value("1 to 5, request, response or logging"), Metadata),
        action(&["prepend"], Value("text"), Other),
        action(&["proxy"], Value("a URL"), Disruptive),
        action(&["redirect"], Value("a URL"), Disruptive),
        action(&["rev"], Value("text"), Metadata),
        action(&["sanitiseArg", "sanitizeArg"], Value("a name"), Other),
        action(&["sanitiseMatched", "sanitizeMatched"], Nothing, Other),
        action(&["sanitiseMatchedBytes", "sanitizeMatchedBytes"], Maybe("first/last bytes to keep"), Other),
        action(&["sanitiseRequestHeader", "sanitizeRequestHeader"], Value("a name"), Other),
        action(&["sanitiseResponseHeader", "sanitizeResponseHeader"], Value("a name"), Other),
        action(&["setenv"], Value("name=value or !name"), Other),
        action(&["setrsc"], Value("text"), Other),
        action(&["setsid"], Value("text"), Other),
        action(&["setuid"], Value("text"), Other),
        action(&["setvar"], Value("collection.name=value or !collection.name"), Other),
        action(&["severity"], Value("0 to 7 or a name from EMERGENCY to DEBUG"), Metadata),
        action(&["skip"], Value("a number from 1"), Flow),
        action(&["skipAfter"], Value("a marker or rule id"), Flow),
        action(&["status"], Value("a number from 100 to 599"), Other),
        action(&["t"], Value("a transformation or none"), Other),
        action(&["tag"], Value("text"), Metadata),
        action(&["ver"], Value("text"), Metadata),
        action(&["xmlns"], Value("prefix=URI"), Other),
    ]
};

/// The names of severities, in the order of their numbers.
pub(crate) const SEVERITIES: [&str; 8] =
    ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

/// The directive that contains a list of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A SecRule or SecAction that is not a link of a chain.
    Head,
    /// A SecRule or SecAction after one with `chain`.
    Link,
    /// SecDefaultAction.
    Default,
    /// SecRuleUpdateActionById.
    Update,
}

/// A list of actions, and the position of its id.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    pub list: Vec<Action>,
    pub id_at: Option<u32>,
}

/// One `name:value` as written.
struct Item<'a> {
    name: Fragment<'a>,
    value: Option<Text>,
}

/// Reads a list of actions. Adds faults to `faults`, and returns the actions without a fault.
pub(crate) fn actions(list: Fragment<'_>, place: Place, faults: &mut Vec<Fault>) -> Actions {
    let mut result = Actions::default();
    let mut disruptive = false;
    let mut names_phase = false;
    let mut rest = list;
    loop {
        let skip = rest.bytes.iter().take_while(|&&b| b == b',' || is_blank(b)).count();
        rest = rest.from(skip);
        if rest.is_empty() {
            break;
        }
        if result.list.len() > limits::ACTIONS || faults.len() > limits::ERRORS {
            faults.push(rest.too_many("actions", limits::ACTIONS));
            break;
        }
        let item = match item(rest) {
            Ok((item, behind)) => {
                rest = behind;
                item
            }
            Err(fault) => {
                // The start of the next action is unknown.
                faults.push(fault);
                result.id_at.get_or_insert(list.start());
                return result;
            }
        };
        let Some(word) = lookup(&item.name) else {
            faults.push(unknown(item.name, "action", ACTIONS.iter().flat_map(|a| a.names).copied()));
            continue;
        };
        let name = word.names[0];
        // `block` stands for the action of SecDefaultAction, so it has no meaning in SecDefaultAction.
        disruptive |= word.kind == Kind::Disruptive && name != "block";
        names_phase |= name == "phase";
        if let Some(kind) = misplaced(word, place) {
            faults.push(item.name.fault(kind));
            continue;
        }
        // The last of several ids applies.
        if name == "id" && result.id_at.replace(item.name.start()).is_some() {
            result.list.retain(|action| !matches!(action, Action::Id(_)));
        }
        read(word, &item, &mut result.list, faults);
    }
    match place {
        Place::Head if result.id_at.is_none() => faults.push(list.fault(LoadErrorKind::MissingId)),
        Place::Default => {
            if !names_phase {
                faults.push(list.fault(LoadErrorKind::DefaultActionLacks("a `phase`")));
            }
            if !disruptive {
                faults.push(list.fault(LoadErrorKind::DefaultActionLacks(
                    "a disruptive action such as `pass` or `deny`, as the meaning of `block`",
                )));
            }
        }
        _ => {}
    }
    result
}

fn lookup(name: &Fragment<'_>) -> Option<&'static ActionWord> {
    ACTIONS.iter().find(|word| word.names.iter().any(|n| name.bytes.eq_ignore_ascii_case(n.as_bytes())))
}

/// Returns the reason why an action is not allowed here.
fn misplaced(word: &ActionWord, place: Place) -> Option<LoadErrorKind> {
    let action = word.names[0];
    let not_in = |directive| Some(LoadErrorKind::NotHere { action, directive });
    match place {
        Place::Head => None,
        // `tag`: ModSecurity 2 lists it with the metadata, but does not refuse it here.
        Place::Link if word.kind != Kind::Other && action != "tag" => Some(LoadErrorKind::NotInLink(action)),
        Place::Link => None,
        // ModSecurity 2 inherits tags too, and warns about severity and logdata.
        Place::Default if matches!(action, "phase" | "tag" | "severity" | "logdata") => None,
        Place::Default if matches!(word.kind, Kind::Metadata | Kind::Flow) || action == "chain" => {
            not_in("SecDefaultAction")
        }
        Place::Default => None,
        // `id`, `phase` and `chain` may repeat those of the rule. The compiler checks this.
        Place::Update => None,
    }
}

/// Reads one `name`, `name:value` or `name:'value'`, and returns the text after it.
fn item(start: Fragment<'_>) -> Result<(Item<'_>, Fragment<'_>), Fault> {
    let length = start
        .bytes
        .iter()
        .position(|&b| matches!(b, b':' | b',') || is_blank(b))
        .unwrap_or(start.bytes.len());
    let (name, rest) = (start.slice(0, length), start.from(length));
    if rest.bytes.first() != Some(&b':') {
        let behind = rest.trim_start();
        if !behind.is_empty() && behind.bytes[0] != b',' {
            return Err(separator(behind));
        }
        return Ok((Item { name, value: None }, behind));
    }
    let rest = rest.from(1);
    if rest.bytes.first() == Some(&b'\'') {
        let (value, behind) = quoted(rest)?;
        if behind.bytes.first().is_some_and(|&b| b != b',' && !is_blank(b)) {
            return Err(separator(behind));
        }
        return Ok((Item { name, value: Some(value) }, behind));
    }
    let length = rest.bytes.iter().position(|&b| b == b',' || is_blank(b)).unwrap_or(rest.bytes.len());
    let mut value = Text::empty(rest.start());
    for index in 0..length {
        value.push(rest.bytes[index], rest.place(index));
    }
    let value = Some(value).filter(|value| !value.fragment().is_empty());
    Ok((Item { name, value }, rest.from(length)))
}

fn separator(found: Fragment<'_>) -> Fault {
    let shown = found.bytes.iter().position(|&b| b == b',' || is_blank(b)).unwrap_or(found.bytes.len());
    let shown = found.slice(0, shown);
    shown.fault(LoadErrorKind::Separator { expected: ',', found: shown.lossy() })
}

/// Reads one action and adds it to `list`. A `ctl` may add several.
fn read(word: &ActionWord, item: &Item<'_>, list: &mut Vec<Action>, faults: &mut Vec<Fault>) {
    let name = word.names[0];
    let value = item.value.as_ref().map(Text::fragment);
    let needs = |expected: &str| {
        let kind = LoadErrorKind::MissingValue { name: name.to_owned(), expected: expected.to_owned() };
        item.name.fault(kind)
    };
    let result = match (word.takes, value) {
        (Takes::Nothing, Some(value)) => Err(value.fault(LoadErrorKind::UnexpectedValue(name))),
        (Takes::Value(expected), None) => Err(needs(expected)),
        (Takes::Value(expected), Some(value)) if value.is_empty() && !may_be_empty(name) => {
            Err(needs(expected))
        }
        (Takes::Value(_), Some(value)) if name == "ctl" => {
            list.extend(ctl(value, faults).into_iter().map(Action::Ctl));
            return;
        }
        (Takes::Nothing, None) => Ok(without_value(name)),
        (Takes::Value(expected) | Takes::Maybe(expected), value) => {
            with_value(name, value.unwrap_or(item.name.slice(0, 0)), expected)
        }
    };
    match result {
        Ok(action) => list.push(action),
        Err(fault) => faults.push(fault),
    }
}

/// Whether the value may be `''`.
fn may_be_empty(name: &str) -> bool {
    matches!(name, "append" | "logdata" | "msg" | "prepend" | "rev" | "tag" | "ver")
}

fn without_value(name: &str) -> Action {
    match name {
        "auditlog" => Action::AuditLog,
        "block" => Action::Block,
        "capture" => Action::Capture,
        "chain" => Action::Chain,
        "deny" => Action::Deny,
        "drop" => Action::Drop,
        "log" => Action::Log,
        "multiMatch" => Action::MultiMatch,
        "noauditlog" => Action::NoAuditLog,
        "nolog" => Action::NoLog,
        "pass" => Action::Pass,
        "sanitiseMatched" => Action::Sanitise { what: Sanitise::Matched, name: Vec::new() },
        other => unreachable!("`{other}` takes a value in ACTIONS"),
    }
}

fn with_value(name: &'static str, value: Fragment<'_>, expected: &'static str) -> Result<Action, Fault> {
    let bytes = || value.bytes.to_vec();
    let template = || Template::parse(value.bytes);
    let sanitise = |what| Action::Sanitise { what, name: bytes() };
    Ok(match name {
        "accuracy" => Action::Accuracy(number(value, name, 0..=9)?),
        "allow" => Action::Allow(allow_scope(value)?),
        "append" => Action::Append(template()),
        "deprecatevar" => {
            let (collection, key, amount) = variable_value(value, name, expected)?;
            let rate = amount.split(b'/').is_some_and(|(amount, seconds)| {
                [amount, seconds].iter().all(|part| {
                    Template::parse(part.bytes).has_macros() || digits(part.trim().bytes).is_some()
                })
            });
            if !rate {
                return Err(refuse(value, name, expected));
            }
            Action::DeprecateVar { collection, key, amount: Template::parse(amount.bytes) }
        }
        "exec" => Action::Exec(bytes()),
        "expirevar" => {
            let (collection, key, seconds) = variable_value(value, name, expected)?;
            let seconds_text = Template::parse(seconds.bytes);
            if !seconds_text.has_macros() {
                number32(seconds, name, 0)?;
            }
            Action::ExpireVar { collection, key, seconds: seconds_text }
        }
        "id" => Action::Id(number(value.trim(), name, 1..=limits::RULE_ID)?),
        "initcol" => {
            let Some((collection, key)) = value.split(b'=').filter(|(_, key)| !key.is_empty()) else {
                return Err(refuse(value, name, expected));
            };
            let variable = Variable::from_name(&collection.lossy())
                .filter(|variable| variable.is_persistent())
                .ok_or_else(|| {
                    refuse(collection, name, "one of the collections global, ip, resource, session, user")
                })?;
            Action::InitCol { collection: variable, key: Template::parse(key.bytes) }
        }
        "logdata" => Action::Logdata(template()),
        "maturity" => Action::Maturity(number(value, name, 0..=9)?),
        "msg" => Action::Msg(template()),
        "pause" => {
            if !template().has_macros() {
                number32(value, name, 0)?;
            }
            Action::Pause(template())
        }
        "phase" => Action::Phase(phase(value)?),
        "prepend" => Action::Prepend(template()),
        "proxy" => Action::Proxy(template()),
        "redirect" => Action::Redirect(template()),
        "rev" => Action::Rev(bytes()),
        "sanitiseArg" => sanitise(Sanitise::Arg),
        "sanitiseMatchedBytes" => {
            let kept = value.split(b'/').map(|(first, last)| (digits(first.bytes), digits(last.bytes)));
            if !value.is_empty() && !matches!(kept, Some((Some(_), Some(_)))) {
                return Err(refuse(value, name, "two numbers such as 1/4"));
            }
            sanitise(Sanitise::MatchedBytes)
        }
        "sanitiseRequestHeader" => sanitise(Sanitise::RequestHeader),
        "sanitiseResponseHeader" => sanitise(Sanitise::ResponseHeader),
        "setenv" => setenv(value, expected)?,
        "setrsc" => Action::SetRsc(template()),
        "setsid" => Action::SetSid(template()),
        "setuid" => Action::SetUid(template()),
        "setvar" => Action::SetVar(setvar(value, expected)?),
        "severity" => Action::Severity(severity(value)?),
        "skip" => Action::Skip(number32(value, name, 1)?),
        "skipAfter" => Action::SkipAfter(bytes()),
        "status" => Action::Status(number(value, name, 100..=599)?),
        "t" => transformation(value)?,
        "tag" => Action::Tag(template()),
        "ver" => Action::Ver(bytes()),
        "xmlns" => {
            let Some((prefix, uri)) = value.split(b'=').filter(|(p, uri)| !p.is_empty() && !uri.is_empty())
            else {
                return Err(refuse(value, name, expected));
            };
            Action::Xmlns { prefix: prefix.utf8(name)?, uri: uri.utf8(name)? }
        }
        other => unreachable!("`{other}` takes no value in ACTIONS"),
    })
}

fn allow_scope(value: Fragment<'_>) -> Result<AllowScope, Fault> {
    Ok(match value.bytes.to_ascii_lowercase().as_slice() {
        b"" => AllowScope::Transaction,
        b"phase" => AllowScope::Phase,
        b"request" => AllowScope::Request,
        _ => return Err(refuse(value, "allow", "phase or request")),
    })
}

fn phase(value: Fragment<'_>) -> Result<u8, Fault> {
    Ok(match value.bytes.to_ascii_lowercase().as_slice() {
        b"request" => 2,
        b"response" => 4,
        b"logging" => 5,
        [digit @ b'1'..=b'5'] => digit - b'0',
        _ => return Err(refuse(value, "phase", "1 to 5, request, response or logging")),
    })
}

fn severity(value: Fragment<'_>) -> Result<u8, Fault> {
    if let [digit @ b'0'..=b'7'] = value.bytes {
        return Ok(digit - b'0');
    }
    SEVERITIES
        .iter()
        .position(|name| value.bytes.eq_ignore_ascii_case(name.as_bytes()))
        .and_then(|index| u8::try_from(index).ok())
        .ok_or_else(|| refuse(value, "severity", format!("0 to 7 or one of {}", SEVERITIES.join(", "))))
}

fn transformation(value: Fragment<'_>) -> Result<Action, Fault> {
    if value.bytes.eq_ignore_ascii_case(b"none") {
        return Ok(Action::TransformationNone);
    }
    Transformation::from_name(&value.lossy()).map(Action::Transformation).ok_or_else(|| {
        let known = Transformation::ALL.iter().map(|t| t.name()).chain(["none"]);
        unknown(value, "transformation", known)
    })
}

/// Parses `collection.key=value`, for actions that need a value.
fn variable_value<'a>(
    value: Fragment<'a>,
    name: &'static str,
    expected: &'static str,
) -> Result<(Template, Template, Fragment<'a>), Fault> {
    let Some((variable, value_text)) = value.split(b'=') else {
        return Err(refuse(value, name, expected));
    };
    let value_text = value_text.trim();
    let (collection, key) = split_variable(variable.trim()).ok_or_else(|| refuse(value, name, expected))?;
    if value_text.is_empty() {
        return Err(refuse(value, name, expected));
    }
    let collection_text = Template::parse(collection.bytes);
    if !collection_text.has_macros() {
        writable(collection, name)?;
    }
    Ok((collection_text, Template::parse(key.bytes), value_text))
}

/// Splits `collection.key` at the first dot that is not in a macro.
fn split_variable(text: Fragment<'_>) -> Option<(Fragment<'_>, Fragment<'_>)> {
    let mut index = 0;
    while index < text.bytes.len() {
        if text.bytes[index..].starts_with(b"%{") {
            index += text.bytes[index..].iter().position(|&b| b == b'}')?;
        }
        if text.bytes[index] == b'.' {
            let (collection, key) = (text.slice(0, index), text.from(index + 1));
            return (!collection.is_empty() && !key.is_empty()).then_some((collection, key));
        }
        index += 1;
    }
    None
}

/// Returns a collection that rules can change.
fn writable(collection: Fragment<'_>, name: &'static str) -> Result<Variable, Fault> {
    Variable::from_name(&collection.lossy())
        .filter(|variable| variable.is_persistent() || *variable == Variable::Tx)
        .ok_or_else(|| {
            refuse(collection, name, "one of the collections tx, global, ip, resource, session, user")
        })
}

fn setvar(value: Fragment<'_>, expected: &'static str) -> Result<SetVar, Fault> {
    let (variable, change) = match value.split(b'=') {
        None => (value, Change::Set(Template::literal("1"))),
        Some((variable, new)) => {
            let new = new.trim_start();
            let change = match new.bytes.first() {
                Some(b'+') => Change::Add(Template::parse(&new.bytes[1..])),
                Some(b'-') => Change::Subtract(Template::parse(&new.bytes[1..])),
                _ => Change::Set(Template::parse(new.bytes)),
            };
            (variable, change)
        }
    };
    let variable = variable.trim();
    let (variable, change) = match variable.bytes.first() {
        Some(b'!') => (variable.from(1), Change::Remove),
        _ => (variable, change),
    };
    let (collection, key) = split_variable(variable).ok_or_else(|| refuse(value, "setvar", expected))?;
    Ok(SetVar { collection: writable(collection, "setvar")?, key: Template::parse(key.bytes), change })
}

fn setenv(value: Fragment<'_>, expected: &'static str) -> Result<Action, Fault> {
    let (name, new) = match value.split(b'=') {
        Some((name, new)) => (name, Template::parse(new.bytes)),
        None => (value, Template::literal("1")),
    };
    if matches!(name.bytes, b"" | b"!") {
        return Err(refuse(value, "setenv", expected));
    }
    let removes = name.bytes.first() == Some(&b'!');
    let value = if removes { Template::default() } else { new };
    Ok(Action::SetEnv { name: Template::parse(name.bytes), value })
}

/// Whether a list of actions announces a link after its rule.
pub(crate) fn has_chain(actions: &[Action]) -> bool {
    actions.iter().any(|action| discriminant(action) == discriminant(&Action::Chain))
}
