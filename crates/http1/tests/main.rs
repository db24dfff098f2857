//! Tests of whole messages: the table of framing cases, and the results of other parsers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports its failure by a panic")]

mod framing;
mod parsers;
