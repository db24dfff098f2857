//! HTTP/1.1 and HTTP/1.0 towards clients: the requests of a connection, one after another.

use std::borrow::Cow;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use event::Timestamp;
use http1::{
    BodyDecoder, BodyFraming, CHUNK_END, Decoded, Headers, RequestHead, RequestParser, ResponseHead, Version,
    chunk_start, last_chunk,
};
use tokio_util::sync::CancellationToken;

use super::Drain;
use crate::exchange;
use crate::gate::{Gate, Runtime};
use crate::incoming::{BodyError, Ending, Incoming, Peer, RequestBody, ResponseWriter};
use crate::limits::{DISCARD_BYTES, FIRST_READ_BYTES, LINGER, LINGER_IN_ALL, READ_BYTES};
use crate::pace::Pace;
use crate::record::refuse_unparsed;
use crate::share::{Charge, Client, Resource, Spent};
use crate::stream::{self, Reader, Stream, Writer};
use crate::timer::Timer;

/// The protocol of a connection.
pub(crate) enum Protocol {
    /// HTTP/1; the connection has ended.
    Http1,
    /// HTTP/2: the connection begins with its preface (RFC 9113 §3.4), which has not been read yet.
    Http2(Stream),
}

/// Serves a connection to its end. `http2` allows HTTP/2 by prior knowledge.
pub(crate) async fn serve(
    gate: &Arc<Gate>,
    peer: Peer,
    client: &Arc<Client>,
    stream: Stream,
    http2: bool,
    drain: &Drain,
) -> Protocol {
    let (mut reader, mut writer) = stream::split(stream, BytesMut::new());
    let mut scratch = BytesMut::new();
    let mut timer = Timer::default();
    let mut unsent = Charge::new(client, Resource::Memory);
    // one future for all waits, because each would join a list that all connections share
    let mut drained = pin!(drain.idle.cancelled());
    let mut served: u64 = 0;
    loop {
        let read = {
            // not held during the wait, so that the next request uses the configuration of its time
            let runtime = gate.runtime.load();
            let quiet = if served > 0 { runtime.timeouts.idle } else { runtime.timeouts.header };
            HeadLimits { http1: runtime.limits.head(), quiet, header: runtime.timeouts.header }
        };
        let head = read_head(&mut reader, &read, drained.as_mut()).await;
        let runtime = gate.runtime.load_full();
        let head = match head {
            Ok(head) => head,
            Err(NoHead::Quiet) => return Protocol::Http1,
            Err(NoHead::Slow) => {
                let answer = refuse_unparsed(
                    gate,
                    &runtime,
                    peer,
                    &reader.buf,
                    408,
                    "the client sent the request head too slowly",
                );
                Box::pin(finish_with(answer, &mut reader, &mut writer, &runtime, drain)).await;
                return Protocol::Http1;
            }
            Err(NoHead::Malformed(error)) => {
                let status = error.fault.status();
                let answer = refuse_unparsed(gate, &runtime, peer, &reader.buf, status, &error.to_string());
                Box::pin(finish_with(answer, &mut reader, &mut writer, &runtime, drain)).await;
                return Protocol::Http1;
            }
        };
        if served == 0 && http2 && is_preface(&head) {
            let (stream, rest) = reader.unsplit(writer);
            let ahead = [&head.raw()[..], &rest].concat();
            return match stream.rewound(BytesMut::from(&ahead[..])) {
                Some(stream) => Protocol::Http2(stream),
                None => Protocol::Http1,
            };
        }
        served += 1;
        let version = head.version();
        let framing = head.framing();
        let body_framing = framing.as_ref().map_or(BodyFraming::None, |framing| framing.body);
        let certain = framing.is_ok();
        let keep_alive = framing.as_ref().is_ok_and(|framing| framing.keep_alive)
            && served < runtime.limits.requests_per_connection;
        let incoming = Incoming {
            head,
            framing,
            protocol: match version {
                Version::HTTP_11 => Cow::Borrowed("HTTP/1.1"),
                Version::HTTP_10 => Cow::Borrowed("HTTP/1.0"),
                other => Cow::Owned(other.to_string()),
            },
            http2: false,
            time: Timestamp::from(std::time::SystemTime::now()),
            began: Instant::now(),
        };
        let mut body = Body {
            reader: &mut reader,
            decoder: BodyDecoder::new(body_framing),
            pace: Pace::new(&runtime.timeouts),
            room: FIRST_READ_BYTES,
        };
        let mut answer = Answer {
            writer: &mut writer,
            scratch: &mut scratch,
            version,
            timeout: runtime.timeouts.write,
            pace: Pace::of_answer(&runtime.timeouts),
            unsent: &mut unsent,
            keep_alive,
            drain: &drain.last,
            chunked: false,
            persists: false,
        };
        // boxed, so that a waiting connection is not as large as an exchange
        let ending = Box::pin(exchange::serve(
            gate,
            &runtime,
            (peer, client),
            incoming,
            &mut body,
            &mut answer,
            &mut timer,
        ))
        .await;
        let persists = answer.persists;
        let request_read = certain && body.decoder.is_end();
        match ending {
            Ending::Persist if persists => {}
            Ending::Persist | Ending::Close if request_read && reader.buf.is_empty() => {
                // nothing is left to do if closing fails
                let _ = writer.shutdown(runtime.timeouts.write).await;
                return Protocol::Http1;
            }
            Ending::Persist | Ending::Close => {
                linger(&mut reader, &mut writer, runtime.timeouts.write, drain).await;
                return Protocol::Http1;
            }
            Ending::Abort => return Protocol::Http1,
            Ending::Tunnel { upstream, idle } => {
                // boxed, because few connections become a tunnel, and every connection would reserve its space
                Box::pin(stream::tunnel((reader, writer), upstream, idle)).await;
                return Protocol::Http1;
            }
        }
    }
}

