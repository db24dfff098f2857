//! TLS towards upstreams.

use rustls::{ClientConfig, RootCertStore};

use super::crypto::{alpn, provider};
use super::error::Error;
use super::trust::Trust;
use super::verify;

/// Returns the settings for https upstreams.
pub fn client_config(trust: &Trust, http2: bool) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match verify::verifier(trust)? {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(verifier),
        None => {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn(http2);
    Ok(config)
}
