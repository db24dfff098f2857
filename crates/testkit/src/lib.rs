//! Real programs as test fixtures: a case first passes with the reference program, then with monban.
//!
//! Every fixture starts its program on a free loopback port, keeps its files in its own temporary folder, and stops the program
//! by pid when dropped. If a program is not installed, the test fails with the name of the Debian package to install; no test is
//! skipped.
//!
//! This crate is only for tests and benchmarks: it panics instead of returning errors, and its HTTP code sends invalid bytes as
//! readily as valid ones.
//!
//! | module | contents |
//! |---|---|
//! | [`apache`] | Apache with ModSecurity 2 and the Core Rule Set, the reference for every decision |
//! | [`nginx`] | nginx: plain, as a proxy, with libmodsecurity 3 |
//! | [`machine`] | a whole Debian machine with systemd, journal and logind |
//! | [`monban`] | the binary of this workspace, started as its users start it |
//! | [`pebble`] | an ACME server, with renewal information and profiles |
//! | [`postfix`] | a mail server with TLS and authentication, and its mailbox |
//! | [`bind`] | BIND's named with a test's zones, signed or not |
//! | [`dns`] | an updatable BIND with a resolver before it, as a rig for DNS records |
//! | [`api`] | a server of JSON APIs, which also stands in for public hosts as an HTTPS proxy |
//! | [`conoha`] | a stand-in for ConoHa's API, both generations |
//! | [`acme_dns`], [`cloudflare`], [`digitalocean`], [`gandi`], [`hetzner`], [`route53`] | stand-ins for these APIs |
//! | [`lego`] | lego's DNS providers, an independent client of those APIs |
//! | [`bodies`] | body parsers of other stacks, compared with the rule engine on the same bodies |
//! | [`browser`] | Chromium with the console: the cases in tests/browser |
//! | [`receiver`] | a receiver of webhooks that sends scripted responses |
//! | [`reflector`] | an upstream that responds as the request asks and records requests |
//! | [`client`] | raw HTTP/1.1: sends exact bytes, receives whole responses |
//! | [`ca`] | a temporary certificate authority |
//! | [`crs`] | paths of ModSecurity's files in Debian's packages, and their usual loading order |
//! | [`conformance`] | the regression tests of the Core Rule Set: read, send, check |
//! | [`corpus`] | ordinary requests and attacks, with Apache's decision on each |
//! | [`in_process`] | the rule engine called directly, without sockets |
//! | [`mutation`] | mutations of requests, reproducible by seed |
//! | [`synthetic`] | any number of events like those of a busy gate |
//! | [`target`] | a program that gets requests, with the log lines of each |
//! | [`usage`] | CPU time and memory of programs, and the choice of their cores |
//! | [`mmdb`] | a writer of databases of address locations |
//! | [`process`], [`net`] | a child process that ends with its test; free ports and waiting |
//!
//! ```
//! let upstream = testkit::Reflector::start();
//! let request = b"GET /any HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
//! let response = testkit::client::exchange(upstream.address(), request).unwrap();
//! assert_eq!(response.status, 200);
//! assert_eq!(upstream.requests(), [request]);
//! ```
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
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture reports its failure by failing the test"
)]

pub mod acme_dns;
pub mod apache;
pub mod api;
pub mod bind;
pub mod bodies;
pub mod browser;
pub mod ca;
pub mod client;
pub mod cloudflare;
pub mod conformance;
pub mod conoha;
pub mod corpus;
pub mod crs;
pub mod digitalocean;
pub mod dns;
pub mod gandi;
pub mod hetzner;
pub mod in_process;
pub mod lego;
pub mod machine;
pub mod mmdb;
pub mod monban;
pub mod mutation;
pub mod net;
pub mod nginx;
pub mod pebble;
pub mod postfix;
pub mod process;
pub mod receiver;
pub mod reflector;
pub mod route53;
mod setup;
pub mod synthetic;
pub mod target;
pub mod usage;

pub use apache::Apache;
pub use ca::TestCa;
pub use machine::{Machine, Release};
pub use monban::Monban;
pub use net::{free_port, wait_until};
pub use nginx::Nginx;
pub use pebble::Pebble;
pub use postfix::Postfix;
pub use receiver::Receiver;
pub use reflector::Reflector;
