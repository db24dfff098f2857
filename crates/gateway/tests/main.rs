//! Tests the gateway over real sockets on loopback, in front of small upstreams from this folder.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails its test")]

mod addresses;
mod bodies;
mod check;
mod early;
mod encodings;
mod faults;
mod frames;
mod http2;
mod limits;
mod managed;
mod memory;
mod proxying;
mod refusals;
mod reload;
mod retries;
mod routes;
mod rules;
mod secure;
mod streams;
mod support;
mod tls;
mod upgrades;
mod upstreams;
