//! HTTP/2 towards an upstream: one stream of a shared connection.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http1::{BodyFraming, Headers, RequestHead, ResponseFraming, ResponseHead, ResponseKind};

use super::failure::Failure;
use crate::forward::Forward;
use crate::stream::within;

/// Starts a request with Host as its authority.
pub(crate) fn begin(
    mut connection: SendRequest<Bytes>,
    scheme: &str,
    forward: &Forward<'_>,
    end: bool,
    timeout: Duration,
) -> Result<(Sender, Receiver), Failure> {
    let request = request(scheme, forward.head(), forward.host(), forward.fields()).ok_or(Failure::Target)?;
    let (response, stream) = connection.send_request(request, end).map_err(Failure::Unsent)?;
    Ok((
        Sender { stream, timeout, ended: end },
        Receiver { response: Some(response), body: None, trailers: None },
    ))
}

/// Builds the request; none if HTTP/2 cannot carry the target or a field.
fn request<'a>(
    scheme: &str,
    head: &RequestHead,
    authority: &[u8],
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<Request<()>> {
    if head.target().first() != Some(&b'/') {
        // `*` and absolute form need HTTP/1.1
        return None;
    }
    let uri =
        Uri::builder().scheme(scheme).authority(authority).path_and_query(head.target()).build().ok()?;
    // the http crate may have changed bytes: the upstream would read another target than the rules
    if uri.path_and_query().is_some_and(|kept| kept.as_str().as_bytes() != head.target()) {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method()).ok()?;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    let grpc = head.headers().get("Content-Type").is_some_and(|kind| kind.starts_with(b"application/grpc"));
    let out = request.headers_mut();
    for (name, value) in fields {
        if !name.eq_ignore_ascii_case(b"host") {
            out.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
    }
    if grpc {
        // a hop-by-hop field that gRPC servers require
        out.insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    Some(request)
}

/// Whether [`begin`] could send this request.
pub(crate) fn can_carry(head: &RequestHead) -> bool {
    request("http", head, head.host().unwrap_or(b"localhost"), std::iter::empty()).is_some()
}

/// The sender of a request.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: SendStream<Bytes>,
    timeout: Duration,
    ended: bool,
}

impl Sender {
    pub(crate) async fn data(&mut self, mut data: Bytes) -> io::Result<()> {
        while !data.is_empty() {
            self.stream.reserve_capacity(data.len());
            let capacity = within(self.timeout, async {
                match poll_fn(|cx| self.stream.poll_capacity(cx)).await {
                    Some(capacity) => capacity.map_err(io::Error::other),
                    None => Err(io::ErrorKind::BrokenPipe.into()),
                }
            })
            .await?;
            let piece = data.split_to(capacity.min(data.len()));
            self.stream.send_data(piece, false).map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        self.stream.send_data(Bytes::new(), true).map_err(io::Error::other)
    }
}

/// The receiver of a response.
#[derive(Debug)]
pub(crate) struct Receiver {
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    trailers: Option<HeaderMap>,
}

impl Receiver {
    /// Returns the response head; the h2 crate handles interim heads.
    pub(crate) async fn head(&mut self, method: &[u8]) -> Result<(ResponseHead, ResponseFraming), Failure> {
        let response = match &mut self.response {
            Some(response) => response.await.map_err(Failure::Stream)?,
            None => return Err(Failure::Closed),
        };
        self.response = None;
        let (parts, body) = response.into_parts();
        let mut fields = Headers::new();
        let broken = |fault| Failure::Malformed(http1::Error { fault, offset: 0 });
        for (name, value) in &parts.headers {
            fields
                .push(
                    Bytes::copy_from_slice(name.as_str().as_bytes()),
                    Bytes::copy_from_slice(value.as_bytes()),
                )
                .map_err(broken)?;
        }
        let mut head = ResponseHead::new(parts.status.as_u16(), fields).map_err(broken)?;
        // a response that HTTP/1.1 refuses would be ambiguous to an HTTP/1.1 client
        let has_body = !head.framing(method, false).map_err(Failure::Malformed)?.body.is_empty();
        let length =
            head.headers().get("content-length").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        if body.is_end_stream() && length.is_none() && has_body {
            // an HTTP/1.1 client would wait for a body until the connection closes
            head.headers_mut().push("content-length", "0").map_err(broken)?;
        }
        let framing = ResponseFraming {
            body: match (body.is_end_stream(), length) {
                _ if method == b"HEAD" || matches!(head.status(), 204 | 304) => BodyFraming::None,
                (true, _) => BodyFraming::Length(0),
                (false, Some(length)) => BodyFraming::Length(length),
                (false, None) => BodyFraming::Chunked,
            },
            keep_alive: true,
            kind: ResponseKind::Final,
        };
        self.body = Some(body);
        Ok((head, framing))
    }

    /// Returns the next piece of the body, or none at its end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(body) = &mut self.body else { return Ok(None) };
        match poll_fn(|cx| body.poll_data(cx)).await {
            Some(Ok(data)) => {
                // lets the upstream send the same amount again; fails only if the stream has ended
                let _ = body.flow_control().release_capacity(data.len());
                Ok(Some(data))
            }
            Some(Err(error)) => Err(Failure::Stream(error)),
            None => {
                self.trailers = poll_fn(|cx| body.poll_trailers(cx)).await.map_err(Failure::Stream)?;
                Ok(None)
            }
        }
    }

    /// Returns the trailer fields after the end of the body.
    pub(crate) fn trailers(&mut self) -> Headers {
        let mut trailers = Headers::new();
        for (name, value) in self.trailers.take().iter().flatten() {
            // drops a value that HTTP/1.1 cannot carry
            let _ = trailers.push(
                Bytes::copy_from_slice(name.as_str().as_bytes()),
                Bytes::copy_from_slice(value.as_bytes()),
            );
        }
        trailers
    }
}

/// Sends the request of a health check, without a body, and returns the status of the response.
pub(super) async fn ask(mut connection: SendRequest<Bytes>, head: &RequestHead) -> Result<u16, Failure> {
    let fields = head.headers().iter().map(|field| (field.name(), field.value()));
    let request = request("http", head, head.host().unwrap_or_default(), fields).ok_or(Failure::Target)?;
    let (response, _stream) = connection.send_request(request, true).map_err(Failure::Stream)?;
    Ok(response.await.map_err(Failure::Stream)?.status().as_u16())
}
