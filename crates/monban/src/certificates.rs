//! Checks of the certificates that listeners serve, for `monban check`, a start and /healthz.

use std::sync::{Mutex, PoisonError};

use event::{Severity, Timestamp};
use finding::{Declaration, Finding, Text, table};
use gateway::config::CertificateConfig;
use gateway::tls::{Certificate, Weight};

use crate::checks::of_gate;
use crate::config::{About, Config};

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
        );
        /// Clients refuse a certificate.
        CERTIFICATE_REFUSED = Declaration::new(
            "gate.certificate_refused",
            Severity::Error,
            Text::new("Clients refuse a certificate", "証明書の期間外"),
            Text::new("The certificate {subject}: {why}.", "証明書 {subject}: {why}。"),
            Text::new(
                "Renew the certificate, replace the file and run `monban reload`. If its dates look right, set this machine's clock.",
                "証明書を更新し、ファイルを置き換えてから `monban reload` を実行してください。期間が正しい場合は、このマシンの時計を確認してください。",
            ),
        ).foreign(&["certificate has expired", "certificate is not yet valid", "SSL_ERROR_EXPIRED_CERT_ALERT", "NET::ERR_CERT_DATE_INVALID"]);
    }
}

/// Those that are served.
pub struct Certificates(Mutex<Vec<Certificate>>);

impl Certificates {
    /// Reads the certificates of a configuration. One that cannot be read keeps the daemon from starting elsewhere.
    pub fn of(config: &Config) -> Self {
        Self(Mutex::new(read(config)))
    }

    /// Takes those of a configuration that has come into force.
    pub fn replace(&self, config: &Config) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = read(config);
    }

    /// The certificates that clients refuse, or will within 14 days.
    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let certificates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |certificate: &Certificate| {
            let (weight, why) = certificate.date_fault(now)?;
            let row = if weight == Weight::Refused { CERTIFICATE_REFUSED } else { CERTIFICATE_DATES };
            Some(row.finding(certificate.path.display().to_string()).with("why", why))
        };
        certificates.iter().filter_map(of).collect()
    }
}

fn read(config: &Config) -> Vec<Certificate> {
    let gate = config.gateway();
    let files = gate.listeners.iter().flat_map(|listener| &listener.tls).chain(&config.receiver.tls);
    let mut found: Vec<Certificate> = Vec::new();
    for certificate in files.filter_map(|files| Certificate::load(files).ok()) {
        // listeners often share one
        if !found.contains(&certificate) {
            found.push(certificate);
        }
    }
    found
}

/// Faults that make clients refuse. The gateway's own check reports those that keep a listener from starting.
pub fn refused(config: &Config, now: Timestamp) -> Vec<(About, String)> {
    faults(config, now, Weight::Refused)
}

/// Faults that some clients refuse now and all will soon.
pub fn warnings(config: &Config, now: Timestamp) -> Vec<(About, String)> {
    faults(config, now, Weight::Warning)
}

fn faults(config: &Config, now: Timestamp, weight: Weight) -> Vec<(About, String)> {
    let found = gateway::tls::faults(&config.gateway(), now);
    let gate = match weight {
        Weight::Refused => found.refused,
        Weight::Warning => found.warnings,
    };
    let receiver = config.receiver.tls.iter().filter_map(|files| of_receiver(files, now, weight));
    gate.into_iter().map(of_gate).chain(receiver).collect()
}

/// Logs both kinds: neither keeps the gate from serving.
pub fn log(config: &Config, now: Timestamp) {
    for (_, fault) in refused(config, now).into_iter().chain(warnings(config, now)) {
        tracing::warn!("{fault}");
    }
}

fn of_receiver(files: &CertificateConfig, now: Timestamp, wanted: Weight) -> Option<(About, String)> {
    let certificate = Certificate::load(files).ok()?;
    let (weight, what) = certificate.date_fault(now)?;
    let fault = format!("[receiver] {}: {what}", certificate.path.display());
    (weight == wanted).then_some((About::Text, fault))
}
