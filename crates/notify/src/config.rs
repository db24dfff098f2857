//! The section `[notify]`, as plain structs.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Outcome;
use event::property::Values;
use event::written::{one_or_many, time_span};
use finding::{Fault, KeyPath};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use store::{Condition, Filter, Test};

use crate::limits::{MAX_CHANNELS, MAX_RULES};
use crate::quiet::Quiet;
use crate::template::Template;
use spine::secret::Source;

/// The section `[notify]`. Without a channel, nothing is sent.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// The console's address in the owner's browser, such as `https://gate.example.org`: the prefix of links in notices.
    /// Without it, notices have no links.
    #[serde(deserialize_with = "console_url")]
    pub console_url: Option<String>,
    /// Time zone of notices, quiet hours and the summary, such as `Asia/Tokyo`. Default: the system's.
    #[serde(deserialize_with = "time_zone")]
    pub time_zone: Option<TimeZone>,
    /// Slack's incoming webhooks.
    pub slack: Vec<SlackConfig>,
    /// Mail by SMTP.
    pub mail: Vec<MailConfig>,
    /// Webhooks of any other kind.
    pub webhook: Vec<WebhookConfig>,
    /// The rules that choose events. Default: [`RuleConfig::attacks`].
    pub rule: Vec<RuleConfig>,
    /// The daily summary. Without it, no summary is sent.
    pub summary: Option<SummaryConfig>,
}

/// `[[notify.slack]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// Its name in rules and in the status.
    pub name: String,
    /// File (mode 0600) with the webhook's address, which is a secret.
    pub url_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub url_env: Option<String>,
    /// Channel or user that gets the messages, such as `#logins`. Only legacy webhooks allow it.
    pub channel: Option<String>,
    /// Name that the messages are sent under. Only legacy webhooks allow it.
    pub sender: Option<String>,
    /// Icon beside the messages: an emoji such as `:ghost:`, or the `https://` address of an image. Only legacy webhooks
    /// allow it.
    pub icon: Option<String>,
    /// Send the first event of a burst immediately.
    #[serde(default = "yes")]
    pub at_once: bool,
    /// Quiet hours.
    pub quiet: Option<Quiet>,
    /// The maximum number of notices of events within an hour; later events wait for a digest.
    #[serde(default = "max_per_hour")]
    pub max_per_hour: u32,
}

/// `[[notify.mail]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Its name in rules and in the status.
    pub name: String,
    /// `host` or `host:port`. The default port is 587 for STARTTLS and 465 for TLS.
    pub server: String,
    /// The connection's encryption.
    #[serde(default)]
    pub security: Security,
    /// PEM file with the authorities that verify the server. Default: the public ones.
    pub ca: Option<PathBuf>,
    /// User name for authentication. Without it, monban does not authenticate.
    pub user: Option<String>,
    /// File (mode 0600) with the password.
    pub password_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub password_env: Option<String>,
    /// Sender: `monban@example.org` or `Monban <monban@example.org>`.
    pub from: String,
    /// The recipients.
    #[serde(deserialize_with = "one_or_many")]
    pub to: Vec<String>,
    /// Also send the first event of a burst immediately. With `false` a burst causes one mail, its digest.
    #[serde(default)]
    pub at_once: bool,
    /// Quiet hours.
    pub quiet: Option<Quiet>,
    /// The maximum number of notices of events within an hour; later events wait for a digest.
    #[serde(default = "max_per_hour")]
    pub max_per_hour: u32,
}

/// The encryption of a connection to a mail server. Unencrypted connections are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// STARTTLS (RFC 3207), required.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
}

/// `[[notify.webhook]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name in rules and in the status.
    pub name: String,
    /// `https://` or `http://`. If the address is a secret, use a file or a variable instead.
    pub url: Option<String>,
    /// File (mode 0600) with the address.
    pub url_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub url_env: Option<String>,
    /// PEM file with the authorities that verify the server. Default: the public ones.
    pub ca: Option<PathBuf>,
    /// File (mode 0600) with the key of the signature.
    pub secret_file: Option<PathBuf>,
    /// Or the environment variable that contains it. Without both, nothing is signed.
    pub secret_env: Option<String>,
    /// Send the first event of a burst immediately.
    #[serde(default = "yes")]
    pub at_once: bool,
    /// Quiet hours.
    pub quiet: Option<Quiet>,
    /// The maximum number of notices of events within an hour; later events wait for a digest.
    #[serde(default = "max_per_hour")]
    pub max_per_hour: u32,
}

