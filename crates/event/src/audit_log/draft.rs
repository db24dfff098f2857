//! What all formats have in common: from the fields of an entry to an event.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use memchr::memmem;

use super::Fault;
use crate::limits::{MAX_AUDIT_EVENT_BYTES, MAX_ORIGIN_ID_BYTES};
use crate::{
    Action, Body, ByteString, Client, Disruptive, Engine, Event, EventId, Gate, MatchedRule, RequestEvidence,
    Scores, Severity, Timestamp,
};

/// An entry on its way to become an event.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// None where it is missing or malformed.
    pub time: Option<Timestamp>,
    /// The sensor's identifier.
    pub unique_id: ByteString,
    /// Who asked.
    pub client: Option<Client>,
    /// All that stands in the evidence.
    pub request: RequestEvidence,
    /// The sensor stopped the transaction.
    pub intercepted: bool,
    /// The entry is monban's own: its unique id is an [`EventId`].
    pub own: bool,
}

impl Draft {
    /// The event.
    ///
    /// # Errors
    /// [`Fault::Missing`] and [`Fault::Malformed`] for time and unique id.
    pub fn into_event(mut self, sensor: &str) -> Result<Event, Fault> {
        let time = self.time.ok_or(Fault::Missing("time that can be read"))?;
        if self.unique_id.is_empty() {
            return Err(Fault::Missing("unique id"));
        }
        if self.unique_id.len() > MAX_ORIGIN_ID_BYTES {
            return Err(Fault::malformed("unique id", &self.unique_id));
        }
        let origin = self.unique_id.to_string();
        let own = if self.own { origin.parse().ok() } else { None };
        let id = own.unwrap_or_else(|| EventId::derived(time, sensor, &origin));
        self.fit();
        self.request.protocol = protocol(&self.request.line);
        self.request.scores = scores(&self.request.rules);
        let severities = self.request.rules.iter().filter_map(|rule| rule.severity);
        let severity = severities.min().unwrap_or(Severity::Info);
        let watching = self.request.engine == Engine::DetectionOnly && severity <= Severity::Warning;
        let action = match (self.intercepted, watching) {
            (true, _) => Action::Blocked,
            (false, true) => Action::Detected,
            (false, false) => Action::Passed,
        };
        Ok(Event {
            severity,
            action,
            client: self.client,
            origin_id: Some(origin),
            ..Event::new(id, time, sensor, Gate::Mlogc, self.request.into())
        })
    }

    /// Cuts what is more than an event may have: [`MAX_AUDIT_EVENT_BYTES`].
    fn fit(&mut self) {
        if self.bytes() <= MAX_AUDIT_EVENT_BYTES {
            return;
        }
        let response = self.request.response.as_mut().and_then(|response| response.body.as_mut());
        for body in self.request.body.as_mut().into_iter().chain(response) {
            body.truncated |= body.bytes.len() > CUT_BODY_BYTES;
        }
        for text in self.texts() {
            cut(text, CUT_BODY_BYTES);
        }
        let cut_string = |text: &mut String| text.truncate(text.floor_char_boundary(CUT_STRING_BYTES));
        for rule in &mut self.request.rules {
            let tags = Arc::make_mut(&mut rule.tags);
            tags.truncate(CUT_TAGS);
            tags.iter_mut().for_each(cut_string);
            let MatchedRule { rev, ver, file, operator, .. } = rule;
            [rev, ver, file, operator].into_iter().for_each(cut_string);
        }
        if let Some(response) = &mut self.request.response {
            cut_string(&mut response.protocol);
        }
        while self.bytes() > MAX_AUDIT_EVENT_BYTES {
            // Halves, so that this ends soon; what is left without them fits.
            let RequestEvidence { headers, rules, response, .. } = &mut self.request;
            headers.truncate(headers.len() / 2);
            rules.truncate(rules.len() / 2);
            if let Some(response) = response {
                response.headers.truncate(response.headers.len() / 2);
            }
        }
    }

    /// Bytes of all texts, and something for what stands around each.
    fn bytes(&mut self) -> usize {
        let strings: usize = self.request.rules.iter().map(rule_strings).sum();
        let protocol = self.request.response.as_ref().map_or(0, |response| response.protocol.len());
        strings + protocol + self.texts().map(|text| text.len() + 8).sum::<usize>()
    }

