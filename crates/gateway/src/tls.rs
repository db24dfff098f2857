//! TLS on both sides: certificates chosen by SNI towards clients, verified connections to upstreams.

mod client;
mod crypto;
mod error;
mod faults;
mod pem;
mod server;
mod trust;
mod verify;

pub use client::client_config;
pub use error::Error;
pub use faults::{Certificate, CertificateFaults, NOTICE, Weight, faults};
pub use server::server_config;
pub use trust::{Fingerprint, Trust};

pub(crate) use server::listener_config;
pub(crate) use verify::explain;