/// `[[notify.rule]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name in notices.
    pub name: String,
    /// Names of channels. Default: all.
    #[serde(default, deserialize_with = "one_or_many")]
    pub channels: Vec<String>,
    /// Conditions, all of which an event must meet. Empty: every event.
    #[serde(default)]
    pub when: When,
    /// Time in which events are counted for one digest.
    #[serde(default = "ten_minutes", deserialize_with = "time_span")]
    pub digest: Duration,
    /// Send the first event of a burst immediately. Default: the channel's setting.
    pub at_once: Option<bool>,
    /// Also send in quiet hours.
    #[serde(default)]
    pub through_quiet: bool,
    /// Template of the subject. Default: the built-in one.
    pub subject: Option<Template>,
    /// Template of the text. Default: the built-in one.
    pub body: Option<Template>,
}

impl RuleConfig {
    /// Returns the default rule of a configuration without rules: blocked requests, to all channels.
    pub fn attacks() -> Self {
        Self {
            name: "attacks".into(),
            channels: Vec::new(),
            when: When(Filter::default().with(Test::Outcome(vec![Outcome::Blocked]))),
            digest: ten_minutes(),
            at_once: None,
            through_quiet: false,
            subject: None,
            body: None,
        }
    }
}

/// Conditions on events, as in `monban events list` and the API: for each property ([`event::property`]) except times, a
/// value or a list of values that [`Condition::parse`] reads, so that `!` inverts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct When(pub Filter);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WhenVisitor)
    }
}

struct WhenVisitor;

impl<'de> Visitor<'de> for WhenVisitor {
    type Value = When;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table such as { outcome = \"blocked\", subject = \"!test\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<When, A::Error> {
        let mut conditions = Vec::new();
        while let Some(Property(property)) = map.next_key()? {
            conditions.extend(map.next_value_seed(Conditions(property))?);
        }
        Ok(When(conditions.into_iter().collect()))
    }
}

/// A key, checked at its position in the file.
struct Property(&'static event::Property);

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let properties = event::Properties::default();
        // a rule concerns future events
        let known = |property: &event::Property| property.values != Values::Time;
        properties.get(&name).filter(|property| known(property)).map(Self).ok_or_else(|| {
            let known = properties.iter().filter(|property| known(property));
            let names: Vec<String> = known.map(|property| format!("`{}`", property.name)).collect();
            // as serde words it, so that the configuration finds the key meant
            serde::de::Error::custom(format!("unknown field `{name}`, expected one of {}", names.join(", ")))
        })
    }
}

/// The values of a property.
struct Conditions(&'static event::Property);

impl<'de> DeserializeSeed<'de> for Conditions {
    type Value = Vec<Condition>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Condition>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Scalar {
            Number(u64),
            Text(String),
        }
        let values: Vec<Scalar> = one_or_many(deserializer)?;
        let condition = |value: &Scalar| match value {
            Scalar::Number(number) => Condition::of(self.0, &number.to_string()),
            Scalar::Text(text) => Condition::of(self.0, text),
        };
        values.iter().map(|value| condition(value).map_err(serde::de::Error::custom)).collect()
    }
}

/// `[notify.summary]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryConfig {
    /// The time of day, as `HH:MM` in the time zone.
    #[serde(deserialize_with = "time_of_day")]
    pub at: Time,
    /// Names of channels. Default: all.
    #[serde(default, deserialize_with = "one_or_many")]
    pub channels: Vec<String>,
}

/// The settings that all kinds of channels share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Common<'a> {
    /// Its name.
    pub name: &'a str,
    /// `slack`, `mail` or `webhook`.
    pub kind: &'static str,
    /// Its index among the channels of its kind, from 0.
    pub index: usize,
    /// Send the first event of a burst immediately.
    pub at_once: bool,
    /// Quiet hours.
    pub quiet: Option<Quiet>,
    /// The maximum number of notices of events within an hour.
    pub max_per_hour: u32,
}

