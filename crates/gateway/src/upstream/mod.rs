//! Upstreams: addresses, connections, and the choice between several.

mod address;
pub(crate) mod call;
mod failure;
pub(crate) mod h1;
pub(crate) mod h2;
mod health;
mod pool;
mod probe;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::config::{HealthCheck, UpstreamHttp2, UpstreamTimeouts};
use crate::metrics::Metrics;
use crate::stream::{self, Rewound, Stream};
use crate::tls::Trust;
use address::Address;
pub use address::AddressError;
pub(crate) use failure::Failure;
use health::Health;
use pool::Pool;

/// Settings of an upstream. Upstreams with equal settings share connections, even across a reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub text: String,
    pub address: Address,
    pub http2: UpstreamHttp2,
    pub trust: Trust,
    pub timeouts: UpstreamTimeouts,
    pub health: Option<HealthCheck>,
}

/// An upstream address with its connections and its health.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub settings: Settings,
    /// The configured address, for events and metrics.
    pub name: Arc<str>,
    /// The upstream's own host and port, for requests without a host.
    pub authority: String,
    /// TLS settings, with and without HTTP/2.
    tls: Option<Tls>,
    pool: Pool,
    health: Health,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Tls {
    name: ServerName<'static>,
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// The connection of a request.
#[derive(Debug)]
pub(crate) enum Connection {
    /// A connection for this request alone; `reused` if it has carried another one before.
    Http1 { connection: h1::Connection, reused: bool },
    /// A connection shared with other requests.
    Http2(::h2::client::SendRequest<Bytes>),
}

impl Upstream {
    /// Creates an upstream without connections. `client` returns the TLS settings with and without HTTP/2.
    pub(crate) fn new(
        settings: Settings,
        client: impl Fn(bool) -> Result<ClientConfig, crate::tls::Error>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, UpstreamError> {
        let tls = match &settings.address {
            Address::Tls { host, .. } => Some(Tls {
                name: ServerName::try_from(host.clone()).map_err(|_| AddressError {
                    text: settings.text.clone(),
                    what: "no certificate can have this host name",
                })?,
                any: Arc::new(client(settings.http2 != UpstreamHttp2::Never)?),
                http1: Arc::new(client(false)?),
            }),
            _ => None,
        };
        let name: Arc<str> = settings.text.as_str().into();
        Ok(Self {
            pool: Pool::new(settings.timeouts.idle),
            health: Health::new(&metrics.upstreams, &name),
            authority: settings.address.authority(),
            settings,
            name,
            tls,
            metrics,
        })
    }

    /// Whether connections to it use TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the upstream may speak HTTP/2.
    pub(crate) fn may_speak_http2(&self) -> bool {
        match self.settings.http2 {
            UpstreamHttp2::Always => true,
            UpstreamHttp2::Auto => self.tls.is_some(),
            UpstreamHttp2::Never => false,
        }
    }

    /// Returns a pooled connection, or a new one. `fresh` forces a new one, `http1` forces HTTP/1.1 (for an upgrade, or a target
    /// that HTTP/2 cannot carry).
    pub(crate) async fn connection(&self, http1: bool, fresh: bool) -> Result<Connection, Failure> {
        if fresh {
            return self.connect(http1).await;
        }
        if !http1 && self.may_speak_http2() {
            let limit = self.settings.timeouts.connect;
            match tokio::time::timeout(limit, self.pool.shared()).await {
                Ok(Some(sender)) => return Ok(Connection::Http2(sender)),
                Ok(None) => {}
                // the upstream accepts no more concurrent streams
                Err(_) => return Err(Failure::ConnectTimeout(limit)),
            }
            if self.settings.http2 == UpstreamHttp2::Always {
                return self.connect(http1).await;
            }
        }
        match self.pool.take() {
            Some(connection) => Ok(Connection::Http1 { connection, reused: true }),
            None => self.connect(http1).await,
        }
    }

    /// Opens a connection.
    async fn connect(&self, http1: bool) -> Result<Connection, Failure> {
        let limit = self.settings.timeouts.connect;
        match tokio::time::timeout(limit, self.open(http1)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::ConnectTimeout(limit)),
        }
    }

    async fn open(&self, http1: bool) -> Result<Connection, Failure> {
        let mut http2 = !http1 && self.settings.http2 == UpstreamHttp2::Always;
        let stream = match &self.settings.address {
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await.map_err(Failure::Connect)?),
            Address::Plain { host, port } => Stream::from(connect_tcp(host, *port).await?),
            Address::Tls { host, port } => {
                let tcp = connect_tcp(host, *port).await?;
                let tls =
                    self.tls.as_ref().ok_or_else(|| Failure::Tls(std::io::ErrorKind::Unsupported.into()))?;
                let config = if http1 { &tls.http1 } else { &tls.any };
                let tls = TlsConnector::from(Arc::clone(config))
                    .connect(tls.name.clone(), Rewound::new(BytesMut::new(), tcp))
                    .await
                    .map_err(Failure::Tls)?;
                if !http1 {
                    http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                }
                Stream::Tls(Box::new(TlsStream::Client(tls)))
            }
        };
        if http2 {
            return Ok(Connection::Http2(self.pool.share(stream).await?));
        }
        let (reader, writer) = stream::split(stream, BytesMut::new());
        Ok(Connection::Http1 { connection: h1::Connection::new(reader, writer), reused: false })
    }

    /// Returns a connection to the pool after a complete exchange.
    pub(crate) fn keep(&self, connection: h1::Connection) {
        self.pool.put(connection);
    }

    /// Records the result of an attempt, which affects the choice of upstreams.
    pub(crate) fn report(&self, failure: Option<&Failure>) {
        match failure {
            None => self.health.succeeded(),
            Some(failure) if failure.is_unreachable() => self.health.rest(self.settings.timeouts.rest),
            Some(_) => {}
        }
        if let Some(failure) = failure {
            self.metrics.upstream_error(&self.name, failure.reason());
        }
    }

    /// Whether it should receive requests.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.health.is_up(now)
    }
}

/// The reason why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The CA file is invalid.
    #[error(transparent)]
    Tls(#[from] crate::tls::Error),
}

/// Connects to the first address of `host` that accepts a connection.
async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let stream = match host.parse::<IpAddr>() {
        Ok(ip) => TcpStream::connect(SocketAddr::new(ip, port)).await,
        // resolved each time, because containers change their addresses
        Err(_) => TcpStream::connect((host, port)).await,
    }
    .map_err(Failure::Connect)?;
    // a small request must not wait for an acknowledgement
    stream.set_nodelay(true).map_err(Failure::Connect)?;
    Ok(stream)
}

/// The upstreams of one site.
#[derive(Debug)]
pub(crate) struct Group {
    members: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

impl Group {
    pub(crate) fn new(members: Vec<Arc<Upstream>>) -> Self {
        Self { members, turn: AtomicUsize::new(0) }
    }

    pub(crate) fn members(&self) -> &[Arc<Upstream>] {
        &self.members
    }

    /// Returns the next upstream in turn that is up and not in `tried`. If all are down, returns one of them, because no upstream
    /// is better.
    pub(crate) fn choose(&self, tried: &[Arc<str>]) -> Option<Arc<Upstream>> {
        let count = self.members.len();
        if count == 1 {
            return self.members.first().filter(|only| !tried.contains(&only.name)).cloned();
        }
        let now = Instant::now();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn =
            || (0..count).map(|at| &self.members[(turn + at) % count]).filter(|u| !tried.contains(&u.name));
        in_turn().find(|upstream| upstream.is_up(now)).or_else(|| in_turn().next()).cloned()
    }
}
