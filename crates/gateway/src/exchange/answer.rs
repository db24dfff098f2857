//! The gate's own responses, and the start of any response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::Outcome;
use http1::{BodyFraming, Headers, ResponseHead};
use waf::{Intervention, InterventionAction};

use super::Exchange;
use crate::block_page::{Facts, date};
use crate::incoming::{Ending, ResponseWriter};
use crate::inspection::Inspection;

impl Exchange<'_> {
    /// Records the event, if the request has one, before the final head is sent, so that every blocked request has its event.
    pub(super) fn begin_answer(&mut self, mut head: ResponseHead) -> Arc<ResponseHead> {
        self.set_hsts(&mut head);
        let head = Arc::new(head);
        self.record.status = head.status();
        self.record.response = Some(Arc::clone(&head));
        let noteworthy = matches!(self.record.action, Outcome::Blocked | Outcome::Refused | Outcome::Failed)
            || self.inspection.as_ref().is_some_and(Inspection::has_findings);
        if noteworthy {
            self.report();
        }
        head
    }

    pub(super) async fn intervene<W: ResponseWriter>(
        &mut self,
        intervention: Intervention,
        writer: &mut W,
    ) -> Ending {
        self.record.action = Outcome::Blocked;
        let pause = self.inspection.as_ref().map_or(Duration::ZERO, Inspection::pause);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let status = intervention.status;
        match intervention.action {
            InterventionAction::Deny => self.answer(status, None, writer).await,
            // the configured upstream never sees this request
            InterventionAction::Redirect(location) => self.answer(status, Some(location), writer).await,
            InterventionAction::Drop => {
                self.report();
                Ending::Abort
            }
        }
    }

    pub(super) async fn refuse<W: ResponseWriter>(
        &mut self,
        status: u16,
        reason: String,
        writer: &mut W,
    ) -> Ending {
        self.record.action = Outcome::Refused;
        self.record.reason = Some(reason);
        self.answer(status, None, writer).await
    }

    /// Sends one of the gate's own responses.
    pub(super) async fn answer<W: ResponseWriter>(
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
        let (answer, page) = self.runtime.block_page.answer(&facts, accept, location);
        self.send_own(answer, page, writer).await
    }

    /// Sends the response to an HTTP-01 challenge.
    pub(super) async fn answer_challenge<W: ResponseWriter>(
        &mut self,
        authorization: Bytes,
        writer: &mut W,
    ) -> Ending {
        tracing::info!(client = %self.record.client.ip(), "answered an HTTP-01 challenge");
        let mut fields = Headers::new();
        // dates and numbers are always valid values
        let _ = fields.push("Date", date());
        let _ = fields.push("Content-Length", authorization.len().to_string());
        let _ = fields.push("Content-Type", "application/octet-stream");
        match ResponseHead::new(200, fields) {
            Ok(head) => self.send_own(head, authorization, writer).await,
            Err(_) => Ending::Abort,
        }
    }

    /// Sends a response of the gate.
    pub(super) async fn send_own<W: ResponseWriter>(
        &mut self,
        head: ResponseHead,
        content: Bytes,
        writer: &mut W,
    ) -> Ending {
        let without_body = self.request.head.method() == b"HEAD";
        let persist = self.body_read && self.request.framing.is_ok();
        let head = self.begin_answer(head);
        let body = if without_body { BodyFraming::None } else { BodyFraming::Length(content.len() as u64) };
        let sent = async {
            writer.head(&head, body, persist)?;
            if !without_body {
                self.record.sent += content.len() as u64;
                writer.data(content).await?;
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
