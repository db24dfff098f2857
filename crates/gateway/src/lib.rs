//! Listeners, TLS, routing and proxying; calls the rule engine phase by phase.
pub mod access_log;
pub mod block_page;
pub mod client_address;
pub mod config;
mod exchange;
mod forward;
mod gate;
mod held;
mod inspection;
pub mod limits;
mod listener;
pub mod metrics;
pub mod proxy_protocol;
mod record;
pub mod router;
mod server;
mod stream;
pub mod tls;
mod upstream;

pub use config::GatewayConfig;
pub use gate::{Error, EventSink, Gateway, Services};
pub use metrics::Metrics;
pub use upstream::{AddressError, UpstreamError};
