//! Random secrets of 256 bits as text. Only their SHA-256 is stored, so that a reader of the file cannot use them. They need
//! neither salt nor a slow hash, because nobody can guess 256 bits.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use sha2::{Digest, Sha256};

use crate::Problem;

/// The stored hash of a secret.
pub(crate) type Hash = [u8; 32];

/// Returns random bytes from the operating system.
///
/// # Errors
/// 503 if the operating system provides none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    match ring::rand::SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Problem::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "the operating system provides no random numbers",
        )),
    }
}

/// Returns a new secret: 43 characters that never need escaping.
///
/// # Errors
/// See [`random`].
pub(crate) fn new() -> Result<String, Problem> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// Hashes a secret for the file.
pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Derives the `X-CSRF-Token` of a session from its secret. The secret cannot be derived from it.
pub(crate) fn csrf(session: &str) -> String {
    let digest: Hash =
        Sha256::new().chain_update(b"csrf\0").chain_update(session.as_bytes()).finalize().into();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Compares two texts in a time that depends only on their lengths.
pub(crate) fn same(one: &str, other: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(one.as_bytes(), other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_their_hashes_tell_nothing_of_the_csrf_token() {
        let (one, other) = (new().unwrap(), new().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        assert_ne!(hash(&one), hash(&other));
        assert_ne!(csrf(&one), csrf(&other));
        assert_ne!(URL_SAFE_NO_PAD.encode(hash(&one)), csrf(&one));
        assert!(same(&one, &one.clone()) && !same(&one, &other) && !same(&one, &one[1..]));
    }
}
