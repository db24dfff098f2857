//! The configuration file: one TOML document, read as a whole, all faults told together.
//!
//! Keys of the gate itself are described at [`gateway::config`]; here stand the others and how a file is read. Relative paths
//! in a file start at the folder that the file is in. docs/user/configuration.md lists every key; a test compares it
//! with the code.

mod places;
mod read;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::config::{
    AccessLogConfig, AmbiguousPath, ClientTimeouts, ForwardedHeader, GatewayConfig, ListenerConfig,
    RedactionConfig, SiteConfig,
};
use gateway::limits::Limits;
use serde::Deserialize;

use crate::failure::Failure;
use crate::reception::{ReceiverConfig, SensorConfig};
use crate::watch::Watch;
pub use places::About;

/// Bytes of a configuration file; more is refused.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A configuration file, read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the journal, the store, the collections and the pid file.
    pub data_dir: PathBuf,
    /// What rules there are and where ModSecurity's logs go.
    pub waf: Waf,
    /// The owner's address.
    pub console: Console,
    /// How long events are kept.
    pub retention: Retention,
    /// Where other sensors send to.
    pub receiver: ReceiverConfig,
    /// Who may send.
    pub sensors: Vec<SensorConfig>,
    /// Audit logs on this machine that are followed.
    pub watch: Vec<Watch>,
    /// Who is told of what.
    pub notify: notify::NotifyConfig,
    listen: Vec<ListenerConfig>,
    site: Vec<SiteConfig>,
    #[serde(deserialize_with = "gateway::config::networks")]
    trusted_proxies: Vec<ipnet::IpNet>,
    forwarded_header: ForwardedHeader,
    ambiguous_path: AmbiguousPath,
    timeouts: ClientTimeouts,
    limits: Limits,
    block_page: Option<PathBuf>,
    access_log: Option<AccessLogConfig>,
    redaction: RedactionConfig,
    node: String,
}

impl Default for Config {
    fn default() -> Self {
        let gate = GatewayConfig::default();
        Self {
            data_dir: "/var/lib/monban".into(),
            waf: Waf::default(),
            console: Console::default(),
            retention: Retention::default(),
            receiver: ReceiverConfig::default(),
            sensors: Vec::new(),
            watch: Vec::new(),
            notify: notify::NotifyConfig::default(),
            listen: gate.listeners,
            site: gate.sites,
            trusted_proxies: gate.trusted_proxies,
            forwarded_header: gate.forwarded_header,
            ambiguous_path: gate.ambiguous_path,
            timeouts: gate.timeouts,
            limits: gate.limits,
            block_page: gate.block_page,
            access_log: gate.access_log,
            redaction: gate.redaction,
            node: gate.node,
        }
    }
}

/// `[waf]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waf {
    /// Rule files, as paths or patterns, in the order of loading. None: no rules.
    pub rules: Vec<String>,
    /// File for ModSecurity's error-log lines. None: not written.
    pub error_log: Option<PathBuf>,
    /// File for ModSecurity's audit log (or its index, with `SecAuditLogType Concurrent`). None: not written.
    pub audit_log: Option<PathBuf>,
}

/// `[console]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Where /healthz, /metrics and the API answer.
    pub address: SocketAddr,
    /// How the owner gets there, where it is not by that address. None: `[notify] console_url`, else the address.
    #[serde(deserialize_with = "console_url")]
    pub url: Option<console::access::Url>,
    /// Proxies in front of the console, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How many passed requests are kept as a sample for replays; 0: none.
    pub sample: u16,
    /// Database of countries, in MaxMind's format, for the overview. None: no countries.
    pub geoip: Option<PathBuf>,
    /// Folders whose rule files a replay from the browser may try, besides those of `[waf] rules`.
    pub rule_folders: Vec<PathBuf>,
}

fn console_url<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<console::access::Url>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Console {
    /// How the owner gets there; of the links in notices it is what stands before their path.
    pub fn url(&self, notify: &notify::NotifyConfig) -> console::access::Url {
        let of_notices = notify.console_url.as_deref().and_then(|url| {
            let end = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash));
            url[..end.unwrap_or(url.len())].parse().ok()
        });
        let url = self.url.clone().or(of_notices);
        url.unwrap_or_else(|| console::access::Url::of_listener(self.address))
    }
}

impl Default for Console {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8600)),
            url: None,
            trusted_proxies: console::access::TrustedProxies::default().console,
            sample: 200,
            geoip: None,
            rule_folders: Vec::new(),
        }
    }
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Events older than so many days go; 0: any age may stay.
    pub days: u32,
    /// Beyond so many mebibytes the oldest events go; 0: any size.
    pub mebibytes: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, mebibytes: 1024 }
    }
}

impl Retention {
    /// The time before which an event goes at once, if its age matters.
    pub fn oldest(&self, now: std::time::SystemTime) -> Option<event::Timestamp> {
        self.for_store().max_age.and_then(|age| now.checked_sub(age)).map(event::Timestamp::from)
    }

