//! The gateway over real sockets on loopback, before small upstreams written here.

mod proxying;
mod support;
