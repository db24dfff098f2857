//! The gate's section: listeners, sites, rules and logs. `gateway::config` describes the keys of listeners and sites.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use finding::{Fault, KeyPath};
use gateway::config::{
    AccessLogConfig, AmbiguousPath, ClientTimeouts, ForwardedHeader, GatewayConfig, ListenerConfig, Preset,
    SiteConfig, TlsSource, WafMode,
};
use gateway::limits::Limits;
use serde::Deserialize;
use tuner::{ConfiguredSite, ExclusionStore, RuleConfig};
use tuning::SiteMode;
use waf::RuleSet;

use super::presets;
use crate::config::{Host, Section};
use crate::part::{Example, Setup};
use crate::settings::CRS;

/// Returns the section in the file that `monban init` writes.
pub fn example(setup: &Setup) -> Example {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let (listen, host, upstream) =
        (quoted(&setup.listen.to_string()), quoted(&setup.host), quoted(&setup.upstream));
    let [setup_rules, rules] = CRS;
    Example {
        keys: r#"
# A page of your own for blocked requests.
#block_page = "blocked.html"
"#
        .to_owned(),
        tables: format!(
            r#"
[[listen]]
address = {listen}
# With a certificate the listener speaks TLS (and HTTP/2). It chooses among several certificates by host name.
# tls = "auto" serves the certificates that monban obtains for sites with tls = "auto".
#tls = {{ certificate = "fullchain.pem", key = "privkey.pem" }}

[[site]]
hosts = [{host}]
upstream = {upstream}
# "block", "detect" (report only) or "off"
waf = "block"
# monban obtains and renews the certificate for the hosts.
#tls = "auto"
# Plain requests go to https, and browsers use only https for this time.
#https = "redirect"
#hsts = "180d"

[waf]
# The Core Rule Set of Debian's package modsecurity-crs; your own exclusions go between and after them. limits.conf stays last.
rules = ["engine.conf", "{setup_rules}", "{rules}", "limits.conf"]
# For fail2ban and other tools that read ModSecurity's logs.
#error_log = "/var/log/monban/error.log"
#audit_log = "/var/log/monban/audit.log"

#[access_log]
#path = "/var/log/monban/access.log"
#format = "combined"
"#
        ),
    }
}

/// The section of the part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateConfig {
    /// Rules, and ModSecurity's logs.
    pub waf: WafConfig,
    /// Sockets to listen on.
    pub listen: Vec<ListenerConfig>,
    /// Sites to serve.
    pub site: Vec<SiteConfig>,
    forwarded_header: ForwardedHeader,
    ambiguous_path: AmbiguousPath,
    timeouts: ClientTimeouts,
    limits: Limits,
    block_page: Option<PathBuf>,
    access_log: Option<AccessLogConfig>,
    /// The rules that the check compiled, which are not compiled again.
    #[serde(skip)]
    checked: Arc<OnceLock<Option<Arc<RuleSet>>>>,
}

/// Compares the keys as written.
impl PartialEq for GateConfig {
    fn eq(&self, other: &Self) -> bool {
        let host = Host::default();
        self.waf == other.waf && self.gateway(&host) == other.gateway(&host)
    }
}

/// The section `[waf]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WafConfig {
    /// Rule files, as paths or patterns, in load order; empty for no rules.
    pub rules: Vec<String>,
    /// Folders of rule files that a replay from the browser may use, in addition to those of `rules`.
    pub rule_folders: Vec<PathBuf>,
    /// File for ModSecurity's error-log lines; none to write no such file.
    pub error_log: Option<PathBuf>,
    /// File for ModSecurity's audit log, or its index with `SecAuditLogType Concurrent`; none to write no such file.
    pub audit_log: Option<PathBuf>,
}

impl Section for GateConfig {
    const KEYS: &'static [&'static str] = &[
        "waf",
        "listen",
        "site",
        "forwarded_header",
        "ambiguous_path",
        "timeouts",
        "limits",
        "block_page",
        "access_log",
    ];

    fn anchor(&mut self, folder: &Path, host: &Host) {
        let anchor = |path: &mut PathBuf| *path = folder.join(&*path);
        let releases = crate::crs::Releases::new(&host.data_dir);
        for rules in &mut self.waf.rules {
            if !rules.starts_with('/') {
                *rules = format!("{}/{rules}", folder.display());
            }
            if let Some(resolved) = releases.resolved(rules) {
                *rules = resolved;
            }
        }
        self.waf.rule_folders.iter_mut().for_each(anchor);
        let files = [&mut self.waf.error_log, &mut self.waf.audit_log, &mut self.block_page];
        files.into_iter().flatten().for_each(anchor);
        if let Some(log) = &mut self.access_log {
            anchor(&mut log.path);
        }
        let sources = self.listen.iter_mut().flat_map(|listener| &mut listener.tls);
        for files in sources.filter_map(|source| source.files_mut()) {
            anchor(&mut files.certificate);
            anchor(&mut files.key);
        }
        self.site.iter_mut().filter_map(|site| site.upstream_ca.as_mut()).for_each(anchor);
    }
}

