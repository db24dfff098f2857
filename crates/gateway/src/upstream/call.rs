//! A request and its response on an upstream connection, over HTTP/1.1 or HTTP/2.

use std::io;

use bytes::{Bytes, BytesMut};
use http1::{BodyFraming, HeadLimits, Headers, ResponseFraming, ResponseHead};

use super::failure::Failure;
use super::{Connection, Upstream, h1, h2};
use crate::forward::Forward;
use crate::stream::{Reader, Writer};

/// The sender of a request.
#[derive(Debug)]
pub(crate) enum Sender {
    Http1(h1::Sender),
    Http2(h2::Sender),
}

/// The receiver of a response.
#[derive(Debug)]
pub(crate) enum Receiver {
    Http1(h1::Receiver),
    Http2(h2::Receiver),
}

/// Starts a request on `connection`, and adds the hop-by-hop fields.
pub(crate) fn begin(
    upstream: &Upstream,
    connection: Connection,
    forward: &Forward<'_>,
    body: BodyFraming,
    upgrade: Option<&[u8]>,
) -> Result<(Sender, Receiver), Failure> {
    let timeout = upstream.settings.timeouts.response;
    match connection {
        Connection::Http1 { connection, .. } => {
            let chunked = body == BodyFraming::Chunked;
            let (mut sender, receiver) = connection.begin(chunked, timeout);
            let mut bytes = BytesMut::new();
            let chunks = if chunked { &b"Transfer-Encoding: chunked\r\n"[..] } else { b"" };
            match upgrade {
                None => forward.encode(&mut bytes, chunks),
                Some(protocols) => {
                    let ending = [chunks, b"Connection: Upgrade\r\nUpgrade: ", protocols, b"\r\n"].concat();
                    forward.encode(&mut bytes, &ending);
                }
            }
            sender.head(bytes.freeze());
            Ok((Sender::Http1(sender), Receiver::Http1(receiver)))
        }
        Connection::Http2(connection) => {
            let scheme = if upstream.is_tls() { "https" } else { "http" };
            let (sender, receiver) = h2::begin(connection, scheme, forward, body.is_empty(), timeout)?;
            Ok((Sender::Http2(sender), Receiver::Http2(receiver)))
        }
    }
}

impl Sender {
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// Sends a piece of the body, which may stay in the buffer.
    pub(crate) async fn data(&mut self, data: Bytes) -> io::Result<()> {
        match self {
            Self::Http1(sender) => sender.data(data).await,
            Self::Http2(sender) => sender.data(data).await,
        }
    }

    /// Flushes the buffer.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Http1(sender) => sender.flush().await,
            Self::Http2(_) => Ok(()),
        }
    }

    /// Ends the request.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Http1(sender) => sender.finish().await,
            Self::Http2(sender) => sender.finish(),
        }
    }
}

impl Receiver {
    /// Returns the next response head. On HTTP/1.1 it may be an interim one.
    pub(crate) async fn head(
        &mut self,
        method: &[u8],
        upgrade: bool,
        limits: &HeadLimits,
    ) -> Result<(ResponseHead, ResponseFraming), Failure> {
        match self {
            Self::Http1(receiver) => receiver.head(method, upgrade, limits).await,
            Self::Http2(receiver) => receiver.head(method).await,
        }
    }

    /// Returns the next piece of the body, or none at its end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Http1(receiver) => receiver.next().await,
            Self::Http2(receiver) => receiver.next().await,
        }
    }

    /// Returns the trailer fields after the end of the body.
    pub(crate) fn trailers(&mut self) -> Headers {
        match self {
            Self::Http1(receiver) => receiver.trailers(),
            Self::Http2(receiver) => receiver.trailers(),
        }
    }
}

/// Returns a connection to the pool after a complete exchange.
pub(crate) fn keep(upstream: &Upstream, sender: Sender, receiver: Receiver) {
    if let (Sender::Http1(sender), Receiver::Http1(receiver)) = (sender, receiver)
        && let Some(connection) = receiver.into_connection(sender)
    {
        upstream.keep(connection);
    }
}

/// Returns the two halves of a connection that switched protocols; none for HTTP/2, which cannot switch.
pub(crate) fn into_tunnel(sender: Sender, receiver: Receiver) -> Option<(Reader, Writer)> {
    match (sender, receiver) {
        (Sender::Http1(sender), Receiver::Http1(receiver)) => Some(receiver.into_halves(sender)),
        _ => None,
    }
}
