//! The shared vocabulary of monban: what a gate reports and a watcher reads.
#![forbid(unsafe_code)]
