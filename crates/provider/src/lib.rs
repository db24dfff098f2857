//! DNS records through the API of the company or the server that hosts a zone.
//!
//! A [`Provider`] lists the zones of an account, and adds, lists and removes single records of any [`RecordType`]. It
//! adds a record beside the others at its name and never replaces any: a name and its wildcard need two TXT values at
//! the same name at the same time. [`build`] makes one from the [`Settings`] of a `[[dns]]` table.
//!
//! The crate sends no query to see whether a change has reached the zone's servers, and it knows nothing of
//! certificates; the caller waits and verifies.
//!
//! # Map
//!
//! - [`provider`](mod@provider): the trait and its results
//! - [`record`], [`record_type`]: zones and records; [`value`]: values of records in the forms that APIs want
//! - [`security`]: security groups, where a provider has some
//! - [`settings`]: the keys of `[[dns]]`, and the construction of a provider
//! - [`context`]: the services of a provider: HTTP client, clock, a person to ask
//! - [`trial`]: a record that is added, seen and removed, to try credentials
//! - [`error`]: the error that names provider, step, peer and remedy
//! - [`api`]: requests with repetition, time limit and size limit, which every API shares
//! - [`sets`]: changes through an API of record sets
//! - one module for each provider: [`conoha`], [`cloudflare`], [`digitalocean`], [`gandi`],
//!   [`acme_dns`],
//!   [`route53`],
//!   [`hetzner`],
//!   [`rfc2136`], [`exec`], [`manual`]
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use provider::{Zone, zone_of};
//!
//! let zones = ["example.jp", "dev.example.jp"].map(|name| Zone { id: String::new(), name: name.into() });
//! let zone = zone_of(&zones, "_acme-challenge.a.dev.example.jp");
//! assert_eq!(zone.map(|zone| zone.name.as_str()), Some("dev.example.jp"));
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

pub mod acme_dns;
mod adding;
pub mod api;
pub mod cloudflare;
pub mod conoha;
pub mod context;
pub mod digitalocean;
pub mod error;
pub mod exec;
pub mod gandi;
pub mod hetzner;
pub mod limits;
pub mod manual;
mod name;
pub mod provider;
pub mod record;
pub mod record_type;
pub mod rfc2136;
pub mod route53;
pub mod security;
pub mod sets;
pub mod settings;
pub mod trial;
pub mod value;

pub use context::{Action, Confirm, Context, Task};
pub use error::{Cause, ProviderError};
pub use provider::{Added, Provider, Values};
pub use record::{Record, Stored, Zone, zone_of};
pub use record_type::RecordType;
pub use security::{AddedRule, Direction, Protocol, Rule, SecurityGroup, SecurityGroups, StoredRule};
pub use settings::{Settings, build};
pub use trial::try_out;
