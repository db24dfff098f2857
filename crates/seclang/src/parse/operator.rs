//! Parses an operator with its argument, such as `!@rx ^a`.

use crate::error::{Fault, LoadErrorKind};
use crate::lexer::{Fragment, is_blank};
use crate::operator::{OperatorCall, OperatorName};
use crate::parse::value::{refuse, unknown};
use crate::template::Template;

/// Reads a rule's second argument. Ignores blanks before `!`, before `@` and before the operator's argument.
pub(super) fn operator(text: Fragment<'_>) -> Result<OperatorCall, Fault> {
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return Err(text.fault(LoadErrorKind::Nothing("operator")));
    }
    let negated = rest.bytes.first() == Some(&b'!');
    if negated {
        rest = rest.from(1).trim_start();
    }
    let (name, argument) = if rest.bytes.first() == Some(&b'@') {
        let length = rest.bytes.iter().position(|&b| is_blank(b)).unwrap_or(rest.bytes.len());
        let word = rest.slice(1, length);
        let name =
            OperatorName::from_name(&word.lossy()).ok_or_else(|| unknown_operator(rest.slice(0, length)))?;
        (name, rest.from(length).trim_start())
    } else {
        (OperatorName::Rx, rest)
    };
    if let Some(reason) = name.refused() {
        return Err(text.fault(LoadErrorKind::Refused { name: format!("@{name}"), reason }));
    }
    let parsed = match name {
        OperatorName::Rx | OperatorName::RxGlobal => Template::parse_pattern(argument.bytes),
        _ => Template::parse(argument.bytes),
    };
    if argument.is_empty()
        && let Some(expected) = needs(name)
    {
        let kind = LoadErrorKind::MissingValue { name: format!("@{name}"), expected: expected.to_owned() };
        return Err(text.fault(kind));
    }
    if name.compares_numbers() && parsed.as_literal().is_some_and(|literal| !begins_with_number(literal)) {
        return Err(refuse(argument, &format!("@{name}"), "a whole number or a macro"));
    }
    Ok(OperatorCall { negated, name, argument: parsed })
}

/// Makes the fault of an unknown operator. Its suggestions have `@`, as in rules.
fn unknown_operator(word: Fragment<'_>) -> Fault {
    let known: Vec<_> = OperatorName::ALL.iter().map(|name| format!("@{name}")).collect();
    unknown(word, "operator", known.iter().map(String::as_str))
}

/// Returns the required argument of an operator; none if the argument may be missing or empty.
pub(crate) fn needs(name: OperatorName) -> Option<&'static str> {
    use OperatorName::*;
    match name {
        Eq | Ge | Gt | Le | Lt => Some("a number"),
        Pm => Some("phrases"),
        PmFromFile | IpMatchFromFile => Some("a file name"),
        IpMatch => Some("addresses"),
        Rbl => Some("the zone of a block list"),
        ValidateByteRange => Some("byte ranges such as 32-126"),
        VerifyCc | VerifyCpf | VerifySsn => Some("a pattern"),
        FuzzyHash | GsbLookup | InspectFile | Rsub | ValidateDtd | ValidateHash | ValidateSchema
        | VerifySvnr => None,
        BeginsWith | Contains | ContainsWord | DetectSqli | DetectXss | EndsWith | GeoLookup | NoMatch
        | Rx | RxGlobal | StrEq | StrMatch | UnconditionalMatch | ValidateUrlEncoding
        | ValidateUtf8Encoding | Within => None,
    }
}

/// Whether a text begins with an integer. The rest is ignored, as in C's `atoi`: `70.0` is 70.
fn begins_with_number(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    digits.first().is_some_and(u8::is_ascii_digit)
}
