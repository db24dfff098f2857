//! Every provider against a stand-in of its API with a real BIND behind it, which lego passes first.
#![allow(clippy::unwrap_used, reason = "a test reports a failure by failing")]

mod acme_dns;
mod cloudflare;
mod conoha;
mod digitalocean;
mod exec;
mod faults;
mod gandi;
mod hetzner;
mod manual;
mod rfc2136;
mod rig;
mod route53;
mod security_groups;
mod settings;
mod trial;
