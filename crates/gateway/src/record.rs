//! The records of a request: event, access log line, metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::redaction::Hidden;
use event::{
    Actor, Body, ByteString, Durations, Engine, Event, EventId, Header, NotInspected, Outcome,
    RequestEvidence, Response, Severity, Timestamp, Uninspected,
};
use http1::{Headers, RequestHead, ResponseHead};

use crate::access_log::Entry;
use crate::block_page::Facts;
use crate::gate::{Gate, Runtime, Site};
use crate::held::{Beginning, Held};
use crate::incoming::{Incoming, Peer};
use crate::inspection::Inspection;
use crate::limits::EVIDENCE_BYTES;
use crate::metrics::FinishedRequest;

/// The recorded values of a request.
#[derive(Debug)]
pub(crate) struct Record {
    pub id: EventId,
    /// The client, from the connection or from trusted proxies.
    pub client: SocketAddr,
    pub action: Outcome,
    pub reason: Option<String>,
    /// The status; 0 until a response begins.
    pub status: u16,
    pub response: Option<Arc<ResponseHead>>,
    /// Bytes of the request and response bodies.
    pub received: u64,
    pub sent: u64,
    pub upstream: Option<Arc<str>>,
    pub upstream_time: Option<Duration>,
    body: Option<Beginning>,
    not_inspected: Vec<NotInspected>,
    /// Values that rules hide.
    hidden: Option<Hidden>,
    reported: bool,
    has_event: bool,
}

impl Record {
    pub(crate) fn new(id: EventId, client: SocketAddr, reason: Option<String>) -> Self {
        Self {
            id,
            client,
            action: Outcome::Passed,
            reason,
            status: 0,
            response: None,
            received: 0,
            sent: 0,
            upstream: None,
            upstream_time: None,
            body: None,
            not_inspected: Vec::new(),
            hidden: None,
            reported: false,
            has_event: false,
        }
    }

    /// Records the beginning of the request body.
    pub(crate) fn request_body(&mut self, held: &Held) {
        self.body = held.beginning();
    }

    /// Records a part that the rules did not inspect.
    pub(crate) fn not_inspected(&mut self, what: Uninspected, bytes: Option<u64>) {
        self.not_inspected.push(NotInspected { what, bytes, protocol: None });
    }

    /// Records that the connection changed to another protocol.
    pub(crate) fn tunnel(&mut self, protocol: String) {
        let (what, protocol) = match protocol.eq_ignore_ascii_case("websocket") {
            true => (Uninspected::Websocket, None),
            false => (Uninspected::Tunnel, Some(protocol)),
        };
        self.not_inspected.push(NotInspected { what, bytes: None, protocol });
    }

