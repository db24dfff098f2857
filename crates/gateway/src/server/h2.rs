//! HTTP/2 in front: many requests on one connection, each a task.
//!
//! The h2 crate refuses targets and fields that the `http` crate cannot hold (RFC 9113 §8.2.1 and §8.3.1 allow
//! fewer bytes than HTTP/1.1 does) by resetting the stream: such a request leaves no event.

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
use http1::{BodyFraming, Fault, Headers, RequestHead, ResponseHead, Version};
use tokio_util::sync::CancellationToken;

use super::Pace;
use crate::exchange::{self, BodyError, Ending, Incoming, Peer, RequestBody, ResponseWriter};
use crate::gate::Gate;
use crate::limits::{H2_STREAMS, H2_WINDOW, WRITE_BYTES};
use crate::stream::{Stream, within};
use crate::timer::Timer;

/// Serves a connection to its end.
pub(crate) async fn serve(gate: &Arc<Gate>, peer: Peer, stream: Stream, drain: &CancellationToken) {
    let runtime = gate.runtime.load_full();
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(H2_STREAMS)
        .initial_window_size(H2_WINDOW)
        .initial_connection_window_size(4 * H2_WINDOW)
        .max_header_list_size(u32::try_from(runtime.limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(WRITE_BYTES)
        .handshake::<_, Bytes>(stream);
    let mut connection = match tokio::time::timeout(runtime.timeouts.header, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "http/2 handshake failed"),
        Err(_) => return tracing::debug!("http/2 handshake took too long"),
    };
    let idle = runtime.timeouts.idle;
    drop(runtime);
    // each stream holds one more: alone, the connection is idle
    let streams = Arc::new(());
    let mut draining = false;
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let gate = Arc::clone(gate);
                    let open = Arc::clone(&streams);
                    let tasks = gate.tasks.clone();
                    tasks.spawn(async move {
                        let aborted = gate.aborted.clone();
                        tokio::select! {
                            () = serve_stream(&gate, peer, request, respond) => {}
                            () = aborted.cancelled() => {}
                        }
                        drop(open);
                    });
                }
                Some(Err(error)) => return tracing::debug!(%error, "http/2 connection ended"),
                None => return,
            },
            () = drain.cancelled(), if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            () = tokio::time::sleep(idle) => {
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
    peer: Peer,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let runtime = gate.runtime.load_full();
    let (parts, stream) = request.into_parts();
    let head = match head(&parts) {
        Ok(head) => head,
        Err(fault) => {
            // the h2 crate has let in what http1 does not: nothing that an upstream should see
            tracing::debug!(%fault, "http/2 request refused");
            let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut answer = Response::new(());
            *answer.status_mut() = status;
            let _ = respond.send_response(answer, true);
            return;
        }
    };
    let framing = head.framing().map(|mut framing| {
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
    let mut body = Body { stream, pace: Pace::new(&runtime.timeouts) };
    let mut answer = Answer { respond, stream: None, timeout: runtime.timeouts.write, ended: false };
    let ending =
        exchange::serve(gate, &runtime, peer, incoming, &mut body, &mut answer, &mut Timer::default()).await;
    match ending {
        Ending::Persist | Ending::Close if answer.ended => {
            // the rest of an unread body is not wanted (RFC 9113 §8.1)
            if !body.stream.is_end_stream() {
                answer.reset(Reason::NO_ERROR);
            }
        }
        _ => answer.reset(Reason::INTERNAL_ERROR),
    }
}

/// The request as HTTP/1.1 would say it: Host from the authority, cookies in one field (RFC 9113 §8.2.3).
fn head(parts: &http::request::Parts) -> Result<RequestHead, Fault> {
    if parts.method == Method::CONNECT {
        return Err(Fault::Connect);
    }
    let target = match parts.uri.path_and_query() {
        Some(target) => Bytes::copy_from_slice(target.as_str().as_bytes()),
        None => Bytes::from_static(b"/"),
    };
    let mut fields = Headers::new();
    let host = parts.headers.get(http::header::HOST).map(HeaderValue::as_bytes);
    match (parts.uri.authority(), host) {
        (Some(authority), Some(host)) if !authority.as_str().as_bytes().eq_ignore_ascii_case(host) => {
            return Err(Fault::HostMismatch);
        }
        (Some(authority), _) => fields.push("host", authority.as_str())?,
        (None, Some(host)) => fields.push("host", host)?,
        (None, None) => {}
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
    RequestHead::new(parts.method.as_str().to_owned(), target, Version::HTTP_11, fields)
}

struct Body {
    stream: RecvStream,
    pace: Pace,
}

impl RequestBody for Body {
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
                // lets the client send as much again; fails only where the stream has ended
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

    async fn gone(&mut self) {
        // the answer's side sees it
        std::future::pending().await
    }
}

struct Answer {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    timeout: Duration,
    ended: bool,
}

impl Answer {
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

impl ResponseWriter for Answer {
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
            let capacity = within(self.timeout, async {
                match poll_fn(|cx| stream.poll_capacity(cx)).await {
                    Some(capacity) => capacity.map_err(io::Error::other),
                    None => Err(io::ErrorKind::BrokenPipe.into()),
                }
            })
            .await?;
            let piece = data.split_to(capacity.min(data.len()));
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
