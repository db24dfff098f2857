//! TLS towards clients: SNI chooses the certificate.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use finding::{Fault, KeyPath};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, Source};
use super::crypto::{alpn, provider, provider_with, versions};
use super::error::Error;
use super::managed::Managed;
use super::names::ByName;
use super::pem;
use crate::config::{CertificateConfig, ListenerConfig, TlsSource, TlsVersion};

/// Returns the certificates of a listener and the settings that use them, or the faults of all its certificates, by keys of the
/// listener.
pub(super) fn of_listener(
    listener: &ListenerConfig,
    managed: &Arc<Managed>,
) -> Result<(Arc<Choice>, ServerConfig), Vec<Fault>> {
    let choice = Arc::new(Choice::of(&listener.tls, managed)?);
    let provider = listener.tls_curves.as_deref().map_or_else(provider, provider_with);
    let settings = settings(Arc::clone(&choice) as _, listener.http2, listener.tls_min, provider);
    settings.map(|settings| (choice, settings)).map_err(|error| vec![Fault::at("tls", error.to_string())])
}

/// The certificates of a listener outside the gateway, which change without closing it.
#[derive(Debug)]
pub struct Served(ArcSwap<Choice>);

impl Served {
    /// Reads certificates, as the key `tls` names them.
    ///
    /// # Errors
    /// The faults of all certificates, by keys from `tls` on.
    pub fn new(sources: &[TlsSource], managed: &Arc<Managed>) -> Result<Self, Vec<Fault>> {
        Choice::of(sources, managed).map(|choice| Self(ArcSwap::from_pointee(choice)))
    }

    /// Changes the certificates to those of another value, from the next handshake on.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// Returns the settings of a listener with these certificates.
    ///
    /// # Errors
    /// The cryptography has no randomness for session tickets.
    pub fn settings(self: &Arc<Self>, http2: bool) -> Result<ServerConfig, Error> {
        settings(Arc::clone(self) as _, http2, TlsVersion::default(), provider())
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name())
    }
}

/// Returns the key of a listener's certificate: `tls`, or `tls[1]` if it has several.
pub(super) fn certificate_key(index: usize, certificates: usize) -> KeyPath {
    if certificates > 1 { KeyPath::from(("tls", index)) } else { KeyPath::from("tls") }
}

fn settings(
    choice: Arc<dyn ResolvesServerCert>,
    http2: bool,
    lowest: TlsVersion,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(lowest))?
        .with_no_client_auth()
        .with_cert_resolver(choice);
    config.alpn_protocols = alpn(http2);
    // the server's order prefers stronger suites; testssl.sh checks it
    config.ignore_client_order = true;
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// The certificates from which a listener chooses.
#[derive(Debug, Default)]
pub(super) struct Choice {
    files: ByName,
    managed: Option<Arc<Managed>>,
}

