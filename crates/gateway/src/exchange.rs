//! One request through all phases, over either version of HTTP.
//!
//! Rules run inline: a phase takes tens of microseconds to a few milliseconds. For most requests that is less than switching
//! threads costs, with its effects on the caches.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::{Outcome, Uninspected};
use http1::{BodyFraming, Headers, ResponseHead};
use waf::{BodyProgress, Decision};

use crate::client_address;
use crate::config::AmbiguousPath;
use crate::gate::{Gate, Rules, Runtime, Site};
use crate::held::{Held, HoldError};
use crate::incoming::{BodyError, Ending, Incoming, Peer, RequestBody, ResponseWriter};
use crate::inspection::{Inspection, rules_may_see};
use crate::limits::{KEPT_FOR_EVENTS, REST_AFTER, REST_AT_ONCE};
use crate::record::Record;
use crate::router::Found;
use crate::share::{Charge, Client, Resource, Spent};
use crate::timer::{Elapsed, Timer};

mod answer;
mod attempt;
mod call;
mod response;
mod secure;
mod upload;

/// Serves one request and reports it. `timer` limits the waits for the upstream.
pub(crate) async fn serve<B: RequestBody, W: ResponseWriter>(
    gate: &Arc<Gate>,
    runtime: &Arc<Runtime>,
    (peer, connected): (Peer, &Arc<Client>),
    request: Incoming,
    body: &mut B,
    writer: &mut W,
    timer: &mut Timer,
) -> Ending {
    let mut exchange = Exchange::new(gate, runtime, peer, connected, request, timer);
    gate.metrics.open_requests.inc();
    let ending = exchange.run(body, writer).await;
    gate.metrics.open_requests.dec();
    exchange.finish();
    ending
}

struct Exchange<'a> {
    gate: &'a Arc<Gate>,
    runtime: &'a Arc<Runtime>,
    peer: Peer,
    trusted: bool,
    site: Arc<Site>,
    /// The other possible sites for host and path, if the rules of another site apply.
    ambiguity: Option<String>,
    request: Incoming,
    /// The response to an HTTP-01 challenge.
    challenge: Option<Bytes>,
    inspection: Option<Inspection>,
    record: Record,
    /// The client whose share is charged for everything held for this request.
    client: Arc<Client>,
    /// The charge for the request itself and for the engine's memory.
    counted: Charge,
    engine: Charge,
    /// Whether the request has no body, or its whole body has been read.
    body_read: bool,
    /// Whether no byte after the held part has been read, so that an upstream can still get the whole body.
    body_is_whole: bool,
    timer: &'a mut Timer,
}

impl<'a> Exchange<'a> {
    fn new(
        gate: &'a Arc<Gate>,
        runtime: &'a Arc<Runtime>,
        peer: Peer,
        connected: &Arc<Client>,
        request: Incoming,
        timer: &'a mut Timer,
    ) -> Self {
        let head = &request.head;
        let host = head.host().unwrap_or_default();
        let found = runtime.router.find(host, head.target());
        let site = found.site.unwrap_or(&runtime.unrouted);
        let (rules, ambiguity) = judged_by(runtime, site, &found);
        let fields = head.headers().iter().map(|field| (field.name(), field.value()));
        let client =
            client_address::resolve(peer.address, &runtime.trusted, runtime.forwarded_header, fields);
        let holder = match connected.is_at(client.ip()) {
            true => Arc::clone(connected),
            false => gate.shares.client(client.ip()),
        };
        let id = gate.services.ids.next(request.time);
        let challenge = challenge(gate, &request);
        let inspection = match &request.framing {
            _ if challenge.is_some() => None,
            Err(error) if !rules_may_see(error.fault) => None,
            _ => Inspection::begin(gate, runtime, rules, client, peer.local, id, request.time),
        };
        Self {
            gate,
            runtime,
            peer,
            trusted: client_address::is_trusted(&runtime.trusted, peer.address.ip()),
            site: Arc::clone(site),
            challenge,
            inspection,
            record: Record::new(id, client, ambiguity.clone()),
            counted: Charge::new(&holder, Resource::Requests),
            engine: Charge::new(&holder, Resource::Memory),
            client: holder,
            ambiguity,
            body_read: request.framing.as_ref().is_ok_and(|framing| framing.body.is_empty()),
            body_is_whole: true,
            request,
            timer,
        }
    }

