//! The cryptography and the protocols that both sides use.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

/// Returns rustls' cryptography, implemented by ring.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Returns the protocols to offer by ALPN, the preferred one first.
pub(super) fn alpn(http2: bool) -> Vec<Vec<u8>> {
    let mut protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        protocols.insert(0, b"h2".to_vec());
    }
    protocols
}
