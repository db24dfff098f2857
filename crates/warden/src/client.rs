//! The daemon's side of the socket: one connection, one request, one answer.
//!
//! Calls block, at most for [`PATIENCE`] and the longest time of the verb; asynchronous code makes them on a thread that may
//! block. Each verb's file adds its method to [`Client`].

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use finding::Finding;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::findings::UNAVAILABLE;
use crate::limits::PATIENCE;
use crate::protocol::{self, Answer, Refusal, Request};
use crate::verb::Verb;

/// The socket of the shipped unit.
pub const SOCKET: &str = "/run/monban-warden.sock";

/// A request that had no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No warden answers.
    #[error("no warden answers on {}: {error}; run `systemctl enable --now monban-warden.socket`", socket.display())]
    Unavailable {
        /// The socket.
        socket: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The socket is not root's, so that anybody may listen there.
    #[error(
        "the user {uid} listens on {}, not root, so monban sent no request; run `systemctl restart monban-warden.socket`",
        socket.display()
    )]
    Impostor {
        /// The socket.
        socket: PathBuf,
        /// The listener's user.
        uid: u32,
    },
    /// The warden refused.
    #[error("the warden refused: {0}")]
    Refused(Refusal),
    /// The answer is not one of this version.
    #[error("cannot read the warden's answer: {0}; run `systemctl restart monban monban-warden.service`")]
    Protocol(String),
}

impl Error {
    /// Whether no warden of root's answers, so that its owner has to enable it.
    pub fn is_unavailable(&self) -> bool {
        self.why_unavailable().is_some()
    }

    /// Returns why no warden answers, for a text that names the socket and the remedy itself.
    fn why_unavailable(&self) -> Option<String> {
        match self {
            Self::Unavailable { error, .. } => Some(error.to_string()),
            Self::Impostor { uid, .. } => Some(format!("the user {uid} listens there, not root")),
            Self::Refused(_) | Self::Protocol(_) => None,
        }
    }
}

/// A client of the warden.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    owner: u32,
    /// The reason why the last request had no answer; none if a warden answered.
    unavailable: Mutex<Option<String>>,
}

impl Client {
    /// Creates a client for a socket that must be root's. Connects only to ask.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::owned_by(socket, 0)
    }

    /// Creates a client for a socket on which this user must listen.
    pub fn owned_by(socket: impl Into<PathBuf>, owner: u32) -> Self {
        Self { socket: socket.into(), owner, unavailable: Mutex::default() }
    }

    /// Asks for a verb, and returns its answer and the descriptor with it.
    ///
    /// # Errors
    /// If no warden answers in time, or it refuses.
    pub fn ask<V: Verb>(&self, arguments: &V::Arguments) -> Result<(V::Answer, Option<OwnedFd>), Error> {
        let json = Request::write(V::NAME, arguments).map_err(|error| Error::Protocol(error.to_string()))?;
        let answered = self.exchange(&json, Instant::now() + PATIENCE + V::TIME);
        let unavailable = answered.as_ref().err().and_then(Error::why_unavailable);
        *self.unavailable.lock().unwrap_or_else(PoisonError::into_inner) = unavailable;
        let (json, descriptor) = answered?;
        match serde_json::from_slice(&json) {
            Ok(Answer::Done(answer)) => Ok((answer, descriptor)),
            Ok(Answer::Refused(refusal)) => Err(Error::Refused(refusal)),
            Err(error) => Err(Error::Protocol(error.to_string())),
        }
    }

    /// Returns the finding of a warden that did not answer the last request.
    pub fn findings(&self) -> Vec<Finding> {
        let unavailable = self.unavailable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let subject = self.socket.display().to_string();
        unavailable.map(|why| UNAVAILABLE.finding(subject).with("why", why)).into_iter().collect()
    }

    fn exchange(&self, request: &[u8], deadline: Instant) -> Result<(Vec<u8>, Option<OwnedFd>), Error> {
        let unavailable = |error: io::Error| Error::Unavailable { socket: self.socket.clone(), error };
        let stream = connect(&self.socket).map_err(unavailable)?;
        // of the process that listens, which may have another owner than the file
        let peer =
            getsockopt(&stream, sockopt::PeerCredentials).map_err(|error| unavailable(error.into()))?;
        let uid = peer.uid();
        if uid != self.owner {
            return Err(Error::Impostor { socket: self.socket.clone(), uid });
        }
        // a warden that refuses does not read the rest; its answer says why
        let sent = protocol::send(&stream, request, None, Instant::now() + PATIENCE);
        protocol::receive_answer(&stream, deadline).map_err(|error| unavailable(sent.err().unwrap_or(error)))
    }
}

/// Connects within [`PATIENCE`], also to a socket whose queue is full.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}
