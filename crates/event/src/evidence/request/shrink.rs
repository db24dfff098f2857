//! Cuts the evidence of a request to its budget in bytes.
//!
//! Bodies are always cut to their beginning and the windows around matches. Evidence that is still above the budget is
//! cut in [`STEPS`], each coarser than the previous one; most events need none of them.

use std::io::{self, Write};
use std::sync::Arc;

use super::windows::{boundary, cut};
use super::{Disruptive, Header, MatchedRule, RequestEvidence, Response};
use crate::ByteString;
use crate::limits::{KEPT_BODY_BYTES, MAX_BODY_WINDOWS};

/// The limits of one step.
struct Step {
    /// Bytes from the beginning of each body.
    request_body: usize,
    response_body: usize,
    /// Windows of each body.
    windows: usize,
    /// Bytes of each other text.
    text: usize,
    /// Headers of each message, matched rules and items of other lists.
    items: usize,
    /// Tags of a rule.
    tags: usize,
}

const STEPS: [Step; 4] = [
    Step {
        request_body: KEPT_BODY_BYTES,
        response_body: KEPT_BODY_BYTES / 4,
        windows: MAX_BODY_WINDOWS,
        text: 16 * 1024,
        items: 1000,
        tags: 100,
    },
    Step {
        request_body: KEPT_BODY_BYTES / 2,
        response_body: KEPT_BODY_BYTES / 16,
        windows: MAX_BODY_WINDOWS / 2,
        text: 2048,
        items: 200,
        tags: 32,
    },
    Step { request_body: 8 * 1024, response_body: 1024, windows: 8, text: 512, items: 64, tags: 16 },
    Step { request_body: 1024, response_body: 1024, windows: 4, text: 128, items: 32, tags: 8 },
];

/// The limits of an event in a list.
const SUMMARY: Step = Step { request_body: 0, response_body: 0, windows: 0, text: 512, items: 32, tags: 16 };

/// The largest number of bytes in JSON for one byte (`\u0000`).
const WORST_ESCAPE: usize = 6;

impl RequestEvidence {
    /// Cuts bodies to their beginning and windows, and the rest until the JSON has at most `limit` bytes.
    pub fn shrink_to(&mut self, limit: usize) {
        self.cut_bodies(KEPT_BODY_BYTES, KEPT_BODY_BYTES, MAX_BODY_WINDOWS);
        self.cut(limit, true);
    }

    /// Cuts everything but the bodies until the JSON has at most `limit` bytes, which must leave room for two bodies.
    /// For a request whose secrets are not replaced yet.
    pub(crate) fn bound(&mut self, limit: usize) {
        self.cut(limit, false);
    }

    /// Cuts the evidence for a list.
    pub(crate) fn summarize(&mut self) {
        let omitted = self.omitted;
        for body in
            self.body.iter_mut().chain(self.response.as_mut().and_then(|response| response.body.as_mut()))
        {
            body.truncated |= !body.bytes.is_empty();
            body.bytes = ByteString::default();
            body.windows = Vec::new();
        }
        self.cut_texts(&SUMMARY);
        self.omitted = omitted;
    }

    fn cut(&mut self, limit: usize, bodies: bool) {
        if self.surely_fits(limit) {
            return;
        }
        for step in &STEPS {
            if self.fits(limit) {
                return;
            }
            if bodies {
                self.cut_bodies(step.request_body, step.response_body, step.windows);
            }
            self.cut_texts(step);
        }
        // The rest is far below the limit.
        let mut items = STEPS[STEPS.len() - 1].items;
        while items > 0 && !self.fits(limit) {
            items /= 2;
            self.cut_lists(items);
        }
    }

