//! A program to send requests to: its interface, its set-up, and the outcome of a request.

use std::io;

use crate::client::Response;
use crate::crs;

/// The outcome of one request.
#[derive(Debug)]
pub struct Outcome {
    /// The final response, or the reason why none arrived.
    pub response: io::Result<Response>,
    /// The log lines that the request caused.
    pub log: String,
}

/// A program that receives requests, one after another.
pub trait Target: Send {
    /// Sends `request` on a new connection and collects its log lines.
    fn exchange(&mut self, request: &[u8]) -> Outcome;
}

/// The set-up of a target. The rules are always ModSecurity's recommended settings and the Core Rule Set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Whether the gateway blocks or only logs.
    pub blocking: bool,
    /// SecLang text before the rules.
    pub before_rules: String,
}

impl Setup {
    /// Returns the set-up of the Core Rule Set's regression tests: logging only, paranoia level 4.
    pub fn conformance() -> Self {
        Self { blocking: false, before_rules: crs::CONFORMANCE_ACTION.into() }
    }

    /// Returns a blocking set-up with the rules' own defaults (paranoia level 1).
    pub fn blocking(before_rules: &str) -> Self {
        Self { blocking: true, before_rules: before_rules.into() }
    }
}
