//! Listening sockets, and a connection's first steps: counted in, PROXY protocol, TLS, then HTTP.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Buf, BytesMut};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_util::sync::CancellationToken;

use crate::client_address::is_trusted;
use crate::config::GatewayConfig;
use crate::exchange::Peer;
use crate::gate::{Error, Gate};
use crate::limits::{Admission, Crowded};
use crate::proxy_protocol;
use crate::server::h1::Protocol;
use crate::server::{h1, h2};
use crate::stream::{Rewound, Stream};
use crate::tls;

/// Connections that the kernel completes before we take them.
const BACKLOG: i32 = 4096;

/// Pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What may change of a listener while it listens.
pub(crate) struct ListenerSettings {
    tls: Option<TlsAcceptor>,
    proxy_protocol: bool,
    http2: bool,
}

/// Reads the listeners of a configuration, certificates included.
pub(crate) fn settings(config: &GatewayConfig) -> Result<HashMap<SocketAddr, ListenerSettings>, Error> {
    let mut all = HashMap::new();
    for listener in &config.listeners {
        let address = listener.address;
        let tls = match &listener.tls[..] {
            [] => None,
            certificates => {
                let config = tls::server_config(certificates, listener.http2)
                    .map_err(|source| Error::Tls { address, source: Box::new(source) })?;
                Some(TlsAcceptor::from(Arc::new(config)))
            }
        };
        let settings =
            ListenerSettings { tls, proxy_protocol: listener.proxy_protocol, http2: listener.http2 };
        if all.insert(address, settings).is_some() {
            return Err(Error::TwoListeners { address });
        }
    }
    Ok(all)
}

/// Takes a port.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(SocketProtocol::TCP))?;
    // a restart must not wait for the connections of the process before
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A listening socket and its task.
pub(crate) struct Listener {
    local: SocketAddr,
    settings: Arc<ArcSwap<ListenerSettings>>,
    /// Ends the task, and tells its connections to end when they can.
    drain: CancellationToken,
}

impl Listener {
    pub(crate) fn start(socket: TcpListener, settings: ListenerSettings, gate: &Arc<Gate>) -> Self {
        let local = socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let drain = CancellationToken::new();
        tokio::spawn(accept(socket, Arc::clone(&settings), Arc::clone(gate), drain.clone()));
        Self { local, settings, drain }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// New connections are served by these settings.
    pub(crate) fn change(&self, settings: ListenerSettings) {
        self.settings.store(Arc::new(settings));
    }

    pub(crate) fn stop(&self) {
        self.drain.cancel();
    }
}

async fn accept(
    socket: TcpListener,
    settings: Arc<ArcSwap<ListenerSettings>>,
    gate: Arc<Gate>,
    drain: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = drain.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        gate.metrics.connections.inc();
        let runtime = gate.runtime.load();
        let mut admission = match gate.connections.admit(&runtime.limits) {
            Ok(admission) => admission,
            Err(crowded) => {
                refuse(&gate, crowded, peer);
                continue;
            }
        };
        let settings = settings.load_full();
        // whose client a trusted proxy will name is counted later
        if !is_trusted(&runtime.trusted, peer.ip())
            && let Err(crowded) = admission.name_client(peer.ip(), &runtime.limits)
        {
            refuse(&gate, crowded, peer);
            continue;
        }
        drop(runtime);
        let connection = Arc::clone(&gate);
        let drain = drain.clone();
        gate.tasks.spawn(async move {
            let aborted = connection.aborted.clone();
            connection.metrics.open_connections.inc();
            tokio::select! {
                () = serve(&connection, &settings, stream, peer, admission, &drain) => {}
                () = aborted.cancelled() => {}
            }
            connection.metrics.open_connections.dec();
        });
    }
}

/// Too many connections: closed without a word, for an answer would cost what is being saved.
fn refuse(gate: &Gate, crowded: Crowded, peer: SocketAddr) {
    let reason = match crowded {
        Crowded::All => "all",
        Crowded::Client => "client",
    };
    gate.metrics.connection_refused(reason);
    tracing::debug!(%peer, reason, "connection refused");
}

async fn serve(
    gate: &Arc<Gate>,
    settings: &ListenerSettings,
    stream: TcpStream,
    from: SocketAddr,
    mut admission: Admission,
    drain: &CancellationToken,
) {
    let Ok(local) = stream.local_addr() else { return };
    // small writes must not wait for acknowledgements
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut peer = Peer { address: from, local, tls: settings.tls.is_some() };
    let (timeout, trusted, limits) = {
        let runtime = gate.runtime.load();
        (runtime.timeouts.header, is_trusted(&runtime.trusted, from.ip()), runtime.limits.clone())
    };
    let mut stream = Rewound::new(BytesMut::new(), stream);
    if settings.proxy_protocol && trusted {
        let header = match tokio::time::timeout(timeout, read_proxy_header(stream)).await {
            Ok(Ok((header, rewound))) => {
                stream = rewound;
                header
            }
            Ok(Err(error)) => {
                gate.metrics.connection_refused("proxy-protocol");
                return tracing::warn!(%from, %error, "connection of a trusted proxy closed");
            }
            Err(_) => return gate.metrics.connection_refused("proxy-protocol"),
        };
        if let Some(addresses) = header.addresses {
            peer.address = addresses.source;
            peer.local = addresses.destination;
            if let Err(crowded) = admission.name_client(addresses.source.ip(), &limits) {
                return refuse(gate, crowded, addresses.source);
            }
        }
    }
    let stream = match &settings.tls {
        None => Stream::Tcp(stream),
        Some(acceptor) => match tokio::time::timeout(timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Stream::Tls(Box::new(TlsStream::Server(stream))),
            Ok(Err(error)) => {
                gate.metrics.connection_refused("tls");
                return tracing::debug!(%from, %error, "tls handshake failed");
            }
            Err(_) => return gate.metrics.connection_refused("tls"),
        },
    };
    let agreed = match &stream {
        Stream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        _ => false,
    };
    if agreed {
        return Box::pin(h2::serve(gate, peer, stream, drain)).await;
    }
    let by_preface = settings.http2 && settings.tls.is_none();
    match h1::serve(gate, peer, stream, by_preface, drain).await {
        Protocol::Http1 => {}
        Protocol::Http2(stream) => Box::pin(h2::serve(gate, peer, stream, drain)).await,
    }
    drop(admission);
}

async fn read_proxy_header(
    mut stream: Rewound<TcpStream>,
) -> Result<(proxy_protocol::Header, Rewound<TcpStream>), ProxyError> {
    let mut buf = BytesMut::with_capacity(256);
    loop {
        if let Some(header) = proxy_protocol::parse(&buf)? {
            buf.advance(header.length);
            return Ok((header, stream.put_back(buf)));
        }
        if stream.read_buf(&mut buf).await? == 0 {
            return Err(ProxyError::Closed);
        }
    }
}

/// Why a trusted proxy's connection cannot be served.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error(transparent)]
    Header(#[from] proxy_protocol::Error),
    #[error("connection closed within the PROXY protocol header")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
}
