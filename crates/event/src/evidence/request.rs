//! The evidence of a request: what the client asked, what it got, and which rules matched on what.

mod shrink;
mod windows;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::EvidenceKind;
use crate::redaction::Redactor;
use crate::{ByteString, Fact, Outcome, Severity, limits};

/// An HTTP request, its answer, and what the rules found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RequestEvidence {
    /// The request line as it was sent, without its line end. For malformed requests: what there was of it. For HTTP/2:
    /// method, path and `HTTP/2.0`, joined as HTTP/1.1 would.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub line: ByteString,
    /// The headers as they were sent, in order. Name and value without the colon and the white space around it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub headers: Vec<Header>,
    /// The part of the request body that was inspected; none where there was no body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The answer; none where the connection was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// The rules that matched and log, in the order of their matching. One entry for each matched variable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<MatchedRule>,
    /// The anomaly scores.
    #[serde(skip_serializing_if = "Scores::is_zero")]
    pub scores: Scores,
    /// Durations.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub durations: Durations,
    /// Traffic that the rules did not inspect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_inspected: Vec<NotInspected>,
    /// Faults of the rule engine: limits that it reached, operators that failed. Each names its rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The address and port that the client connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub server: Option<SocketAddr>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// The upstream that answered or failed, as configured; none where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The site's preset, which rules made exceptions for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The mode in which the rules ran at the end of the request.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub engine: Engine,
    /// Parts left out to keep the event within its budget, bodies aside.
    #[serde(skip_serializing_if = "Omitted::is_none")]
    pub omitted: Omitted,
}

/// Parts left out to keep an event within its budget ([`limits::MAX_EVIDENCE_BYTES`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Omitted {
    /// Headers of request and response that were left out.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub headers: u64,
    /// Matched rules that were left out.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub rules: u64,
    /// Other texts that were cut or left out: the request line, header values, texts and tags of rules, faults.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub texts: u64,
}

impl Omitted {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl RequestEvidence {
    /// Returns the first header with this name; ignores case.
    pub fn header(&self, name: &str) -> Option<&ByteString> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|header| &header.value)
    }

    /// Returns the method: the request line up to its first space.
    pub fn method(&self) -> &[u8] {
        self.line.split(|byte| *byte == b' ').next().unwrap_or_default()
    }

    /// Returns the target: the text between the first and the last space of the request line, or after the only one.
    pub fn target(&self) -> &[u8] {
        let Some(first) = self.line.iter().position(|byte| *byte == b' ') else { return &[] };
        let rest = &self.line[first + 1..];
        match rest.iter().rposition(|byte| *byte == b' ') {
            Some(last) if rest[last + 1..].starts_with(b"HTTP/") => &rest[..last],
            _ => rest,
        }
    }

    /// Returns the target without its query, and without scheme and authority if it is in absolute form (RFC 9112
    /// §3.2).
    pub fn path(&self) -> &[u8] {
        let target = self.target();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        match path.windows(3).position(|window| window == b"://") {
            Some(colon) if !path.starts_with(b"/") => {
                let rest = &path[colon + 3..];
                rest.iter().position(|byte| *byte == b'/').map_or(b"/", |slash| &rest[slash..])
            }
            _ => path,
        }
    }

    /// Returns the host from the Host header, without its port.
    pub fn host(&self) -> Option<&[u8]> {
        let value = self.header("host")?.as_bytes();
        // The colons of an IPv6 literal are inside brackets.
        let end = value.iter().rposition(|byte| *byte == b']').map_or(0, |bracket| bracket + 1);
        let port = value[end..].iter().position(|byte| *byte == b':');
        Some(port.map_or(value, |port| &value[..end + port]))
    }

    /// Returns the ids of the rules that matched, sorted, without duplicates.
    pub fn rule_ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.rules.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Adds the facts whose name passes a test.
    pub(crate) fn add_facts(&self, wanted: &dyn Fn(&str) -> bool, facts: &mut Vec<Fact>) {
        let text =
            |bytes: &[u8]| ByteString::from(&bytes[..bytes.len().min(limits::MAX_FACT_BYTES)]).to_string();
        if wanted("rule") {
            facts.extend(self.rule_ids().into_iter().map(|id| Fact::number("rule", id.cast_signed())));
        }
        if wanted("tag") {
            let mut tags: Vec<&String> = self.rules.iter().flat_map(|rule| rule.tags.iter()).collect();
            tags.sort_unstable();
            tags.dedup();
            facts.extend(tags.into_iter().map(|tag| Fact::text("tag", tag)));
        }
        if let Some(response) = &self.response
            && wanted("status")
        {
            facts.push(Fact::number("status", response.status.into()));
        }
        if wanted("method") {
            facts.push(Fact::text("method", text(self.method())));
        }
        if let Some(host) = self.host()
            && wanted("host")
        {
            facts.push(Fact::text("host", text(host).to_ascii_lowercase()));
        }
        if wanted("path") {
            facts.push(Fact::text("path", text(self.path())));
        }
        if wanted("score") {
            facts.push(Fact::number("score", self.scores.inbound));
        }
    }

    /// Returns the category of the attack: see [`crate::Event::category`].
    pub(crate) fn category(&self, outcome: Outcome) -> Option<&str> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for tag in
            self.rules.iter().flat_map(|rule| rule.tags.iter()).filter(|tag| tag.starts_with("attack-"))
        {
            if tag == "attack-reputation-scanner" {
                return Some("scanner");
            }
            *counts.entry(tag).or_default() += 1;
        }
        let rank = |tag: &str| match tag {
            "attack-generic" => 0,
            "attack-protocol" => 1,
            _ => 2,
        };
        let best = counts.into_iter().max_by(|(a, n), (b, m)| (rank(a), n, b).cmp(&(rank(b), m, a)));
        match best {
            Some(("attack-protocol", _)) => Some("protocol"),
            Some((tag, _)) => Some(&tag[..tag.floor_char_boundary(limits::MAX_CATEGORY_BYTES)]),
            None if outcome == Outcome::Refused => Some("protocol"),
            None if !self.rules.is_empty() || matches!(outcome, Outcome::Blocked | Outcome::Detected) => {
                Some("other")
            }
            None => None,
        }
    }
}

