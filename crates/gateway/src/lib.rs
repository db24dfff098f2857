//! The gate: listeners, TLS, routing and proxying. It runs the rule engine phase by phase and records an event for
//! every finding of rules, limits and upstreams.
//!
//! It is no rule engine (`waf`), parses no rules (`seclang`), stores no events (`store`, behind [`RequestSink`]) and
//! reads no TOML (the command fills [`GatewayConfig`]). HTTP/1 framing is in `http1`; TLS is rustls, HTTP/2 the `h2`
//! crate.
//!
//! # The way of a request
//!
//! A listener accepts a connection, counts it, reads a PROXY header from trusted peers, and does the TLS handshake. One
//! task serves the connection, and with HTTP/2 one more each stream. When the head of a request has arrived, the
//! exchange begins: it finds the site and the client and runs phase 1, reads the body up to the rules' limit and holds
//! it, and runs phase 2; only then does it contact an upstream. The forwarded bytes are those that were inspected,
//! except for the hop-by-hop fields and the added X-Forwarded-*. The rest of a long body streams past without being
//! held. The response passes phases 3 and 4. The event is recorded before the response head is sent, so that no blocked
//! request is without one.
//!
//! WebSocket, event streams and gRPC (HTTP/2 on both sides) are not buffered; event and access log say so.
//!
//! # Map
//!
//! | module | holds |
//! |---|---|
//! | [`config`], [`limits`] | the configuration, and every limit |
//! | `gateway`, `build` | [`Gateway`]: start, reload, stop; from a configuration to what serves by it |
//! | `gate`, `services` | state that all connections share; services of the owner |
//! | `listener`, [`tls`], [`proxy_protocol`] | from a socket to a connection |
//! | `server`, `stream`, `pace`, `timer` | HTTP/1 and HTTP/2 in front; bytes, buffers and timeouts of a connection |
//! | `incoming` | a request as its connection delivers it |
//! | [`router`], [`client_address`] | which site, which client |
//! | `exchange`, `held`, `forward`, `upgrade` | one request through all phases; held bodies; the head as it is forwarded |
//! | `inspection`, [`decoding`] | every call into `waf`; content codings removed for it |
//! | `upstream`, `gauges` | addresses, pool, health, HTTP/1 and HTTP/2 behind |
//! | `share` | each client's share of memory, disk, connections and requests |
//! | `record`, [`access_log`], [`metrics`], `quantiles`, [`block_page`] | events, log lines, metrics and the gate's own answers |
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
#![warn(unreachable_pub, clippy::await_holding_lock)]
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
pub use metrics::Metrics;
pub use services::{RequestSink, Services};
pub use upstream::{AddressError, UpstreamError};
