//! The certificates that listeners serve: what is wrong with them, for a check, a start and /healthz.

use std::sync::{Mutex, PoisonError};

use console::{HealthCode, HealthProblem};
use event::Timestamp;
use gateway::config::CertificateConfig;
use gateway::tls::{Certificate, Weight};

use crate::checks::of_gate;
use crate::config::{About, Config};

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

    /// Those that clients refuse, or will within 14 days.
    pub fn problems(&self, now: Timestamp) -> Vec<HealthProblem> {
        let certificates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |certificate: &Certificate| {
            let (_, why) = certificate.date_fault(now)?;
            let file = certificate.path.display().to_string();
            let problem =
                HealthProblem::new(HealthCode::CertificateDates, format!("certificate {file}: {why}"));
            Some(problem.value("file", file).value("why", why))
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
