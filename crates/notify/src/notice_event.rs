//! The facts of one event in a notice, each cleaned for display.

use event::{Actor, Event, EventId, Gate, Kind, Outcome, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_FIELD_CHARS, MAX_NAMED_FACTS, MAX_NAMED_RULES};
use crate::text::shown;

/// One event, as notices and templates use it. Every text is one line without control characters; a missing value is an empty
/// text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeEvent {
    /// The event's id, which is the end of the link.
    pub id: EventId,
    /// Time of the event.
    pub time: Timestamp,
    /// The machine.
    pub node: String,
    /// The subject; for a request the site.
    pub subject: String,
    /// The gate that reported it.
    pub gate: Gate,
    /// Its kind.
    pub kind: Kind,
    /// The outcome.
    pub outcome: Outcome,
    /// The severity.
    pub severity: Severity,
    /// The actor: the user and address, else the address, device or certificate.
    pub actor: String,
    /// The request line.
    pub request: String,
    /// The target's path.
    pub path: String,
    /// Status of the response; 0 without one.
    pub status: u16,
    /// The rules that matched, each once. Rules that name the attack come first.
    pub rules: Vec<NoticeRule>,
    /// Number of other rules that matched.
    pub further_rules: usize,
    /// Inbound anomaly score.
    pub score: i64,
    /// One sentence: the first rule's message, else the event's summary, else its kind.
    pub summary: String,
    /// Facts specific to the event's gate: up to [`MAX_NAMED_FACTS`] names and values.
    #[serde(default)]
    pub facts: Vec<(String, String)>,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRule {
    /// Its id.
    pub id: u64,
    /// Its message.
    pub message: String,
}

/// Whether a rule only adds up scores or blocks, and does not name the attack.
fn is_verdict(id: u64) -> bool {
    matches!(id, 949_000..=949_999 | 959_000..=959_999 | 980_000..=980_999)
}

/// Returns the name of an actor, with its address if the name is another.
fn named(actor: &Actor) -> String {
    match (actor.name(), actor.address) {
        (name, Some(address)) if name != address.to_string() => format!("{name} ({address})"),
        (name, _) => name,
    }
}

impl From<&Event> for NoticeEvent {
    fn from(event: &Event) -> Self {
        let field = |bytes: &[u8]| shown(bytes, MAX_FIELD_CHARS);
        let request = event.request();
        let mut rules: Vec<NoticeRule> = Vec::new();
        for rule in request.map(|request| &request.rules[..]).unwrap_or_default() {
            if rules.iter().all(|seen| seen.id != rule.id) {
                rules.push(NoticeRule { id: rule.id, message: shown(&rule.message, 120) });
            }
        }
        rules.sort_by_key(|rule| is_verdict(rule.id));
        let further_rules = rules.len().saturating_sub(MAX_NAMED_RULES);
        rules.truncate(MAX_NAMED_RULES);
        let telling = rules.iter().find(|rule| !is_verdict(rule.id));
        let facts = event.facts.iter().take(MAX_NAMED_FACTS);
        let summary = match (telling, &event.summary) {
            (Some(rule), _) if rule.message.is_empty() => format!("rule {}", rule.id),
            (Some(rule), _) => format!("{} ({})", rule.message, rule.id),
            (None, Some(reason)) => field(reason.as_bytes()),
            (None, None) => event.kind.to_string(),
        };
        Self {
            id: event.id,
            time: event.time,
            node: field(event.node.as_bytes()),
            subject: field(event.subject.as_deref().unwrap_or_default().as_bytes()),
            gate: event.gate.clone(),
            kind: event.kind.clone(),
            outcome: event.outcome,
            severity: event.severity,
            actor: event.actor.as_ref().map(|actor| field(named(actor).as_bytes())).unwrap_or_default(),
            request: request.map(|request| field(&request.line)).unwrap_or_default(),
            path: request.map(|request| field(request.path())).unwrap_or_default(),
            status: request
                .and_then(|request| request.response.as_ref())
                .map_or(0, |response| response.status),
            rules,
            further_rules,
            score: request.map_or(0, |request| request.scores.inbound),
            summary,
            facts: facts
                .map(|fact| (field(fact.name.as_bytes()), field(fact.value.to_string().as_bytes())))
                .collect(),
        }
    }
}

impl NoticeEvent {
    /// Returns the rules that name the attack, as labels for counting.
    pub(crate) fn labels(&self) -> impl Iterator<Item = String> {
        self.rules
            .iter()
            .filter(|rule| !is_verdict(rule.id))
            .map(|rule| format!("{} {}", rule.id, rule.message).trim_end().to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use event::{MatchedRule, RequestEvidence, Response};

    use super::*;

    /// Returns a blocked request of the client 192.0.2.`client` at `time`.
    pub(crate) fn attack(number: u32, client: u8, time: Timestamp) -> Event {
        let rule = |id, message: &str| MatchedRule { id, message: message.into(), ..MatchedRule::default() };
        let evidence = RequestEvidence {
            line: "GET /?name=\"><script> HTTP/1.1".into(),
            response: Some(Response { status: 403, ..Response::default() }),
            rules: vec![
                rule(949_110, "Inbound Anomaly Score Exceeded"),
                rule(941_100, "XSS Attack Detected"),
                rule(941_100, "XSS Attack Detected"),
                rule(941_160, ""),
            ],
            ..RequestEvidence::default()
        };
        let id = EventId::derived(time, "vps1", &number.to_string());
        Event {
            subject: Some("shop".into()),
            actor: Some(Actor::at([192, 0, 2, client].into(), Some(1))),
            severity: Severity::Critical,
            ..Event::of_request(id, time, "vps1", Outcome::Blocked, evidence)
        }
    }

    #[test]
    fn says_what_the_attack_is_not_that_it_scored() {
        let seen = NoticeEvent::from(&attack(1, 7, Timestamp::MIN));
        assert_eq!(seen.summary, "XSS Attack Detected (941100)");
        assert_eq!(seen.rules.iter().map(|rule| rule.id).collect::<Vec<_>>(), [941_100, 941_160, 949_110]);
        assert_eq!(seen.labels().collect::<Vec<_>>(), ["941100 XSS Attack Detected", "941160"]);
        assert_eq!((seen.status, seen.path.as_str(), seen.actor.as_str()), (403, "/", "192.0.2.7"));
        let mut refused = attack(1, 7, Timestamp::MIN);
        refused.evidence = RequestEvidence { line: "G\u{1b}[2J".into(), ..RequestEvidence::default() }.into();
        refused.summary = Some("two lengths".into());
        let seen = NoticeEvent::from(&refused);
        assert_eq!((seen.summary.as_str(), seen.request.as_str()), ("two lengths", "G\\x1b[2J"));
        refused.actor =
            Some(Actor { user: Some("ali\nce".into()), ..Actor::at([192, 0, 2, 7].into(), None) });
        assert_eq!(NoticeEvent::from(&refused).actor, "ali\\x0ace (192.0.2.7)");
    }
}
