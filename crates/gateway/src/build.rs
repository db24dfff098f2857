//! Builds a [`Runtime`] from a configuration, or finds all its faults.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use event::redaction::{RedactionOptions, Redactor};
use finding::{Fault, KeyPath};

use crate::access_log;
use crate::block_page::BlockPage;
use crate::config::{GatewayConfig, Https, ListenerConfig, SiteConfig, UpstreamTimeouts};
use crate::gate::{HttpsPort, Rules, Runtime, Site};
use crate::limits::{Limits, TEMPLATE_BYTES};
use crate::listener;
use crate::metrics::Metrics;
use crate::router::{self, Router};
use crate::services::monotonic_clock;
use crate::tls::{self, Trust};
use crate::upgrade;
use crate::upstream::{Group, Settings, Upstream, UpstreamError};

/// The default port of https.
const HTTPS: u16 = 443;

/// Returns all faults of a configuration and of the files that it names. Binds no port and creates no file.
pub fn check(config: &GatewayConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    listener::settings(config, &Arc::default(), &mut faults);
    runtime(config, None, None, &Arc::new(Metrics::new(monotonic_clock())), &mut faults);
    if let Some(log) = &config.access_log
        && let Err(error) = access_log::check(log)
    {
        faults.push(Fault::at("access_log.path", error.to_string()));
    }
    faults
}

/// Builds the runtime of a configuration, except its access log, and adds every fault to `faults`. Upstreams with the same
/// settings as in `before`, the current runtime, keep their connections.
pub(crate) fn runtime(
    config: &GatewayConfig,
    rules: Option<Arc<waf::RuleSet>>,
    before: Option<&Runtime>,
    metrics: &Arc<Metrics>,
    faults: &mut Vec<Fault>,
) -> Runtime {
    zero_limits(&config.limits, faults);
    let https = https_port(&config.listeners);
    let mut sites = Sites { before, metrics, https, router: Router::default(), upstreams: HashMap::new() };
    for (index, site) in config.sites.iter().enumerate() {
        let mut own = Vec::new();
        sites.add(site, &mut own);
        faults.extend(own.into_iter().map(|fault| fault.below(("site", index))));
    }
    let block_page = config.block_page.as_deref().map(block_page).transpose();
    let block_page = block_page.unwrap_or_else(|what| {
        faults.push(Fault::at("block_page", what));
        None
    });
    Runtime {
        router: Arc::new(sites.router),
        unrouted: Arc::new(Site {
            name: "-".into(),
            rules: Rules::UNROUTED,
            timeouts: UpstreamTimeouts::default(),
            https: None,
            hsts: None,
            upgrades: None,
            upstreams: None,
        }),
        trusted: config.trusted_proxies.clone(),
        forwarded_header: config.forwarded_header,
        ambiguous_path: config.ambiguous_path,
        strictest: config.sites.iter().map(rules_of).reduce(Rules::stricter).unwrap_or(Rules::UNROUTED),
        timeouts: config.timeouts.clone(),
        limits: config.limits.clone(),
        block_page: Arc::new(block_page.unwrap_or_default()),
        rules,
        access_log: None,
        node: if config.node.is_empty() { "monban".to_owned() } else { config.node.clone() },
        redactor: Arc::new(Redactor::new(&RedactionOptions {
            fields: config.redaction.fields.clone(),
            headers: config.redaction.headers.clone(),
        })),
        upstreams: Arc::new(sites.upstreams),
    }
}

/// Adds a fault for each limit of zero, which would let nothing pass.
fn zero_limits(limits: &Limits, faults: &mut Vec<Fault>) {
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
            faults.push(Fault::at(KeyPath::from("limits").key(name), format!("limit `{name}` is zero")));
        }
    }
}

