//! One attempt at an upstream: its parameters, and the outcomes of its response.

use std::time::Instant;

use http1::RequestFraming;
use waf::Intervention;

use crate::held::HoldError;
use crate::upstream::{Failure, Upstream};

/// The parameters of an attempt.
pub(super) struct Call<'a> {
    pub upstream: &'a Upstream,
    pub framing: &'a RequestFraming,
    /// The protocols that the upstream may switch to, as the value of Upgrade.
    pub upgrade: Option<&'a [u8]>,
    pub grpc: bool,
    pub started: Instant,
}

/// The outcome of a response.
pub(super) enum Received {
    Complete {
        keep_alive: bool,
        persist: bool,
    },
    Intervened(Intervention),
    Tunnel,
    ClientGone,
    /// Failed before any byte was sent to the client.
    Failed(Failure),
    /// The response ended early after its head.
    Cut(Failure),
    /// The client has used up its share of memory.
    Spent,
    /// Neither memory nor disk can hold the body.
    NotHeld(HoldError),
    /// The held body cannot be read back.
    Lost(std::io::Error),
}
