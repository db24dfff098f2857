//! Tests the channels with real servers, and the notifier with a journal and restarts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports its failure by a panic")]

mod channels;
mod mail;
mod notifier;
