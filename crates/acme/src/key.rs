//! Private keys and certificate requests.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType,
};
use ring::rand::SystemRandom;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};

use crate::names::Name;

/// The type of a certificate's key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// ECDSA with P-256: supported everywhere, and the fastest handshakes.
    #[default]
    P256,
    /// ECDSA with P-384.
    P384,
    /// RSA with 2,048 bits, for old clients. The program `openssl` makes the key.
    Rsa,
}

/// Generates a private key as PKCS#8 in PEM.
///
/// # Errors
/// A description of the fault.
pub(crate) fn generate(kind: KeyType) -> Result<String, String> {
    let algorithm = match kind {
        KeyType::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::P384 => &PKCS_ECDSA_P384_SHA384,
        KeyType::Rsa => return rsa(),
    };
    KeyPair::generate_for(algorithm).map(|key| key.serialize_pem()).map_err(|error| error.to_string())
}

/// Generates an RSA key: ring, our cryptographic library, signs with RSA keys but makes none.
fn rsa() -> Result<String, String> {
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/local/bin")
        .output();
    let made = made.map_err(|error| format!("openssl, which makes RSA keys: {error}"))?;
    if !made.status.success() {
        return Err(format!("openssl genpkey: {}", String::from_utf8_lossy(&made.stderr).trim()));
    }
    String::from_utf8(made.stdout).map_err(|_| "openssl genpkey printed no PEM".to_owned())
}

/// Returns the certificate request (RFC 2986) for these names in DER. It has no subject and asks for no extended key usage: CAs
/// ignore the first, and refuse requests for usages that they no longer grant, such as client authentication.
///
/// # Errors
/// A description of the fault.
pub(crate) fn request(key_pem: &str, names: &[Name]) -> Result<Vec<u8>, String> {
    let key = KeyPair::from_pem(key_pem).map_err(|error| error.to_string())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let alternative = names.iter().map(|name| match name {
        Name::Dns(name) => {
            name.as_str().try_into().map(SanType::DnsName).map_err(|error| format!("{name}: {error}"))
        }
        Name::Ip(address) => Ok(SanType::IpAddress(*address)),
    });
    params.subject_alt_names = alternative.collect::<Result<_, _>>()?;
    let request = params.serialize_request(&key).map_err(|error| error.to_string())?;
    Ok(request.der().to_vec())
}

/// Returns the public key (SubjectPublicKeyInfo in DER) of a private key in PEM.
///
/// # Errors
/// A description of the fault.
pub(crate) fn public_key(key_pem: &str) -> Result<Vec<u8>, String> {
    use rcgen::PublicKeyData;
    let key = KeyPair::from_pem(key_pem).map_err(|error| error.to_string())?;
    Ok(key.subject_public_key_info())
}

/// A self-signed certificate for a TLS-ALPN-01 challenge (RFC 8737 §3), and its key as PKCS#8, both in DER.
#[derive(Debug)]
pub struct AlpnCertificate {
    /// The certificate.
    pub certificate: rustls::pki_types::CertificateDer<'static>,
    /// Its key.
    pub key: PrivatePkcs8KeyDer<'static>,
}

/// Creates the certificate that answers a TLS-ALPN-01 challenge.
///
/// # Errors
/// A description of the fault.
pub(crate) fn alpn_certificate(name: &Name, digest: &[u8]) -> Result<AlpnCertificate, String> {
    let failed = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![match name {
        Name::Dns(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
        Name::Ip(address) => SanType::IpAddress(*address),
    }];
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(AlpnCertificate {
        certificate: certificate.der().clone(),
        key: PrivatePkcs8KeyDer::from(key.serialize_der()),
    })
}

/// Returns a random number below `bound`, for jitter.
pub(crate) fn random_below(bound: u64) -> u64 {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 8];
    // without randomness there is no jitter; keys would fail first
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_be_bytes(bytes).checked_rem(bound).unwrap_or(0)
}
