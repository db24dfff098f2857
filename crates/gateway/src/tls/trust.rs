//! The trust in certificates of https upstreams, as a site configures it.

use std::path::PathBuf;
use std::str::FromStr;

use finding::{Fault, KeyPath};

use crate::config::SiteConfig;

/// The way to verify an upstream's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// A public authority (webpki-roots) issued the certificate for this name.
    #[default]
    Public,
    /// An authority in this PEM file issued the certificate for this name, or the file contains the certificate itself.
    File(PathBuf),
    /// The certificate has this fingerprint.
    Pin(Fingerprint),
    /// No verification: anybody between the gate and the upstream can read and change everything.
    Nothing,
}

impl Trust {
    /// Returns how to verify the certificates of a site's https upstreams.
    ///
    /// # Errors
    /// `upstream_ca`, `upstream_tls` or its keys contradict each other. The fault's keys are those of the site.
    pub(crate) fn of_site(site: &SiteConfig) -> Result<Self, Box<Fault>> {
        let by_file = || site.upstream_ca.clone().map_or(Self::Public, Self::File);
        let Some(tls) = &site.upstream_tls else { return Ok(by_file()) };
        let fault = |key: KeyPath, what: &str| Box::new(Fault::at(key, format!("upstream_tls: {what}")));
        let wrong = |what: &str| Err(fault("upstream_tls".into(), what));
        if !site.upstream.iter().any(|upstream| upstream.starts_with("https://")) {
            return wrong("no upstream of this site is https");
        }
        match (tls.verify, &tls.pin, &site.upstream_ca) {
            (None | Some(true), Some(pin), None) => pin
                .parse()
                .map(Self::Pin)
                .map_err(|what| fault(KeyPath::from("upstream_tls").key("pin"), &format!("`{pin}`: {what}"))),
            (Some(false), None, None) => Ok(Self::Nothing),
            (Some(true), None, _) => Ok(by_file()),
            (None, None, _) => wrong("write `pin = \"sha256:…\"` or `verify = false`"),
            (Some(false), Some(_), _) => wrong("`pin` verifies the certificate: remove `verify = false`"),
            (Some(false), None, Some(_)) => {
                wrong("`verify = false` ignores `upstream_ca`: remove one of them")
            }
            (_, Some(_), Some(_)) => wrong("`pin` ignores `upstream_ca`: remove one of them"),
        }
    }
}

/// SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(certificate: &[u8]) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, certificate).as_ref());
        Self(sum)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    /// Parses `sha256:` and 64 hexadecimal digits, with or without colons between the bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a pin is `sha256:` and 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256 -in \
                             FILE` prints them";
        let digits = text.strip_prefix("sha256:").ok_or(WRONG)?.replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let mut sum = [0; 32];
        for (at, byte) in sum.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| WRONG)?;
        }
        Ok(Self(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UpstreamTls;

    #[test]
    fn b14_pins_are_read_as_openssl_prints_them() {
        let plain = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let colons = "sha256:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
        let read: Fingerprint = plain.parse().unwrap();
        assert_eq!((colons.parse(), &*read.to_string()), (Ok(read), plain));
        for wrong in [
            "",
            "sha256:",
            "sha1:00",
            &plain[7..],
            &plain[..70],
            &format!("{plain}0"),
            &plain.replace('a', "g"),
        ] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn b14_only_one_way_to_check_an_upstream_can_be_given() {
        let pin = format!("sha256:{}", "0".repeat(64));
        let site = |verify, pin: Option<&str>, ca: bool, upstream: &str| SiteConfig {
            upstream_tls: Some(UpstreamTls { verify, pin: pin.map(str::to_owned) }),
            upstream_ca: ca.then(|| "ca.pem".into()),
            ..SiteConfig::to(upstream)
        };
        let https = "https://127.0.0.1:1";
        assert_eq!(Trust::of_site(&site(Some(false), None, false, https)), Ok(Trust::Nothing));
        assert_eq!(Trust::of_site(&site(Some(true), None, true, https)), Ok(Trust::File("ca.pem".into())));
        for verify in [None, Some(true)] {
            assert!(matches!(Trust::of_site(&site(verify, Some(&pin), false, https)), Ok(Trust::Pin(_))));
        }
        for (site, word) in [
            (site(None, None, false, https), "write `pin"),
            (site(Some(false), Some(&pin), false, https), "remove `verify"),
            (site(Some(false), None, true, https), "ignores `upstream_ca`"),
            (site(None, Some(&pin), true, https), "ignores `upstream_ca`"),
            (site(None, Some("sha256:12"), false, https), "64 hexadecimal"),
            (site(Some(false), None, false, "http://127.0.0.1:1"), "no upstream of this site is https"),
        ] {
            let error = Trust::of_site(&site).unwrap_err().what;
            assert!(error.contains(word), "{error}");
        }
    }
}
