//! One HTTP request with a JSON body, and its answer. Nothing else is needed: no pool, no redirections, no proxies.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use event::Timestamp;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::limits::{MAX_ANSWER_BYTES, MAX_ERROR_CHARS};
use crate::retry::{SendError, judge_status};
use crate::text::shown;

/// What monban says that it is.
pub const AGENT: &str = concat!("monban/", env!("CARGO_PKG_VERSION"));

/// Where to send to. Its path may be a secret: neither Debug nor any error shows it.
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
    /// Reads `https://host[:port]/path` or the same with http.
    ///
    /// # Errors
    /// What is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri =
            text.parse().map_err(|_| "is no address such as https://host/path".to_owned())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("must begin with https:// or http://".to_owned()),
        };
        let authority = uri.authority().ok_or_else(|| "has no host".to_owned())?;
        if authority.as_str().contains('@') {
            return Err("must not hold a user or a password".to_owned());
        }
        let host = authority.host().to_owned();
        if host.is_empty() {
            return Err("has no host".to_owned());
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { secure, host, port, target })
    }

    /// Whether the connection is encrypted, or does not leave this machine.
    pub fn is_private(&self) -> bool {
        let address = self.bare_host().parse::<std::net::IpAddr>();
        self.secure || self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The host without the brackets of IPv6.
    fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Certificate authorities: those of a PEM file, or the public ones.
///
/// # Errors
/// If the file cannot be read or holds no certificate.
pub fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if certificates.is_empty() {
                return Err(format!("{}: holds no certificate", path.display()));
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

/// Posts JSON and judges the answer, all within `deadline`.
///
/// # Errors
/// See [`judge_status`]; whatever happens to the connection is worth another try.
pub async fn post(
    endpoint: &Endpoint,
    tls: &Arc<ClientConfig>,
    headers: &[(HeaderName, HeaderValue)],
    json: Vec<u8>,
    deadline: Duration,
) -> Result<(), SendError> {
    let exchange = async {
        let stream = TcpStream::connect((endpoint.bare_host(), endpoint.port))
            .await
            .map_err(|error| format!("{}:{}: {error}", endpoint.host, endpoint.port))?;
        if endpoint.secure {
            let name =
                ServerName::try_from(endpoint.bare_host().to_owned()).map_err(|error| error.to_string())?;
            let stream = TlsConnector::from(Arc::clone(tls))
                .connect(name, stream)
                .await
                .map_err(|error| format!("{}:{}: TLS: {error}", endpoint.host, endpoint.port))?;
            exchange(endpoint, headers, json, stream).await
        } else {
            exchange(endpoint, headers, json, stream).await
        }
    };
    let answer = match tokio::time::timeout(deadline, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(what)) => return Err(SendError::later(what)),
        Err(_) => {
            let what =
                format!("{}:{}: no answer within {} s", endpoint.host, endpoint.port, deadline.as_secs());
            return Err(SendError::later(what));
        }
    };
    let now = Timestamp::from(SystemTime::now());
    judge_status(answer.status, answer.retry_after.as_deref(), &answer.text, now)
}

struct Answer {
    status: u16,
    retry_after: Option<Vec<u8>>,
    text: String,
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    endpoint: &Endpoint,
    headers: &[(HeaderName, HeaderValue)],
    json: Vec<u8>,
    stream: S,
) -> Result<Answer, String> {
    let place = |what: String| format!("{}:{}: {what}", endpoint.host, endpoint.port);
    let default = if endpoint.secure { 443 } else { 80 };
    let host = if endpoint.port == default {
        endpoint.host.clone()
    } else {
        format!("{}:{}", endpoint.host, endpoint.port)
    };
    let mut request = http::Request::post(&endpoint.target)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(json)))
        .map_err(|error| place(error.to_string()))?;
    for (name, value) in headers {
        request.headers_mut().insert(name, value.clone());
    }
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| place(error.to_string()))?;
    // Ends with this exchange, whichever way that ends.
    let connection = AbortOnDrop(tokio::spawn(async move {
        // the exchange itself tells what went wrong
        let _ = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(|error| place(error.to_string()))?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.as_bytes().to_vec());
    let mut body = response.into_body();
    let mut text = Vec::new();
    while text.len() < MAX_ANSWER_BYTES
        && let Some(frame) = body.frame().await
    {
        // what there is of it is enough to tell
        let Ok(frame) = frame else { break };
        if let Some(data) = frame.data_ref() {
            text.extend_from_slice(&data[..data.len().min(MAX_ANSWER_BYTES - text.len())]);
        }
    }
    drop(connection);
    Ok(Answer { status, retry_after, text: shown(text.trim_ascii(), MAX_ERROR_CHARS) })
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("https://u:p@example.org/", Err("must not hold a user")),
            ("https://example.org/a b", Err("is no address")),
            ("", Err("is no address")),
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
}