impl EvidenceKind for RequestEvidence {
    const NAME: &'static str = "request";

    /// Returns the message of the first rule that matched, or says that none did.
    fn summary(&self, outcome: Outcome) -> String {
        let message =
            self.rules.iter().map(|rule| rule.message.to_string()).find(|message| !message.is_empty());
        message.unwrap_or_else(|| format!("request {outcome}"))
    }

    /// Returns `rule` for each rule that matched, `tag` for each of their tags, `status`, `method`, `host`, `path`
    /// without its query, and `score`.
    fn facts(&self, _: Outcome) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.add_facts(&|_| true, &mut facts);
        facts
    }

    fn redact(&mut self, redactor: &Redactor) {
        redactor.redact_request(self, None);
    }

    fn shrink(&mut self, bytes: usize) {
        self.shrink_to(bytes);
    }
}

fn is_empty(bytes: &ByteString) -> bool {
    bytes.as_bytes().is_empty()
}

fn no_tags(tags: &Arc<Vec<String>>) -> bool {
    tags.is_empty()
}

/// One header line. In JSON an array of two: `["Host","localhost"]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(ByteString, ByteString)")]
pub struct Header {
    /// The name as it was sent.
    pub name: ByteString,
    /// The value without surrounding white space.
    pub value: ByteString,
}

impl Header {
    /// Makes a header with this name and value.
    pub fn new(name: impl Into<ByteString>, value: impl Into<ByteString>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.name, &self.value).serialize(serializer)
    }
}

impl From<(ByteString, ByteString)> for Header {
    fn from((name, value): (ByteString, ByteString)) -> Self {
        Self { name, value }
    }
}

/// The beginning of a body, and what stands around matches further on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Body {
    /// The bytes that are kept, after the transfer coding was taken off.
    pub bytes: ByteString,
    /// Bytes of the whole body, as far as it was received.
    pub total: u64,
    /// Whether `bytes` are fewer than the body had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Stretches behind `bytes` in which rules matched, in order and apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<BodyWindow>,
}

/// A stretch of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BodyWindow {
    /// Bytes of the body before it. Secrets are replaced before stretches are taken, so behind one that is longer or shorter
    /// than its replacement the offset in the body as it was sent differs.
    pub offset: u64,
    /// The bytes.
    pub bytes: ByteString,
}

impl Body {
    /// Makes a body with up to `limit` bytes (and at most [`limits::MAX_BODY_BYTES`]) of `seen`, the beginning of a
    /// body with `total` bytes.
    pub fn capture(seen: &[u8], total: u64, limit: usize) -> Self {
        let kept = &seen[..seen.len().min(limit).min(limits::MAX_BODY_BYTES)];
        Self { bytes: kept.into(), total, truncated: (kept.len() as u64) < total, windows: Vec::new() }
    }

