//! Replays: evaluate stored requests again, with the current rules and with other rules.
//!
//! The same code evaluates the same evidence both times, so any difference comes from the rules. A replay differs from the
//! request itself in three ways: secrets are `[redacted]`, persistent collections are empty, and a response contains only its
//! stored part. A request that was blocked and passes with both sets of rules is counted separately: it was fixed since, or its
//! evidence does not contain the reason.
//!
//! # Attacks that slip through
//!
//! A request that would now pass has a sign of an attack ([`Sign`]) if:
//!
//! - another rule with a severity still matches,
//! - rules for two or more kinds of attack (tags `attack-…`, such as `attack-sqli` and `attack-xss`) matched before,
//! - at least [`TELLING_RULES`] rules for attacks matched before; a mere apostrophe has one or two,
//! - the score was at least [`TELLING_SCORE`], three times the score that blocks,
//! - or the same client sends other requests that rules for an attack still block.
//!
//! A sign proves nothing, and neither does its absence: an attack that only one rule detected shows none.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use event::{Event, EventId, MatchedRule, Outcome};
use serde::Serialize;
use waf::{BodyProgress, Collections, Connection, Decision, Mode, RuleSet, Transaction};

use crate::limits;
use crate::propose::counts;

/// Number of rules for attacks on one request that suggest an attack.
pub const TELLING_RULES: usize = 3;
/// Score that suggests an attack: three critical rules of the Core Rule Set, which blocks at 5.
pub const TELLING_SCORE: i64 = 15;

/// The result of rules for a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The rule that would block, or 0 for a limit of the rules; none if the request passes.
    pub blocked_by: Option<u64>,
    /// The anomaly score of the request.
    pub score: i64,
    /// The logged matches.
    pub rules: Vec<MatchedRule>,
}

impl Judgement {
    /// Whether the request would be blocked.
    pub fn is_blocked(&self) -> bool {
        self.blocked_by.is_some()
    }

    /// Returns the kinds of attack that matched, as tags such as `attack-sqli`.
    fn attacks(&self) -> BTreeSet<&str> {
        self.rules.iter().flat_map(kinds).collect()
    }

    /// Returns the rules for attacks that matched.
    fn attack_rules(&self) -> BTreeSet<u64> {
        self.rules
            .iter()
            .filter(|rule| counts(rule) && kinds(rule).next().is_some())
            .map(|rule| rule.id)
            .collect()
    }
}

/// Returns the kinds of attack that a rule detects.
fn kinds(rule: &MatchedRule) -> impl Iterator<Item = &str> {
    let tags = rule.tags.iter().map(String::as_str);
    // general tags, not kinds of attack
    tags.filter(|tag| tag.starts_with("attack-") && !matches!(*tag, "attack-generic" | "attack-protocol"))
}

/// The reason why an event cannot be evaluated again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayable {
    /// The event has no request, or not the request's bytes.
    #[error("the event has no request")]
    NoRequest,
    /// The gate refused the request as malformed before any rule ran.
    #[error("the gate refused it before any rule ran")]
    Refused,
    /// The event has only the beginning of the body.
    #[error("only the beginning of its body was stored")]
    Truncated,
}

