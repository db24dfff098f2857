//! Requests and answers, and their frames on the socket.
//!
//! A frame is a length of 4 bytes (big-endian) and so many bytes of JSON. A connection carries one request and one answer. A
//! descriptor travels with the first bytes of an answer (`SCM_RIGHTS`, unix(7)).

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{MAX_ANSWER_BYTES, MAX_REQUEST_BYTES};

/// The version of requests and answers. Both ends are one binary, so another one means that one of them was not restarted.
pub const VERSION: u32 = 1;

/// Bytes of a frame's length.
const HEADER_BYTES: usize = 4;
/// Bytes of a frame that are read at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A request whose arguments are not yet parsed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request<'a> {
    /// [`VERSION`].
    pub version: u32,
    /// The name of the verb.
    pub verb: String,
    /// The verb's arguments in JSON.
    #[serde(borrow)]
    pub arguments: &'a RawValue,
}

impl<'a> Request<'a> {
    /// Parses a request.
    ///
    /// # Errors
    /// [`Code::Version`] for another version, else [`Code::Arguments`].
    pub fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let malformed = |error: serde_json::Error| {
            Refusal::new(Code::Arguments, format!("cannot read the request: {error}"))
        };
        let Versioned { version } = serde_json::from_slice(json).map_err(malformed)?;
        if version != VERSION {
            let message = format!(
                "the request has version {version}, the warden {VERSION}; run `systemctl restart monban monban-warden.service`"
            );
            return Err(Refusal::new(Code::Version, message));
        }
        serde_json::from_slice(json).map_err(malformed)
    }

    /// Writes a request.
    ///
    /// # Errors
    /// If the arguments are not JSON.
    pub fn write(verb: &str, arguments: &impl Serialize) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Written<'a, A> {
            version: u32,
            verb: &'a str,
            arguments: &'a A,
        }
        serde_json::to_vec(&Written { version: VERSION, verb, arguments })
    }
}

/// An answer on the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// The verb's answer.
    Done(T),
    /// The reason for none.
    Refused(Refusal),
}

/// A request that the warden did not carry out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// The reason and the remedy.
    pub message: String,
}

impl Refusal {
    /// Creates a refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The peer is neither root nor the configured user.
    Peer,
    /// The request is longer than [`MAX_REQUEST_BYTES`], or did not arrive in time.
    Transfer,
    /// The request has another version.
    Version,
    /// The warden has no such verb.
    Verb,
    /// The request or its arguments are malformed.
    Arguments,
    /// warden.toml has faults or is not root's.
    Settings,
    /// warden.toml has no such name.
    Name,
    /// Too many requests are in progress, or this one already is.
    Busy,
    /// Others than root could change a file or a folder on the way.
    Unsafe,
    /// The system refused.
    System,
}

/// Sends a frame, with a descriptor if there is one.
///
/// # Errors
/// `TimedOut` if the peer does not take it before `deadline`; errors of the system.
pub fn send(
    stream: &UnixStream,
    json: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
    deadline: Instant,
) -> io::Result<()> {
    let length = u32::try_from(json.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + json.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(json);
    let mut rest = &frame[..];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        with.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        let sent = rustix::net::sendmsg(stream, &[IoSlice::new(rest)], &mut with, SendFlags::NOSIGNAL);
        match sent.map_err(io::Error::from) {
            Ok(count) => {
                rest = &rest[count..];
                with.clear();
            }
            Err(error) => retry(error)?,
        }
    }
    Ok(())
}

/// Receives a request.
///
/// # Errors
/// [`Code::Transfer`] if it is too long, ends early or does not arrive before `deadline`.
pub fn receive_request(stream: &UnixStream, deadline: Instant) -> Result<Vec<u8>, Refusal> {
    match receive(stream, MAX_REQUEST_BYTES, deadline) {
        Ok((json, _)) => Ok(json),
        Err(error) => Err(Refusal::new(Code::Transfer, format!("cannot read the request: {error}"))),
    }
}

/// Receives an answer and the descriptor with it.
///
/// # Errors
/// As [`send`]; `InvalidData` for a length beyond [`MAX_ANSWER_BYTES`].
pub fn receive_answer(stream: &UnixStream, deadline: Instant) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    receive(stream, MAX_ANSWER_BYTES, deadline)
}

/// Receives a frame of at most `limit` bytes. Memory grows only with the bytes that have arrived.
fn receive(stream: &UnixStream, limit: usize, deadline: Instant) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut header = [0; HEADER_BYTES];
    let mut descriptor = None;
    let mut filled = 0;
    while filled < HEADER_BYTES {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut header[filled..])];
        let received = rustix::net::recvmsg(stream, into, &mut with, RecvFlags::CMSG_CLOEXEC);
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptor = descriptors.last();
            }
        }
        match received.map_err(io::Error::from) {
            Ok(received) if received.bytes == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => filled += received.bytes,
            Err(error) => retry(error)?,
        }
    }
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if length > limit {
        let message = format!("it has {length} bytes, more than the limit of {limit}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut json = Vec::new();
    let mut piece = [0; PIECE_BYTES];
    while json.len() < length {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let room = PIECE_BYTES.min(length - json.len());
        match (&*stream).read(&mut piece[..room]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => json.extend_from_slice(&piece[..count]),
            Err(error) => retry(error)?,
        }
    }
    Ok((json, descriptor))
}

/// Returns the time until `deadline`, which is not zero.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(left) }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer is too slow")
}

/// Returns an error that ends a transfer; none after a signal.
fn retry(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => Err(timed_out()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    #[test]
    fn a_frame_carries_json_and_a_descriptor() {
        let (near, far) = UnixStream::pair().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        // longer than the socket's buffer: several writes, and one descriptor
        let json = vec![b'x'; MAX_ANSWER_BYTES];
        let sending = std::thread::spawn({
            let json = json.clone();
            move || send(&near, &json, Some(reader.as_fd()), Instant::now() + DEADLINE).unwrap()
        });
        let (received, descriptor) = receive_answer(&far, Instant::now() + DEADLINE).unwrap();
        sending.join().unwrap();
        assert!(received == json);
        std::io::Write::write_all(&mut { writer }, b"through").unwrap();
        let mut text = String::new();
        std::fs::File::from(descriptor.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up() {
        let (near, _far) = UnixStream::pair().unwrap();
        let error =
            send(&near, &vec![b'x'; 1 << 24], None, Instant::now() + Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_frame_that_ends_early_is_an_error() {
        for bytes in [&[][..], &[0, 0], &[0, 0, 0, 5, b'{']] {
            let (near, far) = UnixStream::pair().unwrap();
            std::io::Write::write_all(&mut { near }, bytes).unwrap();
            let refusal = receive_request(&far, Instant::now() + DEADLINE).unwrap_err();
            assert_eq!(refusal.code, Code::Transfer, "{bytes:?}");
        }
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        let json = Request::write("run", &serde_json::json!({ "name": "x" })).unwrap();
        let request = Request::parse(&json).unwrap();
        assert_eq!((request.verb.as_str(), request.arguments.get()), ("run", r#"{"name":"x"}"#));
        let deep =
            format!(r#"{{"version":1,"verb":"run","arguments":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000));
        let deep = Request::parse(deep.as_bytes()).unwrap();
        let refusal = crate::verbs::find("run").and_then(|verb| verb.parse(deep.arguments)).unwrap_err();
        assert_eq!(refusal.code, Code::Arguments);
    }
}
