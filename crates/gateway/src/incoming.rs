//! A request as received from its connection: the head, the body, the writer of its response, and the ending of the exchange.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::Timestamp;
use http1::{BodyFraming, Headers, RequestFraming, RequestHead, ResponseHead};

use crate::share::Spent;
use crate::stream::{Reader, Writer};

/// The connection on which requests arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The client's address, from the socket or a trusted PROXY header.
    pub address: SocketAddr,
    /// The address to which the client connected.
    pub local: SocketAddr,
    /// Whether the connection is TLS.
    pub tls: bool,
}

/// A request whose head has arrived.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub head: RequestHead,
    /// The meaning of the head, or the reason to refuse it. The rules inspect it in both cases.
    pub framing: Result<RequestFraming, http1::Error>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`, or an unsupported version, for which the head is refused.
    pub protocol: Cow<'static, str>,
    /// Whether it arrived over HTTP/2.
    pub http2: bool,
    pub time: Timestamp,
    pub began: Instant,
}

/// The reason why a request body is incomplete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("malformed request body: {0}")]
    Malformed(http1::Error),
    #[error("the client sent the request body too slowly")]
    Slow,
    #[error("client disconnected: {0}")]
    Gone(io::Error),
    #[error("cannot read the held body back: {0}")]
    Lost(io::Error),
}

/// The request body, read from the client.
pub(crate) trait RequestBody: Send {
    /// Returns the next piece, or none at the end. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyError>> + Send;
    /// Allows silences of up to this length from now on, for a conversation between client and upstream.
    fn be_patient(&mut self, silence: Duration);
    /// From now on the client may send faster than the pieces are read, and its share is charged for the buffer. Fails if the
    /// client's share of `limit` is used up.
    fn pass_on(&mut self, length: Option<u64>, limit: usize) -> Result<(), Spent>;
    /// Waits, after the end of the body, until the client closes its side.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// The writer of a response to the client. Heads and data may stay in a buffer until `flush` or `end`.
pub(crate) trait ResponseWriter: Send {
    /// Sends a 1xx response, if the protocol supports them.
    fn interim(&mut self, head: &ResponseHead) -> impl Future<Output = io::Result<()>> + Send;
    /// Sends the final head, without hop-by-hop fields. `persist` means that the connection may carry another request.
    fn head(&mut self, head: &ResponseHead, body: BodyFraming, persist: bool) -> io::Result<()>;
    fn data(&mut self, data: Bytes) -> impl Future<Output = io::Result<()>> + Send;
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    fn end(&mut self, trailers: Headers) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits until the client cancels the response, if the protocol can express this.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// The state of the client's connection after an exchange.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The response is complete; another request may follow.
    Persist,
    /// The response is complete and announced the end of the connection.
    Close,
    /// Nothing more can or may be sent.
    Abort,
    /// The connection is now a tunnel to this upstream connection.
    Tunnel { upstream: (Reader, Writer), idle: Duration },
}
