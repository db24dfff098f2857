//! End-to-end tests of the whole binary with real sockets, files and signals.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports its failure by panicking")]

mod acme;
mod backup;
mod certificates;
mod cli;
mod console;
mod corpus;
mod crash;
mod demo;
mod events;
mod findings;
mod gate;
mod hardening;
mod import;
mod log_corpus;
mod memory;
mod notify;
mod presets;
mod profile;
mod reload;
mod rules_install;
mod sanitise;
mod secrets;
mod sensors;
mod service;
mod store_faults;
mod support;
mod tuning;
mod upstream_faults;
mod warden;
