//! TLS on both sides: certificates from PEM files chosen by SNI in front, verified connections behind.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

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
    /// The key is of another certificate, or of a kind that is not supported.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// rustls' word.
        source: rustls::Error,
    },
    /// rustls refuses the whole.
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Settings of a TLS listener with these certificates. The first one also serves unknown names.
pub fn server_config(certificates: &[CertificateConfig], http2: bool) -> Result<ServerConfig, Error> {
    let provider = provider();
    let mut resolver = ByName { names: HashMap::new(), first: None };
    for files in certificates {
        resolver.add(Arc::new(load_certificate(files, &provider)?), &files.certificate)?;
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn(http2);
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// Settings for https upstreams: verified by the authorities of `ca`, or by the public ones.
pub fn client_config(ca: Option<&Path>, http2: bool) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in read_chain(path)? {
                roots
                    .add(certificate)
                    .map_err(|source| Error::Pem { path: path.to_owned(), what: source.to_string() })?;
            }
        }
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
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

fn load_certificate(files: &CertificateConfig, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let chain = read_chain(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| Error::Pem {
        path: files.key.clone(),
        what: format!("no private key in PEM form ({error})"),
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| Error::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |what: String| Error::Pem { path: path.to_owned(), what };
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("not PEM ({error})")))?;
    if chain.is_empty() { Err(wrong("no certificate in PEM form".to_owned())) } else { Ok(chain) }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(PEM_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > PEM_BYTES { Err(Error::TooLarge { path: path.to_owned() }) } else { Ok(bytes) }
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
            by_name.add(Arc::new(load_certificate(files, &provider).unwrap()), &files.certificate).unwrap();
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
            (pair(path("text.pem"), one.key.clone()), "text.pem: no certificate"),
            (pair(path("large.pem"), one.key.clone()), "large.pem: larger than"),
            (pair(one.certificate.clone(), path("text.pem")), "text.pem: no private key"),
            (pair(one.certificate.clone(), two.key.clone()), "one.pem with"),
        ];
        for (error, want) in cases {
            assert!(error.contains(want), "{error}");
        }
        assert!(client_config(Some(&path("text.pem")), true).unwrap_err().to_string().contains("text.pem"));
        assert!(client_config(Some(&one.certificate), true).is_ok());
        assert!(client_config(None, false).is_ok());
    }
}
