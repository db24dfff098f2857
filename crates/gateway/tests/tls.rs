//! TLS in front (SNI, reload) and behind (verified).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::config::{CertificateConfig, GatewayConfig, UpstreamHttp2};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Gate, PATIENCE, Upstream, config, ok, wait_for};

/// An authority and the certificates that it has made, as files.
pub struct Authority {
    pub dir: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, issuer: rcgen::Issuer::new(params, key), certificate }
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Makes a certificate for `names` in files named after `stem`, overwriting older ones.
    pub fn issue(&self, stem: &str, names: &[&str]) -> CertificateConfig {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let files = CertificateConfig {
            certificate: self.dir.path().join(format!("{stem}.pem")),
            key: self.dir.path().join(format!("{stem}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    pub fn client_config(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// Connects and returns the stream once the handshake is done.
    pub fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(self.client_config(&[b"http/1.1"]), name).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

fn leaf(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn get(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> String {
    stream.write_all(b"GET /tls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn tls_config(upstream: &Upstream, certificates: Vec<CertificateConfig>) -> GatewayConfig {
    let mut config = config(&upstream.url());
    config.listeners[0].tls = certificates;
    config
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let authority = Authority::new();
    let (a, b) = (authority.issue("a", &["a.test", "*.a.test"]), authority.issue("b", &["b.test"]));
    let upstream = Upstream::echo();
    let gate = Gate::start(&tls_config(&upstream, vec![a.clone(), b.clone()]));
    for (name, files) in [("a.test", &a), ("www.a.test", &a), ("b.test", &b)] {
        let mut stream = authority.connect(gate.address, name).unwrap();
        assert_eq!(stream.conn.peer_certificates().unwrap()[0], leaf(&files.certificate), "{name}");
        let text = get(&mut stream);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("/tls"), "{text}");
    }
    assert!(upstream.seen(3).iter().all(|seen| seen.header("x-forwarded-proto") == Some("https")));
    // an unknown name gets the first certificate, which the client then refuses
    let error = authority.connect(gate.address, "c.test").unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
}

#[test]
fn certificates_are_reloaded_without_closing_connections() {
    let authority = Authority::new();
    let files = authority.issue("a", &["a.test"]);
    let upstream = Upstream::echo();
    let config = tls_config(&upstream, vec![files.clone()]);
    let gate = Gate::start(&config);
    let old = leaf(&files.certificate);
    let mut open = authority.connect(gate.address, "a.test").unwrap();

    authority.issue("a", &["a.test"]);
    let new = leaf(&files.certificate);
    assert_ne!(old, new);
    gate.reload(&config).unwrap();
    let mut stream = authority.connect(gate.address, "a.test").unwrap();
    assert_eq!(stream.conn.peer_certificates().unwrap()[0], new);
    assert!(get(&mut stream).ends_with("/tls"));
    assert_eq!(open.conn.peer_certificates().unwrap()[0], old);
    assert!(get(&mut open).ends_with("/tls"));

    // a key that does not belong to the certificate: refused, and the old pair stays
    let other = authority.issue("other", &["a.test"]);
    std::fs::copy(&other.key, &files.key).unwrap();
    let error = gate.reload(&config).unwrap_err().to_string();
    assert!(error.contains("a.pem with") && error.contains("a.key"), "{error}");
    let stream = authority.connect(gate.address, "a.test").unwrap();
    assert_eq!(stream.conn.peer_certificates().unwrap()[0], new);
}

#[test]
fn plain_text_on_a_tls_port_is_closed_and_counted() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gate = Gate::start(&tls_config(&upstream, vec![authority.issue("a", &["a.test"])]));
    let mut client = gate.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // an alert at most, no answer
    assert!(client.rest().len() < 16);
    // the connection may be closed before that is counted
    let counter = "monban_connections_refused_total{reason=\"tls\"}";
    wait_for(|| gate.metric(counter) == Some(1.0), "the count");
}

#[test]
fn the_proxy_protocol_comes_before_tls() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let mut config = tls_config(&upstream, vec![authority.issue("a", &["a.test"])]);
    config.listeners[0].proxy_protocol = true;
    config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let gate = Gate::start(&config);
    let mut tcp = TcpStream::connect(gate.address).unwrap();
    tcp.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.99 4660 443\r\n").unwrap();
    let name = ServerName::try_from("a.test").unwrap();
    let connection = ClientConnection::new(authority.client_config(&[]), name).unwrap();
    let mut stream = StreamOwned::new(connection, tcp);
    assert!(get(&mut stream).ends_with("/tls"));
    assert_eq!(upstream.seen(1)[0].header("x-forwarded-for"), Some("192.0.2.7"));
}

/// An https upstream for one connection after another, which speaks HTTP/1.1 only.
fn tls_upstream(files: &CertificateConfig) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf(&files.certificate)], PrivateKeyDer::from_pem_file(&files.key).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, tcp.unwrap());
            let mut head = Vec::new();
            let mut byte = [0];
            // a client that does not trust the certificate leaves here
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            if head.ends_with(b"\r\n\r\n") {
                stream.write_all(&ok("secret")).unwrap();
            }
        }
    });
    address
}

#[test]
fn https_upstreams_are_verified() {
    let authority = Authority::new();
    let good = tls_upstream(&authority.issue("good", &["127.0.0.1"]));
    let wrong_name = tls_upstream(&authority.issue("wrong", &["elsewhere.test"]));
    let stranger = Authority::new();
    let unknown = tls_upstream(&stranger.issue("unknown", &["127.0.0.1"]));
    for (address, status) in [(good, 200), (wrong_name, 502), (unknown, 502)] {
        for http2 in [UpstreamHttp2::Auto, UpstreamHttp2::Never] {
            let mut config = config(&format!("https://{address}"));
            config.sites[0].upstream_ca = Some(authority.ca());
            config.sites[0].upstream_http2 = http2;
            let gate = Gate::start(&config);
            let response = gate.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(response.status, status, "{address}");
            if status == 502 {
                let reason = gate.events(1)[0].reason.clone().unwrap();
                assert!(reason.contains("tls handshake failed"), "{reason}");
            }
        }
    }
}
