//! Certificates as commands and the API show them.

use acme::Step;
use acme::renewal::Reason;
use acme::when::Rule;
use event::Timestamp;
use serde::{Deserialize, Serialize};

use super::keeper::Kept;

/// A certificate of the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShownCertificate {
    /// Its name in commands.
    pub name: String,
    /// The section that wants it.
    pub section: String,
    /// The wanted names.
    pub wanted: Vec<String>,
    /// The certificate in use.
    pub certificate: Option<ShownChain>,
    /// Time of the next attempt.
    pub next: Timestamp,
    /// The reason of the next attempt.
    pub reason: String,
    /// Failures in a row.
    pub failures: u32,
    /// The last attempt.
    pub last: Option<ShownAttempt>,
    /// The step of the attempt in progress.
    pub working: Option<String>,
    /// The fault of its files.
    pub damage: Option<String>,
}

/// A certificate with its issuers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShownChain {
    /// The names in it.
    pub names: Vec<String>,
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// The issuer.
    pub issuer: String,
    /// Number of certificates in the chain.
    pub length: usize,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// The file of the chain.
    pub chain_file: String,
    /// The file of the key.
    pub key_file: String,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// An attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShownAttempt {
    /// Its start.
    pub began: Timestamp,
    /// Its end; none while it runs, or if the process ended first.
    pub ended: Option<Timestamp>,
    /// Its steps.
    pub steps: Vec<ShownStep>,
    /// The error.
    pub error: Option<String>,
}

/// A step of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShownStep {
    /// The step.
    pub step: Step,
    /// Its start.
    pub began: Timestamp,
    /// Its object.
    pub detail: String,
}

impl From<Kept> for ShownCertificate {
    fn from(kept: Kept) -> Self {
        let revoked = kept.state.current.as_ref().is_some_and(|current| current.revoked);
        let certificate = kept.pair.map(|pair| ShownChain {
            names: pair.chain.names.iter().map(ToString::to_string).collect(),
            serial: pair.chain.serial,
            issuer: pair.chain.issuer,
            length: pair.chain.certificates.len(),
            not_before: pair.chain.validity.not_before,
            not_after: pair.chain.validity.not_after,
            chain_file: pair.chain_path.display().to_string(),
            key_file: pair.key_path.display().to_string(),
            revoked,
        });
        let last = kept.state.last.map(|last| ShownAttempt {
            began: last.began,
            ended: last.ended,
            error: last.error,
            steps: last
                .steps
                .into_iter()
                .map(|step| ShownStep { step: step.step, began: step.began, detail: step.detail })
                .collect(),
        });
        Self {
            name: kept.entry.request.name,
            section: kept.entry.section,
            wanted: kept.entry.request.names.iter().map(ToString::to_string).collect(),
            certificate,
            next: kept.next.at,
            reason: describe(&kept.next.reason).to_owned(),
            failures: kept.state.attempts.failures,
            last,
            working: kept.working,
            damage: kept.damage,
        }
    }
}

fn describe(reason: &Reason) -> &'static str {
    match reason {
        Reason::Missing => "there is no certificate yet",
        Reason::Names => "the certificate lacks a name",
        Reason::Revoked => "the certificate is revoked",
        Reason::Due(due) => match due.rule {
            Rule::Owner => "renew_before in the configuration",
            Rule::Window => "the CA's renewal window",
            Rule::Lifetime => "the share of the lifetime that is left",
        },
    }
}
