//! The keys that all parts share: the host's name, the proxies that it trusts, the retention of events.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use event::Timestamp;
use event::redaction::RedactionOptions;
use serde::Deserialize;

/// The host's own keys.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Host {
    /// Folder of the journal, the store and other persistent files.
    pub data_dir: PathBuf,
    /// Name of this host in events; empty for `monban`.
    node: String,
    /// Proxies that are trusted to report the client's address.
    #[serde(deserialize_with = "gateway::config::networks")]
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Secrets that are redacted in addition to the built-in ones.
    pub redaction: gateway::config::RedactionConfig,
    /// Databases of countries and autonomous systems in MaxMind's format.
    #[serde(deserialize_with = "event::written::one_or_many")]
    pub geoip: Vec<PathBuf>,
    /// The retention of events.
    pub retention: Retention,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            data_dir: "/var/lib/monban".into(),
            node: String::new(),
            trusted_proxies: Vec::new(),
            redaction: gateway::config::RedactionConfig::default(),
            geoip: Vec::new(),
            retention: Retention::default(),
        }
    }
}

impl Host {
    /// The top-level keys.
    pub const KEYS: &[&str] = &["data_dir", "node", "trusted_proxies", "redaction", "geoip", "retention"];

    /// Makes paths absolute.
    pub fn anchor(&mut self, folder: &Path) {
        self.data_dir = folder.join(&self.data_dir);
        self.geoip.iter_mut().for_each(|path| *path = folder.join(&*path));
    }

    /// Returns the name of this host in events.
    pub fn node(&self) -> String {
        if self.node.is_empty() { "monban".to_owned() } else { self.node.clone() }
    }

    /// Returns the options of a redactor.
    pub fn redaction(&self) -> RedactionOptions {
        let gateway::config::RedactionConfig { fields, headers } = self.redaction.clone();
        RedactionOptions { fields, headers }
    }
}

/// The section `[retention]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days after which events are deleted; 0 means never.
    pub days: u32,
    /// Mebibytes of events beyond which the oldest are deleted; 0 means no limit.
    pub mebibytes: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, mebibytes: 1024 }
    }
}

impl Retention {
    /// Returns the time before which an event is too old to be accepted, if age is limited.
    pub fn oldest(&self, now: SystemTime) -> Option<Timestamp> {
        self.for_store().max_age.and_then(|age| now.checked_sub(age)).map(Timestamp::from)
    }

    /// Returns the same limits as the store's type.
    pub fn for_store(&self) -> store::Retention {
        store::Retention {
            max_age: (self.days > 0).then(|| Duration::from_secs(u64::from(self.days) * 86_400)),
            max_bytes: (self.mebibytes > 0).then(|| u64::from(self.mebibytes) << 20),
        }
    }
}
