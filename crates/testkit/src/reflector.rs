//! An upstream that responds as the request asks and records requests.
//!
//! Any path responds 200 without a body. `POST /reflect` responds as the JSON in its body says; all keys are optional:
//! `{"status": 418, "headers": {"Content-Type": "text/plain"}, "body": "text", "encodedBody": "base64"}`. The regression tests of
//! the Core Rule Set expect this upstream.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use serde::Deserialize;

/// Number of recorded requests; beyond it the oldest are dropped.
pub const REMEMBERED: usize = 1_000;
/// Largest body in bytes; beyond it the response is 413 and the connection closes.
pub const BODY_LIMIT: usize = 64 << 20;

/// A running upstream. Dropping it stops it.
#[derive(Debug)]
pub struct Reflector {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    requests: Mutex<VecDeque<Vec<u8>>>,
}

/// The JSON of a request to `/reflect`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "encodedBody")]
    encoded_body: String,
}

fn ok() -> u16 {
    200
}

impl Reflector {
    /// Starts listening on a free loopback port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stopping.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&for_thread);
                if let Ok(stream) = stream {
                    std::thread::spawn(move || {
                        // a peer that disconnects ends only its connection
                        let _ = serve(&stream, &shared);
                    });
                }
            }
        });
        Self { address, shared }
    }

    /// Returns the address of its listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the recorded requests, oldest first and at most [`REMEMBERED`]: head and body as received, a chunked
    /// body with its framing.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.shared.requests.lock().expect("no holder panics").iter().cloned().collect()
    }

    /// Clears the recorded requests.
    pub fn forget(&self) {
        self.shared.requests.lock().expect("no holder panics").clear();
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // wakes the accepting thread, which then checks the flag
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    loop {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") && !raw.ends_with(b"\n\n") {
            if reader.by_ref().take(1 << 20).read_until(b'\n', &mut raw)? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&raw).into_owned();
        let field = |name: &str| {
            text.lines().skip(1).find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        if field("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Vec::new();
        let chunked = field("transfer-encoding").is_some();
        let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let whole = if chunked {
            read_chunks(&mut reader, &mut raw, &mut body)?
        } else if length <= BODY_LIMIT {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
            raw.extend_from_slice(&body);
            true
        } else {
            false
        };
        if !whole {
            return out.write_all(
                b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            );
        }
        {
            let mut requests = shared.requests.lock().expect("no holder panics");
            if requests.len() == REMEMBERED {
                requests.pop_front();
            }
            requests.push_back(raw);
        }
        let first = text.lines().next().unwrap_or_default();
        let old = first.ends_with("HTTP/1.0");
        let connection = field("connection").unwrap_or_default().to_ascii_lowercase();
        let close = connection.contains("close") || (old && !connection.contains("keep-alive"));
        out.write_all(&encode(&answer(first, &body), close, first.starts_with("HEAD ")))?;
        if close {
            return Ok(());
        }
    }
}

/// Reads a chunked body into `body` and, with its framing, into `raw`; false if it is larger than [`BODY_LIMIT`].
fn read_chunks(reader: &mut impl BufRead, raw: &mut Vec<u8>, body: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let mut line = Vec::new();
        reader.take(4096).read_until(b'\n', &mut line)?;
        raw.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line).into_owned();
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a bad chunk size"))?;
        if size > BODY_LIMIT - body.len() {
            return Ok(false);
        }
        if size == 0 {
            loop {
                let mut line = Vec::new();
                reader.take(4096).read_until(b'\n', &mut line)?;
                raw.extend_from_slice(&line);
                if line.len() <= 2 {
                    return Ok(true);
                }
            }
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk)?;
        raw.extend_from_slice(&chunk);
        body.extend_from_slice(&chunk[..size]);
    }
}

/// A response: status, fields, body.
pub type Reply = (u16, BTreeMap<String, String>, Vec<u8>);

/// Returns the response to a request with this request line and body.
pub fn answer(request_line: &str, body: &[u8]) -> Reply {
    if request_line.starts_with("POST /reflect ") || request_line.starts_with("POST /reflect?") {
        reflect(body)
    } else {
        (200, BTreeMap::new(), Vec::new())
    }
}

fn reflect(body: &[u8]) -> Reply {
    let plain = |status, message: String| (status, BTreeMap::new(), message.into_bytes());
    match serde_json::from_slice::<Answer>(body) {
        Err(error) => plain(400, format!("not a description of an answer: {error}\n")),
        Ok(answer) if answer.encoded_body.is_empty() => {
            (answer.status, answer.headers, answer.body.into_bytes())
        }
        Ok(answer) => match base64::engine::general_purpose::STANDARD.decode(&answer.encoded_body) {
            Ok(bytes) => (answer.status, answer.headers, bytes),
            Err(error) => plain(400, format!("encodedBody is not base64: {error}\n")),
        },
    }
}

fn encode((status, headers, body): &Reply, close: bool, to_head: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} Reflected\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    if close {
        out.push_str("Connection: close\r\n");
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    if !to_head {
        out.extend_from_slice(body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Connection, exchange};

    fn post(body: &str) -> Vec<u8> {
        format!("POST /reflect HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    }

    #[test]
    fn any_path_is_200_without_a_body() {
        let upstream = Reflector::start();
        for request in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"DELETE /x?y HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let response = exchange(upstream.address(), request).unwrap();
            assert_eq!((response.status, response.body.len()), (200, 0));
        }
        assert_eq!(upstream.requests().len(), 2);
        upstream.forget();
        assert!(upstream.requests().is_empty());
    }

    #[test]
    fn reflect_answers_what_it_is_told() {
        let upstream = Reflector::start();
        let mut connection = Connection::open(upstream.address()).unwrap();
        let cases = [
            (r#"{"status":418,"headers":{"X-A":"b"},"body":"short and stout"}"#, 418, "short and stout"),
            (r#"{"encodedBody":"aGk="}"#, 200, "hi"),
            ("{}", 200, ""),
        ];
        for (body, status, text) in cases {
            connection.send(&post(body)).unwrap();
            let response = connection.read_response(false).unwrap();
            assert_eq!((response.status, response.text().as_str()), (status, text), "{body}");
        }
        for body in ["nonsense", r#"{"encodedBody":"*"}"#, r#"{"sttus":1}"#] {
            connection.send(&post(body)).unwrap();
            assert_eq!(connection.read_response(false).unwrap().status, 400, "{body}");
        }
    }

    #[test]
    fn chunks_and_expectations_are_understood() {
        let upstream = Reflector::start();
        let request = b"POST /reflect HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n\
            7\r\n{\"body\"\r\n6;a=b\r\n:\"hi\"}\r\n0\r\nTrailer: 1\r\n\r\n";
        let response = exchange(upstream.address(), request).unwrap();
        assert_eq!(response.text(), "hi");
        assert_eq!(upstream.requests(), [request.to_vec()]);
    }
}
