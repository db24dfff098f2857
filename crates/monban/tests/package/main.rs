//! The packages on whole machines: installed, upgraded while requests come in, removed, and purged.
#![expect(clippy::unwrap_used, reason = "a test reports its failure by panicking")]

mod host;
mod licences;
mod life;
mod logins;
mod moving;
mod rpm;
mod shells;