    /// Runs phase 5 and records the event, if the request has one; once.
    pub(crate) fn report(
        &mut self,
        gate: &Gate,
        runtime: &Runtime,
        site: &Site,
        request: &Incoming,
        peer: Peer,
        inspection: &mut Option<Inspection>,
    ) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        let mut audit = None;
        let mut found = false;
        if let Some(inspection) = inspection {
            inspection.logging();
            found = inspection.has_findings();
            if let Some(overrun) = inspection.overrun() {
                self.not_inspected(Uninspected::InspectionTime, None);
                self.reason.get_or_insert(overrun);
                gate.metrics.inspection_overrun(&site.name);
            }
            if let Some(limit) = inspection.limit_reached() {
                self.reason.get_or_insert_with(|| limit.to_owned());
            }
            if let Some(fault) = inspection.faults().first() {
                self.reason.get_or_insert_with(|| fault.to_string());
                inspection.fault_kinds().for_each(|kind| gate.metrics.engine_fault(&site.name, kind));
            }
            if self.action == Outcome::Passed && found && inspection.engine() == Engine::DetectionOnly {
                self.action = Outcome::Detected;
            }
            audit = inspection.audit_parts(self.status);
            self.hidden = inspection.hidden();
        }
        let keep = found || self.action != Outcome::Passed;
        let sampled = !keep && inspection.is_some() && gate.services.sink.wants_passed(&site.name);
        let body = self.body.take();
        if !keep && audit.is_none() && !sampled {
            return;
        }
        let mut event = self.event(runtime, site, request, peer, inspection.as_ref(), body.as_ref());
        drop(body);
        runtime.redactor.redact_with(&mut event, self.hidden.as_ref());
        if let Some(parts) = audit {
            gate.services.sink.audit(&event, &parts);
        }
        event.shrink();
        if keep {
            self.has_event = true;
            gate.metrics.events.inc();
            gate.services.sink.record(event);
        } else if sampled {
            gate.services.sink.passed(event);
        }
    }

    fn event(
        &self,
        runtime: &Runtime,
        site: &Site,
        request: &Incoming,
        peer: Peer,
        inspection: Option<&Inspection>,
        body: Option<&Beginning>,
    ) -> Event {
        let body = body.map(|body| body.read(event::limits::MAX_BODY_BYTES)).filter(|body| !body.is_empty());
        let mut evidence = RequestEvidence {
            line: request_line(&request.head, &request.protocol).into(),
            headers: headers(request.head.headers()),
            body: body.map(|body| Body::capture(&body, self.received, event::limits::MAX_BODY_BYTES)),
            response: self.response.as_ref().map(|head| Response {
                status: head.status(),
                reason: head.reason().into(),
                protocol: if request.http2 { "HTTP/2.0" } else { "HTTP/1.1" }.to_owned(),
                headers: headers(head.headers()),
                body: None,
            }),
            durations: Durations {
                upstream_us: self.upstream_time.map(micros),
                total_us: micros(request.began.elapsed()),
                ..Durations::default()
            },
            not_inspected: self.not_inspected.clone(),
            server: Some(peer.local),
            protocol: request.protocol.to_string(),
            upstream: self.upstream.as_ref().map(|name| name.to_string()),
            ..RequestEvidence::default()
        };
        if let Some(inspection) = inspection {
            // if the rules intervened, the client got another body
            if self.action != Outcome::Blocked
                && let (Some(response), Some(body)) =
                    (&mut evidence.response, inspection.response_body_evidence())
            {
                response.body = Some(Body::capture(body, body.len() as u64, event::limits::MAX_BODY_BYTES));
            }
            evidence.rules = inspection.rules();
            evidence.scores = inspection.scores();
            evidence.faults = inspection.faults().iter().map(ToString::to_string).collect();
            evidence.engine = inspection.engine();
            evidence.preset = inspection.preset().map(|preset| preset.as_str().to_owned());
            evidence.durations.phases_us = inspection.phases().map(micros);
        }
        let worst = evidence.rules.iter().filter_map(|rule| rule.severity).min();
        let severity = match self.action {
            Outcome::Failed => Severity::Error,
            _ if inspection.is_some_and(|i| {
                i.overrun().is_some() || i.limit_reached().is_some() || !i.faults().is_empty()
            }) =>
            {
                Severity::Warning
            }
            Outcome::Refused => Severity::Notice,
            _ => Severity::Info,
        };
        Event {
            subject: Some(site.name.to_string()),
            severity: worst.map_or(severity, |worst| worst.min(severity)),
            actor: Some(client(self.client)),
            summary: self.reason.clone(),
            ..Event::of_request(self.id, request.time, runtime.node.clone(), self.action, evidence)
        }
    }

    /// Ends the record: runs phase 5 if it has not run yet, and writes the access log and the metrics.
    pub(crate) fn finish(
        &mut self,
        gate: &Gate,
        runtime: &Runtime,
        site: &Site,
        request: &Incoming,
        peer: Peer,
        inspection: &mut Option<Inspection>,
    ) {
        self.report(gate, runtime, site, request, peer, inspection);
        let total = request.began.elapsed();
        let inspected = inspection.as_ref().map(|inspection| inspection.phases().iter().sum());
        gate.metrics.request(
            &site.name,
            &FinishedRequest {
                status: self.status,
                action: self.action,
                inspection: inspected,
                total,
                received: self.received,
                sent: self.sent,
            },
        );
        if let Some(log) = &runtime.access_log {
            let head = &request.head;
            let hidden = self.hidden.as_ref();
            let shown = |url: &[u8]| runtime.redactor.redacted_url_with(url, hidden);
            let header = |name: &str| {
                let value = head.headers().get(name)?;
                let fields = hidden.map_or(&[][..], |hidden| &hidden.request_headers);
                let named = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
                Some(named.map_or_else(|| value.into(), |field| ByteString::from(field.shown(value))))
            };
            let referer = header("Referer").map(|referer| shown(&referer));
            log.write(&Entry {
                time: request.time,
                client: self.client.ip(),
                line: &shown(&request_line(head, &request.protocol)),
                host: head.host().unwrap_or_default(),
                status: self.status,
                bytes: self.sent,
                referer: referer.as_deref(),
                user_agent: header("User-Agent").as_deref(),
                site: &site.name,
                action: self.action,
                event: self.has_event.then_some(self.id),
                duration: total,
                inspection: inspected,
                upstream: self.upstream.as_deref(),
                not_inspected: &self.not_inspected,
            });
        }
    }
}

