//! A certificate to obtain: its names, key and profile, and the ways to prove the names.

use std::net::IpAddr;

use instant_acme::ChallengeType;
use serde::{Deserialize, Serialize};

use crate::error::{AcmeError, Step};
use crate::key::KeyType;
use crate::limits::MAX_NAMES;
use crate::names::Name;

/// A way to prove the control of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Challenge {
    /// A token at port 80 (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// A TLS handshake at port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// A TXT record (RFC 8555 §8.4).
    #[serde(rename = "dns-01")]
    Dns01,
}

impl Challenge {
    /// Returns the name in ACME.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }

    pub(crate) fn kind(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Self::Dns01 => ChallengeType::Dns01,
        }
    }
}

/// A certificate to obtain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of its folder and in texts.
    pub name: String,
    /// The names that it covers.
    pub names: Vec<Name>,
    /// The type of its key.
    pub key: KeyType,
    /// The profile (draft-ietf-acme-profiles); none for the CA's default.
    pub profile: Option<String>,
    /// The ways to prove the names, the preferred one first.
    pub challenges: Vec<Challenge>,
    /// The DNS provider for DNS-01, by its name in the configuration.
    pub dns: Option<String>,
}

impl Request {
    /// Returns the names, sorted and each once.
    pub fn sorted_names(&self) -> Vec<Name> {
        let mut names = self.names.clone();
        names.sort();
        names.dedup();
        names
    }

    /// Checks that some challenge can prove every name, before anything is ordered.
    ///
    /// # Errors
    /// The first fault, with what to change.
    pub fn check(&self) -> Result<(), AcmeError> {
        let fault =
            |what: String, remedy: &str| Err(AcmeError::new(Step::Check, self.name.clone(), what, remedy));
        if self.names.is_empty() {
            return fault("it has no names".to_owned(), "add names");
        }
        if self.sorted_names().len() > MAX_NAMES {
            return fault(
                format!("it has more than {MAX_NAMES} names"),
                "divide the names among several certificates",
            );
        }
        if self.challenges.contains(&Challenge::Dns01) && self.dns.is_none() {
            return fault(
                "dns-01 needs a DNS provider".to_owned(),
                "add a [[dns]] table and name it in `dns`",
            );
        }
        for name in &self.names {
            match name {
                Name::Ip(address) => self.check_address(address)?,
                Name::Dns(_) if name.is_wildcard() && !self.challenges.contains(&Challenge::Dns01) => {
                    return fault(
                        format!("only dns-01 can prove the wildcard {name}"),
                        "add a [[dns]] table for your DNS provider, and name it in `dns`",
                    );
                }
                Name::Dns(_) => {}
            }
        }
        if self.challenges.is_empty() {
            return fault("no challenge is allowed".to_owned(), "allow http-01, tls-alpn-01 or dns-01");
        }
        Ok(())
    }

    /// Checks what CAs demand for addresses (RFC 8738 §7 rules out DNS-01; Let's Encrypt demands a short lifetime).
    fn check_address(&self, address: &IpAddr) -> Result<(), AcmeError> {
        let fault =
            |what: String, remedy: &str| Err(AcmeError::new(Step::Check, self.name.clone(), what, remedy));
        if !self.challenges.iter().any(|challenge| *challenge != Challenge::Dns01) {
            return fault(
                format!("dns-01 cannot prove the address {address}"),
                "use http-01 or tls-alpn-01, or give the address a certificate of its own",
            );
        }
        if self.profile.as_deref() != Some("shortlived") {
            return fault(
                format!("CAs certify an address such as {address} with a short lifetime only"),
                "set profile = \"shortlived\"",
            );
        }
        Ok(())
    }

    /// Returns the preferred challenge for a name among those that the CA offers.
    pub(crate) fn choose(&self, name: &Name, offered: &[ChallengeType]) -> Option<Challenge> {
        let fits = |challenge: &Challenge| match challenge {
            Challenge::Dns01 => self.dns.is_some() && matches!(name, Name::Dns(_)),
            Challenge::Http01 | Challenge::TlsAlpn01 => !name.is_wildcard(),
        };
        self.challenges
            .iter()
            .copied()
            .find(|challenge| fits(challenge) && offered.contains(&challenge.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(names: &[&str], challenges: &[Challenge], profile: Option<&str>) -> Request {
        Request {
            name: "www".to_owned(),
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            key: KeyType::P256,
            profile: profile.map(str::to_owned),
            challenges: challenges.to_vec(),
            dns: challenges.contains(&Challenge::Dns01).then(|| "home".to_owned()),
        }
    }

    /// C19: an order for an address with DNS-01 was refused by the CA only, again and again.
    #[test]
    fn c19_impossible_requests_are_refused_before_an_order() {
        use Challenge::{Dns01, Http01, TlsAlpn01};
        let short = Some("shortlived");
        for (names, challenges, profile, want) in [
            (&["192.0.2.1"][..], &[Dns01][..], short, Some("dns-01 cannot prove the address 192.0.2.1")),
            (&["192.0.2.1"], &[Http01], None, Some("short lifetime")),
            (&["2001:db8::1", "example.org"], &[TlsAlpn01], short, None),
            (&["192.0.2.1", "*.example.org"], &[Dns01, Http01], short, None),
            (&["*.example.org"], &[Http01, TlsAlpn01], None, Some("only dns-01 can prove the wildcard")),
            (&["*.example.org", "example.org"], &[Dns01], None, None),
            (&["example.org"], &[], None, Some("no challenge is allowed")),
            (&[], &[Http01], None, Some("no names")),
        ] {
            let checked = request(names, challenges, profile).check();
            match want {
                None => assert_eq!(checked, Ok(())),
                Some(want) => assert!(checked.unwrap_err().to_string().contains(want), "{names:?}"),
            }
        }
        let many: Vec<String> = (0..=MAX_NAMES).map(|number| format!("h{number}.example.org")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            request(&many, &[Http01], None).check().unwrap_err().to_string().contains("more than 100 names")
        );
        let lost = Request { dns: None, ..request(&["*.example.org"], &[Dns01], None) };
        assert!(lost.check().unwrap_err().to_string().contains("[[dns]]"));
    }

    #[test]
    fn unknown_challenges_are_passed_over() {
        let unknown = ChallengeType::Unknown("dns-persist-01".to_owned());
        let all = [unknown.clone(), ChallengeType::Dns01, ChallengeType::Http01];
        let request = request(&["example.org"], &[Challenge::Http01, Challenge::Dns01], None);
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(request.choose(&name("example.org"), &all), Some(Challenge::Http01));
        assert_eq!(request.choose(&name("*.example.org"), &all), Some(Challenge::Dns01));
        assert_eq!(request.choose(&name("192.0.2.1"), &all[..2]), None);
        assert_eq!(request.choose(&name("example.org"), &[unknown]), None);
    }
}
