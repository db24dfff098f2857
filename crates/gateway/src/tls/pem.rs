//! Reads certificates and keys from PEM files, with errors in plain words.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, InconsistentKeys};

use super::error::Error;
use crate::config::CertificateConfig;
use crate::limits::PEM_BYTES;

/// The expected content of a file.
#[derive(Clone, Copy)]
enum Wanted {
    Certificate,
    Key,
}

/// Loads a certificate chain, leaf first, with the key of its leaf.
pub(super) fn load_pair(files: &CertificateConfig, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let chain = read(&files.certificate)?;
    pair(files, &chain, &read(&files.key)?, provider)
}

/// Parses a certificate chain, leaf first, and the key of its leaf. Errors name `files`.
///
/// # Errors
/// Either text is longer than [`PEM_BYTES`], or the two are not a certificate and its key.
pub(super) fn pair(
    files: &CertificateConfig,
    chain: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    for (path, bytes) in [(&files.certificate, chain), (&files.key, key)] {
        if bytes.len() as u64 > PEM_BYTES {
            return Err(Error::TooLarge { path: path.clone() });
        }
    }
    let chain = parse_chain(&files.certificate, chain)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| Error::Pem {
        path: files.key.clone(),
        what: diagnose(&files.key, key, Wanted::Key, &error),
    })?;
    let pair =
        |what: String| Error::Pair { certificate: files.certificate.clone(), key: files.key.clone(), what };
    let of_other = |key: &PrivateKeyDer<'_>| {
        let mut others = chain.iter().enumerate().skip(1);
        others.find(|(_, other)| {
            CertifiedKey::from_der(vec![(*other).clone()], key.clone_key(), provider).is_ok()
        })
    };
    CertifiedKey::from_der(chain.clone(), key.clone_key(), provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => match of_other(&key) {
            Some((at, _)) => pair(format!(
                "wrong order: the key belongs to certificate {} of the file; put that one first, followed by its issuers",
                at + 1
            )),
            None => pair(
                "the key belongs to another certificate; use both files of the same renewal".to_owned(),
            ),
        },
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => Error::Pem {
            path: files.certificate.clone(),
            what: "the first certificate is damaged; copy the file again".to_owned(),
        },
        rustls::Error::General(_) => Error::Pem {
            path: files.key.clone(),
            what: "unsupported kind of key; use RSA with 2,048 to 8,192 bits, ECDSA with P-256 or P-384, or \
                   Ed25519"
                .to_owned(),
        },
        other => pair(other.to_string()),
    })
}

/// Loads the certificates of a file, at least one.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    parse_chain(path, &read(path)?)
}

fn parse_chain(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |error: &pem::Error| Error::Pem {
        path: path.to_owned(),
        what: diagnose(path, bytes, Wanted::Certificate, error),
    };
    let chain = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    if chain.is_empty() { Err(wrong(&pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(PEM_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > PEM_BYTES { Err(Error::TooLarge { path: path.to_owned() }) } else { Ok(bytes) }
}

/// Explains why a file lacks the expected content, and what to do.
fn diagnose(path: &Path, bytes: &[u8], wanted: Wanted, error: &pem::Error) -> String {
    let shown = path.display();
    let name = match wanted {
        Wanted::Certificate => "certificate",
        Wanted::Key => "private key",
    };
    let text = String::from_utf8_lossy(bytes);
    let labels: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .collect();
    let has = |word: &str| labels.iter().any(|label| label.contains(word));
    let encrypted = has("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED");
    if matches!(wanted, Wanted::Key) && encrypted {
        let mut plain = PathBuf::from(path).into_os_string();
        plain.push(".plain");
        return format!(
            "the key is encrypted with a passphrase; `(umask 077; openssl pkey -in {shown} -out {})` writes it without",
            Path::new(&plain).display()
        );
    }
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            let part = match labels.last() {
                Some(label) if label.contains("KEY") => "a key",
                _ => "a certificate",
            };
            format!("the file ends inside {part}; copy it again")
        }
        pem::Error::Base64Decode(_) | pem::Error::IllegalSectionStart { .. } => {
            format!("the {name} is damaged (no base64 between BEGIN and END); copy the file again")
        }
        _ if bytes.is_empty() => "the file is empty".to_owned(),
        _ if bytes.starts_with(&[0x30, 0x82]) || bytes.starts_with(&[0x30, 0x81]) => {
            let command = match wanted {
                Wanted::Certificate => "x509",
                Wanted::Key => "pkey",
            };
            format!("the file is DER, not PEM; `openssl {command} -inform DER -in {shown}` prints it as PEM")
        }
        _ => match wanted {
            Wanted::Key if has("CERTIFICATE") => {
                "it contains a certificate but no private key; are `certificate` and `key` swapped?"
                    .to_owned()
            }
            Wanted::Certificate if has("CERTIFICATE REQUEST") => {
                "it contains a certificate request; use the certificate that the authority issued for it"
                    .to_owned()
            }
            Wanted::Certificate if has("PRIVATE KEY") => {
                "it contains a private key but no certificate; are `certificate` and `key` swapped?"
                    .to_owned()
            }
            _ => format!("no {name} in PEM form (-----BEGIN …-----)"),
        },
    }
}
