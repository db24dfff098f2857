//! Sends the request to the upstream: the held part, then the rest from the client.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::held::Held;
use crate::incoming::{BodyError, RequestBody};
use crate::timer::Timer;
use crate::upstream::Failure;
use crate::upstream::call::Sender;

/// The reason why sending the request ended before the response.
pub(super) enum Stopped {
    Upstream,
    Client(BodyError),
}

/// The state of the upload that the response handler needs.
pub(super) struct Upload {
    pub bytes: AtomicU64,
    /// Whether more of the body has been read than is held: that part cannot be sent again.
    pub touched: AtomicBool,
    /// Whether the response has begun. The request is then not retried.
    pub answered: AtomicBool,
    /// Whether the whole request was sent.
    done: AtomicBool,
    /// Microseconds from `began` to the end of sending, in success or failure, plus one; 0 while sending.
    ended: AtomicU64,
    began: Instant,
    /// Notified when the response becomes an endless stream: from then on a client that closes its side has left.
    pub watch_client: Notify,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            touched: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            done: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            began: Instant::now(),
            watch_client: Notify::new(),
        }
    }
}

impl Upload {
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Sends the held part, and the rest from the client if there is more. Returns only after a failure or when the client leaves
    /// a stream.
    pub(super) async fn run<B: RequestBody>(
        &self,
        held: &Held,
        complete: bool,
        body: &mut B,
        sender: &mut Sender,
    ) -> Stopped {
        let result = self.send(held, complete, body, sender).await;
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.ended.store(micros + 1, Ordering::Relaxed);
        if let Err(stopped) = result {
            return stopped;
        }
        self.done.store(true, Ordering::Relaxed);
        self.watch_client.notified().await;
        body.gone().await;
        Stopped::Client(BodyError::Gone(io::ErrorKind::ConnectionAborted.into()))
    }

    async fn send<B: RequestBody>(
        &self,
        held: &Held,
        complete: bool,
        body: &mut B,
        sender: &mut Sender,
    ) -> Result<(), Stopped> {
        let upstream = |_: io::Error| Stopped::Upstream;
        let lost = |error| Stopped::Client(BodyError::Lost(error));
        loop {
            // only HTTP/2 can refuse a partly sent request (RFC 9113 §8.7)
            let lends = sender.is_http2() && !self.answered.load(Ordering::Relaxed);
            let piece = if lends { held.lend().await } else { held.release().await };
            let Some(piece) = piece.map_err(lost)? else { break };
            sender.data(piece).await.map_err(upstream)?;
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
                self.touched.store(true, Ordering::Relaxed);
                let Some(piece) = next.map_err(Stopped::Client)? else { break };
                self.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                sender.data(piece).await.map_err(upstream)?;
            }
        }
        sender.finish().await.map_err(upstream)
    }

    /// Waits for `step`, at most `limit` after sending has ended.
    pub(super) async fn then_within<T>(
        &self,
        limit: Duration,
        timer: &mut Timer,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::pin!(step);
        let mut wait = limit;
        loop {
            if let Ok(result) = timer.within(wait, &mut step).await {
                return result;
            }
            wait = match self.ended.load(Ordering::Relaxed) {
                0 => limit,
                ended => {
                    let since = self.began.elapsed().saturating_sub(Duration::from_micros(ended - 1));
                    match limit.checked_sub(since) {
                        Some(left) if !left.is_zero() => left,
                        _ => return Err(Failure::ResponseTimeout(limit)),
                    }
                }
            };
        }
    }
}
