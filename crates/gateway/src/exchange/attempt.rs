//! Attempts at upstreams: choice, retries, and both directions of one attempt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use event::{Outcome, Uninspected};
use http1::{BodyFraming, RequestFraming};

use super::Exchange;
use super::call::{Call, Received};
use super::upload::{Stopped, Upload};
use crate::forward::Forward;
use crate::held::Held;
use crate::incoming::{Ending, RequestBody, ResponseWriter};
use crate::inspection::Inspection;
use crate::limits::ATTEMPTS;
use crate::upgrade;
use crate::upstream::{Connection, Failure, Group, Upstream, call, h2};

/// The outcome of an attempt at an upstream.
enum Attempt {
    Ended(Ending),
    /// Failed before any byte was sent to the client.
    Failed(Failure),
}

impl Exchange<'_> {
    /// Forwards the request to an upstream. Tries another one if the first fails before it can have read the request, or closes
    /// the connection without a response to an idempotent request without a body.
    pub(super) async fn forward<B: RequestBody, W: ResponseWriter>(
        &mut self,
        group: &Group,
        framing: &RequestFraming,
        grpc: bool,
        held: Held,
        body: &mut B,
        writer: &mut W,
    ) -> Ending {
        self.note_uninspected_request(framing.body, grpc, held.len() as u64);
        let allowed = self.site.upgrades.as_deref();
        let upgrade =
            framing.upgrade.then(|| upgrade::wanted(self.request.head.headers(), allowed)).flatten();
        let repeatable = framing.body.is_empty() && is_idempotent(self.request.head.method());
        let mut tried: Vec<Arc<str>> = Vec::new();
        let mut fresh = false;
        let mut again: Option<Arc<Upstream>> = None;
        let mut last: Option<Failure> = None;
        for _ in 0..ATTEMPTS {
            let Some(upstream) = again.take().or_else(|| group.choose(&tried)) else { break };
            self.record.upstream = Some(Arc::clone(&upstream.name));
            let http1 =
                upgrade.is_some() || (upstream.may_speak_http2() && !h2::can_carry(&self.request.head));
            let started = Instant::now();
            let anew = std::mem::take(&mut fresh);
            let connected = tokio::select! {
                biased;
                connected = upstream.connection(http1, anew) => connected,
                () = writer.gone() => return self.client_gone("client disconnected before its request was forwarded"),
            };
            let (attempt, reused) = match connected {
                Ok(connection) => {
                    let reused = !matches!(connection, Connection::Http1 { reused: false, .. });
                    let upgrade = upgrade.as_deref();
                    let call = Call { upstream: &upstream, framing, upgrade, grpc, started };
                    (self.attempt(&call, connection, &held, body, writer).await, reused)
                }
                Err(failure) => (Attempt::Failed(failure), false),
            };
            let failure = match attempt {
                Attempt::Ended(ending) => return ending,
                Attempt::Failed(failure) => failure,
            };
            upstream.report(Some(&failure));
            tracing::debug!(upstream = %upstream.name, %failure, "attempt failed");
            let stale = reused && !anew && failure.is_without_response();
            // rules that inspected one response must not inspect another
            let unseen = self.record.upstream_time.is_none();
            let repeat = unseen
                && (failure.is_before_request() || (repeatable && failure.is_without_response()))
                && self.body_is_whole
                && held.rewind();
            last = Some(failure);
            if !repeat {
                break;
            }
            if stale {
                // the upstream closed a kept connection while the request was in flight: retry once
                fresh = true;
                again = Some(upstream);
            } else {
                tried.push(Arc::clone(&upstream.name));
            }
        }
        let failure = last.unwrap_or(Failure::Closed);
        self.record.action = Outcome::Failed;
        self.record.reason = Some(failure.to_string());
        self.answer(failure.status(), None, writer).await
    }

    /// Records how much of the request body the rules did not inspect: the part beyond their limit, or all of it.
    fn note_uninspected_request(&mut self, body: BodyFraming, grpc: bool, held: u64) {
        let Some(inspection) = &self.inspection else { return };
        let seen = inspection.inspected_request_bytes() as u64;
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

    /// Makes one attempt: sends the request body while the response arrives.
    async fn attempt<B: RequestBody, W: ResponseWriter>(
        &mut self,
        call: &Call<'_>,
        connection: Connection,
        held: &Held,
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
            let (head, peer) = (&self.request.head, &self.peer);
            let authority = &call.upstream.authority;
            let inspects = self.inspection.as_ref().is_some_and(Inspection::reads_response_bodies);
            let forward =
                Forward::new(head, peer.address.ip(), self.trusted, peer.tls, authority).inspected(inspects);
            call::begin(call.upstream, connection, &forward, framing, call.upgrade)
        };
        let (mut sender, mut receiver) = match begun {
            Ok(halves) => halves,
            Err(failure) => return Attempt::Failed(failure),
        };
        let upload = Upload::default();
        let send = upload.run(held, self.body_read, body, &mut sender);
        let receive = self.receive(call, &upload, &mut receiver, writer);
        let received = {
            tokio::pin!(send, receive);
            let mut sending = true;
            loop {
                tokio::select! {
                    biased;
                    stopped = &mut send, if sending => match stopped {
                        // the upstream may have responded without reading the whole body: its response decides
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
        self.body_is_whole &= !upload.touched.load(Ordering::Relaxed);
        match received {
            Err(error) if self.record.status == 0 => Attempt::Ended(self.body_failed(&error, writer).await),
            Err(error) => {
                let reason = error.to_string();
                Attempt::Ended(self.client_gone(&reason))
            }
            Ok(Received::Failed(failure)) => Attempt::Failed(failure),
            Ok(Received::Cut(failure)) => {
                call.upstream.report(Some(&failure));
                self.record.action = Outcome::Failed;
                self.record.reason = Some(failure.to_string());
                Attempt::Ended(Ending::Abort)
            }
            Ok(Received::ClientGone) => {
                Attempt::Ended(self.client_gone("client disconnected during the response"))
            }
            Ok(Received::Intervened(intervention)) => {
                Attempt::Ended(self.intervene(intervention, writer).await)
            }
            Ok(Received::Spent) => Attempt::Ended(self.refuse_spent("memory", writer).await),
            Ok(Received::NotHeld(error)) => Attempt::Ended(self.not_held(&error, writer).await),
            Ok(Received::Lost(error)) => {
                self.record.action = Outcome::Failed;
                self.record.reason = Some(format!("cannot read the held response back: {error}"));
                Attempt::Ended(Ending::Abort)
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
}

/// Whether a method is idempotent (RFC 9110 §9.2.2).
fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
}
