//! The keys of a listener and its TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use event::written::one_or_many;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One listening socket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Address and port, for example `0.0.0.0:443` or `[::]:80`.
    pub address: SocketAddr,
    /// Certificates. A listener with certificates speaks only TLS.
    #[serde(default, deserialize_with = "one_or_many")]
    pub tls: Vec<TlsSource>,
    /// Lowest version of TLS that clients may use.
    #[serde(default)]
    pub tls_min: TlsVersion,
    /// Groups that clients may use for the key exchange; none means all of [`Curve::ALL`].
    #[serde(default, deserialize_with = "some_list")]
    pub tls_curves: Option<Vec<Curve>>,
    /// Expects a PROXY protocol header (version 1 or 2) from trusted proxies. Other clients need none.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// HTTP/2: offered by ALPN on a TLS listener, by prior knowledge (RFC 9113 §3.3) on a plain one.
    #[serde(default = "yes")]
    pub http2: bool,
}

impl ListenerConfig {
    /// Returns a plain listener with every default.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            tls: Vec::new(),
            tls_min: TlsVersion::default(),
            tls_curves: None,
            proxy_protocol: false,
            http2: true,
        }
    }

    /// Returns the files of its certificates.
    pub fn files(&self) -> impl Iterator<Item = &CertificateConfig> {
        self.tls.iter().filter_map(TlsSource::files)
    }

    /// Whether it serves the certificates that monban manages.
    pub fn is_managed(&self) -> bool {
        self.tls.contains(&TlsSource::Auto)
    }
}

/// A version of TLS. There is none below 1.2 (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// A group for the key exchange: all that the ring provider has. It lacks X25519MLKEM768.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Curve {
    /// X25519.
    X25519,
    /// NIST P-256, also called secp256r1 and prime256v1.
    #[serde(rename = "P-256")]
    P256,
    /// NIST P-384, also called secp384r1.
    #[serde(rename = "P-384")]
    P384,
}

impl Curve {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::X25519, Self::P256, Self::P384];
}

/// A source of certificates of a listener: `"auto"`, or the table of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TlsSource {
    /// The certificates that monban obtains and renews.
    Auto,
    /// A certificate in files.
    Files(CertificateConfig),
}

impl TlsSource {
    /// Returns the files, unless the certificates are managed.
    pub fn files(&self) -> Option<&CertificateConfig> {
        match self {
            Self::Auto => None,
            Self::Files(files) => Some(files),
        }
    }

    /// Returns the files to change them.
    pub fn files_mut(&mut self) -> Option<&mut CertificateConfig> {
        match self {
            Self::Auto => None,
            Self::Files(files) => Some(files),
        }
    }
}

impl From<CertificateConfig> for TlsSource {
    fn from(files: CertificateConfig) -> Self {
        Self::Files(files)
    }
}

impl<'de> Deserialize<'de> for TlsSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Source;

        impl<'de> Visitor<'de> for Source {
            type Value = TlsSource;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"auto\" or { certificate = \"FILE\", key = \"FILE\" }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TlsSource, E> {
                match text {
                    "auto" => Ok(TlsSource::Auto),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsSource, A::Error> {
                CertificateConfig::deserialize(MapAccessDeserializer::new(map)).map(TlsSource::Files)
            }
        }

        deserializer.deserialize_any(Source)
    }
}

/// A certificate and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The chain, leaf first. It serves the names in the leaf. The first certificate of a listener also serves clients
    /// that send no name or an unknown one.
    pub certificate: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1 private key.
    pub key: PathBuf,
}

fn some_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Curve>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

fn yes() -> bool {
    true
}
