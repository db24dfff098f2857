//! The settings on XML with entities, with and without the Core Rule Set, and as Apache loads them.

use std::path::Path;
use std::sync::Arc;

use testkit::apache::{self, Apache};
use waf::{Collections, Connection, Decision, RuleSet, Timestamp, Transaction};

use super::*;

fn rules(folder: &Path, extra: &[&str]) -> Arc<RuleSet> {
    let path = folder.join("engine.conf");
    std::fs::write(&path, ENGINE).unwrap();
    let files = [path.to_str().unwrap()].into_iter().chain(extra.iter().copied());
    let rules = crate::rules::load(&files.map(str::to_owned).collect::<Vec<_>>());
    let rules = rules.unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(crate::rules::warnings(&rules), []);
    Arc::new(rules)
}

/// Returns the ids of the matches on an XML body, the status, and the transaction.
fn judge(rules: &Arc<RuleSet>, body: &[u8]) -> (Vec<u64>, Option<u16>, Transaction) {
    let address = "192.0.2.1:1".parse().unwrap();
    let connection = Connection { client: address, server: address };
    let now = Timestamp::from_micros(1);
    let mut tx = Transaction::new(Arc::clone(rules), connection, now, "id", Arc::new(Collections::default()));
    tx.request_line(b"POST", b"/", b"HTTP/1.1");
    for (name, value) in [("Host", "www.example.org"), ("User-Agent", "Mozilla/5.0"), ("Accept", "*/*")] {
        tx.request_header(name.as_bytes(), value.as_bytes());
    }
    tx.request_header(b"Content-Type", b"application/xml");
    tx.request_header(b"Content-Length", body.len().to_string().as_bytes());
    let mut decision = tx.request_headers_done(now);
    if decision == Decision::Continue {
        let _progress = tx.request_body(body);
        decision = tx.request_body_done(now);
    }
    let status = match decision {
        Decision::Continue => None,
        Decision::Intervene(intervention) => Some(intervention.status),
    };
    let ids = tx.matches().iter().map(|found| found.rule.id).collect();
    (ids, status, tx)
}

const ATTACKS: [(&str, u64); 6] = [
    ("<!DOCTYPE a [<!ENTITY q SYSTEM \"file:///etc/passwd\">]><a>&q;</a>", 440_010),
    ("<!DOCTYPE a [<!ENTITY q PUBLIC \"x\" \"http://192.0.2.9/\">]><a/>", 440_010),
    ("<!DOCTYPE a [<!ENTITY % q SYSTEM \"http://192.0.2.9/x.dtd\">%q;]><a/>", 440_010),
    ("<!DOCTYPE a [<!ENTITY lol \"lol\"><!ENTITY m \"&lol;&lol;\">]><a>&m;</a>", 440_010),
    ("<!DOCTYPE a SYSTEM \"http://192.0.2.9/x.dtd\"><a>&q;</a>", 440_011),
    ("<!DOCTYPE a PUBLIC \"x\" \"file:///usr/share/x.dtd\"><a/>", 440_011),
];

const HARMLESS: [&str; 5] = [
    "<a>text</a>",
    "<!DOCTYPE a><a/>",
    "<!DOCTYPE a [<!ELEMENT a ANY><!ATTLIST a b CDATA 'x'>]><a/>",
    "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\"><svg/>",
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"><plist/>",
];

fn utf_16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
}

#[test]
fn a9_external_entities_are_denied_without_the_core_rule_set() {
    let folder = testkit::process::folder("monban-xxe-");
    let bare = rules(folder.path(), &[]);
    for (attack, id) in ATTACKS {
        for body in [attack.as_bytes().to_vec(), utf_16(attack)] {
            let (ids, status, _) = judge(&bare, &body);
            assert_eq!((ids.as_slice(), status), (&[id, 440_012][..], Some(403)), "{attack}");
        }
    }
    for body in HARMLESS {
        let (ids, status, _) = judge(&bare, body.as_bytes());
        assert_eq!((ids, status), (vec![], None), "{body}");
    }
}

#[test]
fn a9_external_entities_score_in_the_core_rule_set() {
    let folder = testkit::process::folder("monban-xxe-");
    let installed = rules(folder.path(), &CRS);
    for (attack, id) in ATTACKS {
        let (ids, status, tx) = judge(&installed, attack.as_bytes());
        assert!(ids.contains(&id) && ids.contains(&949_110) && !ids.contains(&440_012), "{attack}: {ids:?}");
        assert_eq!((status, tx.tx_number("anomaly_score") >= 5), (Some(403), true), "{attack}");
    }
    for body in HARMLESS {
        let (ids, ..) = judge(&installed, body.as_bytes());
        assert!(!ids.iter().any(|id| (440_010..=440_012).contains(id)), "{body}: {ids:?}");
    }
    // as version 4 configures and adds the score
    let four = folder.path().join("four.conf");
    let text = "SecAction \"id:901100,phase:1,pass,nolog,setvar:tx.critical_anomaly_score=5,setvar:tx.inbound_anomaly_score_pl1=0\"\n";
    std::fs::write(&four, text).unwrap();
    let four = rules(folder.path(), &[four.to_str().unwrap()]);
    let (_, status, tx) = judge(&four, ATTACKS[0].0.as_bytes());
    assert_eq!((status, tx.tx_number("inbound_anomaly_score_pl1")), (None, 5));
}

#[test]
fn a9_modsecurity_loads_the_settings() {
    let folder = testkit::process::folder("monban-xxe-");
    let path = folder.path().join("engine.conf");
    std::fs::write(&path, ENGINE).unwrap();
    let apache = Apache::start(&apache::Config { rules: Some(path), ..apache::Config::with_page("hello") });
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(testkit::client::exchange(apache.address(), request).unwrap().status, 200);
}
