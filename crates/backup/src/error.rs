//! The errors of a backup.

use std::io;

use crate::age::AgeError;

/// The failure to write or read a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The encryption: a wrong passphrase, a damaged or shortened file, another format.
    #[error(transparent)]
    Age(#[from] AgeError),
    /// The file decrypts, but does not contain a backup of monban.
    #[error("is encrypted like a backup but is not one: {0}")]
    NoBackup(String),
    /// A newer monban wrote the backup.
    #[error("has format {found}, written by monban {monban}; this monban reads up to format {known}")]
    NewerFormat {
        /// The format's number.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
        /// The version of monban that wrote it.
        monban: String,
    },
    /// The manifest breaks a rule.
    #[error("the manifest is not valid: {0}")]
    Manifest(String),
    /// The archive does not match its manifest.
    #[error("the archive does not match its manifest: {0}")]
    Archive(String),
    /// A file's size changed while it was added.
    #[error("{path}: read {found} of {expected} bytes; another program changed the file during the backup")]
    Changed {
        /// The file.
        path: String,
        /// Its size in the manifest.
        expected: u64,
        /// The bytes that could be read.
        found: u64,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for BackupError {
    /// Unwraps an error that passed through [`io::Read`] or [`io::Write`].
    fn from(error: io::Error) -> Self {
        match error.downcast::<AgeError>() {
            Ok(inner) => Self::Age(inner),
            Err(error) => error.downcast::<Self>().unwrap_or_else(Self::Io),
        }
    }
}
