//! The listeners of console and receiver: HTTP/1.1, plain or within TLS, with limits on connections and time.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Connections at one time, of each listener; further ones wait. An mlogc keeps ten, a browser six.
const MAX_CONNECTIONS: usize = 512;
/// How long a request's head, and the quiet time before it, may take; clients connect again when they need to.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head and what is read ahead.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long running requests may take to end.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// Serves until `stop` is done, then lets running requests end. Handlers find the peer as [`ConnectInfo`].
///
/// # Errors
/// Those of the socket.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let tls = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of descriptors, most likely: others have to end first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        // Answers are small and clients wait for each.
        let _ = stream.set_nodelay(true);
        let (tls, stopped) = (tls.clone(), stopped.clone());
        let router = router.clone().layer(Extension(ConnectInfo(peer)));
        tokio::spawn(async move {
            match tls {
                None => connection(stream, router, stopped).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = handshake {
                        connection(stream, router, stopped).await;
                    }
                }
            }
            drop(permit);
        });
    }
    // All connections have seen it, or are gone.
    let _ = stopping.send(true);
    drop(stopped);
    let _ = tokio::time::timeout(STOP_DEADLINE, stopping.closed()).await;
    Ok(())
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    // Whoever is at the other end notices what went wrong with the connection by himself.
    let stop = async {
        // An error says that the listener is gone, which is the same.
        drop(stopped.wait_for(|stopped| *stopped).await);
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
