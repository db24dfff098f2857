//! Idle connections of an upstream.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;

use super::failure::Failure;
use super::h1;
use crate::limits::{H2_WINDOW, POOL_CONNECTIONS};
use crate::stream::Stream;

#[derive(Debug)]
pub(super) struct Pool {
    /// HTTP/1.1 connections. The last used one is at the end and is reused first, so that the others expire.
    idle: Mutex<Vec<(Instant, h1::Connection)>>,
    /// The HTTP/2 connection that all requests share.
    shared: Mutex<Option<SendRequest<Bytes>>>,
    keep: Duration,
}

impl Pool {
    pub(super) fn new(keep: Duration) -> Self {
        Self { idle: Mutex::new(Vec::new()), shared: Mutex::new(None), keep }
    }

    /// Returns the last used connection, if the upstream has neither closed nor written to it.
    pub(super) fn take(&self) -> Option<h1::Connection> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, mut connection)) = idle.pop() {
            if now.duration_since(since) > self.keep {
                // all others are older
                idle.clear();
                return None;
            }
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn put(&self, connection: h1::Connection) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let old = idle.partition_point(|(since, _)| now.duration_since(*since) > self.keep);
        idle.drain(..old);
        if idle.len() < POOL_CONNECTIONS {
            idle.push((now, connection));
        }
    }

    /// Returns the shared HTTP/2 connection if it accepts another stream.
    pub(super) async fn shared(&self) -> Option<SendRequest<Bytes>> {
        let sender = self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        match sender.ready().await {
            Ok(sender) => Some(sender),
            Err(_) => {
                // closed, or GOAWAY received: the next request opens a new one
                self.shared.lock().unwrap_or_else(PoisonError::into_inner).take();
                None
            }
        }
    }

    /// Makes `stream` the shared HTTP/2 connection. A task drives it until the upstream closes it, or until all users and the
    /// pool drop it.
    pub(super) async fn share(&self, stream: Stream) -> Result<SendRequest<Bytes>, Failure> {
        let (sender, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(H2_WINDOW)
            .initial_connection_window_size(4 * H2_WINDOW)
            .handshake::<_, Bytes>(stream)
            .await
            .map_err(Failure::Http2)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "http/2 connection to an upstream ended");
            }
        });
        let sender = sender.ready().await.map_err(Failure::Http2)?;
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        Ok(sender)
    }
}
