//! Attempts against pebble and BIND.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kill;
mod orders;
mod rig;
mod simulate;
