//! Certificates that another part of the program keeps, and its challenges.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gateway::Services;
use gateway::config::{GatewayConfig, ListenerConfig, TlsSource};
use gateway::tls::Managed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::support::{Gate, Upstream, config, wait_for};
use crate::tls::Authority;

/// Returns a configuration with a TLS listener that serves managed certificates.
fn managed_config(upstream: &Upstream) -> GatewayConfig {
    let mut config = config(&upstream.url());
    config.listeners[0].tls = vec![TlsSource::Auto];
    config
}

fn start(config: &GatewayConfig, rules: Option<Arc<waf::RuleSet>>) -> (Gate, Arc<Managed>) {
    let managed = Arc::new(Managed::default());
    let shared = Arc::clone(&managed);
    let gate = Gate::with_services(config, rules, |services| Services { managed: shared, ..services });
    (gate, managed)
}

/// Issues a certificate, keeps it under a name, and returns its leaf.
fn put(managed: &Managed, authority: &Authority, name: &str, hosts: &[&str]) -> CertificateDer<'static> {
    let files = authority.issue(name, hosts);
    let read = |path| std::fs::read(path).unwrap();
    managed.put(name, &read(&files.certificate), &read(&files.key)).unwrap();
    CertificateDer::from_pem_file(&files.certificate).unwrap()
}

/// Runs `openssl s_client` to the end of its connection, and returns its output.
pub fn s_client(address: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string()]).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether the output of `s_client` has this certificate as the server's.
fn presents(said: &str, certificate: &CertificateDer<'_>) -> bool {
    CertificateDer::from_pem_slice(said.as_bytes()).is_ok_and(|presented| presented == *certificate)
}

const NO_NAME: &str = "unrecognized name";

#[test]
fn http_01_is_answered_before_rules_and_sites() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let mut config = managed_config(&upstream);
    config.listeners.push(ListenerConfig::plain("127.0.0.2:0".parse().unwrap()));
    config.sites[0].hosts = vec!["a.test".to_owned()];
    let rules = "SecRuleEngine On\nSecAction \"id:1,phase:1,deny,status:403\"";
    let (gate, managed) = start(&config, crate::rules::rules(rules));
    put(&managed, &authority, "a", &["a.test"]);
    managed.answer_http("tok-en_1", "tok-en_1.thumb").unwrap();
    let addresses = gate.runtime.block_on(gate.gateway.addresses());
    let plain = *addresses.iter().find(|address| address.ip().to_string() == "127.0.0.2").unwrap();
    let tls = *addresses.iter().find(|address| address.ip().to_string() == "127.0.0.1").unwrap();
    let ask = |line: &str, host: &str| {
        let mut client = crate::support::Client::connect(plain);
        client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        if line.starts_with("HEAD") { client.response_to_head() } else { client.response() }
    };
    let path = "/.well-known/acme-challenge";
    for host in ["a.test", "unknown.test", "192.0.2.1"] {
        let response = ask(&format!("GET {path}/tok-en_1"), host);
        assert_eq!((response.status, response.text()), (200, "tok-en_1.thumb"), "{host}");
        assert_eq!(response.header("content-type"), Some("application/octet-stream"));
        assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")));
    }
    for line in [
        format!("GET {path}/other"),
        format!("GET {path}/tok-en_1/"),
        format!("GET {path}/tok-en_1?x"),
        format!("HEAD {path}/tok-en_1"),
        format!("GET /x/..{path}/tok-en_1"),
    ] {
        assert_eq!(ask(&line, "a.test").status, 403, "{line}");
    }
    let mut stream = authority.connect(tls, "a.test").unwrap();
    std::io::Write::write_all(
        &mut stream,
        format!("GET {path}/tok-en_1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").as_bytes(),
    )
    .unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("tok-en_1.thumb"), "{text}");
    managed.withdraw_http("tok-en_1");
    assert_eq!(ask(&format!("GET {path}/tok-en_1"), "a.test").status, 403);
    assert_eq!(upstream.seen_now().len(), 0);
}

#[test]
fn unknown_tokens_reach_the_upstream() {
    let upstream = Upstream::echo();
    let (gate, managed) = start(&config(&upstream.url()), None);
    managed.answer_http("known", "known.thumb").unwrap();
    let path = "/.well-known/acme-challenge/other";
    let response = gate.ask(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_eq!((response.status, response.text()), (200, path));
}

/// Returns a certificate of a TLS-ALPN-01 challenge (RFC 8737 §3).
fn challenge(identifier: &str) -> (Arc<CertifiedKey>, CertificateDer<'static>) {
    let mut params = rcgen::CertificateParams::new(vec![identifier.to_owned()]).unwrap();
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&[7; 32])];
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&pair).unwrap().der().clone();
    let key = PrivateKeyDer::from_pem_slice(pair.serialize_pem().as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    (Arc::new(CertifiedKey::new(vec![certificate.clone()], key)), certificate)
}

