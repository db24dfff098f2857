//! DNS queries to recursive servers, with DNSSEC validation, and to the authoritative servers of a zone.
//!
//! | method | asks | for |
//! |---|---|---|
//! | [`Resolver::lookup`] | the system's or the configured recursive servers, with a cache | everyday questions |
//! | [`Resolver::validated`] | the same servers, and checks signatures up to the root's key | records that must be genuine, such as TLSA |
//! | [`Resolver::authoritative`] | each server of the zone directly, without a cache | whether a change has reached all of them |
//!
//! ```no_run
//! use spine::resolver::{RecordType, Resolver, ResolverConfig, texts};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let resolver = Resolver::new(ResolverConfig::default())?;
//! let servers = resolver.authoritative("_acme-challenge.example.org", RecordType::TXT).await?;
//! for server in &servers {
//!     match &server.result {
//!         Ok(records) => println!("{}: {:?}", server.name, texts(records)),
//!         Err(error) => println!("{}: {error}", server.name),
//!     }
//! }
//! # Ok(()) }
//! ```

mod direct;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::ResponseCode;
pub use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig as Servers,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as HickoryDnsError, NetError};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::clock::BoxFuture;
use crate::http::Resolve;
use crate::limits::{DNS_ATTEMPTS, DNS_CACHE, DNS_TIMEOUT, MAX_NAME_SERVERS};

/// The servers to query and the time limit.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// The recursive servers; empty for the servers in /etc/resolv.conf.
    pub servers: Vec<SocketAddr>,
    /// A file with the DNSKEY records of the trust anchor; none for the keys of the root zone.
    pub trust_anchor: Option<PathBuf>,
    /// Time limit for the answer of one server.
    pub timeout: Duration,
    /// The port of authoritative servers.
    pub authoritative_port: u16,
}

/// The system's servers, the root zone's keys, 5 s and port 53.
impl Default for ResolverConfig {
    fn default() -> Self {
        Self { servers: Vec::new(), trust_anchor: None, timeout: DNS_TIMEOUT, authoritative_port: 53 }
    }
}

/// The failure of a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The text is not a domain name.
    #[error("{0:?} is not a domain name")]
    Name(String),
    /// The name does not exist (NXDOMAIN).
    #[error("{0} does not exist")]
    NoName(Name),
    /// The name exists but has no record of this type.
    #[error("{0} has no {1} record")]
    NoRecords(Name, RecordType),
    /// Signatures are missing or wrong although the parent zone says that the zone is signed.
    #[error(
        "the answer for {0} is not validly signed (DNSSEC): it is forged, or the zone's signatures are broken"
    )]
    Bogus(Name),
    /// The server returned an error, such as SERVFAIL.
    #[error("the server answered {1} for {0}")]
    Refused(Name, ResponseCode),
    /// A server in the zone's NS records does not serve the zone.
    #[error("the server does not serve the zone of {0}")]
    NotAuthoritative(Name),
    /// No server answered in time.
    #[error("no server answered for {0} in time")]
    Timeout(Name),
    /// No server could be queried, or an answer could not be read.
    #[error("{0}: {1}")]
    Failed(Name, String),
    /// The configuration of the system or of the resolver cannot be used.
    #[error("cannot set up the resolver: {0}")]
    Config(String),
}

/// The validation status of an answer. A forged answer is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// The answer is signed, with an unbroken chain from the trust anchor.
    Secure,
    /// The zone is provably unsigned.
    Insecure,
    /// The server returned too few records to decide.
    Unknown,
}

/// Records with their DNSSEC status.
#[derive(Clone, Debug)]
pub struct Validated {
    /// The records of the queried type.
    pub records: Vec<Record>,
    /// The lowest status among the records.
    pub security: Security,
}

/// The answer of one authoritative server.
#[derive(Clone, Debug)]
pub struct ServerAnswer {
    /// The server's name in the zone's NS records.
    pub name: Name,
    /// The server's address, if it has one.
    pub address: Option<SocketAddr>,
    /// The answer section as the server sent it, with CNAME records; empty if the name or the type does not exist.
    pub result: Result<Vec<Record>, DnsError>,
}

