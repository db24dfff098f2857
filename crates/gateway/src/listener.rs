//! Listening sockets, and the first steps of a connection: counting, PROXY protocol, TLS, then HTTP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Buf, BytesMut};
use finding::{Fault, KeyPath};
use socket2::{Domain, Protocol as SocketProtocol, SockRef, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::client_address::is_trusted;
use crate::config::GatewayConfig;
use crate::gate::Gate;
use crate::incoming::Peer;
use crate::limits::{Admission, Crowded, RETIREMENT};
use crate::proxy_protocol;
use crate::server::h1::Protocol;
use crate::server::{Drain, h1, h2};
use crate::stream::{Rewound, Stream};
use crate::tls::{self, Accepted, Managed, TlsListener};

/// Connections that the kernel completes before the gate accepts them.
const BACKLOG: i32 = 4096;

/// Pause after a failed accept, whose usual cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Settings that may change while a listener is open.
pub(crate) struct ListenerSettings {
    tls: Option<TlsListener>,
    proxy_protocol: bool,
    http2: bool,
}

/// Reads the listeners of a configuration and their certificates, and adds every fault to `faults`.
pub(crate) fn settings(
    config: &GatewayConfig,
    managed: &Arc<Managed>,
    faults: &mut Vec<Fault>,
) -> HashMap<SocketAddr, ListenerSettings> {
    faults.extend(tls::key_faults(config));
    let mut all = HashMap::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let address = listener.address;
        let tls = match listener.tls.is_empty() {
            true => None,
            false => match TlsListener::new(listener, managed) {
                Ok(tls) => Some(tls),
                Err(own) => {
                    faults.extend(own.into_iter().map(|fault| fault.below(("listen", index))));
                    None
                }
            },
        };
        let settings =
            ListenerSettings { tls, proxy_protocol: listener.proxy_protocol, http2: listener.http2 };
        if all.insert(address, settings).is_some() {
            let key = KeyPath::from(("listen", index)).key("address");
            faults.push(Fault::at(key, format!("two [[listen]] sections have the address {address}")));
        }
    }
    all
}

/// Binds a port.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    bind_with(address, false)
}

/// Returns the addresses with which a listener receives the connections to every address of this machine: `[::]`, and `0.0.0.0` where
/// the system has no IPv6 or separates the two.
pub fn every_address() -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(SocketProtocol::TCP));
    match socket.and_then(|socket| socket.only_v6()) {
        Ok(false) => vec![v6],
        Ok(true) => vec![v6, v4],
        Err(_) => vec![v4],
    }
}

fn bind_with(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(SocketProtocol::TCP))?;
    // a restart must not wait for the connections of the previous process
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Binds a port that listeners of this process still hold, wholly or in part (`0.0.0.0:80` and `192.0.2.1:80`): both listen until
/// the others stop.
pub(crate) fn bind_beside(address: SocketAddr, others: &[&Listener]) -> io::Result<TcpListener> {
    let share = |on| others.iter().try_for_each(|other| SockRef::from(&*other.socket).set_reuse_port(on));
    let bound = share(true).and_then(|()| bind_with(address, true));
    // another process must not bind a part of this address
    share(false)?;
    let bound = bound?;
    SockRef::from(&bound).set_reuse_port(false)?;
    Ok(bound)
}

/// A listening socket and its task.
pub(crate) struct Listener {
    local: SocketAddr,
    socket: Arc<TcpListener>,
    settings: Arc<ArcSwap<ListenerSettings>>,
    /// Ends the task and its connections.
    drain: Drain,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(socket: TcpListener, settings: ListenerSettings, gate: &Arc<Gate>) -> Self {
        let local = socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let socket = Arc::new(socket);
        let drain = Drain::default();
        let task = accept(Arc::clone(&socket), Arc::clone(&settings), Arc::clone(gate), drain.clone());
        let task = tokio::spawn(task);
        Self { local, socket, settings, drain, task }
    }