/// The limits of a head.
struct HeadLimits {
    http1: http1::HeadLimits,
    /// Time before its first byte.
    quiet: Duration,
    /// Time from its first byte to its last.
    header: Duration,
}

/// The reason why no head was read.
enum NoHead {
    /// The client closed the connection or was idle for too long, or the gate is closing. It needs no response.
    Quiet,
    Slow,
    Malformed(http1::Error),
}

async fn read_head(
    reader: &mut Reader,
    limits: &HeadLimits,
    mut drained: Pin<&mut impl Future<Output = ()>>,
) -> Result<RequestHead, NoHead> {
    let mut parser = RequestParser::new();
    let mut deadline = None;
    loop {
        if !reader.buf.is_empty()
            && let Some(head) = parser.parse(&mut reader.buf, &limits.http1).map_err(NoHead::Malformed)?
        {
            return Ok(head);
        }
        let idle = parser.is_idle(&reader.buf);
        let read = if idle {
            reader.rest();
            tokio::select! {
                biased;
                read = reader.fill_within(limits.quiet) => read,
                () = drained.as_mut() => return Err(NoHead::Quiet),
            }
        } else {
            let now = tokio::time::Instant::now();
            let deadline = *deadline.get_or_insert(now + limits.header);
            reader.fill_within(deadline.saturating_duration_since(now)).await
        };
        match read {
            Ok(0) | Err(_) if idle => return Err(NoHead::Quiet),
            Ok(0) => {
                let offset = reader.buf.len() as u64;
                return Err(NoHead::Malformed(http1::Error { fault: http1::Fault::Truncated, offset }));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(NoHead::Slow),
            Err(_) => return Err(NoHead::Quiet),
        }
    }
}

fn is_preface(head: &RequestHead) -> bool {
    head.method() == b"PRI" && head.target() == b"*" && head.version() == (Version { major: 2, minor: 0 })
}

async fn finish_with(
    (mut head, page): (ResponseHead, Bytes),
    reader: &mut Reader,
    writer: &mut Writer,
    runtime: &Runtime,
    drain: &Drain,
) {
    // name and value contain only valid bytes
    let _ = head.headers_mut().push("Connection", "close");
    let mut answer = BytesMut::new();
    head.encode(&mut answer);
    writer.queue(answer.freeze());
    writer.queue(page);
    if writer.flush(runtime.timeouts.write).await.is_ok() {
        linger(reader, writer, runtime.timeouts.write, drain).await;
    }
}

/// Closes the connection so that the client can read the response: bytes that it still sends would make the kernel
/// reset the connection and discard the response (RFC 9112 §9.6).
async fn linger(reader: &mut Reader, writer: &mut Writer, timeout: Duration, drain: &Drain) {
    if writer.shutdown(timeout).await.is_err() {
        return;
    }
    let discard = async {
        let mut left = DISCARD_BYTES;
        while left > 0 {
            left = left.saturating_sub(reader.buf.len());
            reader.buf.clear();
            match tokio::time::timeout(LINGER, reader.fill_much()).await {
                Ok(Ok(1..)) => {}
                // closed, or silent for long enough to have read the response
                _ => return,
            }
        }
        // The rest stays in the socket: a client that waits to send more reads the response meanwhile.
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        () = discard => {}
        () = tokio::time::sleep(LINGER_IN_ALL) => {}
        // a stopping gate waits for one silence at most
        () = async { drain.idle.cancelled().await; tokio::time::sleep(LINGER).await } => {}
    }
}

/// The request body on an HTTP/1 connection.
struct Body<'a> {
    reader: &'a mut Reader,
    decoder: BodyDecoder,
    pace: Pace,
    /// Size of a read; smaller for a slow client.
    room: usize,
}

