//! A single HTTP request and its answer, without pool, redirects, proxies or cookies.
//!
//! One deadline covers the whole exchange, and one limit the body of the answer. The client's [`Resolve`] resolves
//! names.
//!
//! ```no_run
//! use spine::http::{Client, Endpoint, Request};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(None)?;
//! let endpoint = Endpoint::parse("https://acme-v02.api.letsencrypt.org/directory")?;
//! let answer = client.send(&endpoint, Request::default()).await?;
//! println!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
//! # Ok(()) }
//! ```

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use ::http::{Method, StatusCode, Uri};
use bytes::Bytes;
use event::Timestamp;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::{BoxFuture, between};
use crate::limits::{CONNECT_TIMEOUT, MAX_ADDRESSES, MAX_HEAD_BYTES};

/// The User-Agent of monban's requests.
pub const AGENT: &str = concat!("monban/", env!("CARGO_PKG_VERSION"));

/// The URL of a resource. Its path may be a secret: Debug output and errors never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({}:{})", self.host, self.port)
    }
}

impl Endpoint {
    /// Parses `https://host[:port]/path` or the same with http.
    ///
    /// # Errors
    /// A description of the fault, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "is not a URL such as https://host/path".to_owned())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("must begin with https:// or http://".to_owned()),
        };
        let authority = uri.authority().ok_or_else(|| "has no host".to_owned())?;
        if authority.as_str().contains('@') {
            return Err("must not contain a user or a password".to_owned());
        }
        let host = authority.host().to_owned();
        if host.is_empty() {
            return Err("has no host".to_owned());
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { secure, host, port, target })
    }

    /// Returns whether the connection is encrypted or stays on this machine.
    pub fn is_private(&self) -> bool {
        let address = self.bare_host().parse::<IpAddr>();
        self.secure || self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Returns the host without the brackets of IPv6.
    fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the value of the Host field.
    fn authority(&self) -> String {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// Builds the TLS settings of a client that trusts the authorities in the PEM file `ca`, or the public ones without a
/// file.
///
/// # Errors
/// If the file cannot be read or contains no certificate.
pub fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if certificates.is_empty() {
                return Err(format!("{}: contains no certificate", path.display()));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// A name resolver.
pub trait Resolve: std::fmt::Debug + Send + Sync {
    /// Returns the addresses of a name, in the order in which to try them.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver: getaddrinfo(3), with /etc/hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The content of a request, and the limits of its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET by default.
    pub method: Method,
    /// Fields other than Host and User-Agent. A Host or User-Agent here replaces the client's.
    pub headers: HeaderMap,
    /// The body; empty by default.
    pub body: Bytes,
    /// Bytes of the answer's body that the client reads; it leaves the rest unread.
    pub max_answer: usize,
    /// Time limit from the resolution of the name to the end of the answer.
    pub deadline: Duration,
}

/// A GET request that accepts up to 64 KiB of answer within 30 s.
impl Default for Request {
    fn default() -> Self {
        Self {
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            max_answer: 64 * 1024,
            deadline: Duration::from_secs(30),
        }
    }
}

/// An answer with any status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body, up to [`Request::max_answer`].
    pub body: Bytes,
    /// Whether `body` is complete: false if the body is longer or the connection broke within it.
    pub complete: bool,
}

/// Parses a Retry-After field (RFC 9110 §10.2.3): seconds, or a date in any of HTTP's three forms. The result is zero for
/// a past date, and none for any other value. The caller bounds it.
pub fn retry_after(value: &[u8], now: Timestamp) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // a number with too many digits also exceeds every bound
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    Some(between(now, Timestamp::from(httpdate::parse_http_date(text).ok()?)))
}

/// The failure of a request. Its text names the host and the step, but never the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{peer}: {what}")]
pub struct HttpError {
    /// The peer as `host:port`.
    pub peer: String,
    /// The step and its error.
    pub what: String,
}

/// A client for single requests.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Arc<ClientConfig>,
    resolver: Arc<dyn Resolve>,
}

impl Client {
    /// Creates a client that trusts the authorities in the PEM file `ca`, or the public ones without a file, and uses
    /// the system's resolver.
    ///
    /// # Errors
    /// See [`tls`].
    pub fn new(ca: Option<&Path>) -> Result<Self, String> {
        Ok(Self { tls: tls(ca)?, resolver: Arc::new(SystemResolver) })
    }

