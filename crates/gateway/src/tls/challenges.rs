//! Responses to the challenges of an ACME server: HTTP-01 (RFC 8555 §8.3) and TLS-ALPN-01 (RFC 8737).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rustls::sign::CertifiedKey;

use crate::limits::{CHALLENGES, KEY_AUTHORIZATION_BYTES, TOKEN_BYTES};

/// The folder of HTTP-01 tokens.
const FOLDER: &[u8] = b"/.well-known/acme-challenge/";

/// The protocol of TLS-ALPN-01.
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The reason why a challenge is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The token is empty, too long or not base64url.
    #[error(
        "the challenge's token is not base64url of 1 to {TOKEN_BYTES} characters; order the certificate again"
    )]
    Token,
    /// The key authorization is too long or has other characters than a token, a dot and a thumbprint.
    #[error(
        "the key authorization is not base64url and a dot, of at most {KEY_AUTHORIZATION_BYTES} characters"
    )]
    KeyAuthorization,
    /// The gate already answers [`CHALLENGES`] challenges of this kind.
    #[error("the gate already answers {CHALLENGES} challenges; wait until some of them are validated")]
    TooMany,
}

/// The challenges that the gate answers at the moment.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    http: ArcSwap<HashMap<String, Bytes>>,
    alpn: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
}

impl Challenges {
    pub(super) fn answer_http(&self, token: &str, key_authorization: &str) -> Result<(), ChallengeError> {
        if token.is_empty() || token.len() > TOKEN_BYTES || !token.bytes().all(is_base64url) {
            return Err(ChallengeError::Token);
        }
        let is_valid = |b| is_base64url(b) || b == b'.';
        if key_authorization.len() > KEY_AUTHORIZATION_BYTES || !key_authorization.bytes().all(is_valid) {
            return Err(ChallengeError::KeyAuthorization);
        }
        insert(&self.http, token.to_owned(), Bytes::copy_from_slice(key_authorization.as_bytes()))
    }

    pub(super) fn withdraw_http(&self, token: &str) {
        remove(&self.http, token);
    }

    /// Returns the response to a request for this target, if the target is a known token.
    pub(super) fn http(&self, target: &[u8]) -> Option<Bytes> {
        let token = std::str::from_utf8(token(target)?).ok()?;
        self.http.load().get(token).cloned()
    }

    pub(super) fn answer_alpn(&self, identifier: &str, key: Arc<CertifiedKey>) -> Result<(), ChallengeError> {
        insert(&self.alpn, server_name(identifier), key)
    }

    pub(super) fn withdraw_alpn(&self, identifier: &str) {
        remove(&self.alpn, &server_name(identifier));
    }

    /// Whether a challenge of TLS-ALPN-01 is open.
    pub(super) fn has_alpn(&self) -> bool {
        !self.alpn.load().is_empty()
    }

    /// Returns the certificate for a challenge of this name.
    pub(super) fn alpn(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.alpn.load().get(&name.to_ascii_lowercase()).cloned()
    }
}

/// Whether a target is in the folder of HTTP-01 tokens.
pub(crate) fn is_challenge(target: &[u8]) -> bool {
    token(target).is_some()
}

fn token(target: &[u8]) -> Option<&[u8]> {
    target.strip_prefix(FOLDER)
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn insert<T: Clone>(map: &ArcSwap<HashMap<String, T>>, key: String, value: T) -> Result<(), ChallengeError> {
    let mut full = false;
    map.rcu(|known| {
        full = known.len() >= CHALLENGES && !known.contains_key(&key);
        let mut changed = HashMap::clone(known);
        if !full {
            changed.insert(key.clone(), value.clone());
        }
        changed
    });
    if full { Err(ChallengeError::TooMany) } else { Ok(()) }
}

fn remove<T: Clone>(map: &ArcSwap<HashMap<String, T>>, key: &str) {
    map.rcu(|known| {
        let mut changed = HashMap::clone(known);
        changed.remove(key);
        changed
    });
}

/// Returns the name that a server sends to validate an identifier: a DNS name is sent as it is, an address as its name of the reverse
/// mapping (RFC 8738 §6).
fn server_name(identifier: &str) -> String {
    match identifier.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => reverse(address),
        Err(_) => identifier.trim_end_matches('.').to_ascii_lowercase(),
    }
}

fn reverse(address: Ipv6Addr) -> String {
    let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 0xf, byte >> 4]);
    nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_length_and_an_alphabet() {
        let challenges = Challenges::default();
        let token = "a".repeat(TOKEN_BYTES);
        let authorization = "b".repeat(KEY_AUTHORIZATION_BYTES);
        assert_eq!(challenges.answer_http(&token, &authorization), Ok(()));
        for wrong in ["", "a/b", "a b", "a=", "é", &format!("{token}a")] {
            assert_eq!(challenges.answer_http(wrong, "x.y"), Err(ChallengeError::Token), "{wrong}");
        }
        for wrong in ["x\r\ny", "x y", &format!("{authorization}b")] {
            assert_eq!(challenges.answer_http("a", wrong), Err(ChallengeError::KeyAuthorization), "{wrong}");
        }
        let target = |token: &str| format!("/.well-known/acme-challenge/{token}").into_bytes();
        assert_eq!(challenges.http(&target(&token)).as_deref(), Some(authorization.as_bytes()));
        for other in [target("a"), target(""), target(&format!("{token}?")), b"/".to_vec()] {
            assert_eq!(challenges.http(&other), None);
        }
        challenges.withdraw_http(&token);
        assert_eq!(challenges.http(&target(&token)), None);
    }

    #[test]
    fn the_number_of_challenges_is_bounded() {
        let challenges = Challenges::default();
        for number in 0..CHALLENGES {
            challenges.answer_http(&format!("t{number}"), "x.y").unwrap();
        }
        assert_eq!(challenges.answer_http("one-more", "x.y"), Err(ChallengeError::TooMany));
        // a known token may change
        challenges.answer_http("t0", "z.y").unwrap();
        challenges.withdraw_http("t1");
        challenges.answer_http("one-more", "x.y").unwrap();
    }

    #[test]
    fn addresses_are_validated_by_their_reverse_names() {
        assert_eq!(server_name("192.0.2.10"), "10.2.0.192.in-addr.arpa");
        let name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(server_name("2001:db8::1"), name);
        assert_eq!(server_name("WWW.example.org."), "www.example.org");
    }
}
