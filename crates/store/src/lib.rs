//! Where events are kept: the journal, the store behind it, and what else must outlive a restart.
//!
//! An event is first appended to the [`journal`], with one write, before the gate answers. Behind it an ingester moves the
//! journal into a store that can be searched. The crate is synchronous: threads and files, no async runtime.
//!
//! It does not say what an event is (that is `event`) and it does not decide which events are made.
//!
//! # Map
//!
//! - [`journal`]: append-only segments, their writer and their reader
//! - [`limits`]: every limit of this crate

pub mod journal;
pub mod limits;
#[cfg(test)]
mod samples;
