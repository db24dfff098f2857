//! Tests of whole messages: the table of framing cases, and what other parsers make of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports its failure by a panic")]

mod framing;
mod parsers;
