//! Errors of certificates, keys and CA files.

use std::path::PathBuf;

use finding::{Fault, KeyPath};

use crate::config::CertificateConfig;
use crate::limits::PEM_BYTES;

/// Why a certificate, key or CA file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Larger than any certificate chain.
    #[error("{}: larger than {PEM_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not the PEM of what is wanted.
    #[error("{}: {what}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        what: String,
    },
    /// The key and the certificate do not fit.
    #[error("{} with {}: {what}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// rustls refuses the whole.
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

impl Error {
    /// The fault of a certificate with its key, below the table that holds both.
    pub(crate) fn fault(&self, files: &CertificateConfig) -> Fault {
        let key = match self {
            Self::Read { path, .. } | Self::TooLarge { path } | Self::Pem { path, .. } => {
                if *path == files.certificate { "certificate" } else { "key" }
            }
            Self::Pair { .. } => "key",
            Self::Rustls(_) => "",
        };
        Fault::at(KeyPath::from(key), self.to_string())
    }
}
