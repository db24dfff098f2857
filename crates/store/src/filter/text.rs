//! Parses conditions as users write them: `subject`, `shop`; or `subject`, `!shop` for a condition that must not hold.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str::FromStr;

use event::Properties;
use event::property::{Field, Property, Source, Values};
use ipnet::IpNet;

use super::pattern::{Pattern, ValuePattern, numbers};
use super::{Condition, Filter, Test};

/// An error in the text of a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// No property has this name.
    #[error("unknown property `{name}`; known: {known}")]
    UnknownProperty {
        /// The name, cut to 64 characters.
        name: String,
        /// The known names.
        known: String,
    },
    /// The property does not accept the value.
    #[error("{0}")]
    BadValue(String),
}

fn bad<T>(what: impl Into<String>) -> Result<T, ConditionError> {
    Err(ConditionError::BadValue(what.into()))
}

impl Condition {
    /// Parses a value of the property with this name, as [`Condition::of`] does.
    ///
    /// # Errors
    /// See [`ConditionError`].
    pub fn parse(properties: &Properties, name: &str, text: &str) -> Result<Self, ConditionError> {
        let Some(property) = properties.get(name) else {
            let (name, known) = (name.chars().take(64).collect(), properties.names());
            return Err(ConditionError::UnknownProperty { name, known });
        };
        Self::of(property, text)
    }

    /// Parses a value of a property. A leading `!` inverts the test; a value that itself begins with `!` is written
    /// `\!…`. Times are in RFC 3339.
    ///
    /// # Errors
    /// [`ConditionError::BadValue`].
    pub fn of(property: &Property, text: &str) -> Result<Self, ConditionError> {
        fn value<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, ConditionError> {
            text.parse().or_else(|error: T::Err| bad(error.to_string()))
        }
        let (inverted, text) = inverted(text);
        let patterns = || vec![Pattern::from(&*text)];
        let test = match property.source {
            Source::Fact => Test::Fact(property.name.to_owned(), vec![fact_value(property.values, &text)?]),
            Source::Envelope(field) => match field {
                Field::Since => Test::Since(value(&text)?),
                Field::Until => Test::Until(value(&text)?),
                Field::Node => Test::Node(patterns()),
                Field::Gate => Test::Gate(patterns()),
                Field::Kind => Test::Kind(patterns()),
                Field::Subject => Test::Subject(patterns()),
                Field::Address => Test::Client(vec![network(&text)?]),
                Field::Outcome => Test::Outcome(vec![value(&text)?]),
                Field::Severity => Test::Severity(value(&text)?),
                Field::Facts => any_fact(&text)?,
                Field::Json => Test::Text(text.into_owned()),
            },
        };
        Ok(Self { test, inverted })
    }
}

/// Splits off the `!` of an inverted value.
pub fn inverted(text: &str) -> (bool, Cow<'_, str>) {
    match text.strip_prefix('!') {
        Some(rest) => (true, Cow::Borrowed(rest)),
        None if text.starts_with("\\!") => (false, Cow::Borrowed(&text[1..])),
        None => (false, Cow::Borrowed(text)),
    }
}

fn network(text: &str) -> Result<IpNet, ConditionError> {
    let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
    network.or_else(|_| bad("neither an address nor a network such as 192.0.2.0/24"))
}

fn fact_value(values: Values, text: &str) -> Result<ValuePattern, ConditionError> {
    match values {
        Values::Number => match numbers(text) {
            Some(numbers) => Ok(numbers.into()),
            None => bad(
                "neither a number such as 404, nor a class such as 4xx, nor a range such as 200-399 or 500-",
            ),
        },
        Values::Minimum => match text.parse::<i64>() {
            Ok(least) => Ok((least..=i64::MAX).into()),
            Err(_) => bad("not a whole number"),
        },
        Values::Lowercase => Ok(text.to_ascii_lowercase().as_str().into()),
        _ => Ok(text.into()),
    }
}

