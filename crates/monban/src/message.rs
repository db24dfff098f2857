//! HTTP/1.1 messages in files, parsed by `http1` as the gate parses them from a connection.
//!
//! Handwritten files are handled more tolerantly. If no line of the head ends with CRLF, all line ends become CRLF. If
//! the head of a request does not describe its body, the request gets a Content-Length.

use std::borrow::Cow;

use bytes::BytesMut;
use http1::{
    BodyDecoder, BodyFraming, Decoded, Error, Fault, HeadLimits, RequestHead, RequestParser, ResponseHead,
    ResponseKind, ResponseParser,
};

/// The readable part of a request.
#[derive(Debug)]
pub struct Request {
    pub head: RequestHead,
    /// The error for which the gate refuses the whole head, such as ambiguous framing. In this case no body is read.
    pub refused: Option<Error>,
    pub body: Body,
}

/// A complete response. Interim responses before it are skipped.
#[derive(Debug)]
pub struct Response {
    pub head: ResponseHead,
    /// The body; none if the status or the method allows none.
    pub body: Option<Body>,
}

/// A decoded body.
#[derive(Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// The error after `bytes`: a broken chunk, or a premature end.
    pub fault: Option<Error>,
    /// Bytes after the message, without empty lines at its end.
    pub rest: usize,
}

/// Parses a request.
///
/// # Errors
/// If the head cannot be split into fields.
pub fn request(bytes: &[u8]) -> Result<Request, Error> {
    let mut buffer = BytesMut::from(&*with_line_ends(bytes, true));
    let head = RequestParser::new().parse(&mut buffer, &HeadLimits::default())?;
    let head = head.ok_or_else(|| truncated(buffer.len()))?;
    Ok(match head.framing() {
        Ok(framing) => Request { refused: None, body: Body::read(buffer, framing.body), head },
        Err(error) => Request { head, refused: Some(error), body: Body::default() },
    })
}

/// Parses the response to a request with this method.
///
/// # Errors
/// Errors of the head, including framing.
pub fn response(bytes: &[u8], method: &[u8]) -> Result<Response, Error> {
    let mut buffer = BytesMut::from(&*with_line_ends(bytes, false));
    loop {
        let head = ResponseParser::new().parse(&mut buffer, &HeadLimits::default())?;
        let head = head.ok_or_else(|| truncated(buffer.len()))?;
        let framing = head.framing(method, false)?;
        if framing.kind == ResponseKind::Interim {
            continue;
        }
        let body = (!framing.body.is_empty()).then(|| Body::read(buffer, framing.body));
        return Ok(Response { head, body });
    }
}

impl Body {
    fn read(mut buffer: BytesMut, framing: BodyFraming) -> Self {
        let mut decoder = BodyDecoder::new(framing);
        let mut body = Self::default();
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Decoded::Data(data)) => body.bytes.extend_from_slice(&data),
                Ok(Decoded::End(_)) => break,
                // the input is at its end
                Ok(Decoded::NeedMore) => {
                    body.fault = decoder.closed().err();
                    return body;
                }
                Err(error) => {
                    body.fault = Some(error);
                    return body;
                }
            }
        }
        if buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            body.rest = buffer.len();
        }
        body
    }
}

fn truncated(offset: usize) -> Error {
    Error { fault: Fault::Truncated, offset: offset as u64 }
}