impl NotifyConfig {
    /// Returns the channels of all kinds.
    pub fn channels(&self) -> impl Iterator<Item = Common<'_>> {
        macro_rules! common {
            ($list:ident, $kind:literal) => {
                self.$list.iter().enumerate().map(|(index, channel)| Common {
                    name: &channel.name,
                    kind: $kind,
                    index,
                    at_once: channel.at_once,
                    quiet: channel.quiet,
                    max_per_hour: channel.max_per_hour,
                })
            };
        }
        common!(slack, "slack").chain(common!(mail, "mail")).chain(common!(webhook, "webhook"))
    }

    /// Returns the configured rules, or the default one.
    pub fn rules(&self) -> Vec<RuleConfig> {
        if self.rule.is_empty() { vec![RuleConfig::attacks()] } else { self.rule.clone() }
    }

    /// Whether a channel is configured.
    pub fn is_active(&self) -> bool {
        self.channels().next().is_some()
    }

    /// Makes paths absolute.
    pub fn anchor(&mut self, folder: &Path) {
        let slack = self.slack.iter_mut().flat_map(|channel| [&mut channel.url_file]);
        let mail = self.mail.iter_mut().flat_map(|channel| [&mut channel.ca, &mut channel.password_file]);
        let webhook = self
            .webhook
            .iter_mut()
            .flat_map(|channel| [&mut channel.ca, &mut channel.url_file, &mut channel.secret_file]);
        for path in slack.chain(mail).chain(webhook).flatten() {
            *path = folder.join(&*path);
        }
    }

    /// Returns all faults except those of single values. Keys begin with `notify`.
    pub fn faults(&self) -> Vec<Fault> {
        let key = |list: &str, index: usize| KeyPath::from("notify").key(list).index(index);
        let mut faults = Vec::new();
        let channels: Vec<Common<'_>> = self.channels().collect();
        let names: BTreeSet<&str> = channels.iter().map(|channel| channel.name).collect();
        if channels.len() > MAX_CHANNELS {
            let what = format!("{} channels are more than the limit of {MAX_CHANNELS}", channels.len());
            faults.push(Fault::at("notify", what));
        }
        if self.rule.len() > MAX_RULES {
            let what = format!("{} rules are more than the limit of {MAX_RULES}", self.rule.len());
            faults.push(Fault::at("notify.rule", what));
        }
        let rules = self.rule.iter().enumerate().map(|(index, rule)| ("rule", index, rule.name.as_str()));
        let named: Vec<(&str, usize, &str)> =
            channels.iter().map(|channel| (channel.kind, channel.index, channel.name)).chain(rules).collect();
        for (number, (kind, index, name)) in named.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                faults.push(Fault::at(
                    key(kind, *index).key("name"),
                    format!("{name:?} is not a valid name: use 1 to 64 letters, digits, hyphens, underscores or dots"),
                ));
            }
            let has_same_name = |(other, _, earlier): &(&str, usize, &str)| {
                earlier == name && (*other == "rule") == (*kind == "rule")
            };
            if named[..number].iter().any(has_same_name) {
                faults.push(Fault::at(
                    key(kind, *index).key("name"),
                    format!("the name `{name}` is already taken"),
                ));
            }
        }
        for channel in channels.iter().filter(|channel| channel.max_per_hour == 0) {
            let key = key(channel.kind, channel.index).key("max_per_hour");
            faults.push(Fault::at(key, "must be 1 or more"));
        }
        for (index, slack) in self.slack.iter().enumerate() {
            faults.extend(slack.appearance_faults(&key("slack", index)));
        }
        let of_rules = self.rule.iter().enumerate().map(|(index, rule)| (key("rule", index), &rule.channels));
        let of_summary =
            self.summary.iter().map(|summary| (KeyPath::from("notify.summary"), &summary.channels));
        for (key, channels) in of_rules.chain(of_summary) {
            for name in channels.iter().filter(|name| !names.contains(name.as_str())) {
                let known = names.iter().copied().collect::<Vec<_>>().join(", ");
                let what = format!("unknown channel `{name}`; known: {known}");
                faults.push(Fault::at(key.clone().key("channels"), what));
            }
        }
        faults
    }
}

