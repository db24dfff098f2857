//! The options with which commands choose events.

use clap::Args;
use event::Timestamp;
use store::{Condition, ConditionError, Filter, Test};

/// A number of things to show, of which there is to be at least one.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("0 would show nothing; give 1 or more".to_owned()),
        number => number.map_err(|error: std::num::ParseIntError| error.to_string()),
    }
}

/// Every option that is given must fit; one that is given several times fits with any of its values.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which events; a value with ! in front must not fit: --action '!passed'")]
pub struct FilterOptions {
    /// At this time or later: RFC 3339 (2026-11-23T09:00:00Z), a date, or so long ago (90s, 15m, 2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| time(text, Test::Since))]
    since: Vec<Condition>,
    /// Before this time, written as for --since
    #[arg(long, value_name = "TIME", value_parser = |text: &str| time(text, Test::Before))]
    until: Vec<Condition>,
    /// For this site
    #[arg(long, value_name = "NAME", value_parser = |text: &str| Condition::parse("site", text))]
    site: Vec<Condition>,
    /// By a client of this address or network
    #[arg(long, value_name = "ADDRESS", value_parser = |text: &str| Condition::parse("client", text))]
    client: Vec<Condition>,
    /// This rule matched
    #[arg(long, value_name = "ID", value_parser = |text: &str| Condition::parse("rule", text))]
    rule: Vec<Condition>,
    /// A rule matched that has this tag, such as attack-sqli
    #[arg(long, value_name = "TAG", value_parser = |text: &str| Condition::parse("tag", text))]
    tag: Vec<Condition>,
    /// Of this kind, as the console's incidents have it: attack-xss, attack-sqli, scanner, protocol, other
    #[arg(long, value_name = "KIND", value_parser = |text: &str| Condition::parse("kind", text))]
    kind: Vec<Condition>,
    /// The gate did this: blocked, detected, passed, refused or failed
    #[arg(long, value_name = "ACTION", value_parser = |text: &str| Condition::parse("action", text))]
    action: Vec<Condition>,
    /// At least this severe: emergency, alert, critical, error, warning, notice, info or debug
    #[arg(long, value_name = "SEVERITY", value_parser = |text: &str| Condition::parse("severity", text))]
    severity: Vec<Condition>,
    /// The anomaly score of the request is at least this
    #[arg(long, value_name = "SCORE", value_parser = |text: &str| Condition::parse("score", text))]
    score: Vec<Condition>,
    /// Answered with this status, or one of a class (4xx) or range (200-399)
    #[arg(long, value_name = "CODE", value_parser = |text: &str| Condition::parse("status", text))]
    status: Vec<Condition>,
    /// Asked with this method
    #[arg(long, value_name = "METHOD", value_parser = |text: &str| Condition::parse("method", text))]
    method: Vec<Condition>,
    /// Asked of this host
    #[arg(long, value_name = "NAME", value_parser = |text: &str| Condition::parse("host", text))]
    host: Vec<Condition>,
    /// Asked for this path, without its query; `*` at the end stands for anything
    #[arg(long, value_name = "PATH", value_parser = |text: &str| Condition::parse("path", text))]
    path: Vec<Condition>,
    /// From this node
    #[arg(long, value_name = "NAME", value_parser = |text: &str| Condition::parse("node", text))]
    node: Vec<Condition>,
    /// Holds this text anywhere, without regard to the case of ASCII letters; of several, each. \! for a ! in front
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| Condition::parse("text", text))]
    text: Vec<Condition>,
}

impl FilterOptions {
    /// As the store takes it.
    pub fn filter(&self) -> Filter {
        let all = [
            &self.since,
            &self.until,
            &self.site,
            &self.client,
            &self.rule,
            &self.tag,
            &self.kind,
            &self.score,
            &self.host,
            &self.action,
            &self.severity,
            &self.status,
            &self.method,
            &self.path,
            &self.node,
            &self.text,
        ];
        all.into_iter().flatten().cloned().collect()
    }
}

fn time(text: &str, test: fn(Timestamp) -> Test) -> Result<Condition, ConditionError> {
    let (inverted, text) = store::filter::inverted(text);
    let time = parse_time(&text).map_err(ConditionError::BadValue)?;
    Ok(Condition { test: test(time), inverted })
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    parse_time_at(text, jiff::Timestamp::now())
}

fn parse_time_at(text: &str, now: jiff::Timestamp) -> Result<Timestamp, String> {
    let wrong = || {
        "neither a time such as 2026-11-23T09:00:00Z, nor a date, nor a span such as 15m, 2h, 7d".to_owned()
    };
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.into());
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        let start = jiff::tz::TimeZone::system().to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| wrong())?;
        return Ok(start.into());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let number: i64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    let time = now.checked_sub(jiff::SignedDuration::from_secs(seconds)).map_err(|_| wrong())?;
    Ok(time.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now: jiff::Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2026-11-20T01:02:03Z", Some("2026-11-20T01:02:03Z")),
            ("2026-11-20T01:02:03+01:00", Some("2026-11-20T00:02:03Z")),
            ("90s", Some("2026-11-23T08:58:30Z")),
            ("15m", Some("2026-11-23T08:45:00Z")),
            ("2h", Some("2026-11-23T07:00:00Z")),
            ("7d", Some("2026-11-16T09:00:00Z")),
            ("1w", Some("2026-11-16T09:00:00Z")),
            ("", None),
            ("7", None),
            ("d", None),
            ("7 days", None),
            ("-7d", None),
            ("99999999999999999999d", None),
            ("9999999999999d", None),
            ("yesterday", None),
        ] {
            let want: Option<Timestamp> = time.map(|time| time.parse().unwrap());
            assert_eq!(parse_time_at(text, now).ok(), want, "{text}");
        }
        assert!(parse_time_at("2026-11-20", now).is_ok());
    }
}
