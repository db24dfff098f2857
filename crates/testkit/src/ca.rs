//! A temporary certificate authority for tests of TLS.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{DnType, KeyUsagePurpose};

/// A temporary certificate authority.
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl TestCa {
    /// Generates a key and signs its own certificate with it (P-256).
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "testkit CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a new key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate of its own") }
    }

    /// Returns the authority's certificate as PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a server certificate for `names` (host names, wildcards, IP addresses). The first is its common name.
    pub fn server(&self, names: &[&str]) -> Identity {
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        self.server_between(names, now - day, now + 365 * day)
    }

    /// Issues a server certificate like [`Self::server`], valid between two times.
    pub fn server_between(&self, names: &[&str], from: SystemTime, to: SystemTime) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("valid names");
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = (from.into(), to.into());
        let key = KeyPair::generate().expect("a new key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a signed certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_verify_with_openssl() {
        let folder = crate::process::folder("testkit-ca-");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let ca = TestCa::new();
        let identity = ca.server(&["gate.example", "*.gate.example", "127.0.0.1"]);
        assert!(identity.key.contains("PRIVATE KEY"));
        let output = std::process::Command::new("openssl")
            .args(["verify", "-purpose", "sslserver", "-verify_hostname", "a.gate.example", "-CAfile"])
            .arg(write("ca.pem", &ca.certificate()))
            .arg(write("server.pem", &identity.certificate))
            .output()
            .expect("openssl; install the Debian package openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