    async fn run<B: RequestBody, W: ResponseWriter>(&mut self, body: &mut B, writer: &mut W) -> Ending {
        if let Err(Spent) = self.counted.set(1, self.runtime.limits.requests) {
            // the rules have not inspected its head
            self.inspection = None;
            return self.refuse_spent("requests", writer).await;
        }
        if let Some(authorization) = self.challenge.take() {
            return self.answer_challenge(authorization, writer).await;
        }
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) =
                inspection.request_head(&self.request.head, &self.request.protocol)
        {
            return self.intervene(intervention, writer).await;
        }
        if let Err(Spent) = self.count_engine() {
            return self.refuse_spent("memory", writer).await;
        }
        let framing = match &self.request.framing {
            Ok(framing) => framing.clone(),
            Err(error) => {
                let error = *error;
                // the rules of phase 2 name the error
                if let Some(inspection) = &mut self.inspection
                    && let Decision::Intervene(intervention) = inspection.request_body_done()
                {
                    return self.intervene(intervention, writer).await;
                }
                // versions below 1.0 have no version in the request line: the request is malformed, not unsupported
                let status = match self.request.head.version().major {
                    0 => 400,
                    _ => error.fault.status(),
                };
                return self.refuse(status, error.to_string(), writer).await;
            }
        };
        if self.runtime.ambiguous_path == AmbiguousPath::Refuse
            && let Some(ambiguity) = self.ambiguity.take()
        {
            return self.refuse(400, ambiguity, writer).await;
        }
        match self.https_location() {
            None => {}
            Some(Ok(location)) => return self.redirect(location, writer).await,
            Some(Err(what)) => return self.refuse(400, what, writer).await,
        }
        let grpc = self.is_grpc();
        if grpc {
            if self.inspection.is_some() {
                self.record.not_inspected(Uninspected::Grpc, None);
            }
            body.be_patient(self.site.timeouts.stream);
        }
        let mut held = Held::none();
        let mut inspects = false;
        if !self.body_read {
            inspects = !grpc && self.inspection.as_ref().is_some_and(Inspection::wants_request_body);
            // before the 100 Continue
            if inspects
                && let BodyFraming::Length(length) = framing.body
                && let Some(intervention) =
                    self.inspection.as_mut().and_then(|i| i.request_body_length(length))
            {
                return self.intervene(intervention, writer).await;
            }
            if framing.expect_continue && self.send_continue(writer).await.is_err() {
                return self.client_gone("client disconnected before its request body arrived");
            }
        }
        if inspects {
            held = Held::new(&self.client, KEPT_FOR_EVENTS);
            self.record.request_body(&held);
            if let Some(ending) = self.inspect_request_body(&held, body, writer).await {
                return ending;
            }
        }
        if let Some(inspection) = &mut self.inspection {
            if let Decision::Intervene(intervention) = inspection.request_body_done() {
                return self.intervene(intervention, writer).await;
            }
            if inspection.has_findings() {
                held.keep_for_event();
            }
        }
        if let Err(Spent) = self.count_engine() {
            return self.refuse_spent("memory", writer).await;
        }
        if !self.body_read {
            let length = match framing.body {
                BodyFraming::Length(length) => Some(length),
                _ => None,
            };
            if let Err(Spent) = body.pass_on(length, self.runtime.limits.held_bytes) {
                return self.refuse_spent("memory", writer).await;
            }
        }
        let site = Arc::clone(&self.site);
        match &site.upstreams {
            // boxed, because otherwise a request that waits for its body would be as large as the future of an upstream exchange
            Some(group) => Box::pin(self.forward(group, &framing, grpc, held, body, writer)).await,
            None => self.refuse(404, "no site for this host and path".to_owned(), writer).await,
        }
    }

    /// Whether the request is gRPC, which passes without buffering. Both sides must speak HTTP/2, as gRPC requires: otherwise the
    /// content type alone would bypass the rules.
    fn is_grpc(&self) -> bool {
        self.request.http2
            && self.request.head.headers().get("Content-Type").is_some_and(is_grpc)
            && self.site.upstreams.as_ref().is_some_and(|g| g.members().iter().all(|u| u.may_speak_http2()))
    }

    async fn send_continue<W: ResponseWriter>(&self, writer: &mut W) -> io::Result<()> {
        match ResponseHead::new(100, Headers::new()) {
            Ok(head) => writer.interim(&head).await,
            Err(_) => Ok(()),
        }
    }

    /// Reads the body up to the rules' limit. Returns an ending if that ends the exchange.
    async fn inspect_request_body<B: RequestBody, W: ResponseWriter>(
        &mut self,
        held: &Held,
        body: &mut B,
        writer: &mut W,
    ) -> Option<Ending> {
        loop {
            match self.next_piece(body).await {
                Ok(Some(piece)) => {
                    self.record.received += piece.len() as u64;
                    let progress =
                        self.inspection.as_mut().map_or(BodyProgress::Full, |i| i.request_body(&piece));
                    if let Err(Spent) = self.count_engine() {
                        return Some(self.refuse_spent("memory", writer).await);
                    }
                    let folder = &self.gate.services.spill_dir;
                    if let Err(error) = held.push(piece, &self.runtime.limits, folder).await {
                        return Some(self.not_held(&error, writer).await);
                    }
                    match progress {
                        BodyProgress::More => {}
                        BodyProgress::Full => return None,
                        BodyProgress::Decided(intervention) => {
                            return Some(self.intervene(intervention, writer).await);
                        }
                    }
                }
                Ok(None) => {
                    self.body_read = true;
                    return None;
                }
                Err(error) => {
                    return Some(self.body_failed(&error, writer).await);
                }
            }
        }
    }

    /// Returns the next piece of the body. The engine frees memory while the client is silent.
    async fn next_piece<B: RequestBody>(&mut self, body: &mut B) -> Result<Option<Bytes>, BodyError> {
        let crowded = self.gate.shares.used(Resource::Requests) > REST_AT_ONCE;
        let patience = if crowded { Duration::ZERO } else { REST_AFTER };
        let mut next = pin!(body.next());
        match self.timer.within(patience, &mut next).await {
            Ok(next) => next,
            Err(Elapsed) => {
                if let Some(inspection) = &mut self.inspection {
                    inspection.rest();
                }
                // the charge can only shrink
                let _ = self.count_engine();
                next.await
            }
        }
    }

    async fn body_failed<W: ResponseWriter>(&mut self, error: &BodyError, writer: &mut W) -> Ending {
        match error {
            BodyError::Malformed(fault) => self.refuse(fault.fault.status(), error.to_string(), writer).await,
            BodyError::Slow => self.refuse(408, error.to_string(), writer).await,
            BodyError::Gone(_) => self.client_gone(&error.to_string()),
            BodyError::Lost(_) => {
                self.record.action = Outcome::Failed;
                self.record.reason = Some(error.to_string());
                self.answer(503, None, writer).await
            }
        }
    }

    /// Charges the client for the engine's memory. Fails if it grew beyond the client's share.
    fn count_engine(&mut self) -> Result<(), Spent> {
        let size = self.inspection.as_ref().map_or(0, Inspection::memory_size);
        self.engine.set(size, self.runtime.limits.held_bytes)
    }

    /// Refuses a request because the client has used up its share of a resource.
    async fn refuse_spent<W: ResponseWriter>(&mut self, what: &'static str, writer: &mut W) -> Ending {
        self.gate.metrics.share_spent(what);
        let all = match what {
            "requests" => "concurrent requests (limits.requests)",
            _ => "memory for requests (limits.held_bytes)",
        };
        self.refuse(503, format!("this client has used up its share of the {all}"), writer).await
    }

    /// Responds with 503 because neither memory nor disk can hold the body.
    async fn not_held<W: ResponseWriter>(&mut self, error: &HoldError, writer: &mut W) -> Ending {
        self.gate.metrics.share_spent("disk");
        if let HoldError::Share(Spent) = error {
            return self.refuse(503, error.to_string(), writer).await;
        }
        self.record.action = Outcome::Failed;
        self.record.reason = Some(error.to_string());
        self.answer(503, None, writer).await
    }

    /// Runs phase 5 and records the event, once.
    fn report(&mut self) {
        self.record.report(
            self.gate,
            self.runtime,
            &self.site,
            &self.request,
            self.peer,
            &mut self.inspection,
        );
    }

    fn finish(&mut self) {
        self.record.finish(
            self.gate,
            self.runtime,
            &self.site,
            &self.request,
            self.peer,
            &mut self.inspection,
        );
    }

    fn client_gone(&mut self, reason: &str) -> Ending {
        self.record.reason = Some(reason.to_owned());
        Ending::Abort
    }
}