/// A client of DNS servers.
#[derive(Debug)]
pub struct Resolver {
    config: ResolverConfig,
    plain: TokioResolver,
    /// Created on first use: most parts never validate.
    validating: OnceCell<TokioResolver>,
}

impl Resolver {
    /// Creates a resolver for the configured servers. Sends nothing.
    ///
    /// # Errors
    /// If /etc/resolv.conf is needed and cannot be read.
    pub fn new(config: ResolverConfig) -> Result<Self, DnsError> {
        let plain = build(&config, None)?;
        Ok(Self { config, plain, validating: OnceCell::new() })
    }

    /// Returns the records of a type after following CNAMEs.
    ///
    /// # Errors
    /// [`DnsError`], also if no record exists.
    pub async fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, DnsError> {
        let name = parse(name)?;
        records(&self.plain, name, kind).await
    }

    /// Does the same as [`Resolver::lookup`], but drops everything that is cached first, so that a change of a moment ago is
    /// not hidden by an older answer.
    ///
    /// # Errors
    /// As for [`Resolver::lookup`].
    pub async fn lookup_anew(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, DnsError> {
        self.plain.clear_cache();
        self.lookup(name, kind).await
    }

    /// Returns the records of a type with their DNSSEC status. The recursive servers must forward signatures; most do.
    ///
    /// # Errors
    /// [`DnsError::Bogus`] for a forged answer; otherwise as for [`Resolver::lookup`].
    pub async fn validated(&self, name: &str, kind: RecordType) -> Result<Validated, DnsError> {
        let name = parse(name)?;
        let validating = self
            .validating
            .get_or_try_init(|| async {
                let anchors = match &self.config.trust_anchor {
                    None => TrustAnchors::default(),
                    Some(path) => TrustAnchors::from_file(path)
                        .map_err(|error| DnsError::Config(format!("{}: {error}", path.display())))?,
                };
                build(&self.config, Some(Arc::new(anchors)))
            })
            .await?;
        let records = records(validating, name.clone(), kind).await?;
        let lowest = records.iter().map(|record| record.proof).min_by_key(|proof| match proof {
            Proof::Bogus => 0,
            Proof::Indeterminate => 1,
            Proof::Insecure => 2,
            Proof::Secure => 3,
        });
        let security = match lowest {
            Some(Proof::Secure) => Security::Secure,
            Some(Proof::Insecure) => Security::Insecure,
            Some(Proof::Bogus) => return Err(DnsError::Bogus(name)),
            _ => Security::Unknown,
        };
        Ok(Validated { records, security })
    }

    /// Queries the authoritative servers of the zone that holds `name`, directly and in parallel: up to
    /// [`MAX_NAME_SERVERS`] addresses. Does not follow CNAMEs. The recursive servers supply the zone and the addresses
    /// of its servers.
    ///
    /// # Errors
    /// If the zone or its servers cannot be found. [`ServerAnswer::result`] contains the error of a single server.
    pub async fn authoritative(&self, name: &str, kind: RecordType) -> Result<Vec<ServerAnswer>, DnsError> {
        let name = parse(name)?;
        let servers = self.name_servers(&name).await?;
        let mut asking = JoinSet::new();
        let mut answers = Vec::new();
        for server in servers {
            let addresses = match self.addresses_of(&server).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    answers.push(ServerAnswer { name: server, address: None, result: Err(error) });
                    continue;
                }
            };
            for address in addresses {
                if answers.len() + asking.len() >= MAX_NAME_SERVERS {
                    break;
                }
                let address = SocketAddr::new(address, self.config.authoritative_port);
                let (server, name, timeout) = (server.clone(), name.clone(), self.config.timeout);
                asking.spawn(async move {
                    let result = direct::ask(address, &name, kind, timeout).await;
                    ServerAnswer { name: server, address: Some(address), result }
                });
            }
        }
        answers.extend(asking.join_all().await);
        answers.sort_by(|a, b| (&a.name, a.address).cmp(&(&b.name, b.address)));
        Ok(answers)
    }

    /// Returns the names in the NS records of the nearest zone at or above `name`.
    async fn name_servers(&self, name: &Name) -> Result<Vec<Name>, DnsError> {
        let mut zone = name.clone();
        loop {
            match records(&self.plain, zone.clone(), RecordType::NS).await {
                Ok(found) => {
                    // a CNAME at the name leads to the servers of another zone
                    let own = found.into_iter().filter(|record| record.name == zone);
                    let mut servers: Vec<Name> = own
                        .filter_map(|record| match record.data {
                            RData::NS(server) => Some(server.0),
                            _ => None,
                        })
                        .take(MAX_NAME_SERVERS)
                        .collect();
                    if !servers.is_empty() {
                        servers.sort();
                        servers.dedup();
                        return Ok(servers);
                    }
                }
                Err(DnsError::NoName(_) | DnsError::NoRecords(..)) => {}
                Err(error) => return Err(error),
            }
            if zone.is_root() {
                return Err(DnsError::NoRecords(zone, RecordType::NS));
            }
            zone = zone.base_name();
        }
    }

    async fn addresses_of(&self, name: &Name) -> Result<Vec<IpAddr>, DnsError> {
        let found = self.plain.lookup_ip(name.clone()).await;
        let found = found.map_err(|error| dns_error(error, name.clone(), RecordType::A))?;
        Ok(found.iter().collect())
    }
}

