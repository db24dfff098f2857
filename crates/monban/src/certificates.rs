//! The certificates that listeners serve: checks for `monban check`, a start and /healthz, and those that a part manages.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use event::{Severity, Timestamp};
use finding::{Declaration, Fault, Finding, KeyPath, Text, table};
use gateway::config::{CertificateConfig, GatewayConfig};
use gateway::tls::{Certificate, Managed, Wanted, Weight};
use spine::ends::{End, Expiring, Renewal};

use crate::part::{Remarks, Spine};

table! {
    /// The findings of certificates.
    pub FINDINGS: Declaration {
        /// A certificate expires soon.
        CERTIFICATE_DATES = Declaration::new(
            "gate.certificate_dates",
            Severity::Warning,
            Text::new("A certificate expires soon", "証明書の有効期限切れ間近"),
            Text::new("The certificate {subject} {why}.", "証明書 {subject}: {why}。"),
            Text::new(
                "Renew the certificate, replace the file and run `monban reload`.",
                "証明書を更新し、ファイルを置き換えてから `monban reload` を実行してください。",
            ),
        ).examples(&[("subject", Text::same("/etc/monban/www.pem")), ("why", Text::new("expires in 6 days", "残り 6 日で期限切れ"))]);
        /// Clients refuse a certificate.
        CERTIFICATE_REFUSED = Declaration::new(
            "gate.certificate_refused",
            Severity::Error,
            Text::new("Clients refuse a certificate", "有効期間外の証明書"),
            Text::new("The certificate {subject}: {why}.", "証明書 {subject}: {why}。"),
            Text::new(
                "Renew the certificate, replace the file and run `monban reload`. If its dates look right, set this machine's clock.",
                "証明書を更新し、ファイルを置き換えてから `monban reload` を実行してください。期間が正しい場合は、このマシンの時計を確認してください。",
            ),
        ).examples(&[("subject", Text::same("/etc/monban/www.pem")), ("why", Text::new("it expired on 2030-01-31", "2030-01-31 に期限切れ"))]).foreign(&["certificate has expired", "certificate is not yet valid", "SSL_ERROR_EXPIRED_CERT_ALERT", "NET::ERR_CERT_DATE_INVALID"]);
    }
}

/// Returns the certificates that one part keeps and listeners of others serve. The first part that asks for them offers them.
pub fn managed(spine: &Spine) -> Arc<Managed> {
    spine.find::<Managed>().unwrap_or_else(|| {
        let managed = Arc::<Managed>::default();
        spine.offer(Arc::clone(&managed));
        managed
    })
}

/// Returns the names of the sites whose certificates monban obtains, one certificate for each site.
pub fn wanted(config: &GatewayConfig) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    let plain = config.listeners.iter().any(|listener| listener.tls.is_empty());
    for site in config.sites.iter().filter(|site| site.is_managed()) {
        let mut names: Vec<String> = site.hosts.iter().map(|host| host_name(host)).collect();
        names.sort();
        names.dedup();
        // sites often share their hosts and differ in their paths
        if !all.iter().any(|known| known.names == names) {
            all.push(Wanted { names, section: format!("[[site]] {}", site.shown_name()), plain });
        }
    }
    all
}

/// Returns a host as a certificate names it: in lower case, an address without brackets.
pub fn host_name(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.trim_end_matches('.').to_ascii_lowercase(),
    }
}

/// Returns the files of the certificates of all listeners.
pub fn files(config: &GatewayConfig) -> impl Iterator<Item = &CertificateConfig> {
    config.listeners.iter().flat_map(|listener| listener.files())
}

/// Certificates that a listener serves.
pub struct Certificates(Mutex<Vec<Certificate>>);

impl Certificates {
    /// Reads certificates. Omits an unreadable certificate, which prevents a listener from starting.
    pub fn of<'a>(files: impl Iterator<Item = &'a CertificateConfig>) -> Self {
        Self(Mutex::new(read(files)))
    }

    /// Replaces the certificates by those of a new configuration.
    pub fn replace(&self, certificates: Vec<Certificate>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// Returns the certificates that clients refuse now or within 14 days.
    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let certificates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.iter().filter_map(|certificate| finding(certificate, now)).collect()
    }
}

impl Expiring for Certificates {
    fn ends(&self) -> Vec<End> {
        let certificates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = |certificate: &Certificate| End {
            kind: "certificate",
            subject: certificate.names.first().cloned().unwrap_or_default(),
            at: certificate.not_after,
            source: certificate.source.to_string(),
            renewal: Renewal::Reported,
        };
        certificates.iter().map(end).collect()
    }
}

/// Reads certificates, each once, because listeners often share one.
pub fn read<'a>(files: impl Iterator<Item = &'a CertificateConfig>) -> Vec<Certificate> {
    let mut found: Vec<Certificate> = Vec::new();
    for certificate in files.filter_map(|files| Certificate::load(files).ok()) {
        if !found.contains(&certificate) {
            found.push(certificate);
        }
    }
    found
}

/// Returns the finding of a certificate that clients refuse now or within 14 days.
fn finding(certificate: &Certificate, now: Timestamp) -> Option<Finding> {
    let (weight, why) = certificate.date_fault(now)?;
    let row = if weight == Weight::Refused { CERTIFICATE_REFUSED } else { CERTIFICATE_DATES };
    Some(row.finding(certificate.source.to_string()).with("why", why))
}

/// Returns the remarks about the dates of certificates outside the gate, at this key.
pub fn remarks<'a>(files: impl Iterator<Item = &'a CertificateConfig>, key: &KeyPath) -> Remarks {
    let mut remarks = Remarks::default();
    for certificate in read(files) {
        let Some((weight, what)) = certificate.date_fault(crate::now()) else { continue };
        let list = if weight == Weight::Refused { &mut remarks.errors } else { &mut remarks.warnings };
        list.push(Fault::at(key.clone(), format!("{}: {what}", certificate.source)));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use gateway::config::{SiteConfig, SiteTls};

    use super::*;

    #[test]
    fn a_certificate_is_wanted_for_the_hosts_of_each_managed_site() {
        let site = |hosts: &[&str], tls| SiteConfig {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            tls,
            ..SiteConfig::to("http://127.0.0.1:1")
        };
        let auto = Some(SiteTls::Auto);
        let mut below = site(&["example.org", "WWW.example.org"], auto);
        below.path = "/app".to_owned();
        let config = GatewayConfig {
            sites: vec![
                site(&["www.example.org.", "Example.org", "example.org"], auto),
                below,
                site(&["file.example.org"], None),
                site(&["*.example.net", "[2001:DB8:0::1]", "192.0.2.1"], auto),
            ],
            ..GatewayConfig::default()
        };
        let found = wanted(&config);
        let names: Vec<&[String]> = found.iter().map(|wanted| &wanted.names[..]).collect();
        assert_eq!(
            names,
            [&["example.org", "www.example.org"][..], &["*.example.net", "192.0.2.1", "2001:db8::1"]]
        );
        assert_eq!(found[0].section, "[[site]] www.example.org.");
    }
}