    /// Returns all kept bytes with their offsets: the beginning, then the windows.
    pub fn stretches(&self) -> impl Iterator<Item = (u64, &ByteString)> {
        let windows = self.windows.iter().map(|window| (window.offset, &window.bytes));
        std::iter::once((0, &self.bytes)).chain(windows)
    }

    /// Returns the number of kept bytes.
    pub fn kept(&self) -> usize {
        self.stretches().map(|(_, bytes)| bytes.len()).sum()
    }
}

/// The answer that the client got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Response {
    /// Status code.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub status: u16,
    /// Reason phrase; empty for HTTP/2.
    #[serde(skip_serializing_if = "is_empty")]
    pub reason: ByteString,
    /// `HTTP/1.1` or `HTTP/2.0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// The headers in order.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub headers: Vec<Header>,
    /// The beginning of the body, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// A rule that matched one variable. For a chain: the head's metadata and the last link's match, as ModSecurity logs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct MatchedRule {
    /// The rule's id; 0 for a rule without one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub id: u64,
    /// Phase, 1 to 5.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub phase: u8,
    /// `msg`, with macros expanded.
    #[serde(skip_serializing_if = "is_empty")]
    pub message: ByteString,
    /// `logdata`, with macros expanded.
    #[serde(skip_serializing_if = "is_empty")]
    pub data: ByteString,
    /// `severity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// `tag`s in order. Shared, for most rules say the same ones with every match.
    #[serde(skip_serializing_if = "no_tags")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub tags: Arc<Vec<String>>,
    /// `rev`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rev: String,
    /// `ver`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ver: String,
    /// `maturity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maturity: Option<u8>,
    /// `accuracy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<u8>,
    /// File of the rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Line of the rule in its file, from 1. ModSecurity 2 counts the rule's last line.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub line: u32,
    /// Name of the operator that matched, without the `@`: `rx`, `pm`, `detectSQLi`. `unconditionalMatch` for a SecAction.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub operator: String,
    /// The operator's argument, with macros expanded.
    #[serde(skip_serializing_if = "is_empty")]
    pub argument: ByteString,
    /// Whether the operator was negated (`!@rx`): then it is its failing that matched.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub negated: bool,
    /// Result of the operator, in ModSecurity's words: `Pattern match "<script" at ARGS:name.` Empty for a SecAction.
    #[serde(skip_serializing_if = "is_empty")]
    pub detail: ByteString,
    /// The variable that matched, with its collection: `ARGS:name`.
    #[serde(skip_serializing_if = "is_empty")]
    pub variable: ByteString,
    /// The variable's value after the transformations, up to [`limits::MAX_VALUE_BYTES`].
    #[serde(skip_serializing_if = "is_empty")]
    pub value: ByteString,
    /// The part of the value that matched (TX:0), where the operator tells it.
    #[serde(skip_serializing_if = "is_empty")]
    pub matched: ByteString,
    /// Disruptive action of the rule; none for a rule that only warned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruptive: Option<Disruptive>,
}

impl MatchedRule {
    /// Returns a value cut to at most [`limits::MAX_VALUE_BYTES`].
    pub fn capture_value(value: &[u8]) -> ByteString {
        value[..value.len().min(limits::MAX_VALUE_BYTES)].into()
    }
}

/// A disruptive action on the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Disruptive {
    /// Answered with this status.
    Deny {
        /// Status code.
        status: u16,
    },
    /// Closed the connection without an answer.
    Drop,
    /// Answered with a redirection.
    Redirect {
        /// Status code.
        status: u16,
        /// Target of the redirection.
        location: ByteString,
    },
    /// Let the whole transaction through.
    Allow,
    /// Ended the phase.
    AllowPhase,
    /// Let the request through; the response is still inspected.
    AllowRequest,
}

/// Anomaly scores. Zero where rules keep none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Scores {
    /// Anomaly score of the request.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub inbound: i64,
    /// Anomaly score of the response.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub outbound: i64,
    /// By kind of attack: `sqli`, `xss`, `rce` and so on; only those above zero.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, i64>,
}

impl Scores {
    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// Durations in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Durations {
    /// Time in each of the rules' phases 1 to 5.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub phases_us: [u64; 5],
    /// Time from the first byte of the request to the upstream until the first byte of its response; none if no upstream was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    /// Time from the first byte of the request until the event was made.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub total_us: u64,
}