/// Resolves addresses for [`crate::http`] with the configured servers and /etc/hosts.
impl Resolve for Resolver {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = match parse(name) {
                Ok(name) => self.addresses_of(&name).await,
                Err(error) => Err(error),
            };
            found.map_err(io::Error::other)
        })
    }
}

/// Returns the text of each TXT record, with its strings joined.
pub fn texts(records: &[Record]) -> Vec<Vec<u8>> {
    let texts = records.iter().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    });
    texts.collect()
}

fn build(config: &ResolverConfig, anchors: Option<Arc<TrustAnchors>>) -> Result<TokioResolver, DnsError> {
    let failed = |error: NetError| DnsError::Config(error.to_string());
    let provider = TokioRuntimeProvider::default();
    let mut builder: ResolverBuilder<_> = if config.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(failed)?
    } else {
        let servers = config.servers.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            NameServerConfig::new(server.ip(), true, connections)
        });
        TokioResolver::builder_with_config(Servers::from_parts(None, Vec::new(), servers.collect()), provider)
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = config.timeout;
    options.attempts = DNS_ATTEMPTS;
    options.cache_size = DNS_CACHE;
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    options.use_hosts_file = ResolveHosts::Auto;
    options.edns0 = true;
    options.preserve_intermediates = true;
    if let Some(anchors) = anchors {
        builder = builder.with_trust_anchor(anchors);
    }
    builder.build().map_err(failed)
}

/// Parses a fully qualified name, to which no search list applies.
fn parse(name: &str) -> Result<Name, DnsError> {
    let mut parsed = Name::from_utf8(name).map_err(|_| DnsError::Name(name.to_owned()))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

async fn records(resolver: &TokioResolver, name: Name, kind: RecordType) -> Result<Vec<Record>, DnsError> {
    let found =
        resolver.lookup(name.clone(), kind).await.map_err(|error| dns_error(error, name.clone(), kind))?;
    let records: Vec<_> =
        found.answers().iter().filter(|record| record.record_type() == kind).cloned().collect();
    if records.is_empty() { Err(DnsError::NoRecords(name, kind)) } else { Ok(records) }
}

fn dns_error(error: NetError, name: Name, kind: RecordType) -> DnsError {
    let absent = |code| match code {
        ResponseCode::NXDomain => DnsError::NoName(name.clone()),
        ResponseCode::NoError => DnsError::NoRecords(name.clone(), kind),
        code => DnsError::Refused(name.clone(), code),
    };
    match error {
        NetError::Timeout => DnsError::Timeout(name),
        NetError::Dns(HickoryDnsError::ResponseCode(code)) => absent(code),
        NetError::Dns(HickoryDnsError::NoRecordsFound(none)) => absent(none.response_code),
        NetError::Dns(HickoryDnsError::DnssecBogus) => DnsError::Bogus(name),
        NetError::Dns(HickoryDnsError::Nsec { proof: Proof::Bogus, .. }) => DnsError::Bogus(name),
        NetError::Dns(HickoryDnsError::Nsec { response, .. }) => absent(response.response_code),
        error => DnsError::Failed(name, error.to_string()),
    }
}
