//! What stands behind the gate: addresses, connections, and the choice between several.

pub(crate) mod call;
mod gauge;
pub(crate) mod h1;
pub(crate) mod h2;
mod health;
mod pool;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::config::{HealthCheck, UpstreamHttp2, UpstreamTimeouts};
use crate::metrics::Metrics;
use crate::stream::{self, Rewound, Stream};
use crate::tls::Trust;
pub(crate) use gauge::Gauges;
use gauge::UpstreamGauge;
use pool::Pool;

/// Why an attempt at an upstream failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("tls handshake failed: {}", crate::tls::explain(.0))]
    Tls(std::io::Error),
    #[error("http/2 handshake failed: {0}")]
    Http2(::h2::Error),
    #[error("connection closed before the response")]
    Closed,
    #[error("connection broken before the response: {0}")]
    Broken(std::io::Error),
    #[error("no response within {0:?}")]
    ResponseTimeout(Duration),
    #[error("malformed response: {0}")]
    Malformed(http1::Error),
    #[error("too many interim responses")]
    Interim,
    #[error("http/2 stream failed: {0}")]
    Stream(::h2::Error),
    /// The connection took no further stream.
    #[error("http/2 stream failed: {0}")]
    Unsent(::h2::Error),
    #[error("response cut off: {0}")]
    Truncated(std::io::Error),
    #[error("request target cannot be sent over http/2")]
    Target,
    #[error("{0}")]
    Upgrade(String),
}

impl Failure {
    /// The label in metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout(_) => "connect-timeout",
            Self::Tls(_) => "tls",
            Self::Http2(_) => "http2",
            Self::Closed | Self::Broken(_) => "closed",
            Self::ResponseTimeout(_) => "timeout",
            Self::Malformed(_) | Self::Interim => "malformed",
            Self::Stream(_) | Self::Unsent(_) => "stream",
            Self::Truncated(_) => "truncated",
            Self::Target => "target",
            Self::Upgrade(_) => "upgrade",
        }
    }

    /// The status that the client gets, where it has not got one yet.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::ConnectTimeout(_) | Self::ResponseTimeout(_) => 504,
            _ => 502,
        }
    }

    /// Whether there was no connection at all.
    fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_) | Self::Tls(_) | Self::Http2(_))
    }

    /// Whether the upstream has done nothing with the request, of which it may have got some bytes.
    pub(crate) fn is_before_request(&self) -> bool {
        match self {
            _ if self.is_unreachable() => true,
            Self::Unsent(_) => true,
            // RFC 9113 §8.7: the stream was refused before any processing, or it is newer than the last one that a GOAWAY
            // names
            Self::Stream(error) => {
                error.is_remote()
                    && (error.is_go_away() || error.reason() == Some(::h2::Reason::REFUSED_STREAM))
            }
            _ => false,
        }
    }

    /// Whether the upstream broke the connection off without a response, so that an idempotent request may be
    /// sent again.
    pub(crate) fn is_without_response(&self) -> bool {
        match self {
            Self::Closed | Self::Broken(_) | Self::Unsent(_) => true,
            Self::Stream(error) => error.is_io() || error.is_go_away(),
            _ => false,
        }
    }
}

/// An upstream's address as configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Plain { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Unix(PathBuf),
}

/// An upstream that is written wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upstream `{text}`: {what}; write http://host:port, https://host or unix:/path")]
pub struct AddressError {
    /// As written.
    pub text: String,
    /// The fault.
    pub what: &'static str,
}

