//! Faults of a configuration: all at once, each with its key.

use gateway::config::{
    AccessLogConfig, AccessLogFormat, CertificateConfig, GatewayConfig, ListenerConfig, SiteConfig, SiteTls,
    TlsSource, UpstreamTls,
};

fn faults(config: &GatewayConfig) -> Vec<(String, String)> {
    gateway::check(config).into_iter().map(|fault| (fault.key.to_string(), fault.what)).collect()
}

#[test]
fn a_check_returns_every_fault_with_its_key() {
    let missing = |name: &str| CertificateConfig {
        certificate: format!("/nonexistent/{name}.pem").into(),
        key: format!("/nonexistent/{name}.key").into(),
    };
    let https = "https://127.0.0.1:1";
    let mut config = GatewayConfig {
        listeners: vec![ListenerConfig::plain("127.0.0.1:1".parse().unwrap()); 3],
        sites: vec![SiteConfig::to("ftp://127.0.0.1:1"); 6],
        block_page: Some("/nonexistent/page.html".into()),
        access_log: Some(AccessLogConfig {
            path: "/nonexistent/access.log".into(),
            format: AccessLogFormat::Json,
        }),
        ..GatewayConfig::default()
    };
    config.limits.held_bytes = 0;
    config.limits.requests = 0;
    config.listeners[0].tls = vec![missing("one").into()];
    config.listeners[1].tls = vec![missing("two").into(), missing("three").into()];
    config.listeners[1].address = "127.0.0.1:2".parse().unwrap();
    config.sites[0].hosts = vec!["a.test".into()];
    config.sites[1].hosts = vec!["b.test".into(), "a b".into(), "a.test".into()];
    config.sites[1].upstream = vec!["http://127.0.0.1:1".into(), "127.0.0.1".into()];
    config.sites[1].upgrades = Some(vec!["h2c".into()]);
    config.sites[2].upstream.clear();
    config.sites[2].name = "a\"b".into();
    config.sites[2].path = "app".into();
    config.sites[2].hosts = vec!["c.test".into(), "d.test".into()];
    config.sites[3].hosts = vec!["e.test".into()];
    config.sites[3].upstream = vec![https.into(), "https://127.0.0.1:2".into()];
    config.sites[3].upstream_ca = Some("/nonexistent/ca.pem".into());
    config.sites[4].hosts = vec!["f.test".into()];
    config.sites[4].upstream = vec![https.into()];
    config.sites[4].upstream_tls = Some(UpstreamTls { verify: None, pin: Some("sha256:12".into()) });
    config.sites[5].hosts = vec!["g.test".into()];
    config.sites[5].upstream = vec!["https://a b".into()];
    let found = faults(&config);
    let want = [
        ("listen[0].tls.certificate", "one.pem: No such file"),
        ("listen[1].tls[0].certificate", "two.pem: No such file"),
        ("listen[1].tls[1].certificate", "three.pem: No such file"),
        ("listen[2].address", "two [[listen]] sections have the address 127.0.0.1:1"),
        ("limits.requests", "`requests` is zero"),
        ("limits.held_bytes", "`held_bytes` is zero"),
        ("site[0].upstream", "unknown scheme"),
        ("site[1].upgrades", "cannot contain `h2c`"),
        ("site[1].upstream[1]", "unknown scheme"),
        ("site[1].hosts[1]", "`a b` is not a host name"),
        ("site[1].hosts[2]", "another site"),
        ("site[2].name", "contains a quote"),
        ("site[2].upstream", "no upstream"),
        ("site[2].path", "`app` is not a path"),
        ("site[3].upstream_ca", "ca.pem: No such file"),
        ("site[4].upstream_tls.pin", "64 hexadecimal"),
        ("site[5].upstream", "it contains a space"),
        ("block_page", "page.html: No such file"),
        ("access_log.path", "access.log: No such file"),
    ];
    for (at, (key, what)) in want.iter().enumerate() {
        assert!(found[at].0 == *key && found[at].1.contains(what), "{key} {what}: {:?}", found[at]);
    }
    assert_eq!(found.len(), want.len(), "{found:?}");
}

#[test]
fn a_section_without_a_fault_has_none() {
    let config = GatewayConfig {
        listeners: vec![ListenerConfig::plain("127.0.0.1:0".parse().unwrap())],
        sites: vec![SiteConfig::to("http://127.0.0.1:1")],
        ..GatewayConfig::default()
    };
    assert_eq!(faults(&config), []);
}

#[test]
fn managed_certificates_need_names_and_a_listener() {
    let site = |hosts: &[&str]| SiteConfig {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        tls: Some(SiteTls::Auto),
        ..SiteConfig::to("http://127.0.0.1:1")
    };
    let listener = |port: u16, tls: Vec<TlsSource>| ListenerConfig {
        tls,
        ..ListenerConfig::plain(([127, 0, 0, 1], port).into())
    };
    let dir = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["b.test".to_owned()]).unwrap();
    let files = CertificateConfig { certificate: dir.path().join("c"), key: dir.path().join("k") };
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    let (auto, files) = (listener(1, vec![TlsSource::Auto]), TlsSource::from(files));
    for (hosts, listeners, word) in [
        (&["a.test", "*.a.test", "[::1]"][..], vec![auto.clone()], None),
        (&[], vec![auto.clone()], Some("has no host name")),
        (&["a.test", "*"], vec![auto.clone()], Some("has no host name")),
        (
            &["a.test"],
            vec![listener(1, vec![])],
            Some("add a section [[listen]] with `address = \"[::]:443\"`"),
        ),
        (
            &["a.test"],
            vec![listener(1, vec![]), listener(2, vec![files.clone()])],
            Some("of 127.0.0.1:2, with its"),
        ),
        (&["a.test"], vec![listener(2, vec![files.clone(), TlsSource::Auto])], None),
    ] {
        let config = GatewayConfig { listeners, sites: vec![site(hosts)], ..GatewayConfig::default() };
        let found = faults(&config);
        match word {
            None => assert_eq!(found, [], "{hosts:?}"),
            Some(word) => {
                assert_eq!((found.len(), &found[0].0[..]), (1, "site[0].tls"), "{found:?}");
                assert!(found[0].1.contains(word), "{word}: {found:?}");
            }
        }
    }
    // sites with managed certificates cover their names for other sites, on managed listeners
    let mut config = GatewayConfig {
        listeners: vec![auto, listener(2, vec![files])],
        sites: vec![site(&["a.test", "*.c.test"]), SiteConfig::to("http://127.0.0.1:2")],
        ..GatewayConfig::default()
    };
    config.sites[1].path = "/x".to_owned();
    config.sites[1].hosts = ["a.test", "b.test", "www.C.test", "d.www.c.test"].map(str::to_owned).to_vec();
    let warnings = gateway::tls::faults(&config, event::Timestamp::from_micros(0)).warnings;
    let told: Vec<(String, bool, &str)> = warnings
        .iter()
        .map(|fault| {
            let host = fault.what.split('`').nth(1).unwrap();
            (fault.key.to_string(), fault.what.contains("write `tls = \"auto\"` in the site"), host)
        })
        .filter(|(_, _, host)| *host != "*.c.test")
        .collect();
    let of = |listener: &str, cure, host| (format!("listen[{listener}].tls"), cure, host);
    assert_eq!(
        told,
        [
            of("0", true, "b.test"),
            of("0", true, "d.www.c.test"),
            of("1", false, "a.test"),
            of("1", false, "a.test"),
            of("1", false, "www.C.test"),
            of("1", false, "d.www.c.test"),
        ]
    );
}
