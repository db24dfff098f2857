//! TLS on both sides: certificates chosen by SNI towards clients, verified connections to upstreams.

mod certificate;
mod challenges;
mod client;
mod crypto;
mod error;
mod faults;
mod handshake;
mod managed;
mod names;
mod pem;
mod server;
mod trust;
mod verify;

pub use certificate::{Certificate, NOTICE, Source, Weight};
pub use challenges::ChallengeError;
pub use client::client_config;
pub use error::Error;
pub use faults::{CertificateFaults, faults};
pub use managed::{Managed, ManagedCertificate, Wanted};
pub use server::Served;
pub use trust::{Fingerprint, Trust};

pub(crate) use challenges::is_challenge;
pub(crate) use faults::key_faults;
pub(crate) use handshake::{Accepted, TlsListener};
pub(crate) use verify::explain;
