//! Properties: the names by which people find events, in queries, command-line options and the API.
//!
//! A property is one row of a table: its name, the form of its values, help, and the place of its value in an event.
//! [`ENVELOPE`] has the properties of all events, [`REQUEST`] those of requests. A part declares the facts of its own events in
//! a table of its own, and [`Properties`] holds all tables of a program.
//!
//! ```
//! use event::property::{Completion, Properties, Property, Values};
//!
//! const LOGIN: &[Property] = &[
//!     Property::fact("service", Values::Text, "The service that was asked", "対象サービス").at(&["login"]).seen(),
//!     Property::fact("attempts", Values::Number, "The number of attempts", "試行回数").at(&["login"]),
//! ];
//!
//! let properties = Properties::with([LOGIN]);
//! assert_eq!(properties.get("service").unwrap().completion, Completion::Seen);
//! assert!(properties.get("outcome").is_some());
//! ```

use crate::kind::REQUESTS;

/// A property of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// The name: a lowercase letter, then lowercase letters, digits, `_` and `-`.
    pub name: &'static str,
    /// The place of its value in an event.
    pub source: Source,
    /// The form of its values.
    pub values: Values,
    /// The gates whose events have it; empty for all gates.
    pub gates: &'static [&'static str],
    /// Help in English: one phrase.
    pub en: &'static str,
    /// Help in Japanese.
    pub ja: &'static str,
    /// Values to offer while a user types.
    pub completion: Completion,
}

/// The place of a value in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of the envelope.
    Envelope(Field),
    /// The facts with the name of the property ([`crate::Event::all_facts`]).
    Fact,
}

/// A field of the envelope, as a property tests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A time at or after the value.
    Since,
    /// A time before the value.
    Until,
    /// The node.
    Node,
    /// The gate.
    Gate,
    /// The kind.
    Kind,
    /// The outcome.
    Outcome,
    /// The severity, which must be at least the value.
    Severity,
    /// The subject.
    Subject,
    /// The actor's address.
    Address,
    /// Any fact. The value contains its name.
    Facts,
    /// The whole event as JSON.
    Json,
}

/// The form of a property's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// A time in RFC 3339. Commands and the page also read dates and time spans before now.
    Time,
    /// An address, or a network such as `192.0.2.0/24`.
    Network,
    /// A number (`404`), a class (`4xx`, `942xxx`) or a range (`200-399`, `500-`).
    Number,
    /// A minimum number.
    Minimum,
    /// A text; `*` at the end matches any ending.
    Text,
    /// A text like [`Values::Text`], for a value that is lowercase in an event. Ignores case.
    Lowercase,
    /// One of [`crate::Outcome::ALL`].
    Outcome,
    /// One of [`crate::Severity::ALL`]; worse severities also pass.
    Severity,
    /// A name and a value, separated by `=`: `attempts=5-`, `service=ssh*`.
    Fact,
    /// A text anywhere in the event. Ignores case.
    Search,
}

impl Values {
    /// Returns its word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Network => "network",
            Self::Number => "number",
            Self::Minimum => "minimum",
            Self::Text => "text",
            Self::Lowercase => "lowercase",
            Self::Outcome => "outcome",
            Self::Severity => "severity",
            Self::Fact => "fact",
            Self::Search => "search",
        }
    }

    /// Returns the form of the values in English.
    pub const fn form(self) -> &'static str {
        match self {
            Self::Time => "a time in RFC 3339",
            Self::Network => "an address, or a network such as 192.0.2.0/24",
            Self::Number => "a number such as 404, a class such as 4xx, or a range such as 200-399 or 500-",
            Self::Minimum => "a number",
            Self::Text | Self::Lowercase => "a text; a final * is a wildcard",
            Self::Outcome => {
                "blocked, detected, passed, refused, failed, accepted, denied, changed or expired"
            }
            Self::Severity => "emergency, alert, critical, error, warning, notice, info or debug",
            Self::Fact => "a name and a value such as attempts=5- or service=ssh*",
            Self::Search => "a text; case does not matter",
        }
    }
}

/// Values to offer while a user types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// No values.
    None,
    /// These words.
    Words(&'static [&'static str]),
    /// Values of stored events.
    Seen,
}

