//! HTTP/1.1 towards an upstream: one connection, one request at a time.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http1::{
    BodyDecoder, BodyFraming, CHUNK_END, Decoded, HeadLimits, Headers, LAST_CHUNK, RequestHead,
    ResponseFraming, ResponseHead, ResponseParser, chunk_start,
};

use super::failure::Failure;
use crate::stream::{Reader, Writer};

/// A connection between two requests.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: Reader,
    writer: Writer,
}

impl Connection {
    pub(crate) fn new(reader: Reader, writer: Writer) -> Self {
        Self { reader, writer }
    }

    /// Whether it can probably carry another request.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.reader.is_quiet()
    }

    /// Starts a request; `chunked` is the framing of its body.
    pub(crate) fn begin(self, chunked: bool, timeout: Duration) -> (Sender, Receiver) {
        (
            Sender { writer: self.writer, chunked, timeout, scratch: BytesMut::new() },
            Receiver {
                reader: self.reader,
                parser: ResponseParser::new(),
                body: BodyDecoder::new(BodyFraming::None),
                trailers: Headers::new(),
            },
        )
    }
}

/// The sender of a request.
#[derive(Debug)]
pub(crate) struct Sender {
    writer: Writer,
    chunked: bool,
    timeout: Duration,
    scratch: BytesMut,
}

impl Sender {
    /// Queues the head for the first flush.
    pub(crate) fn head(&mut self, head: Bytes) {
        self.writer.queue(head);
    }

    /// Queues a piece of the body, and flushes a full buffer.
    pub(crate) async fn data(&mut self, data: Bytes) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if self.chunked {
            chunk_start(data.len(), &mut self.scratch);
            self.writer.queue(self.scratch.split().freeze());
            self.writer.queue(data);
            self.writer.queue(Bytes::from_static(CHUNK_END));
        } else {
            self.writer.queue(data);
        }
        if self.writer.is_full() { self.flush().await } else { Ok(()) }
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush(self.timeout).await
    }

    /// Ends the body. Trailer fields of the request are not forwarded, because no rule inspects them.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        if self.chunked {
            self.writer.queue(Bytes::from_static(LAST_CHUNK));
        }
        self.flush().await
    }
}

/// The receiver of a response.
#[derive(Debug)]
pub(crate) struct Receiver {
    reader: Reader,
    parser: ResponseParser,
    body: BodyDecoder,
    trailers: Headers,
}

impl Receiver {
    /// Returns the next response head, including interim ones.
    pub(crate) async fn head(
        &mut self,
        method: &[u8],
        upgrade: bool,
        limits: &HeadLimits,
    ) -> Result<(ResponseHead, ResponseFraming), Failure> {
        loop {
            if let Some(head) = self.parser.parse(&mut self.reader.buf, limits).map_err(Failure::Malformed)? {
                let framing = head.framing(method, upgrade).map_err(Failure::Malformed)?;
                self.body = BodyDecoder::new(framing.body);
                return Ok((head, framing));
            }
            match self.reader.fill_much().await {
                Ok(0) if self.parser.is_idle(&self.reader.buf) => return Err(Failure::Closed),
                Ok(0) => {
                    return Err(Failure::Malformed(http1::Error {
                        fault: http1::Fault::Truncated,
                        offset: self.reader.buf.len() as u64,
                    }));
                }
                Ok(_) => {}
                Err(error) => return Err(Failure::Broken(error)),
            }
        }
    }

    /// Returns the next piece of the body, or none at its end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.body.decode(&mut self.reader.buf).map_err(Failure::Malformed)? {
                Decoded::Data(data) => return Ok(Some(data)),
                Decoded::End(trailers) => {
                    if !trailers.is_empty() {
                        self.trailers = trailers;
                    }
                    return Ok(None);
                }
                Decoded::NeedMore => {}
            }
            match self.reader.fill_much().await {
                Ok(0) => {
                    self.body.closed().map_err(Failure::Malformed)?;
                    return Ok(None);
                }
                Ok(_) => {}
                Err(error) => return Err(Failure::Truncated(error)),
            }
        }
    }

    /// Returns the trailer fields after the end of the body.
    pub(crate) fn trailers(&mut self) -> Headers {
        std::mem::take(&mut self.trailers)
    }

    /// Returns the two halves for a tunnel.
    pub(crate) fn into_halves(self, sender: Sender) -> (Reader, Writer) {
        (self.reader, sender.writer)
    }

    /// Returns the connection for the next request if nothing of this exchange is left.
    pub(crate) fn into_connection(mut self, sender: Sender) -> Option<Connection> {
        self.reader.rest();
        (self.body.is_end() && self.reader.buf.is_empty())
            .then_some(Connection { reader: self.reader, writer: sender.writer })
    }
}

/// Sends the request of a health check, without a body, and returns the status of the response.
pub(super) async fn ask(connection: Connection, head: &RequestHead) -> Result<u16, Failure> {
    let (mut sender, mut receiver) = connection.begin(false, Duration::from_secs(5));
    let mut bytes = BytesMut::new();
    head.encode(&mut bytes);
    sender.head(bytes.freeze());
    sender.finish().await.map_err(Failure::Broken)?;
    for _ in 0..crate::limits::INTERIM_RESPONSES {
        let (head, framing) = receiver.head(head.method(), false, &HeadLimits::default()).await?;
        if framing.kind == http1::ResponseKind::Final {
            return Ok(head.status());
        }
    }
    Err(Failure::Interim)
}
