//! Values that directives and actions share: numbers, words, id ranges.

use crate::ast::IdRange;
use crate::error::{Fault, LoadErrorKind, nearest};
use crate::lexer::{Fragment, is_blank};
use crate::limits;
use crate::names::Named;
use std::ops::RangeInclusive;

/// Makes the fault of a value that `name` does not accept.
pub(super) fn refuse(value: Fragment<'_>, name: &str, expected: impl Into<String>) -> Fault {
    value.fault(LoadErrorKind::Value {
        name: name.to_owned(),
        expected: expected.into(),
        found: value.lossy(),
    })
}

/// Makes the fault of a word that is not part of the language.
pub(super) fn unknown<'k>(
    word: Fragment<'_>,
    what: &'static str,
    known: impl IntoIterator<Item = &'k str>,
) -> Fault {
    let name = word.lossy();
    let hint = nearest(&name, known).map(str::to_owned);
    word.fault(LoadErrorKind::Unknown { what, name, hint })
}

/// Parses decimal digits only.
pub(super) fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Parses a number within a range of values of `T`.
pub(super) fn number<T: TryFrom<u64>>(
    value: Fragment<'_>,
    name: &str,
    range: RangeInclusive<u64>,
) -> Result<T, Fault> {
    digits(value.bytes)
        .filter(|n| range.contains(n))
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| refuse(value, name, format!("a number from {} to {}", range.start(), range.end())))
}

/// Parses a 32-bit number, from 0 or 1.
pub(super) fn number32(value: Fragment<'_>, name: &str, from: u32) -> Result<u32, Fault> {
    number(value, name, from.into()..=u32::MAX.into())
}

/// Parses the name of a member of a named enum.
pub(super) fn word<T: Named>(value: Fragment<'_>, name: &str) -> Result<T, Fault> {
    std::str::from_utf8(value.bytes).ok().and_then(T::from_name).ok_or_else(|| {
        let names: Vec<_> = T::ALL.iter().map(|member| member.name()).collect();
        let expected = match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.join(""),
        };
        refuse(value, name, expected)
    })
}

/// Parses `On` or `Off`.
pub(super) fn on_off(value: Fragment<'_>, name: &str) -> Result<bool, Fault> {
    if value.bytes.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if value.bytes.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(refuse(value, name, "On or Off"))
    }
}

/// Parses ids and ranges (`5`, `5-9`), separated by blanks or commas.
pub(super) fn id_ranges(value: Fragment<'_>, name: &str) -> Result<Vec<IdRange>, Fault> {
    let ranges: Vec<_> = value
        .pieces(|b| is_blank(b) || b == b',')
        .map(|piece| id_range(piece, name))
        .collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err(refuse(value, name, "rule ids or ranges of them"));
    }
    Ok(ranges)
}

fn id_range(piece: Fragment<'_>, name: &str) -> Result<IdRange, Fault> {
    let bounds = match piece.split(b'-') {
        Some((first, last)) => digits(first.bytes).zip(digits(last.bytes)),
        None => digits(piece.bytes).map(|id| (id, id)),
    };
    match bounds {
        Some((first, last)) if first <= last && last <= limits::RULE_ID => Ok(IdRange { first, last }),
        Some((first, last)) if first > last => {
            Err(refuse(piece, name, "a range whose end is not less than its start"))
        }
        _ => Err(refuse(piece, name, format!("rule ids up to {} or ranges such as 5-9", limits::RULE_ID))),
    }
}