    /// Whether a socket on `address` would receive some of its connections.
    pub(crate) fn overlaps(&self, address: SocketAddr) -> bool {
        let (one, other) = (self.local.ip(), address.ip());
        self.local.port() == address.port()
            && (one == other || one.is_unspecified() || other.is_unspecified())
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Changes the settings for new connections.
    pub(crate) fn change(&self, settings: ListenerSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Stops accepting, and ends each connection after its current request.
    pub(crate) fn stop(self) {
        self.drain.last.cancel();
        self.drain.idle.cancel();
    }

    /// Stops accepting while the gate continues: requests in flight are still served. Returns when the socket is closed, so that
    /// later clients reach the new listener.
    pub(crate) async fn retire(self) {
        let Self { socket, drain, task, .. } = self;
        drop(socket);
        drain.last.cancel();
        // a task that panicked has closed its socket too
        let _ = task.await;
        // closes the socket first: unaccepted connections would wait in its queue
        tokio::spawn(async move {
            tokio::time::sleep(RETIREMENT).await;
            drain.idle.cancel();
        });
    }
}

async fn accept(
    socket: Arc<TcpListener>,
    settings: Arc<ArcSwap<ListenerSettings>>,
    gate: Arc<Gate>,
    drain: Drain,
) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = drain.last.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => admit(&gate, &settings, stream, peer, &drain),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Closing the socket would reset the connections that the kernel has completed.
    while let Ok((stream, peer)) = SockRef::from(&*socket).accept() {
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream.into()));
        if let (Ok(stream), Some(peer)) = (stream, peer.as_socket()) {
            admit(&gate, &settings, stream, peer, &drain);
        }
    }
}

/// Counts a connection and starts to serve it.
fn admit(
    gate: &Arc<Gate>,
    settings: &ArcSwap<ListenerSettings>,
    stream: TcpStream,
    peer: SocketAddr,
    drain: &Drain,
) {
    gate.metrics.connections.inc();
    let runtime = gate.runtime.load();
    let mut admission = match gate.connections.admit(&runtime.limits) {
        Ok(admission) => admission,
        Err(crowded) => return refuse(gate, crowded, peer),
    };
    let settings = settings.load_full();
    // the client behind a trusted proxy is known, and counted, later
    if !is_trusted(&runtime.trusted, peer.ip())
        && let Err(crowded) = admission.name_client(peer.ip(), &runtime.limits)
    {
        return refuse(gate, crowded, peer);
    }
    drop(runtime);
    let connection = Arc::clone(gate);
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

/// Closes a connection beyond the limit without a response, which would cost as much as the limit saves.
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
    drain: &Drain,
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
        // boxed, because otherwise every connection would be as large as a handshake
        Some(tls) => match tokio::time::timeout(timeout, Box::pin(tls.accept(stream, peer.local.ip()))).await
        {
            Ok(Ok(Accepted::Http(stream))) => Stream::Tls(stream),
            Ok(Ok(Accepted::Challenge)) => {
                let client = peer.address.ip().to_canonical();
                return tracing::info!(%client, "answered a TLS-ALPN-01 challenge");
            }
            Ok(Ok(Accepted::UnrecognizedName)) => {
                return gate.metrics.connection_refused("unrecognized-name");
            }
            Ok(Err(error)) => {
                gate.metrics.connection_refused("tls");
                return tracing::debug!(%from, %error, "tls handshake failed");
            }
            Err(_) => return gate.metrics.connection_refused("tls"),
        },
    };
    let client = gate.shares.client(peer.address.ip());
    let agreed = match &stream {
        Stream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        _ => false,
    };
    if agreed {
        return Box::pin(h2::serve(gate, peer, &client, stream, drain)).await;
    }
    let by_preface = settings.http2 && settings.tls.is_none();
    match h1::serve(gate, peer, &client, stream, by_preface, drain).await {
        Protocol::Http1 => {}
        Protocol::Http2(stream) => Box::pin(h2::serve(gate, peer, &client, stream, drain)).await,
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

/// The reason why the connection of a trusted proxy cannot be served.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error(transparent)]
    Header(#[from] proxy_protocol::Error),
    #[error("connection closed within the PROXY protocol header")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
}
