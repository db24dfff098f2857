//! `/api/live`: events as they arrive, as Server-Sent Events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! While at least one stream is open, one task follows the journal and sends each event to all streams ([`Live`]). A
//! stream that is too slow gets some of the events that it missed, and the number of the others. It ends when its
//! session or its token ends, and after ten minutes at the latest; a client that reconnects sends `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use event::Event;
use futures_util::Stream;
use store::{EventQuery, Filter, Position, Record};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Viewer, identify};
use crate::events::{Asked, Parameters, asked, query};
use crate::openapi::Failure;
use crate::{Console, Problem};
use finding::{ProblemCode, table};

table! {
    /// The error responses of the live view.
    pub(crate) PROBLEMS: ProblemCode {
        /// Too many live views are open.
        pub(crate) TOO_MANY_TAILS = ProblemCode::new(
            "events.too_many_tails",
            503,
            "Too many live views are open.",
            "ライブ表示が同時に開かれすぎています。",
        );
    }
}

/// Open streams; further requests are refused.
const MAX_STREAMS: usize = 32;
/// Pages of events that wait for the slowest stream: 32 MiB if all events have the largest size.
const BACKLOG: usize = 4;
/// Time between two reads of the journal.
const INTERVAL: Duration = Duration::from_millis(200);
/// Events per read.
const PAGE: usize = 200;
/// Pages of events that a stream gets when it resumes or was too slow; further events count as missed.
const RESUME_PAGES: usize = 10;
/// Time without an event after which a comment keeps the stream alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Lifetime of a stream.
const LIFETIME: Duration = Duration::from_secs(600);
/// Time between two checks of a stream's permission: a stream outlives its session by at most this time.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(live))
}

/// The shared state of all streams of a console.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    room: Arc<Semaphore>,
    running: Mutex<Option<Running>>,
    stopping: watch::Sender<bool>,
    lifetime: Duration,
    ask_again: Duration,
}

/// The task that follows the journal.
struct Running {
    events: broadcast::Sender<Arc<Vec<Record>>>,
    /// The position up to which all events were sent, as `Position::to_i64`.
    position: Arc<AtomicI64>,
    task: tokio::task::JoinHandle<()>,
}

impl Default for Live {
    fn default() -> Self {
        Self::with(MAX_STREAMS, LIFETIME, ASK_AGAIN)
    }
}

impl Live {
    fn with(streams: usize, lifetime: Duration, ask_again: Duration) -> Self {
        Self(Arc::new(Shared {
            room: Arc::new(Semaphore::new(streams)),
            running: Mutex::default(),
            stopping: watch::Sender::new(false),
            lifetime,
            ask_again,
        }))
    }

    /// Ends all streams, including future ones.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Subscribes to all events after the returned position.
    async fn subscribe(
        &self,
        events: &Arc<dyn EventQuery>,
    ) -> Result<(broadcast::Receiver<Arc<Vec<Record>>>, Position), Problem> {
        let mut running = self.0.running.lock().await;
        if let Some(running) = running.as_ref().filter(|running| !running.task.is_finished()) {
            let position = Position::from_i64(running.position.load(Ordering::Acquire));
            let receiver = running.events.subscribe();
            // the task may just have seen that there are no streams
            if !running.task.is_finished() {
                return Ok((receiver, position));
            }
        }
        let reader = Arc::clone(events);
        let end = asked(move || reader.end()).await?;
        let (sender, receiver) = broadcast::channel(BACKLOG);
        let position = Arc::new(AtomicI64::new(end.to_i64()));
        let task = tokio::spawn(follow(Arc::clone(events), Arc::clone(&position), sender.clone()));
        *running = Some(Running { events: sender, position, task });
        Ok((receiver, end))
    }
}

/// Sends new events to all streams, until no stream is left.
async fn follow(
    events: Arc<dyn EventQuery>,
    position: Arc<AtomicI64>,
    streams: broadcast::Sender<Arc<Vec<Record>>>,
) {
    while streams.receiver_count() > 0 {
        let reader = Arc::clone(&events);
        let since = Position::from_i64(position.load(Ordering::Acquire));
        // A store that is not readable now is read again later; /healthz reports it.
        let records = asked(move || reader.tail(since, PAGE)).await.unwrap_or_default();
        let Some(last) = records.last() else {
            tokio::time::sleep(INTERVAL).await;
            continue;
        };
        let end = last.end.to_i64();
        // without streams, the loop ends
        let _ = streams.send(Arc::new(records));
        position.fetch_max(end, Ordering::AcqRel);
    }
}