    /// Replaces the resolver.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// Sends a request and reads the answer, regardless of its status.
    ///
    /// # Errors
    /// If no connection, no TLS session or no answer comes within the deadline.
    pub async fn send(&self, endpoint: &Endpoint, request: Request) -> Result<Answer, HttpError> {
        let failed = |what| HttpError { peer: format!("{}:{}", endpoint.host, endpoint.port), what };
        let deadline = request.deadline;
        match tokio::time::timeout(deadline, self.exchange(endpoint, request)).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(failed(format!("no answer within {} s", deadline.as_secs()))),
        }
    }

    async fn exchange(&self, endpoint: &Endpoint, request: Request) -> Result<Answer, String> {
        let stream = self.connect(endpoint).await?;
        if !endpoint.secure {
            return exchange(endpoint, request, stream).await;
        }
        let name =
            ServerName::try_from(endpoint.bare_host().to_owned()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| format!("TLS: {error}"))?;
        exchange(endpoint, request, stream).await
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, String> {
        let host = endpoint.bare_host();
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.addresses(host).await.map_err(|error| error.to_string())?,
        };
        let mut failed = "the name has no address".to_owned();
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            let connecting = TcpStream::connect(SocketAddr::new(address, endpoint.port));
            match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failed = error.to_string(),
                Err(_) => {
                    failed = format!("no connection to {address} within {} s", CONNECT_TIMEOUT.as_secs())
                }
            }
        }
        Err(failed)
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    endpoint: &Endpoint,
    request: Request,
    stream: S,
) -> Result<Answer, String> {
    let mut message = ::http::Request::new(Full::new(request.body));
    *message.method_mut() = request.method;
    *message.uri_mut() = endpoint.target.parse().map_err(|_| "the path cannot be sent".to_owned())?;
    let host = HeaderValue::try_from(endpoint.authority()).map_err(|error| error.to_string())?;
    message.headers_mut().insert(HOST, host);
    message.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    message.headers_mut().extend(request.headers);
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // The task ends with this exchange. The exchange itself returns the error of the connection.
    let mut connected = tokio::task::JoinSet::new();
    connected.spawn(connection);
    let response = sender.send_request(message).await.map_err(|error| error.to_string())?;
    let (head, mut content) = response.into_parts();
    let mut body = Vec::new();
    let complete = loop {
        match content.frame().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                let room = request.max_answer - body.len();
                body.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    break false;
                }
            }
        }
    };
    Ok(Answer { status: head.status, headers: head.headers, body: body.into(), complete })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use testkit::Receiver;

    use super::*;

    #[test]
    fn retry_after_in_every_form() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7\t", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("100000", Some(100_000)),
            ("Tue, 24 Nov 2026 10:01:30 GMT", Some(90)),
            ("Tuesday, 24-Nov-26 10:01:30 GMT", Some(90)),
            ("Tue Nov 24 10:01:30 2026", Some(90)),
            ("Mon, 23 Nov 2026 10:00:00 GMT", Some(0)),
            ("Wed, 25 Nov 2026 10:00:00 GMT", Some(86_400)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("Tue, 32 Nov 2026 10:00:00 GMT", None),
        ] {
            assert_eq!(retry_after(value.as_bytes(), now).map(|d| d.as_secs()), seconds, "{value:?}");
        }
        assert_eq!(retry_after(b"\xff", now), None);
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            (
                "https://hooks.slack.com/services/T/B/x?y",
                Ok(("hooks.slack.com", 443, "/services/T/B/x?y", true)),
            ),
            ("http://127.0.0.1:8080", Ok(("127.0.0.1", 8080, "/", true))),
            ("http://[::1]:1/a", Ok(("[::1]", 1, "/a", true))),
            ("http://example.org/a", Ok(("example.org", 80, "/a", false))),
            ("ftp://example.org/", Err("must begin with")),
            ("example.org", Err("must begin with")),
            ("https://u:p@example.org/", Err("must not contain a user")),
            ("https://example.org/a b", Err("is not a URL")),
            ("", Err("is not a URL")),
        ] {
            match (Endpoint::parse(text), expected) {
                (Ok(found), Ok((host, port, target, private))) => {
                    assert_eq!(
                        (found.host.as_str(), found.port, found.target.as_str()),
                        (host, port, target)
                    );
                    assert_eq!(found.is_private(), private, "{text}");
                }
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let secret = Endpoint::parse("https://hooks.slack.com/services/T/B/hush").unwrap();
        assert!(!format!("{secret:?}").contains("hush"));
    }

    #[derive(Debug)]
    struct Names(Vec<IpAddr>);

    impl Resolve for Names {
        fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            assert_eq!(name, "shop.example");
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    fn named(receiver: &Receiver, path: &str) -> Endpoint {
        let address = receiver.url();
        let port = address.split(':').nth(2).unwrap().split('/').next().unwrap();
        Endpoint::parse(&format!("http://shop.example:{port}{path}")).unwrap()
    }

    #[tokio::test]
    async fn sends_method_fields_and_body_to_the_first_address_that_answers() {
        let receiver = Receiver::start();
        // nothing listens on ::1 at this port
        let names = Names(vec!["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
        let client = Client::new(None).unwrap().with_resolver(Arc::new(names));
        receiver.answer(&["HTTP/1.1 201 Created\r\nReplay-Nonce: n1\r\nContent-Length: 2\r\n\r\nok"]);
        let mut request = Request { method: Method::PUT, body: "text".into(), ..Request::default() };
        request.headers.insert("x-token", HeaderValue::from_static("hush"));
        let answer = client.send(&named(&receiver, "/a?b"), request).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..], answer.complete), (201, &b"ok"[..], true));
        assert_eq!(answer.headers["replay-nonce"], "n1");
        let seen = &receiver.requests()[0];
        assert_eq!(seen.line, "PUT /a?b HTTP/1.1");
        assert_eq!((seen.header("x-token"), seen.header("user-agent")), ("hush", AGENT));
        assert!(seen.header("host").starts_with("shop.example:"));
    }

    #[tokio::test]
    async fn an_answer_is_cut_at_its_limit() {
        let receiver = Receiver::start();
        let client = Client::new(None).unwrap();
        let endpoint = Endpoint::parse(&receiver.url()).unwrap();
        for (content, framing, body, complete) in [
            ("12345678", "Content-Length: 8\r\n", "12345678", true),
            ("123456789", "Content-Length: 9\r\n", "12345678", false),
            ("1234", "Content-Length: 8\r\n", "1234", false),
            (&"x".repeat(1 << 20)[..], "", "xxxxxxxx", false),
            ("", "Content-Length: 0\r\n", "", true),
        ] {
            receiver.answer(&[&format!("HTTP/1.1 200 OK\r\n{framing}\r\n{content}")]);
            let answer =
                client.send(&endpoint, Request { max_answer: 8, ..Request::default() }).await.unwrap();
            assert_eq!((&answer.body[..], answer.complete), (body.as_bytes(), complete), "{framing}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD_BYTES));
        for answer in [&long[..], "this is not HTTP", ""] {
            receiver.answer(&[answer]);
            let error = client.send(&endpoint, Request::default()).await.unwrap_err();
            assert!(error.peer.starts_with("127.0.0.1:") && !error.to_string().contains("hush"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_silent_peer_ends_at_the_deadline() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for scheme in ["http", "https"] {
            let endpoint =
                Endpoint::parse(&format!("{scheme}://{}/hush", silent.local_addr().unwrap())).unwrap();
            let request = Request { deadline: Duration::from_millis(50), ..Request::default() };
            let error = Client::new(None).unwrap().send(&endpoint, request).await.unwrap_err();
            assert_eq!(error.what, "no answer within 0 s");
        }
        let client = Client::new(None).unwrap().with_resolver(Arc::new(Names(Vec::new())));
        let endpoint = Endpoint::parse("http://shop.example/hush").unwrap();
        let error = client.send(&endpoint, Request::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "shop.example:80: the name has no address");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"no certificate").unwrap();
        assert!(tls(Some(file.path())).unwrap_err().ends_with("contains no certificate"));
        assert!(tls(Some(Path::new("/nonexistent"))).unwrap_err().starts_with("/nonexistent: "));
    }
}