impl SlackConfig {
    /// Returns the source of the address.
    ///
    /// # Errors
    /// Not exactly one source is given.
    pub fn url(&self) -> Result<Source, String> {
        Source::one_of("url", self.url_file.as_ref(), self.url_env.as_ref())?
            .ok_or_else(|| "needs url_file or url_env".to_owned())
    }

    fn appearance_faults(&self, key: &KeyPath) -> Vec<Fault> {
        let printable = |text: &str, most: usize| {
            (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        };
        let is_icon = |icon: &str| {
            let emoji = icon.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
            printable(icon, 2000)
                && !icon.contains(' ')
                && (icon.starts_with("https://") || emoji.is_some_and(|name| !name.is_empty()))
        };
        let is_channel = |channel: &str| printable(channel, 80) && !channel.contains(' ');
        let mut faults = Vec::new();
        let mut check = |name: &str, value: &Option<String>, is_good: &dyn Fn(&str) -> bool, form: &str| {
            if let Some(value) = value.as_deref().filter(|value| !is_good(value)) {
                faults.push(Fault::at(key.clone().key(name), format!("{value:?} is not {form}")));
            }
        };
        check("channel", &self.channel, &is_channel, "a channel such as \"#logins\"");
        check("sender", &self.sender, &|sender| printable(sender, 80), "a name of up to 80 characters");
        check("icon", &self.icon, &is_icon, "an emoji such as \":ghost:\" or an https:// address");
        faults
    }
}

fn yes() -> bool {
    true
}

fn max_per_hour() -> u32 {
    30
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn console_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let uri: Option<http::Uri> = text.parse().ok();
    let good = uri.as_ref().is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>|\"'".contains(&byte))
    });
    if good {
        Ok(Some(text.trim_end_matches('/').to_owned()))
    } else {
        Err(serde::de::Error::custom("not an address such as \"https://gate.example.org\""))
    }
}

fn time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(deserializer)?;
    TimeZone::get(&name).map(Some).map_err(|_| {
        serde::de::Error::custom(format_args!(
            "`{}` is not a time zone of the system, such as \"Asia/Tokyo\"",
            crate::text::cut(&name, 64)
        ))
    })
}