/// Stream events as they arrive
///
/// The data of each `event` is an event without bodies, as in lists; its id is a position. `missed` counts the events that the
/// stream has lost because the client read too slowly (`{"count": n}`), whether or not they pass the filter. With
/// `Last-Event-ID` the stream continues after that event. It ends two seconds after its session, and after ten minutes at the
/// latest; an EventSource reconnects by itself.
#[utoipa::path(
    get,
    path = "/api/live",
    operation_id = "live",
    tag = "events",
    params(
        crate::openapi::Filter,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that the client received")
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = Failure, description = "A parameter is wrong"),
        (status = 503, body = Failure, description = "Too many streams are open")
    )
)]
async fn live(
    _: Viewer,
    State(console): State<Console>,
    request: Parts,
    parameters: Asked<Parameters>,
) -> Result<Response, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let Query(parameters) = parameters.map_err(|rejection| bad(rejection.body_text()))?;
    let filter = query(&console.properties, parameters).map_err(bad)?.filter;
    let since = match request.headers.get("last-event-id") {
        None => None,
        Some(id) => {
            let position = id.to_str().ok().and_then(|id| id.parse().ok()).filter(|position| *position >= 0);
            let position =
                position.ok_or_else(|| bad("Last-Event-ID: not an id of this stream".to_owned()))?;
            Some(Position::from_i64(position))
        }
    };
    let shared = &console.live.0;
    let Ok(room) = Arc::clone(&shared.room).try_acquire_owned() else {
        return Err(Problem::of(TOO_MANY_TAILS));
    };
    let (receiver, position) = console.live.subscribe(&console.events).await?;
    let stream = Tail {
        events: Arc::clone(&console.events),
        receiver,
        filter,
        seen: since.unwrap_or(position),
        resume: since.map(|_| RESUME_PAGES),
        waiting: VecDeque::new(),
        stopping: shared.stopping.subscribe(),
        deadline: Instant::now() + shared.lifetime,
        ask_again: Instant::now() + shared.ask_again,
        _room: room,
        request,
        console: console.clone(),
    };
    Ok(Sse::new(stream.messages()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The state of one stream.
struct Tail {
    events: Arc<dyn EventQuery>,
    receiver: broadcast::Receiver<Arc<Vec<Record>>>,
    filter: Filter,
    /// The position up to which all events were sent or did not match.
    seen: Position,
    /// The number of pages of missed events that may still be read; none if the stream is up to date.
    resume: Option<usize>,
    waiting: VecDeque<sse::Event>,
    stopping: watch::Receiver<bool>,
    deadline: Instant,
    /// The time of the next check of its permission.
    ask_again: Instant,
    _room: OwnedSemaphorePermit,
    /// The request that opened the stream, with its credentials.
    request: Parts,
    console: Console,
}

impl Tail {
    fn messages(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        futures_util::stream::unfold(self, |mut tail| async move {
            let message = tail.next().await?;
            Some((Ok(message), tail))
        })
    }

    /// Returns the next message; none at the end.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if *self.stopping.borrow() || Instant::now() >= self.deadline {
                return None;
            }
            if Instant::now() >= self.ask_again {
                // the session has ended or cannot be checked; both end the stream
                identify(&self.request, &self.console).await.ok()?;
                self.ask_again = Instant::now() + self.console.live.0.ask_again;
            }
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            if let Some(pages) = self.resume {
                self.catch_up(pages).await;
                continue;
            }
            let received = tokio::select! {
                received = self.receiver.recv() => received,
                () = tokio::time::sleep_until(self.deadline.min(self.ask_again)) => continue,
                _ = self.stopping.changed() => return None,
            };
            match received {
                Ok(records) => records.iter().for_each(|record| self.take(record)),
                // the stream reads the events that it missed again, up to the limit
                Err(RecvError::Lagged(_)) => self.resume = Some(RESUME_PAGES),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn take(&mut self, record: &Record) {
        if record.end <= self.seen {
            return;
        }
        self.seen = record.end;
        if self.filter.matches(&record.event) {
            self.waiting.push_back(
                sse::Event::default()
                    .event("event")
                    .id(record.end.to_i64().to_string())
                    .data(summary(&record.event)),
            );
        }
    }

    /// Reads a page of missed events.
    async fn catch_up(&mut self, pages: usize) {
        let (reader, since) = (Arc::clone(&self.events), self.seen);
        let records = asked(move || reader.tail(since, PAGE)).await.unwrap_or_default();
        for record in &records {
            self.take(record);
        }
        self.resume = match pages {
            _ if records.is_empty() => None,
            1 => {
                self.skip().await;
                None
            }
            more => Some(more - 1),
        };
    }

    /// Counts the remaining missed events without sending them, and continues after them.
    async fn skip(&mut self) {
        let (reader, since) = (Arc::clone(&self.events), self.seen);
        let skipped = asked(move || {
            let (mut count, mut position) = (0, since);
            // the receiver's next events are after this position in any case
            for _ in 0..RESUME_PAGES * 10 {
                let records = reader.tail(position, PAGE)?;
                let Some(last) = records.last() else { return Ok((count, position)) };
                position = last.end;
                count += records.len() as u64;
            }
            Ok((count, reader.end()?.max(position)))
        });
        if let Ok((count, position)) = skipped.await {
            self.seen = position;
            if count > 0 {
                self.waiting.push_back(missed(count));
            }
        }
    }
}

/// Returns the JSON of an event, cut for a list.
fn summary(event: &Event) -> String {
    let mut event = event.clone();
    event.summarize();
    event.to_json()
}

fn missed(count: u64) -> sse::Event {
    sse::Event::default().event("missed").data(format!("{{\"count\":{count}}}"))
}

#[cfg(test)]
mod tests;
