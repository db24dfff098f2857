//! Faults of certificates that can be loaded: dates, order, uncovered names.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Timestamp;
use finding::Fault;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::crypto::provider;
use super::error::Error;
use super::pem;
use super::server::certificate_key;
use crate::config::{CertificateConfig, GatewayConfig};

/// Time before a certificate's expiry at which reporting starts.
pub const NOTICE: Duration = Duration::from_secs(14 * 86_400);

/// A certificate that a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its file.
    pub path: PathBuf,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// Host names, lower case, with wildcards.
    pub names: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Number, from 1, of the first certificate in the chain that the next one did not issue.
    unordered: Option<usize>,
}

/// The effect of a fault on clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Some clients refuse the certificate now, or all will soon.
    Warning,
    /// Every client refuses the certificate.
    Refused,
}

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
        let mut certificates = Vec::new();
        for (number, files) in listener.tls.iter().enumerate() {
            let Ok(certificate) = Certificate::load(files) else { continue };
            let key = certificate_key(number, listener.tls.len()).key("certificate");
            let file = certificate.path.display().to_string();
            let fault =
                |what: String| Fault::at(key.clone(), format!("{file}: {what}")).below(("listen", index));
            if let Some((weight, what)) = certificate.date_fault(now) {
                faults.push(weight, fault(what));
            }
            if let Some(what) = certificate.order_fault() {
                faults.push(Weight::Warning, fault(what));
            }
            certificates.push(certificate);
        }
        // a certificate that cannot be loaded may cover a name
        if certificates.is_empty() || certificates.len() < listener.tls.len() {
            continue;
        }
        for site in &config.sites {
            for host in site.hosts.iter().filter(|host| *host != "*") {
                if !certificates.iter().any(|certificate| certificate.covers(host)) {
                    let what = format!(
                        "no certificate covers `{host}` of site `{}`: clients refuse the connection; add the name to a \
                         certificate, or add a certificate for it",
                        site.shown_name()
                    );
                    faults.push(Weight::Warning, Fault::at("tls", what).below(("listen", index)));
                }
            }
        }
    }
    faults
}

impl Certificate {
    /// Reads a certificate with its key.
    ///
    /// # Errors
    /// The first error of the certificate or its key.
    pub fn load(files: &CertificateConfig) -> Result<Self, Error> {
        let pair = pem::load_pair(files, &provider())?;
        Self::of(&pair.cert, &files.certificate)
    }

    fn of(chain: &[CertificateDer<'_>], path: &Path) -> Result<Self, Error> {
        let wrong = |at: usize| Error::Pem {
            path: path.to_owned(),
            what: format!("certificate {} of the file is damaged; copy the file again", at + 1),
        };
        let mut parsed = Vec::new();
        for (at, certificate) in chain.iter().enumerate() {
            parsed.push(X509Certificate::from_der(certificate).map_err(|_| wrong(at))?.1);
        }
        let leaf = parsed.first().ok_or_else(|| wrong(0))?;
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for name in
            leaf.subject_alternative_name().ok().flatten().iter().flat_map(|all| &all.value.general_names)
        {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let unordered =
            parsed.windows(2).position(|two| two[0].issuer().as_raw() != two[1].subject().as_raw());
        let time = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        Ok(Self {
            path: path.to_owned(),
            not_before: time(leaf.validity().not_before.timestamp()),
            not_after: time(leaf.validity().not_after.timestamp()),
            names,
            addresses,
            unordered: unordered.map(|at| at + 1),
        })
    }

    /// Returns the fault of its dates at `now`.
    pub fn date_fault(&self, now: Timestamp) -> Option<(Weight, String)> {
        let day = |time: Timestamp| time.to_jiff().strftime("%Y-%m-%d %H:%M UTC").to_string();
        let days = |micros: i64| micros / 86_400_000_000;
        let left = self.not_after.as_micros() - now.as_micros();
        if now < self.not_before {
            let what =
                format!("valid only from {} on; check the clock of this machine", day(self.not_before));
            return Some((Weight::Refused, what));
        }
        if left < 0 {
            let what = format!("expired on {}, {} days ago; renew it", day(self.not_after), days(-left));
            return Some((Weight::Refused, what));
        }
        if left <= i64::try_from(NOTICE.as_micros()).unwrap_or(i64::MAX) {
            let what = format!("expires on {}, in {} days; renew it", day(self.not_after), days(left));
            return Some((Weight::Warning, what));
        }
        None
    }

    fn order_fault(&self) -> Option<String> {
        let at = self.unordered?;
        Some(format!(
            "certificate {} does not vouch for certificate {at}, which stands before it: some clients refuse the chain; put each \
             certificate before its issuer's",
            at + 1
        ))
    }

    /// Whether clients accept it for this host; `*.` stands for all names below.
    fn covers(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let host = host.to_ascii_lowercase();
        let above = host.split_once('.').map(|(_, above)| format!("*.{above}"));
        self.names.iter().any(|name| *name == host || Some(name) == above.as_ref())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
