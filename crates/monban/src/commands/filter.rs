//! The options with which commands choose events.

use std::net::IpAddr;

use clap::Args;
use event::{Action, Severity, Timestamp};
use ipnet::IpNet;
use store::{Filter, Test};

/// Every option that is given must fit; one that is given several times fits with any of its values.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which events")]
pub struct FilterOptions {
    /// At this time or later: RFC 3339 (2026-11-23T09:00:00Z), a date, or so long ago (90s, 15m, 2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Before this time, written as for --since
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// For this site
    #[arg(long, value_name = "NAME")]
    site: Vec<String>,
    /// By a client of this address or network
    #[arg(long, value_name = "ADDRESS", value_parser = parse_network)]
    client: Vec<IpNet>,
    /// This rule matched
    #[arg(long, value_name = "ID")]
    rule: Vec<u64>,
    /// The gate did this: blocked, detected, passed, refused or failed
    #[arg(long, value_name = "ACTION")]
    action: Vec<Action>,
    /// At least this severe: emergency, alert, critical, error, warning, notice, info or debug
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<Severity>,
    /// Answered with this status
    #[arg(long, value_name = "CODE")]
    status: Vec<u16>,
    /// Holds this text anywhere, without regard to the case of ASCII letters
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

impl FilterOptions {
    /// As the store takes it.
    pub fn filter(&self) -> Filter {
        fn any<T: Clone>(values: &[T], test: fn(Vec<T>) -> Test) -> Option<Test> {
            (!values.is_empty()).then(|| test(values.to_vec()))
        }
        let tests = [
            self.since.map(Test::Since),
            self.until.map(Test::Before),
            any(&self.site, Test::Site),
            any(&self.client, Test::Client),
            any(&self.rule, Test::Rule),
            any(&self.action, Test::Action),
            self.severity.map(Test::Severity),
            any(&self.status, Test::Status),
            self.text.clone().map(Test::Text),
        ];
        tests.into_iter().flatten().fold(Filter::default(), Filter::with)
    }
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "neither an address nor a network such as 192.0.2.0/24".to_owned())
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

    #[test]
    fn networks() {
        for (text, network) in [
            ("192.0.2.1", Some("192.0.2.1/32")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("example.org", None),
            ("192.0.2.0/33", None),
        ] {
            assert_eq!(
                parse_network(text).ok().map(|network| network.to_string()).as_deref(),
                network,
                "{text}"
            );
        }
    }
}