    fn cut_bodies(&mut self, request: usize, response: usize, windows: usize) {
        let is_of_response = |rule: &&MatchedRule| matches!(rule.phase, 3 | 4);
        if let Some(body) = &mut self.body {
            cut(body, request, windows, self.rules.iter().filter(|rule| !is_of_response(rule)));
        }
        if let Some(body) = self.response.as_mut().and_then(|response| response.body.as_mut()) {
            cut(body, response, windows, self.rules.iter().filter(is_of_response));
        }
    }

    /// Estimates the bytes of all texts, with an allowance for the syntax around each.
    pub(crate) fn rough_bytes(&self) -> usize {
        let mut bytes = 2048 + self.line.len() + self.protocol.len();
        bytes += self.upstream.as_deref().map_or(0, str::len) + self.preset.as_deref().map_or(0, str::len);
        bytes += header_bytes(&self.headers);
        bytes += self.body.as_ref().map_or(0, |body| body.kept() + 64 * body.windows.len());
        if let Some(Response { reason, protocol, headers, body, .. }) = &self.response {
            bytes += reason.len() + protocol.len() + header_bytes(headers);
            bytes += body.as_ref().map_or(0, |body| body.kept() + 64 * body.windows.len());
        }
        bytes += self.rules.iter().map(rule_bytes).sum::<usize>();
        bytes += self.faults.iter().map(|fault| fault.len() + 8).sum::<usize>();
        bytes += self.scores.categories.keys().map(|name| name.len() + 32).sum::<usize>();
        bytes += self
            .not_inspected
            .iter()
            .map(|it| it.protocol.as_deref().map_or(0, str::len) + 64)
            .sum::<usize>();
        bytes
    }

    /// Returns whether the JSON fits for any values of its bytes, without serialising it.
    fn surely_fits(&self, limit: usize) -> bool {
        self.rough_bytes() * WORST_ESCAPE <= limit
    }

    /// Returns whether the JSON fits. Stops serialising at the limit.
    fn fits(&self, limit: usize) -> bool {
        struct Room(usize);
        impl Write for Room {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        serde_json::to_writer(Room(limit), self).is_ok()
    }

    fn cut_texts(&mut self, step: &Step) {
        let mut texts = Cutter { length: step.text, count: 0 };
        texts.bytes(&mut self.line);
        texts.string(&mut self.protocol);
        self.upstream.iter_mut().chain(&mut self.preset).for_each(|text| texts.string(text));
        self.headers.iter_mut().for_each(|header| texts.header(header));
        if let Some(response) = &mut self.response {
            texts.bytes(&mut response.reason);
            texts.string(&mut response.protocol);
            response.headers.iter_mut().for_each(|header| texts.header(header));
        }
        self.rules.iter_mut().for_each(|rule| texts.rule(rule, step.tags));
        self.faults.iter_mut().for_each(|fault| texts.string(fault));
        self.not_inspected
            .iter_mut()
            .filter_map(|it| it.protocol.as_mut())
            .for_each(|text| texts.string(text));
        let names = self.scores.categories.len();
        self.scores.categories.retain(|name, _| name.len() <= step.text);
        texts.count += names - self.scores.categories.len();
        self.omitted.texts += texts.count as u64;
        self.cut_lists(step.items);
    }

    fn cut_lists(&mut self, items: usize) {
        let mut headers = cut_list(&mut self.headers, items);
        if let Some(response) = &mut self.response {
            headers += cut_list(&mut response.headers, items);
        }
        self.omitted.headers += headers;
        self.omitted.rules += cut_list(&mut self.rules, items);
        let texts = cut_list(&mut self.faults, items) + cut_list(&mut self.not_inspected, items);
        let names = self.scores.categories.len();
        while self.scores.categories.len() > items {
            self.scores.categories.pop_last();
        }
        self.omitted.texts += texts + (names - self.scores.categories.len()) as u64;
    }

    /// Returns the texts of the request, the response and the rules: every field that may contain bytes that are not
    /// UTF-8.
    pub(crate) fn texts(&mut self) -> impl Iterator<Item = &mut ByteString> {
        let (response, mut headers) = match &mut self.response {
            Some(response) => (response.body.as_mut(), vec![&mut response.headers]),
            None => (None, Vec::new()),
        };
        headers.push(&mut self.headers);
        let headers = headers.into_iter().flatten().flat_map(|header| [&mut header.name, &mut header.value]);
        let bodies = self.body.as_mut().into_iter().chain(response).flat_map(|body| {
            let windows = body.windows.iter_mut().map(|window| &mut window.bytes);
            std::iter::once(&mut body.bytes).chain(windows)
        });
        let rules = self.rules.iter_mut().flat_map(|rule| {
            let MatchedRule { message, data, argument, detail, variable, value, matched, .. } = rule;
            [message, data, argument, detail, variable, value, matched]
        });
        [&mut self.line].into_iter().chain(headers).chain(bodies).chain(rules)
    }
}

fn header_bytes(headers: &[Header]) -> usize {
    headers.iter().map(|header| header.name.len() + header.value.len() + 8).sum()
}

fn rule_bytes(rule: &MatchedRule) -> usize {
    let texts =
        [&rule.message, &rule.data, &rule.argument, &rule.detail, &rule.variable, &rule.value, &rule.matched];
    let strings = [&rule.rev, &rule.ver, &rule.file, &rule.operator];
    let redirect = match &rule.disruptive {
        Some(Disruptive::Redirect { location, .. }) => location.len(),
        _ => 0,
    };
    texts.map(|text| text.len()).iter().sum::<usize>()
        + strings.map(String::len).iter().sum::<usize>()
        + rule.tags.iter().map(|tag| tag.len() + 8).sum::<usize>()
        + redirect
        + 64
}

/// Cuts a list and returns the number of removed items.
fn cut_list<T>(list: &mut Vec<T>, most: usize) -> u64 {
    let before = list.len();
    list.truncate(most);
    (before - list.len()) as u64
}

/// Cuts texts and counts the ones that it cut.
struct Cutter {
    length: usize,
    count: usize,
}

impl Cutter {
    fn bytes(&mut self, text: &mut ByteString) {
        if text.len() > self.length {
            *text = text[..boundary(text, self.length)].into();
            self.count += 1;
        }
    }

