//! Raw HTTP/1.1: sends exact bytes, receives whole responses.
//!
//! The client does not check the bytes that it sends. It frames the response by RFC 9112 §6.3.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Time for which a read or write may stall before it fails with [`io::ErrorKind::WouldBlock`].
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A header field: its name and its value, as sent.
pub type Field = (String, Vec<u8>);

/// A response as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 999.
    pub status: u16,
    /// Header fields in order; names as sent.
    pub headers: Vec<Field>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    /// The bytes of the whole response.
    pub raw: Vec<u8>,
}

impl Response {
    /// Returns the first field `name`, ignoring case; bytes that are not UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        let field = self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(&field.1).into_owned())
    }

    /// Returns the body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `request` on a new connection and returns the final response, skipping interim ones (1xx).
///
/// # Errors
/// Errors of the socket; `InvalidData` if the response is not HTTP/1; `UnexpectedEof` if it ends early; `WouldBlock` if the
/// server is silent for [`TIMEOUT`].
pub fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Response> {
    exchange_within(address, request, TIMEOUT)
}

/// Does the same as [`exchange`], with another timeout.
pub fn exchange_within(address: SocketAddr, request: &[u8], timeout: Duration) -> io::Result<Response> {
    Connection::open_within(address, timeout)?.exchange(request)
}

/// A connection that stays open for several requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects to `address`; reads and writes time out after [`TIMEOUT`].
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_within(address, TIMEOUT)
    }

    /// Does the same as [`Connection::open`], with another timeout.
    pub fn open_within(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Returns the socket, to shut down a side or to change a timeout.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Returns the port of this side.
    pub fn local_port(&self) -> u16 {
        self.stream.local_addr().map_or(0, |address| address.port())
    }

    /// Does the same as [`exchange`], as the last exchange of this connection.
    pub fn exchange(mut self, request: &[u8]) -> io::Result<Response> {
        // a server may respond and close before it has read the whole request; its response counts
        let sent = self.send(request);
        let to_head = request.starts_with(b"HEAD ");
        loop {
            match (self.read_response(to_head), &sent) {
                (Ok(response), _) if response.status < 200 && response.status != 101 => {}
                (Err(_), Err(error)) => return Err(io::Error::new(error.kind(), error.to_string())),
                (result, _) => return result,
            }
        }
    }

    /// Sends `bytes` unchanged.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the next response, which may be an interim one. `to_head` means that it responds to HEAD and so has no body.
    pub fn read_response(&mut self, to_head: bool) -> io::Result<Response> {
        let end_of_head = loop {
            if !self.unread.starts_with(b"HTTP/"[..self.unread.len().min(5)].as_ref()) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1"));
            }
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill()?;
        };
        let (status, headers) = parse_head(&self.unread[..end_of_head])?;
        let mut response = Response { status, headers, body: Vec::new(), raw: Vec::new() };
        let mut end = end_of_head;
        let chunked =
            response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if to_head || status < 200 || status == 204 || status == 304 {
        } else if chunked {
            end = self.read_chunks(end_of_head, &mut response.body)?;
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.trim().parse().map_err(|_| invalid("a bad Content-Length"))?;
            while self.unread.len() < end_of_head + length {
                self.fill()?;
            }
            end = end_of_head + length;
            response.body.extend_from_slice(&self.unread[end_of_head..end]);
        } else {
            while self.fill().map(|()| true).or_else(end_is_fine)? {}
            end = self.unread.len();
            response.body.extend_from_slice(&self.unread[end_of_head..]);
        }
        response.raw = self.unread.drain(..end).collect();
        Ok(response)
    }

    /// Reads until the server closes, and returns the bytes that were not read before.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill().map(|()| true).or_else(end_is_fine)? {}
        Ok(std::mem::take(&mut self.unread))
    }

    /// Decodes chunks from `at` (RFC 9112 §7.1). Returns the end of the body.
    fn read_chunks(&mut self, mut at: usize, body: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let line = self.line(at)?;
            let size = String::from_utf8_lossy(&self.unread[at..line]).into_owned();
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| invalid("a bad chunk size"))?;
            at = line + 2;
            if size == 0 {
                // Trailers end with an empty line.
                loop {
                    let line = self.line(at)?;
                    let empty = line == at;
                    at = line + 2;
                    if empty {
                        return Ok(at);
                    }
                }
            }
            while self.unread.len() < at + size + 2 {
                self.fill()?;
            }
            body.extend_from_slice(&self.unread[at..at + size]);
            at += size + 2;
        }
    }

    /// Returns the end of the line that begins at `at`, the position of its CRLF.
    fn line(&mut self, at: usize) -> io::Result<usize> {
        loop {
            if let Some(end) = find(&self.unread[at..], b"\r\n") {
                return Ok(at + end);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            read => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

fn end_is_fine(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(false) } else { Err(error) }
}

fn parse_head(head: &[u8]) -> io::Result<(u16, Vec<Field>)> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Response::new(&mut fields);
    let mut config = httparse::ParserConfig::default();
    config.allow_multiple_spaces_in_response_status_delimiters(true);
    config
        .parse_response(&mut parsed, head)
        .map_err(|error| invalid(&format!("the answer is not HTTP/1: {error}")))?;
    let status = parsed.code.ok_or_else(|| invalid("the answer has no status"))?;
    let headers = parsed.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
    Ok((status, headers))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Starts a server that reads one request head and sends `answer`.
    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while find(&head, b"\r\n\r\n").is_none() && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn responses_are_framed() {
        let cases: [(&[u8], u16, &[u8]); 6] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
            (b"HTTP/1.1 403 Forbidden\r\n\r\nuntil the end", 403, b"until the end"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n",
                200,
                b"hi!",
            ),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", 201, b""),
            (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, b""),
        ];
        for (answer, status, body) in cases {
            let response = exchange(answering(answer), b"GET / HTTP/1.1\r\n\r\n").unwrap();
            assert_eq!((response.status, response.body.as_slice()), (status, body));
            assert!(answer.ends_with(&response.raw));
        }
    }

    #[test]
    fn what_is_not_a_whole_response_is_an_error() {
        let cases: [(&[u8], io::ErrorKind); 5] = [
            (b"", io::ErrorKind::UnexpectedEof),
            (b"<html>", io::ErrorKind::InvalidData),
            (b"HTTP/1.1 two hundred\r\n\r\n", io::ErrorKind::InvalidData),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", io::ErrorKind::UnexpectedEof),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", io::ErrorKind::InvalidData),
        ];
        for (answer, kind) in cases {
            assert_eq!(exchange(answering(answer), b"GET / HTTP/1.1\r\n\r\n").unwrap_err().kind(), kind);
        }
    }
}
