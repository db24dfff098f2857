//! Parses targets: `REQUEST_HEADERS:Host|!ARGS:/^x/|&TX:'/a|b/'|XML:/*`.

use crate::ast::{Selector, Target};
use crate::error::{Fault, LoadErrorKind};
use crate::lexer::{Fragment, Text, is_blank};
use crate::limits;
use crate::parse::value::unknown;
use crate::variable::Variable;

/// Whether the byte separates targets: `|` or `,`. Blanks around it are ignored.
fn separates(byte: u8) -> bool {
    matches!(byte, b'|' | b',') || is_blank(byte)
}

/// Reads a list of targets. Adds faults to `faults`, and returns the targets without a fault.
pub(super) fn targets(list: Fragment<'_>, faults: &mut Vec<Fault>) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut rest = list;
    let mut seen = false;
    loop {
        let skip = rest.bytes.iter().take_while(|&&b| separates(b)).count();
        rest = rest.from(skip);
        if rest.is_empty() {
            break;
        }
        seen = true;
        if targets.len() >= limits::TARGETS || faults.len() > limits::ERRORS {
            faults.push(rest.too_many("targets", limits::TARGETS));
            break;
        }
        let (target, behind) = target(rest);
        match target {
            Ok(target) => targets.push(target),
            Err(fault) => faults.push(fault),
        }
        rest = behind;
    }
    if !seen {
        faults.push(list.fault(LoadErrorKind::Nothing("target")));
    }
    targets
}

/// Reads one target, and returns the text after it, even after a fault.
fn target(start: Fragment<'_>) -> (Result<Target, Fault>, Fragment<'_>) {
    let prefix = start.bytes.iter().take_while(|&&b| matches!(b, b'!' | b'&')).count();
    let (marks, rest) = (start.slice(0, prefix), start.from(prefix));
    let name_length = rest.bytes.iter().position(|&b| separates(b) || b == b':').unwrap_or(rest.bytes.len());
    let (name, rest) = (rest.slice(0, name_length), rest.from(name_length));
    let variable = Variable::from_name(&name.lossy());
    if rest.bytes.first() != Some(&b':') {
        return (checked(marks, name, variable, None), rest);
    }
    match part(rest.from(1), variable) {
        Ok((part, behind)) => (checked(marks, name, variable, Some(part.fragment())), behind),
        Err(fault) => (Err(fault), rest.from(rest.bytes.len())),
    }
}

fn checked(
    marks: Fragment<'_>,
    name: Fragment<'_>,
    variable: Option<Variable>,
    part: Option<Fragment<'_>>,
) -> Result<Target, Fault> {
    let excluded = marks.bytes.contains(&b'!');
    let counted = marks.bytes.contains(&b'&');
    if excluded && counted {
        return Err(marks.fault(LoadErrorKind::CountedExclusion));
    }
    let Some(variable) = variable else {
        return Err(unknown(name, "variable", Variable::ALL.iter().map(|v| v.name())));
    };
    if counted && !variable.is_collection() {
        return Err(name.fault(LoadErrorKind::NotCountable(variable.name().to_owned())));
    }
    let selector = match part {
        None => None,
        Some(_) if !variable.is_collection() => {
            return Err(name.fault(LoadErrorKind::NoCollection(variable.name().to_owned())));
        }
        Some(part) => Some(selector(part, variable)?),
    };
    Ok(Target { excluded, counted, variable, selector })
}

/// Returns the text of the part after `:` without quotes, and the text after it.
fn part(rest: Fragment<'_>, variable: Option<Variable>) -> Result<(Text, Fragment<'_>), Fault> {
    if rest.bytes.first() == Some(&b'\'') {
        return quoted(rest);
    }
    // An XPath expression also starts with a slash, but is not a pattern.
    let pattern = if variable == Some(Variable::Xml) { None } else { pattern_length(rest.bytes) };
    let length =
        pattern.or_else(|| rest.bytes.iter().position(|&b| separates(b))).unwrap_or(rest.bytes.len());
    let mut text = Text::empty(rest.start());
    for index in 0..length {
        text.push(rest.bytes[index], rest.place(index));
    }
    Ok((text, rest.from(length)))
}

/// Returns the length of the `/pattern/` that starts here, with its slashes. It ends at the first slash without a backslash
/// before a separator or the end. Separators inside belong to the pattern.
fn pattern_length(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let mut index = 1;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 1,
            b'/' if bytes.get(index + 1).is_none_or(|&b| separates(b)) => return Some(index + 1),
            _ => {}
        }
        index += 1;
    }
    None
}

/// Reads `'…'`, in which `\'` and `\\` stand for their second byte, and returns the text after it.
pub(super) fn quoted(start: Fragment<'_>) -> Result<(Text, Fragment<'_>), Fault> {
    let mut text = Text::empty(start.place(1));
    let mut index = 1;
    loop {
        let byte = *start.bytes.get(index).ok_or_else(|| start.fault(LoadErrorKind::UnclosedQuote('\'')))?;
        if byte == b'\'' {
            return Ok((text, start.from(index + 1)));
        }
        if byte == b'\\' && matches!(start.bytes.get(index + 1), Some(b'\\' | b'\'')) {
            index += 1;
        }
        text.push(start.bytes[index], start.place(index));
        index += 1;
    }
}

fn selector(part: Fragment<'_>, variable: Variable) -> Result<Selector, Fault> {
    let length = part.bytes.len();
    if length == 0 {
        return Err(part.fault(LoadErrorKind::Nothing("part after `:`")));
    }
    if variable == Variable::Xml {
        return Ok(Selector::XPath(part.utf8("XML")?));
    }
    if length > 2 && part.bytes[0] == b'/' && part.bytes[length - 1] == b'/' {
        return Ok(Selector::Regex(part.slice(1, length - 1).utf8(variable.name())?));
    }
    Ok(Selector::Key(part.bytes.to_vec()))
}
