//! Notices as text: subject, body, link and data. The text is plain; each channel escapes it for its format.

use std::collections::HashMap;

use event::{EventId, Gate, Outcome, Severity, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::config::{NotifyConfig, RuleConfig};
use crate::limits::MAX_RENDERED_BYTES;
use crate::notice::{DayBefore, Kind, Notice};
use crate::notice_event::{NoticeEvent, NoticeRule};
use crate::tally::Tally;
use crate::text::{counted, grouped, shown, shown_lines};

/// A notice, written as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The notice's id.
    pub id: String,
    /// Time of the notice.
    pub at: Timestamp,
    /// One line without control characters, up to 200 characters.
    pub subject: String,
    /// Lines without control characters.
    pub body: String,
    /// The event's page in the console, built only from the owner's address and the event's id.
    pub link: Option<String>,
    /// The notice itself, for machines.
    pub data: serde_json::Value,
}

/// The values for templates; see docs/user/notices.md.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    kind: &'static str,
    rule: String,
    node: String,
    count: u64,
    first: String,
    last: String,
    link: String,
    outcomes: String,
    kinds: String,
    actors: String,
    subjects: String,
    rules: String,
    paths: String,
    event: Option<NoticeEvent>,
}

/// Writes notices as text.
#[derive(Clone, Debug)]
pub struct MessageWriter {
    node: String,
    console_url: Option<String>,
    zone: TimeZone,
    rules: HashMap<String, RuleConfig>,
}

impl MessageWriter {
    /// Takes the settings of texts from a configuration. `node` is the name of the machine.
    pub fn new(config: &NotifyConfig, node: &str) -> Self {
        Self {
            node: shown(node.as_bytes(), 64),
            console_url: config.console_url.clone(),
            zone: config.time_zone.clone().unwrap_or_else(TimeZone::system),
            rules: config.rules().into_iter().map(|rule| (rule.name.clone(), rule)).collect(),
        }
    }

    /// Returns the text of a notice. If a template fails, uses the built-in text with a line about the failure.
    pub fn message(&self, notice: &Notice) -> Message {
        let (mut subject, mut body, example) = match &notice.kind {
            Kind::Event { rule, event } => {
                let (subject, body) = self.event(rule, event);
                (subject, body, Some(&**event))
            }
            Kind::Digest { rule, tally } => {
                let (subject, body) = self.digest(rule, tally);
                (subject, body, tally.example.as_ref())
            }
            Kind::Summary { since, tally, before, problems } => {
                let (subject, body) = self.summary(*since, notice.at, tally, *before, problems);
                (subject, body, None)
            }
            Kind::Failing { channel, what, since, waiting } => (
                format!("Channel “{channel}” is failing"),
                format!(
                    "Nothing delivered to “{channel}” since {}: {what}\n{} queued; retrying.",
                    self.time(*since),
                    counted(*waiting as u64, "notification", "notifications"),
                ),
                None,
            ),
            Kind::Recovered { channel, since, waiting } => (
                format!("Channel “{channel}” works again"),
                format!(
                    "“{channel}” had been failing since {} and delivers again.\n{} queued.",
                    self.time(*since),
                    counted(*waiting as u64, "notification", "notifications"),
                ),
                None,
            ),
            Kind::Dropped { channel, why, notices, events } => (
                format!("{} to “{channel}” lost", counted(*notices, "notification", "notifications")),
                format!(
                    "{} about {} did not reach “{channel}”: {why}.\nThe events themselves are stored.",
                    counted(*notices, "notification", "notifications"),
                    counted(*events, "event", "events"),
                ),
                None,
            ),
            Kind::StateLost { what } => (
                "Notifications may be missing".to_owned(),
                format!(
                    "The notification queue was unreadable and has been reset: {what}.\nQueued notifications are lost. The \
                     events themselves are stored."
                ),
                None,
            ),
            Kind::Test => (
                "Test notification".to_owned(),
                format!("Test notification requested at {}. This channel works.", self.time(notice.at)),
                None,
            ),
        };
        let link =
            self.console_url.as_ref().zip(example).map(|(url, event)| format!("{url}/events/{}", event.id));
        subject = format!("[{}] {subject}", self.node);
        if let (Some(facts), Some(rule)) = (self.facts(notice, link.as_deref()), rule_of(notice)) {
            let rule = self.rules.get(rule);
            for (template, text) in [
                (rule.and_then(|rule| rule.subject.as_ref()), &mut subject),
                (rule.and_then(|rule| rule.body.as_ref()), &mut body),
            ] {
                match template.map(|template| template.render(&facts)) {
                    Some(Ok(rendered)) => *text = rendered,
                    Some(Err(error)) => *text += &format!(" (the rule's template failed: {error})"),
                    None => {}
                }
            }
        }
        Message {
            id: notice.id.clone(),
            at: notice.at,
            subject: shown(subject.trim().as_bytes(), 200),
            body: shown_lines(body.trim_end(), MAX_RENDERED_BYTES),
            link,
            // writing to memory cannot fail, because every key is a text
            data: serde_json::to_value(notice).unwrap_or_default(),
        }
    }