fn time_of_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::quiet::time_of_day(&text)
        .ok_or_else(|| serde::de::Error::custom("not a time of day such as \"08:00\""))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<NotifyConfig, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_least_configuration_tells_of_attacks() {
        let config = read(json!({"slack": [{"name": "ops", "url_env": "URL"}]})).unwrap();
        assert_eq!(config.faults(), []);
        assert_eq!(config.rules(), [RuleConfig::attacks()]);
        let ops = config.channels().next().unwrap();
        assert_eq!((ops.name, ops.kind, ops.at_once, ops.max_per_hour), ("ops", "slack", true, 30));
        assert!(config.is_active() && !NotifyConfig::default().is_active());
    }

    #[test]
    fn a_rule_speaks_the_stores_words() {
        let rule = json!({"name": "r", "digest": "1h", "channels": "ops",
            "when": {"outcome": ["blocked", "detected"], "severity": "error", "client": "192.0.2.0/24",
                     "rule": [941_100, 942_100], "status": 403, "subject": "!shop", "text": "x"}});
        let config = read(json!({"slack": [{"name": "ops", "url_env": "URL"}], "rule": [rule]})).unwrap();
        let expected = Filter::default()
            .with(Test::Outcome(vec![Outcome::Blocked, Outcome::Detected]))
            .with(Test::Client(vec!["192.0.2.0/24".parse().unwrap()]))
            .with(Test::fact("rule", [941_100, 942_100]))
            .with(Test::Severity(event::Severity::Error))
            .without(Test::Subject(vec!["shop".into()]))
            .with(Test::fact("status", [403..=403]))
            .with(Test::Text("x".into()));
        let sorted = |filter: &Filter| {
            let mut texts: Vec<String> =
                filter.conditions.iter().map(|condition| format!("{condition:?}")).collect();
            texts.sort();
            texts
        };
        assert_eq!(sorted(&config.rule[0].when.0), sorted(&expected));
        assert_eq!(config.rule[0].digest, Duration::from_secs(3600));
    }

    #[test]
    fn wrong_values_are_told() {
        let cases = [
            (json!({"console_url": "gate.example.org"}), "not an address such as"),
            (json!({"console_url": "https://u:p@gate"}), "not an address such as"),
            (json!({"console_url": "https://a/>|"}), "not an address such as"),
            (json!({"time_zone": "Asia/Tokio"}), "`Asia/Tokio` is not a time zone"),
            (json!({"summary": {"at": "8 o'clock"}}), "not a time of day"),
            (json!({"rule": [{"name": "r", "when": {"outcome": "eaten"}}]}), "`eaten` is not an outcome"),
            (json!({"rule": [{"name": "r", "when": {"severity": "bad"}}]}), "`bad` is not a severity"),
            (json!({"rule": [{"name": "r", "when": {"client": "moon"}}]}), "neither an address"),
            (
                json!({"rule": [{"name": "r", "when": {"since": "2026-11-24T00:00:00Z"}}]}),
                "unknown field `since`",
            ),
            (json!({"rule": [{"name": "r", "when": {"colour": "red"}}]}), "unknown field `colour`"),
            (json!({"rule": [{"name": "r", "when": "blocked"}]}), "expected a table such as"),
            (json!({"rule": [{"name": "r", "digest": "soon"}]}), "not a time span"),
            (json!({"rule": [{"name": "r", "digest": 0}]}), "not a time span"),
            (
                json!({"rule": [{"name": "r", "subject": "{{ cuont }}"}]}),
                "line 1 of the template: undefined value",
            ),
            (json!({"slack": [{"name": "s", "quiet": "night"}]}), "not a period of the day"),
            (json!({"slack": [{"name": "s", "colour": 1}]}), "unknown field `colour`"),
        ];
        for (value, expected) in cases {
            let error = read(value.clone()).unwrap_err();
            assert!(error.contains(expected), "{value}: {error}");
        }
    }

    #[test]
    fn faults_between_values_are_told() {
        let slack = |name: &str| json!({"name": name, "url_env": "URL"});
        let many: Vec<Value> = (0..21).map(|number| slack(&format!("s{number}"))).collect();
        let rules: Vec<Value> = (0..51).map(|number| json!({"name": format!("r{number}")})).collect();
        for (value, key, expected) in [
            (
                json!({"slack": [slack("a"), slack("a")]}),
                "notify.slack[1].name",
                "the name `a` is already taken",
            ),
            (
                json!({"slack": [slack("a b")]}),
                "notify.slack[0].name",
                "\"a b\" is not a valid name: use 1 to 64 letters",
            ),
            (
                json!({"slack": [{"name": "a", "max_per_hour": 0}]}),
                "notify.slack[0].max_per_hour",
                "must be 1 or more",
            ),
            (
                json!({"slack": [{"name": "a", "channel": "#a b"}]}),
                "notify.slack[0].channel",
                "\"#a b\" is not a channel such as",
            ),
            (
                json!({"slack": [{"name": "a", "sender": "x\n"}]}),
                "notify.slack[0].sender",
                "is not a name of up to 80 characters",
            ),
            (
                json!({"slack": [{"name": "a", "icon": "ghost"}]}),
                "notify.slack[0].icon",
                "\"ghost\" is not an emoji such as",
            ),
            (json!({"slack": many}), "notify", "21 channels are more than the limit of 20"),
            (
                json!({"slack": [slack("a")], "rule": rules}),
                "notify.rule",
                "51 rules are more than the limit of 50",
            ),
            (
                json!({"slack": [slack("a")], "rule": [{"name": "a", "channels": ["b"]}]}),
                "notify.rule[0].channels",
                "unknown channel `b`; known: a",
            ),
            (
                json!({"slack": [slack("a")], "summary": {"at": "08:00", "channels": "b"}}),
                "notify.summary.channels",
                "unknown channel `b`",
            ),
        ] {
            let faults = read(value.clone()).unwrap().faults();
            assert!(faults.len() == 1 && faults[0].what.contains(expected), "{value}: {faults:?}");
            assert_eq!(faults[0].key.to_string(), key);
        }
    }
}