impl Property {
    /// Makes the property of the facts with this name.
    pub const fn fact(name: &'static str, values: Values, en: &'static str, ja: &'static str) -> Self {
        let (gates, completion) = (&[], Completion::None);
        Self { name, source: Source::Fact, values, gates, en, ja, completion }
    }

    const fn envelope(name: &'static str, field: Field, en: &'static str, ja: &'static str) -> Self {
        let values = match field {
            Field::Since | Field::Until => Values::Time,
            Field::Node | Field::Gate | Field::Kind | Field::Subject => Values::Text,
            Field::Outcome => Values::Outcome,
            Field::Severity => Values::Severity,
            Field::Address => Values::Network,
            Field::Facts => Values::Fact,
            Field::Json => Values::Search,
        };
        let property = Self::fact(name, values, en, ja);
        Self { source: Source::Envelope(field), ..property }
    }

    /// Limits it to the events of these gates.
    #[must_use]
    pub const fn at(self, gates: &'static [&'static str]) -> Self {
        Self { gates, ..self }
    }

    /// Offers these words.
    #[must_use]
    pub const fn words(self, words: &'static [&'static str]) -> Self {
        Self { completion: Completion::Words(words), ..self }
    }

    /// Offers values of stored events.
    #[must_use]
    pub const fn seen(self) -> Self {
        Self { completion: Completion::Seen, ..self }
    }
}

/// The properties of events of all gates.
pub const ENVELOPE: &[Property] = &[
    Property::envelope("since", Field::Since, "At this time or later", "この時刻以降")
        .words(&["1h", "24h", "7d", "30d"]),
    Property::envelope("until", Field::Until, "Before this time", "この時刻より前")
        .words(&["1h", "24h", "7d"]),
    Property::envelope("node", Field::Node, "The machine or sensor", "マシンまたはセンサー").seen(),
    Property::envelope("gate", Field::Gate, "The gate that reported the event", "イベントを報告したゲート")
        .words(REQUESTS),
    Property::envelope(
        "kind",
        Field::Kind,
        "The kind of event, such as request.blocked",
        "イベントの種類（request.blocked など）",
    )
    .seen(),
    Property::envelope("outcome", Field::Outcome, "The outcome", "結果").words(&[
        "blocked", "detected", "passed", "refused", "failed", "accepted", "denied", "changed", "expired",
    ]),
    Property::envelope("severity", Field::Severity, "This severity or worse", "この重大度以上").words(&[
        "emergency",
        "alert",
        "critical",
        "error",
        "warning",
        "notice",
        "info",
        "debug",
    ]),
    Property::envelope(
        "subject",
        Field::Subject,
        "The subject: the site of a request, the service of a login",
        "対象（リクエストのサイト、ログインのサービスなど）",
    )
    .seen(),
    Property::envelope("client", Field::Address, "The address of the client", "クライアントのアドレス")
        .seen(),
    Property::fact(
        "category",
        Values::Text,
        "The category in incidents: an attack such as attack-xss, or the kind of another refused event",
        "インシデントの分類（attack-xss などの攻撃、または拒否されたイベントの種類）",
    )
    .words(&["attack-xss", "attack-sqli", "attack-rce", "attack-lfi", "scanner", "protocol", "other"]),
    Property::fact("user", Values::Text, "The user", "ユーザー").seen(),
    Property::fact("device", Values::Text, "The device", "デバイス").seen(),
    Property::fact("certificate", Values::Text, "The client certificate", "クライアント証明書").seen(),
    Property::envelope(
        "fact",
        Field::Facts,
        "A fact of the event by its name, such as attempts=5",
        "名前で指定するイベントの属性（attempts=5 など）",
    ),
    Property::envelope("text", Field::Json, "A text anywhere in the event", "イベント内の任意の文字列"),
];

