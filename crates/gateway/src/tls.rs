//! TLS on both sides: certificates from PEM files chosen by SNI in front, verified connections behind.

mod faults;
mod pem;
mod verify;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::CertificateConfig;
use crate::limits::PEM_BYTES;
pub use faults::{Certificate, Fault, NOTICE, Weight, faults};
pub(crate) use verify::explain;
pub use verify::{Fingerprint, Trust};

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
    /// The file or files.
    fn place(&self) -> String {
        match self {
            Self::Read { path, .. } | Self::TooLarge { path } | Self::Pem { path, .. } => {
                path.display().to_string()
            }
            Self::Pair { certificate, key, .. } => {
                format!("{} with {}", certificate.display(), key.display())
            }
            Self::Rustls(_) => "tls".to_owned(),
        }
    }

    /// The fault.
    fn what(&self) -> String {
        let whole = self.to_string();
        whole.strip_prefix(&format!("{}: ", self.place())).map(str::to_owned).unwrap_or(whole)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Settings of a TLS listener with these certificates. The first one also serves unknown names.
pub fn server_config(certificates: &[CertificateConfig], http2: bool) -> Result<ServerConfig, Error> {
    let provider = provider();
    let mut resolver = ByName { names: HashMap::new(), first: None };
    for files in certificates {
        resolver.add(Arc::new(pem::load_pair(files, &provider)?), &files.certificate)?;
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn(http2);
    // the provider's order is the stronger one; testssl.sh asks for it
    config.ignore_client_order = true;
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// Settings for https upstreams.
pub fn client_config(trust: &Trust, http2: bool) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match verify::verifier(trust)? {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(verifier),
        None => {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn(http2);
    Ok(config)
}

fn alpn(http2: bool) -> Vec<Vec<u8>> {
    let mut protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        protocols.insert(0, b"h2".to_vec());
    }
    protocols
}

/// Certificates by the DNS names of their leaf; a wildcard name covers one label (RFC 6125 §6.4.3).
#[derive(Debug)]
struct ByName {
    names: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl ByName {
    fn add(&mut self, key: Arc<CertifiedKey>, path: &Path) -> Result<(), Error> {
        let wrong = |what: String| Error::Pem { path: path.to_owned(), what };
        let leaf = key.end_entity_cert()?;
        let parsed = webpki::EndEntityCert::try_from(leaf)
            .map_err(|error| wrong(format!("certificate cannot be read ({error})")))?;
        for name in parsed.valid_dns_names() {
            self.names.entry(name.to_ascii_lowercase()).or_insert_with(|| Arc::clone(&key));
        }
        self.first.get_or_insert(key);
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.server_name().and_then(|name| self.find(name)).or(self.first.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(dir: &Path, stem: &str, names: &[&str]) -> CertificateConfig {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let files = CertificateConfig {
            certificate: dir.join(format!("{stem}.pem")),
            key: dir.join(format!("{stem}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn certificates_are_found_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let one = write_pair(dir.path(), "one", &["a.test", "*.a.test"]);
        let two = write_pair(dir.path(), "two", &["b.test"]);
        let mut by_name = ByName { names: HashMap::new(), first: None };
        let provider = provider();
        for files in [&one, &two] {
            by_name.add(Arc::new(pem::load_pair(files, &provider).unwrap()), &files.certificate).unwrap();
        }
        let leaf = |name: &str| by_name.find(name).map(|key| key.cert[0].clone());
        let first = by_name.first.as_ref().unwrap().cert[0].clone();
        assert_eq!(leaf("A.test"), Some(first.clone()));
        assert_eq!(leaf("www.a.test"), Some(first.clone()));
        assert_eq!(leaf("x.www.a.test"), None);
        assert!(leaf("b.test").is_some_and(|cert| cert != first));
        assert_eq!(leaf("c.test"), None);
    }

    #[test]
    fn wrong_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let one = write_pair(dir.path(), "one", &["a.test"]);
        let two = write_pair(dir.path(), "two", &["b.test"]);
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("text.pem"), "not a certificate\n").unwrap();
        std::fs::write(path("large.pem"), vec![b'x'; PEM_BYTES as usize + 1]).unwrap();
        let pair = |certificate: PathBuf, key: PathBuf| {
            server_config(&[CertificateConfig { certificate, key }], true).unwrap_err().to_string()
        };
        let cases = [
            (pair(path("missing.pem"), one.key.clone()), "missing.pem: No such file"),
            (pair(path("text.pem"), one.key.clone()), "text.pem: no certificate in PEM form"),
            (pair(path("large.pem"), one.key.clone()), "large.pem: larger than"),
            (pair(one.certificate.clone(), path("text.pem")), "text.pem: no private key"),
            (pair(one.certificate.clone(), two.key.clone()), "one.pem with"),
        ];
        for (error, want) in cases {
            assert!(error.contains(want), "{error}");
        }
        let ca = |path: PathBuf| client_config(&Trust::File(path), true);
        assert!(ca(path("text.pem")).unwrap_err().to_string().contains("text.pem"));
        assert!(ca(one.certificate).is_ok());
        assert!(client_config(&Trust::Public, false).is_ok());
    }
}