impl Choice {
    fn of(sources: &[TlsSource], managed: &Arc<Managed>) -> Result<Self, Vec<Fault>> {
        let mut choice = Self::default();
        let mut faults = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            match source {
                TlsSource::Auto => choice.managed = Some(Arc::clone(managed)),
                TlsSource::Files(files) => {
                    if let Err(error) = choice.load(files) {
                        faults.push(error.fault(files).below(certificate_key(index, sources.len())));
                    }
                }
            }
        }
        if faults.is_empty() { Ok(choice) } else { Err(faults) }
    }

    fn load(&mut self, files: &CertificateConfig) -> Result<(), Error> {
        let key = Arc::new(pem::load_pair(files, &provider())?);
        let wrong = |what: String| Error::Pem { path: files.certificate.clone(), what };
        webpki::EndEntityCert::try_from(key.end_entity_cert()?)
            .map_err(|error| wrong(format!("certificate cannot be read ({error})")))?;
        // a damaged issuer is a matter of clients
        let leaf = &key.cert[..key.cert.len().min(1)];
        let about = Certificate::of(leaf, Source::File(files.certificate.clone()))?;
        self.files.add(&key, &about.names, &about.addresses);
        Ok(())
    }

    /// Returns the certificate for a name: one with this name before one with a wildcard, a managed one before a file. The first file
    /// serves clients that send an unknown name or none.
    pub(super) fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let managed = self.managed.as_ref().map(|managed| managed.index());
        let known = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let managed = managed.as_deref();
            managed
                .and_then(|managed| managed.exact(&name))
                .or_else(|| self.files.exact(&name))
                .or_else(|| managed.and_then(|managed| managed.wildcard(&name)))
                .or_else(|| self.files.wildcard(&name))
                .cloned()
        });
        known.or_else(|| self.files.first().cloned())
    }

    /// Returns the certificate for a client that sends no name and connects to an address of this machine. Such a client usually
    /// connected by address. A private address may be the end of a forwarding whose public address this machine does not know.
    pub(super) fn find_address(&self, local: IpAddr) -> Option<Arc<CertifiedKey>> {
        let managed = self.managed.as_ref().map(|managed| managed.index());
        let managed = managed.as_deref();
        managed
            .and_then(|managed| managed.address(local))
            .or_else(|| self.files.address(local))
            .or_else(|| managed.filter(|_| is_private(local)).and_then(|managed| managed.any_address()))
            .cloned()
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        // RFC 6598: shared address space of providers
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (v4.to_bits() >> 22) == 0x0191
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

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
        let one = write_pair(dir.path(), "one", &["a.test", "*.a.test", "192.0.2.1"]);
        let two = write_pair(dir.path(), "two", &["b.test"]);
        let mut choice = Choice::default();
        for files in [&one, &two] {
            choice.load(files).unwrap();
        }
        let cert = |key: Option<Arc<CertifiedKey>>| key.map(|key| key.cert[0].clone());
        let leaf = |choice: &Choice, name: &str| cert(choice.find(Some(name)));
        let first = cert(choice.find(None));
        assert!(first.is_some());
        for name in ["A.test", "www.a.test", "x.www.a.test", "c.test"] {
            assert_eq!(leaf(&choice, name), first, "{name}");
        }
        assert!(leaf(&choice, "b.test").is_some_and(|cert| Some(cert) != first));
        assert_eq!(cert(choice.find_address("::ffff:192.0.2.1".parse().unwrap())), first);
        assert!(choice.find_address("127.0.0.1".parse().unwrap()).is_none());

        // managed ones come before files, but not a wildcard before an exact name
        let managed = Arc::new(Managed::default());
        let put = |name: &str, names: &[&str]| {
            let files = write_pair(dir.path(), "managed", names);
            let read = |path: &Path| std::fs::read(path).unwrap();
            managed.put(name, &read(&files.certificate), &read(&files.key)).unwrap();
            cert(managed.index().first().cloned())
        };
        choice.managed = Some(Arc::clone(&managed));
        let address = put("m", &["*.a.test", "*.test", "198.51.100.1"]);
        assert_eq!(leaf(&choice, "a.test"), first);
        assert_eq!(leaf(&choice, "www.a.test"), address);
        assert_eq!(leaf(&choice, "c.test"), address);
        assert_eq!(leaf(&choice, "x.c.test"), first);
        for (local, want) in [
            ("198.51.100.1", &address),
            ("192.0.2.1", &first),
            ("10.0.0.1", &address),
            ("100.64.0.1", &address),
            ("fd00::1", &address),
            ("203.0.113.9", &None),
        ] {
            assert_eq!(cert(choice.find_address(local.parse().unwrap())), *want, "{local}");
        }
        managed.remove("m");
        let exact = put("n", &["a.test"]);
        assert_eq!(leaf(&choice, "a.test"), exact);
        choice.files = ByName::default();
        assert_eq!(leaf(&choice, "other.test"), None);
        assert_eq!(cert(choice.find(None)), None);
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
            let files = TlsSource::from(CertificateConfig { certificate, key });
            Served::new(&[files], &Arc::default()).unwrap_err()[0].what.clone()
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
