//! The bytes of a connection over any transport, and its two buffers: reads fill one, vectored writes empty the other.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::limits::{FIRST_READ_BYTES, READ_BYTES, WRITE_BYTES};
use crate::pace::{Pace, TooSlow};
use crate::timer::{Elapsed, Timer};

/// A connection to a client or an upstream.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(Rewound<TcpStream>),
    Unix(UnixStream),
    Tls(Box<TlsStream<Rewound<TcpStream>>>),
}

/// A stream with bytes to read again.
#[derive(Debug)]
pub(crate) struct Rewound<T> {
    ahead: BytesMut,
    io: T,
}

impl<T> Rewound<T> {
    pub(crate) fn new(ahead: BytesMut, io: T) -> Self {
        Self { ahead, io }
    }

    /// Returns the stream with these bytes to be read first, instead of any put back before.
    pub(crate) fn put_back(self, ahead: BytesMut) -> Self {
        Self { ahead, io: self.io }
    }
}

impl Stream {
    /// Returns the stream with these bytes put back; none for TLS.
    pub(crate) fn rewound(self, ahead: BytesMut) -> Option<Self> {
        match self {
            Self::Tcp(stream) => Some(Self::Tcp(stream.put_back(ahead))),
            Self::Unix(_) | Self::Tls(_) => None,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(io: TcpStream) -> Self {
        Self::Tcp(Rewound::new(BytesMut::new(), io))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..count]);
        self.ahead.advance(count);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Forwards a call to the transport.
macro_rules! carried {
    ($stream:expr, $io:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($io) => $call,
            Stream::Unix($io) => $call,
            Stream::Tls($io) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        carried!(self.get_mut(), io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        carried!(self.get_mut(), io => Pin::new(io).poll_write(cx, buf))
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        carried!(self.get_mut(), io => Pin::new(io).poll_write_vectored(cx, bufs))
    }
    fn is_write_vectored(&self) -> bool {
        carried!(self, io => io.is_write_vectored())
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self.get_mut(), io => Pin::new(io).poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self.get_mut(), io => Pin::new(io).poll_shutdown(cx))
    }
}

/// Splits a connection into its halves.
pub(crate) fn split(stream: Stream, buf: BytesMut) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(stream);
    let reader = Reader { io: read, buf, timer: Timer::default() };
    (reader, Writer { io: write, queue: VecDeque::new(), queued: 0, timer: Timer::default() })
}

/// The reading half, and the bytes that were read but not consumed yet.
#[derive(Debug)]
pub(crate) struct Reader {
    io: ReadHalf<Stream>,
    pub(crate) buf: BytesMut,
    timer: Timer,
}

impl Reader {
    /// Reads more into `buf`, which grows only as the peer sends: 1 KiB at first, then doubling up to 16 KiB at a time.
    /// Zero bytes mean that the peer has closed its side. Cancel safe.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.make_room();
        self.io.read_buf(&mut self.buf).await
    }

    /// Runs [`Self::fill`] within `limit`.
    pub(crate) async fn fill_within(&mut self, limit: Duration) -> io::Result<usize> {
        self.make_room();
        in_time(self.timer.within(limit, self.io.read_buf(&mut self.buf)).await)
    }

    fn make_room(&mut self) {
        if self.buf.capacity() == self.buf.len() {
            let more = if self.buf.capacity() == 0 {
                FIRST_READ_BYTES
            } else {
                self.buf.len().clamp(FIRST_READ_BYTES, READ_BYTES)
            };
            self.buf.reserve(more);
        }
    }

    /// Runs [`Self::fill`] for a peer that sends large amounts.
    pub(crate) async fn fill_much(&mut self) -> io::Result<usize> {
        self.fill_by(READ_BYTES).await
    }

    /// Runs [`Self::fill`] with space for about this many bytes.
    pub(crate) async fn fill_by(&mut self, room: usize) -> io::Result<usize> {
        if self.buf.capacity() - self.buf.len() < room.div_ceil(4) {
            self.buf.reserve(room);
        }
        self.io.read_buf(&mut self.buf).await
    }

    /// Frees memory before a possibly long wait.
    pub(crate) fn rest(&mut self) {
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
    }

    /// Whether the peer has neither sent anything nor closed, as on an idle upstream connection. Never waits.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0_u8; 1];
        let mut buf = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.buf.is_empty() && Pin::new(&mut self.io).poll_read(&mut cx, &mut buf).is_pending()
    }

    /// Joins the two halves; also returns `buf`.
    pub(crate) fn unsplit(self, writer: Writer) -> (Stream, BytesMut) {
        (self.io.unsplit(writer.io), self.buf)
    }
}