impl GateConfig {
    /// Returns the sockets to listen on. If no section names one and a site wants a certificate of monban, these are the ports of http
    /// and https at every address.
    pub fn listeners(&self) -> Vec<ListenerConfig> {
        if !self.listens_by_default() {
            return self.listen.clone();
        }
        let both = gateway::every_address().into_iter().flat_map(|ip| {
            let plain = ListenerConfig::plain(SocketAddr::new(ip, 80));
            let secure = ListenerConfig {
                tls: vec![TlsSource::Auto],
                ..ListenerConfig::plain(SocketAddr::new(ip, 443))
            };
            [plain, secure]
        });
        both.collect()
    }

    /// Whether the listeners are those of a site with `tls = "auto"`, because no section names one.
    pub fn listens_by_default(&self) -> bool {
        self.listen.is_empty() && self.site.iter().any(SiteConfig::is_managed)
    }

    /// Returns the configuration of the gateway.
    pub fn gateway(&self, host: &Host) -> GatewayConfig {
        GatewayConfig {
            listeners: self.listeners(),
            sites: self.site.clone(),
            trusted_proxies: host.trusted_proxies.clone(),
            forwarded_header: self.forwarded_header,
            ambiguous_path: self.ambiguous_path,
            timeouts: self.timeouts.clone(),
            limits: self.limits.clone(),
            block_page: self.block_page.clone(),
            access_log: self.access_log.clone(),
            redaction: host.redaction.clone(),
            node: host.node(),
        }
    }

    /// Returns the rule files and sites that tuning needs.
    pub fn rules(&self) -> RuleConfig {
        let is_used = |preset: &Preset| self.site.iter().any(|site| site.preset == Some(*preset));
        RuleConfig {
            disk: crate::rules::disk(),
            files: self.waf.rules.clone(),
            presets: Preset::ALL.into_iter().filter(is_used).map(presets::path).collect(),
            folders: self.waf.rule_folders.clone(),
            sites: self.site.iter().map(configured).collect(),
        }
    }

    /// Returns the rules that the check compiled, if any.
    pub fn checked_rules(&self) -> Option<Arc<RuleSet>> {
        self.checked.get().cloned().flatten()
    }

    /// Returns the compiled rules with the exclusions before them. Uses the rules that the check compiled, if it ran.
    ///
    /// # Errors
    /// Every fault in all rule files.
    pub fn compiled(&self, exclusions: &ExclusionStore) -> Result<Option<Arc<RuleSet>>, Vec<Fault>> {
        if let Some(checked) = self.checked.get() {
            return Ok(checked.clone());
        }
        let rules = self.rules().load(exclusions)?;
        Ok(self.checked.get_or_init(|| rules).clone())
    }
}

fn configured(site: &SiteConfig) -> ConfiguredSite {
    ConfiguredSite {
        site: tuning::Site { name: site.shown_name(), hosts: site.hosts.clone(), path: site.path.clone() },
        mode: match site.waf {
            WafMode::Block => SiteMode::Block,
            WafMode::Detect => SiteMode::Detect,
            WafMode::Off => SiteMode::Off,
        },
    }
}

/// Returns all faults of the section and of the files that it names. A full disk is not a fault: the daemon starts with
/// it.
pub fn check(config: &GateConfig, host: &Host) -> Vec<Fault> {
    let mut faults = gateway::check(&config.gateway(host));
    // without both, the daemon may serve other sources of events
    if config.listeners().is_empty() && !config.site.is_empty() {
        faults.push(Fault::at("", "no [[listen]] section: monban would serve nothing"));
    }
    if config.site.is_empty() && !config.listen.is_empty() {
        faults.push(Fault::at("", "no [[site]] section: monban would answer every request with 404"));
    }
    for (key, path) in [("error_log", &config.waf.error_log), ("audit_log", &config.waf.audit_log)] {
        if let Some(path) = path
            && let Err(what) = crate::access::writable_file(path)
        {
            faults.push(Fault::at(KeyPath::from("waf").key(key), format!("{}: {what}", path.display())));
        }
    }
    let exclusions = ExclusionStore::new(&host.data_dir);
    // an unusable folder is reported as a separate fault
    if crate::access::writable(&host.data_dir).is_ok()
        && let Err(error) = exclusions.read()
    {
        faults.push(Fault::in_file(exclusions.path(), None, error.to_string()));
    }
    faults.extend(config.compiled(&exclusions).err().unwrap_or_default());
    faults
}
