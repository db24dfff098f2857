//! The warden: a small process with privileges that carries out a closed list of requests of the daemon, which has none.
//!
//! A request names a verb and a name from root's /etc/monban/warden.toml, never a path or a command. The [`Server`] holds each
//! peer to its user, reads one bounded frame, and logs every request; the [`Client`] checks that the socket is root's. Both
//! block, use no async runtime, and have a time limit for everything. The crate contains no unsafe code and reads no TOML: the
//! command `monban warden` hands over the [`Settings`].
//!
//! # Map
//!
//! - [`protocol`]: requests, answers, refusals and their frames
//! - [`verb`]: the trait of verbs, and [`verbs`]: their list, one file each
//! - [`settings`]: warden.toml and its checks
//! - [`server`], [`client`]: both ends of the socket
//! - [`accounts`]: users and groups of the host
//! - [`trusted`]: files and folders that only root can change
//! - [`program`]: programs with a time limit and bounded output
//! - [`findings`]: the findings of the client
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use warden::{Client, Error};
//!
//! let warden = Client::new("/nonexistent/warden.sock");
//! let error = warden.authorized_keys("alice").unwrap_err();
//! assert!(error.is_unavailable());
//! assert!(error.to_string().contains("systemctl enable --now monban-warden.socket"));
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

pub mod accounts;
pub mod client;
pub mod findings;
pub mod limits;
pub mod program;
pub mod protocol;
pub mod server;
pub mod settings;
pub mod trusted;
pub mod verb;
pub mod verbs;

pub use client::{Client, Error};
pub use protocol::{Code, Refusal};
pub use server::Server;
pub use settings::Settings;
pub use verbs::authorized_keys::{AuthorizedKey, AuthorizedKeys};
pub use verbs::follow::JournalStart;
