//! TLS towards clients (SNI, reload) and to upstreams (verified).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway::config::{CertificateConfig, GatewayConfig, TlsSource, UpstreamHttp2, UpstreamTls};
use gateway::tls::CertificateFaults;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Gate, PATIENCE, Upstream, config, ok, wait_for};

/// An authority and its certificates, as files.
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

    /// Issues a certificate for `names` in files named after `stem`, overwriting older ones.
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

    /// Connects, and returns the stream after the handshake.
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

pub fn get(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> String {
    stream.write_all(b"GET /tls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn tls_config(upstream: &Upstream, certificates: Vec<CertificateConfig>) -> GatewayConfig {
    let mut config = config(&upstream.url());
    config.listeners[0].tls = certificates.into_iter().map(TlsSource::from).collect();
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

    // a key of another certificate is refused, and the old pair stays
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
    // at most an alert, no response
    assert!(client.rest().len() < 16);
    // the connection may close before it is counted
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

/// Starts an https upstream that serves one connection after another and speaks only HTTP/1.1.
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
            // a client that does not trust the certificate disconnects here
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
                let reason = gate.events(1)[0].summary.clone().unwrap();
                assert!(reason.contains("tls handshake failed"), "{reason}");
            }
        }
    }
}

#[test]
fn b10_the_gate_chooses_the_cipher() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let gate = Gate::start(&tls_config(&upstream, vec![authority.issue("a", &["a.test"])]));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut provider = rustls::crypto::ring::default_provider();
        let of_version = |suite: &&rustls::SupportedCipherSuite| suite.version() == version;
        let preferred = provider.cipher_suites.iter().find(of_version).unwrap().suite();
        // the weaker suites first
        provider.cipher_suites.reverse();
        let mut roots = RootCertStore::empty();
        roots.add(leaf(&authority.ca())).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(gate.address).unwrap();
        let connection =
            ClientConnection::new(Arc::new(config), ServerName::try_from("a.test").unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        assert!(get(&mut stream).ends_with("/tls"));
        assert_eq!(stream.conn.negotiated_cipher_suite().unwrap().suite(), preferred);
    }
}

/// Writes a self-signed certificate that could be an authority, as `openssl req -x509` makes it, valid between two days.
fn self_signed(dir: &Path, stem: &str, name: &str, days: std::ops::Range<i64>) -> CertificateConfig {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let day = |days: i64| {
        let year_2030 = rcgen::date_time_ymd(2030, 1, 1);
        if days < 0 {
            year_2030 - Duration::from_secs(days.unsigned_abs() * 86_400)
        } else {
            year_2030 + Duration::from_secs(days.unsigned_abs() * 86_400)
        }
    };
    (params.not_before, params.not_after) = (day(days.start), day(days.end));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = CertificateConfig {
        certificate: dir.join(format!("{stem}.pem")),
        key: dir.join(format!("{stem}.key")),
    };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

/// Returns 2030-01-01.
fn new_year() -> event::Timestamp {
    event::Timestamp::from_micros(1_893_456_000_000_000)
}

#[test]
fn b14_files_that_cannot_be_used_are_told_of_in_plain_words() {
    let dir = tempfile::tempdir().unwrap();
    let one = self_signed(dir.path(), "one", "a.test", -10..100);
    let two = self_signed(dir.path(), "two", "b.test", -10..100);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (certificate, key) = (read(&one.certificate), read(&one.key));
    let der = leaf(&one.certificate).to_vec();
    let chain = read(&two.certificate) + &certificate;
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let (cut, cut_key) = (certificate.len() - 40, key.len() - 40);
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let cases: &[(&[u8], &[u8], &str)] = &[
        (
            certificate.as_bytes(),
            read(&two.key).into_bytes().leak(),
            "the key belongs to another certificate",
        ),
        (
            certificate.as_bytes(),
            key.replace("PRIVATE", "ENCRYPTED PRIVATE").into_bytes().leak(),
            "the key is encrypted with a passphrase",
        ),
        (certificate.as_bytes(), legacy.as_bytes(), "openssl pkey -in"),
        (&certificate.as_bytes()[..cut], key.as_bytes(), "the file ends inside a certificate; copy it again"),
        (
            (certificate.clone() + &certificate[..cut]).into_bytes().leak(),
            key.as_bytes(),
            "the file ends inside",
        ),
        (certificate.as_bytes(), &key.as_bytes()[..cut_key], "the file ends inside a key; copy it again"),
        (chain.as_bytes(), key.as_bytes(), "wrong order: the key belongs to certificate 2"),
        (key.as_bytes(), certificate.as_bytes(), "are `certificate` and `key` swapped?"),
        (certificate.as_bytes(), certificate.as_bytes(), "contains a certificate but no private key"),
        (&der, key.as_bytes(), "the file is DER, not PEM; `openssl x509 -inform DER"),
        (request.as_bytes(), key.as_bytes(), "a certificate request"),
        (b"", key.as_bytes(), "the file is empty"),
        (b"hello", key.as_bytes(), "no certificate in PEM form"),
        (
            certificate.as_bytes(),
            certificate.replace("CERTIFICATE", "PRIVATE KEY").into_bytes().leak(),
            "unsupported kind of key",
        ),
        (certificate.replace("MII", "!!!").into_bytes().leak(), key.as_bytes(), "the certificate is damaged"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_bytes(),
            key.as_bytes(),
            "damaged",
        ),
    ];
    for (certificate, key, word) in cases {
        let files =
            CertificateConfig { certificate: dir.path().join("case.pem"), key: dir.path().join("case.key") };
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        let mut config = config("http://127.0.0.1:1");
        config.listeners[0].tls = vec![files.into()];
        let faults = gateway::check(&config);
        assert_eq!(faults.len(), 1, "{word}: {faults:?}");
        let (key, what) = (faults[0].key.to_string(), &faults[0].what);
        assert!(what.contains(word) && what.contains("case."), "{word}: {what}");
        assert!(["listen[0].tls.certificate", "listen[0].tls.key"].contains(&key.as_str()), "{key}");
        // only certificates that can be loaded have dates
        assert_eq!(gateway::tls::faults(&config, new_year()), CertificateFaults::default());
    }
}

#[test]
fn b14_dates_order_and_names_are_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let make = |stem: &str, days| self_signed(dir.path(), stem, "a.test", days);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut unordered = make("unordered", -10..100);
    let chain =
        read(&unordered.certificate) + &read(&self_signed(dir.path(), "x", "other.test", -1..9).certificate);
    let path = dir.path().join("chain.pem");
    // both are self-signed with the same subject: only a different name shows the order
    let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
    let stranger = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    std::fs::write(&path, chain + &stranger).unwrap();
    unordered.certificate = path;
    let (refused, warned) =
        (|what| Some((true, "listen[0].tls.certificate", what)), |key, what| Some((false, key, what)));
    let file = "listen[0].tls.certificate";
    for (files, host, want) in [
        (make("good", -10..100), "a.test", None),
        (make("day15", -10..15), "a.test", None),
        (make("day13", -10..13), "a.test", warned(file, "expires on 2030-01-14 00:00 UTC, in 13 days")),
        (make("old", -10..-3), "a.test", refused("expired on 2029-12-29 00:00 UTC, 3 days ago")),
        (make("new", 2..100), "a.test", refused("valid only from 2030-01-03 00:00 UTC on")),
        (unordered, "a.test", warned(file, "certificate 3 does not vouch for certificate 2")),
        (make("name", -10..100), "b.test", warned("listen[0].tls", "no certificate covers `b.test` of site")),
        (make("wild", -10..100), "*.a.test", warned("listen[0].tls", "no certificate covers `*.a.test`")),
        (make("case", -10..100), "A.Test", None),
        (make("any", -10..100), "*", None),
    ] {
        let mut config = config("http://127.0.0.1:1");
        config.listeners[0].tls = vec![files.into()];
        config.sites[0].hosts = vec![host.to_owned()];
        let found = gateway::tls::faults(&config, new_year());
        match want {
            None => assert_eq!(found, CertificateFaults::default()),
            Some((is_refused, key, word)) => {
                let (faults, others) = match is_refused {
                    true => (found.refused, found.warnings),
                    false => (found.warnings, found.refused),
                };
                assert_eq!((faults.len(), others.len()), (1, 0), "{faults:?}");
                assert_eq!(faults[0].key.to_string(), key);
                assert!(faults[0].what.contains(word), "{word}: {}", faults[0].what);
            }
        }
        // none of these prevents the gate from serving
        assert_eq!(gateway::check(&config), []);
    }
}

