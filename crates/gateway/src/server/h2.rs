//! HTTP/2 towards clients: many requests on one connection, each in its own task.
//!
//! The h2 crate resets the stream of a request whose target or fields the `http` crate cannot represent (RFC 9113 §8.2.1 and
//! §8.3.1 allow fewer bytes than HTTP/1.1 does). Such a request leaves no event.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use event::Timestamp;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http1::{BodyFraming, Fault, HeadLimits, Headers, RequestHead, ResponseHead, Version};

use super::Drain;
use super::buffers::{Ahead, Buffers, Counted};
use crate::exchange;
use crate::gate::{Gate, Runtime};
use crate::incoming::{BodyError, Ending, Incoming, Peer, RequestBody, ResponseWriter};
use crate::limits::{
    DISCARD_BYTES, H2_CONNECTION_WINDOW, H2_STREAMS, H2_WINDOW, LINGER, RETIREMENT, STREAM_LINGER,
    WRITE_BYTES,
};
use crate::pace::{Pace, TooSlow};
use crate::record::refuse_unparsed;
use crate::share::{Client, Spent};
use crate::stream::Stream;
use crate::timer::Timer;

/// Serves a connection to its end.
pub(crate) async fn serve(gate: &Arc<Gate>, peer: Peer, client: &Arc<Client>, stream: Stream, drain: &Drain) {
    let runtime = gate.runtime.load_full();
    let buffers = Arc::new(Buffers::new(client));
    let stream = Counted::new(stream, &buffers);
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(H2_STREAMS)
        .initial_window_size(H2_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        // The gate records an event for heads up to twice the limit; the h2 crate itself refuses larger ones with 431.
        .max_header_list_size(u32::try_from(runtime.limits.head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_send_buffer_size(WRITE_BYTES)
        .handshake::<_, Bytes>(stream);
    let mut connection = match tokio::time::timeout(runtime.timeouts.header, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "http/2 handshake failed"),
        Err(_) => return tracing::debug!("http/2 handshake took too long"),
    };
    let idle = runtime.timeouts.idle;
    drop(runtime);
    // each stream holds another reference: with only one, the connection is idle
    let streams = Arc::new(());
    let mut draining = false;
    let mut served: u64 = 0;
    let mut late: u32 = 0;
    loop {
        // an idle client may never acknowledge the GOAWAY
        let patience = if draining { RETIREMENT } else { idle };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, mut respond))) => {
                    served += 1;
                    if draining {
                        // in flight when GOAWAY was sent; later streams are not served
                        late += 1;
                        if late > H2_STREAMS {
                            respond.send_reset(Reason::REFUSED_STREAM);
                            continue;
                        }
                    } else if served >= gate.runtime.load().limits.requests_per_connection {
                        draining = true;
                        connection.graceful_shutdown();
                    }
                    let gate = Arc::clone(gate);
                    let open = Arc::clone(&streams);
                    let (client, buffers) = (Arc::clone(client), Arc::clone(&buffers));
                    let tasks = gate.tasks.clone();
                    tasks.spawn(async move {
                        let aborted = gate.aborted.clone();
                        tokio::select! {
                            () = serve_stream(&gate, (peer, &client), &buffers, request, respond) => {}
                            () = aborted.cancelled() => {}
                        }
                        drop(open);
                    });
                }
                Some(Err(error)) => return tracing::debug!(%error, "http/2 connection ended"),
                None => return,
            },
            () = drain.last.cancelled(), if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            () = tokio::time::sleep(patience) => {
                if Arc::strong_count(&streams) == 1 {
                    if draining {
                        return;
                    }
                    draining = true;
                    connection.graceful_shutdown();
                }
            }
        }
    }
}

