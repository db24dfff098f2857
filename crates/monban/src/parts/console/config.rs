//! `[console]`: addresses and databases of the console.

use std::net::SocketAddr;

use console::access::{TrustedProxies, Url};
use serde::Deserialize;

use crate::config::{Host, Section};
use crate::part::ConsoleUrl;

/// The section in the file that `monban init` writes.
pub const EXAMPLE: &str = r#"
# The web console. `monban console link` prints a link to your account.
[console]
address = "127.0.0.1:8600"
# The console's address in your browser, if it differs; passkeys are bound to this name.
#url = "https://gate.example.org"
"#;

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    /// The console's keys.
    pub console: Keys,
}

/// The section `[console]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// The address that serves /healthz, /metrics, the API and the page.
    pub address: SocketAddr,
    /// The URL in the owner's browser, if it differs.
    #[serde(deserialize_with = "url")]
    pub url: Option<Url>,
    /// Proxies in front of the console whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8600)),
            url: None,
            trusted_proxies: TrustedProxies::default().console,
        }
    }
}

impl Section for ConsoleConfig {
    const KEYS: &'static [&'static str] = &["console"];
}

impl Keys {
    /// Returns the URL in the owner's browser.
    pub fn url(&self) -> Url {
        self.url.clone().unwrap_or_else(|| Url::of_listener(self.address))
    }

    /// Returns the URL that the console offers to other parts.
    pub fn offered(&self) -> ConsoleUrl {
        ConsoleUrl(self.url.as_ref().map(ToString::to_string))
    }

    /// Returns the proxies that are trusted to report a client's address.
    pub fn trusted(&self, host: &Host) -> TrustedProxies {
        TrustedProxies { console: self.trusted_proxies.clone(), gate: host.trusted_proxies.clone() }
    }
}
