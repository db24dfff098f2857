//! Certificates from an ACME CA (RFC 8555): orders, challenges, and the time of renewal.
//!
//! [`obtain`] makes one attempt for one certificate and leaves all that outlives a step on disk, so that a killed process
//! goes on where it stopped. [`renewal::next`] says when the next attempt is due. Deploying, listing and the
//! configuration belong to the part `certificates`; setting DNS records belongs to the crate `provider`.
//!
//! # Map
//!
//! - [`names`]: host names, wildcards, addresses
//! - [`request`]: a certificate to obtain, and its check before an order
//! - [`when`]: the time of a renewal; [`attempts`]: the pace of attempts; [`renewal`]: both together
//! - [`account`]: accounts at CAs
//! - [`order`]: an attempt, step by step
//! - [`propagation`]: the place of a DNS record, and its way to all servers of the zone
//! - [`state`]: the files of a certificate
//! - [`chain`], [`key`]: certificates and keys
//! - [`ari`]: the CA's advice on renewal (RFC 9773)
//! - [`error`]: step, peer, cause and remedy
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use acme::names::Name;
//!
//! let name: Name = "*.example.org".parse()?;
//! assert_eq!(name.challenge_record().as_deref(), Some("_acme-challenge.example.org"));
//! # Ok::<(), acme::names::NameError>(())
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

pub mod account;
pub mod ari;
pub mod attempts;
pub mod chain;
pub mod error;
mod http;
pub mod key;
pub mod limits;
pub mod names;
pub mod order;
pub mod propagation;
pub mod renewal;
pub mod request;
pub mod state;
pub mod when;

pub use account::{Authority, Binding};
pub use chain::Chain;
pub use error::{AcmeError, Step};
pub use instant_acme::RevocationReason;
pub use key::KeyType;
pub use names::Name;
pub use order::{Responder, Services, obtain, revoke};
pub use request::{Challenge, Request};
pub use state::{CertificateFolder, State};