fn block_page(path: &Path) -> Result<BlockPage, String> {
    let failed = |error: &dyn std::fmt::Display| format!("block page {}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    // one byte more than allowed, so that `BlockPage::parse` detects the excess
    file.take(TEMPLATE_BYTES as u64 + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    BlockPage::parse(&text).map_err(|error| failed(&error))
}

/// Returns the port to which clients are redirected: 443, if a listener has it or none has TLS, else that of the first listener with
/// TLS.
fn https_port(listeners: &[ListenerConfig]) -> HttpsPort {
    let mut ports =
        listeners.iter().filter(|listener| !listener.tls.is_empty()).map(|listener| listener.address.port());
    let first = ports.next();
    match ports.any(|port| port == HTTPS) {
        true => HttpsPort(HTTPS),
        false => HttpsPort(first.unwrap_or(HTTPS)),
    }
}

fn rules_of(site: &SiteConfig) -> Rules {
    Rules { mode: site.waf, preset: site.preset }
}

/// Returns the key of a list's element. A list with one element may be written without brackets, so its key has no
/// index.
fn element(list: &str, index: usize, length: usize) -> KeyPath {
    if length > 1 { KeyPath::from((list, index)) } else { KeyPath::from(list) }
}

/// The sites during a build.
struct Sites<'a> {
    before: Option<&'a Runtime>,
    metrics: &'a Arc<Metrics>,
    https: HttpsPort,
    router: Router<Arc<Site>>,
    upstreams: HashMap<Settings, Arc<Upstream>>,
}

impl Sites<'_> {
    /// Adds a site. The keys of the faults are relative to it.
    fn add(&mut self, config: &SiteConfig, faults: &mut Vec<Fault>) {
        let name = config.shown_name();
        if name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
            let key = if config.name.is_empty() { KeyPath::default() } else { KeyPath::from("name") };
            let what = format!(
                "site name `{}` contains a quote, backslash or control character",
                name.escape_debug()
            );
            faults.push(Fault::at(key, what));
        }
        if config.upstream.is_empty() {
            faults.push(Fault::at("upstream", format!("site `{name}` has no upstream")));
        }
        let upgrades = config.upgrades.as_deref().unwrap_or_default();
        for (index, protocol) in upgrades.iter().enumerate() {
            if let Some(what) = upgrade::fault(protocol) {
                let key = element("upgrades", index, upgrades.len());
                faults.push(Fault::at(key, format!("`upgrades` cannot contain `{protocol}`: {what}")));
            }
        }
        let members = match Trust::of_site(config) {
            Ok(trust) => self.members(config, &trust, faults),
            Err(fault) => {
                faults.push(*fault);
                Vec::new()
            }
        };
        let site = Arc::new(Site {
            name: name.into(),
            rules: rules_of(config),
            timeouts: config.timeouts.clone(),
            https: config.https.map(|Https::Redirect| self.https),
            hsts: config.hsts.map(|time| format!("max-age={}", time.as_secs())),
            upgrades: config.upgrades.clone(),
            upstreams: Some(Group::new(members)),
        });
        let any = ["*".to_owned()];
        let hosts = if config.hosts.is_empty() { &any[..] } else { &config.hosts[..] };
        for (index, host) in hosts.iter().enumerate() {
            let Err(error) = self.router.add(host, &config.path, Arc::clone(&site)) else { continue };
            let key = match &error {
                router::Error::Path { .. } => KeyPath::from("path"),
                _ if config.hosts.is_empty() => KeyPath::default(),
                _ => element("hosts", index, hosts.len()),
            };
            let fault = Fault::at(key, error.to_string());
            // an invalid path is invalid for every host
            if faults.last() != Some(&fault) {
                faults.push(fault);
            }
        }
    }

    fn members(&mut self, config: &SiteConfig, trust: &Trust, faults: &mut Vec<Fault>) -> Vec<Arc<Upstream>> {
        let mut members = Vec::new();
        for (index, text) in config.upstream.iter().enumerate() {
            match self.member(config, trust, text) {
                Ok(upstream) => members.push(upstream),
                Err(error) => {
                    let key = match &error {
                        UpstreamError::Tls(_) if config.upstream_ca.is_some() => KeyPath::from("upstream_ca"),
                        _ => element("upstream", index, config.upstream.len()),
                    };
                    let fault = Fault::at(key, error.to_string());
                    // several upstreams share one CA file
                    if faults.last() != Some(&fault) {
                        faults.push(fault);
                    }
                }
            }
        }
        members
    }

    fn member(
        &mut self,
        config: &SiteConfig,
        trust: &Trust,
        text: &str,
    ) -> Result<Arc<Upstream>, UpstreamError> {
        let settings = Settings {
            text: text.to_owned(),
            address: text.parse()?,
            http2: config.upstream_http2,
            trust: trust.clone(),
            timeouts: config.timeouts.clone(),
            health: config.health.clone(),
        };
        let kept = self
            .before
            .and_then(|before| before.upstreams.get(&settings))
            // the file may have changed
            .filter(|_| !matches!(settings.trust, Trust::File(_)));
        let upstream = match self.upstreams.get(&settings).or(kept) {
            Some(same) => Arc::clone(same),
            None => {
                let client = |http2| tls::client_config(trust, http2);
                Arc::new(Upstream::new(settings.clone(), client, Arc::clone(self.metrics))?)
            }
        };
        self.upstreams.insert(settings, Arc::clone(&upstream));
        Ok(upstream)
    }
}