    /// As the store takes it.
    pub fn for_store(&self) -> store::Retention {
        store::Retention {
            max_age: (self.days > 0).then(|| Duration::from_secs(u64::from(self.days) * 86_400)),
            max_bytes: (self.mebibytes > 0).then(|| u64::from(self.mebibytes) << 20),
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// All faults of the file, each with file:line:column; or why it cannot be read.
    pub fn load(path: &Path) -> Result<Config, Failure> {
        let bytes = bytes_of(path)?;
        let mut config =
            Config::parse(&path.display().to_string(), &bytes).map_err(Failure::Configuration)?;
        config.anchor(&folder_of(path)?);
        Ok(config)
    }

    /// All faults of a file together: those of its text, with file:line:column, and those that `check` finds in what can be read
    /// of it, with the place of what they are about.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub fn examine(
        path: &Path,
        check: impl FnOnce(&Config) -> Vec<(About, String)>,
    ) -> Result<Vec<String>, Failure> {
        let bytes = bytes_of(path)?;
        let (name, folder) = (path.display().to_string(), folder_of(path)?);
        Ok(match text_of(&name, &bytes) {
            Err(faults) => faults,
            Ok(text) => read::examine(&name, text, |mut config| {
                config.anchor(&folder);
                check(&config)
            }),
        })
    }

    /// Reads the text of a file of that name. Paths stay as they are written.
    ///
    /// # Errors
    /// All faults, in the order of their places.
    pub fn parse(name: &str, text: &[u8]) -> Result<Config, Vec<String>> {
        read::read(name, text_of(name, text)?)
    }

    /// Makes paths absolute.
    fn anchor(&mut self, folder: &Path) {
        let anchor = |path: &mut PathBuf| *path = folder.join(&*path);
        anchor(&mut self.data_dir);
        let releases = crate::crs::Releases::new(&self.data_dir);
        for rules in &mut self.waf.rules {
            if !rules.starts_with('/') {
                *rules = format!("{}/{rules}", folder.display());
            }
            if let Some(resolved) = releases.resolved(rules) {
                *rules = resolved;
            }
        }
        [&mut self.waf.error_log, &mut self.waf.audit_log, &mut self.block_page]
            .into_iter()
            .flatten()
            .for_each(anchor);
        if let Some(log) = &mut self.access_log {
            anchor(&mut log.path);
        }
        for certificate in self.listen.iter_mut().flat_map(|listener| &mut listener.tls) {
            anchor(&mut certificate.certificate);
            anchor(&mut certificate.key);
        }
        if let Some(certificate) = &mut self.receiver.tls {
            anchor(&mut certificate.certificate);
            anchor(&mut certificate.key);
        }
        self.sensors.iter_mut().filter_map(|sensor| sensor.password_file.as_mut()).for_each(anchor);
        for watch in &mut self.watch {
            anchor(&mut watch.path);
            watch.storage_dir.iter_mut().for_each(anchor);
        }
        self.console.geoip.iter_mut().chain(&mut self.console.rule_folders).for_each(anchor);
        self.notify.anchor(folder);
        self.site.iter_mut().filter_map(|site| site.upstream_ca.as_mut()).for_each(anchor);
    }

    /// Proxies whose word on the client's address the console believes.
    pub fn trusted_by_console(&self) -> console::access::TrustedProxies {
        console::access::TrustedProxies {
            console: self.console.trusted_proxies.clone(),
            gate: self.trusted_proxies.clone(),
        }
    }

    /// Whether events come from others than the gate.
    pub fn has_other_sources(&self) -> bool {
        !self.sensors.is_empty() || !self.watch.is_empty()
    }

    /// The gate's part.
    pub fn gateway(&self) -> GatewayConfig {
        GatewayConfig {
            listeners: self.listen.clone(),
            sites: self.site.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            forwarded_header: self.forwarded_header,
            ambiguous_path: self.ambiguous_path,
            timeouts: self.timeouts.clone(),
            limits: self.limits.clone(),
            block_page: self.block_page.clone(),
            access_log: self.access_log.clone(),
            redaction: self.redaction.clone(),
            node: self.node(),
        }
    }

    /// What is taken out of events besides what is always.
    pub fn redaction(&self) -> event::redaction::RedactionOptions {
        let RedactionConfig { fields, headers } = self.redaction.clone();
        event::redaction::RedactionOptions { fields, headers }
    }

    /// The name of this gate in events.
    pub fn node(&self) -> String {
        if self.node.is_empty() { "monban".to_owned() } else { self.node.clone() }
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "`monban init` writes a configuration; `--config FILE` names another one",
        )
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn folder_of(path: &Path) -> std::io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.parent().map(Path::to_path_buf).unwrap_or_default())
}

fn text_of<'a>(name: &str, text: &'a [u8]) -> Result<&'a str, Vec<String>> {
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(vec![format!("{name}: longer than {MAX_FILE_BYTES} bytes")]);
    }
    std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        vec![format!("{name}:{line}: not UTF-8 text")]
    })
}

#[cfg(test)]
pub mod tests;
