//! The handshake of a TLS listener: reads the ClientHello, then chooses settings and certificate.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use finding::Fault;
use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::challenges::ACME_TLS;
use super::managed::Managed;
use super::server::{Choice, of_listener};
use crate::config::ListenerConfig;

/// A record with the fatal alert `unrecognized_name` (RFC 6066 §3), which rustls cannot send.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Accepts the handshakes of a listener.
pub(crate) struct TlsListener {
    settings: Arc<ServerConfig>,
    choice: Arc<Choice>,
    managed: Arc<Managed>,
}

/// The end of a handshake.
pub(crate) enum Accepted<T> {
    /// A connection for HTTP.
    Http(Box<TlsStream<T>>),
    /// A validation of TLS-ALPN-01, whose connection is closed.
    Challenge,
    /// A client that wants a name without a certificate; it got an alert.
    UnrecognizedName,
}

/// The settings of one handshake.
enum Chosen {
    Usual,
    Certificate(Arc<CertifiedKey>),
    Challenge(Arc<CertifiedKey>),
    None,
}

impl TlsListener {
    /// Reads the certificates of a listener.
    ///
    /// # Errors
    /// The faults of all certificates, by keys of the listener.
    pub(crate) fn new(listener: &ListenerConfig, managed: &Arc<Managed>) -> Result<Self, Vec<Fault>> {
        let (choice, settings) = of_listener(listener, managed)?;
        Ok(Self { settings: Arc::new(settings), choice, managed: Arc::clone(managed) })
    }

    /// Accepts a handshake of a client that connected to `local`.
    pub(crate) async fn accept<T>(&self, stream: T, local: IpAddr) -> io::Result<Accepted<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let settings = match self.choose(&start.client_hello(), local) {
            Chosen::Usual => Arc::clone(&self.settings),
            Chosen::Certificate(key) => Arc::new(self.with(key)),
            Chosen::Challenge(key) => {
                let mut stream = start.into_stream(Arc::new(self.for_challenge(key))).await?;
                // the validation is over, whether or not the other side still reads
                let _ = stream.shutdown().await;
                return Ok(Accepted::Challenge);
            }
            Chosen::None => {
                let mut stream = start.io;
                stream.write_all(&UNRECOGNIZED_NAME).await?;
                stream.shutdown().await?;
                return Ok(Accepted::UnrecognizedName);
            }
        };
        let stream = start.into_stream(settings).await?;
        Ok(Accepted::Http(Box::new(TlsStream::Server(stream))))
    }

    fn choose(&self, hello: &ClientHello<'_>, local: IpAddr) -> Chosen {
        let name = hello.server_name();
        let challenges = self.managed.challenges();
        // RFC 8737 §3: the client offers this protocol alone
        if challenges.has_alpn() && hello.alpn().is_some_and(|mut offered| offered.by_ref().eq([ACME_TLS])) {
            let key = name.and_then(|name| challenges.alpn(name));
            return key.map_or(Chosen::None, Chosen::Challenge);
        }
        if name.is_none()
            && let Some(key) = self.choice.find_address(local)
        {
            return Chosen::Certificate(key);
        }
        match self.choice.find(name) {
            Some(_) => Chosen::Usual,
            None => Chosen::None,
        }
    }

    /// Returns the settings with another certificate.
    fn with(&self, key: Arc<CertifiedKey>) -> ServerConfig {
        let mut settings = ServerConfig::clone(&self.settings);
        settings.cert_resolver = Arc::new(Only(key));
        settings
    }

    /// Returns the settings of a validation: its certificate and protocol, and no session that a client could resume.
    fn for_challenge(&self, key: Arc<CertifiedKey>) -> ServerConfig {
        let mut settings = self.with(key);
        settings.alpn_protocols = vec![ACME_TLS.to_vec()];
        settings.session_storage = Arc::new(NoServerSessionStorage {});
        settings.send_tls13_tickets = 0;
        settings
    }
}

/// A certificate for every client. rustls' own resolver by name refuses those of challenges, which have critical extensions.
#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
