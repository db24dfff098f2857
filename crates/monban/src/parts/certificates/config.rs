//! `[acme]`, `[[cert]]` and `[[dns]]`: CAs, certificates to obtain, and DNS providers.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acme::{Authority, Binding, Challenge, KeyType, Name, Request};
use event::written::{one_or_many, time_span};
use finding::{Fault, KeyPath};
use gateway::tls::Wanted;
use provider::{Context, Provider, Settings};
use serde::{Deserialize, Deserializer};
use spine::http::{Client, Endpoint};
use spine::secret::Source;

use backup::Purpose;

use crate::config::{Host, Section};
use crate::part::Named;

/// The section in the file that `monban init` writes. The staging CA comes first: its limits are wide, and its
/// certificates are for tests.
pub const EXAMPLE: &str = r#"
# Certificates from a public CA, renewed by themselves: docs/user/certificates.md
#[acme]
#ca = "letsencrypt-staging"
#email = "root@example.org"
#[[dns]]
#name = "home"
#provider = "conoha"
#user = "0123456789abcdef0123456789abcdef"
#tenant_id = "0123456789abcdef0123456789abcdef"
#password_file = "conoha.secret"
#[[cert]]
#names = ["example.org", "*.example.org"]
#dns = "home"
"#;

/// Most [[cert]] and [[dns]] tables.
const MAX_TABLES: usize = 1000;

/// The CAs with a short name.
const KNOWN: &[(&str, &str)] = &[
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
    ("zerossl", "https://acme.zerossl.com/v2/DV90"),
    ("google", "https://dv.acme-v02.api.pki.goog/directory"),
    ("buypass", "https://api.buypass.com/acme/directory"),
];

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificatesConfig {
    /// The CAs.
    pub acme: AcmeKeys,
    /// Certificates to obtain.
    pub cert: Vec<CertKeys>,
    /// DNS providers.
    pub dns: Vec<DnsKeys>,
}

/// `[acme]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcmeKeys {
    /// The CAs in the order in which they are tried: short names or directory URLs.
    #[serde(deserialize_with = "one_or_many")]
    pub ca: Vec<String>,
    /// Mail addresses for the account.
    #[serde(deserialize_with = "one_or_many")]
    pub email: Vec<String>,
    /// PEM file with the authorities of the CA's own listener; none means the public ones.
    pub ca_file: Option<PathBuf>,
    /// External account binding.
    pub eab: Option<EabKeys>,
    /// The type of keys.
    pub key: KeyType,
    /// The profile; none for the CA's default.
    pub profile: Option<String>,
    /// Recursive DNS servers for the check of propagation; none means the system's.
    #[serde(deserialize_with = "one_or_many")]
    pub resolvers: Vec<SocketAddr>,
    /// The port of authoritative DNS servers.
    pub dns_port: u16,
}

impl Default for AcmeKeys {
    fn default() -> Self {
        Self {
            ca: vec!["letsencrypt".to_owned()],
            email: Vec::new(),
            ca_file: None,
            eab: None,
            key: KeyType::P256,
            profile: None,
            resolvers: Vec::new(),
            dns_port: 53,
        }
    }
}

/// `[acme.eab]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EabKeys {
    /// The key identifier.
    pub kid: String,
    /// File (mode 0600) with the key in base64url.
    pub key_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub key_env: Option<String>,
}

/// `[[cert]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertKeys {
    /// Name in commands and events; empty means the first of `names` without `*.`.
    #[serde(default)]
    pub name: String,
    /// Host names, wildcards and addresses.
    #[serde(deserialize_with = "one_or_many")]
    pub names: Vec<String>,
    /// The DNS provider for dns-01.
    #[serde(default)]
    pub dns: Option<String>,
    /// The allowed challenges, the preferred one first; empty means dns-01 with `dns`, otherwise http-01 and tls-alpn-01.
    #[serde(default, deserialize_with = "one_or_many")]
    pub challenge: Vec<Challenge>,
    /// The type of the key; none means that of [acme].
    #[serde(default)]
    pub key: Option<KeyType>,
    /// The profile; none means that of [acme].
    #[serde(default)]
    pub profile: Option<String>,
    /// Time before the end at which to renew at the latest.
    #[serde(default, deserialize_with = "some_time")]
    pub renew_before: Option<Duration>,
}

fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time_span(deserializer).map(Some)
}

/// `[[dns]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DnsKeys {
    /// Name in `dns` of [[cert]]; empty means the provider's name.
    #[serde(default)]
    pub name: String,
    /// The provider.
    pub provider: String,
    /// The provider's own keys. Each key that ends in `_file` is a path, in `_env` an environment variable.
    #[serde(flatten)]
    pub keys: toml::Table,
}

