//! One request through all phases, whatever protocol it came by.
//!
//! Rules run inline: a phase costs tens of microseconds to some milliseconds, less than a change of threads and its
//! effects on the caches would for most requests.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::{Action, Timestamp, Uninspected};
use http1::{BodyFraming, Fault, Headers, RequestFraming, RequestHead, ResponseHead, ResponseKind, Version};
use tokio::sync::Notify;

use crate::block_page::{self, Facts};
use crate::client_address;
use crate::forward::Forward;
use crate::gate::{Gate, Runtime, Site};
use crate::held::{BudgetSpent, Held};
use crate::inspection::{Decision, Inspection, Intervention, Progress};
use crate::limits::{ATTEMPTS, INTERIM_RESPONSES};
use crate::record::Record;
use crate::stream::{Reader, Writer};
use crate::upstream::call::{self, Receiver, Sender};
use crate::upstream::h1::in_time;
use crate::upstream::{Connection, Failure, Group, Upstream, h2};

/// The connection that requests come by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Who connected, as the socket or a trusted PROXY header says.
    pub address: SocketAddr,
    /// Where to.
    pub local: SocketAddr,
    /// By TLS.
    pub tls: bool,
}

/// A request whose head has come.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub head: RequestHead,
    /// What the head means, or why it must not be acted upon; the rules see it all the same.
    pub framing: Result<RequestFraming, http1::Error>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`; in a head that is refused for its version, that one.
    pub protocol: Cow<'static, str>,
    /// Whether it came by HTTP/2.
    pub http2: bool,
    pub time: Timestamp,
    pub began: Instant,
}

/// Why a request's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("malformed request body: {0}")]
    Malformed(http1::Error),
    #[error("request body came too slowly")]
    Slow,
    #[error("client went away: {0}")]
    Gone(io::Error),
}

/// A request's body as it comes from the client.
pub(crate) trait RequestBody: Send {
    /// The next piece; none at the end. Nothing is lost if this is not awaited to its end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyError>> + Send;
    /// Silence is no fault from here on: the client and the upstream talk as they like.
    fn be_patient(&mut self, silence: Duration);
    /// Waits, after the end of the body, until the client has closed its side.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// The way of a response to the client. Heads and data may wait in a buffer until `flush` or `end`.
pub(crate) trait ResponseWriter: Send {
    /// Sends a 1xx response, where the protocol has them.
    fn interim(&mut self, head: &ResponseHead) -> impl Future<Output = io::Result<()>> + Send;
    /// Sends the final head, its hop-by-hop fields removed. `persist` is whether the connection may carry another
    /// request.
    fn head(&mut self, head: &ResponseHead, body: BodyFraming, persist: bool) -> io::Result<()>;
    fn data(&mut self, data: Bytes) -> impl Future<Output = io::Result<()>> + Send;
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    fn end(&mut self, trailers: Headers) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits until the client no longer wants the response, where the protocol can say so.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// How an exchange leaves the client's connection.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The answer is complete, and another request may follow.
    Persist,
    /// The answer is complete, and told the client that the connection ends.
    Close,
    /// Nothing more can or shall be said.
    Abort,
    /// The connection belongs to this upstream connection now.
    Tunnel { upstream: (Reader, Writer), idle: Duration },
}

/// Serves one request and reports it.
pub(crate) async fn serve<B: RequestBody, W: ResponseWriter>(
    gate: &Arc<Gate>,
    runtime: &Arc<Runtime>,
    peer: Peer,
    request: Incoming,
    body: &mut B,
    writer: &mut W,
) -> Ending {
    let mut exchange = Exchange::new(gate, runtime, peer, request);
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
    request: Incoming,
    inspection: Option<Inspection>,
    record: Record,
    /// Whether the request has no body, or all of it has been read.
    body_read: bool,
}

/// What an attempt at an upstream came to.
enum Attempt {
    Ended(Ending),
    /// Nothing has been sent to the client yet.
    Failed(Failure),
}

impl<'a> Exchange<'a> {
    fn new(gate: &'a Arc<Gate>, runtime: &'a Arc<Runtime>, peer: Peer, request: Incoming) -> Self {
        let head = &request.head;
        let host = head.host().unwrap_or_default();
        let site = runtime.router.find(host, head.target()).unwrap_or(&runtime.unrouted);
        let fields = head.headers().iter().map(|field| (field.name(), field.value()));
        let client =
            client_address::resolve(peer.address, &runtime.trusted, runtime.forwarded_header, fields);
        let id = gate.services.ids.next(request.time);
        let inspection = match &request.framing {
            Err(error) if !rules_may_see(error.fault) => None,
            _ => Inspection::begin(gate, runtime, site.waf, client, peer.local, id, request.time),
        };
        Self {
            gate,
            runtime,
            peer,
            trusted: client_address::is_trusted(&runtime.trusted, peer.address.ip()),
            site: Arc::clone(site),
            inspection,
            record: Record::new(id, client),
            body_read: request.framing.as_ref().is_ok_and(|framing| framing.body.is_empty()),
            request,
        }
    }

    async fn run<B: RequestBody, W: ResponseWriter>(&mut self, body: &mut B, writer: &mut W) -> Ending {
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) =
                inspection.request_head(&self.request.head, &self.request.protocol)
        {
            return self.intervene(intervention, writer).await;
        }
        let framing = match &self.request.framing {
            Ok(framing) => framing.clone(),
            Err(error) => {
                let error = *error;
                // phase 2 holds the rules that name what is wrong
                if let Some(inspection) = &mut self.inspection
                    && let Decision::Intervene(intervention) = inspection.request_body_done()
                {
                    return self.intervene(intervention, writer).await;
                }
                return self.refuse(error.fault.status(), error.to_string(), writer).await;
            }
        };
        let grpc = self.is_grpc();
        if grpc {
            if self.inspection.is_some() {
                self.record.not_inspected(Uninspected::Grpc, None);
            }
            body.be_patient(self.site.timeouts.stream);
        }
        let mut held = Held::new(&self.gate.budget);
        let mut inspects = false;
        if !self.body_read {
            inspects = !grpc && self.inspection.as_ref().is_some_and(Inspection::wants_request_body);
            if framing.expect_continue && self.send_continue(writer).await.is_err() {
                return self.client_gone("client went away before its request body");
            }
        }
        if inspects && let Some(ending) = self.inspect_request_body(&mut held, body, writer).await {
            return ending;
        }
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) = inspection.request_body_done()
        {
            self.record.request_body(&held);
            return self.intervene(intervention, writer).await;
        }
        self.record.request_body(&held);
        let site = Arc::clone(&self.site);
        match &site.upstreams {
            Some(group) => self.forward(group, &framing, grpc, held, body, writer).await,
            None => self.refuse(404, "no site for this host and path".to_owned(), writer).await,
        }
    }

    /// gRPC goes through without buffering, but only where both sides speak HTTP/2, as gRPC must: the type alone
    /// would be a way around the rules.
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

    /// Reads the body up to the rules' limit. An ending when the exchange ends here.
    async fn inspect_request_body<B: RequestBody, W: ResponseWriter>(
        &mut self,
        held: &mut Held,
        body: &mut B,
        writer: &mut W,
    ) -> Option<Ending> {
        loop {
            match body.next().await {
                Ok(Some(piece)) => {
                    self.record.received += piece.len() as u64;
                    let progress =
                        self.inspection.as_mut().map_or(Progress::Full, |i| i.request_body(&piece));
                    if let Err(BudgetSpent) = held.push(piece, self.runtime.limits.held_bytes) {
                        let reason = "too many bodies are held for inspection".to_owned();
                        return Some(self.refuse(503, reason, writer).await);
                    }
                    match progress {
                        Progress::More => {}
                        Progress::Full => return None,
                        Progress::Decided(intervention) => {
                            self.record.request_body(held);
                            return Some(self.intervene(intervention, writer).await);
                        }
                    }
                }
                Ok(None) => {
                    self.body_read = true;
                    return None;
                }
                Err(error) => {
                    self.record.request_body(held);
                    return Some(self.body_failed(&error, writer).await);
                }
            }
        }
    }

    async fn body_failed<W: ResponseWriter>(&mut self, error: &BodyError, writer: &mut W) -> Ending {
        match error {
            BodyError::Malformed(fault) => self.refuse(fault.fault.status(), error.to_string(), writer).await,
            BodyError::Slow => self.refuse(408, error.to_string(), writer).await,
            BodyError::Gone(_) => self.client_gone(&error.to_string()),
        }
    }

    /// Finds an upstream, and another where the first fails before it can have seen the request, or breaks off
    /// without an answer to an idempotent request without a body.
    async fn forward<B: RequestBody, W: ResponseWriter>(
        &mut self,
        group: &Group,
        framing: &RequestFraming,
        grpc: bool,
        mut held: Held,
        body: &mut B,
        writer: &mut W,
    ) -> Ending {
        self.note_uninspected_request(framing.body, grpc, held.len() as u64);
        let upgrade = framing.upgrade && is_websocket(self.request.head.headers());
        let repeatable = framing.body.is_empty() && is_idempotent(self.request.head.method());
        let mut tried: Vec<Arc<str>> = Vec::new();
        let mut fresh = false;
        let mut again: Option<Arc<Upstream>> = None;
        let mut last: Option<Failure> = None;
        for _ in 0..ATTEMPTS {
            let Some(upstream) = again.take().or_else(|| group.choose(&tried)) else { break };
            self.record.upstream = Some(Arc::clone(&upstream.name));
            let http1 = upgrade || (upstream.may_speak_http2() && !h2::can_carry(&self.request.head));
            let started = Instant::now();
            let (attempt, reused) = match upstream.connection(http1, std::mem::take(&mut fresh)).await {
                Ok(connection) => {
                    let reused = !matches!(connection, Connection::Http1 { reused: false, .. });
                    let call = Call { upstream: &upstream, framing, upgrade, grpc, started };
                    (self.attempt(&call, connection, &mut held, body, writer).await, reused)
                }
                Err(failure) => (Attempt::Failed(failure), false),
            };
            let failure = match attempt {
                Attempt::Ended(ending) => return ending,
                Attempt::Failed(failure) => failure,
            };
            upstream.report(Some(&failure));
            tracing::debug!(upstream = %upstream.name, %failure, "attempt failed");
            let stale = reused && failure.is_without_response();
            let repeat = failure.is_before_request() || (repeatable && failure.is_without_response());
            last = Some(failure);
            if !repeat {
                break;
            }
            if stale {
                // the upstream closed a kept connection while the request was on its way: ask it once more
                fresh = true;
                again = Some(upstream);
            } else {
                tried.push(Arc::clone(&upstream.name));
            }
        }
        let failure = last.unwrap_or(Failure::Closed);
        self.record.action = Action::Failed;
        self.record.reason = Some(failure.to_string());
        self.answer(failure.status(), None, writer).await
    }

    /// Notes how much of the request's body rules have not seen: what comes after their limit, or all of it.
    fn note_uninspected_request(&mut self, body: BodyFraming, grpc: bool, held: u64) {
        let Some(inspection) = &self.inspection else { return };
        let seen = inspection.inspected_request_bytes();
        if grpc || body.is_empty() || (self.body_read && held <= seen) {
            return;
        }
        let length = match body {
            BodyFraming::Length(length) => Some(length),
            _ if self.body_read => Some(held),
            _ => None,
        };
        self.record.not_inspected(Uninspected::RequestBody, length.map(|length| length.saturating_sub(seen)));
    }

    /// One attempt: the request's body goes up while the response comes down.
    async fn attempt<B: RequestBody, W: ResponseWriter>(
        &mut self,
        call: &Call<'_>,
        connection: Connection,
        held: &mut Held,
        body: &mut B,
        writer: &mut W,
    ) -> Attempt {
        let http2 = matches!(connection, Connection::Http2(_));
        let framing = match call.framing.body {
            // over HTTP/2 the end of the stream ends the body
            BodyFraming::Length(1..) if http2 => BodyFraming::Chunked,
            other => other,
        };
        let begun = {
            let forward =
                Forward::new(&self.request.head, self.peer.address.ip(), self.trusted, self.peer.tls);
            call::begin(call.upstream, connection, &forward, framing, call.upgrade)
        };
        let (mut sender, mut receiver) = match begun {
            Ok(halves) => halves,
            Err(failure) => return Attempt::Failed(failure),
        };
        let upload = Upload::default();
        let send = upload.run(held.pieces(), self.body_read, body, &mut sender);
        let receive = self.receive(call, &upload, &mut receiver, writer);
        let received = {
            tokio::pin!(send, receive);
            let mut sending = true;
            loop {
                tokio::select! {
                    biased;
                    stopped = &mut send, if sending => match stopped {
                        // the upstream may have answered without reading all: its answer decides
                        Stopped::Upstream => sending = false,
                        Stopped::Client(error) => break Err(error),
                    },
                    received = &mut receive => break Ok(received),
                }
            }
        };
        self.record.received += upload.bytes.load(Ordering::Relaxed);
        let complete = upload.is_done();
        self.body_read |= complete;
        match received {
            Err(error) if self.record.status == 0 => Attempt::Ended(self.body_failed(&error, writer).await),
            Err(error) => {
                let reason = error.to_string();
                Attempt::Ended(self.client_gone(&reason))
            }
            Ok(Received::Failed(failure)) => Attempt::Failed(failure),
            Ok(Received::Cut(failure)) => {
                call.upstream.report(Some(&failure));
                self.record.action = Action::Failed;
                self.record.reason = Some(failure.to_string());
                Attempt::Ended(Ending::Abort)
            }
            Ok(Received::ClientGone) => {
                Attempt::Ended(self.client_gone("client went away during the response"))
            }
            Ok(Received::Intervened(intervention)) => {
                Attempt::Ended(self.intervene(intervention, writer).await)
            }
            Ok(Received::Spent) => {
                let reason = "too many bodies are held for inspection".to_owned();
                Attempt::Ended(self.refuse(503, reason, writer).await)
            }
            Ok(Received::Tunnel) => Attempt::Ended(match call::into_tunnel(sender, receiver) {
                Some(upstream) => Ending::Tunnel { upstream, idle: self.runtime.timeouts.tunnel },
                None => Ending::Abort,
            }),
            Ok(Received::Complete { keep_alive, persist }) => {
                call.upstream.report(None);
                if keep_alive && complete {
                    call::keep(call.upstream, sender, receiver);
                }
                Attempt::Ended(if persist { Ending::Persist } else { Ending::Close })
            }
        }
    }

    /// The response's way: phases 3 and 4, then on to the client.
    async fn receive<W: ResponseWriter>(
        &mut self,
        call: &Call<'_>,
        upload: &Upload,
        receiver: &mut Receiver,
        writer: &mut W,
    ) -> Received {
        let method = self.request.head.method_bytes().clone();
        let limits = self.runtime.limits.head();
        let timeout = call.upstream.settings.timeouts.response;
        let mut interim = 0;
        let (mut head, framing) = loop {
            let wait = upload.then_within(timeout, receiver.head(&method, call.upgrade, &limits));
            let response = tokio::select! {
                biased;
                response = wait => response,
                () = writer.gone() => return Received::ClientGone,
            };
            let (head, framing) = match response {
                Ok(response) => response,
                Err(failure) => return Received::Failed(failure),
            };
            match framing.kind {
                ResponseKind::Final => break (head, framing),
                ResponseKind::SwitchingProtocols => return self.switch(head, writer).await,
                // we have told the client to go on ourselves
                ResponseKind::Interim if head.status() == 100 => {}
                ResponseKind::Interim => {
                    if self.request.head.version() >= Version::HTTP_11 && writer.interim(&head).await.is_err()
                    {
                        return Received::ClientGone;
                    }
                }
            }
            interim += 1;
            if interim > INTERIM_RESPONSES {
                return Received::Failed(Failure::Interim);
            }
        };
        self.record.upstream_time = Some(call.started.elapsed());
        let events = head.headers().get("Content-Type").is_some_and(is_event_stream);
        let streams = events || call.grpc;
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) = inspection.response_head(&head)
        {
            return Received::Intervened(intervention);
        }
        let mut held = Held::new(&self.gate.budget);
        let mut at_end = framing.body.is_empty();
        let mut limit_met = false;
        let wants = self.inspection.as_ref().is_some_and(Inspection::wants_response_body);
        if events && self.inspection.is_some() {
            self.record.not_inspected(Uninspected::Sse, None);
        }
        if wants && !streams && !at_end {
            match self.inspect_response_body(&mut held, receiver, timeout).await {
                Ok(Inspected::Whole) => at_end = true,
                Ok(Inspected::UpToLimit) => limit_met = true,
                Err(received) => return received,
            }
        }
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) = inspection.response_body_done()
        {
            return Received::Intervened(intervention);
        }
        if self.inspection.is_some() && !events && !call.grpc {
            match framing.body {
                // the limit fell within a piece: the engine does not say where
                _ if limit_met => self.record.not_inspected(Uninspected::ResponseBody, None),
                BodyFraming::Length(length) if !at_end => {
                    self.record.not_inspected(Uninspected::ResponseBody, Some(length));
                }
                _ if !at_end => self.record.not_inspected(Uninspected::ResponseBody, None),
                _ => {}
            }
        }
        head.headers_mut().strip_hop_by_hop();
        let persist = upload.is_done();
        let head = self.begin_answer(head);
        if writer.head(&head, framing.body, persist).is_err() {
            return Received::ClientGone;
        }
        for piece in held.pieces() {
            self.record.sent += piece.len() as u64;
            if writer.data(piece.clone()).await.is_err() {
                return Received::ClientGone;
            }
        }
        drop(held);
        if streams {
            upload.watch_client.notify_one();
        }
        let silence = if streams { call.upstream.settings.timeouts.stream } else { timeout };
        while !at_end {
            // what is there already is joined with what waits; before a wait, all goes out
            let ready = tokio::select! {
                biased;
                piece = receiver.next() => Some(piece),
                () = std::future::ready(()) => None,
            };
            let next = match ready {
                Some(next) => next,
                None => {
                    if writer.flush().await.is_err() {
                        return Received::ClientGone;
                    }
                    tokio::select! {
                        biased;
                        next = in_time(silence, receiver.next()) => next,
                        () = writer.gone() => return Received::ClientGone,
                    }
                }
            };
            match next {
                Ok(Some(piece)) => {
                    self.record.sent += piece.len() as u64;
                    if writer.data(piece).await.is_err() {
                        return Received::ClientGone;
                    }
                }
                Ok(None) => at_end = true,
                Err(failure) => {
                    // what came before the break still belongs to the client
                    let _ = writer.flush().await;
                    return Received::Cut(failure);
                }
            }
        }
        if writer.end(receiver.trailers()).await.is_err() {
            return Received::ClientGone;
        }
        Received::Complete { keep_alive: framing.keep_alive, persist }
    }

    async fn inspect_response_body(
        &mut self,
        held: &mut Held,
        receiver: &mut Receiver,
        timeout: Duration,
    ) -> Result<Inspected, Received> {
        loop {
            match in_time(timeout, receiver.next()).await {
                Ok(Some(piece)) => {
                    let progress =
                        self.inspection.as_mut().map_or(Progress::Full, |i| i.response_body(&piece));
                    if let Err(BudgetSpent) = held.push(piece, self.runtime.limits.held_bytes) {
                        return Err(Received::Spent);
                    }
                    match progress {
                        Progress::More => {}
                        Progress::Full => return Ok(Inspected::UpToLimit),
                        Progress::Decided(intervention) => {
                            return Err(Received::Intervened(intervention));
                        }
                    }
                }
                Ok(None) => return Ok(Inspected::Whole),
                Err(failure) => return Err(Received::Failed(failure)),
            }
        }
    }

    /// 101: the rules have seen the request and see the head of the answer; what follows is another protocol.
    async fn switch<W: ResponseWriter>(&mut self, head: ResponseHead, writer: &mut W) -> Received {
        if let Some(inspection) = &mut self.inspection {
            if let Decision::Intervene(intervention) = inspection.response_head(&head) {
                return Received::Intervened(intervention);
            }
            self.record.not_inspected(Uninspected::Websocket, None);
        }
        let head = self.begin_answer(head);
        if writer.interim(&head).await.is_err() { Received::ClientGone } else { Received::Tunnel }
    }

    /// Before a final head leaves: so that every answer that rules had a say in has its event.
    fn begin_answer(&mut self, head: ResponseHead) -> Arc<ResponseHead> {
        let head = Arc::new(head);
        self.record.status = head.status();
        self.record.response = Some(Arc::clone(&head));
        let noteworthy = matches!(self.record.action, Action::Blocked | Action::Refused | Action::Failed)
            || self.inspection.as_ref().is_some_and(Inspection::has_matches);
        if noteworthy {
            self.report();
        }
        head
    }

    /// Phase 5 and the event, once.
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

    async fn intervene<W: ResponseWriter>(&mut self, intervention: Intervention, writer: &mut W) -> Ending {
        self.record.action = Action::Blocked;
        let pause = self.inspection.as_ref().map_or(Duration::ZERO, Inspection::pause);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        match intervention {
            Intervention::Deny { status } => self.answer(status, None, writer).await,
            Intervention::Redirect { status, location } => self.answer(status, Some(location), writer).await,
            Intervention::Drop => {
                self.report();
                Ending::Abort
            }
        }
    }

    async fn refuse<W: ResponseWriter>(&mut self, status: u16, reason: String, writer: &mut W) -> Ending {
        self.record.action = Action::Refused;
        self.record.reason = Some(reason);
        self.answer(status, None, writer).await
    }

    fn client_gone(&mut self, reason: &str) -> Ending {
        self.record.reason = Some(reason.to_owned());
        Ending::Abort
    }

    /// The gate's own answer.
    async fn answer<W: ResponseWriter>(
        &mut self,
        status: u16,
        location: Option<Vec<u8>>,
        writer: &mut W,
    ) -> Ending {
        let id = self.record.id.to_string();
        let client = self.record.client.ip().to_string();
        let head = &self.request.head;
        let facts = Facts { status, event_id: &id, host: head.host().unwrap_or_default(), client: &client };
        let accept = head.headers().get("Accept").unwrap_or_default();
        let (answer, page) = own_answer(&self.runtime.block_page, &facts, accept, location);
        let without_body = head.method() == b"HEAD";
        let persist = self.body_read && self.request.framing.is_ok();
        let answer = self.begin_answer(answer);
        let body = if without_body { BodyFraming::None } else { BodyFraming::Length(page.len() as u64) };
        let sent = async {
            writer.head(&answer, body, persist)?;
            if !without_body {
                self.record.sent += page.len() as u64;
                writer.data(page).await?;
            }
            writer.end(Headers::new()).await
        };
        match sent.await {
            Ok(()) if persist => Ending::Persist,
            Ok(()) => Ending::Close,
            Err(_) => Ending::Abort,
        }
    }
}

/// Head and body of an answer by the gate itself.
pub(crate) fn own_answer(
    template: &block_page::BlockPage,
    facts: &Facts<'_>,
    accept: &[u8],
    location: Option<Vec<u8>>,
) -> (ResponseHead, Bytes) {
    let (kind, page) = if block_page::prefers_json(accept) {
        ("application/json", template.json(facts))
    } else {
        ("text/html; charset=utf-8", template.html(facts))
    };
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut fields = Headers::new();
    for (name, value) in [
        ("Date", date.into_bytes()),
        ("Content-Type", kind.as_bytes().to_vec()),
        ("Content-Length", page.len().to_string().into_bytes()),
        ("Cache-Control", b"no-store".to_vec()),
    ]
    .into_iter()
    .chain(location.map(|location| ("Location", location)))
    {
        // a location with control characters, from a rule's macro, is left out
        let _ = fields.push(name, value);
    }
    let status = if (200..=599).contains(&facts.status) { facts.status } else { 403 };
    match ResponseHead::new(status, fields) {
        Ok(head) => (head, page),
        Err(_) => unreachable_head(page),
    }
}

#[expect(
    clippy::expect_used,
    reason = "500 lies between 100 and 999, which is all that is asked of a status"
)]
fn unreachable_head(page: Bytes) -> (ResponseHead, Bytes) {
    (ResponseHead::new(500, Headers::new()).expect("a valid status"), page)
}

/// What stays the same over an attempt.
struct Call<'a> {
    upstream: &'a Upstream,
    framing: &'a RequestFraming,
    upgrade: bool,
    grpc: bool,
    started: Instant,
}

/// What the response's way came to.
enum Received {
    Complete {
        keep_alive: bool,
        persist: bool,
    },
    Intervened(Intervention),
    Tunnel,
    ClientGone,
    /// Nothing has been sent to the client yet.
    Failed(Failure),
    /// The response broke off after its head.
    Cut(Failure),
    /// The budget for held bodies is spent.
    Spent,
}

/// How much of a response's body rules have seen.
enum Inspected {
    Whole,
    UpToLimit,
}

/// Why the request's way ended before the response's.
enum Stopped {
    Upstream,
    Client(BodyError),
}

/// The request's way, as far as the response's way needs to know of it.
struct Upload {
    bytes: AtomicU64,
    /// Microseconds after `began` at which the whole request was sent, plus one; 0 before.
    done: AtomicU64,
    began: Instant,
    /// Told when the response has become a stream without an end: then a client that closes is gone.
    watch_client: Notify,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            done: AtomicU64::new(0),
            began: Instant::now(),
            watch_client: Notify::new(),
        }
    }
}

impl Upload {
    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed) != 0
    }

    /// Sends the held part and then, unless that is all, what comes from the client. Resolves only where something
    /// goes wrong, or the client leaves a stream.
    async fn run<B: RequestBody>(
        &self,
        held: &[Bytes],
        complete: bool,
        body: &mut B,
        sender: &mut Sender,
    ) -> Stopped {
        match self.send(held, complete, body, sender).await {
            Ok(()) => {
                let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
                self.done.store(micros + 1, Ordering::Relaxed);
                self.watch_client.notified().await;
                body.gone().await;
                Stopped::Client(BodyError::Gone(io::ErrorKind::ConnectionAborted.into()))
            }
            Err(stopped) => stopped,
        }
    }

    async fn send<B: RequestBody>(
        &self,
        held: &[Bytes],
        complete: bool,
        body: &mut B,
        sender: &mut Sender,
    ) -> Result<(), Stopped> {
        let upstream = |_: io::Error| Stopped::Upstream;
        for piece in held {
            sender.data(piece.clone()).await.map_err(upstream)?;
        }
        if !complete {
            loop {
                let ready = tokio::select! {
                    biased;
                    piece = body.next() => Some(piece),
                    () = std::future::ready(()) => None,
                };
                let next = match ready {
                    Some(next) => next,
                    None => {
                        sender.flush().await.map_err(upstream)?;
                        body.next().await
                    }
                };
                let Some(piece) = next.map_err(Stopped::Client)? else { break };
                self.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                sender.data(piece).await.map_err(upstream)?;
            }
        }
        sender.finish().await.map_err(upstream)
    }

    /// Waits for `step`, at most `limit` long after the request has been sent.
    async fn then_within<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::pin!(step);
        let mut wait = limit;
        loop {
            if let Ok(result) = tokio::time::timeout(wait, &mut step).await {
                return result;
            }
            wait = match self.done.load(Ordering::Relaxed) {
                0 => limit,
                done => {
                    let since = self.began.elapsed().saturating_sub(Duration::from_micros(done - 1));
                    match limit.checked_sub(since) {
                        Some(left) if !left.is_zero() => left,
                        _ => return Err(Failure::ResponseTimeout(limit)),
                    }
                }
            };
        }
    }
}

/// Whether rules run on a request that is refused for what its head means. Where it is not even certain which bytes
/// are the request, they do not (nor do ModSecurity's under Apache): the event holds the head as it came.
fn rules_may_see(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::UnsupportedVersion
            | Fault::Connect
            | Fault::BadTarget
            | Fault::MissingHost
            | Fault::TwoHosts
            | Fault::BadHost
            | Fault::HostMismatch
    )
}

fn is_grpc(kind: &[u8]) -> bool {
    // application/grpc, application/grpc+proto; not application/grpc-web, which is plain HTTP
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn is_event_stream(kind: &[u8]) -> bool {
    let media = kind.split(|b| *b == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Only WebSocket is let through: an upgrade to h2c would carry requests past the rules.
fn is_websocket(fields: &Headers) -> bool {
    let mut upgrades = fields.list("Upgrade");
    upgrades.next().is_some_and(|first| first.eq_ignore_ascii_case(b"websocket")) && upgrades.next().is_none()
}

/// RFC 9110 §9.2.2.
fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
}