    /// The texts of the request, the answer and the rules: all that may hold bytes which are no UTF-8.
    pub fn texts(&mut self) -> impl Iterator<Item = &mut ByteString> {
        let request = &mut self.request;
        let (response, mut headers) = match &mut request.response {
            Some(response) => (response.body.as_mut(), vec![&mut response.headers]),
            None => (None, Vec::new()),
        };
        headers.push(&mut request.headers);
        let headers = headers.into_iter().flatten().flat_map(|header| [&mut header.name, &mut header.value]);
        let bodies = request.body.as_mut().into_iter().chain(response).map(|body| &mut body.bytes);
        let rules = request.rules.iter_mut().flat_map(|rule| {
            let MatchedRule { message, data, argument, detail, variable, value, matched, .. } = rule;
            [message, data, argument, detail, variable, value, matched]
        });
        [&mut request.line].into_iter().chain(headers).chain(bodies).chain(rules)
    }
}

/// What is left of a text, of a name, and of a rule's tags in an event that is too large.
const CUT_BODY_BYTES: usize = 128 * 1024;
const CUT_STRING_BYTES: usize = 1024;
const CUT_TAGS: usize = 20;

fn cut(text: &mut ByteString, length: usize) {
    if text.len() > length {
        *text = text[..length].into();
    }
}

fn rule_strings(rule: &MatchedRule) -> usize {
    let tags: usize = rule.tags.iter().map(|tag| tag.len() + 8).sum();
    tags + rule.rev.len() + rule.ver.len() + rule.file.len() + rule.operator.len() + 64
}

/// The last word of a request line, where it is a protocol.
pub(super) fn protocol(line: &[u8]) -> String {
    let last = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match last {
        [b'H', b'T', b'T', b'P', b'/', version @ ..] if (1..=3).contains(&version.len()) => {
            ByteString::from(last).to_string()
        }
        _ => String::new(),
    }
}

/// A client's address, as far as the text is one.
pub(super) fn client(address: &[u8], port: Option<u16>) -> Option<Client> {
    let address: IpAddr = str::from_utf8(address).ok()?.parse().ok()?;
    Some(Client { address, port: port.filter(|port| *port != 0) })
}

/// The server's address, as far as the texts are one.
pub(super) fn server(address: &[u8], port: Option<u16>) -> Option<SocketAddr> {
    Some(SocketAddr::new(str::from_utf8(address).ok()?.parse().ok()?, port?))
}

/// A whole body; none for an empty one.
pub(super) fn body(bytes: &[u8]) -> Option<Body> {
    (!bytes.is_empty()).then(|| Body::capture(bytes, bytes.len() as u64, usize::MAX))
}

/// `ENABLED` and `On`, `DETECTION_ONLY` and `DetectionOnly`.
pub(super) fn engine(word: &[u8]) -> Engine {
    let word = word.to_ascii_lowercase();
    match word.as_slice() {
        b"enabled" | b"on" => Engine::On,
        b"detection_only" | b"detectiononly" => Engine::DetectionOnly,
        _ => Engine::Off,
    }
}

/// Whether a rule is one of CRS's that deny by the score.
pub(super) fn is_blocking_rule(rule: &MatchedRule) -> bool {
    matches!(rule.id / 1000, 949 | 959)
}

/// Marks the rule of CRS that denied, for formats that do not tell which.
pub(super) fn mark_blocking_rule(rules: &mut [MatchedRule], status: u16) {
    if rules.iter().all(|rule| rule.disruptive.is_none())
        && let Some(rule) = rules.iter_mut().find(|rule| is_blocking_rule(rule))
    {
        rule.disruptive = Some(Disruptive::Deny { status });
    }
}

/// The scores that CRS's messages tell: `(Total Score: 20)` of 949xxx and 959xxx, and `SQLI=0,XSS=20` of 980xxx.
fn scores(rules: &[MatchedRule]) -> Scores {
    let mut scores = Scores::default();
    for rule in rules {
        let total = || {
            let at = memmem::find(&rule.message, b"Score: ")?;
            leading(&rule.message[at + 7..])
        };
        match rule.id / 1000 {
            949 => scores.inbound = scores.inbound.max(total().unwrap_or(0)),
            959 => scores.outbound = scores.outbound.max(total().unwrap_or(0)),
            980 => {
                for (at, _) in rule.message.iter().enumerate().filter(|(_, byte)| **byte == b'=') {
                    let name: Vec<u8> = rule.message[..at]
                        .iter()
                        .rev()
                        .take_while(|byte| byte.is_ascii_uppercase())
                        .copied()
                        .collect();
                    let name = name
                        .iter()
                        .rev()
                        .map(|byte| char::from(byte.to_ascii_lowercase()))
                        .collect::<String>();
                    if let Some(score) = leading(&rule.message[at + 1..]).filter(|score| *score > 0)
                        && (2..=8).contains(&name.len())
                    {
                        scores.categories.insert(name, score);
                    }
                }
            }
            _ => {}
        }
    }
    scores
}

fn leading(text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&text[..digits.min(9)]).ok()?.parse().ok()
}
