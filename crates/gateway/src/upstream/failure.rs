//! Failures of an attempt at an upstream.

use std::time::Duration;

/// The failure of an attempt at an upstream.
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
    #[error("connection lost before the response: {0}")]
    Broken(std::io::Error),
    #[error("no response within {0:?}")]
    ResponseTimeout(Duration),
    #[error("malformed response: {0}")]
    Malformed(http1::Error),
    #[error("too many interim responses")]
    Interim,
    #[error("http/2 stream failed: {0}")]
    Stream(::h2::Error),
    /// The connection accepted no other stream.
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
    /// Returns the label in metrics.
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

    /// Returns the status for the client, if the client has not received one yet.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::ConnectTimeout(_) | Self::ResponseTimeout(_) => 504,
            _ => 502,
        }
    }

    /// Whether no connection was established.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_) | Self::Tls(_) | Self::Http2(_))
    }

    /// Whether the upstream did not process the request, even if it received some bytes.
    pub(crate) fn is_before_request(&self) -> bool {
        match self {
            _ if self.is_unreachable() => true,
            Self::Unsent(_) => true,
            // RFC 9113 §8.7: the stream was refused before processing, or is newer than the last stream of a GOAWAY
            Self::Stream(error) => {
                error.is_remote()
                    && (error.is_go_away() || error.reason() == Some(::h2::Reason::REFUSED_STREAM))
            }
            _ => false,
        }
    }

    /// Whether the upstream closed the connection without a response, so that an idempotent request may be retried.
    pub(crate) fn is_without_response(&self) -> bool {
        match self {
            Self::Closed | Self::Broken(_) | Self::Unsent(_) => true,
            Self::Stream(error) => error.is_io() || error.is_go_away(),
            _ => false,
        }
    }
}
