use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use spine::http::Resolve;
use spine::resolver::{DnsError, RecordType, Resolver, ResolverConfig, Security, texts};
use testkit::bind::{Named, Role, sign};
use testkit::net::free_port;

fn zone(name: &str, records: &str) -> String {
    format!(
        "$TTL 60\n$ORIGIN {name}\n@ IN SOA ns1.plain.test. host.plain.test. 1 3600 600 86400 60\n@ IN NS ns1.plain.test.\n{records}\n"
    )
}

/// A named server with the zones of a small internet, a resolver that queries it, and a second server of plain.test.
struct Rig {
    zones: Named,
    recursive: Named,
    second: Option<Named>,
    anchor: tempfile::NamedTempFile,
}

const PLAIN: &str = "@ IN NS ns2.plain.test.\nns1 IN A 127.0.0.1\nns2 IN AAAA ::1\nwww IN A 192.0.2.1\nwww IN AAAA 2001:db8::1\n\
     alias IN CNAME www\n_acme-challenge IN TXT \"one\" \"-two\"\n_acme-challenge.alias IN CNAME elsewhere.signed.test.\n\
     child IN NS ns1";

impl Rig {
    fn start() -> Self {
        let port = free_port();
        let signed =
            sign("signed.test.", &zone("signed.test.", "www IN A 192.0.2.2\n_25._tcp IN TLSA 3 1 1 00"));
        let broken = sign("broken.test.", &zone("broken.test.", "www IN A 192.0.2.3"));
        let forged = broken.text.replace("192.0.2.3", "6.6.6.6");
        assert_ne!(forged, broken.text);
        let mut plain = zone("plain.test.", PLAIN);
        // more than the 1,232 bytes of an answer over UDP
        for number in 0..60 {
            plain += &format!("long IN TXT \"{number:02} {}\"\n", "x".repeat(60));
        }
        let root = sign(
            ".",
            &zone(
                ".",
                &format!(
                    "plain.test. IN NS ns1.plain.test.\nfail.test. IN NS ns1.plain.test.\n\
                     signed.test. IN NS ns1.plain.test.\n{}\nbroken.test. IN NS ns1.plain.test.\n{}\n",
                    signed.ds, broken.ds
                ),
            ),
        );
        let zones = Named::start(
            (Ipv4Addr::LOCALHOST, port).into(),
            Role::Authoritative(&[
                (".", Some(&root.text)),
                ("plain.test", Some(&plain)),
                ("child.plain.test", Some(&zone("child.plain.test.", "www IN A 192.0.2.4"))),
                ("signed.test", Some(&signed.text)),
                ("broken.test", Some(&forged)),
                ("fail.test", None),
            ]),
        );
        let recursive =
            Named::start((Ipv4Addr::LOCALHOST, free_port()).into(), Role::Forwarding(zones.address()));
        let anchor = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(anchor.path(), root.key + "\n").unwrap();
        Self { zones, recursive, second: None, anchor }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(ResolverConfig {
            servers: vec![self.recursive.address()],
            trust_anchor: Some(self.anchor.path().to_owned()),
            timeout: Duration::from_secs(20),
            authoritative_port: self.zones.address().port(),
        })
        .unwrap()
    }

    /// Starts the second server of plain.test, with its own records.
    fn second(&mut self, records: &str) {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, self.zones.address().port()));
        let text = zone("plain.test.", records);
        self.second = Some(Named::start(address, Role::Authoritative(&[("plain.test", Some(&text))])));
    }
}

#[tokio::test]
async fn recursive_answers_and_their_errors() {
    let rig = Rig::start();
    let resolver = rig.resolver();
    let data = |records: Vec<spine::resolver::Record>| -> Vec<String> {
        records.iter().map(|record| record.data.to_string()).collect()
    };
    for (name, kind, expected) in [
        ("www.plain.test", RecordType::A, "192.0.2.1"),
        ("WWW.plain.test.", RecordType::AAAA, "2001:db8::1"),
        ("alias.plain.test", RecordType::A, "192.0.2.1"),
        ("www.child.plain.test", RecordType::A, "192.0.2.4"),
        ("www.signed.test", RecordType::A, "192.0.2.2"),
        // not validated here
        ("www.broken.test", RecordType::A, "6.6.6.6"),
    ] {
        assert_eq!(data(resolver.lookup(name, kind).await.unwrap()), [expected], "{name}");
    }
    // the answer over UDP is truncated
    let long = texts(&resolver.lookup("long.plain.test", RecordType::TXT).await.unwrap());
    assert_eq!(long.len(), 60);
    assert!(matches!(resolver.lookup("no.plain.test", RecordType::A).await, Err(DnsError::NoName(_))));
    assert!(matches!(resolver.lookup("www.plain.test", RecordType::MX).await, Err(DnsError::NoRecords(..))));
    let failed = resolver.lookup("www.fail.test", RecordType::A).await.unwrap_err();
    assert_eq!(failed.to_string(), "the server answered Server Failure for www.fail.test.");
    for name in ["a..b", &"x".repeat(64), &"x.".repeat(200)] {
        assert!(matches!(resolver.lookup(name, RecordType::A).await, Err(DnsError::Name(_))), "{name}");
    }
    let mut addresses = resolver.addresses("www.plain.test").await.unwrap();
    addresses.sort();
    assert_eq!(
        addresses,
        ["192.0.2.1", "2001:db8::1"].map(|address| address.parse::<std::net::IpAddr>().unwrap())
    );
}