    fn string(&mut self, text: &mut String) {
        if text.len() > self.length {
            text.truncate(text.floor_char_boundary(self.length));
            self.count += 1;
        }
    }

    fn header(&mut self, header: &mut Header) {
        self.bytes(&mut header.name);
        self.bytes(&mut header.value);
    }

    fn rule(&mut self, rule: &mut MatchedRule, tags: usize) {
        let MatchedRule { message, data, argument, detail, variable, value, matched, .. } = rule;
        for text in [message, data, argument, detail, variable, value, matched] {
            self.bytes(text);
        }
        if let Some(Disruptive::Redirect { location, .. }) = &mut rule.disruptive {
            self.bytes(location);
        }
        for text in [&mut rule.rev, &mut rule.ver, &mut rule.file, &mut rule.operator] {
            self.string(text);
        }
        // other matches of the rule share the tags, so they are copied only for a cut
        if rule.tags.len() > tags || rule.tags.iter().any(|tag| tag.len() > self.length) {
            let own = Arc::make_mut(&mut rule.tags);
            self.count += own.len().saturating_sub(tags);
            own.truncate(tags);
            own.iter_mut().for_each(|tag| self.string(tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_BODY_BYTES, MAX_EVIDENCE_BYTES};
    use crate::{Body, Event, EventId, NotInspected, Outcome, Timestamp, Uninspected};

    fn shrunk(request: RequestEvidence) -> (RequestEvidence, usize) {
        let time = Timestamp::MIN;
        let id = EventId::derived(time, "n", "o");
        let mut event = Event::of_request(id, time, "n", Outcome::Passed, request);
        event.shrink();
        let once = event.clone();
        event.shrink();
        assert_eq!(event, once, "shrinking again changes nothing");
        let json = event.to_json();
        assert_eq!(Event::from_json(json.as_bytes()).as_ref(), Ok(&event));
        (event.request().unwrap().clone(), json.len())
    }

    fn body(byte: u8) -> Option<Body> {
        Some(Body::capture(&vec![byte; MAX_BODY_BYTES], 1 << 40, usize::MAX))
    }

    /// Bytes of the envelope around the evidence in this test's events.
    const ENVELOPE: usize = 400;

    #[test]
    fn an_ordinary_event_stays_as_it_is() {
        let rule = MatchedRule { variable: "ARGS:a".into(), value: "x".into(), ..MatchedRule::default() };
        let request = RequestEvidence {
            line: "GET /?a=x HTTP/1.1".into(),
            headers: vec![Header::new("Host", "x"); 20],
            body: Some(Body::capture(&vec![b'a'; KEPT_BODY_BYTES], KEPT_BODY_BYTES as u64, usize::MAX)),
            rules: vec![rule; 30],
            ..RequestEvidence::default()
        };
        assert_eq!(shrunk(request.clone()).0, request);
    }

    #[test]
    fn bodies_of_any_bytes_take_no_more_than_the_budget() {
        for byte in [b'a', b'"', b'\\', 0, 0xff] {
            let response = Response { status: 200, body: body(byte), ..Response::default() };
            let request =
                RequestEvidence { body: body(byte), response: Some(response), ..RequestEvidence::default() };
            let (request, length) = shrunk(request);
            let kept = request.body.unwrap();
            assert_eq!(
                (kept.bytes.len(), kept.total, kept.truncated),
                (KEPT_BODY_BYTES, 1 << 40, true),
                "{byte}"
            );
            assert!(length <= MAX_EVIDENCE_BYTES + ENVELOPE, "{byte}: {length}");
            assert!(!matches!(byte, 0 | 0xff) || length < 3 * KEPT_BODY_BYTES, "as base64: {length}");
            assert_eq!(request.omitted, crate::Omitted::default());
        }
    }

    #[test]
    fn each_part_alone_and_all_of_them_are_cut_to_the_budget() {
        let text = |byte: u8, length: usize| ByteString::from(vec![byte; length]);
        for byte in [b'a', 0, 0xff] {
            let wide = |length: usize| String::from_utf8_lossy(&vec![byte & 0x7f; length]).into_owned();
            let rule = MatchedRule {
                value: text(byte, 4096),
                variable: text(byte, 4096),
                data: text(byte, 7000),
                file: wide(3000),
                tags: vec![wide(900); 120].into(),
                disruptive: Some(Disruptive::Redirect { status: 302, location: text(byte, 9000) }),
                ..MatchedRule::default()
            };
            let headers = vec![Header::new(text(byte, 300), text(byte, 6000)); 900];
            let full = RequestEvidence {
                line: text(byte, 400_000),
                headers: headers.clone(),
                body: body(byte),
                response: Some(Response {
                    reason: text(byte, 400_000),
                    protocol: wide(400_000),
                    headers,
                    body: body(byte),
                    ..Response::default()
                }),
                rules: vec![rule; 300],
                faults: vec![wide(2000); 500],
                scores: crate::Scores {
                    categories: (0..5000).map(|number| (format!("{number}{}", wide(50)), 1)).collect(),
                    ..Default::default()
                },
                not_inspected: vec![
                    NotInspected {
                        what: Uninspected::Tunnel,
                        bytes: None,
                        protocol: Some(wide(3000))
                    };
                    500
                ],
                ..RequestEvidence::default()
            };
            let alone = [
                RequestEvidence { line: full.line.clone(), ..Default::default() },
                RequestEvidence { headers: full.headers.clone(), ..Default::default() },
                RequestEvidence { response: full.response.clone(), ..Default::default() },
                RequestEvidence { rules: full.rules.clone(), ..Default::default() },
                RequestEvidence { faults: full.faults.clone(), ..Default::default() },
                RequestEvidence { scores: full.scores.clone(), ..Default::default() },
                RequestEvidence { not_inspected: full.not_inspected.clone(), ..Default::default() },
            ];
            for (number, request) in alone.into_iter().chain([full]).enumerate() {
                let rules = request.rules.len() as u64;
                let headers = request.headers.len() as u64;
                let (request, length) = shrunk(request);
                assert!(length <= MAX_EVIDENCE_BYTES + ENVELOPE, "{byte} {number}: {length}");
                assert_ne!(request.omitted, crate::Omitted::default(), "{byte} {number}");
                assert_eq!(request.rules.len() as u64 + request.omitted.rules, rules);
                assert!(request.headers.len() as u64 + request.omitted.headers >= headers);
                assert!(rules == 0 || !request.rules.is_empty(), "{byte} {number}: no rule is left");
            }
        }
    }

    #[test]
    fn a_summary_has_no_bodies_and_short_texts() {
        let rule = MatchedRule {
            id: 1,
            value: vec![b'v'; 4096].into(),
            tags: vec!["t".repeat(600); 40].into(),
            ..MatchedRule::default()
        };
        let mut request = RequestEvidence {
            line: vec![b'l'; 5000].into(),
            headers: vec![Header::new("Cookie", vec![b'c'; 5000]); 50],
            body: body(0xff),
            response: Some(Response { status: 200, body: body(b'r'), ..Response::default() }),
            rules: vec![rule; 50],
            ..RequestEvidence::default()
        };
        request.summarize();
        let kept = request.body.clone().unwrap();
        assert_eq!((kept.kept(), kept.total, kept.truncated), (0, 1 << 40, true));
        assert_eq!((request.rules.len(), request.rules[0].id, request.line.len()), (32, 1, 512));
        assert_eq!(request.omitted, crate::Omitted::default(), "the event itself has all");
        let once = request.clone();
        request.summarize();
        assert_eq!(request, once);
        let mut empty = RequestEvidence { body: Some(Body::default()), ..RequestEvidence::default() };
        empty.summarize();
        assert_eq!(empty.body, Some(Body::default()));
        // evidence of another kind
        for (length, stays) in [(100, true), (5000, false)] {
            let json = format!(
                r#"{{"v":2,"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46Z","node":"n","gate":"x","kind":"x.y",
                    "outcome":"passed","severity":"info","evidence":{{"x":"{}"}}}}"#,
                "y".repeat(length)
            );
            let mut event = Event::from_json(json.as_bytes()).unwrap();
            assert!(event.rough_bytes() > length);
            event.summarize();
            assert_eq!(event.evidence != crate::Evidence::None, stays);
        }
    }

    #[test]
    fn matches_of_the_answer_are_looked_for_there() {
        let text = format!("{}needle{}", "x".repeat(100_000), "y".repeat(100_000));
        let body = || Some(Body::capture(text.as_bytes(), text.len() as u64, usize::MAX));
        let rule = |phase: u8, variable: &str| MatchedRule {
            phase,
            variable: variable.into(),
            value: "needle".into(),
            ..MatchedRule::default()
        };
        for (rule, in_request, in_response) in
            [(rule(2, "ARGS:a"), 1, 0), (rule(4, "RESPONSE_BODY"), 0, 1), (rule(0, "REQUEST_BODY"), 1, 0)]
        {
            let response = Response { body: body(), ..Response::default() };
            let request = RequestEvidence {
                body: body(),
                response: Some(response),
                rules: vec![rule],
                ..RequestEvidence::default()
            };
            let (request, _) = shrunk(request);
            assert_eq!(request.body.unwrap().windows.len(), in_request);
            assert_eq!(request.response.unwrap().body.unwrap().windows.len(), in_response);
        }
    }
}
