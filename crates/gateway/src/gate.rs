//! The gateway itself: what a configuration is made into, and how one follows another without a closed connection.

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use event::redaction::{RedactionOptions, Redactor};
use event::{Event, EventSink, IdSource};
use ipnet::IpNet;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::{self, AccessLog};
use crate::block_page::{self, BlockPage};
use crate::config::{
    AccessLogConfig, AmbiguousPath, ClientTimeouts, ForwardedHeader, GatewayConfig, Preset, SiteConfig,
    UpstreamTimeouts, WafMode,
};
use crate::exchange::upgrade;
use crate::limits::{ConnectionCount, Limits, TEMPLATE_BYTES};
use crate::listener::{self, Listener};
use crate::metrics::Metrics;
use crate::router::{self, Router};
use crate::share::Shares;
use crate::tls::{self, Trust};
use crate::upstream::{Group, Settings, Upstream, UpstreamError};

/// The sink of the gate: besides events it takes ModSecurity's audit log and a sample of clean requests. It is called on the
/// task of the request, before the response leaves where rules or the gate decided it.
pub trait RequestSink: EventSink {
    /// Writes an entry of ModSecurity's audit log with these parts (`ABCFHZ`), where the rules ask for one.
    fn audit(&self, event: &Event, parts: &str) {
        let _ = (event, parts);
    }

    /// Returns whether `passed` wants a request of this site that rules inspected and that makes no event. Asked for every one.
    fn wants_passed(&self, site: &str) -> bool {
        let _ = site;
        false
    }

    /// Takes a request that passed without any event, as an event that is not recorded. Its secrets are redacted.
    fn passed(&self, event: Event) {
        drop(event);
    }
}

/// What the gateway is given from outside.
#[derive(Clone)]
pub struct Services {
    /// Makes the events' identifiers.
    pub ids: Arc<IdSource>,
    /// Takes the events.
    pub sink: Arc<dyn RequestSink>,
    /// The rules' persistent collections (IP, SESSION and so on).
    pub collections: Arc<waf::Collections>,
    /// Measures inspection, and ends it. Tests pass one that jumps.
    pub clock: waf::Clock,
    /// The folder for bodies that are held on disk; their files have no names. Not one in memory, as /tmp may be.
    pub spill_dir: PathBuf,
}

impl Services {
    /// With empty collections, the machine's monotonic clock and its folder for temporary files.
    pub fn new(ids: Arc<IdSource>, sink: Arc<dyn RequestSink>) -> Self {
        Self {
            ids,
            sink,
            collections: Arc::default(),
            clock: monotonic_clock(),
            spill_dir: std::env::temp_dir(),
        }
    }
}

fn monotonic_clock() -> waf::Clock {
    let start = Instant::now();
    // nanoseconds of 584 years
    Arc::new(move || start.elapsed().as_nanos() as u64)
}

/// Why a configuration cannot be used. The one in force stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A site's host or path.
    #[error("site `{site}`: {source}")]
    Route {
        /// The site.
        site: String,
        /// What is wrong.
        source: router::Error,
    },
    /// A site's upstream.
    #[error("site `{site}`: {source}")]
    Upstream {
        /// The site.
        site: String,
        /// What is wrong.
        source: Box<UpstreamError>,
    },
    /// A protocol of a site's `upgrades`.
    #[error("site `{site}`: `upgrades` cannot have `{protocol}`: {what}")]
    Upgrades {
        /// The site.
        site: String,
        /// The protocol.
        protocol: String,
        /// The fault.
        what: &'static str,
    },
    /// How a site's https upstreams are to be checked.
    #[error("site `{site}`: {what}")]
    UpstreamTls {
        /// The site.
        site: String,
        /// What is wrong.
        what: String,
    },
    /// A site has none.
    #[error("site `{site}` has no upstream")]
    NoUpstream {
        /// The site.
        site: String,
    },
    /// A name that could not stand in metrics and logs.
    #[error("site name `{site}` holds a quote, backslash or control character")]
    SiteName {
        /// The name.
        site: String,
    },
    /// A listener's certificate.
    #[error("listener {address}: {source}")]
    Tls {
        /// Its address.
        address: SocketAddr,
        /// What is wrong.
        source: Box<tls::Error>,
    },
    /// A listener's address.
    #[error("listener {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// Two listeners on one address.
    #[error("listener {address} is there twice")]
    TwoListeners {
        /// The address.
        address: SocketAddr,
    },
    /// The block page's template cannot be read.
    #[error("block page {}: {source}", path.display())]
    ReadTemplate {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The block page's template is wrong.
    #[error("block page {}: {source}", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: block_page::Error,
    },
    /// The access log cannot be opened.
    #[error(transparent)]
    AccessLog(#[from] access_log::Error),
    /// A limit that nothing could pass.
    #[error("limit `{name}` is zero")]
    ZeroLimit {
        /// Its key.
        name: &'static str,
    },
}

