//! The gate's own answers, and the moment at which any answer begins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::Action;
use http1::{BodyFraming, Headers, ResponseHead};

use super::{Ending, Exchange, ResponseWriter};
use crate::block_page::{self, Facts};
use crate::inspection::{Inspection, Intervention};

impl Exchange<'_> {
    /// Before a final head leaves: so that every answer that rules had a say in has its event.
    pub(super) fn begin_answer(&mut self, head: ResponseHead) -> Arc<ResponseHead> {
        let head = Arc::new(head);
        self.record.status = head.status();
        self.record.response = Some(Arc::clone(&head));
        let noteworthy = matches!(self.record.action, Action::Blocked | Action::Refused | Action::Failed)
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

    pub(super) async fn refuse<W: ResponseWriter>(
        &mut self,
        status: u16,
        reason: String,
        writer: &mut W,
    ) -> Ending {
        self.record.action = Action::Refused;
        self.record.reason = Some(reason);
        self.answer(status, None, writer).await
    }

    /// The gate's own answer.
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