impl DnsKeys {
    /// Returns its name: its own, or that of the provider.
    pub fn label(&self) -> &str {
        if self.name.is_empty() { &self.provider } else { &self.name }
    }

    /// Returns the paths of secrets.
    fn files(&mut self) -> impl Iterator<Item = &mut String> {
        let paths = self.keys.iter_mut().filter(|(key, _)| key.ends_with("_file"));
        paths.filter_map(|(_, value)| match value {
            toml::Value::String(path) => Some(path),
            _ => None,
        })
    }

    /// Builds the provider.
    fn build(&self, context: &Context) -> Result<Arc<dyn Provider>, String> {
        let mut table = self.keys.clone();
        table.insert("provider".to_owned(), self.provider.clone().into());
        let settings: Settings =
            table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        provider::build(&settings, context).map_err(|error| error.cause.to_string())
    }
}

impl Section for CertificatesConfig {
    const KEYS: &'static [&'static str] = &["acme", "cert", "dns"];

    fn anchor(&mut self, folder: &Path, _host: &Host) {
        let eab = self.acme.eab.iter_mut().filter_map(|eab| eab.key_file.as_mut());
        for path in self.acme.ca_file.iter_mut().chain(eab) {
            *path = folder.join(&*path);
        }
        for path in self.dns.iter_mut().flat_map(DnsKeys::files) {
            *path = folder.join(&*path).display().to_string();
        }
    }
}

/// Returns the files and environment variables that the section names.
pub fn named(config: &CertificatesConfig) -> Named {
    let mut named = Named::default();
    named.optional(config.acme.ca_file.as_ref(), Purpose::Certificate);
    if let Some(eab) = &config.acme.eab {
        named.secret(eab.key_file.as_ref(), eab.key_env.as_ref());
    }
    for (key, value) in config.dns.iter().flat_map(|dns| &dns.keys) {
        match value.as_str() {
            Some(path) if key.ends_with("_file") => named.file(path, Purpose::Secret),
            Some(name) if key.ends_with("_env") => named.variables.push(name.to_owned()),
            _ => {}
        }
    }
    named
}

impl CertKeys {
    /// Returns its name.
    pub fn shown_name(&self) -> String {
        match self.names.first() {
            Some(first) if self.name.is_empty() => first.trim_start_matches("*.").to_ascii_lowercase(),
            _ => self.name.clone(),
        }
    }
}

/// A certificate to keep valid.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The certificate to order.
    pub request: Request,
    /// The owner's own time of renewal.
    pub renew_before: Option<Duration>,
    /// The section that wants it, for people.
    pub section: String,
}

impl CertificatesConfig {
    /// Returns the certificates to keep: those of [[cert]], and one for each set of names that a listener wants and none of
    /// the others covers.
    pub fn entries(&self, wanted: &[Wanted]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.cert.iter().map(|cert| self.entry(cert)).collect();
        for wanted in wanted {
            let names: Vec<Name> = wanted.names.iter().filter_map(|name| name.parse().ok()).collect();
            let covered = |name: &Name| {
                entries
                    .iter()
                    .any(|entry| entry.request.names.iter().any(|own| acme::chain::covers(own, name)))
            };
            let missing: Vec<Name> = names.into_iter().filter(|name| !covered(name)).collect();
            let Some(first) = missing.first() else { continue };
            // the only provider serves wildcards; with several the owner says which one
            let dns = match &self.dns[..] {
                [only] if missing.iter().any(Name::is_wildcard) => Some(only.label().to_owned()),
                _ => None,
            };
            let cert = CertKeys {
                name: first.bare(),
                // without a plain listener only TLS can answer
                challenge: if wanted.plain || dns.is_some() {
                    Vec::new()
                } else {
                    vec![Challenge::TlsAlpn01]
                },
                dns,
                names: missing.iter().map(ToString::to_string).collect(),
                key: None,
                profile: None,
                renew_before: None,
            };
            entries.push(Entry { section: wanted.section.clone(), ..self.entry(&cert) });
        }
        entries
    }

    /// Returns the faults of certificates that listeners want and that no challenge can prove.
    pub fn faults_of_wanted(&self, wanted: &[Wanted]) -> Vec<Fault> {
        let unprovable = |entry: Entry| {
            let error = entry.request.check().err()?;
            Some(Fault::at(
                "site",
                format!("{}: tls = \"auto\": {}; {}", entry.section, error.what, error.remedy),
            ))
        };
        self.entries(wanted).into_iter().skip(self.cert.len()).filter_map(unprovable).collect()
    }

