//! The protocols in front: each turns requests into exchanges.

mod buffers;
pub(crate) mod h1;
pub(crate) mod h2;

use tokio_util::sync::CancellationToken;

/// Signals that end the connections of a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drain {
    /// The current or next request is the last.
    pub last: CancellationToken,
    /// Connections without a request end.
    pub idle: CancellationToken,
}
