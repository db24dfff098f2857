//! The options that choose events, one for each property.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use event::property::{Field, Source, Values};
use event::{Property, Timestamp};
use store::{Condition, ConditionError, Filter, Test};

/// Parses a number of items to show, at least 1.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("0 would show nothing; give 1 or more".to_owned()),
        number => number.map_err(|error: std::num::ParseIntError| error.to_string()),
    }
}

const HEADING: &str = "Filter; `!` before a value excludes it: --outcome '!passed'";

/// A filter of events. An event must pass all options, and any of several values of one option.
#[derive(Debug)]
pub struct FilterOptions(Filter);

impl FilterOptions {
    /// Returns the filter.
    pub fn filter(&self) -> Filter {
        self.0.clone()
    }
}

impl Args for FilterOptions {
    fn augment_args(command: Command) -> Command {
        crate::parts::properties().iter().fold(command, |command, property| command.arg(option(property)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FilterOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let properties = crate::parts::properties();
        let given = properties.iter().filter_map(|property| matches.get_many::<Condition>(property.name));
        Ok(Self(given.flatten().cloned().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn option(property: &'static Property) -> Arg {
    let form = match property.values {
        Values::Time => {
            "RFC 3339 (2026-11-23T09:00:00Z), a date, or a time span before now (90s, 15m, 2h, 7d)"
        }
        values => values.form(),
    };
    let help = match property.gates {
        [] => format!("{}: {form}", property.en),
        gates => format!("{}: {form} [gates: {}]", property.en, gates.join(", ")),
    };
    Arg::new(property.name)
        .long(property.name)
        .value_name(placeholder(property.values))
        .help(help)
        .help_heading(HEADING)
        .action(ArgAction::Append)
        .value_parser(move |text: &str| condition(property, text))
}

fn placeholder(values: Values) -> &'static str {
    match values {
        Values::Time => "TIME",
        Values::Network => "ADDRESS",
        Values::Number | Values::Minimum => "NUMBER",
        Values::Text | Values::Lowercase | Values::Search => "TEXT",
        Values::Outcome => "OUTCOME",
        Values::Severity => "SEVERITY",
        Values::Fact => "NAME=VALUE",
    }
}

/// Parses a value. A time may also be a date or a time span before now.
fn condition(property: &Property, text: &str) -> Result<Condition, ConditionError> {
    let test: fn(Timestamp) -> Test = match property.source {
        Source::Envelope(Field::Since) => Test::Since,
        Source::Envelope(Field::Until) => Test::Until,
        _ => return Condition::of(property, text),
    };
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
    fn properties_are_listed_in_docs() {
        use std::fmt::Write;
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/user/events.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("<!-- properties:").unwrap();
        let (command, rest) = rest.split_once("-->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of properties").unwrap();
        let mut table = String::from("| name | value | events |\n|---|---|---|\n");
        for property in crate::parts::properties().iter() {
            let gates = if property.gates.is_empty() { "all".to_owned() } else { property.gates.join(", ") };
            let (name, help, form) = (property.name, property.en, property.values.form());
            writeln!(table, "| `{name}` | {help}: {form} | {gates} |").unwrap();
        }
        let written = format!("{before}<!-- properties:{command}-->\n{table}<!-- end of properties{after}");
        if std::env::var_os("MONBAN_WRITE_DOCS").is_some() {
            std::fs::write(&path, &written).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text == written, "docs/user/events.md: MONBAN_WRITE_DOCS=1 cargo test -p monban properties");
    }

    #[test]
    fn every_property_has_a_is_an_option() {
        let properties = crate::parts::properties();
        let command = FilterOptions::augment_args(Command::new("x"));
        for property in properties.iter() {
            let value = match property.values {
                Values::Time => "2h",
                Values::Network => "192.0.2.1",
                Values::Number | Values::Minimum => "5",
                Values::Text | Values::Lowercase | Values::Search => "x",
                Values::Outcome => "blocked",
                Values::Severity => "error",
                Values::Fact => "cups=3",
            };
            let option = format!("--{}", property.name);
            let matches = command.clone().try_get_matches_from(["x", &option, value]).unwrap();
            let filter = FilterOptions::from_arg_matches(&matches).unwrap().filter();
            assert_eq!(filter.conditions.len(), 1, "{option}");
        }
        assert_eq!(properties.iter().count(), command.get_arguments().count());
    }

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
