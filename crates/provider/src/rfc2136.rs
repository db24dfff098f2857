//! Dynamic updates of a DNS server (RFC 2136), signed with TSIG (RFC 8945).
//!
//! All messages go over TCP: nothing is sent twice, and no answer is cut. After an update, the server is asked for the
//! record, because NOERROR alone proves nothing: BIND ignores a record at a name that has a CNAME, and stores one below a
//! zone cut where nobody sees it.

mod message;

use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, RData, TSigner};
use serde::Deserialize;
use spine::clock::BoxFuture;
use spine::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{DNS_DEADLINE, TSIG_FUDGE};
use crate::name::{is_name, normal};
use crate::provider::{Added, Provider, Result, no_zone};
use crate::record::{Record, Stored, Zone, zone_of};
use crate::record_type::RecordType;
use message::{Change, Received, rdata, stored};

const NAME: &str = "rfc2136";

/// `[[dns]] provider = "rfc2136"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The primary server of the zones: an address or a name, with or without `:port` (default 53).
    pub server: String,
    /// The name of the TSIG key on the server. Without it, updates are not signed.
    pub key_name: Option<String>,
    /// The key's algorithm: `hmac-sha256` (default), `hmac-sha384` or `hmac-sha512`.
    pub algorithm: Option<String>,
    /// File (mode 0600) with the key's secret in Base64.
    pub secret_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub secret_env: Option<String>,
    /// The zones on the server. Without it, the server is asked which zone holds a name.
    #[serde(default)]
    pub zones: Vec<String>,
}

/// A DNS server that takes updates.
pub struct Rfc2136 {
    context: Context,
    server: String,
    zones: Vec<Zone>,
    signer: Option<TSigner>,
}

impl std::fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rfc2136")
            .field("server", &self.server)
            .field("zones", &self.zones)
            .finish_non_exhaustive()
    }
}

impl Rfc2136 {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If key name and secret are not both there, or one of the values cannot be used.
    pub fn new(config: &Config, secret: Option<&Secret>, context: &Context) -> Result<Self> {
        let signer = signer(config, secret).map_err(|what| ProviderError::settings(NAME, what))?;
        let zones = config.zones.iter().map(|name| normal(name)).map(|name| {
            if is_name(&name) {
                Ok(Zone { id: String::new(), name })
            } else {
                Err(ProviderError::settings(NAME, format!("{name:?} in zones is not a domain name")))
            }
        });
        Ok(Self {
            context: context.clone(),
            server: with_port(&config.server).map_err(|what| ProviderError::settings(NAME, what))?,
            zones: zones.collect::<Result<_>>()?,
            signer,
        })
    }

    fn error(&self, step: &str, cause: Cause) -> ProviderError {
        ProviderError { provider: NAME, step: step.to_owned(), peer: self.server.clone(), cause }
    }

