//! The facts of a certificate: names, dates, issuer, and the order of its chain.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use event::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::crypto::provider;
use super::error::Error;
use super::pem;
use crate::config::CertificateConfig;

/// Time before a certificate's expiry at which reporting starts.
pub const NOTICE: Duration = Duration::from_secs(14 * 86_400);

/// The origin of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that the configuration names.
    File(PathBuf),
    /// Another part of the program, which keeps it under this name.
    Managed(String),
}

impl Source {
    /// Returns the path, or the name, for an error.
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Managed(name) => PathBuf::from(name),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Managed(name) => f.write_str(name),
        }
    }
}

/// A certificate that a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its origin.
    pub source: Source,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// Host names, lower case, with wildcards.
    pub names: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Serial number, in lower-case hexadecimal digits as encoded, two for each byte.
    pub serial: String,
    /// Issuer, as `C=US, O=Example, CN=Example R1`.
    pub issuer: String,
    /// SHA-256 of the leaf, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Number of certificates in the chain, the leaf included.
    pub chain: usize,
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

impl Certificate {
    /// Reads a certificate with its key.
    ///
    /// # Errors
    /// The first error of the certificate or its key.
    pub fn load(files: &CertificateConfig) -> Result<Self, Error> {
        let pair = pem::load_pair(files, &provider())?;
        Self::of(&pair.cert, Source::File(files.certificate.clone()))
    }

    /// Reads the leaf of a chain.
    pub(super) fn of(chain: &[CertificateDer<'_>], source: Source) -> Result<Self, Error> {
        let wrong = |at: usize| Error::Pem {
            path: source.path(),
            what: format!("certificate {} of the file is damaged; copy the file again", at + 1),
        };
        let mut parsed = Vec::new();
        for (at, certificate) in chain.iter().enumerate() {
            parsed.push(X509Certificate::from_der(certificate).map_err(|_| wrong(at))?.1);
        }
        let (leaf, der) = parsed.first().zip(chain.first()).ok_or_else(|| wrong(0))?;
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
            not_before: time(leaf.validity().not_before.timestamp()),
            not_after: time(leaf.validity().not_after.timestamp()),
            names,
            addresses,
            serial: hex(leaf.raw_serial()),
            issuer: leaf.issuer().to_string(),
            sha256: hex(ring::digest::digest(&ring::digest::SHA256, der).as_ref()),
            chain: chain.len(),
            source,
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

    /// Returns the fault of the order of its chain.
    pub(super) fn order_fault(&self) -> Option<String> {
        let at = self.unordered?;
        Some(format!(
            "certificate {} does not vouch for certificate {at}, which stands before it: some clients refuse the chain; put each \
             certificate before its issuer's",
            at + 1
        ))
    }

    /// Whether clients accept it for this host.
    pub fn covers(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        covers(&names, host)
    }
}

/// Whether one of the names stands for a host; `*.` stands for one label.
pub(super) fn covers(names: &[&str], host: &str) -> bool {
    let above = host.split_once('.').map(|(_, above)| above);
    names.iter().any(|name| {
        let parent = name.strip_prefix("*.").zip(above);
        name.eq_ignore_ascii_case(host)
            || parent.is_some_and(|(parent, above)| parent.eq_ignore_ascii_case(above))
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // writing to a text cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}