async fn serve_stream(
    gate: &Arc<Gate>,
    from: (Peer, &Arc<Client>),
    buffers: &Arc<Buffers>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let runtime = gate.runtime.load_full();
    let (parts, stream) = request.into_parts();
    let (head, fault) = match head(&parts, &runtime.limits.head()) {
        Ok(head) => head,
        Err(fault) => return refuse(gate, &runtime, from.0, &parts, fault, &mut respond),
    };
    let framing = match fault {
        None => head.framing(),
        Some(fault) => Err(http1::Error { fault, offset: 0 }),
    };
    let framing = framing.map(|mut framing| {
        framing.body = match (stream.is_end_stream(), framing.body) {
            (true, _) => BodyFraming::None,
            (false, BodyFraming::None) => BodyFraming::Chunked,
            (false, length) => length,
        };
        framing.expect_continue = !framing.body.is_empty()
            && head.headers().get("Expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
        framing
    });
    let incoming = Incoming {
        head,
        framing,
        protocol: Cow::Borrowed("HTTP/2.0"),
        http2: true,
        time: Timestamp::from(std::time::SystemTime::now()),
        began: Instant::now(),
    };
    let mut body = Body { stream, pace: Pace::new(&runtime.timeouts), buffers, ahead: None };
    let limit = runtime.limits.held_bytes;
    let pace = Pace::of_answer(&runtime.timeouts);
    let mut answer = Answer { respond, stream: None, pace, buffers, limit, ended: false };
    let ending =
        exchange::serve(gate, &runtime, from, incoming, &mut body, &mut answer, &mut Timer::default()).await;
    match ending {
        // If the body was not read to its end, dropping both sides of the stream resets it with NO_ERROR, after all queued data
        // is sent (RFC 9113 §8.1). An explicit reset would discard the queued response.
        Ending::Persist | Ending::Close if answer.ended => discard(&mut body.stream).await,
        _ => answer.reset(Reason::INTERNAL_ERROR),
    }
}

/// Continues to read for a while after the response: curl 7.88 reports a reset together with the response as a failure, whatever
/// its code.
async fn discard(stream: &mut RecvStream) {
    let read = async {
        let mut left = DISCARD_BYTES;
        while left > 0 && !stream.is_end_stream() {
            let next = tokio::time::timeout(STREAM_LINGER, poll_fn(|cx| stream.poll_data(cx)));
            let Ok(Some(Ok(data))) = next.await else { return };
            left = left.saturating_sub(data.len());
            // fails only if the stream has ended
            let _ = stream.flow_control().release_capacity(data.len());
        }
    };
    let _ = tokio::time::timeout(LINGER, read).await;
}

/// Refuses a request that the h2 crate accepts but a [`RequestHead`] cannot represent. The event has the request line as
/// evidence.
fn refuse(
    gate: &Gate,
    runtime: &Runtime,
    peer: Peer,
    parts: &http::request::Parts,
    fault: Fault,
    respond: &mut SendResponse<Bytes>,
) {
    let line = format!("{} {} HTTP/2.0\r\n", parts.method, parts.uri);
    let (head, page) =
        refuse_unparsed(gate, runtime, peer, line.as_bytes(), fault.status(), &fault.to_string());
    let sent = response(&head).and_then(|head| {
        let mut stream = respond.send_response(head, false).map_err(io::Error::other)?;
        stream.send_data(page, true).map_err(io::Error::other)
    });
    if let Err(error) = sent {
        tracing::debug!(%error, "http/2 request refused without a response");
    }
}

/// Returns the request as HTTP/1.1 would send it: Host from the authority, cookies in one field (RFC 9113 §8.2.3). Also returns
/// the fault for which it is refused, if [`RequestHead::framing`] cannot find it.
fn head(parts: &http::request::Parts, limits: &HeadLimits) -> Result<(RequestHead, Option<Fault>), Fault> {
    let authority = parts.uri.authority();
    let target = match (parts.uri.path_and_query(), authority) {
        (None, Some(authority)) if parts.method == Method::CONNECT => authority.as_str(),
        (Some(target), _) => target.as_str(),
        (None, _) => "/",
    };
    let mut fault = limit_fault(parts, target, limits);
    let mut fields = Headers::new();
    let mut hosts = parts.headers.get_all(http::header::HOST).iter().map(HeaderValue::as_bytes).peekable();
    match authority.map(|authority| authority.as_str().as_bytes()) {
        // `framing` refuses a second field
        None => hosts.try_for_each(|host| fields.push("host", host))?,
        Some(authority) => {
            fields.push("host", authority)?;
            let first = hosts.next();
            if hosts.peek().is_some() {
                fault = fault.or(Some(Fault::TwoHosts));
            }
            if let Some(host) = first
                && !authority.eq_ignore_ascii_case(host)
            {
                fault = fault.or(Some(Fault::HostMismatch));
            }
            // rules and events contain everything that was sent
            if fault.is_some() {
                first.into_iter().chain(hosts).try_for_each(|host| fields.push("host", host))?;
            }
        }
    }
    for (name, value) in &parts.headers {
        if name != http::header::HOST && name != http::header::COOKIE {
            fields.push(name.as_str(), value.as_bytes())?;
        }
    }
    let mut cookie = BytesMut::new();
    for value in parts.headers.get_all(http::header::COOKIE) {
        if !cookie.is_empty() {
            cookie.put_slice(b"; ");
        }
        cookie.put_slice(value.as_bytes());
    }
    if !cookie.is_empty() {
        fields.push("cookie", cookie)?;
    }
    let target = Bytes::copy_from_slice(target.as_bytes());
    let head = RequestHead::new(parts.method.as_str().to_owned(), target, Version::HTTP_11, fields)?;
    Ok((head, fault))
}

/// Returns the limit that a head exceeds. HTTP/1.1 checks the same limits while it reads.
fn limit_fault(parts: &http::request::Parts, target: &str, limits: &HeadLimits) -> Option<Fault> {
    if parts.method.as_str().len() > http1::limits::METHOD_BYTES {
        return Some(Fault::MethodTooLong);
    }
    if target.len() > limits.target_bytes {
        return Some(Fault::TargetTooLong);
    }
    if parts.headers.len() > limits.headers {
        return Some(Fault::TooManyHeaders);
    }
    let line = parts.method.as_str().len() + target.len() + "  HTTP/2.0\r\n\r\n".len();
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    (line + fields.sum::<usize>() > limits.head_bytes).then_some(Fault::HeadTooLarge)
}

struct Body<'a> {
    stream: RecvStream,
    pace: Pace,
    buffers: &'a Arc<Buffers>,
    ahead: Option<Ahead>,
}

