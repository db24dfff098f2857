//! Receives the response, runs phases 3 and 4, and sends it to the client.

use std::sync::atomic::Ordering;
use std::time::Duration;

use event::Uninspected;
use http1::{BodyFraming, Fault, ResponseHead, ResponseKind, Version};
use waf::{BodyProgress, Decision};

use super::Exchange;
use super::call::{Call, Received};
use super::upload::Upload;
use crate::decoding::{Decoder, Step};
use crate::forward::plain_length;
use crate::held::Held;
use crate::incoming::ResponseWriter;
use crate::inspection::{Inspection, is_event_stream};
use crate::limits::{ENCODED_SLACK, INTERIM_RESPONSES};
use crate::share::Spent;
use crate::timer::Timer;
use crate::upgrade;
use crate::upstream::Failure;
use crate::upstream::call::Receiver;

/// The extent to which rules inspected a response body.
enum Inspected {
    Whole,
    /// The whole body arrived, but not in the coding that its head declares.
    Broken,
    UpToLimit,
    /// No byte was inspected, because the coding is unknown.
    Nothing,
}

impl Exchange<'_> {
    /// Receives the response, runs phases 3 and 4, and sends it to the client.
    pub(super) async fn receive<W: ResponseWriter>(
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
            let wait = upload.then_within(
                timeout,
                self.timer,
                receiver.head(&method, call.upgrade.is_some(), &limits),
            );
            let response = tokio::select! {
                biased;
                response = wait => response,
                () = writer.gone() => return Received::ClientGone,
            };
            let (mut head, framing) = match response {
                Ok(response) => response,
                Err(Failure::Malformed(error))
                    if error.fault == Fault::UnexpectedUpgrade && call.framing.upgrade =>
                {
                    return Received::Failed(self.refused_upgrade());
                }
                Err(failure) => return Received::Failed(failure),
            };
            match framing.kind {
                ResponseKind::Final => break (head, framing),
                ResponseKind::SwitchingProtocols => return self.switch(call, upload, head, writer).await,
                // the gate has sent 100 Continue itself
                ResponseKind::Interim if head.status() == 100 => {}
                ResponseKind::Interim => {
                    head.headers_mut().strip_hop_by_hop();
                    head.headers_mut().remove("Content-Length");
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
        upload.answered.store(true, Ordering::Relaxed);
        self.record.upstream_time = Some(call.started.elapsed());
        let events = head.headers().get("Content-Type").is_some_and(is_event_stream);
        let streams = events || call.grpc;
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) = inspection.response_head(&head)
        {
            return Received::Intervened(intervention);
        }
        let mut held = Held::none();
        let mut at_end = framing.body.is_empty();
        let mut limit_met = false;
        let wants = self.inspection.as_ref().is_some_and(Inspection::wants_response_body);
        if events && self.inspection.is_some() {
            self.record.not_inspected(Uninspected::Sse, None);
        }
        if wants && !streams && !at_end {
            held = Held::new(&self.client, 0);
            match self.inspect_response_body(&head, &held, receiver, timeout, writer).await {
                Ok(Inspected::Whole) => at_end = true,
                Ok(Inspected::Broken) => (at_end, limit_met) = (true, true),
                Ok(Inspected::UpToLimit) => limit_met = true,
                Ok(Inspected::Nothing) => {}
                Err(received) => return received,
            }
        }
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) = inspection.response_body_done()
        {
            return Received::Intervened(intervention);
        }
        // the charge can only shrink
        let _ = self.count_engine();
        if self.inspection.is_some() && !events && !call.grpc {
            match framing.body {
                // the engine reports neither the position of the limit in the piece nor the number of bytes after an error
                _ if limit_met => self.record.not_inspected(Uninspected::ResponseBody, None),
                BodyFraming::Length(length) if !at_end => {
                    self.record.not_inspected(Uninspected::ResponseBody, Some(length));
                }
                _ if !at_end => self.record.not_inspected(Uninspected::ResponseBody, None),
                _ => {}
            }
        }
        head.headers_mut().strip_hop_by_hop();
        if head.status() == 204 {
            // RFC 9110 §8.6: a client that trusts this field would wait for the next response
            head.headers_mut().remove("Content-Length");
        }
        let length = head.headers().get("Content-Length").unwrap_or_default();
        let plain = plain_length(b"Content-Length", length);
        if plain.len() < length.len() {
            let plain = plain.to_vec();
            // a number is always a valid value
            let _ = head.headers_mut().set("Content-Length", plain);
        }
        let persist = upload.is_done();
        let head = self.begin_answer(head);
        if writer.head(&head, framing.body, persist).is_err() {
            return Received::ClientGone;
        }
        loop {
            let piece = match held.release().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => return Received::Lost(error),
            };
            self.record.sent += piece.len() as u64;
            if writer.data(piece).await.is_err() {
                return Received::ClientGone;
            }
        }
        if streams {
            upload.watch_client.notify_one();
        }
        let silence = if streams { call.upstream.settings.timeouts.stream } else { timeout };
        if !at_end && let Err(received) = self.pass_on(receiver, silence, writer).await {
            return received;
        }
        if writer.end(receiver.trailers()).await.is_err() {
            return Received::ClientGone;
        }
        Received::Complete { keep_alive: framing.keep_alive, persist }
    }

    /// Sends the rest of the body as it arrives.
    async fn pass_on<W: ResponseWriter>(
        &mut self,
        receiver: &mut Receiver,
        silence: Duration,
        writer: &mut W,
    ) -> Result<(), Received> {
        loop {
            // ready data joins the buffer; before a wait the buffer is flushed
            let ready = tokio::select! {
                biased;
                piece = receiver.next() => Some(piece),
                () = std::future::ready(()) => None,
            };
            let next = match ready {
                Some(next) => next,
                None => {
                    if writer.flush().await.is_err() {
                        return Err(Received::ClientGone);
                    }
                    tokio::select! {
                        biased;
                        next = in_time(self.timer, silence, receiver.next()) => next,
                        () = writer.gone() => return Err(Received::ClientGone),
                    }
                }
            };
            match next {
                Ok(Some(piece)) => {
                    self.record.sent += piece.len() as u64;
                    if writer.data(piece).await.is_err() {
                        return Err(Received::ClientGone);
                    }
                }
                Ok(None) => return Ok(()),
                Err(failure) => {
                    // the client still gets the bytes before the error
                    let _ = writer.flush().await;
                    return Err(Received::Cut(failure));
                }
            }
        }
    }

    /// Passes the body, without its content coding, to the rules up to their limit, and holds it.
    async fn inspect_response_body<W: ResponseWriter>(
        &mut self,
        head: &ResponseHead,
        held: &Held,
        receiver: &mut Receiver,
        timeout: Duration,
        writer: &mut W,
    ) -> Result<Inspected, Received> {
        let limit = self.inspection.as_ref().map_or(0, Inspection::response_body_limit);
        let Ok(mut decoder) = Decoder::new(head.headers(), limit) else { return Ok(Inspected::Nothing) };
        let mut decoded = Vec::new();
        loop {
            let next = tokio::select! {
                biased;
                next = in_time(self.timer, timeout, receiver.next()) => next,
                () = writer.gone() => return Err(Received::ClientGone),
            };
            let piece = next.map_err(Received::Failed)?;
            let mut step = Step::More;
            let progress = match (&mut decoder, &piece) {
                (None, None) => return Ok(Inspected::Whole),
                (None, Some(piece)) => self.show(piece),
                (Some(decoder), piece) => {
                    decoded.clear();
                    step = match piece {
                        Some(piece) => decoder.push(piece, &mut decoded),
                        None => decoder.finish(&mut decoded),
                    };
                    let too_long = held.len() > limit.saturating_add(ENCODED_SLACK);
                    if piece.is_some() && (step != Step::More || too_long) {
                        // the rules get no more data after this: flush the decoder for them
                        step = step.max(decoder.finish(&mut decoded)).max(Step::Full);
                    }
                    self.show(&decoded)
                }
            };
            let at_end = piece.is_none();
            if let Err(Spent) = self.count_engine() {
                return Err(Received::Spent);
            }
            if let Some(piece) = piece {
                let folder = &self.gate.services.spill_dir;
                held.push(piece, &self.runtime.limits, folder).await.map_err(Received::NotHeld)?;
            }
            match (progress, step) {
                (BodyProgress::Decided(intervention), _) => return Err(Received::Intervened(intervention)),
                (_, Step::Broken) if at_end => return Ok(Inspected::Broken),
                (BodyProgress::More, Step::More) if at_end => return Ok(Inspected::Whole),
                (BodyProgress::More, Step::More) => {}
                _ if at_end => return Ok(Inspected::Broken),
                _ => return Ok(Inspected::UpToLimit),
            }
        }
    }

    fn show(&mut self, piece: &[u8]) -> BodyProgress {
        self.inspection.as_mut().map_or(BodyProgress::Full, |inspection| inspection.response_body(piece))
    }

    /// Handles a 101 response: the rules have inspected the request and inspect this head; the data after it is in another
    /// protocol.
    async fn switch<W: ResponseWriter>(
        &mut self,
        call: &Call<'_>,
        upload: &Upload,
        head: ResponseHead,
        writer: &mut W,
    ) -> Received {
        let protocol = match upgrade::agreed(head.headers(), call.upgrade.unwrap_or_default()) {
            Ok(protocol) => protocol,
            Err(other) => {
                let reason = format!("the upstream switched to `{other}`, which the gate did not request");
                return Received::Failed(Failure::Upgrade(reason));
            }
        };
        if !upload.is_done() {
            // the rest of the body would be read as data of the other protocol
            let reason = format!("the upstream switched to `{protocol}` before the request's body had ended");
            return Received::Failed(Failure::Upgrade(reason));
        }
        if let Some(inspection) = &mut self.inspection
            && let Decision::Intervene(intervention) = inspection.response_head(&head)
        {
            return Received::Intervened(intervention);
        }
        // recorded even without rules: the connection carries no more requests
        self.record.tunnel(protocol);
        let mut head = head;
        for framing in ["Content-Length", "Transfer-Encoding"] {
            // a 101 has no body (RFC 9112 §6.1, RFC 9110 §8.6)
            head.headers_mut().remove(framing);
        }
        let head = self.begin_answer(head);
        if writer.interim(&head).await.is_err() { Received::ClientGone } else { Received::Tunnel }
    }

    /// Returns the failure of an upstream that switched protocols although the gate did not forward the client's Upgrade.
    fn refused_upgrade(&self) -> Failure {
        let asked: Vec<&[u8]> = self.request.head.headers().list("Upgrade").collect();
        let asked = String::from_utf8_lossy(&asked.join(&b", "[..])).chars().take(100).collect::<String>();
        Failure::Upgrade(format!(
            "the upstream switched protocols, but the client's Upgrade `{asked}` was not forwarded: \
             the gate never forwards protocols that carry HTTP, and others only if the site's `upgrades` allows them"
        ))
    }
}

/// Limits the time of one step of a response.
async fn in_time<T>(
    timer: &mut Timer,
    limit: Duration,
    step: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timer.within(limit, step).await.unwrap_or(Err(Failure::ResponseTimeout(limit)))
}
