//! Versions and curves of TLS, redirects to https, Strict-Transport-Security.

use std::net::SocketAddr;
use std::time::Duration;

use gateway::config::{Curve, GatewayConfig, Https, ListenerConfig, TlsVersion};

use crate::managed::s_client;
use crate::support::{Client, Gate, Upstream, config, ok};
use crate::tls::Authority;

#[test]
fn versions_and_curves_are_those_of_the_listener() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.listeners[0].tls = vec![authority.issue("a", &["a.test"]).into()];
    let handshake = |gate: &Gate, arguments: &[&str]| s_client(gate.address, arguments);
    // what openssl prints after a handshake and after an alert
    let (done, version, failed) = ("New, TLSv1.", "alert protocol version", "alert handshake failure");
    let gate = Gate::start(&config);
    for (arguments, word) in [
        (&["-tls1_3"][..], done),
        (&["-tls1_2"], done),
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], failed),
        (&["-curves", "X25519"], "Server Temp Key: X25519"),
        (&["-curves", "P-256"], "Server Temp Key: ECDH, prime256v1"),
        (&["-curves", "P-384"], "Server Temp Key: ECDH, secp384r1"),
        (&["-curves", "P-521"], failed),
    ] {
        let said = handshake(&gate, arguments);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    config.listeners[0].tls_min = TlsVersion::Tls13;
    config.listeners[0].tls_curves = Some(vec![Curve::P384, Curve::P256]);
    gate.reload(&config).unwrap();
    for (arguments, word) in [
        (&["-tls1_3"][..], done),
        (&["-tls1_2"], version),
        (&["-curves", "X25519"], failed),
        // a second ClientHello with a group that the gate accepts
        (&["-curves", "X25519:P-256"], "Server Temp Key: ECDH, prime256v1"),
        (&["-curves", "P-384"], "Server Temp Key: ECDH, secp384r1"),
    ] {
        let said = handshake(&gate, arguments);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

#[test]
fn keys_without_effect_are_faults() {
    let faults = |config: &GatewayConfig| -> Vec<String> {
        gateway::check(config).iter().map(|fault| format!("{}: {}", fault.key, fault.what)).collect()
    };
    let mut config = config("http://127.0.0.1:1");
    config.listeners[0].tls_min = TlsVersion::Tls13;
    config.listeners[0].tls_curves = Some(Vec::new());
    config.sites[0].https = Some(Https::Redirect);
    config.sites[0].hsts = Some(Duration::from_secs(1));
    let found = faults(&config);
    let want = [
        "listen[0].tls_min: `tls_min` has no effect without `tls`",
        "listen[0].tls_curves: `tls_curves` has no effect without `tls`",
        "listen[0].tls_curves: no curve is left",
        "site[0].https: `https` needs a [[listen]] section with `tls`",
        "site[0].hsts: `hsts` needs a [[listen]] section with `tls`",
    ];
    assert_eq!(found.len(), want.len(), "{found:?}");
    assert!(found.iter().zip(want).all(|(found, want)| found.starts_with(want)), "{found:?}");
    config.listeners = vec![ListenerConfig::plain("127.0.0.1:1".parse().unwrap())];
    config.trusted_proxies = vec!["192.0.2.1/32".parse().unwrap()];
    assert_eq!(faults(&config), [""; 0]);
}

/// Returns the addresses of the plain listener and of the TLS listener.
fn addresses(gate: &Gate) -> (SocketAddr, SocketAddr) {
    let all = gate.runtime.block_on(gate.gateway.addresses());
    let at = |ip: &str| *all.iter().find(|address| address.ip().to_string() == ip).unwrap();
    (at("127.0.0.1"), at("127.0.0.2"))
}

#[test]
fn plain_requests_are_redirected_and_only_https_has_hsts() {
    let authority = Authority::new();
    let upstream = Upstream::start(|seen| {
        let path = seen.head.split(' ').nth(1).unwrap();
        let field = "Strict-Transport-Security: max-age=1\r\n";
        let response = String::from_utf8(ok(path)).unwrap();
        let response = response.replacen("\r\n", &format!("\r\n{field}"), 1);
        crate::support::Answer::Bytes(response.into_bytes())
    });
    let mut config = config(&upstream.url());
    // redirects contain the configured port
    let free = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let mut tls = ListenerConfig::plain(free);
    tls.tls = vec![authority.issue("a", &["a.test"]).into()];
    config.listeners.push(tls);
    config.sites[0].hosts = vec!["a.test".to_owned()];
    config.sites[0].https = Some(Https::Redirect);
    config.sites[0].hsts = Some(Duration::from_secs(180 * 86_400));
    let rules =
        "SecRuleEngine On\nSecRule ARGS \"@contains attack\" \"id:1,phase:1,deny,status:403,msg:'attack'\"";
    let gate = Gate::with_rules(&config, crate::rules::rules(rules));
    let (plain, secure) = addresses(&gate);
    let ask = |request: &str| {
        let mut client = Client::connect(plain);
        client.send(request);
        let response =
            if request.starts_with("HEAD") { client.response_to_head() } else { client.response() };
        assert_eq!(response.header("strict-transport-security"), None, "{request}");
        response
    };
    for (line, host, status, location) in [
        ("GET /a%2Fb?q=%zz<x HTTP/1.1", "a.test", 301, "https://a.test/a%2Fb?q=%zz<x"),
        ("HEAD / HTTP/1.1", "a.test", 301, "https://a.test/"),
        ("POST /form HTTP/1.1\r\nContent-Length: 2", "a.test", 308, "https://a.test/form"),
        ("GET http://a.test/x HTTP/1.1", "a.test", 301, "https://a.test/x"),
    ] {
        let request = format!("{line}\r\nHost: {host}\r\n\r\n{}", if status == 308 { "ab" } else { "" });
        let response = ask(&request);
        assert_eq!((response.status, response.header("location")), (status, Some(location)), "{line}");
        assert_eq!(response.header("cache-control"), Some("max-age=3600"));
        assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")));
    }
    // a client that names the port connects without forwarding
    let response = ask(&format!("GET / HTTP/1.1\r\nHost: a.test:{}\r\n\r\n", plain.port()));
    assert_eq!(response.header("location"), Some(&format!("https://a.test:{}/", secure.port())[..]));
    // rules see the head of a plain request
    assert_eq!(ask("GET /?x=attack HTTP/1.1\r\nHost: a.test\r\n\r\n").status, 403);
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n").status, 404);
    assert_eq!(upstream.seen_now().len(), 0);
    // another program may answer challenges over http
    let token = "/.well-known/acme-challenge/x";
    let response = ask(&format!("GET {token} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_eq!((response.status, response.text()), (200, token));

    for (path, status) in [("/", "HTTP/1.1 200 "), ("/?x=attack", "HTTP/1.1 403 ")] {
        let mut stream = authority.connect(secure, "a.test").unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        assert!(text.starts_with(status), "{text}");
        let fields: Vec<&str> =
            text.lines().filter(|line| line.to_ascii_lowercase().starts_with("strict-")).collect();
        assert_eq!(fields, ["Strict-Transport-Security: max-age=15552000"], "{text}");
    }
}

#[test]
fn a_trusted_proxy_reports_https() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
    config.sites[0].https = Some(Https::Redirect);
    config.sites[0].hsts = Some(Duration::from_secs(60));
    let gate = Gate::start(&config);
    for (source, field, status) in [
        ("127.0.0.2", "X-Forwarded-Proto: https", 200),
        ("127.0.0.2", "Forwarded: for=192.0.2.1;proto=https", 200),
        ("127.0.0.2", "X-Forwarded-Proto: http", 301),
        ("127.0.0.2", "X-Other: x", 301),
        // only a trusted one
        ("127.0.0.3", "X-Forwarded-Proto: https", 301),
    ] {
        let mut client = Client::from(source, gate.address);
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{field}\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, status, "{source} {field}");
        let hsts = response.header("strict-transport-security");
        assert_eq!(hsts, (status == 200).then_some("max-age=60"), "{source} {field}");
    }
}
