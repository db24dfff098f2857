//! The gateway over real sockets on loopback, before small upstreams written here.

mod addresses;
mod bodies;
mod faults;
mod http2;
mod limits;
mod proxying;
mod refusals;
mod reload;
mod support;
mod tls;
mod upstreams;
