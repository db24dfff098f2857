//! How the certificates of https upstreams are checked.

use std::path::{Path, PathBuf};
use std::str::FromStr;
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

use super::{Error, pem, provider};

/// How an upstream's certificate is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// An authority that everybody knows (webpki-roots) vouches for it and its name.
    #[default]
    Public,
    /// An authority of this PEM file vouches for it, or the file holds the certificate itself; and its name.
    File(PathBuf),
    /// It has this fingerprint.
    Pin(Fingerprint),
    /// Nothing: whoever is on the way can read and change everything.
    Nothing,
}

/// SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &[u8]) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, certificate).as_ref());
        Self(sum)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    /// `sha256:` and 64 hexadecimal digits, with or without colons between the bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a pin is `sha256:` and 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256 -in \
                             FILE` prints them";
        let digits = text.strip_prefix("sha256:").ok_or(WRONG)?.replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let mut sum = [0; 32];
        for (at, byte) in sum.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| WRONG)?;
        }
        Ok(Self(sum))
    }
}

/// The verifier for a trust; none for that of the public authorities.
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

/// The upstream shows another certificate than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's certificate has the fingerprint {0}, not the one of `pin`")]
struct OtherCertificate(Fingerprint);

/// Checks a certificate by other means than the public authorities. In each case the upstream must have the key of the
/// certificate that it shows.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Check {
    /// Authorities of a file, and the certificates that it holds themselves: a self-signed one vouches for itself, but
    /// webpki takes none that could be an authority for a server's.
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

/// Name and dates of a certificate that is trusted itself.
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

/// Why a handshake with an upstream failed, in plain words where the certificate is the reason.
pub(crate) fn explain(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let Some(TlsError::InvalidCertificate(fault)) = inner else { return error.to_string() };
    let day = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_micros(seconds.saturating_mul(1_000_000)).to_jiff().strftime("%Y-%m-%d").to_string()
    };
    match fault {
        CertificateError::UnknownIssuer => {
            "no authority that this site trusts vouches for the upstream's certificate; `upstream_ca` names the file of one"
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
            "the upstream shows the certificate of an authority as its own; `upstream_ca` takes that very file".to_owned()
        }
        other => TlsError::InvalidCertificate(other.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b14_pins_are_read_as_openssl_prints_them() {
        let plain = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let colons = "sha256:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
        let read: Fingerprint = plain.parse().unwrap();
        assert_eq!((colons.parse(), &*read.to_string()), (Ok(read), plain));
        for wrong in [
            "",
            "sha256:",
            "sha1:00",
            &plain[7..],
            &plain[..70],
            &format!("{plain}0"),
            &plain.replace('a', "g"),
        ] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
