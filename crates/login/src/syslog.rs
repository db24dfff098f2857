//! Lines of auth.log and /var/log/secure, as rsyslog and syslog-ng write them.
//!
//! Nothing in such a line is certain: every local user can write one with `logger`. A host with journald follows the
//! journal instead.

use event::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::claim::Service;
use crate::limits::MAX_LINE_BYTES;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogLine<'a> {
    /// Time.
    pub time: Timestamp,
    /// The program.
    pub service: Service,
    /// Pid in brackets after the identifier; none without one.
    pub pid: Option<u32>,
    /// Message.
    pub message: &'a str,
}

impl<'a> SyslogLine<'a> {
    /// Parses a line of one of these programs: `2026-11-30T20:41:22.123456+09:00 vps1 sshd[777]: …` (RFC 3339 time, the
    /// default since Debian 12), or `Nov 30 20:41:22 vps1 sshd[777]: …` (RFC 3164), whose year and time zone follow from
    /// `now` and `zone`. Returns none for another program, another form, a line that is too long or not UTF-8.
    pub fn parse(line: &'a [u8], now: Timestamp, zone: &TimeZone) -> Option<Self> {
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        let line = str::from_utf8(line).ok()?;
        let (time, rest) = match line.as_bytes().first()? {
            b'0'..=b'9' => {
                let (time, rest) = line.split_once(' ')?;
                (time.parse().ok()?, rest)
            }
            _ => (rfc3164(line.get(..15)?, now, zone)?, line.get(15..)?.strip_prefix(' ')?),
        };
        let (_host, rest) = rest.split_once(' ')?;
        let (tag, message) = rest.split_once(": ")?;
        let (identifier, pid) = match tag.split_once('[') {
            Some((identifier, pid)) => (identifier, pid.strip_suffix(']')?.parse().ok()),
            None => (tag, None),
        };
        Some(Self { time, service: Service::of_identifier(identifier)?, pid, message })
    }
}

/// Parses `Nov 30 20:41:22`, or `Nov  3 20:41:22`. The year is the last one in which this is not more than a day ahead of
/// `now`.
fn rfc3164(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|month| text.starts_with(month))? + 1;
    let day = text.get(4..6)?.trim_start().parse().ok()?;
    let clock = text.get(7..)?;
    let number = |from: usize| clock.get(from..from + 2)?.parse().ok();
    let this_year = now.to_jiff().to_zoned_datetime(zone.clone()).year();
    let latest = now.as_micros().saturating_add(86_400_000_000);
    [this_year + 1, this_year, this_year - 1].into_iter().find_map(|year| {
        let date = civil::Date::new(year, i8::try_from(month).ok()?, day).ok()?;
        let time = civil::Time::new(number(0)?, number(3)?, number(6)?, 0).ok()?;
        let time: Timestamp = zone.to_timestamp(date.to_datetime(time)).ok()?.into();
        (time.as_micros() <= latest).then_some(time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, now: &str) -> Option<(String, Service, Option<u32>, String)> {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let line = SyslogLine::parse(line.as_bytes(), now.parse().unwrap(), &zone)?;
        Some((line.time.to_string(), line.service, line.pid, line.message.to_owned()))
    }

    #[test]
    fn both_forms_of_time() {
        let now = "2026-11-30T12:00:00Z";
        for (line, time, service, pid) in [
            (
                "2026-11-30T20:41:22.123456+09:00 vps1 sshd-session[777]: hello: you",
                "2026-11-30T11:41:22.123456Z",
                Service::Sshd,
                Some(777),
            ),
            ("Nov 30 20:41:22 vps1 sudo: hello: you", "2026-11-30T11:41:22.000000Z", Service::Sudo, None),
            ("Nov  3 00:00:00 vps1 su[1]: hello: you", "2026-11-02T15:00:00.000000Z", Service::Su, Some(1)),
            (
                "Dec 24 20:41:22 vps1 sshd[7]: hello: you",
                "2025-12-24T11:41:22.000000Z",
                Service::Sshd,
                Some(7),
            ),
            (
                "Dec  1 20:00:00 vps1 sshd[7]: hello: you",
                "2026-12-01T11:00:00.000000Z",
                Service::Sshd,
                Some(7),
            ),
        ] {
            assert_eq!(parse(line, now), Some((time.into(), service, pid, "hello: you".into())), "{line}");
        }
        let line = "Dec 31 23:59:59 vps1 sshd[7]: hello: you";
        assert_eq!(parse(line, "2027-01-01T00:00:00Z").unwrap().0, "2026-12-31T14:59:59.000000Z");
    }

    #[test]
    fn other_lines_are_ignored() {
        for line in [
            "",
            "Nov",
            "Nov 30 20:41:22",
            "Nov 30 20:41:22 vps1 cron[7]: x",
            "Nov 31 20:41:22 vps1 sshd[7]: x",
            "Nov 30 25:41:22 vps1 sshd[7]: x",
            "ééééééééé vps1 sshd[7]: x",
            "2026-11-30T20:41:22 vps1 sshd[7]: x",
            "2026-11-30T20:41:22Z vps1 sshd[7",
            "Nov 30 20:41:22 vps1 sshd[7]x: x",
        ] {
            assert_eq!(parse(line, "2026-11-30T12:00:00Z"), None, "{line}");
        }
        let zone = TimeZone::UTC;
        let head = "2026-11-30T20:41:22Z vps1 sshd[7]: ";
        let line = |bytes: usize| [head.as_bytes(), &vec![b'x'; bytes - head.len()]].concat();
        assert!(SyslogLine::parse(&line(MAX_LINE_BYTES), Timestamp::MIN, &zone).is_some());
        assert_eq!(SyslogLine::parse(&line(MAX_LINE_BYTES + 1), Timestamp::MIN, &zone), None);
        assert_eq!(SyslogLine::parse(&[head.as_bytes(), b"\xff"].concat(), Timestamp::MIN, &zone), None);
    }
}