impl Address {
    /// Host and port as a Host field says them; `localhost` for a unix socket.
    fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Plain { host, port } | Self::Tls { host, port } if host.contains(':') => {
                format!("[{host}]:{port}")
            }
            Self::Plain { host, port } | Self::Tls { host, port } => format!("{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |what| AddressError { text: text.to_owned(), what };
        if text.bytes().any(|b| b.is_ascii_control() || matches!(b, b'"' | b'\\' | b' ')) {
            return Err(wrong("it holds a space, quote, backslash or control character"));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(wrong("the socket's path is not absolute"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(wrong("unknown scheme")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("it has more than a host and a port (requests keep their own path)"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("the port is not a number up to 65535"))?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        if host.contains(':') && host.parse::<IpAddr>().is_err() {
            return Err(wrong("the host is neither a name nor an address"));
        }
        let host = host.to_owned();
        Ok(if tls { Self::Tls { host, port } } else { Self::Plain { host, port } })
    }
}

/// How one upstream is reached: two with the same settings share connections and survive a reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub text: String,
    pub address: Address,
    pub http2: UpstreamHttp2,
    pub trust: Trust,
    pub timeouts: UpstreamTimeouts,
    pub health: Option<HealthCheck>,
}

/// One upstream address with its connections and its state of health.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub settings: Settings,
    /// As configured, for events and metrics.
    pub name: Arc<str>,
    /// Its own host and port, for requests that name no host.
    pub authority: String,
    /// Offers h2 and http/1.1, or http/1.1 alone.
    tls: Option<Tls>,
    pool: Pool,
    health: health::Health,
}

#[derive(Debug)]
struct Tls {
    name: ServerName<'static>,
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// A connection that one request has got.
#[derive(Debug)]
pub(crate) enum Connection {
    /// With its two halves to itself; `reused` when it has carried a request before.
    Http1 { connection: h1::Connection, reused: bool },
    /// Shared with other requests.
    Http2(::h2::client::SendRequest<Bytes>),
}

impl Upstream {
    /// An upstream without connections yet; `client` gives the TLS settings with and without HTTP/2.
    pub(crate) fn new(
        settings: Settings,
        client: impl Fn(bool) -> Result<ClientConfig, crate::tls::Error>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, UpstreamError> {
        let tls = match &settings.address {
            Address::Tls { host, .. } => Some(Tls {
                name: ServerName::try_from(host.clone()).map_err(|_| AddressError {
                    text: settings.text.clone(),
                    what: "the host is no name that a certificate could have",
                })?,
                any: Arc::new(client(settings.http2 != UpstreamHttp2::Never)?),
                http1: Arc::new(client(false)?),
            }),
            _ => None,
        };
        let name: Arc<str> = settings.text.as_str().into();
        Ok(Self {
            pool: Pool::new(settings.timeouts.idle),
            health: health::Health::new(UpstreamGauge::new(metrics, Arc::clone(&name)), Arc::clone(&name)),
            authority: settings.address.authority(),
            settings,
            name,
            tls,
        })
    }

    /// Whether connections to it are https.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the upstream certainly speaks HTTP/2, or may.
    pub(crate) fn may_speak_http2(&self) -> bool {
        match self.settings.http2 {
            UpstreamHttp2::Always => true,
            UpstreamHttp2::Auto => self.tls.is_some(),
            UpstreamHttp2::Never => false,
        }
    }

    /// A kept connection (unless `fresh`), or a new one. `http1` asks for HTTP/1.1 (an upgrade needs it, and so does a target that
    /// HTTP/2 cannot carry).
    pub(crate) async fn connection(&self, http1: bool, fresh: bool) -> Result<Connection, Failure> {
        if fresh {
            return self.connect(http1).await;
        }
        if !http1 && self.may_speak_http2() {
            let limit = self.settings.timeouts.connect;
            match tokio::time::timeout(limit, self.pool.shared()).await {
                Ok(Some(sender)) => return Ok(Connection::Http2(sender)),
                Ok(None) => {}
                // the upstream takes no more streams at a time
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

    /// A new connection.
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

    /// Takes a connection back after a complete exchange.
    pub(crate) fn keep(&self, connection: h1::Connection) {
        self.pool.put(connection);
    }

    /// Tells how an attempt went, for the choice of the next one.
    pub(crate) fn report(&self, failure: Option<&Failure>) {
        match failure {
            None => self.health.succeeded(),
            Some(failure) if failure.is_unreachable() => self.health.rest(self.settings.timeouts.rest),
            Some(_) => {}
        }
        if let Some(failure) = failure {
            self.health.metrics().upstream_error(&self.name, failure.reason());
        }
    }

    /// Whether it should be asked.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.health.is_up(now)
    }

    /// Starts the active health check, if one is configured; it ends with the upstream.
    pub(crate) fn watch(self: &Arc<Self>) {
        if let Some(check) = &self.settings.health {
            health::watch(self, check.clone());
        }
    }
}

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Its address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Its CA file.
    #[error(transparent)]
    Tls(#[from] crate::tls::Error),
}

/// Connects to the first address of `host` that answers.
async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let stream = match host.parse::<IpAddr>() {
        Ok(ip) => TcpStream::connect(SocketAddr::new(ip, port)).await,
        // resolved each time: containers change their addresses
        Err(_) => TcpStream::connect((host, port)).await,
    }
    .map_err(Failure::Connect)?;
    // a small request must not wait for the acknowledgement of the one before
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

    /// The next upstream in turn that is up and not among `tried`; where all are down, one of those all the same,
    /// for the gate has nothing better to answer.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let plain = |host: &str, port| Address::Plain { host: host.into(), port };
        let tls = |host: &str, port| Address::Tls { host: host.into(), port };
        for (text, want) in [
            ("http://127.0.0.1:8080", Some(plain("127.0.0.1", 8080))),
            ("http://localhost", Some(plain("localhost", 80))),
            ("http://localhost/", Some(plain("localhost", 80))),
            ("http://[::1]:8080", Some(plain("::1", 8080))),
            ("http://[::1]", Some(plain("::1", 80))),
            ("https://a.test", Some(tls("a.test", 443))),
            ("https://a.test:8443", Some(tls("a.test", 8443))),
            ("unix:/run/app.sock", Some(Address::Unix("/run/app.sock".into()))),
            ("unix:app.sock", None),
            ("ftp://a.test", None),
            ("a.test:80", None),
            ("http://", None),
            ("http://:80", None),
            ("http://a.test:x", None),
            ("http://a.test:65536", None),
            ("http://a.test/app", None),
            ("http://user@a.test", None),
            ("http://a b", None),
            ("http://a\"b", None),
            ("http://::1:80", Some(plain("::1", 80))),
            ("http://a:b:80", None),
        ] {
            assert_eq!(text.parse::<Address>().ok(), want, "{text}");
        }
    }
}