    fn entry(&self, cert: &CertKeys) -> Entry {
        let challenges = match &cert.challenge[..] {
            [] if cert.dns.is_some() => vec![Challenge::Dns01],
            [] => vec![Challenge::Http01, Challenge::TlsAlpn01],
            challenges => challenges.to_vec(),
        };
        let name = cert.shown_name();
        let request = Request {
            // the check has refused other names
            names: cert.names.iter().filter_map(|name| name.parse().ok()).collect(),
            key: cert.key.unwrap_or(self.acme.key),
            profile: cert.profile.clone().or_else(|| self.acme.profile.clone()),
            challenges,
            dns: cert.dns.clone(),
            name: name.clone(),
        };
        Entry { request, renew_before: cert.renew_before, section: format!("[[cert]] {name}") }
    }

    /// Returns the CAs in order. Reads the files that they need.
    ///
    /// # Errors
    /// The first fault.
    pub fn authorities(&self) -> Result<Vec<Authority>, Box<Fault>> {
        let at = |key: &str, what: String| Box::new(Fault::at(KeyPath::from("acme").key(key), what));
        let client = Client::new(self.acme.ca_file.as_deref()).map_err(|what| at("ca_file", what))?;
        let binding = match &self.acme.eab {
            None => None,
            Some(eab) => {
                let source = Source::one_of("key", eab.key_file.as_ref(), eab.key_env.as_ref());
                let source = source.and_then(|source| source.ok_or("needs key_file or key_env".to_owned()));
                let key = source.and_then(|source| source.read()).map_err(|what| at("eab", what))?;
                Some(Binding { key_id: eab.kid.clone(), key })
            }
        };
        let authority = |ca: &String| {
            let known = KNOWN.iter().find(|(name, _)| name == ca);
            let directory = known.map_or(ca.as_str(), |(_, url)| url);
            let name = match known {
                Some((name, _)) => (*name).to_owned(),
                None => directory.split('/').nth(2).unwrap_or(directory).to_owned(),
            };
            Endpoint::parse(directory).map_err(|what| {
                let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
                at("ca", format!("`{ca}` {what}; use a URL, or one of {}", names.join(", ")))
            })?;
            Ok(Authority {
                name,
                directory: directory.to_owned(),
                contacts: self.acme.email.clone(),
                binding: binding.clone(),
                client: client.clone(),
            })
        };
        self.acme.ca.iter().map(authority).collect()
    }

    /// Builds the DNS providers by their names. Reads their secrets, and sends nothing.
    ///
    /// # Errors
    /// The first fault.
    pub fn providers(&self, context: &Context) -> Result<HashMap<String, Arc<dyn Provider>>, Box<Fault>> {
        let mut providers = HashMap::new();
        for (index, dns) in self.dns.iter().enumerate() {
            let at = KeyPath::from(("dns", index));
            let provider = dns.build(context).map_err(|what| Box::new(Fault::at(at.clone(), what)))?;
            let name = dns.label().to_owned();
            if providers.insert(name.clone(), provider).is_some() {
                let what =
                    format!("two [[dns]] tables have the name `{name}`; give one of them another `name`");
                return Err(Box::new(Fault::at(at.key("name"), what)));
            }
        }
        Ok(providers)
    }
}

