//! TLS towards clients: SNI chooses the certificate.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use finding::{Fault, KeyPath};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::crypto::{alpn, provider};
use super::error::Error;
use super::pem;
use crate::config::CertificateConfig;

/// Returns the settings of a TLS listener with these certificates. The first one also serves unknown names.
///
/// # Errors
/// The first certificate or key that cannot be used.
pub fn server_config(certificates: &[CertificateConfig], http2: bool) -> Result<ServerConfig, Error> {
    let mut resolver = ByName::default();
    for files in certificates {
        resolver.load(files)?;
    }
    with_resolver(resolver, http2)
}

/// Does the same as [`server_config`], but returns the faults of all certificates, by keys of the listener.
pub(crate) fn listener_config(
    certificates: &[CertificateConfig],
    http2: bool,
) -> Result<ServerConfig, Vec<Fault>> {
    let mut resolver = ByName::default();
    let mut faults = Vec::new();
    for (index, files) in certificates.iter().enumerate() {
        if let Err(error) = resolver.load(files) {
            faults.push(error.fault(files).below(certificate_key(index, certificates.len())));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    with_resolver(resolver, http2).map_err(|error| vec![Fault::at("tls", error.to_string())])
}

/// Returns the key of a listener's certificate: `tls`, or `tls[1]` if it has several.
pub(super) fn certificate_key(index: usize, certificates: usize) -> KeyPath {
    if certificates > 1 { KeyPath::from(("tls", index)) } else { KeyPath::from("tls") }
}

fn with_resolver(resolver: ByName, http2: bool) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn(http2);
    // the server's order prefers stronger suites; testssl.sh checks it
    config.ignore_client_order = true;
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// Certificates by the DNS names of their leaf; a wildcard name covers one label (RFC 6125 §6.4.3).
#[derive(Debug, Default)]
struct ByName {
    names: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl ByName {
    fn load(&mut self, files: &CertificateConfig) -> Result<(), Error> {
        self.add(Arc::new(pem::load_pair(files, &provider())?), &files.certificate)
    }

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
    use std::path::PathBuf;

    use super::*;
    use crate::limits::PEM_BYTES;
    use crate::tls::client::client_config;
    use crate::tls::trust::Trust;

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
        let mut by_name = ByName::default();
        for files in [&one, &two] {
            by_name.load(files).unwrap();
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