/// Evaluates the request of an event by rules, as a site with `waf = "block"` would.
///
/// # Errors
/// The reasons in [`NotReplayable`].
pub fn judge(rules: &Arc<RuleSet>, event: &Event) -> Result<Judgement, NotReplayable> {
    let request = event.request().ok_or(NotReplayable::NoRequest)?;
    if event.outcome == Outcome::Refused {
        return Err(NotReplayable::Refused);
    }
    if request.method().is_empty() || request.target().is_empty() {
        return Err(NotReplayable::NoRequest);
    }
    if request.body.as_ref().is_some_and(|body| body.truncated) {
        return Err(NotReplayable::Truncated);
    }
    let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
    let client =
        event.actor.as_ref().and_then(|actor| Some(SocketAddr::new(actor.address?, actor.port.unwrap_or(0))));
    let connection =
        Connection { client: client.unwrap_or(nobody), server: request.server.unwrap_or(nobody) };
    let collections = Arc::new(Collections::default());
    let now = event.time;
    let mut tx = Transaction::new(Arc::clone(rules), connection, now, &event.id.to_string(), collections);
    tx.set_mode(Mode::On);
    if let Some(preset) = &request.preset {
        tx.set_preset(preset);
    }
    let protocol = match (&request.protocol[..], request.line.iter().rposition(|byte| *byte == b' ')) {
        ("", Some(space)) if request.line[space + 1..].starts_with(b"HTTP/") => &request.line[space + 1..],
        ("", _) => b"HTTP/0.9",
        (protocol, _) => protocol.as_bytes(),
    };
    tx.request_line(request.method(), request.target(), protocol);
    for header in &request.headers {
        tx.request_header(&header.name, &header.value);
    }
    let stopped = |decision: Decision| match decision {
        Decision::Continue => None,
        Decision::Intervene(intervention) => Some(intervention.rule_id),
    };
    let mut by = stopped(tx.request_headers_done(now));
    if by.is_none()
        && tx.inspects_request_body()
        && let Some(body) = &request.body
        && let BodyProgress::Decided(intervention) = tx.request_body(&body.bytes)
    {
        by = Some(intervention.rule_id);
    }
    by = by.or_else(|| stopped(tx.request_body_done(now)));
    // a blocked request got the gate's own response, on which rules do not run
    if let (None, Some(response), false) = (by, &request.response, event.outcome == Outcome::Blocked) {
        tx.response_head(response.status, b"HTTP/1.1");
        for header in &response.headers {
            tx.response_header(&header.name, &header.value);
        }
        by = stopped(tx.response_headers_done(now));
        if let (None, Some(body)) = (by, &response.body) {
            if let BodyProgress::Decided(intervention) = tx.response_body(&body.bytes) {
                by = Some(intervention.rule_id);
            }
            by = by.or_else(|| stopped(tx.response_body_done(now)));
        }
    }
    tx.logging(now);
    let score = ["anomaly_score", "inbound_anomaly_score", "blocking_inbound_anomaly_score"]
        .iter()
        .map(|name| tx.tx_number(name))
        .max()
        .unwrap_or(0);
    let rules = tx.matches().iter().filter(|found| found.log).map(|found| found.rule.clone()).collect();
    Ok(Judgement { blocked_by: by, score, rules })
}

/// A sign that a request is an attack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = AttackSign))]
#[serde(tag = "sign", rename_all = "snake_case")]
pub enum Sign {
    /// Other rules still match on it.
    StillMatched {
        /// The ids of these rules.
        rules: Vec<u64>,
    },
    /// Rules for several kinds of attack matched.
    SeveralKinds {
        /// Tags, such as `attack-sqli`.
        kinds: Vec<String>,
    },
    /// At least three rules for attacks matched; see [`TELLING_RULES`].
    SeveralRules {
        /// The ids of these rules.
        rules: Vec<u64>,
    },
    /// The score was at least 15; see [`TELLING_SCORE`].
    HighScore {
        /// The score.
        score: i64,
    },
    /// Rules still block other attacks of the same client.
    SameClient,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |rules: &[u64]| rules.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::StillMatched { rules } => write!(f, "still matched by {}", list(rules)),
            Self::SeveralKinds { kinds } => write!(f, "matched as {}", kinds.join(" and ")),
            Self::SeveralRules { rules } => write!(f, "matched by {} rules for attacks", rules.len()),
            Self::HighScore { score } => write!(f, "score {score}"),
            Self::SameClient => f.write_str("other attacks of the same client stay blocked"),
        }
    }
}

/// A request with a different result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changed {
    /// The event; for a passed request the id that its event would have had.
    pub event: EventId,
    /// The site.
    pub site: Option<String>,
    /// The client's address.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub client: Option<IpAddr>,
    /// The beginning of the request line, with bytes that are not text escaped.
    pub request: String,
    /// The anomaly score with the current rules.
    pub score_before: i64,
    /// The anomaly score with the other rules.
    pub score_after: i64,
    /// Whether it looks like an attack; see the module.
    pub attack: bool,
    /// The signs of an attack.
    pub signs: Vec<Sign>,
    /// The rules that no longer match, or now match.
    pub rules: Vec<u64>,
}

