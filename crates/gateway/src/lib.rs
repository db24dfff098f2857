//! The gate: listeners, TLS, routing and proxying. It calls the rule engine phase by phase and makes an event of
//! whatever rules, limits and upstreams had to say about a request.
//!
//! It is no rule engine (`waf`), reads no rule text (`seclang`), keeps no event (`store`, behind [`RequestSink`]) and
//! reads no TOML (the command fills [`GatewayConfig`]). HTTP/1 framing is `http1`'s; TLS is rustls', HTTP/2 the `h2`
//! crate's.
//!
//! # The way of a request
//!
//! A listener accepts a connection, counts it in, reads a PROXY header from trusted peers, and does the TLS handshake.
//! One task serves the connection (and for HTTP/2 one more each stream). A request whose head has come becomes an
//! exchange: its site is found, its client named, phase 1 run; the body is read up to the rules' limit and held;
//! phase 2 decides; only then is an upstream asked. What goes there is byte for byte what was inspected, save the
//! hop-by-hop fields and the added X-Forwarded-*. The rest of a long body streams past without being held. The
//! response comes back the same way by phases 3 and 4. The event is made before the answer's head leaves, so that no
//! blocked request is without one.
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
