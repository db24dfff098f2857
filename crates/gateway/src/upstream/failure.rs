//! Failures of an attempt at an upstream.

use std::time::Duration;

/// Why an attempt at an upstream failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("tls handshake failed: {}", crate::tls::explain(.0))]
    Tls(std::io::Error),
    #[error("http/2 handshake failed: {0}")]
    Http2(::h2::Error),
    #[error("connection closed before the response")]
    Closed,
    #[error("connection broken before the response: {0}")]
    Broken(std::io::Error),
    #[error("no response within {0:?}")]
    ResponseTimeout(Duration),
    #[error("malformed response: {0}")]
    Malformed(http1::Error),
    #[error("too many interim responses")]
    Interim,
    #[error("http/2 stream failed: {0}")]
    Stream(::h2::Error),
    /// The connection took no further stream.
    #[error("http/2 stream failed: {0}")]
    Unsent(::h2::Error),
    #[error("response cut off: {0}")]
    Truncated(std::io::Error),
    #[error("request target cannot be sent over http/2")]
    Target,
    #[error("{0}")]
    Upgrade(String),
}

impl Failure {
    /// The label in metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout(_) => "connect-timeout",
            Self::Tls(_) => "tls",
            Self::Http2(_) => "http2",
            Self::Closed | Self::Broken(_) => "closed",
            Self::ResponseTimeout(_) => "timeout",
            Self::Malformed(_) | Self::Interim => "malformed",
            Self::Stream(_) | Self::Unsent(_) => "stream",
            Self::Truncated(_) => "truncated",
            Self::Target => "target",
            Self::Upgrade(_) => "upgrade",
        }
    }

    /// The status that the client gets, where it has not got one yet.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::ConnectTimeout(_) | Self::ResponseTimeout(_) => 504,
            _ => 502,
        }
    }

    /// Whether there was no connection at all.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_) | Self::Tls(_) | Self::Http2(_))
    }

    /// Whether the upstream has done nothing with the request, of which it may have got some bytes.
    pub(crate) fn is_before_request(&self) -> bool {
        match self {
            _ if self.is_unreachable() => true,
            Self::Unsent(_) => true,
            // RFC 9113 §8.7: the stream was refused before any processing, or it is newer than the last one that a GOAWAY
            // names
            Self::Stream(error) => {
                error.is_remote()
                    && (error.is_go_away() || error.reason() == Some(::h2::Reason::REFUSED_STREAM))
            }
            _ => false,
        }
    }

    /// Whether the upstream broke the connection off without a response, so that an idempotent request may be
    /// sent again.
    pub(crate) fn is_without_response(&self) -> bool {
        match self {
            Self::Closed | Self::Broken(_) | Self::Unsent(_) => true,
            Self::Stream(error) => error.is_io() || error.is_go_away(),
            _ => false,
        }
    }
}