#[tokio::test]
async fn signed_zones_validate_and_a_broken_signature_is_refused() {
    let rig = Rig::start();
    let resolver = rig.resolver();
    for (name, kind, security) in [
        ("www.signed.test", RecordType::A, Security::Secure),
        ("_25._tcp.signed.test", RecordType::TLSA, Security::Secure),
        ("www.plain.test", RecordType::A, Security::Insecure),
    ] {
        let found = resolver.validated(name, kind).await.unwrap();
        assert_eq!((found.records.len(), found.security), (1, security), "{name}");
    }
    let forged = resolver.validated("www.broken.test", RecordType::A).await.unwrap_err();
    assert!(matches!(forged, DnsError::Bogus(_)), "{forged}");
    let absent = resolver.validated("no.signed.test", RecordType::A).await.unwrap_err();
    assert!(matches!(absent, DnsError::NoName(_)), "{absent}");
    let absent = resolver.validated("www.signed.test", RecordType::TLSA).await.unwrap_err();
    assert!(matches!(absent, DnsError::NoRecords(..)), "{absent}");
}

#[tokio::test]
async fn each_authoritative_server_is_asked() {
    let mut rig = Rig::start();
    rig.second(
        "@ IN NS ns2.plain.test.\nns1 IN A 127.0.0.1\nns2 IN AAAA ::1\n_acme-challenge IN TXT \"old\"\n",
    );
    let resolver = rig.resolver();
    let said = async |name: &str| -> Vec<(String, Result<Vec<String>, String>)> {
        let answers = resolver.authoritative(name, RecordType::TXT).await.unwrap();
        answers
            .into_iter()
            .map(|answer| {
                let result = answer.result.map_err(|error| error.to_string());
                let result =
                    result.map(|records| records.iter().map(|record| record.data.to_string()).collect());
                (answer.name.to_string(), result)
            })
            .collect()
    };
    let answers = resolver.authoritative("_acme-challenge.plain.test", RecordType::TXT).await.unwrap();
    let values: Vec<_> = answers.iter().map(|answer| texts(answer.result.as_ref().unwrap())).collect();
    assert_eq!(values, [[b"one-two".to_vec()], [b"old".to_vec()]]);
    // the child zone has its own server; absence is no error
    assert_eq!(said("_acme-challenge.child.plain.test").await, [("ns1.plain.test.".to_owned(), Ok(vec![]))]);
    // a CNAME is returned, not followed
    let alias = said("_acme-challenge.alias.plain.test").await;
    assert_eq!(alias[0], ("ns1.plain.test.".to_owned(), Ok(vec!["elsewhere.signed.test.".to_owned()])));
    assert_eq!(alias[1], ("ns2.plain.test.".to_owned(), Ok(vec![])));
    let long = resolver.authoritative("long.plain.test", RecordType::TXT).await.unwrap();
    let counts: Vec<_> = long.iter().map(|answer| answer.result.as_ref().unwrap().len()).collect();
    assert_eq!(counts, [60, 0]);
    let failing = resolver.authoritative("www.fail.test", RecordType::A).await.unwrap_err();
    assert!(matches!(failing, DnsError::Refused(..)), "{failing}");
}

#[tokio::test]
async fn a_silent_or_missing_server_is_named() {
    let rig = Rig::start();
    let silent = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, rig.zones.address().port())).unwrap();
    let resolver = rig.resolver();
    let config = ResolverConfig {
        servers: vec![rig.recursive.address()],
        timeout: Duration::from_secs(2),
        authoritative_port: rig.zones.address().port(),
        ..ResolverConfig::default()
    };
    let answers =
        Resolver::new(config).unwrap().authoritative("www.plain.test", RecordType::A).await.unwrap();
    assert!(answers[0].result.is_ok());
    assert!(matches!(answers[1].result, Err(DnsError::Timeout(_))), "{answers:?}");
    assert_eq!(answers[1].address.map(|address| address.ip()), Some(Ipv6Addr::LOCALHOST.into()));
    drop(silent);
    let config = ResolverConfig {
        servers: vec![std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()],
        timeout: Duration::from_millis(50),
        ..ResolverConfig::default()
    };
    let error = Resolver::new(config).unwrap().lookup("www.plain.test", RecordType::A).await.unwrap_err();
    assert!(matches!(error, DnsError::Timeout(_) | DnsError::Failed(..)), "{error}");
    drop(resolver);
}