#[test]
fn tls_alpn_01_is_answered_to_its_protocol_alone() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let files = authority.issue("file", &["a.test"]);
    let file = CertificateDer::from_pem_file(&files.certificate).unwrap();
    config.listeners[0].tls = vec![files.into()];
    let (gate, managed) = start(&config, None);
    let ask = |name: &str, alpn: &str| s_client(gate.address, &["-servername", name, "-alpn", alpn]);
    let said = ask("a.test", "acme-tls/1");
    assert!(said.contains("no application protocol"), "{said}");

    let (key, certificate) = challenge("a.test");
    managed.answer_alpn("A.test", key).unwrap();
    let (key, of_address) = challenge("192.0.2.10");
    managed.answer_alpn("192.0.2.10", key).unwrap();
    for (name, expected) in
        [("a.test", &certificate), ("A.TEST", &certificate), ("10.2.0.192.in-addr.arpa", &of_address)]
    {
        for version in ["-tls1_2", "-tls1_3"] {
            let said = s_client(gate.address, &["-servername", name, "-alpn", "acme-tls/1", version]);
            assert!(presents(&said, expected) && said.contains("ALPN protocol: acme-tls/1"), "{said}");
            assert!(!said.contains("Post-Handshake New Session Ticket"), "{said}");
        }
    }
    for (name, alpn) in [("a.test", "http/1.1"), ("a.test", "acme-tls/1,http/1.1"), ("b.test", "h2")] {
        let said = ask(name, alpn);
        assert!(presents(&said, &file) && !said.contains("ALPN protocol: acme-tls/1"), "{alpn}: {said}");
    }
    assert!(presents(&s_client(gate.address, &["-noservername"]), &file));
    let said = ask("b.test", "acme-tls/1");
    assert!(said.contains(NO_NAME), "{said}");
    managed.withdraw_alpn("192.0.2.10");
    managed.withdraw_alpn("a.test");
    let said = ask("a.test", "acme-tls/1");
    assert!(said.contains("no application protocol"), "{said}");
    assert_eq!(upstream.seen_now().len(), 0);
}

#[test]
fn a_new_certificate_serves_the_next_handshake() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let (gate, managed) = start(&managed_config(&upstream), None);
    let refused = "monban_connections_refused_total{reason=\"unrecognized-name\"}";
    let ask = |name: &str| s_client(gate.address, &["-servername", name]);
    let said = ask("a.test");
    assert!(said.contains(NO_NAME), "{said}");
    wait_for(|| gate.metric(refused) == Some(1.0), "the count");

    let first = put(&managed, &authority, "a", &["a.test", "*.a.test"]);
    for name in ["a.test", "www.a.test"] {
        assert!(presents(&ask(name), &first), "{name}");
    }
    let exact = put(&managed, &authority, "www", &["www.a.test"]);
    assert!(presents(&ask("www.a.test"), &exact));
    let second = put(&managed, &authority, "a", &["a.test", "*.a.test"]);
    assert!(first != second && presents(&ask("a.test"), &second));
    // never the certificate of another name
    for arguments in [&["-servername", "b.test"][..], &["-noservername"]] {
        let said = s_client(gate.address, arguments);
        assert!(said.contains(NO_NAME), "{arguments:?}: {said}");
    }
    // clients by address send no name
    let address = put(&managed, &authority, "address", &["127.0.0.1"]);
    assert!(presents(&s_client(gate.address, &["-noservername"]), &address));
    managed.remove("a");
    assert!(ask("a.test").contains(NO_NAME));
    assert!(presents(&ask("www.a.test"), &exact));
    wait_for(|| gate.metric(refused) == Some(4.0), "the count");
}

#[test]
fn certificates_are_replaced_under_load_without_a_failed_connection() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let (gate, managed) = start(&managed_config(&upstream), None);
    put(&managed, &authority, "a", &["a.test"]);
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let mut stream = authority.connect(gate.address, "a.test").unwrap();
                    let text = crate::tls::get(&mut stream);
                    assert!(text.ends_with("/tls"), "{text}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..20 {
            let leaf = put(&managed, &authority, "a", &["a.test"]);
            let stream = authority.connect(gate.address, "a.test").unwrap();
            assert_eq!(stream.conn.peer_certificates().unwrap()[0], leaf, "{round}");
            let before = served.load(Ordering::Relaxed);
            wait_for(|| served.load(Ordering::Relaxed) > before + 8, "connections");
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(gate.metric("monban_connections_refused_total{reason=\"tls\"}").unwrap_or_default(), 0.0);
}

#[test]
fn a_client_that_leaves_within_the_handshake_is_counted() {
    let upstream = Upstream::echo();
    let (gate, _managed) = start(&managed_config(&upstream), None);
    drop(TcpStream::connect(gate.address).unwrap());
    wait_for(|| gate.metric("monban_connections_refused_total{reason=\"tls\"}") == Some(1.0), "the count");
}