    /// Sends a message and returns the verified answer with any response code.
    async fn exchange(&self, step: &str, mut message: Message) -> Result<Message> {
        let now = u64::try_from(self.context.clock.now().as_micros() / 1_000_000).unwrap_or(0);
        let verifier = match &self.signer {
            None => None,
            Some(signer) => message.finalize(signer, now).map_err(|error| {
                self.error(step, Cause::Settings(format!("cannot sign with the key: {error}")))
            })?,
        };
        let bytes = message.to_vec().map_err(|error| self.error(step, Cause::Settings(error.to_string())))?;
        let answer = match tokio::time::timeout(DNS_DEADLINE, self.send(&bytes)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.error(step, Cause::Unreachable(error.to_string()))),
            Err(_) => {
                let what = format!("no answer within {} s", DNS_DEADLINE.as_secs());
                return Err(self.error(step, Cause::Unreachable(what)));
            }
        };
        message::verified(&message, &answer, verifier).map_err(|what| self.error(step, Cause::Dns(what)))
    }

    async fn send(&self, message: &[u8]) -> std::io::Result<Vec<u8>> {
        let length = u16::try_from(message.len())
            .map_err(|_| std::io::Error::other("the message is longer than 65,535 bytes"))?;
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(&self.server).await?.collect();
        let mut stream = TcpStream::connect(&addresses[..]).await?;
        stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    /// Asks for records. A server that does not hold the name refuses, which counts as an answer without records.
    async fn query(&self, step: &str, name: &str, kind: hickory_proto::rr::RecordType) -> Result<Received> {
        let name = dns_name(name).map_err(|what| self.error(step, Cause::Settings(what)))?;
        let answer = self.exchange(step, message::query(name, kind)).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain | ResponseCode::Refused => {
                Ok(Received::from(answer))
            }
            code => Err(self.error(step, Cause::Dns(message::explain(code).to_owned()))),
        }
    }

    async fn update(&self, step: &str, zone: &Zone, record: &Record, change: Change) -> Result<()> {
        let fault = |what: String| self.error(step, Cause::Settings(what));
        let (origin, name) = (dns_name(&zone.name).map_err(fault)?, dns_name(&record.name).map_err(fault)?);
        let data = rdata(record).map_err(fault)?;
        let answer = self.exchange(step, message::update(origin, name, record.ttl, data, change)).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError => Ok(()),
            code => Err(self.error(step, Cause::Dns(message::explain(code).to_owned()))),
        }
    }

    /// Asks the server for the records of one name and type, without those that a wildcard seems to put there.
    async fn look(
        &self,
        step: &str,
        zone: &Zone,
        name: &str,
        kind: RecordType,
    ) -> Result<(Vec<Stored>, Received)> {
        let received = self.query(step, name, message::dns_type(kind)).await?;
        let found = received.answers.iter().filter_map(|record| stored(zone, name, kind, record));
        let found: Vec<_> = found.collect();
        if found.is_empty() || self.holds(step, zone, name, kind).await? {
            return Ok((found, received));
        }
        Ok((Vec::new(), received))
    }

    /// Returns whether the zone has records of this type at the name itself: an update without changes, whose condition
    /// no wildcard fulfils.
    async fn holds(&self, step: &str, zone: &Zone, name: &str, kind: RecordType) -> Result<bool> {
        let fault = |what: String| self.error(step, Cause::Settings(what));
        let (origin, name) = (dns_name(&zone.name).map_err(fault)?, dns_name(name).map_err(fault)?);
        let answer = self.exchange(step, message::condition(origin, name, kind)).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError => Ok(true),
            ResponseCode::NXRRSet => Ok(false),
            code => Err(self.error(step, Cause::Dns(message::explain(code).to_owned()))),
        }
    }

    /// Adds a record, and verifies that the server serves it.
    async fn add_and_see(&self, zone: &Zone, record: &Record) -> Result<Added> {
        let step = format!("add {record}");
        record.check(zone).map_err(|what| self.error(&step, Cause::Settings(what)))?;
        let find = |records: Vec<Stored>| records.into_iter().find(|stored| stored.record.same(record));
        let (before, _) = self.look(&step, zone, &record.name, record.kind).await?;
        if let Some(found) = find(before) {
            return Ok(Added::Existing(found));
        }
        self.update(&step, zone, record, Change::Add).await?;
        let (after, received) = self.look(&step, zone, &record.name, record.kind).await?;
        if let Some(found) = find(after) {
            return Ok(Added::New(found));
        }
        // nothing stays that nobody sees
        self.update(&step, zone, record, Change::Remove).await?;
        let why = match received.alias(&record.name) {
            Some(target) => format!("does not serve it: the name is an alias of {target}"),
            None if !received.authoritative => {
                "does not serve it: another server is responsible for this name".to_owned()
            }
            None => "does not serve it".to_owned(),
        };
        Err(self.error(&step, Cause::NotStored(why)))
    }

    /// Finds the zone by the SOA record at the name or the nearest parent that has one.
    async fn find_zone(&self, name: &str) -> Result<Zone> {
        let name = normal(name);
        if !self.zones.is_empty() {
            return zone_of(&self.zones, &name).cloned().ok_or_else(|| no_zone(NAME, &name));
        }
        let mut rest = name.as_str();
        loop {
            let received = self.query("find the zone", rest, hickory_proto::rr::RecordType::SOA).await?;
            let own = |record: &hickory_proto::rr::Record| {
                matches!(record.data, RData::SOA(_)) && normal(&record.name.to_ascii()) == rest
            };
            if received.authoritative && received.answers.iter().any(own) {
                return Ok(Zone { id: String::new(), name: rest.to_owned() });
            }
            rest = rest.split_once('.').ok_or_else(|| no_zone(NAME, &name))?.1;
        }
    }
}

