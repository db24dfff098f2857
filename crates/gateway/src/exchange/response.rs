//! The response's way: phases 3 and 4, then on to the client.

use std::time::Duration;

use event::Uninspected;
use http1::{BodyFraming, ResponseHead, ResponseKind, Version};

use super::attempt::Call;
use super::upload::Upload;
use super::{Exchange, ResponseWriter};
use crate::held::{BudgetSpent, Held};
use crate::inspection::{Decision, Inspection, Intervention, Progress};
use crate::limits::INTERIM_RESPONSES;
use crate::timer::Timer;
use crate::upstream::Failure;
use crate::upstream::call::Receiver;

/// What the response's way came to.
pub(super) enum Received {
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

impl Exchange<'_> {
    /// The response's way: phases 3 and 4, then on to the client.
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
            let wait = upload.then_within(timeout, self.timer, receiver.head(&method, call.upgrade, &limits));
            let response = tokio::select! {
                biased;
                response = wait => response,
                () = writer.gone() => return Received::ClientGone,
            };
            let (mut head, framing) = match response {
                Ok(response) => response,
                Err(failure) => return Received::Failed(failure),
            };
            match framing.kind {
                ResponseKind::Final => break (head, framing),
                ResponseKind::SwitchingProtocols => return self.switch(head, writer).await,
                // we have told the client to go on ourselves
                ResponseKind::Interim if head.status() == 100 => {}
                ResponseKind::Interim => {
                    head.headers_mut().strip_hop_by_hop();
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
        while let Some(piece) = held.release() {
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

    /// Sends what still comes of the body as it comes.
    async fn pass_on<W: ResponseWriter>(
        &mut self,
        receiver: &mut Receiver,
        silence: Duration,
        writer: &mut W,
    ) -> Result<(), Received> {
        loop {
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
                    // what came before the break still belongs to the client
                    let _ = writer.flush().await;
                    return Err(Received::Cut(failure));
                }
            }
        }
    }

    async fn inspect_response_body(
        &mut self,
        held: &mut Held,
        receiver: &mut Receiver,
        timeout: Duration,
    ) -> Result<Inspected, Received> {
        loop {
            match in_time(self.timer, timeout, receiver.next()).await {
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
}

/// One step of a response, which may take so long.
async fn in_time<T>(
    timer: &mut Timer,
    limit: Duration,
    step: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timer.within(limit, step).await.unwrap_or(Err(Failure::ResponseTimeout(limit)))
}

/// Whether this Content-Type is that of server-sent events, whose body rules do not see: it never ends.
pub fn is_event_stream(kind: &[u8]) -> bool {
    let media = kind.split(|b| *b == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
