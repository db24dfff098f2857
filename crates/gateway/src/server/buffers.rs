//! Buffers of an HTTP/2 connection, in both directions.
//!
//! The h2 crate buffers responses up to the client's windows, even if the client does not read: without a bound, a hundred
//! streams could fill a hundred buffers in front of a full socket. It also buffers requests up to our windows, even if the
//! upstream does not read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::limits::{H2_CONNECTION_WINDOW, H2_UNSENT_BYTES, H2_UNSENT_LEAST, H2_WINDOW};
use crate::share::{Charge, Client, Resource, Spent};
use crate::stream::Stream;

/// The buffers of a connection, charged to its client.
pub(super) struct Buffers {
    client: Arc<Client>,
    /// Bytes of responses between the streams and the socket.
    waiting: Mutex<Charge>,
    written: Notify,
    /// Bytes that clients may send before the upstreams read them: the sum over the streams, but at most the connection's window.
    ahead: Mutex<(usize, Charge)>,
}

impl Buffers {
    pub(super) fn new(client: &Arc<Client>) -> Self {
        Self {
            client: Arc::clone(client),
            waiting: Mutex::new(Charge::new(client, Resource::Memory)),
            written: Notify::new(),
            ahead: Mutex::new((0, Charge::new(client, Resource::Memory))),
        }
    }

    /// Charges the body of a stream, of `length` bytes if known, until the guard is dropped. `limit` applies to everything held
    /// in memory.
    pub(super) fn pass_on(self: &Arc<Self>, length: Option<u64>, limit: usize) -> Result<Ahead, Spent> {
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let bytes = length.min(H2_WINDOW as usize);
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, charge) = &mut *ahead;
        charge.set((*sum + bytes).min(H2_CONNECTION_WINDOW as usize), limit)?;
        *sum += bytes;
        Ok(Ahead { buffers: Arc::clone(self), bytes })
    }

    /// Waits until a stream may send more. `limit` applies to everything held in memory.
    pub(super) async fn room(&self, limit: usize) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            let most = if self.client.has_share(Resource::Memory, limit) {
                H2_UNSENT_BYTES
            } else {
                H2_UNSENT_LEAST
            };
            if self.change(|waiting| waiting) < most {
                return;
            }
            written.await;
        }
    }

    /// Adds bytes that a stream has sent.
    pub(super) fn add(&self, bytes: usize) {
        self.change(|waiting| waiting + bytes);
    }

    /// Subtracts bytes that the socket has accepted. They include heads and frames, so the count of waiting bytes is too low by
    /// those.
    fn take_off(&self, bytes: usize) {
        self.change(|waiting| waiting.saturating_sub(bytes));
        self.written.notify_waiters();
    }

    /// Resets the count when the socket has accepted everything: the rest belongs to streams that were reset.
    fn clear(&self) {
        self.change(|_| 0);
        self.written.notify_waiters();
    }

    fn change(&self, to: impl FnOnce(usize) -> usize) -> usize {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = to(waiting.amount());
        waiting.set_anyway(now);
        now
    }
}

/// The charge for a stream whose body is forwarded on arrival.
pub(super) struct Ahead {
    buffers: Arc<Buffers>,
    bytes: usize,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        let mut ahead = self.buffers.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let (sum, charge) = &mut *ahead;
        *sum -= self.bytes;
        charge.set_anyway((*sum).min(H2_CONNECTION_WINDOW as usize));
    }
}

/// A connection that counts its writes.
pub(super) struct Counted {
    io: Stream,
    buffers: Arc<Buffers>,
}

impl Counted {
    pub(super) fn new(io: Stream, buffers: &Arc<Buffers>) -> Self {
        Self { io, buffers: Arc::clone(buffers) }
    }

    fn counted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.buffers.take_off(*bytes);
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.counted(written)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.counted(written)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        if let Poll::Ready(Ok(())) = &flushed {
            this.buffers.clear();
        }
        flushed
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Shares;

    #[tokio::test]
    async fn c15_streams_wait_for_the_socket_and_what_waits_counts_for_the_client() {
        let shares = Arc::new(Shares::default());
        let client = shares.client("192.0.2.1".parse().unwrap());
        let buffers = Buffers::new(&client);
        let limit = 16 * H2_UNSENT_BYTES;
        buffers.room(limit).await;
        buffers.add(H2_UNSENT_BYTES);
        assert_eq!(shares.used(Resource::Memory), H2_UNSENT_BYTES);
        let mut room = Box::pin(buffers.room(limit));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(room.as_mut().poll(&mut cx).is_pending());
        buffers.take_off(1);
        assert!(room.as_mut().poll(&mut cx).is_ready());
        drop(room);
        // a client that has used its share of memory gets less
        let mut other = Charge::new(&client, Resource::Memory);
        other.set_anyway(limit / 2);
        let mut room = Box::pin(buffers.room(limit));
        assert!(room.as_mut().poll(&mut cx).is_pending());
        buffers.take_off(H2_UNSENT_BYTES - H2_UNSENT_LEAST);
        assert!(room.as_mut().poll(&mut cx).is_ready());
        drop(room);
        drop((buffers, other));
        assert_eq!(shares.used(Resource::Memory), 0);
    }

    #[test]
    fn c15_what_clients_may_send_ahead_counts_up_to_the_window_of_the_connection() {
        let shares = Arc::new(Shares::default());
        let client = shares.client("192.0.2.1".parse().unwrap());
        let buffers = Arc::new(Buffers::new(&client));
        let limit = 4 * H2_CONNECTION_WINDOW as usize;
        let small = buffers.pass_on(Some(1000), limit).unwrap();
        assert_eq!(shares.used(Resource::Memory), 1000);
        let many: Vec<_> = (0..100).map(|_| buffers.pass_on(None, limit).unwrap()).collect();
        assert_eq!(shares.used(Resource::Memory), H2_CONNECTION_WINDOW as usize);
        let second = Arc::new(Buffers::new(&client));
        let more: Vec<_> = (0..4).map(|_| second.pass_on(None, limit).unwrap()).collect();
        assert!(Arc::new(Buffers::new(&client)).pass_on(None, limit).is_err());
        drop((many, more));
        assert_eq!(shares.used(Resource::Memory), 1000);
        drop(small);
        assert_eq!(shares.used(Resource::Memory), 0);
    }
}