impl Provider for Rfc2136 {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Returns the zones of the settings: DNS has no list of zones.
    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(async { Ok(self.zones.clone()) })
    }

    fn zone<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Zone>> {
        Box::pin(self.find_zone(name))
    }

    fn records<'a>(
        &'a self,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async move {
            let name = normal(name);
            Ok(self.look(&format!("list {name} {kind}"), zone, &name, kind).await?.0)
        })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(self.add_and_see(zone, record))
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let step = format!("remove {}", stored.record);
            self.update(&step, &stored.zone, &stored.record, Change::Remove).await
        })
    }
}

fn signer(config: &Config, secret: Option<&Secret>) -> std::result::Result<Option<TSigner>, String> {
    let (name, secret) = match (&config.key_name, secret) {
        (None, None) => return Ok(None),
        (Some(name), Some(secret)) => (name, secret),
        _ => return Err("key_name and secret_file (or secret_env) belong together".to_owned()),
    };
    let algorithm = match config.algorithm.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("hmac-sha256") => TsigAlgorithm::HmacSha256,
        Some("hmac-sha384") => TsigAlgorithm::HmacSha384,
        Some("hmac-sha512") => TsigAlgorithm::HmacSha512,
        Some(other) => {
            return Err(format!("algorithm {other:?} is not hmac-sha256, hmac-sha384 or hmac-sha512"));
        }
    };
    let key = STANDARD
        .decode(secret.reveal().trim())
        .map_err(|_| format!("the secret of the key {name} is not Base64"))?;
    let signer = TSigner::new(key, algorithm, dns_name(name)?, TSIG_FUDGE);
    signer.map(Some).map_err(|error| error.to_string())
}

/// Returns the server with its port.
fn with_port(server: &str) -> std::result::Result<String, String> {
    let bare_v6 = server.parse::<std::net::Ipv6Addr>().is_ok();
    let port = server
        .rsplit_once(':')
        .and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok())?.filter(|_| !bare_v6));
    match port {
        Some(_) => Ok(server.to_owned()),
        None if bare_v6 => Ok(format!("[{server}]:53")),
        None if server.starts_with('[') && server.ends_with(']') => Ok(format!("{server}:53")),
        None if !server.is_empty() && !server.contains([':', '/', ' ']) => Ok(format!("{server}:53")),
        None => {
            Err(format!("server {server:?} is neither an address nor a name, such as ns1.example.org:53"))
        }
    }
}

fn dns_name(name: &str) -> std::result::Result<Name, String> {
    let mut parsed = Name::from_ascii(name).map_err(|_| format!("{name:?} is not a domain name"))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        for (server, expected) in [
            ("192.0.2.1", Some("192.0.2.1:53")),
            ("192.0.2.1:5353", Some("192.0.2.1:5353")),
            ("ns1.example.org", Some("ns1.example.org:53")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:5353", Some("[2001:db8::1]:5353")),
            ("", None),
            (":53", None),
            ("tcp://ns1", None),
            ("ns1:dns", None),
        ] {
            assert_eq!(with_port(server).ok().as_deref(), expected, "{server}");
        }
    }

    #[test]
    fn keys() {
        let secret = Secret::new("c2VjcmV0");
        let config = |key: Option<&str>, algorithm: Option<&str>| Config {
            server: "192.0.2.1".into(),
            key_name: key.map(str::to_owned),
            algorithm: algorithm.map(str::to_owned),
            secret_file: None,
            secret_env: None,
            zones: Vec::new(),
        };
        assert!(signer(&config(None, None), None).unwrap().is_none());
        for algorithm in [None, Some("hmac-sha384"), Some("HMAC-SHA512")] {
            let key = signer(&config(Some("rig-key"), algorithm), Some(&secret)).unwrap().unwrap();
            assert_eq!(key.signer_name().to_ascii(), "rig-key.");
        }
        let odd = Secret::new("not Base64!");
        for (config, secret, expected) in [
            (config(Some("k"), None), None, "belong together"),
            (config(None, None), Some(&secret), "belong together"),
            (config(Some("k"), Some("hmac-md5")), Some(&secret), "is not hmac-sha256"),
            (config(Some("k"), None), Some(&odd), "the secret of the key k is not Base64"),
            (config(Some("a..b"), None), Some(&secret), "is not a domain name"),
        ] {
            let error = signer(&config, secret).err().unwrap();
            assert!(error.contains(expected) && !error.contains("not Base64!"), "{error}");
        }
    }
}