/// The properties of requests.
pub const REQUEST: &[Property] = &[
    Property::fact("rule", Values::Number, "The id of a matched rule", "一致したルールの ID")
        .at(REQUESTS)
        .seen(),
    Property::fact("tag", Values::Text, "A tag of a matched rule", "一致したルールのタグ")
        .at(REQUESTS)
        .seen(),
    Property::fact("score", Values::Minimum, "The lowest anomaly score", "異常スコアの下限").at(REQUESTS),
    Property::fact(
        "status",
        Values::Number,
        "The status code of the response",
        "レスポンスのステータスコード",
    )
    .at(REQUESTS)
    .words(&["2xx", "3xx", "4xx", "5xx", "200-399", "403", "404", "502"]),
    Property::fact("method", Values::Text, "The method of the request", "リクエストのメソッド")
        .at(REQUESTS)
        .words(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    Property::fact(
        "host",
        Values::Lowercase,
        "The host of the request, without its port",
        "リクエストのホスト（ポートを除く）",
    )
    .at(REQUESTS)
    .seen(),
    Property::fact(
        "path",
        Values::Text,
        "The path of the request, as sent and without its query",
        "リクエストのパス（送信されたまま、クエリを除く）",
    )
    .at(REQUESTS)
    .seen(),
];

/// All tables of properties of a program.
#[derive(Clone, Debug)]
pub struct Properties(Vec<&'static [Property]>);

impl Default for Properties {
    fn default() -> Self {
        Self::with([])
    }
}

impl Properties {
    /// Adds tables to [`ENVELOPE`] and [`REQUEST`]. The first of several rows with the same name counts.
    pub fn with(tables: impl IntoIterator<Item = &'static [Property]>) -> Self {
        Self([ENVELOPE, REQUEST].into_iter().chain(tables).collect())
    }

    /// Returns all properties, without duplicate names.
    pub fn iter(&self) -> impl Iterator<Item = &'static Property> {
        let all = self.0.iter().flat_map(|table| table.iter());
        all.filter(|property| self.get(property.name).is_some_and(|first| std::ptr::eq(first, *property)))
    }

    /// Returns the property with this name.
    pub fn get(&self, name: &str) -> Option<&'static Property> {
        self.0.iter().flat_map(|table| table.iter()).find(|property| property.name == name)
    }

    /// Returns all names, separated by commas.
    pub fn names(&self) -> String {
        self.iter().map(|property| property.name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, Severity};

    #[test]
    fn rows_are_plain_and_their_words_are_those_of_the_types() {
        let properties = Properties::default();
        for property in properties.iter() {
            assert!(crate::kind::is_word(property.name), "{}", property.name);
            for help in [property.en, property.ja] {
                assert!(!help.is_empty() && !help.ends_with('.'), "{}", property.name);
            }
            let words = |all: Vec<&str>| match property.completion {
                Completion::Words(words) => assert_eq!(words, all),
                other => panic!("{other:?}"),
            };
            match property.values {
                Values::Outcome => words(Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
                Values::Severity => words(Severity::ALL.iter().map(|severity| severity.as_str()).collect()),
                _ => {}
            }
        }
        assert_eq!(properties.iter().count(), ENVELOPE.len() + REQUEST.len(), "a name stands twice");
    }

    #[test]
    fn a_table_of_a_part_adds_names_and_takes_none() {
        const PART: &[Property] = &[
            Property::fact("cups", Values::Number, "Cups", "杯数").at(&["tea"]),
            Property::fact("host", Values::Number, "Another host", "別のホスト"),
        ];
        let properties = Properties::with([PART]);
        assert_eq!(properties.get("cups"), Some(&PART[0]));
        assert_eq!(properties.get("host").map(|host| host.values), Some(Values::Lowercase));
        assert_eq!(properties.iter().filter(|property| property.name == "host").count(), 1);
        assert!(properties.names().starts_with("since, until, ") && properties.names().ends_with(", cups"));
    }

    #[test]
    fn requests_have_the_facts_that_their_table_names() {
        use crate::{EvidenceKind, Header, MatchedRule, RequestEvidence, Response};
        let rule = MatchedRule { id: 1, tags: vec!["attack-xss".to_owned()].into(), ..Default::default() };
        let request = RequestEvidence {
            line: "GET / HTTP/1.1".into(),
            headers: vec![Header::new("Host", "A.example")],
            response: Some(Response { status: 200, ..Response::default() }),
            rules: vec![rule],
            ..RequestEvidence::default()
        };
        let facts = request.facts(Outcome::Blocked);
        let named: std::collections::BTreeSet<&str> = facts.iter().map(|fact| &*fact.name).collect();
        assert_eq!(named, REQUEST.iter().map(|property| property.name).collect());
    }
}
