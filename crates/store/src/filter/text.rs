//! Conditions as people write them: `site`, `shop`; or, for one that must not hold, `site`, `!shop`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

use super::{Condition, Filter, Test};

/// The names of what [`Condition::parse`] can test.
pub const PROPERTIES: [&str; 17] = [
    "since", "until", "site", "client", "rule", "tag", "kind", "action", "severity", "score", "status",
    "method", "host", "path", "text", "node", "gate",
];

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// There is no property of that name.
    #[error("there is no property `{0}`; there are {list}", list = PROPERTIES.join(", "))]
    UnknownProperty(String),
    /// The value is none of that property.
    #[error("{0}")]
    BadValue(String),
}

impl Condition {
    /// Reads one value of a property: a `!` in front inverts the test, and a value that itself begins with `!` is written
    /// `\!…`. Times are RFC 3339.
    ///
    /// # Errors
    /// See [`ConditionError`].
    pub fn parse(property: &str, text: &str) -> Result<Self, ConditionError> {
        fn value<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, ConditionError> {
            text.parse().map_err(|error: T::Err| ConditionError::BadValue(error.to_string()))
        }
        let (inverted, text) = inverted(text);
        let test = match property {
            "since" => Test::Since(value(&text)?),
            "until" => Test::Before(value(&text)?),
            "site" => Test::Site(vec![text.into_owned()]),
            "client" => Test::Client(vec![network(&text)?]),
            "rule" => Test::Rule(vec![value(&text)?]),
            "action" => Test::Action(vec![value(&text)?]),
            "severity" => Test::Severity(value(&text)?),
            "status" => Test::Status(vec![statuses(&text)?]),
            "method" => Test::Method(vec![text.into_owned()]),
            "path" => Test::Path(vec![text.into_owned()]),
            "host" => Test::Host(vec![text.into_owned()]),
            "tag" => Test::Tag(vec![text.into_owned()]),
            "kind" => Test::Kind(vec![text.into_owned()]),
            "score" => Test::Score(value(&text)?),
            "text" => Test::Text(text.into_owned()),
            "node" => Test::Node(vec![text.into_owned()]),
            "gate" => Test::Gate(vec![value(&text)?]),
            _ => return Err(ConditionError::UnknownProperty(property.chars().take(64).collect())),
        };
        Ok(Self { test, inverted })
    }
}

/// Whether the text asks for the opposite, and the value itself.
pub fn inverted(text: &str) -> (bool, Cow<'_, str>) {
    match text.strip_prefix('!') {
        Some(rest) => (true, Cow::Borrowed(rest)),
        None if text.starts_with("\\!") => (false, Cow::Borrowed(&text[1..])),
        None => (false, Cow::Borrowed(text)),
    }
}

fn network(text: &str) -> Result<IpNet, ConditionError> {
    let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
    network.map_err(|_| {
        ConditionError::BadValue("neither an address nor a network such as 192.0.2.0/24".to_owned())
    })
}

/// `404`, `4xx` or `200-399`.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, ConditionError> {
    let code = |text: &str| text.parse().ok().filter(|code| (100..1000).contains(code));
    let range = match (text.strip_suffix("xx"), text.split_once('-')) {
        (Some(class), _) => code(&format!("{class}00")).map(|first| first..=first + 99),
        (None, Some((first, last))) => code(first).zip(code(last)).map(|(first, last)| first..=last),
        (None, None) => code(text).map(|code| code..=code),
    };
    range.filter(|range| !range.is_empty()).ok_or_else(|| {
        ConditionError::BadValue(
            "neither a status such as 404, nor a class such as 4xx, nor a range such as 200-399".to_owned(),
        )
    })
}