    fn time(&self, time: Timestamp) -> String {
        time.to_jiff().to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    fn event(&self, rule: &str, event: &NoticeEvent) -> (String, String) {
        let mut subject = format!("{}: {}", event.outcome, event.summary);
        if !event.subject.is_empty() {
            subject += &format!(" on {}", event.subject);
        }
        if !event.actor.is_empty() {
            subject += &format!(" from {}", event.actor);
        }
        let names =
            event.rules.iter().map(|rule| format!("{} {}", rule.id, rule.message).trim_end().to_owned());
        let mut rules = names.collect::<Vec<_>>().join("; ");
        if event.further_rules > 0 {
            rules += &format!("; {} more", event.further_rules);
        }
        let number = |number: i64| if number == 0 { String::new() } else { number.to_string() };
        let mut lines = vec![
            ("Time", self.time(event.time)),
            ("Outcome", format!("{} ({})", event.outcome, event.severity)),
            ("From", event.actor.clone()),
            ("Subject", event.subject.clone()),
            ("Request", event.request.clone()),
            ("Status", number(event.status.into())),
            ("Summary", event.summary.clone()),
            ("Rules", rules),
            ("Score", number(event.score)),
        ];
        lines.extend(event.facts.iter().map(|(name, value)| (name.as_str(), value.clone())));
        lines.push(("Gate", format!("{} on {}", event.gate, event.node)));
        lines.push(("Rule", format!("{rule}. Further events follow as a digest.")));
        (subject, labelled(&lines))
    }

    fn digest(&self, rule: &str, tally: &Tally) -> (String, String) {
        let mut subject = format!("{rule}: {}", counted(tally.count, "event", "events"));
        subject += &format!(" ({})", tally.outcomes_text());
        if let [(actor, _)] = tally.actors.top(2)[..] {
            subject += &format!(" from {actor}");
        } else if !tally.actors.by.is_empty() {
            subject += &format!(" from {} actors", tally.actors.distinct());
        }
        let lines = [
            ("Events", grouped(tally.count)),
            ("First", self.time(tally.first)),
            ("Last", self.time(tally.last)),
            ("Outcomes", tally.outcomes_text()),
            ("Kinds", tally.kinds.text()),
            ("From", tally.actors.text()),
            ("Subjects", tally.subjects.text()),
            ("Rules", tally.rules.text()),
            ("Paths", tally.paths.text()),
            ("For example", tally.example.as_ref().map(|event| event.request.clone()).unwrap_or_default()),
        ];
        (subject, labelled(&lines))
    }

    fn summary(
        &self,
        since: Timestamp,
        until: Timestamp,
        tally: &Tally,
        before: Option<DayBefore>,
        problems: &[String],
    ) -> (String, String) {
        let attacks = tally.of(Outcome::Blocked) + tally.of(Outcome::Detected);
        let headline = match attacks {
            0 => "a quiet day".to_owned(),
            _ => counted(attacks, "attack", "attacks"),
        };
        let compared = match before {
            None => String::new(),
            Some(DayBefore { attacks: before }) => format!(" (previous day: {})", grouped(before)),
        };
        let number = |number: u64| if number == 0 { String::new() } else { grouped(number) };
        let lines = [
            ("Attacks", format!("{}{compared}", grouped(attacks))),
            ("Blocked", number(tally.of(Outcome::Blocked))),
            ("Detected only", number(tally.of(Outcome::Detected))),
            ("Not blocked (response below 400)", number(tally.answered)),
            ("Refused as malformed", number(tally.of(Outcome::Refused))),
            ("Failed", number(tally.of(Outcome::Failed))),
            ("Accepted", number(tally.of(Outcome::Accepted))),
            ("Denied", number(tally.of(Outcome::Denied))),
            ("Changed", number(tally.of(Outcome::Changed))),
            ("Expired", number(tally.of(Outcome::Expired))),
            ("From", tally.actors.text()),
            ("Subjects", tally.subjects.text()),
            ("Rules", tally.rules.text()),
            (
                "Notifications",
                if problems.is_empty() { "all delivered".to_owned() } else { problems.join("; ") },
            ),
            ("Time", format!("{} to {}", self.time(since), self.time(until))),
        ];
        let day = until.to_jiff().to_zoned_datetime(self.zone.clone()).strftime("%a %d %b").to_string();
        (format!("{day}: {headline}"), labelled(&lines))
    }

    fn facts(&self, notice: &Notice, link: Option<&str>) -> Option<Facts> {
        let (kind, rule, tally) = match &notice.kind {
            Kind::Event { rule, event } => {
                let mut tally = Tally::default();
                tally.add(event);
                ("event", rule, tally)
            }
            Kind::Digest { rule, tally } => ("digest", rule, (**tally).clone()),
            _ => return None,
        };
        Some(Facts {
            kind,
            rule: rule.clone(),
            node: self.node.clone(),
            count: tally.count,
            first: self.time(tally.first),
            last: self.time(tally.last),
            link: link.unwrap_or_default().to_owned(),
            outcomes: tally.outcomes_text(),
            kinds: tally.kinds.text(),
            actors: tally.actors.text(),
            subjects: tally.subjects.text(),
            rules: tally.rules.text(),
            paths: tally.paths.text(),
            event: tally.example,
        })
    }
}

fn rule_of(notice: &Notice) -> Option<&str> {
    match &notice.kind {
        Kind::Event { rule, .. } | Kind::Digest { rule, .. } => Some(rule),
        _ => None,
    }
}

/// Returns `Label: text` for each text that is not empty.
fn labelled(lines: &[(&str, String)]) -> String {
    let lines = lines.iter().filter(|(_, text)| !text.is_empty());
    lines.map(|(label, text)| format!("{label}: {text}")).collect::<Vec<_>>().join("\n")
}

/// Returns one sample notice of each kind that supports templates.
pub(crate) fn samples() -> Vec<Facts> {
    let seen = NoticeEvent {
        id: EventId::derived(Timestamp::MIN, "sample", "1"),
        time: Timestamp::MIN,
        node: "vps1".into(),
        subject: "shop".into(),
        gate: Gate::REQUEST,
        kind: event::Kind::of_request(Outcome::Blocked),
        outcome: Outcome::Blocked,
        severity: Severity::Critical,
        actor: "192.0.2.1".into(),
        request: "GET / HTTP/1.1".into(),
        path: "/".into(),
        status: 403,
        rules: vec![NoticeRule { id: 941_100, message: "XSS".into() }],
        further_rules: 0,
        score: 5,
        summary: "XSS (941100)".into(),
        facts: Vec::new(),
    };
    let mut tally = Tally::default();
    tally.add(&seen);
    let words =
        MessageWriter { node: "vps1".into(), console_url: None, zone: TimeZone::UTC, rules: HashMap::new() };
    let notice = |kind| Notice { id: "1".into(), at: Timestamp::MIN, urgent: false, kind };
    [
        notice(Kind::Event { rule: "attacks".into(), event: Box::new(seen) }),
        notice(Kind::Digest { rule: "attacks".into(), tally: Box::new(tally) }),
    ]
    .iter()
    .filter_map(|notice| words.facts(notice, Some("https://gate.example.org/events/1")))
    .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::notice_event::tests::attack;
    use crate::template::Template;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(crate) fn words(rule: RuleConfig) -> MessageWriter {
        let config = NotifyConfig {
            console_url: Some("https://gate.example.org".into()),
            time_zone: Some(TimeZone::get("Asia/Tokyo").unwrap()),
            rule: vec![rule],
            ..NotifyConfig::default()
        };
        MessageWriter::new(&config, "vps1")
    }

    pub(crate) fn first(event: &event::Event) -> Notice {
        let event = Box::new(NoticeEvent::from(event));
        Notice {
            id: "n1".into(),
            at: event.time,
            urgent: false,
            kind: Kind::Event { rule: "attacks".into(), event },
        }
    }

    #[test]
    fn an_event_in_words() {
        let event = attack(1, 7, at("2026-11-24T09:04:46Z"));
        let message = words(RuleConfig::attacks()).message(&first(&event));
        assert_eq!(message.subject, "[vps1] blocked: XSS Attack Detected (941100) on shop from 192.0.2.7");
        assert_eq!(
            message.body,
            "Time: 2026-11-24 18:04:46 JST\nOutcome: blocked (critical)\nFrom: 192.0.2.7\nSubject: shop\n\
             Request: GET /?name=\"><script> HTTP/1.1\nStatus: 403\nSummary: XSS Attack Detected (941100)\n\
             Rules: 941100 XSS Attack Detected; 941160; 949110 Inbound Anomaly Score Exceeded\n\
             Gate: request on vps1\nRule: attacks. Further events follow as a digest."
        );
        assert_eq!(message.link, Some(format!("https://gate.example.org/events/{}", event.id)));
        assert_eq!(message.data["kind"], "event");
        assert_eq!(message.data["event"]["actor"], "192.0.2.7");
    }

    #[test]
    fn a_summary_is_read_in_ten_seconds() {
        let mut tally = Tally::default();
        for number in 0..1234 {
            let mut event = attack(number, if number < 900 { 7 } else { 9 }, at("2026-11-23T12:00:00Z"));
            if number == 3 {
                event.outcome = Outcome::Refused;
            }
            tally.add(&NoticeEvent::from(&event));
        }
        let kind = Kind::Summary {
            since: at("2026-11-22T23:00:00Z"),
            tally: Box::new(tally),
            before: Some(DayBefore { attacks: 1100 }),
            problems: Vec::new(),
        };
        let notice = Notice { id: "n".into(), at: at("2026-11-23T23:00:00Z"), urgent: false, kind };
        let message = words(RuleConfig::attacks()).message(&notice);
        assert_eq!(message.subject, "[vps1] Tue 24 Nov: 1,233 attacks");
        assert_eq!(
            message.body,
            "Attacks: 1,233 (previous day: 1,100)\nBlocked: 1,233\nRefused as malformed: 1\n\
             From: 192.0.2.7 (900), 192.0.2.9 (334)\nSubjects: shop (1,234)\n\
             Rules: 941100 XSS Attack Detected (1,234), 941160 (1,234)\nNotifications: all delivered\n\
             Time: 2026-11-23 08:00:00 JST to 2026-11-24 08:00:00 JST"
        );
        // ten seconds of reading at 200 words a minute are 33 words, plus as many numbers
        assert!(message.body.split_whitespace().count() < 66 && message.body.lines().count() <= 11);
    }

    #[test]
    fn templates_replace_the_words_and_their_faults_do_not_stop_a_notice() {
        let mut rule = RuleConfig::attacks();
        rule.subject = Some(Template::compile("{{ kind }} {{ count }}\n{{ event.request }}").unwrap());
        rule.body = Some(Template::compile("{{ rules }}\n{{ event.status / 0 }}").unwrap());
        let event = attack(1, 7, at("2026-11-24T09:04:46Z"));
        let message = words(rule).message(&first(&event));
        assert_eq!(message.subject, "event 1\\x0aGET /?name=\"><script> HTTP/1.1");
        assert!(message.body.starts_with("Time: 2026"), "{}", message.body);
        assert!(
            message.body.contains("(the rule's template failed: line 2 of the template"),
            "{}",
            message.body
        );
    }
}
