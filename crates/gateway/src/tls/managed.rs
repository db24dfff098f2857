//! Certificates that another part of the program obtains and renews, the meeting place of that part and the listeners.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::certificate::{Certificate, Source};
use super::challenges::{ChallengeError, Challenges};
use super::crypto::provider;
use super::error::Error;
use super::names::ByName;
use super::pem;
use crate::config::CertificateConfig;

/// Certificates and challenge responses that another part of the program keeps, and the names for which listeners need
/// certificates. Every change takes effect at the next handshake or request, without a reload.
///
/// ```
/// use gateway::tls::{Managed, ManagedCertificate};
///
/// let managed = Managed::default();
/// managed.answer_http("token", "token.thumbprint")?;
/// let pair = rcgen::generate_simple_self_signed(["www.example.org".to_owned()])?;
/// managed.put("www", pair.cert.pem().as_bytes(), pair.signing_key.serialize_pem().as_bytes())?;
/// assert_eq!(managed.certificates()[0].names, ["www.example.org"]);
/// managed.withdraw_http("token");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Managed {
    /// The certificates by their owner's names.
    kept: Mutex<BTreeMap<String, ManagedCertificate>>,
    /// The same certificates by host names, for handshakes.
    index: ArcSwap<ByName>,
    challenges: Challenges,
    /// Wanted names by their source.
    sources: Mutex<BTreeMap<String, Vec<Wanted>>>,
    wanted: watch::Sender<Arc<[Wanted]>>,
}

/// A certificate that its owner keeps under a name.
#[derive(Debug, Clone)]
pub struct ManagedCertificate {
    about: Arc<Certificate>,
    name: String,
    key: Arc<CertifiedKey>,
}

/// Host names that one certificate should cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Host names in lower case, wildcards included, and addresses without brackets. At least one.
    pub names: Vec<String>,
    /// The section of the configuration that wants them, for messages: `[[site]] www.example.org`.
    pub section: String,
    /// Whether a plain listener can answer HTTP-01.
    pub plain: bool,
}

impl ManagedCertificate {
    /// Reads a certificate chain, leaf first, and the key of the leaf, both PEM. `name` identifies the certificate.
    ///
    /// # Errors
    /// The first error of the certificate or its key.
    pub fn from_pem(name: &str, chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let shown = CertificateConfig {
            certificate: PathBuf::from(format!("certificate {name}")),
            key: PathBuf::from(format!("key of {name}")),
        };
        Self::of(name, pem::pair(&shown, chain, key, &provider())?)
    }

    /// Reads a certificate and its key from files.
    ///
    /// # Errors
    /// The first error of the certificate or its key.
    pub fn load(name: &str, files: &CertificateConfig) -> Result<Self, Error> {
        Self::of(name, pem::load_pair(files, &provider())?)
    }

    fn of(name: &str, key: CertifiedKey) -> Result<Self, Error> {
        let about = Certificate::of(&key.cert, Source::Managed(name.to_owned()))?;
        Ok(Self { about: Arc::new(about), name: name.to_owned(), key: Arc::new(key) })
    }

    /// Returns the facts of the certificate.
    pub fn about(&self) -> &Certificate {
        &self.about
    }
}

impl Default for Managed {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            index: ArcSwap::default(),
            challenges: Challenges::default(),
            sources: Mutex::default(),
            wanted: watch::Sender::new(Arc::default()),
        }
    }
}

impl Managed {
    /// Replaces all certificates.
    pub fn replace(&self, certificates: Vec<ManagedCertificate>) {
        let mut kept = lock(&self.kept);
        *kept = certificates.into_iter().map(|certificate| (certificate.name.clone(), certificate)).collect();
        self.reindex(&kept);
    }

    /// Adds a certificate, or replaces the one with the same name. Both texts are PEM; the chain begins with the leaf.
    ///
    /// # Errors
    /// The first error of the certificate or its key; then nothing changes.
    pub fn put(&self, name: &str, chain: &[u8], key: &[u8]) -> Result<(), Error> {
        let certificate = ManagedCertificate::from_pem(name, chain, key)?;
        let mut kept = lock(&self.kept);
        kept.insert(name.to_owned(), certificate);
        self.reindex(&kept);
        Ok(())
    }

    /// Removes the certificate with this name. Another certificate may still serve its hosts.
    pub fn remove(&self, name: &str) {
        let mut kept = lock(&self.kept);
        if kept.remove(name).is_some() {
            self.reindex(&kept);
        }
    }

    /// Returns the facts of all certificates, by their owner's names.
    pub fn certificates(&self) -> Vec<Arc<Certificate>> {
        lock(&self.kept).values().map(|certificate| Arc::clone(&certificate.about)).collect()
    }

    /// Builds the index anew. If several certificates have a name, the one that expires last serves it.
    fn reindex(&self, kept: &BTreeMap<String, ManagedCertificate>) {
        let mut all: Vec<&ManagedCertificate> = kept.values().collect();
        all.sort_by_key(|certificate| std::cmp::Reverse(certificate.about.not_after));
        let mut index = ByName::default();
        for certificate in all {
            index.add(&certificate.key, &certificate.about.names, &certificate.about.addresses);
        }
        self.index.store(Arc::new(index));
    }

    pub(super) fn index(&self) -> Guard<Arc<ByName>> {
        self.index.load()
    }

    /// Answers `GET /.well-known/acme-challenge/TOKEN` on every listener with the key authorization (RFC 8555 §8.3).
    ///
    /// # Errors
    /// The token or the key authorization is malformed, or too many challenges are open.
    pub fn answer_http(&self, token: &str, key_authorization: &str) -> Result<(), ChallengeError> {
        self.challenges.answer_http(token, key_authorization)
    }