impl FromIterator<Condition> for Filter {
    /// A filter of conditions as they are listed: of several values of one property any may fit. Inverted ones, texts,
    /// severities, scores and times must fit each.
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
    /// Adds the values of a test of the same property. False where one can't be either of two values.
    fn join(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Node(all), Self::Node(more))
            | (Self::Site(all), Self::Site(more))
            | (Self::Method(all), Self::Method(more))
            | (Self::Path(all), Self::Path(more))
            | (Self::Host(all), Self::Host(more))
            | (Self::Kind(all), Self::Kind(more))
            | (Self::Tag(all), Self::Tag(more)) => all.extend_from_slice(more),
            (Self::Gate(all), Self::Gate(more)) => all.extend_from_slice(more),
            (Self::Client(all), Self::Client(more)) => all.extend_from_slice(more),
            (Self::Rule(all), Self::Rule(more)) => all.extend_from_slice(more),
            (Self::Action(all), Self::Action(more)) => all.extend_from_slice(more),
            (Self::Status(all), Self::Status(more)) => all.extend_from_slice(more),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn conditions() {
        for (property, text, expected) in [
            ("site", "shop", "Site([\"shop\"])"),
            ("site", "!shop", "not Site([\"shop\"])"),
            ("site", "\\!shop", "Site([\"!shop\"])"),
            ("text", "!!x", "not Text(\"!x\")"),
            ("text", "\\x", "Text(\"\\\\x\")"),
            ("client", "192.0.2.1", "Client([192.0.2.1/32])"),
            ("client", "!2001:db8::/32", "not Client([2001:db8::/32])"),
            ("client", "example.org", "neither an address nor a network such as 192.0.2.0/24"),
            ("client", "192.0.2.0/33", "neither an address nor a network such as 192.0.2.0/24"),
            ("rule", "!942100", "not Rule([942100])"),
            ("rule", "x", "invalid digit found in string"),
            ("status", "404", "Status([404..=404])"),
            ("status", "!4xx", "not Status([400..=499])"),
            ("status", "200-399", "Status([200..=399])"),
            (
                "status",
                "399-200",
                "neither a status such as 404, nor a class such as 4xx, nor a range such as 200-399",
            ),
            (
                "status",
                "xx",
                "neither a status such as 404, nor a class such as 4xx, nor a range such as 200-399",
            ),
            (
                "status",
                "65536",
                "neither a status such as 404, nor a class such as 4xx, nor a range such as 200-399",
            ),
            ("path", "!/admin/*", "not Path([\"/admin/*\"])"),
            ("tag", "attack-sqli", "Tag([\"attack-sqli\"])"),
            ("kind", "scanner", "Kind([\"scanner\"])"),
            ("host", "!www.example.org", "not Host([\"www.example.org\"])"),
            ("score", "5", "Score(5)"),
            ("score", "high", "invalid digit found in string"),
            ("action", "!blocked", "not Action([Blocked])"),
            (
                "action",
                "eaten",
                "`eaten` is not an outcome (one of blocked, detected, passed, refused, failed, accepted, denied, changed, expired)",
            ),
            ("severity", "!warning", "not Severity(Warning)"),
            ("method", "GET", "Method([\"GET\"])"),
            ("node", "!n", "not Node([\"n\"])"),
            ("gate", "request", "Gate([Gate(\"request\")])"),
            (
                "colour",
                "red",
                "there is no property `colour`; there are since, until, site, client, rule, tag, kind, \
                 action, severity, score, status, method, host, path, text, node, gate",
            ),
        ] {
            let found = match Condition::parse(property, text) {
                Ok(condition) => {
                    let not = if condition.inverted { "not " } else { "" };
                    format!("{not}{:?}", condition.test)
                }
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expected, "{property} {text}");
        }
        assert!(Condition::parse("since", "2026-11-23T09:00:00Z").is_ok());
        assert!(Condition::parse("until", "yesterday").is_err());
    }

    #[test]
    fn values_of_one_property_are_alternatives_unless_they_are_inverted() {
        for (conditions, expected) in [
            (&[][..], vec![0, 1, 2, 3, 4, 5, 6, 7]),
            (&[("action", "blocked")], vec![0, 4]),
            (&[("action", "blocked"), ("action", "passed")], vec![0, 1, 4, 5]),
            (&[("action", "!blocked"), ("action", "!passed")], vec![2, 3, 6, 7]),
            (&[("site", "shop"), ("action", "!blocked")], vec![2, 6]),
            (&[("rule", "941100"), ("rule", "941101"), ("rule", "!941101")], vec![0, 3, 6]),
            (&[("text", "page/1"), ("text", "GET")], vec![1]),
            (&[("text", "!page/1"), ("text", "!page/2")], vec![0, 3, 4, 5, 6, 7]),
            (&[("client", "203.0.113.0"), ("client", "203.0.113.1")], vec![0, 1, 5, 6]),
            (&[("severity", "!warning")], vec![1, 4, 7]),
            (&[("path", "/page/1"), ("path", "/page/3")], vec![1, 3]),
            (&[("path", "/page/*"), ("path", "!/page/1*")], vec![0, 2, 3, 4, 5, 6, 7]),
            (&[("path", "/PAGE/1")], vec![]),
            (&[("host", "A.test"), ("kind", "other"), ("path", "!/page/7")], vec![0, 1, 2, 3, 4, 5, 6]),
            (&[("score", "0"), ("score", "!1"), ("path", "/page/7")], vec![7]),
            (&[("kind", "request.blocked")], vec![0, 4]),
        ] {
            let filter: Filter =
                conditions.iter().map(|(name, text)| Condition::parse(name, text).unwrap()).collect();
            let found: Vec<u64> = (0..8).filter(|number| filter.matches(&samples::event(*number))).collect();
            assert_eq!(found, expected, "{conditions:?}");
        }
    }
}