impl RequestBody for Body<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            match self.decoder.decode(&mut self.reader.buf).map_err(BodyError::Malformed)? {
                Decoded::Data(data) => return Ok(Some(data)),
                // trailer fields are not forwarded, because no rule inspects them
                Decoded::End(_) => return Ok(None),
                Decoded::NeedMore => {}
            }
            let room = self.room;
            let read = self.pace.wait(self.reader.fill_by(room), |read| *read.as_ref().unwrap_or(&0)).await;
            if let Ok(Ok(bytes)) = read
                && bytes >= room / 4
            {
                self.room = (room * 4).min(READ_BYTES);
            }
            match read.map_err(|_| BodyError::Slow)? {
                Ok(0) => {
                    let fault = http1::Fault::Truncated;
                    return Err(BodyError::Malformed(
                        self.decoder.closed().err().unwrap_or(http1::Error { fault, offset: 0 }),
                    ));
                }
                Ok(_) => {}
                Err(error) => return Err(BodyError::Gone(error)),
            }
        }
    }

    fn be_patient(&mut self, silence: Duration) {
        self.pace.be_patient(silence);
    }

    fn pass_on(&mut self, _length: Option<u64>, _limit: usize) -> Result<(), Spent> {
        // unread bytes stay in the socket
        Ok(())
    }

    async fn gone(&mut self) {
        // these bytes are the client's next request; all but the first stay in the socket
        while self.reader.buf.len() < READ_BYTES {
            if !matches!(self.reader.fill().await, Ok(1..)) {
                return;
            }
        }
        std::future::pending().await
    }
}

/// The writer of a response on an HTTP/1 connection.
struct Answer<'a> {
    writer: &'a mut Writer,
    scratch: &'a mut BytesMut,
    version: Version,
    timeout: Duration,
    pace: Pace,
    /// The charge for bytes that wait for a slow client.
    unsent: &'a mut Charge,
    /// Whether request, limits and client version allow another request.
    keep_alive: bool,
    drain: &'a CancellationToken,
    chunked: bool,
    /// Whether the head announced another request.
    persists: bool,
}

impl ResponseWriter for Answer<'_> {
    async fn interim(&mut self, head: &ResponseHead) -> io::Result<()> {
        head.encode(self.scratch);
        self.writer.queue(self.scratch.split().freeze());
        self.writer.flush(self.timeout).await
    }

    fn head(&mut self, head: &ResponseHead, body: BodyFraming, persist: bool) -> io::Result<()> {
        let body = body.for_client(self.version);
        self.chunked = body == BodyFraming::Chunked;
        self.persists =
            persist && self.keep_alive && body != BodyFraming::UntilClose && !self.drain.is_cancelled();
        head.encode(self.scratch);
        // before the empty line that ends the head
        self.scratch.truncate(self.scratch.len() - 2);
        if self.chunked {
            self.scratch.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if let Some(option) = http1::connection_option(self.version, self.persists) {
            self.scratch.extend_from_slice(b"Connection: ");
            self.scratch.extend_from_slice(option.as_bytes());
            self.scratch.extend_from_slice(b"\r\n");
        }
        self.scratch.extend_from_slice(b"\r\n");
        self.writer.queue(self.scratch.split().freeze());
        Ok(())
    }

    async fn data(&mut self, data: Bytes) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if self.chunked {
            chunk_start(data.len(), self.scratch);
            self.writer.queue(self.scratch.split().freeze());
            self.writer.queue(data);
            self.writer.queue(Bytes::from_static(CHUNK_END));
        } else {
            self.writer.queue(data);
        }
        if !self.writer.is_full() {
            return Ok(());
        }
        self.unsent.set_anyway(self.writer.queued());
        let flushed = self.writer.flush_at(&mut self.pace).await;
        self.unsent.set_anyway(0);
        flushed
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush_at(&mut self.pace).await
    }

    async fn end(&mut self, trailers: Headers) -> io::Result<()> {
        if self.chunked {
            last_chunk(&trailers, self.scratch);
            self.writer.queue(self.scratch.split().freeze());
        }
        self.writer.flush_at(&mut self.pace).await
    }

    async fn gone(&mut self) {
        // the body detects it
        std::future::pending().await
    }
}
