//! Services that every part of the daemon shares, each created once.
//!
//! A part takes its time, data folder, secrets, network clients and lists from here, so that each service has one
//! implementation and one set of tests with an injected clock. The crate knows no part, no store and no configuration.
//!
//! # Map
//!
//! - [`clock`]: wall time and uptime, of the machine or of a test
//! - [`folder`]: a part's data folder with its schema and migrations
//! - [`scheduler`]: jobs at due times that survive restarts and clock changes
//! - [`address_sets`]: named sets of addresses, networks, countries and autonomous systems
//! - [`ends`]: everything that expires
//! - [`tasks`]: named tasks that stop in reverse order
//! - [`secret`]: secrets from files and the environment
//! - [`http`]: one HTTP request and its answer
//! - [`resolver`]: DNS queries to recursive and authoritative servers, with DNSSEC
//! - [`geoip`]: country and network operator of an address
//! - [`shared`]: all services together
//! - [`findings`]: the findings of these services
//! - [`limits`]: every limit of this crate
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

pub mod address_sets;
pub mod clock;
pub mod ends;
pub mod findings;
pub mod folder;
pub mod geoip;
pub mod http;
pub mod limits;
pub mod resolver;
pub mod scheduler;
pub mod secret;
pub mod shared;
pub mod tasks;
