//! Faults of certificates that can be loaded: dates, order, uncovered names.

use event::Timestamp;
use finding::Fault;

use super::certificate::{Certificate, Weight, covers};
use super::server::certificate_key;
use crate::config::{GatewayConfig, ListenerConfig, SiteConfig, TlsVersion};

/// Faults of certificates that can be loaded, by keys of [`GatewayConfig`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFaults {
    /// Faults for which every client refuses the connection.
    pub refused: Vec<Fault>,
    /// Faults for which some clients refuse the connection now, or all will soon.
    pub warnings: Vec<Fault>,
}

impl CertificateFaults {
    fn push(&mut self, weight: Weight, fault: Fault) {
        match weight {
            Weight::Warning => self.warnings.push(fault),
            Weight::Refused => self.refused.push(fault),
        }
    }
}

/// Returns the faults of all certificates that can be loaded. [`crate::check`] returns those of the others.
pub fn faults(config: &GatewayConfig, now: Timestamp) -> CertificateFaults {
    let mut faults = CertificateFaults::default();
    for (index, listener) in config.listeners.iter().enumerate() {
        let certificates = of_files(index, listener, now, &mut faults);
        // a certificate that cannot be loaded may cover a name
        if listener.tls.is_empty() || certificates.len() < listener.files().count() {
            continue;
        }
        let managed = config.sites.iter().filter(|site| listener.is_managed() && site.is_managed());
        let managed: Vec<&str> = managed.flat_map(|site| &site.hosts).map(|host| &host[..]).collect();
        for site in &config.sites {
            for host in site.hosts.iter().filter(|host| *host != "*") {
                if !certificates.iter().any(|certificate| certificate.covers(host)) && !covers(&managed, host)
                {
                    let what = uncovered(host, site, listener);
                    faults.push(Weight::Warning, Fault::at("tls", what).below(("listen", index)));
                }
            }
        }
    }
    faults
}

/// Adds the faults of a listener's files, and returns those certificates that can be loaded.
fn of_files(
    index: usize,
    listener: &ListenerConfig,
    now: Timestamp,
    faults: &mut CertificateFaults,
) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for (number, source) in listener.tls.iter().enumerate() {
        let Some(Ok(certificate)) = source.files().map(Certificate::load) else { continue };
        let key = certificate_key(number, listener.tls.len()).key("certificate");
        let file = certificate.source.to_string();
        let fault = |what: String| Fault::at(key.clone(), format!("{file}: {what}")).below(("listen", index));
        if let Some((weight, what)) = certificate.date_fault(now) {
            faults.push(weight, fault(what));
        }
        if let Some(what) = certificate.order_fault() {
            faults.push(Weight::Warning, fault(what));
        }
        certificates.push(certificate);
    }
    certificates
}

fn uncovered(host: &str, site: &SiteConfig, listener: &ListenerConfig) -> String {
    let cure = match listener.is_managed() {
        true => "write `tls = \"auto\"` in the site, or add a certificate for it",
        false => "add the name to a certificate, or add a certificate for it",
    };
    format!(
        "no certificate covers `{host}` of site `{}`: clients refuse the connection; {cure}",
        site.shown_name()
    )
}

/// Returns the faults of the keys about TLS of listeners and sites, which need no file.
pub(crate) fn key_faults(config: &GatewayConfig) -> Vec<Fault> {
    let mut faults = managed_faults(config);
    for (index, listener) in config.listeners.iter().enumerate() {
        let fault = |key: &str, what: &str| Fault::at(key, what).below(("listen", index));
        let keys = [
            ("tls_min", listener.tls_min != TlsVersion::default()),
            ("tls_curves", listener.tls_curves.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, written)| *written && listener.tls.is_empty()) {
            faults.push(fault(key, &format!("`{key}` has no effect without `tls`")));
        }
        if listener.tls_curves.as_ref().is_some_and(Vec::is_empty) {
            faults.push(fault(
                "tls_curves",
                "no curve is left: name X25519, P-256 or P-384, or remove the key",
            ));
        }
    }
    // a trusted proxy may end TLS
    let secure = !config.trusted_proxies.is_empty()
        || config.listeners.iter().any(|listener| !listener.tls.is_empty());
    for (index, site) in config.sites.iter().enumerate().filter(|_| !secure) {
        for (key, _) in [("https", site.https.is_some()), ("hsts", site.hsts.is_some())]
            .into_iter()
            .filter(|(_, set)| *set)
        {
            let what =
                format!("`{key}` needs a [[listen]] section with `tls`, or `trusted_proxies` that end TLS");
            faults.push(Fault::at(key, what).below(("site", index)));
        }
    }
    faults
}

/// Returns the faults of sites whose certificates monban obtains.
fn managed_faults(config: &GatewayConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, site) in config.sites.iter().enumerate().filter(|(_, site)| site.is_managed()) {
        if site.hosts.is_empty() || site.hosts.iter().any(|host| host == "*") {
            let what = format!(
                "site `{}` has no host name for a certificate: write its names in `hosts`, which may be wildcards such as \
                 `*.example.org`",
                site.shown_name()
            );
            faults.push(Fault::at("tls", what).below(("site", index)));
        }
        if !config.listeners.iter().any(ListenerConfig::is_managed) {
            let what = match config.listeners.iter().position(|listener| !listener.tls.is_empty()) {
                Some(at) => format!(
                    "no listener serves managed certificates: write `tls = [\"auto\", {{ … }}]` in the [[listen]] section of {}, with \
                     its present certificates after \"auto\"",
                    config.listeners[at].address
                ),
                None => "no listener serves managed certificates: add a section [[listen]] with `address = \"[::]:443\"` and \
                         `tls = \"auto\"`"
                    .to_owned(),
            };
            faults.push(Fault::at("tls", what).below(("site", index)));
        }
    }
    faults
}
