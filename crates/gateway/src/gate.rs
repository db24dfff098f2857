//! State that all connections of a gateway share: the current configuration, the counts, the services.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use event::redaction::Redactor;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::AccessLog;
use crate::block_page::BlockPage;
use crate::config::{AmbiguousPath, ClientTimeouts, ForwardedHeader, Preset, UpstreamTimeouts, WafMode};
use crate::limits::{ConnectionCount, Limits};
use crate::metrics::Metrics;
use crate::router::Router;
use crate::services::Services;
use crate::share::Shares;
use crate::upstream::{Group, Settings, Upstream};

/// State that all connections share.
pub(crate) struct Gate {
    pub runtime: ArcSwap<Runtime>,
    pub metrics: Arc<Metrics>,
    pub services: Services,
    pub shares: Arc<Shares>,
    pub connections: Arc<ConnectionCount>,
    /// Tasks of connections, and of HTTP/2 streams.
    pub tasks: TaskTracker,
    /// Cancelled when the last deadline has passed.
    pub aborted: CancellationToken,
}

/// A configuration in use, with its rules. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub router: Arc<Router<Arc<Site>>>,
    /// Receives requests that match no site: the rules inspect them, and the gate responds with 404.
    pub unrouted: Arc<Site>,
    pub trusted: Vec<IpNet>,
    pub forwarded_header: ForwardedHeader,
    pub ambiguous_path: AmbiguousPath,
    /// Rules for a request that may mean any site, or none.
    pub strictest: Rules,
    pub timeouts: ClientTimeouts,
    pub limits: Limits,
    pub block_page: Arc<BlockPage>,
    /// None if no rules are loaded.
    pub rules: Option<Arc<waf::RuleSet>>,
    pub access_log: Option<Arc<AccessLog>>,
    pub node: String,
    pub redactor: Arc<Redactor>,
    /// The upstreams of all sites.
    pub upstreams: Arc<HashMap<Settings, Arc<Upstream>>>,
}

/// The effect of rules on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub mode: WafMode,
    pub preset: Option<Preset>,
}

impl Rules {
    /// Rules for a request that matches no site.
    pub(crate) const UNROUTED: Self = Self { mode: WafMode::Block, preset: None };

    /// Returns the effect that lets only those requests pass that both let pass.
    pub(crate) fn stricter(self, other: Self) -> Self {
        let preset = match (self.mode, other.mode) {
            // without rules a preset allows nothing
            (WafMode::Off, _) => other.preset,
            (_, WafMode::Off) => self.preset,
            _ => self.preset.filter(|preset| other.preset == Some(*preset)),
        };
        Self { mode: self.mode.stricter(other.mode), preset }
    }
}

/// The port of https in redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpsPort(pub u16);

/// A site in use.
pub(crate) struct Site {
    pub name: Arc<str>,
    pub rules: Rules,
    pub timeouts: UpstreamTimeouts,
    /// The destination of plain requests, if they are redirected.
    pub https: Option<HttpsPort>,
    /// The value of Strict-Transport-Security.
    pub hsts: Option<String>,
    /// See [`SiteConfig::upgrades`].
    pub upgrades: Option<Vec<String>>,
    pub upstreams: Option<Group>,
}
