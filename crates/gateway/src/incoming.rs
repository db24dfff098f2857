//! A request as a connection delivers it: its head, its body, the way of its response and how the exchange ends.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::Timestamp;
use http1::{BodyFraming, Headers, RequestFraming, RequestHead, ResponseHead};

use crate::share::Spent;
use crate::stream::{Reader, Writer};

/// The connection that requests come by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Who connected, as the socket or a trusted PROXY header says.
    pub address: SocketAddr,
    /// Where to.
    pub local: SocketAddr,
    /// By TLS.
    pub tls: bool,
}

/// A request whose head has come.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub head: RequestHead,
    /// What the head means, or why it must not be acted upon; the rules see it all the same.
    pub framing: Result<RequestFraming, http1::Error>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`; in a head that is refused for its version, that one.
    pub protocol: Cow<'static, str>,
    /// Whether it came by HTTP/2.
    pub http2: bool,
    pub time: Timestamp,
    pub began: Instant,
}

/// Why a request's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("malformed request body: {0}")]
    Malformed(http1::Error),
    #[error("request body came too slowly")]
    Slow,
    #[error("client went away: {0}")]
    Gone(io::Error),
    #[error("cannot read the held body back: {0}")]
    Lost(io::Error),
}

/// A request's body as it comes from the client.
pub(crate) trait RequestBody: Send {
    /// The next piece; none at the end. Nothing is lost if this is not awaited to its end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyError>> + Send;
    /// Silence is no fault from here on: the client and the upstream talk as they like.
    fn be_patient(&mut self, silence: Duration);
    /// From here on the client may be faster than whoever asks for pieces: what is buffered meanwhile counts. An error where
    /// the client's share of `limit` is spent.
    fn pass_on(&mut self, length: Option<u64>, limit: usize) -> Result<(), Spent>;
    /// Waits, after the end of the body, until the client has closed its side.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// The way of a response to the client. Heads and data may wait in a buffer until `flush` or `end`.
pub(crate) trait ResponseWriter: Send {
    /// Sends a 1xx response, where the protocol has them.
    fn interim(&mut self, head: &ResponseHead) -> impl Future<Output = io::Result<()>> + Send;
    /// Sends the final head, its hop-by-hop fields removed. `persist` is whether the connection may carry another
    /// request.
    fn head(&mut self, head: &ResponseHead, body: BodyFraming, persist: bool) -> io::Result<()>;
    fn data(&mut self, data: Bytes) -> impl Future<Output = io::Result<()>> + Send;
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    fn end(&mut self, trailers: Headers) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits until the client no longer wants the response, where the protocol can say so.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// How an exchange leaves the client's connection.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The answer is complete, and another request may follow.
    Persist,
    /// The answer is complete, and told the client that the connection ends.
    Close,
    /// Nothing more can or shall be said.
    Abort,
    /// The connection belongs to this upstream connection now.
    Tunnel { upstream: (Reader, Writer), idle: Duration },
}