/// Returns the faults of the values and of the files that they name.
pub fn check(config: &CertificatesConfig, context: &Context) -> Vec<Fault> {
    let mut faults = Vec::new();
    if config.acme.ca.is_empty() {
        faults.push(Fault::at(KeyPath::from("acme").key("ca"), "names no CA"));
    }
    faults.extend(config.authorities().err().map(|fault| *fault));
    for mail in config.acme.email.iter().filter(|mail| !mail.contains('@') || mail.contains([' ', ',', '<']))
    {
        faults.push(Fault::at(KeyPath::from("acme").key("email"), format!("`{mail}` is not a mail address")));
    }
    for (key, count) in [("cert", config.cert.len()), ("dns", config.dns.len())] {
        if count > MAX_TABLES {
            faults.push(Fault::at(KeyPath::from(key), format!("more than {MAX_TABLES} tables")));
        }
    }
    let providers = config.providers(context);
    let providers = match providers {
        Ok(providers) => Some(providers),
        Err(fault) => {
            faults.push(*fault);
            None
        }
    };
    let mut seen = HashSet::new();
    for (index, cert) in config.cert.iter().enumerate() {
        let at = KeyPath::from(("cert", index));
        let name = cert.shown_name();
        let is_file_name = !name.is_empty()
            && name.len() <= acme::limits::MAX_NAME_BYTES
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        if !is_file_name {
            faults.push(Fault::at(
                at.clone().key("name"),
                format!("`{name}` is not a name of letters, digits, dots, hyphens and underscores"),
            ));
        }
        if !seen.insert(name.clone()) {
            let what = format!("two [[cert]] tables have the name `{name}`; give one of them another `name`");
            faults.push(Fault::at(at.clone().key("name"), what));
        }
        // without the providers their own fault is enough
        if let (Some(dns), Some(providers)) = (&cert.dns, &providers)
            && !providers.contains_key(dns)
        {
            faults.push(Fault::at(at.clone().key("dns"), format!("no [[dns]] table has the name `{dns}`")));
        }
        let wrong = cert.names.iter().filter_map(|name| name.parse::<Name>().err());
        let wrong: Vec<Fault> =
            wrong.map(|error| Fault::at(at.clone().key("names"), error.to_string())).collect();
        if !wrong.is_empty() {
            faults.extend(wrong);
        } else if let Err(error) = config.entry(cert).request.check() {
            faults.push(Fault::at(at.key("names"), format!("{}; {}", error.what, error.remedy)));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use spine::clock::SystemClock;

    use super::*;

    fn context() -> Context {
        Context::new(Client::new(None).unwrap(), Arc::new(SystemClock::default()))
    }

    #[test]
    fn faults_name_their_keys() {
        for (text, expected) in [
            ("", ""),
            ("[[cert]]\nnames = \"example.org\"", ""),
            ("[acme]\nca = \"lets\"", "acme.ca: `lets` must begin with https://"),
            ("[acme]\nca = []", "acme.ca: names no CA"),
            ("[acme]\nemail = \"root\"", "acme.email: `root` is not a mail address"),
            ("[acme]\nca_file = \"/nowhere.pem\"", "acme.ca_file: /nowhere.pem"),
            ("[acme.eab]\nkid = \"1\"", "acme.eab: needs key_file or key_env"),
            ("[[cert]]\nnames = \"*.example.org\"", "cert[0].names: only dns-01 can prove the wildcard"),
            (
                "[[cert]]\nnames = \"*.example.org\"\ndns = \"home\"",
                "cert[0].dns: no [[dns]] table has the name `home`",
            ),
            ("[[cert]]\nnames = \"192.0.2.1\"", "cert[0].names: CAs certify an address such as 192.0.2.1"),
            (
                "[[cert]]\nnames = \"local\"",
                "cert[0].names: `local` cannot be in a certificate: no public authority certifies a name without a dot",
            ),
            ("[[cert]]\nnames = []", "cert[0].name: `` is not a name"),
            ("[[cert]]\nname = \"../x\"\nnames = \"example.org\"", "cert[0].name: `../x` is not a name"),
            (
                "[[cert]]\nnames = \"example.org\"\n[[cert]]\nnames = [\"example.org\", \"a.example.org\"]",
                "cert[1].name: two [[cert]] tables have the name `example.org`",
            ),
        ] {
            let config: CertificatesConfig =
                toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found: Vec<String> = check(&config, &context()).iter().map(ToString::to_string).collect();
            match expected {
                "" => assert_eq!(found, Vec::<String>::new(), "{text}"),
                _ => assert!(found.iter().any(|fault| fault.contains(expected)), "{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn sites_get_what_no_other_certificate_covers() {
        let text = "[[cert]]\nnames = [\"example.org\", \"*.example.org\"]\ndns = \"home\"\n\
                    [[dns]]\nname = \"home\"\nprovider = \"exec\"\nprogram = \"/bin/true\"";
        let config: CertificatesConfig = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
        let wanted = |names: &[&str]| Wanted {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            section: "[[site]] shop".to_owned(),
            plain: true,
        };
        let entries = config.entries(&[
            wanted(&["shop.example.org", "example.org"]),
            wanted(&["example.com", "www.example.org"]),
            wanted(&["*.example.net"]),
        ]);
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| {
                (entry.request.name.as_str(), entry.request.names.len(), entry.request.dns.is_some())
            })
            .collect();
        assert_eq!(shown, [("example.org", 2, true), ("example.com", 1, false), ("example.net", 1, true)]);
        assert_eq!(config.faults_of_wanted(&[wanted(&["example.com", "*.example.net"])]), Vec::new());
        let faults =
            CertificatesConfig::default().faults_of_wanted(&[wanted(&["a.example", "*.example.net"])]);
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            texts.len() == 1 && texts[0].contains("[[site]] shop: tls = \"auto\": only dns-01 can prove"),
            "{texts:?}"
        );
        assert_eq!(entries[1].section, "[[site]] shop");
        assert_eq!(entries[1].request.challenges, [Challenge::Http01, Challenge::TlsAlpn01]);
    }
}
