//! Real programs as test fixtures: a case first passes against the reference program, then against monban.
//!
//! Every fixture starts its program on a free loopback port, keeps its files in a temporary folder of its own, and
//! stops the program by pid when dropped. A program that is not installed fails the test with the name of the Debian
//! package to install; no test is skipped.
//!
//! This crate is for tests and benchmarks only: it panics where a product would return an error, and its HTTP code
//! sends wrong bytes as readily as right ones.
//!
//! | module | what it holds |
//! |---|---|
//! | [`apache`] | Apache with ModSecurity 2 and the Core Rule Set, the reference for every decision |
//! | [`nginx`] | nginx: plain, as proxy, with libmodsecurity 3 |
//! | [`monban`] | the binary of this workspace, as its users start it |
//! | [`postfix`] | a mail server with TLS and authentication, and its mailbox |
//! | [`bind`] | BIND's named with zones of a test, signed or not |
//! | [`bodies`] | body parsers of other stacks, beside what the rule engine inspects of the same bodies |
//! | [`browser`] | Chromium before the console: the cases in tests/browser |
//! | [`receiver`] | a receiver of webhooks that answers as it is told |
//! | [`reflector`] | an upstream that answers what the request asks for and remembers what it was sent |
//! | [`client`] | raw HTTP/1.1: exact bytes out, a whole response in |
//! | [`ca`] | a temporary certificate authority |
//! | [`crs`] | where Debian's packages put ModSecurity's files, and the usual order of loading them |
//! | [`conformance`] | the regression tests of the Core Rule Set: read, send, judge |
//! | [`corpus`] | ordinary requests and attacks with the decision that Apache takes on each |
//! | [`in_process`] | the rule engine called directly, without sockets |
//! | [`mutation`] | requests made of others, the same for the same seed |
//! | [`synthetic`] | events as a busy gate makes them, as many as are wanted |
//! | [`target`] | a program to send requests to, with the log lines that each of them causes |
//! | [`usage`] | CPU time and memory of programs, and cores to run them on |
//! | [`mmdb`] | a writer of databases that tell where addresses are |
//! | [`process`], [`net`] | a child process that ends with its test; free ports and waiting |
//!
//! ```
//! let upstream = testkit::Reflector::start();
//! let request = b"GET /any HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
//! let response = testkit::client::exchange(upstream.address(), request).unwrap();
//! assert_eq!(response.status, 200);
//! assert_eq!(upstream.requests(), [request]);
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture reports its failure by failing the test"
)]

pub mod apache;
pub mod bind;
pub mod bodies;
pub mod browser;
pub mod ca;
pub mod client;
pub mod conformance;
pub mod corpus;
pub mod crs;
pub mod in_process;
pub mod mmdb;
pub mod monban;
pub mod mutation;
pub mod net;
pub mod nginx;
pub mod postfix;
pub mod process;
pub mod receiver;
pub mod reflector;
mod setup;
pub mod synthetic;
pub mod target;
pub mod usage;

pub use apache::Apache;
pub use ca::TestCa;
pub use monban::Monban;
pub use net::{free_port, wait_until};
pub use nginx::Nginx;
pub use postfix::Postfix;
pub use receiver::Receiver;
pub use reflector::Reflector;
