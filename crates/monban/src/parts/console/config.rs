//! `[console]`: the addresses and the TLS of the console.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use console::access::{TrustedProxies, Url};
use event::written::one_or_many;
use finding::Fault;
use gateway::config::{CertificateConfig, TlsSource};
use gateway::tls::{Managed, Served, Wanted};
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
# TLS of its own: "auto" for a certificate that monban obtains for the host of `url`, or files as in [[listen]].
#tls = "auto"
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
    /// Certificates; with them, the listener accepts TLS only.
    #[serde(deserialize_with = "one_or_many")]
    pub tls: Vec<TlsSource>,
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
            tls: Vec::new(),
            trusted_proxies: TrustedProxies::default().console,
        }
    }
}

impl Section for ConsoleConfig {
    const KEYS: &'static [&'static str] = &["console"];

    fn anchor(&mut self, folder: &Path, _host: &Host) {
        let anchor = |path: &mut PathBuf| *path = folder.join(&*path);
        for files in self.console.tls.iter_mut().filter_map(TlsSource::files_mut) {
            anchor(&mut files.certificate);
            anchor(&mut files.key);
        }
    }
}

impl Keys {
    /// Returns the URL in the owner's browser.
    pub fn url(&self) -> Url {
        self.url.clone().unwrap_or_else(|| {
            let url = Url::of_listener(self.address);
            if self.tls.is_empty() { url } else { url.over_tls() }
        })
    }

    /// Returns the certificates in files.
    pub fn files(&self) -> impl Iterator<Item = &CertificateConfig> {
        self.tls.iter().filter_map(TlsSource::files)
    }

    /// Returns the name that needs a managed certificate.
    pub fn wanted(&self) -> Vec<Wanted> {
        let url = self.url.as_ref().filter(|_| self.tls.contains(&TlsSource::Auto));
        let wanted = |url: &Url| Wanted {
            names: vec![url.host().to_owned()],
            section: "[console]".to_owned(),
            plain: false,
        };
        url.map(wanted).into_iter().collect()
    }

    /// Reads the certificates; none without TLS.
    ///
    /// # Errors
    /// The faults of all certificates, by keys of the document.
    pub fn served(&self, managed: &Arc<Managed>) -> Result<Option<Arc<Served>>, Vec<Fault>> {
        if self.tls.is_empty() {
            return Ok(None);
        }
        let served = Served::new(&self.tls, managed);
        let below = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.below("console")).collect();
        served.map(|served| Some(Arc::new(served))).map_err(below)
    }

    /// Returns the faults of the certificates, and of the address that they need.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = self.served(&Arc::default()).err().unwrap_or_default();
        match &self.url {
            None if self.tls.contains(&TlsSource::Auto) => faults.push(Fault::at(
                "console.tls",
                "`tls = \"auto\"` needs `url`, such as \"https://gate.example.org:8600\": the certificate is for its host",
            )),
            Some(url) if !self.tls.is_empty() && !url.is_https() => faults
                .push(Fault::at("console.url", format!("the console has `tls`: write its address as https, not {url}"))),
            _ => {}
        }
        faults
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
