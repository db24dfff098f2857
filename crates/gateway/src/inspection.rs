//! The rule engine's side of one request: every call into crate `waf` stands here.

use std::net::SocketAddr;
use std::time::Duration;

use event::{Engine, EventId, MatchedRule, Scores, Timestamp};
use http1::{RequestHead, ResponseHead};

use crate::config::WafMode;
use crate::gate::{Gate, Runtime};

/// What rules decided at the end of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Continue,
    Intervene(Intervention),
}

/// What rules want in place of the upstream's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intervention {
    Deny { status: u16 },
    Redirect { status: u16, location: Vec<u8> },
    Drop,
}

/// Whether rules want more of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Full,
    Decided(Intervention),
}

/// One transaction of the rule engine and the time that its phases took.
pub(crate) struct Inspection {
    phases: [Duration; 5],
}

impl Inspection {
    /// None where no rules run.
    pub(crate) fn begin(
        _gate: &Gate,
        _runtime: &Runtime,
        _mode: WafMode,
        _client: SocketAddr,
        _server: SocketAddr,
        _id: EventId,
        _time: Timestamp,
    ) -> Option<Self> {
        None
    }
    pub(crate) fn request_head(&mut self, _head: &RequestHead, _protocol: &str) -> Decision {
        Decision::Continue
    }
    pub(crate) fn wants_request_body(&self) -> bool {
        false
    }
    pub(crate) fn request_body(&mut self, _piece: &[u8]) -> Progress {
        Progress::More
    }
    pub(crate) fn request_body_done(&mut self) -> Decision {
        Decision::Continue
    }
    pub(crate) fn response_head(&mut self, _head: &ResponseHead) -> Decision {
        Decision::Continue
    }
    pub(crate) fn wants_response_body(&self) -> bool {
        false
    }
    pub(crate) fn response_body(&mut self, _piece: &[u8]) -> Progress {
        Progress::More
    }
    pub(crate) fn response_body_done(&mut self) -> Decision {
        Decision::Continue
    }
    pub(crate) fn logging(&mut self) {}
    pub(crate) fn has_matches(&self) -> bool {
        false
    }
    pub(crate) fn rules(&self) -> Vec<MatchedRule> {
        Vec::new()
    }
    pub(crate) fn scores(&self) -> Scores {
        Scores::default()
    }
    pub(crate) fn engine(&self) -> Engine {
        Engine::Off
    }
    pub(crate) fn phases(&self) -> [Duration; 5] {
        self.phases
    }
    pub(crate) fn would_intervene(&self) -> bool {
        false
    }
    pub(crate) fn audit_parts(&self, _status: u16) -> Option<String> {
        None
    }
}
