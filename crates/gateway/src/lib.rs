//! The gateway: listeners, TLS, routing and proxying. It runs the rule engine phase by phase and records an event for every
//! finding of rules, limits and upstreams.
//!
//! Other crates contain the rule engine (`waf`), the rule parser (`seclang`), the event store (`store`, behind [`RequestSink`])
//! and HTTP/1 framing (`http1`); the command reads the TOML file and fills [`GatewayConfig`]. TLS is rustls, HTTP/2 the `h2`
//! crate.
//!
//! # The path of a request
//!
//! A listener accepts a connection, counts it, reads a PROXY header from trusted peers, and does the TLS handshake. One task
//! serves the connection; with HTTP/2, each stream has another task. When the head of a request has arrived, the exchange begins:
//! it finds the site and the client and runs phase 1, reads the body up to the rules' limit and holds it, and runs phase 2; only
//! then does it contact an upstream. The forwarded bytes are the inspected ones, except for the hop-by-hop fields and the added
//! X-Forwarded-*. The rest of a long body streams past without being held. The response passes phases 3 and 4. The event is
//! recorded before the response head is sent, so that every blocked request has one.
//!
//! WebSocket, event streams and gRPC (HTTP/2 on both sides) are not buffered; event and access log record this.
//!
//! # Map
//!
//! | module | contents |
//! |---|---|
//! | [`config`], [`limits`] | the configuration, and every limit |
//! | `gateway`, `build` | [`Gateway`]: start, reload, stop; builds the runtime from a configuration |
//! | `gate`, `services` | state that all connections share; services that the embedding program passes |
//! | `listener`, [`tls`], [`proxy_protocol`] | accepts connections |
//! | `server`, `stream`, `pace`, `timer` | HTTP/1 and HTTP/2 towards clients; bytes, buffers and timeouts of a connection |
//! | `incoming` | a request as received from its connection |
//! | [`router`], [`client_address`] | finds the site and the client |
//! | `exchange`, `held`, `forward`, `upgrade` | one request through all phases; held bodies; the forwarded head |
//! | `inspection`, [`decoding`] | every call into `waf`; removal of content codings for it |
//! | `upstream`, `gauges` | addresses, pool, health, HTTP/1 and HTTP/2 towards upstreams |
//! | `share` | each client's share of memory, disk, connections and requests |
//! | `record`, [`access_log`], [`metrics`], `quantiles`, [`block_page`] | events, log lines, metrics and the gate's own responses
//! |
//!
//! # Example
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use gateway::config::{GatewayConfig, ListenerConfig, SiteConfig};
//! use event::EventSink;
//! use gateway::{Gateway, RequestSink, Services};
//!
//! struct Print;
//!
//! impl EventSink for Print {
//!     fn record(&self, event: event::Event) {
//!         println!("{}", event.to_json());
//!     }
//! }
//!
//! impl RequestSink for Print {}
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let config = GatewayConfig {
//!     listeners: vec![ListenerConfig::plain("127.0.0.1:0".parse()?)],
//!     sites: vec![SiteConfig::to("http://127.0.0.1:8000")],
//!     ..GatewayConfig::default()
//! };
//! let services = Services::new(Arc::new(event::IdSource::new("gate", 1)), Arc::new(Print));
//! let gateway = Gateway::start(&config, None, services).await?;
//! println!("listening on {:?}", gateway.addresses().await);
//! gateway.stop(Duration::from_secs(10)).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod access_log;
pub mod block_page;
mod build;
pub mod client_address;
pub mod config;
pub mod decoding;
mod exchange;
mod forward;
mod gate;
mod gateway;
mod gauges;
mod held;
mod incoming;
mod inspection;
pub mod limits;
mod listener;
pub mod metrics;
mod pace;
pub mod proxy_protocol;
mod quantiles;
mod record;
pub mod router;
mod server;
mod services;
mod share;
mod stream;
mod timer;
pub mod tls;
mod upgrade;
mod upstream;

pub use build::check;
pub use config::GatewayConfig;
pub use gateway::{Error, Gateway, Prepared};
pub use inspection::{is_event_stream, rules_may_see, scores};
pub use listener::every_address;
pub use metrics::Metrics;
pub use services::{RequestSink, Services};
pub use upstream::{AddressError, UpstreamError};
