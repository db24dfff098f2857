//! The cryptography and the protocols that both sides use.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};

use crate::config::{Curve, TlsVersion};

/// Returns rustls' cryptography, implemented by ring.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Returns the cryptography with some groups for the key exchange only.
pub(super) fn provider_with(curves: &[Curve]) -> Arc<CryptoProvider> {
    let group = |curve: &Curve| match curve {
        Curve::X25519 => ring::kx_group::X25519,
        Curve::P256 => ring::kx_group::SECP256R1,
        Curve::P384 => ring::kx_group::SECP384R1,
    };
    Arc::new(CryptoProvider { kx_groups: curves.iter().map(group).collect(), ..ring::default_provider() })
}

/// Returns the versions of TLS from the lowest one.
pub(super) fn versions(lowest: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    match lowest {
        TlsVersion::Tls12 => rustls::DEFAULT_VERSIONS.to_vec(),
        TlsVersion::Tls13 => vec![&rustls::version::TLS13],
    }
}

/// Returns the protocols to offer by ALPN, the preferred one first.
pub(super) fn alpn(http2: bool) -> Vec<Vec<u8>> {
    let mut protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        protocols.insert(0, b"h2".to_vec());
    }
    protocols
}