/// What all connections share.
pub(crate) struct Gate {
    pub runtime: ArcSwap<Runtime>,
    pub metrics: Arc<Metrics>,
    pub services: Services,
    pub shares: Arc<Shares>,
    pub connections: Arc<ConnectionCount>,
    /// Connections, and streams of HTTP/2.
    pub tasks: TaskTracker,
    /// Cancelled when the last deadline has passed.
    pub aborted: CancellationToken,
}

/// A configuration in force.
pub(crate) struct Runtime {
    pub router: Router<Arc<Site>>,
    /// Takes what no site takes: the rules see it, and it is answered 404.
    pub unrouted: Arc<Site>,
    pub trusted: Vec<IpNet>,
    pub forwarded_header: ForwardedHeader,
    pub ambiguous_path: AmbiguousPath,
    /// Rules for a request that may be for any site, or for none.
    pub strictest: Rules,
    pub timeouts: ClientTimeouts,
    pub limits: Limits,
    pub block_page: BlockPage,
    /// None where no rules are loaded.
    pub rules: Option<Arc<waf::RuleSet>>,
    pub access_log: Option<AccessLog>,
    pub node: String,
    pub redactor: Redactor,
    upstreams: HashMap<Settings, Arc<Upstream>>,
}

/// Effect of rules on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub mode: WafMode,
    pub preset: Option<Preset>,
}

impl Rules {
    /// For a request that no site takes.
    pub(crate) const UNROUTED: Self = Self { mode: WafMode::Block, preset: None };

    /// Returns a judgement that passes only what both pass.
    pub(crate) fn stricter(self, other: Self) -> Self {
        let preset = match (self.mode, other.mode) {
            // the preset of a site where no rules run allows nothing
            (WafMode::Off, _) => other.preset,
            (_, WafMode::Off) => self.preset,
            _ => self.preset.filter(|preset| other.preset == Some(*preset)),
        };
        Self { mode: self.mode.stricter(other.mode), preset }
    }
}

/// A site in force.
pub(crate) struct Site {
    pub name: Arc<str>,
    pub rules: Rules,
    pub timeouts: UpstreamTimeouts,
    /// See [`SiteConfig::upgrades`].
    pub upgrades: Option<Vec<String>>,
    pub upstreams: Option<Group>,
}

impl Runtime {
    fn build(
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
        before: Option<&Self>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let limits = config.limits.clone();
        for (name, value) in [
            ("connections", limits.connections),
            ("connections_per_client", limits.connections_per_client),
            ("head_bytes", limits.head_bytes),
            ("head_fields", limits.head_fields),
            ("target_bytes", limits.target_bytes),
            ("requests", limits.requests),
            ("held_bytes", limits.held_bytes),
            ("spilled_bytes", limits.spilled_bytes),
        ] {
            if value == 0 {
                return Err(Error::ZeroLimit { name });
            }
        }
        let mut upstreams = HashMap::new();
        let mut router = Router::default();
        for site in &config.sites {
            add_site(site, &mut router, &mut upstreams, before, metrics)?;
        }
        let block_page = match &config.block_page {
            None => BlockPage::default(),
            Some(path) => {
                let text = read_template(path)
                    .map_err(|source| Error::ReadTemplate { path: path.clone(), source })?;
                BlockPage::parse(&text).map_err(|source| Error::Template { path: path.clone(), source })?
            }
        };
        let access_log = config.access_log.as_ref().map(|log| open_access_log(log, metrics)).transpose()?;
        Ok(Self {
            router,
            unrouted: Arc::new(Site {
                name: "-".into(),
                rules: Rules::UNROUTED,
                timeouts: UpstreamTimeouts::default(),
                upgrades: None,
                upstreams: None,
            }),
            trusted: config.trusted_proxies.clone(),
            forwarded_header: config.forwarded_header,
            ambiguous_path: config.ambiguous_path,
            strictest: config.sites.iter().map(rules_of).reduce(Rules::stricter).unwrap_or(Rules::UNROUTED),
            timeouts: config.timeouts.clone(),
            limits,
            block_page,
            rules,
            access_log,
            node: if config.node.is_empty() { "monban".to_owned() } else { config.node.clone() },
            redactor: Redactor::new(&RedactionOptions {
                fields: config.redaction.fields.clone(),
                headers: config.redaction.headers.clone(),
            }),
            upstreams,
        })
    }
}

