//! Errors of certificates, keys and CA files.

use std::path::PathBuf;

use finding::{Fault, KeyPath};

use crate::config::CertificateConfig;
use crate::limits::PEM_BYTES;

/// An error in a certificate, key or CA file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is larger than any certificate chain.
    #[error("{}: larger than {PEM_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file does not contain the expected PEM.
    #[error("{}: {what}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The error, and what to do.
        what: String,
    },
    /// A key does not match its certificate.
    #[error("{} with {}: {what}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The error, and what to do.
        what: String,
    },
    /// An error of rustls.
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

impl Error {
    /// Returns the fault of a certificate and its key. Its keys are those of their table.
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