impl RequestBody for Body<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let stream = &mut self.stream;
        let read = self
            .pace
            .wait(poll_fn(|cx| stream.poll_data(cx)), |data| match data {
                Some(Ok(data)) => data.len(),
                _ => 0,
            })
            .await;
        match read.map_err(|_| BodyError::Slow)? {
            Some(Ok(data)) => {
                // lets the client send the same amount again; fails only if the stream has ended
                let _ = self.stream.flow_control().release_capacity(data.len());
                Ok(Some(data))
            }
            Some(Err(error)) => Err(BodyError::Gone(io::Error::other(error))),
            None => Ok(None),
        }
    }

    fn be_patient(&mut self, silence: Duration) {
        self.pace.be_patient(silence);
    }

    fn pass_on(&mut self, length: Option<u64>, limit: usize) -> Result<(), Spent> {
        self.ahead = Some(self.buffers.pass_on(length, limit)?);
        Ok(())
    }

    async fn gone(&mut self) {
        // the writer of the response detects it
        std::future::pending().await
    }
}

struct Answer<'a> {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    pace: Pace,
    buffers: &'a Buffers,
    /// Limit of everything held in memory.
    limit: usize,
    ended: bool,
}

impl Answer<'_> {
    fn reset(&mut self, reason: Reason) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }
}

fn response(head: &ResponseHead) -> io::Result<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status()).map_err(io::Error::other)?;
    append(response.headers_mut(), head.headers())?;
    Ok(response)
}

fn append(map: &mut HeaderMap, fields: &Headers) -> io::Result<()> {
    for field in fields {
        map.append(
            HeaderName::from_bytes(field.name()).map_err(io::Error::other)?,
            HeaderValue::from_bytes(field.value()).map_err(io::Error::other)?,
        );
    }
    Ok(())
}

impl ResponseWriter for Answer<'_> {
    async fn interim(&mut self, head: &ResponseHead) -> io::Result<()> {
        self.respond.send_informational(response(head)?).map_err(io::Error::other)
    }

    fn head(&mut self, head: &ResponseHead, body: BodyFraming, _persist: bool) -> io::Result<()> {
        self.ended = body.is_empty();
        let stream = self.respond.send_response(response(head)?, self.ended).map_err(io::Error::other)?;
        self.stream = Some(stream);
        Ok(())
    }

    async fn data(&mut self, mut data: Bytes) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let step = async {
                self.buffers.room(self.limit).await;
                match poll_fn(|cx| stream.poll_capacity(cx)).await {
                    Some(capacity) => capacity.map_err(io::Error::other),
                    None => Err(io::ErrorKind::BrokenPipe.into()),
                }
            };
            let taken = |capacity: &io::Result<usize>| *capacity.as_ref().unwrap_or(&0);
            let slow = |TooSlow| io::Error::from(io::ErrorKind::TimedOut);
            let capacity = self.pace.wait(step, taken).await.map_err(slow)??;
            let piece = data.split_to(capacity.min(data.len()));
            self.buffers.add(piece.len());
            stream.send_data(piece, false).map_err(io::Error::other)?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn end(&mut self, trailers: Headers) -> io::Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        if trailers.is_empty() {
            return stream.send_data(Bytes::new(), true).map_err(io::Error::other);
        }
        let mut map = HeaderMap::new();
        append(&mut map, &trailers)?;
        stream.send_trailers(map).map_err(io::Error::other)
    }

    async fn gone(&mut self) {
        let _ = match &mut self.stream {
            Some(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
            None => poll_fn(|cx| self.respond.poll_reset(cx)).await,
        };
    }
}