fn open_access_log(config: &AccessLogConfig, metrics: &Metrics) -> Result<AccessLog, Error> {
    Ok(AccessLog::open(config, metrics.access_lines_dropped.clone())?)
}

fn read_template(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // one byte more than allowed, so that `BlockPage::parse` can tell
    std::fs::File::open(path)?.take(TEMPLATE_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn rules_of(site: &SiteConfig) -> Rules {
    Rules { mode: site.waf, preset: site.preset }
}

fn add_site(
    config: &SiteConfig,
    router: &mut Router<Arc<Site>>,
    upstreams: &mut HashMap<Settings, Arc<Upstream>>,
    before: Option<&Runtime>,
    metrics: &Arc<Metrics>,
) -> Result<(), Error> {
    let any = ["*".to_owned()];
    let hosts = if config.hosts.is_empty() { &any[..] } else { &config.hosts[..] };
    let name = config.shown_name();
    if name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        return Err(Error::SiteName { site: name });
    }
    if config.upstream.is_empty() {
        return Err(Error::NoUpstream { site: name });
    }
    for protocol in config.upgrades.iter().flatten() {
        if let Some(what) = upgrade::fault(protocol) {
            return Err(Error::Upgrades { site: name, protocol: protocol.clone(), what });
        }
    }
    let trust = config.trust().map_err(|what| Error::UpstreamTls { site: name.clone(), what })?;
    let mut members = Vec::new();
    for text in &config.upstream {
        let failed = |source| Error::Upstream { site: name.clone(), source: Box::new(source) };
        let settings = Settings {
            text: text.clone(),
            address: text.parse().map_err(|error| failed(UpstreamError::Address(error)))?,
            http2: config.upstream_http2,
            trust: trust.clone(),
            timeouts: config.timeouts.clone(),
            health: config.health.clone(),
        };
        let kept = before
            .and_then(|before| before.upstreams.get(&settings))
            // the file may have changed
            .filter(|_| !matches!(settings.trust, Trust::File(_)));
        let upstream = match upstreams.get(&settings).or(kept) {
            Some(same) => Arc::clone(same),
            None => {
                let client = |http2| tls::client_config(&trust, http2);
                let new = Upstream::new(settings.clone(), client, Arc::clone(metrics)).map_err(failed)?;
                Arc::new(new)
            }
        };
        upstreams.insert(settings, Arc::clone(&upstream));
        members.push(upstream);
    }
    let site = Arc::new(Site {
        name: name.as_str().into(),
        rules: rules_of(config),
        timeouts: config.timeouts.clone(),
        upgrades: config.upgrades.clone(),
        upstreams: Some(Group::new(members)),
    });
    for host in hosts {
        router
            .add(host, &config.path, Arc::clone(&site))
            .map_err(|source| Error::Route { site: name.clone(), source })?;
    }
    Ok(())
}

/// A running gateway. Dropping it does not stop it; [`Gateway::stop`] does.
pub struct Gateway {
    gate: Arc<Gate>,
    listeners: Mutex<HashMap<SocketAddr, Listener>>,
}

impl Gateway {
    /// Checks a configuration and everything that it points at, without taking a port.
    pub fn check(config: &GatewayConfig) -> Result<(), Error> {
        // opening the log would create it, for whoever checks and not for whoever serves
        let without_log = GatewayConfig { access_log: None, ..config.clone() };
        Runtime::build(&without_log, None, None, &Arc::new(Metrics::new(monotonic_clock())))?;
        if let Some(log) = &config.access_log {
            access_log::check(log)?;
        }
        listener::settings(config)?;
        Ok(())
    }

    /// Takes the ports and begins to serve, on the tokio runtime that this is called on. `rules` judge
    /// the requests of every site that does not switch them off; without any, all pass.
    pub async fn start(
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
        services: Services,
    ) -> Result<Self, Error> {
        let shares = Arc::new(Shares::default());
        let metrics = Arc::new(Metrics::of(&services, &shares));
        let runtime = Runtime::build(config, rules, None, &metrics)?;
        let gate = Arc::new(Gate {
            runtime: ArcSwap::from_pointee(runtime),
            metrics,
            services,
            connections: Arc::new(ConnectionCount::new(&shares)),
            shares,
            tasks: TaskTracker::new(),
            aborted: CancellationToken::new(),
        });
        let gateway = Self { gate, listeners: Mutex::new(HashMap::new()) };
        gateway.apply(config, None).await?;
        Ok(gateway)
    }

    /// Puts another configuration in force. Connections go on: their next request is served by the new one.
    /// Certificates and templates are read anew and logs opened anew, even if nothing else has changed.
    ///
    /// # Errors
    /// Whatever is wrong with the new configuration; then the old one stays in force, whole.
    pub async fn reload(
        &self,
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
    ) -> Result<(), Error> {
        let result = match Runtime::build(config, rules, Some(&self.gate.runtime.load()), &self.gate.metrics)
        {
            Ok(runtime) => self.apply(config, Some(runtime)).await,
            Err(error) => Err(error),
        };
        self.gate.metrics.reload(if result.is_ok() { "done" } else { "refused" });
        result
    }

    async fn apply(&self, config: &GatewayConfig, runtime: Option<Runtime>) -> Result<(), Error> {
        let mut listeners = self.listeners.lock().await;
        let settings = listener::settings(config)?;
        // all that can fail comes before all that changes anything
        let mut bound = Vec::new();
        for address in settings.keys().filter(|address| !listeners.contains_key(address)) {
            let leaving = listeners.iter().filter(|(known, _)| !settings.contains_key(known));
            let overlapping: Vec<&Listener> = leaving
                .map(|(_, listener)| listener)
                .filter(|listener| listener.overlaps(*address))
                .collect();
            let socket = match overlapping[..] {
                [] => listener::bind(*address),
                _ => listener::bind_beside(*address, &overlapping),
            };
            bound.push((*address, socket.map_err(|source| Error::Bind { address: *address, source })?));
        }
        match runtime {
            Some(runtime) => {
                let runtime = Arc::new(runtime);
                for (settings, upstream) in &runtime.upstreams {
                    let known = self
                        .gate
                        .runtime
                        .load()
                        .upstreams
                        .get(settings)
                        .is_some_and(|u| Arc::ptr_eq(u, upstream));
                    if !known {
                        upstream.watch();
                    }
                }
                self.gate.runtime.store(runtime);
            }
            None => self.gate.runtime.load().upstreams.values().for_each(Upstream::watch),
        }
        let retired: Vec<_> =
            listeners.extract_if(|address, _| !settings.contains_key(address)).map(|(_, old)| old).collect();
        let mut bound: HashMap<_, _> = bound.into_iter().collect();
        for (address, settings) in settings {
            match (listeners.get(&address), bound.remove(&address)) {
                (Some(listener), _) => listener.change(settings),
                (None, Some(socket)) => {
                    listeners.insert(address, Listener::start(socket, settings, &self.gate));
                }
                // every address is either known or was bound above
                (None, None) => {}
            }
        }
        for listener in retired {
            listener.retire().await;
        }
        Ok(())
    }

    /// The addresses that are listened on: configured ones with the port that the system chose for port 0.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.lock().await.values().map(Listener::local).collect()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.gate.metrics
    }

    /// Open client connections.
    pub fn open_connections(&self) -> usize {
        self.gate.connections.open()
    }

    /// Stops accepting, lets requests that have begun come to their end for at most `deadline`, then breaks off what
    /// is left. Returns whether nothing had to be broken off.
    pub async fn stop(&self, deadline: Duration) -> bool {
        for (_, listener) in self.listeners.lock().await.drain() {
            listener.stop();
        }
        self.gate.tasks.close();
        let all_ended = tokio::time::timeout(deadline, self.gate.tasks.wait()).await.is_ok();
        if !all_ended {
            self.gate.aborted.cancel();
            self.gate.tasks.wait().await;
        }
        all_ended
    }
}
