//! The listener of console and receiver: HTTP/1.1 with or without TLS, with limits on connections and time.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt;

use crate::Problem;

/// Open connections of a listener; more connections wait. An mlogc keeps ten, a browser six.
const MAX_CONNECTIONS: usize = 512;
/// Open connections of one client (IPv6: a /64); more are closed. Connections from this machine and from trusted proxies do not
/// count, because they carry many clients.
const MAX_OF_CLIENT: usize = 64;
/// Time limit for a request's head and the idle time before it. Clients reconnect when they need to.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The same limit for connections that arrive while more than half of all are in use.
const BUSY_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the body of a request to the console.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the body of a request to the console; beyond it 413.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// Time limit for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the read buffer, which holds a request's head.
const BUFFER_BYTES: usize = 64 * 1024;
/// Time that running requests get at the end.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// Serves until `stop` completes, then waits for running requests. Handlers find the peer as [`ConnectInfo`]. `is_shared` says
/// whether a peer is a proxy for many clients.
///
/// # Errors
/// The socket fails.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    is_shared: impl Fn(IpAddr) -> bool + Send,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let tls = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let clients = Clients::default();
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Probably no file descriptors are left: other connections must end first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let Some(place) = clients.enter(peer.ip(), is_shared(peer.ip())) else { continue };
        let busy = room.available_permits() < MAX_CONNECTIONS / 2;
        let head_timeout = if busy { BUSY_HEAD_TIMEOUT } else { HEAD_TIMEOUT };
        // Responses are small, and clients wait for each.
        let _ = stream.set_nodelay(true);
        let (tls, stopped) = (tls.clone(), stopped.clone());
        let router = router.clone();
        tokio::spawn(async move {
            match tls {
                None => connection(stream, peer, router, head_timeout, stopped).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = handshake {
                        connection(stream, peer, router, head_timeout, stopped).await;
                    }
                }
            }
            drop((permit, place));
        });
    }
    // All connections have received the signal, or are closed.
    let _ = stopping.send(true);
    drop(stopped);
    let _ = tokio::time::timeout(STOP_DEADLINE, stopping.closed()).await;
    Ok(())
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    head_timeout: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(BUFFER_BYTES);
    // a layer on the router would be a new layer on each of its routes, for each connection
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    // The client notices a broken connection itself.
    let stop = async {
        // An error means that the listener no longer exists, which also ends the connection.
        drop(stopped.wait_for(|stopped| *stopped).await);
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Open connections by client.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A counted connection of a client. Dropping it ends the count.
struct Place {
    clients: Clients,
    client: IpAddr,
}

impl Clients {
    /// Counts a connection; none at the client's limit.
    fn enter(&self, address: IpAddr, is_shared: bool) -> Option<Place> {
        let address = address.to_canonical();
        let client = match address {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 => v4,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= MAX_OF_CLIENT && !address.is_loopback() && !is_shared {
            return None;
        }
        *count += 1;
        Some(Place { clients: self.clone(), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

/// Reads the whole body before the handler runs, so that it has a limit in time and in length.
pub(crate) async fn whole_body(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let refused = |status: StatusCode, error: String| {
        // the rest of the body stays unread
        ([(header::CONNECTION, "close")], Problem::new(status, error)).into_response()
    };
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(error)) if error.to_string().contains("length limit") => {
            refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {MAX_BODY_BYTES} bytes"))
        }
        Ok(Err(error)) => refused(StatusCode::BAD_REQUEST, format!("cannot read the body: {error}")),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_connections() {
        let clients = Clients::default();
        let enter = |address: &str| clients.enter(address.parse().unwrap(), address == "192.0.2.80");
        let places: Vec<_> = (0..MAX_OF_CLIENT).map(|_| enter("192.0.2.1").unwrap()).collect();
        assert!(enter("192.0.2.1").is_none() && enter("::ffff:192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        let of_net: Vec<_> =
            (0..MAX_OF_CLIENT).map(|n| enter(&format!("2001:db8::{n:x}")).unwrap()).collect();
        assert!(enter("2001:db8::ffff:1").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
        let local: Vec<_> = (0..2 * MAX_OF_CLIENT).map(|_| enter("127.0.0.1").unwrap()).collect();
        let proxy: Vec<_> = (0..2 * MAX_OF_CLIENT).map(|_| enter("192.0.2.80").unwrap()).collect();
        drop((places, of_net, local, proxy));
        assert!(enter("192.0.2.1").is_some());
        assert!(clients.0.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_limits_of_length_and_time() {
        let router = Router::new()
            .route("/", axum::routing::post(async |body: axum::body::Bytes| body.len().to_string()))
            .layer(axum::middleware::from_fn(whole_body));
        let ask = async |body: Body| {
            let request = Request::post("/").body(body).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            (response.status().as_u16(), response.headers().contains_key(header::CONNECTION))
        };
        assert_eq!(ask(Body::empty()).await, (200, false));
        assert_eq!(ask(Body::from(vec![0; MAX_BODY_BYTES])).await, (200, false));
        assert_eq!(ask(Body::from(vec![0; MAX_BODY_BYTES + 1])).await, (413, true));
        let never = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        assert_eq!(ask(never).await, (408, true));
    }
}
