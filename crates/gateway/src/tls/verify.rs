//! Verification of the certificates of https upstreams.

use std::path::Path;
use std::sync::Arc;

use event::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::crypto::provider;
use super::error::Error;
use super::pem;
use super::trust::{Fingerprint, Trust};

/// Returns the verifier; none for trust in the public authorities.
pub(super) fn verifier(trust: &Trust) -> Result<Option<Arc<dyn ServerCertVerifier>>, Error> {
    let provider = provider();
    let check = match trust {
        Trust::Public => return Ok(None),
        Trust::File(path) => Check::file(path, &provider)?,
        Trust::Pin(pin) => Check::Pin(*pin),
        Trust::Nothing => Check::Nothing,
    };
    Ok(Some(Arc::new(Verifier { check, provider })))
}

/// An error: the upstream presents a certificate other than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's certificate has the fingerprint {0}, which differs from `pin`")]
struct OtherCertificate(Fingerprint);

/// A verifier that does not use the public authorities. The upstream must always prove that it has the private key of its
/// certificate.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Check {
    /// The authorities in a file, and the file's certificates themselves: a self-signed certificate may verify itself, but webpki
    /// accepts no authority as a server's certificate.
    File {
        authorities: Arc<WebPkiServerVerifier>,
        held: Vec<CertificateDer<'static>>,
    },
    Pin(Fingerprint),
    Nothing,
}

impl Check {
    fn file(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let wrong = |what: String| Error::Pem { path: path.to_owned(), what };
        let held = pem::read_chain(path)?;
        let mut roots = RootCertStore::empty();
        for (at, certificate) in held.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|_| {
                wrong(format!("certificate {} of the file is damaged; copy the file again", at + 1))
            })?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self::File { authorities, held })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match &self.check {
            Check::File { held, .. } if held.iter().any(|held| held.as_ref() == leaf.as_ref()) => {
                verify_itself(leaf, name, now)?;
            }
            Check::File { authorities, .. } => {
                return authorities.verify_server_cert(leaf, intermediates, name, ocsp, now);
            }
            Check::Pin(pin) => {
                let shown = Fingerprint::of(leaf);
                if *pin != shown {
                    let error = OtherError(Arc::new(OtherCertificate(shown)));
                    return Err(CertificateError::Other(error).into());
                }
            }
            Check::Nothing => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies name and dates of a certificate that is itself trusted.
fn verify_itself(leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), TlsError> {
    verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < parsed.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > parsed.validity().not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Explains a failed handshake with an upstream, in plain words if the certificate is the reason.
pub(crate) fn explain(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let Some(TlsError::InvalidCertificate(fault)) = inner else { return error.to_string() };
    let day = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_micros(seconds.saturating_mul(1_000_000)).to_jiff().strftime("%Y-%m-%d").to_string()
    };
    match fault {
        CertificateError::UnknownIssuer => {
            "no authority that this site trusts issued the upstream's certificate; set `upstream_ca` to the file of its authority"
                .to_owned()
        }
        CertificateError::Expired => "the upstream's certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the upstream's certificate expired on {}", day(not_after))
        }
        CertificateError::NotValidYet => "the upstream's certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the upstream's certificate is valid only from {} on", day(not_before))
        }
        CertificateError::Other(OtherError(other)) if other.is::<OtherCertificate>() => other.to_string(),
        CertificateError::Other(OtherError(other))
            if other.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            "the upstream presents an authority's certificate as its own; set `upstream_ca` to the file of this certificate".to_owned()
        }
        other => TlsError::InvalidCertificate(other.clone()).to_string(),
    }
}