/// Requests that were not evaluated again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotReplayed {
    /// Number of requests of which only the beginning of the body was stored.
    pub truncated: u64,
    /// Number of requests on which no rule ran, because the gate refused the request or the event has none.
    pub without_rules: u64,
    /// Number of requests that were blocked and pass with both rule sets: fixed since, or their evidence does not contain the
    /// reason.
    pub not_reproduced: u64,
}

/// The result of a replay. Each list has at most [`limits::LISTED`] entries; the numbers count all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Report {
    /// Stored events that would pass.
    pub now_pass: Vec<Changed>,
    /// Number of stored events that would pass.
    pub now_pass_count: u64,
    /// Number of these that were not blocked, but only detected.
    pub now_pass_detected: u64,
    /// Those of these events that look like attacks.
    pub slips_through: Vec<Changed>,
    /// Number of these events that look like attacks.
    pub slips_through_count: u64,
    /// Number of requests that were blocked and still would be.
    pub still_blocked: u64,
    /// Number of requests that were not blocked, because the site only detects, and would still be detected.
    pub still_detected: u64,
    /// Number of requests that passed and still would.
    pub still_pass: u64,
    /// Requests that passed and would be blocked.
    pub newly_blocked: Vec<Changed>,
    /// Number of requests that passed and would be blocked.
    pub newly_blocked_count: u64,
    /// Number of sampled requests that were evaluated again.
    pub sample_of_passed: u64,
    /// Number of sampled requests that would be blocked.
    pub changed: u64,
    /// Requests that were not evaluated.
    pub not_replayed: NotReplayed,
}

/// A running replay, which takes one event after another.
pub struct Replay {
    before: Arc<RuleSet>,
    after: Arc<RuleSet>,
    report: Report,
    /// Clients whose attacks are still blocked.
    attackers: HashSet<IpAddr>,
}

impl Replay {
    /// Starts a comparison of the current rules with others.
    pub fn new(before: Arc<RuleSet>, after: Arc<RuleSet>) -> Self {
        Self { before, after, report: Report::default(), attackers: HashSet::new() }
    }

    /// Evaluates a stored event.
    pub fn event(&mut self, event: &Event) {
        self.judge(event);
    }

    /// Evaluates a request of the sample of passed requests.
    pub fn passed(&mut self, event: &Event) {
        if let Some(is_changed) = self.judge(event) {
            self.report.sample_of_passed += 1;
            self.report.changed += u64::from(is_changed);
        }
    }

    /// Evaluates an event. Returns whether the result differs; none if it was not evaluated.
    fn judge(&mut self, event: &Event) -> Option<bool> {
        let left = &mut self.report.not_replayed;
        let judged = judge(&self.before, event).and_then(|before| Ok((before, judge(&self.after, event)?)));
        let (before, after) = match judged {
            Ok(both) => both,
            Err(NotReplayable::Truncated) => {
                left.truncated += 1;
                return None;
            }
            Err(NotReplayable::Refused | NotReplayable::NoRequest) => {
                left.without_rules += 1;
                return None;
            }
        };
        if event.outcome == Outcome::Blocked && !before.is_blocked() && !after.is_blocked() {
            left.not_reproduced += 1;
            return None;
        }
        let report = &mut self.report;
        match (before.is_blocked(), after.is_blocked()) {
            (true, true) => {
                match event.outcome {
                    Outcome::Blocked => report.still_blocked += 1,
                    _ => report.still_detected += 1,
                }
                if let Some(address) = event.address()
                    && !after.attacks().is_empty()
                    && self.attackers.len() < limits::CLIENTS
                {
                    self.attackers.insert(address);
                }
                Some(false)
            }
            (false, false) => {
                report.still_pass += 1;
                Some(false)
            }
            (true, false) => {
                let changed = changed(event, &before, &after);
                report.now_pass_count += 1;
                report.now_pass_detected += u64::from(event.outcome != Outcome::Blocked);
                report.slips_through_count += u64::from(changed.attack);
                if report.now_pass.len() < limits::LISTED {
                    report.now_pass.push(changed);
                }
                Some(true)
            }
            (false, true) => {
                report.newly_blocked_count += 1;
                if report.newly_blocked.len() < limits::LISTED {
                    report.newly_blocked.push(changed(event, &before, &after));
                }
                Some(true)
            }
        }
    }