#[test]
fn b14_https_upstreams_without_an_authority() {
    let dir = tempfile::tempdir().unwrap();
    let days = -20_000..20_000;
    let own = self_signed(dir.path(), "own", "127.0.0.1", days.clone());
    let other = self_signed(dir.path(), "other", "127.0.0.1", days.clone());
    let misnamed = self_signed(dir.path(), "misnamed", "elsewhere.test", days);
    let expired = self_signed(dir.path(), "expired", "127.0.0.1", -20_000..-10_000);
    let pin = |files: &CertificateConfig| {
        let sum = ring::digest::digest(&ring::digest::SHA256, &leaf(&files.certificate));
        let digits: String = sum.as_ref().iter().map(|byte| format!("{byte:02X}:")).collect();
        format!("sha256:{}", digits.trim_end_matches(':'))
    };
    let by_file = |files: &CertificateConfig| (Some(files.certificate.clone()), None);
    let by = |verify, pin| (None, Some(UpstreamTls { verify, pin }));
    for (files, (ca, tls), want) in [
        (&own, by_file(&own), Ok(())),
        (&own, by_file(&other), Err("")),
        (&own, (None, None), Err("set `upstream_ca` to the file of this certificate")),
        (&misnamed, by_file(&misnamed), Err("not valid for name")),
        (&expired, by_file(&expired), Err("expired")),
        (&own, by(None, Some(pin(&own))), Ok(())),
        (&misnamed, by(Some(true), Some(pin(&misnamed))), Ok(())),
        (&expired, by(None, Some(pin(&expired))), Ok(())),
        (&own, by(None, Some(pin(&other))), Err("differs from `pin`")),
        (&misnamed, by(Some(false), None), Ok(())),
    ] {
        let address = tls_upstream(files);
        for http2 in [UpstreamHttp2::Auto, UpstreamHttp2::Never] {
            let mut config = config(&format!("https://{address}"));
            (config.sites[0].upstream_ca, config.sites[0].upstream_tls) = (ca.clone(), tls.clone());
            config.sites[0].upstream_http2 = http2;
            let gate = Gate::start(&config);
            let status = gate.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status;
            match want {
                Ok(()) => assert_eq!(status, 200, "{files:?} {ca:?} {tls:?}"),
                Err(word) => {
                    let reason = gate.events(1)[0].summary.clone().unwrap();
                    assert!(status == 502 && reason.contains("tls handshake failed"), "{reason}");
                    assert!(reason.contains(word), "{word}: {reason}");
                }
            }
        }
    }
}