/// The writing half, and the bytes to write.
#[derive(Debug)]
pub(crate) struct Writer {
    io: WriteHalf<Stream>,
    queue: VecDeque<Bytes>,
    queued: usize,
    timer: Timer,
}

/// Slices of one vectored write.
const SLICES: usize = 16;

impl Writer {
    /// Queues bytes without writing.
    pub(crate) fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queued += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// Whether the buffer is full: flush it before reading more.
    pub(crate) fn is_full(&self) -> bool {
        self.queued >= WRITE_BYTES
    }

    /// Writes the whole buffer. `timeout` applies to each write that makes progress, not to the whole operation.
    pub(crate) async fn flush(&mut self, timeout: Duration) -> io::Result<()> {
        if self.queue.is_empty() {
            return Ok(());
        }
        while !self.queue.is_empty() {
            let write = write_some(&mut self.io, &self.queue);
            let written = in_time(self.timer.within(timeout, write).await)?;
            self.take_off(written);
        }
        // TLS holds back records until a flush
        in_time(self.timer.within(timeout, self.io.flush()).await)
    }

    /// Writes the whole buffer to a client, which must keep the pace.
    pub(crate) async fn flush_at(&mut self, pace: &mut Pace) -> io::Result<()> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let slow = |TooSlow| io::Error::from(io::ErrorKind::TimedOut);
        while !self.queue.is_empty() {
            let write = write_some(&mut self.io, &self.queue);
            let written =
                pace.wait(write, |written| *written.as_ref().unwrap_or(&0)).await.map_err(slow)??;
            self.take_off(written);
        }
        pace.wait(self.io.flush(), |_| 0).await.map_err(slow)?
    }

    /// Returns the number of buffered bytes.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    fn take_off(&mut self, mut written: usize) {
        self.queued -= written;
        while let Some(front) = self.queue.front_mut() {
            if written < front.len() {
                front.advance(written);
                break;
            }
            written -= front.len();
            self.queue.pop_front();
        }
    }

    /// Closes this side of the connection (FIN, after close_notify with TLS).
    pub(crate) async fn shutdown(&mut self, timeout: Duration) -> io::Result<()> {
        in_time(self.timer.within(timeout, self.io.shutdown()).await)
    }
}

/// Makes one write.
async fn write_some(io: &mut WriteHalf<Stream>, queue: &VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, bytes) in slices.iter_mut().zip(queue) {
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    match io.write_vectored(&slices[..count]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// Runs an I/O operation with its own timeout.
pub(crate) async fn within<T>(timeout: Duration, io: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    in_time(Timer::default().within(timeout, io).await)
}

/// Returns the outcome of an I/O operation with a limit.
fn in_time<T>(result: Result<io::Result<T>, Elapsed>) -> io::Result<T> {
    result.unwrap_or_else(|Elapsed| Err(io::ErrorKind::TimedOut.into()))
}

/// Copies both ways until both sides have closed, or no byte has moved for `idle`. Returns the bytes from the client
/// and from the upstream.
pub(crate) async fn tunnel(
    mut client: (Reader, Writer),
    mut upstream: (Reader, Writer),
    idle: Duration,
) -> (u64, u64) {
    let moved = std::sync::atomic::AtomicU64::new(0);
    let up = copy(&mut client.0, &mut upstream.1, idle, &moved);
    let down = copy(&mut upstream.0, &mut client.1, idle, &moved);
    tokio::join!(up, down)
}

async fn copy(
    from: &mut Reader,
    to: &mut Writer,
    idle: Duration,
    moved: &std::sync::atomic::AtomicU64,
) -> u64 {
    use std::sync::atomic::Ordering::Relaxed;
    let mut total = 0;
    loop {
        if !from.buf.is_empty() {
            let bytes = from.buf.split().freeze();
            total += bytes.len() as u64;
            to.queue(bytes);
            if to.flush(idle).await.is_err() {
                break;
            }
            moved.fetch_add(1, Relaxed);
        }
        from.rest();
        let seen = moved.load(Relaxed);
        match from.fill_within(idle).await {
            Ok(0) => break,
            Ok(_) => {}
            // the other direction is busy: silence in this direction is no reason to close
            Err(error) if error.kind() == io::ErrorKind::TimedOut && moved.load(Relaxed) != seen => {}
            Err(_) => break,
        }
    }
    // half-close: the other direction may continue
    let _ = to.shutdown(idle).await;
    total
}