/// Returns the message with CRLF line ends if its head has none. A head with some CRLF stays unchanged: a bare LF in it
/// may be an attack, and the gate refuses it.
fn with_line_ends(raw: &[u8], is_request: bool) -> Cow<'_, [u8]> {
    let end = raw.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&raw[..end], &raw[end + 2..]),
        None => (raw, &[][..]),
    };
    if head.contains(&b'\r') {
        return Cow::Borrowed(raw);
    }
    let mut message = Vec::with_capacity(raw.len() + 1024);
    let mut framed = false;
    for line in head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        framed |= name.eq_ignore_ascii_case(b"content-length");
        framed |= name.eq_ignore_ascii_case(b"transfer-encoding");
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    if is_request && !framed && !body.is_empty() {
        message.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body);
    Cow::Owned(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a summary of a parsed request: its body, then the error for which it is refused.
    fn summary(raw: &str) -> String {
        let request = match request(raw.as_bytes()) {
            Ok(request) => request,
            Err(error) => return format!("no head: {}", error.fault.name()),
        };
        let line = [request.head.method(), b" ", request.head.target()].concat();
        let mut summary = format!(
            "{} {} fields, body {:?}",
            String::from_utf8_lossy(&line),
            request.head.headers().len(),
            String::from_utf8_lossy(&request.body.bytes)
        );
        for error in [request.refused, request.body.fault].into_iter().flatten() {
            summary += &format!(", {} {}", error.fault.status(), error.fault.name());
        }
        if request.body.rest > 0 {
            summary += &format!(", rest {}", request.body.rest);
        }
        summary
    }

    #[test]
    fn requests() {
        let cases = [
            // plain
            ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a 1 fields, body \"\""),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na\n\n",
                "POST / 2 fields, body \"a\\n\\n\"",
            ),
            // chunked
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nq=at\r\n4;x=y\r\ntack\r\n0\r\n\r\n",
                "POST / 2 fields, body \"q=attack\"",
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: trailer\r\n\r\n",
                "POST / 2 fields, body \"\"",
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
                "POST / 2 fields, body \"ab\", 400 bad-chunk-end",
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
                "POST / 2 fields, body \"\", 400 bad-chunk-size",
            ),
            // short
            (
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nq=at",
                "POST / 2 fields, body \"q=at\", 400 truncated",
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nq=at",
                "POST / 2 fields, body \"q=at\", 400 truncated",
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nq=at\r\n",
                "POST / 2 fields, body \"q=at\", 400 truncated",
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\n", "no head: truncated"),
            ("", "no head: truncated"),
            // ambiguous
            (
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "POST / 3 fields, body \"\", 400 length-with-transfer-encoding",
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                "POST / 3 fields, body \"\", 400 two-lengths",
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET / 2 fields, body \"\", 400 two-hosts"),
            ("GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n", "no head: folding"),
            ("GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "no head: bare-lf"),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "no head: space-before-colon"),
            ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "no head: bad-request-line"),
            // a second request after the request
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2", "GET / 1 fields, body \"\", rest 6"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na\r\n", "POST / 2 fields, body \"a\""),
            // handwritten
            ("POST / HTTP/1.1\nHost: x\nB:2\n\nbody\n", "POST / 3 fields, body \"body\\n\""),
            ("POST / HTTP/1.1\nHost: x\ncontent-length: 4\n\nbody\n", "POST / 2 fields, body \"body\""),
            (
                "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n1\na\n",
                "POST / 2 fields, body \"\", 400 bare-lf",
            ),
            ("GET / HTTP/1.1\nHost: x", "GET / 1 fields, body \"\""),
            ("GET / HTTP/1.1\nHost: x\n", "GET / 1 fields, body \"\""),
            ("GET / HTTP/1.0", "GET / 0 fields, body \"\""),
            ("GET / HTTP/1.1\nno colon\n\n", "no head: missing-colon"),
            ("SecRule ARGS a\n", "no head: bad-version"),
        ];
        for (raw, expected) in cases {
            assert_eq!(summary(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn responses() {
        for (raw, method, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET", Ok((200, Some("until the end"), false))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", Ok((200, Some("hi"), false))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "GET", Ok((200, Some("hi"), true))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", Ok((200, None, false))),
            ("HTTP/1.1 204 No Content\r\n\r\n", "GET", Ok((204, None, false))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
                "GET",
                Ok((200, Some("hi"), false)),
            ),
            (
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\n!",
                "GET",
                Ok((404, Some("!"), false)),
            ),
            ("HTTP/1.1 500 Oh\nX: y\n\nbody", "GET", Ok((500, Some("body"), false))),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "GET",
                Err(Fault::LengthWithTransferEncoding),
            ),
            ("hello", "GET", Err(Fault::BadStatusLine)),
            ("HTTP/1.1 200 OK\r\n", "GET", Err(Fault::Truncated)),
        ] {
            let found = response(raw.as_bytes(), method.as_bytes());
            let found = found.map_err(|error| error.fault).map(|response| {
                let broken = response.body.as_ref().is_some_and(|body| body.fault.is_some());
                let body = response.body.map(|body| String::from_utf8(body.bytes).unwrap());
                (response.head.status(), body, broken)
            });
            let expected = expected.map(|(status, body, broken)| (status, body.map(str::to_owned), broken));
            assert_eq!(found, expected, "{raw:?}");
        }
    }
}