/// Traffic that the rules did not inspect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotInspected {
    /// Kind of traffic.
    pub what: Uninspected,
    /// Number of bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Protocol of an upgraded connection, as the upstream named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// Kinds of traffic that rules do not inspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Uninspected {
    /// The request body beyond the rules' limit, or all of it where SecRequestBodyAccess is Off.
    RequestBody,
    /// The response body beyond the rules' limit, of a type that SecResponseBodyMimeType does not name, or in a content coding
    /// that is unknown or broken.
    ResponseBody,
    /// A WebSocket.
    Websocket,
    /// Another upgraded connection; `protocol` names its protocol.
    Tunnel,
    /// Server-sent events.
    Sse,
    /// gRPC messages.
    Grpc,
    /// Traffic that was not yet inspected when the inspection time ended; the event's summary names the rule that ran.
    InspectionTime,
}

/// The mode of the rule engine: SecRuleEngine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Rules decide.
    On,
    /// Rules only tell what they would have decided.
    DetectionOnly,
    /// Rules do not run.
    #[default]
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_request_line() {
        for (line, method, target, path) in [
            ("GET /a?b=c HTTP/1.1", "GET", "/a?b=c", "/a"),
            ("GET /a b\"<> c?x y HTTP/1.1", "GET", "/a b\"<> c?x y", "/a b\"<> c"),
            ("GET http://host:1/a?b HTTP/1.1", "GET", "http://host:1/a?b", "/a"),
            ("GET http://host HTTP/1.1", "GET", "http://host", "/"),
            ("GET /r?u=http://x/y HTTP/1.1", "GET", "/r?u=http://x/y", "/r"),
            ("OPTIONS * HTTP/1.1", "OPTIONS", "*", "*"),
            ("GET /only", "GET", "/only", "/only"),
            ("GARBAGE", "GARBAGE", "", ""),
            ("", "", "", ""),
        ] {
            let request = RequestEvidence { line: line.into(), ..Default::default() };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert_eq!(text(request.method()), method, "{line}");
            assert_eq!(text(request.target()), target, "{line}");
            assert_eq!(text(request.path()), path, "{line}");
        }
    }

    #[test]
    fn host_is_without_its_port() {
        for (value, host) in [
            ("a.test:8080", "a.test"),
            ("a.test", "a.test"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            let request = RequestEvidence { headers: vec![Header::new("hOST", value)], ..Default::default() };
            assert_eq!(request.host(), Some(host.as_bytes()), "{value}");
        }
        assert_eq!(RequestEvidence::default().host(), None);
    }

    #[test]
    fn bodies_are_cut_at_the_limit_and_say_so() {
        assert_eq!(
            Body::capture(b"abc", 3, 10),
            Body { bytes: "abc".into(), total: 3, truncated: false, windows: Vec::new() }
        );
        assert_eq!(
            Body::capture(b"abc", 3, 2),
            Body { bytes: "ab".into(), total: 3, truncated: true, windows: Vec::new() }
        );
        assert_eq!(
            Body::capture(b"abc", 9, 10),
            Body { bytes: "abc".into(), total: 9, truncated: true, windows: Vec::new() }
        );
        let huge = vec![b'a'; limits::MAX_BODY_BYTES + 1];
        let body = Body::capture(&huge, huge.len() as u64, usize::MAX);
        assert_eq!((body.bytes.len(), body.truncated), (limits::MAX_BODY_BYTES, true));
        assert_eq!(MatchedRule::capture_value(&huge).len(), limits::MAX_VALUE_BYTES);
    }

    #[test]
    fn a_full_event_survives_json_when_its_longest_body_is_all_escapes() {
        let body = Body::capture(&vec![0xff; limits::MAX_BODY_BYTES], 1 << 40, usize::MAX);
        let evidence = RequestEvidence {
            body: Some(body.clone()),
            response: Some(Response {
                status: 403,
                body: Some(body),
                headers: vec![Header::new("A", &b"\xff"[..])],
                ..Default::default()
            }),
            rules: vec![MatchedRule {
                id: 1,
                disruptive: Some(Disruptive::Deny { status: 403 }),
                ..Default::default()
            }],
            not_inspected: vec![NotInspected {
                what: Uninspected::RequestBody,
                bytes: Some(7),
                protocol: None,
            }],
            server: Some(([127, 0, 0, 1], 8080).into()),
            ..Default::default()
        };
        let time = crate::Timestamp::MIN;
        let id = crate::EventId::derived(time, "n", "o");
        let event = crate::Event::of_request(id, time, "n", Outcome::Passed, evidence);
        let json = event.to_json();
        assert!(json.len() < limits::MAX_JSON_BYTES, "{}", json.len());
        assert_eq!(crate::Event::from_json(json.as_bytes()), Ok(event));
    }
}
