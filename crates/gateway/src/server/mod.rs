//! The protocols towards clients: each turns requests into exchanges.

mod buffers;
pub(crate) mod h1;
pub(crate) mod h2;

use tokio_util::sync::CancellationToken;

/// Signals that end a listener's connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drain {
    /// The current or next request is the last.
    pub last: CancellationToken,
    /// Connections without a request end.
    pub idle: CancellationToken,
}