/// Parses `NAME=VALUE`. The type of the fact is unknown: a number matches as a number and as a text.
fn any_fact(text: &str) -> Result<Test, ConditionError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = ValuePattern::either(numbers(value), value.into());
            Ok(Test::Fact(name.to_owned(), vec![value]))
        }
        _ => bad("not a name and a value such as attempts=5"),
    }
}

impl FromIterator<Condition> for Filter {
    /// Combines a user's list of conditions into a filter: an event must match any one of several values of the same
    /// property, and every inverted value, text, severity and time.
    fn from_iter<T: IntoIterator<Item = Condition>>(conditions: T) -> Self {
        let mut filter = Self::default();
        for condition in conditions {
            let joined = !condition.inverted
                && filter
                    .conditions
                    .iter_mut()
                    .any(|before| !before.inverted && before.test.join(&condition.test));
            if !joined {
                filter.conditions.push(condition);
            }
        }
        filter
    }
}

impl Test {
    /// Adds the values of another test of the same property. Returns false if the two cannot be alternatives.
    fn join(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Node(all), Self::Node(more))
            | (Self::Gate(all), Self::Gate(more))
            | (Self::Kind(all), Self::Kind(more))
            | (Self::Subject(all), Self::Subject(more)) => all.extend_from_slice(more),
            (Self::Client(all), Self::Client(more)) => all.extend_from_slice(more),
            (Self::Outcome(all), Self::Outcome(more)) => all.extend_from_slice(more),
            (Self::Fact(name, all), Self::Fact(other, more)) if name == other => all.extend_from_slice(more),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use event::{Fact, Outcome, Severity};

    use super::*;
    use crate::samples;

    fn parse(property: &str, text: &str) -> Result<Condition, ConditionError> {
        Condition::parse(&Properties::default(), property, text)
    }

    #[test]
    fn conditions() {
        let texts = |text: &str| vec![Pattern::from(text)];
        let networks = |text: &str| Test::Client(vec![text.parse().unwrap()]);
        for (property, text, inverted, expected) in [
            ("subject", "shop", false, Test::Subject(texts("shop"))),
            ("subject", "!shop", true, Test::Subject(texts("shop"))),
            ("subject", "\\!shop", false, Test::Subject(texts("!shop"))),
            ("text", "!!x", true, Test::Text("!x".into())),
            ("text", "\\x", false, Test::Text("\\x".into())),
            ("client", "192.0.2.1", false, networks("192.0.2.1/32")),
            ("client", "!2001:db8::/32", true, networks("2001:db8::/32")),
            ("rule", "!942100", true, Test::fact("rule", [942_100])),
            ("rule", "942xxx", false, Test::fact("rule", [942_000..=942_999])),
            ("status", "404", false, Test::fact("status", [404])),
            ("status", "!4xx", true, Test::fact("status", [400..=499])),
            ("status", "200-399", false, Test::fact("status", [200..=399])),
            ("path", "!/admin/*", true, Test::fact("path", ["/admin/*"])),
            ("tag", "attack-sqli", false, Test::fact("tag", ["attack-sqli"])),
            ("category", "scanner", false, Test::fact("category", ["scanner"])),
            ("host", "!WWW.example.org", true, Test::fact("host", ["www.example.org"])),
            ("score", "5", false, Test::fact("score", [5..=i64::MAX])),
            ("method", "GET", false, Test::fact("method", ["GET"])),
            ("user", "alice", false, Test::fact("user", ["alice"])),
            ("outcome", "!Blocked", true, Test::Outcome(vec![Outcome::Blocked])),
            ("severity", "!warning", true, Test::Severity(Severity::Warning)),
            ("kind", "login.*", false, Test::Kind(texts("login.*"))),
            ("node", "!n", true, Test::Node(texts("n"))),
            ("gate", "request", false, Test::Gate(texts("request"))),
        ] {
            assert_eq!(
                parse(property, text),
                Ok(Condition { test: expected, inverted }),
                "{property} {text}"
            );
        }
        let number =
            "neither a number such as 404, nor a class such as 4xx, nor a range such as 200-399 or 500-";
        for (property, text, expected) in [
            ("client", "example.org", "neither an address nor a network such as 192.0.2.0/24"),
            ("client", "192.0.2.0/33", "neither an address nor a network such as 192.0.2.0/24"),
            ("rule", "x", number),
            ("status", "399-200", number),
            ("score", "high", "not a whole number"),
            ("fact", "cups", "not a name and a value such as attempts=5"),
            ("fact", "=5", "not a name and a value such as attempts=5"),
            (
                "outcome",
                "eaten",
                "`eaten` is not an outcome (one of blocked, detected, passed, refused, failed, accepted, denied, changed, expired)",
            ),
            (
                "colour",
                "red",
                "unknown property `colour`; known: since, until, node, gate, kind, outcome, severity, \
                 subject, client, category, user, device, certificate, fact, text, rule, tag, score, status, \
                 method, host, path",
            ),
        ] {
            assert_eq!(parse(property, text).unwrap_err().to_string(), expected, "{property} {text}");
        }
        assert!(parse("since", "2026-11-23T09:00:00Z").is_ok());
        assert!(parse("until", "yesterday").is_err());
    }

