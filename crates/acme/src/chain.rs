//! Certificates as a CA issued them.

use event::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::names::Name;
use crate::when::Validity;

/// A certificate with its issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The certificates in DER, the leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Names of the leaf, sorted. Names of other kinds are left out.
    pub names: Vec<Name>,
    /// Serial number of the leaf in lower-case hexadecimal digits.
    pub serial: String,
    /// The common name of the issuer, or its whole name.
    pub issuer: String,
    /// Validity of the leaf.
    pub validity: Validity,
    /// Identifier of the leaf for renewal information (RFC 9773 §4.1), if it has an authority key identifier.
    pub ari_id: Option<String>,
    /// The leaf's public key (SubjectPublicKeyInfo in DER).
    pub public_key: Vec<u8>,
}

impl Chain {
    /// Parses a PEM file of certificates, leaf first.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("no certificates in PEM form ({error})"))?;
        Self::of(certificates)
    }

    /// Reads the leaf of a chain.
    ///
    /// # Errors
    /// A description of the fault.
    pub fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let leaf = certificates.first().ok_or("no certificate in PEM form")?.clone();
        let (_, leaf) = X509Certificate::from_der(&leaf)
            .map_err(|error| format!("the certificate is damaged ({error})"))?;
        let alternative = leaf.subject_alternative_name().ok().flatten();
        let names =
            alternative.iter().flat_map(|all| &all.value.general_names).filter_map(|name| match name {
                GeneralName::DNSName(name) => name.parse().ok(),
                GeneralName::IPAddress(bytes) => match bytes.len() {
                    4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| Name::Ip(octets.into())),
                    _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| Name::Ip(octets.into())),
                },
                _ => None,
            });
        let mut names: Vec<Name> = names.collect();
        names.sort();
        let issuer = leaf.issuer().iter_common_name().next().and_then(|name| name.as_str().ok());
        let issuer = issuer.map_or_else(|| leaf.issuer().to_string(), str::to_owned);
        let time = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        let validity = Validity {
            not_before: time(leaf.validity().not_before.timestamp()),
            not_after: time(leaf.validity().not_after.timestamp()),
        };
        Ok(Self {
            names,
            serial: leaf.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            issuer,
            validity,
            ari_id: ari_id(&leaf),
            public_key: leaf.public_key().raw.to_vec(),
            certificates,
        })
    }

    /// Returns the leaf in DER.
    pub fn leaf(&self) -> &[u8] {
        self.certificates.first().map_or(&[], |leaf| leaf.as_ref())
    }

    /// Returns whether the leaf is valid for all of these names, itself or by a wildcard.
    pub fn covers(&self, names: &[Name]) -> bool {
        names.iter().all(|name| self.names.iter().any(|own| covers(own, name)))
    }
}

/// Returns whether `own`, a name in a certificate, is valid for `name` (RFC 9525 §6.3).
pub fn covers(own: &Name, name: &Name) -> bool {
    match (own, name) {
        (Name::Dns(own_name), Name::Dns(host)) if own.is_wildcard() && !name.is_wildcard() => {
            host.split_once('.').is_some_and(|(_, parent)| own_name.strip_prefix("*.") == Some(parent))
        }
        _ => own == name,
    }
}

fn ari_id(leaf: &X509Certificate<'_>) -> Option<String> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let key = leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => identifier.key_identifier.as_ref(),
        _ => None,
    })?;
    Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(key.0), URL_SAFE_NO_PAD.encode(leaf.raw_serial())))
}
