//! Time formats in audit logs.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::Timestamp;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Parses `23/Nov/2026:09:04:46.454636 +0000`, with or without the fraction. A time without an offset is UTC.
pub(super) fn clf(text: &[u8]) -> Option<Timestamp> {
    let (date, offset) = match memchr::memchr(b' ', text) {
        Some(space) => (&text[..space], utc_offset(&text[space + 1..])?),
        None => (text, Offset::UTC),
    };
    let (day, rest) = date.split_at_checked(2)?;
    let (month, rest) = rest.strip_prefix(b"/")?.split_at_checked(3)?;
    let (year, rest) = rest.strip_prefix(b"/")?.split_at_checked(4)?;
    let time = clock(rest.strip_prefix(b":")?)?;
    at(number(year)?, month_of(month)?, number(day)?, time, offset)
}

/// Parses `Mon Nov 23 09:05:01 2026`, as ctime(3) writes it, as UTC.
pub(super) fn ctime(text: &[u8]) -> Option<Timestamp> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1);
    let (month, day) = (month_of(words.next()?)?, number(words.next()?)?);
    let time = clock(words.next()?)?;
    at(number(words.next()?)?, month, day, time, Offset::UTC)
}

/// Parses `2026/11/23 09:05:01` as UTC.
pub(super) fn slashed(text: &[u8]) -> Option<Timestamp> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    let mut numbers = date.split(|byte| *byte == b'/');
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    at(number(year)?, number(month)?, number(day)?, clock(time)?, Offset::UTC)
}

fn at(year: u32, month: u32, day: u32, time: Time, offset: Offset) -> Option<Timestamp> {
    let small = |number: u32| i8::try_from(number).ok();
    let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    offset.to_timestamp(DateTime::from_parts(date, time)).ok().map(Timestamp::from)
}

/// Parses `09:04:46.454636`.
fn clock(text: &[u8]) -> Option<Time> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let mut numbers = whole.split(|byte| *byte == b':').map(number);
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() || fraction.len() > 9 {
        return None;
    }
    let mut nanoseconds = if fraction.is_empty() { 0 } else { number(fraction)? };
    for _ in fraction.len()..9 {
        nanoseconds *= 10;
    }
    // A leap second counts as the second before it.
    let small = |number: u32| i8::try_from(number).ok();
    Time::new(small(hour)?, small(minute)?, small(second.min(59))?, i32::try_from(nanoseconds).ok()?).ok()
}

/// Parses `+0900`, `+09:00` or `Z`; also `--0500` and `--03-30`, because ModSecurity 2 writes a sign before both the
/// hours and the minutes west of Greenwich.
fn utc_offset(text: &[u8]) -> Option<Offset> {
    if text == b"Z" {
        return Some(Offset::UTC);
    }
    let [sign @ (b'+' | b'-'), rest @ ..] = text else { return None };
    let (hours, rest) = rest.strip_prefix(b"-").unwrap_or(rest).split_at_checked(2)?;
    let minutes = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b":")).unwrap_or(rest);
    if minutes.len() != 2 {
        return None;
    }
    let seconds = i32::try_from(number(hours)? * 3600 + number(minutes)? * 60).ok()?;
    Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()
}

fn month_of(name: &[u8]) -> Option<u32> {
    let at = MONTHS.iter().position(|month| *month == name)?;
    u32::try_from(at + 1).ok()
}

/// Parses up to nine digits.
fn number(text: &[u8]) -> Option<u32> {
    let digits = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_reads_the_forms_of_the_logs() {
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        for (given, expected) in [
            ("23/Nov/2026:09:04:46.454636 +0000", "2026-11-23T09:04:46.454636Z"),
            ("23/Nov/2026:09:04:58 +0000", "2026-11-23T09:04:58.000000Z"),
            ("23/Nov/2026:18:04:46.5 +0900", "2026-11-23T09:04:46.500000Z"),
            ("23/Nov/2026:05:34:46 -0330", "2026-11-23T09:04:46.000000Z"),
            ("23/Nov/2026:04:04:46 --0500", "2026-11-23T09:04:46.000000Z"),
            ("23/Nov/2026:05:34:46 --03-30", "2026-11-23T09:04:46.000000Z"),
            ("23/Nov/2026:08:34:46 -00-30", "2026-11-23T09:04:46.000000Z"),
            ("23/Nov/2026:14:49:46 +05:45", "2026-11-23T09:04:46.000000Z"),
            ("23/Nov/2026:09:04:46 Z", "2026-11-23T09:04:46.000000Z"),
            ("31/Dec/2016:23:59:60 +0000", "2016-12-31T23:59:59.000000Z"),
        ] {
            assert_eq!(text(clf(given.as_bytes())).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(text(ctime(b"Sun Nov  1 09:05:01 2026")).as_deref(), Some("2026-11-01T09:05:01.000000Z"));
        assert_eq!(text(slashed(b"2026/11/23 09:05:01")).as_deref(), Some("2026-11-23T09:05:01.000000Z"));
        for bad in [
            "",
            "23/Nov/2026",
            "32/Nov/2026:09:04:46 +0000",
            "23/Xyz/2026:09:04:46 +0000",
            "23/Nov/2026:09:04 +0000",
            "23/Nov/2026:09:04:46:00 +0000",
            "23/Nov/2026:25:04:46 +0000",
            "23/Nov/2026:09:04:46.0123456789 +0000",
            "23/Nov/2026:09:04:46 UTC",
            "23/Nov/2026:09:04:46 +é9",
            "23/Nov/2026:09:04:46 ---0500",
            "23/Nov/2026:09:04:46 +09000",
            "23/Nov/2026:09:04:46 -05--00",
            "23/Nov/2026:09:04:46 +09",
            "23/Nov/2026:09:04:46 -",
        ] {
            assert_eq!(clf(bad.as_bytes()), None, "{bad}");
            assert_eq!(ctime(bad.as_bytes()), None, "{bad}");
            assert_eq!(slashed(bad.as_bytes()), None, "{bad}");
        }
    }
}
