//! The files and environment variables that a configuration names.

use std::path::{Path, PathBuf};

use backup::Purpose;

/// Files and variables that a part's section names: `monban backup` copies the files, and lists the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Files, each with its purpose.
    pub files: Vec<(PathBuf, Purpose)>,
    /// Environment variables with secrets.
    pub variables: Vec<String>,
    /// Host names that clients use, which lead to this machine.
    pub hosts: Vec<String>,
}

impl Named {
    /// Adds a file.
    pub fn file(&mut self, path: impl AsRef<Path>, purpose: Purpose) {
        self.files.push((path.as_ref().to_path_buf(), purpose));
    }

    /// Adds a file that may be absent from the configuration.
    pub fn optional(&mut self, path: Option<&PathBuf>, purpose: Purpose) {
        self.files.extend(path.map(|path| (path.clone(), purpose)));
    }

    /// Adds a secret in a file or in a variable.
    pub fn secret(&mut self, file: Option<&PathBuf>, variable: Option<&String>) {
        self.optional(file, Purpose::Secret);
        self.variables.extend(variable.cloned());
    }

    /// Adds a certificate with its key.
    pub fn certificate(&mut self, files: &gateway::config::CertificateConfig) {
        self.file(&files.certificate, Purpose::Certificate);
        self.file(&files.key, Purpose::Key);
    }
}