    #[test]
    fn a_fact_of_any_name_is_tested_as_number_and_as_text() {
        let mut event = samples::event(0);
        let value = |name: &'static str, text: &str| Fact::text(name, text);
        event.facts = vec![Fact::number("cups", 3), value("pot", "blue-1"), value("size", "3")];
        for (text, passes) in [
            ("cups=3", true),
            ("cups=2-4", true),
            ("cups=4-", false),
            ("cups=3*", false),
            ("pot=blue*", true),
            ("pot=blue", false),
            ("size=3", true),
            ("size=2-4", false),
            ("rule=941100", true),
            ("path=/page/*", true),
            ("cup=3", false),
            ("pot=a=b", false),
        ] {
            let filter: Filter = [parse("fact", text).unwrap()].into_iter().collect();
            assert_eq!(filter.matches(&event), passes, "{text}");
        }
    }

    #[test]
    fn values_of_one_property_are_alternatives_unless_they_are_inverted() {
        for (conditions, expected) in [
            (&[][..], vec![0, 1, 2, 3, 4, 5, 6, 7]),
            (&[("outcome", "blocked")], vec![0, 4]),
            (&[("outcome", "blocked"), ("outcome", "passed")], vec![0, 1, 4, 5]),
            (&[("outcome", "!blocked"), ("outcome", "!passed")], vec![2, 3, 6, 7]),
            (&[("subject", "shop"), ("outcome", "!blocked")], vec![2, 6]),
            (&[("subject", "sh*")], vec![0, 2, 4, 6]),
            (&[("rule", "941100"), ("rule", "941101"), ("rule", "!941101")], vec![0, 3, 6]),
            (&[("fact", "rule=941100"), ("rule", "941101"), ("fact", "path=/page/1")], vec![1]),
            (&[("text", "page/1"), ("text", "GET")], vec![1]),
            (&[("text", "!page/1"), ("text", "!page/2")], vec![0, 3, 4, 5, 6, 7]),
            (&[("client", "203.0.113.0"), ("client", "203.0.113.1")], vec![0, 1, 5, 6]),
            (&[("severity", "!warning")], vec![1, 4, 7]),
            (&[("path", "/page/1"), ("path", "/page/3")], vec![1, 3]),
            (&[("path", "/page/*"), ("path", "!/page/1*")], vec![0, 2, 3, 4, 5, 6, 7]),
            (&[("path", "/PAGE/1")], vec![]),
            (&[("host", "A.test"), ("category", "other"), ("path", "!/page/7")], vec![0, 1, 2, 3, 4, 5, 6]),
            (&[("score", "0"), ("score", "!1"), ("path", "/page/7")], vec![7]),
            (&[("kind", "request.blocked"), ("kind", "login.*")], vec![0, 4]),
        ] {
            let filter: Filter = conditions.iter().map(|(name, text)| parse(name, text).unwrap()).collect();
            let found: Vec<u64> = (0..8).filter(|number| filter.matches(&samples::event(*number))).collect();
            assert_eq!(found, expected, "{conditions:?}");
        }
    }
}