/// Refuses bytes that are not a request head: records an event with them as evidence, and returns the response.
pub(crate) fn refuse_unparsed(
    gate: &Gate,
    runtime: &Runtime,
    peer: Peer,
    bytes: &[u8],
    status: u16,
    reason: &str,
) -> (ResponseHead, Bytes) {
    let began = Instant::now();
    let time = Timestamp::from(std::time::SystemTime::now());
    let id = gate.services.ids.next(time);
    let (text, address) = (id.to_string(), peer.address.ip().to_string());
    let facts = Facts { status, event_id: &text, host: b"", client: &address };
    let (head, page) = runtime.block_page.answer(&facts, b"", None);
    let bytes = &bytes[..bytes.len().min(EVIDENCE_BYTES)];
    let (line, rest) = match bytes.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        Some(end) => (&bytes[..end], &bytes[end..]),
        None => (bytes, &[][..]),
    };
    let evidence = RequestEvidence {
        line: line.into(),
        // the bytes after the line cannot be split into fields, so they are kept unchanged
        body: (!rest.is_empty()).then(|| Body::capture(rest, rest.len() as u64, EVIDENCE_BYTES)),
        response: Some(Response {
            status,
            reason: head.reason().into(),
            protocol: "HTTP/1.1".to_owned(),
            headers: headers(head.headers()),
            body: None,
        }),
        server: Some(peer.local),
        engine: Engine::Off,
        ..RequestEvidence::default()
    };
    let mut event = Event {
        subject: Some(runtime.unrouted.name.to_string()),
        severity: Severity::Notice,
        actor: Some(client(peer.address)),
        summary: Some(reason.to_owned()),
        ..Event::of_request(id, time, runtime.node.clone(), Outcome::Refused, evidence)
    };
    runtime.redactor.redact(&mut event);
    gate.metrics.events.inc();
    gate.services.sink.record(event);
    let total = began.elapsed();
    let sent = page.len() as u64;
    gate.metrics.request(
        &runtime.unrouted.name,
        &FinishedRequest { status, action: Outcome::Refused, inspection: None, total, received: 0, sent },
    );
    if let Some(log) = &runtime.access_log {
        log.write(&Entry {
            time,
            client: peer.address.ip(),
            line: &runtime.redactor.redacted_url(line),
            host: b"",
            status,
            bytes: sent,
            referer: None,
            user_agent: None,
            site: &runtime.unrouted.name,
            action: Outcome::Refused,
            event: Some(id),
            duration: total,
            inspection: None,
            upstream: None,
            not_inspected: &[],
        });
    }
    (head, page)
}

/// Returns the request line as sent; for HTTP/2, the equivalent line of HTTP/1.1.
fn request_line(head: &RequestHead, protocol: &str) -> Vec<u8> {
    match head.raw().iter().position(|b| *b == b'\r') {
        Some(end) => head.raw()[..end].to_vec(),
        None => [head.method(), b" ", head.target(), b" ", protocol.as_bytes()].concat(),
    }
}

fn headers(fields: &Headers) -> Vec<Header> {
    fields.iter().map(|field| Header::new(field.name(), field.value())).collect()
}

fn client(address: SocketAddr) -> Actor {
    Actor::at(address.ip(), (address.port() != 0).then_some(address.port()))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