    /// Ends the answers to a token.
    pub fn withdraw_http(&self, token: &str) {
        self.challenges.withdraw_http(token);
    }

    /// Returns the response to a request for this target, if the target is a known token.
    pub(crate) fn http_answer(&self, target: &[u8]) -> Option<Bytes> {
        self.challenges.http(target)
    }

    /// Presents the certificate of a TLS-ALPN-01 challenge on every TLS listener to clients that offer only `acme-tls/1` (RFC 8737
    /// §3). The identifier is a host name or an address.
    ///
    /// # Errors
    /// Too many challenges are open.
    pub fn answer_alpn(&self, identifier: &str, key: Arc<CertifiedKey>) -> Result<(), ChallengeError> {
        self.challenges.answer_alpn(identifier, key)
    }

    /// Ends the answers to the TLS-ALPN-01 challenge of an identifier.
    pub fn withdraw_alpn(&self, identifier: &str) {
        self.challenges.withdraw_alpn(identifier);
    }

    pub(super) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Replaces the names that a source wants, such as `gate`.
    pub fn want(&self, source: &str, wanted: Vec<Wanted>) {
        let mut sources = lock(&self.sources);
        sources.insert(source.to_owned(), wanted);
        let all: Arc<[Wanted]> = sources.values().flatten().cloned().collect();
        self.wanted.send_if_modified(|known| {
            let changes = *known != all;
            *known = all;
            changes
        });
    }

    /// Returns the names that all sources want, and later changes.
    pub fn wanted(&self) -> watch::Receiver<Arc<[Wanted]>> {
        self.wanted.subscribe()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // no change can panic halfway
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a certificate and its key as PEM, which expires on the first day of a year.
    fn made(names: &[&str], year: i32) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn put(managed: &Managed, name: &str, names: &[&str], year: i32) {
        let (chain, key) = made(names, year);
        managed.put(name, chain.as_bytes(), key.as_bytes()).unwrap();
    }

    #[test]
    fn the_certificate_that_expires_last_serves_a_name() {
        let managed = Managed::default();
        let serves = |host: &str| {
            let index = managed.index();
            let key = index.exact(host).or_else(|| index.wildcard(host))?;
            let about = Certificate::of(&key.cert, Source::Managed(String::new())).unwrap();
            Some(about.not_after.to_jiff().strftime("%Y").to_string())
        };
        put(&managed, "b", &["a.test", "192.0.2.1"], 2031);
        put(&managed, "a", &["a.test", "*.a.test"], 2030);
        assert_eq!(serves("a.test").as_deref(), Some("2031"));
        assert_eq!(serves("www.a.test").as_deref(), Some("2030"));
        assert_eq!(serves("x.www.a.test"), None);
        managed.remove("b");
        assert_eq!(serves("a.test").as_deref(), Some("2030"));
        assert!(managed.index().address("192.0.2.1".parse().unwrap()).is_none());
        let (chain, key) = made(&["b.test"], 2032);
        managed.replace(vec![ManagedCertificate::from_pem("c", chain.as_bytes(), key.as_bytes()).unwrap()]);
        assert_eq!(serves("a.test"), None);
        assert_eq!(serves("b.test").as_deref(), Some("2032"));
        let all = managed.certificates();
        assert_eq!((all.len(), &all[0].names[..]), (1, &["b.test".to_owned()][..]));
        assert_eq!(all[0].source.to_string(), "c");
        assert_eq!((all[0].chain, all[0].sha256.len()), (1, 64));
        assert!(all[0].serial.len() >= 16 && all[0].issuer.contains("CN="), "{all:?}");
    }

    #[test]
    fn a_wrong_pair_is_refused_and_changes_nothing() {
        let managed = Managed::default();
        put(&managed, "a", &["a.test"], 2030);
        let before = managed.certificates();
        let (chain, _) = made(&["a.test"], 2031);
        let (_, key) = made(&["a.test"], 2031);
        for (chain, key, word) in [
            (
                chain.as_bytes(),
                key.as_bytes(),
                "certificate a with key of a: the key belongs to another certificate",
            ),
            (b"", key.as_bytes(), "certificate a: the file is empty"),
            (chain.as_bytes(), b"x", "key of a: no private key"),
            (&vec![b'x'; 4 * 1024 * 1024 + 1][..], key.as_bytes(), "certificate a: larger than"),
        ] {
            let error = managed.put("a", chain, key).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        assert_eq!(managed.certificates(), before);
    }

    #[test]
    fn wanted_names_of_all_sources_are_watched() {
        let managed = Managed::default();
        let mut watch = managed.wanted();
        let wanted = |name: &str| Wanted {
            names: vec![name.to_owned()],
            section: format!("[[site]] {name}"),
            plain: true,
        };
        managed.want("gate", vec![wanted("a.test"), wanted("b.test")]);
        managed.want("console", vec![wanted("console.test")]);
        assert!(watch.has_changed().unwrap());
        let names = |all: &[Wanted]| all.iter().map(|wanted| wanted.names[0].clone()).collect::<Vec<_>>();
        assert_eq!(names(&watch.borrow_and_update()), ["console.test", "a.test", "b.test"]);
        managed.want("console", vec![wanted("console.test")]);
        assert!(!watch.has_changed().unwrap());
        managed.want("gate", Vec::new());
        assert_eq!(names(&watch.borrow_and_update()), ["console.test"]);
    }
}
