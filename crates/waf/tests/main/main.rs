//! The integration tests of the crate, as one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod body;
mod directives;
mod doctype;
mod engine;
mod escaped;
mod faults;
mod geo;
mod injection;
mod memory;
mod operators;
mod patterns;
mod sanitise;
mod transformations;
mod words;