    /// Returns the result. All clients are known at this point.
    pub fn finish(mut self) -> Report {
        for changed in &mut self.report.now_pass {
            if changed.client.is_some_and(|client| self.attackers.contains(&client)) {
                changed.signs.push(Sign::SameClient);
                if !std::mem::replace(&mut changed.attack, true) {
                    self.report.slips_through_count += 1;
                }
            }
        }
        let slips = self.report.now_pass.iter().filter(|changed| changed.attack);
        self.report.slips_through = slips.cloned().collect();
        self.report
    }
}

fn changed(event: &Event, before: &Judgement, after: &Judgement) -> Changed {
    let ids = |judgement: &Judgement| -> BTreeSet<u64> {
        judgement.rules.iter().filter(|rule| counts(rule)).map(|rule| rule.id).collect()
    };
    let (was, is) = (ids(before), ids(after));
    let mut signs = Vec::new();
    if before.is_blocked() {
        if !is.is_empty() {
            signs.push(Sign::StillMatched { rules: is.iter().copied().collect() });
        }
        let attacks = before.attacks();
        if attacks.len() > 1 {
            signs.push(Sign::SeveralKinds { kinds: attacks.into_iter().map(str::to_owned).collect() });
        }
        let rules = before.attack_rules();
        if rules.len() >= TELLING_RULES {
            signs.push(Sign::SeveralRules { rules: rules.into_iter().collect() });
        }
        if before.score >= TELLING_SCORE {
            signs.push(Sign::HighScore { score: before.score });
        }
    }
    let line = event.request().map(|request| request.line.escaped()).unwrap_or_default();
    Changed {
        event: event.id,
        site: event.subject.clone(),
        client: event.address(),
        request: line.chars().flat_map(char::escape_debug).take(300).collect(),
        score_before: before.score,
        score_after: after.score,
        attack: !signs.is_empty(),
        signs,
        rules: was.symmetric_difference(&is).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use event::{Actor, Body, Header, RequestEvidence, Response, Timestamp};

    use super::*;

    const RULES: &str = "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/plain\n\
        SecRule ARGS \"@contains sqli\" \"id:1,phase:2,pass,severity:CRITICAL,tag:'attack-sqli',setvar:tx.anomaly_score=+5\"\n\
        SecRule ARGS \"@contains xss\" \"id:2,phase:2,pass,severity:CRITICAL,tag:'attack-xss',setvar:tx.anomaly_score=+5\"\n\
        SecRule ARGS \"@contains odd\" \"id:3,phase:2,pass,severity:NOTICE,setvar:tx.anomaly_score=+2\"\n\
        SecRule RESPONSE_BODY \"@contains leak\" \"id:4,phase:4,deny,severity:ERROR\"\n\
        SecRule REQUEST_METHOD \"@streq TRACE\" \"id:5,phase:1,deny,severity:ERROR\"\n\
        SecRule TX:anomaly_score \"@ge 5\" \"id:949110,phase:2,deny\"\n";

    fn rules(more: &str) -> Arc<RuleSet> {
        let document = seclang::parse_str("t", format!("{more}\n{RULES}")).unwrap();
        Arc::new(RuleSet::compile(&document, &waf::operators::NoFiles).unwrap())
    }

    fn event(line: &str, body: &str, client: u8, action: Outcome) -> Event {
        let time = Timestamp::MIN;
        let id = EventId::derived(time, line, body);
        let headers = vec![
            Header::new("Host", "a"),
            Header::new("Content-Type", "application/x-www-form-urlencoded"),
            Header::new("Content-Length", body.len().to_string().as_str()),
        ];
        let body = (!body.is_empty()).then(|| Body::capture(body.as_bytes(), body.len() as u64, 1 << 20));
        let evidence = RequestEvidence { line: line.into(), headers, body, ..RequestEvidence::default() };
        let client = Some(Actor::at([192, 0, 2, client].into(), None));
        Event { actor: client, ..Event::of_request(id, time, "n", action, evidence) }
    }

    #[test]
    fn judges_as_a_blocking_site_would() {
        let rules = rules("");
        for (line, body, by, score) in [
            ("GET /?a=1 HTTP/1.1", "", None, 0),
            ("GET /?a=odd HTTP/1.1", "", None, 2),
            ("GET /?a=sqli HTTP/1.1", "", Some(949_110), 5),
            ("POST / HTTP/1.1", "a=sqli&b=xss", Some(949_110), 10),
            ("TRACE /?a=sqli HTTP/1.1", "", Some(5), 0),
        ] {
            let judged = judge(&rules, &event(line, body, 1, Outcome::Detected)).unwrap();
            assert_eq!((judged.blocked_by, judged.score), (by, score), "{line}");
        }
        let mut leak = event("GET / HTTP/1.1", "", 1, Outcome::Detected);
        let event::Evidence::Request(request) = &mut leak.evidence else { panic!() };
        request.response = Some(Response {
            status: 200,
            headers: vec![Header::new("Content-Type", "text/plain")],
            body: Some(Body::capture(b"a leak", 6, 100)),
            ..Response::default()
        });
        assert_eq!(judge(&rules, &leak).unwrap().blocked_by, Some(4));
    }

    #[test]
    fn what_cannot_be_judged() {
        let rules = rules("");
        let mut cut = event("POST / HTTP/1.1", "a=1", 1, Outcome::Blocked);
        let event::Evidence::Request(request) = &mut cut.evidence else { panic!() };
        request.body.as_mut().unwrap().truncated = true;
        assert_eq!(judge(&rules, &cut), Err(NotReplayable::Truncated));
        assert_eq!(
            judge(&rules, &event("GET / HTTP/1.1", "", 1, Outcome::Refused)),
            Err(NotReplayable::Refused)
        );
        assert_eq!(judge(&rules, &event("\x16\x03", "", 1, Outcome::Passed)), Err(NotReplayable::NoRequest));
        let mut replay = Replay::new(Arc::clone(&rules), rules);
        replay.event(&cut);
        replay.event(&event("GET / HTTP/1.1", "", 1, Outcome::Refused));
        replay.event(&event("GET /?a=[redacted] HTTP/1.1", "", 1, Outcome::Blocked));
        let report = replay.finish();
        assert_eq!(report.not_replayed, NotReplayed { truncated: 1, without_rules: 1, not_reproduced: 1 });
    }

    #[test]
    fn what_an_exclusion_lets_pass_and_what_slips_through() {
        let exclusion = "SecRule REQUEST_FILENAME \"@streq /c\" \"id:80000,phase:1,pass,nolog,ctl:ruleRemoveTargetById=1;ARGS:t\"";
        let mut replay = Replay::new(rules(""), rules(exclusion));
        let blocked = |line: &str, client| event(line, "", client, Outcome::Blocked);
        replay.event(&blocked("GET /c?t=sqli HTTP/1.1", 1)); // harmless as far as one can tell
        replay.event(&blocked("GET /c?t=sqli+odd HTTP/1.1", 2)); // another rule still matches
        replay.event(&blocked("GET /c?t=sqli+xss HTTP/1.1", 3)); // blocked for the rest of it
        replay.event(&blocked("GET /c?t=sqli&n=2 HTTP/1.1", 3)); // the client of the one before
        replay.event(&blocked("GET /d?t=sqli HTTP/1.1", 4)); // another path
        replay.passed(&event("GET /c?t=1 HTTP/1.1", "", 5, Outcome::Passed));
        let report = replay.finish();
        let signs: Vec<_> = report
            .now_pass
            .iter()
            .map(|c| (c.attack, c.signs.len(), c.score_before, c.score_after))
            .collect();
        assert_eq!(signs, [(false, 0, 5, 0), (true, 1, 7, 2), (true, 1, 5, 0)]);
        assert_eq!((report.still_blocked, report.slips_through.len(), report.slips_through_count), (2, 2, 2));
        assert_eq!(report.now_pass[0].rules, [1]);
        assert_eq!((report.sample_of_passed, report.changed, report.still_pass), (1, 0, 1));

        // two kinds of attack at once, both excluded
        let both = "SecAction \"id:80000,phase:1,pass,nolog,ctl:ruleRemoveById=1,ctl:ruleRemoveById=2\"";
        let mut replay = Replay::new(rules(""), rules(both));
        replay.event(&blocked("GET /c?t=sqli+xss HTTP/1.1", 1));
        let kinds = vec!["attack-sqli".to_owned(), "attack-xss".to_owned()];
        assert_eq!(replay.finish().slips_through[0].signs, [Sign::SeveralKinds { kinds }]);
    }

    #[test]
    fn many_rules_of_one_kind_and_a_high_score_are_signs() {
        let more: String = (6..9)
            .map(|id| {
                format!(
                    "SecRule ARGS \"@contains script\" \"id:{id},phase:2,pass,severity:CRITICAL,\
                     tag:'attack-xss',setvar:tx.anomaly_score=+{}\"\n",
                    if id == 8 { 20 } else { 5 }
                )
            })
            .collect();
        let all = (6..9).map(|id| format!(",ctl:ruleRemoveTargetById={id};ARGS:t")).collect::<String>();
        let exclusion = format!("SecAction \"id:80000,phase:1,pass,nolog{all}\"\n{more}");
        let mut replay = Replay::new(rules(&more), rules(&exclusion));
        replay.event(&event("GET /?t=script HTTP/1.1", "", 1, Outcome::Blocked));
        replay.event(&event("GET /?t=script HTTP/1.1", "", 1, Outcome::Detected));
        replay.event(&event("GET /?u=script HTTP/1.1", "", 2, Outcome::Detected));
        let report = replay.finish();
        let signs = [Sign::SeveralRules { rules: vec![6, 7, 8] }, Sign::HighScore { score: 30 }];
        assert_eq!(report.slips_through[0].signs, signs);
        assert_eq!(signs.map(|sign| sign.to_string()), ["matched by 3 rules for attacks", "score 30"]);
        assert_eq!((report.now_pass_count, report.now_pass_detected), (2, 1));
        assert_eq!((report.still_blocked, report.still_detected), (0, 1));
    }

    #[test]
    fn what_stricter_rules_would_block() {
        let stricter = "SecRule ARGS \"@contains harmless\" \"id:9,phase:2,deny\"";
        let mut replay = Replay::new(rules(""), rules(stricter));
        replay.passed(&event("GET /?a=harmless HTTP/1.1", "", 1, Outcome::Passed));
        replay.passed(&event("GET /?a=other HTTP/1.1", "", 1, Outcome::Passed));
        let report = replay.finish();
        assert_eq!((report.newly_blocked_count, report.sample_of_passed, report.changed), (1, 2, 1));
        assert_eq!((report.newly_blocked[0].attack, &report.newly_blocked[0].rules[..]), (false, &[9][..]));
    }

    #[test]
    fn lists_are_bounded_and_counts_go_on() {
        let after = rules("SecAction \"id:80000,phase:1,pass,nolog,ctl:ruleRemoveById=1\"");
        let mut replay = Replay::new(rules(""), after);
        let event = event("GET /?a=sqli+odd HTTP/1.1", "", 1, Outcome::Blocked);
        for _ in 0..limits::LISTED + 3 {
            replay.event(&event);
        }
        let report = replay.finish();
        assert_eq!((report.now_pass.len(), report.slips_through.len()), (limits::LISTED, limits::LISTED));
        let all = limits::LISTED as u64 + 3;
        assert_eq!((report.now_pass_count, report.slips_through_count), (all, all));
    }
}