/// Returns the response to an HTTP-01 challenge. Other programs behind the gate may answer unknown tokens.
fn challenge(gate: &Gate, request: &Incoming) -> Option<Bytes> {
    let empty = request.framing.as_ref().is_ok_and(|framing| framing.body.is_empty());
    if !empty || request.head.method() != b"GET" {
        return None;
    }
    gate.services.managed.http_answer(request.head.target())
}

/// Returns the strictest rules of the sites that a request may mean, and the reason if they differ from its site's rules.
fn judged_by(runtime: &Runtime, site: &Site, found: &Found<'_, Arc<Site>>) -> (Rules, Option<String>) {
    if found.others.is_empty() && !found.any {
        return (site.rules, None);
    }
    let mut rules = site.rules;
    let mut names = Vec::new();
    for other in &found.others {
        rules = rules.stricter(other.map_or(runtime.strictest, |other| other.rules));
        names.push(other.map_or_else(|| "no site".to_owned(), |other| format!("`{}`", other.name)));
    }
    if found.any {
        rules = rules.stricter(runtime.strictest);
        names = vec!["any site".to_owned()];
    }
    let refused = runtime.ambiguous_path == AmbiguousPath::Refuse;
    let ambiguity = (rules != site.rules || refused).then(|| {
        format!("host and path may mean `{}` or {}: the strictest rules apply", site.name, names.join(", "))
    });
    (rules, ambiguity)
}

fn is_grpc(kind: &[u8]) -> bool {
    // application/grpc, application/grpc+proto; but not application/grpc-web, which is plain HTTP
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
