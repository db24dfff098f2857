//! The error of an attempt: step, peer, cause and what to do.

use std::time::Duration;

use instant_acme::{Error as AcmeCrateError, Problem};
use provider::ProviderError;
use serde::{Deserialize, Serialize};

/// A step of an attempt, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The check of the configuration, before the CA is asked.
    Check,
    /// The account at the CA.
    Account,
    /// The order.
    Order,
    /// The answers to challenges: tokens at the gate, or records at the DNS provider.
    Challenges,
    /// The wait until all servers of the zone have the records.
    Propagation,
    /// The validation by the CA.
    Validation,
    /// The removal of the answers.
    Cleanup,
    /// The request for the certificate.
    Finalize,
    /// The download of the certificate.
    Download,
    /// The files in the data folder.
    Store,
}

impl Step {
    /// Returns the step as a verb phrase.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Check => "check the request",
            Self::Account => "use the account",
            Self::Order => "order the certificate",
            Self::Challenges => "answer the challenges",
            Self::Propagation => "wait for the DNS servers",
            Self::Validation => "have the names validated",
            Self::Cleanup => "remove the answers to the challenges",
            Self::Finalize => "request the certificate",
            Self::Download => "fetch the certificate",
            Self::Store => "store the certificate",
        }
    }
}

/// The failure of an attempt. Its text names step, peer, cause and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {}: {peer}: {what}; {remedy}", step.describe())]
pub struct AcmeError {
    /// The step.
    pub step: Step,
    /// The peer: the CA's host, a DNS provider, a name server or a file.
    pub peer: String,
    /// The cause.
    pub what: String,
    /// The remedy, as an instruction for the owner.
    pub remedy: String,
    /// The pause that the peer asks for.
    pub retry_after: Option<Duration>,
    /// Whether the CA has ended the order, so that the next attempt needs a new one.
    pub order_is_over: bool,
    /// Whether this crate's own bound on orders refused the attempt. It counts as no failure.
    pub too_soon: bool,
}

impl AcmeError {
    /// Creates an error without a requested pause.
    pub fn new(
        step: Step,
        peer: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            step,
            peer: peer.into(),
            what: what.into(),
            remedy: remedy.into(),
            retry_after: None,
            order_is_over: false,
            too_soon: false,
        }
    }

    /// Creates the error of a file.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "free space on the disk",
            _ => "check the owner and the rights of the data folder",
        };
        Self::new(Step::Store, path.display().to_string(), error.to_string(), remedy)
    }

    /// Marks the order as ended by the CA.
    pub(crate) fn order_over(self) -> Self {
        Self { order_is_over: true, ..self }
    }
}

/// Returns the error for an answer of the CA.
pub(crate) fn of_ca(
    step: Step,
    ca: &str,
    error: &AcmeCrateError,
    retry_after: Option<Duration>,
) -> AcmeError {
    let (what, remedy) = match error {
        AcmeCrateError::Api(problem) => (describe(problem), remedy(step, problem)),
        AcmeCrateError::Http(_) | AcmeCrateError::Other(_) => {
            (error.to_string(), "check the network and the CA's URL; the next attempt follows by itself")
        }
        AcmeCrateError::Json(_) | AcmeCrateError::Str(_) => {
            (error.to_string(), "check that the URL is an ACME directory; a proxy may answer in its place")
        }
        AcmeCrateError::KeyRejected => (
            error.to_string(),
            "the account key must be ECDSA P-256; remove the account's file for a new account",
        ),
        _ => (error.to_string(), "see the CA's documentation"),
    };
    AcmeError { retry_after, ..AcmeError::new(step, ca, what, remedy) }
}

/// Returns the error of a DNS provider.
pub(crate) fn of_provider(step: Step, error: &ProviderError) -> AcmeError {
    AcmeError {
        retry_after: error.cause.retry_after(),
        ..AcmeError::new(
            step,
            format!("{} ({})", error.peer, error.provider),
            format!("cannot {}: {}", error.step, error.cause),
            error.cause.remedy(),
        )
    }
}

/// Returns type, detail and subproblems of a problem document (RFC 8555 §6.7) on one line.
pub(crate) fn describe(problem: &Problem) -> String {
    let short = |kind: &Option<String>| {
        let kind = kind.as_deref().unwrap_or("about:blank");
        kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind).to_owned()
    };
    let mut text = short(&problem.r#type);
    if let Some(status) = problem.status {
        text.push_str(&format!(" ({status})"));
    }
    if let Some(detail) = &problem.detail {
        text.push_str(&format!(": {detail}"));
    }
    for part in problem.subproblems.iter().take(10) {
        let name =
            part.identifier.as_ref().map(|name| format!(" {}", name.authorized(false))).unwrap_or_default();
        text.push_str(&format!(";{name} {}", short(&part.r#type)));
        if let Some(detail) = &part.detail {
            text.push_str(&format!(": {detail}"));
        }
    }
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    line.chars().take(1000).collect()
}

/// Returns the last part of a problem's type.
pub(crate) fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

fn remedy(step: Step, problem: &Problem) -> &'static str {
    match kind(problem) {
        "rateLimited" => "wait; the next attempt follows when the CA allows it",
        "rejectedIdentifier" => "the CA does not certify this name; remove it, or use another CA",
        "caa" => "the CAA records of the domain forbid this CA; add it to them (RFC 8659)",
        "dns" => "check that the name exists in public DNS and that its servers answer",
        "connection" | "tls" => "open port 80 (http-01) or 443 (tls-alpn-01) of this host to the Internet",
        "unauthorized" if step == Step::Account => {
            "check the key identifier and the key of the external account binding (`eab` under [acme])"
        }
        "unauthorized" | "incorrectResponse" => {
            "check that the name leads to this host, and that no other program answers the challenge"
        }
        "externalAccountRequired" => "get a key identifier and a key from the CA, and set `eab` under [acme]",
        "accountDoesNotExist" => "the CA has forgotten the account; the next attempt creates a new one",
        "userActionRequired" => "open the URL in the text and accept the terms",
        "invalidProfile" => "use one of the profiles that the CA offers",
        "badNonce" => "the CA refuses every nonce; several CA servers behind one name may disagree",
        "serverInternal" => "wait; look at the CA's status page if it goes on",
        "malformed" | "badCSR" | "badPublicKey" | "badSignatureAlgorithm" => {
            "use another key type; if that changes nothing, report this as a bug"
        }
        _ => "the CA's documentation explains this answer",
    }
}
