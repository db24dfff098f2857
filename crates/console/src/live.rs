//! `/api/live`: events as they come, as Server-Sent Events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! While somebody watches, one task follows the journal and gives each event to all streams ([`Live`]). A stream that does not
//! take them as fast as they come is given some that it has not seen, and is told how many it has missed of the rest. It ends
//! when its session does, or its token, and by itself after a while; whoever comes back has `Last-Event-ID`.

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
    /// The error answers of the live view.
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

/// Streams at one time; whoever comes then is refused.
const MAX_STREAMS: usize = 32;
/// Pages of events that wait for the slowest stream: 32 MiB where events are as large as can be.
const BACKLOG: usize = 4;
/// How often the journal is looked at.
const INTERVAL: Duration = Duration::from_millis(200);
/// Events that are read at once.
const PAGE: usize = 200;
/// Pages of events that a stream is given when it resumes, or was too slow; what there is beyond is told as missed.
const RESUME_PAGES: usize = 10;
/// After this time without an event a comment tells that the stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// So long a stream lasts.
const LIFETIME: Duration = Duration::from_secs(600);
/// How often it is asked whether whoever reads may still look: so long a stream goes on after its session has ended.
const ASK_AGAIN: Duration = Duration::from_secs(2);

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(live))
}

/// What all streams of a console share.
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
    /// Everything up to here was given, `Position::to_i64`.
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

    /// Ends all streams, and those that are still to come.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Everything that comes from now on, behind the position that is returned.
    async fn subscribe(
        &self,
        events: &Arc<dyn EventQuery>,
    ) -> Result<(broadcast::Receiver<Arc<Vec<Record>>>, Position), Problem> {
        let mut running = self.0.running.lock().await;
        if let Some(running) = running.as_ref().filter(|running| !running.task.is_finished()) {
            let position = Position::from_i64(running.position.load(Ordering::Acquire));
            let receiver = running.events.subscribe();
            // it may just have seen that there was nobody
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

/// Gives what comes to all streams, until there is none.
async fn follow(
    events: Arc<dyn EventQuery>,
    position: Arc<AtomicI64>,
    streams: broadcast::Sender<Arc<Vec<Record>>>,
) {
    while streams.receiver_count() > 0 {
        let reader = Arc::clone(&events);
        let since = Position::from_i64(position.load(Ordering::Acquire));
        // A store that can't be read for now is read again later; /healthz tells of it.
        let records = asked(move || reader.tail(since, PAGE)).await.unwrap_or_default();
        let Some(last) = records.last() else {
            tokio::time::sleep(INTERVAL).await;
            continue;
        };
        let end = last.end.to_i64();
        // nobody is there any more: the loop ends
        let _ = streams.send(Arc::new(records));
        position.fetch_max(end, Ordering::AcqRel);
    }
}

/// Events as they come
///
/// Each `event` has the event, without bodies as lists have it, as its data and a position as its id. `missed` tells how many events a stream that was read too
/// slowly has lost (`{"count": n}`), passing the filter or not. With `Last-Event-ID` it goes on behind that event. It ends two
/// seconds after its session has, and after ten minutes in any case; an EventSource connects again by itself.
#[utoipa::path(
    get,
    path = "/api/live",
    operation_id = "live",
    tag = "events",
    params(
        crate::openapi::Filter,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was seen")
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = Failure, description = "A parameter is wrong"),
        (status = 503, body = Failure, description = "Too many streams at one time")
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
            let position = position.ok_or_else(|| bad("Last-Event-ID: not one of this stream".to_owned()))?;
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

/// One stream.
struct Tail {
    events: Arc<dyn EventQuery>,
    receiver: broadcast::Receiver<Arc<Vec<Record>>>,
    filter: Filter,
    /// Everything up to here was sent or passed over.
    seen: Position,
    /// Pages that may still be read of what it has not seen; none while it is up to date.
    resume: Option<usize>,
    waiting: VecDeque<sse::Event>,
    stopping: watch::Receiver<bool>,
    deadline: Instant,
    /// Who reads is asked of at this time.
    ask_again: Instant,
    _room: OwnedSemaphorePermit,
    /// The request that began it, with its credentials.
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

    /// The next message; none at the end.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if *self.stopping.borrow() || Instant::now() >= self.deadline {
                return None;
            }
            if Instant::now() >= self.ask_again {
                // ended, or nobody can tell: either way nothing more is shown
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
                // what it has not taken in time is read again, as far as it goes
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

    /// Reads a page of what it has not seen.
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

    /// Counts what is left without reading it to anybody, and goes on behind it.
    async fn skip(&mut self) {
        let (reader, since) = (Arc::clone(&self.events), self.seen);
        let skipped = asked(move || {
            let (mut count, mut position) = (0, since);
            // the stream of what comes is behind this in any case
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

/// The event as a list shows it.
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
