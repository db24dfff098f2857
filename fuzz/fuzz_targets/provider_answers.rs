//! Answers of DNS providers' APIs: reading never panics, zones and records have usable identifiers, and values keep their meaning
//! in every form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provider::conoha::Generation;
use provider::{RecordType, Stored, Zone, value};
use provider::{cloudflare, conoha, digitalocean, gandi, hetzner, route53};

const KINDS: [RecordType; 7] = [
    RecordType::A,
    RecordType::Aaaa,
    RecordType::Cname,
    RecordType::Mx,
    RecordType::Txt,
    RecordType::Caa,
    RecordType::Tlsa,
];

fuzz_target!(|data: &[u8]| {
    let zone = Zone { id: "1".into(), name: "example.org".into() };
    for generation in [Generation::V2, Generation::V3] {
        let _ = conoha::parse_token(generation, data);
    }
    let zones = [
        conoha::parse_zones(data).map(|page| page.items),
        cloudflare::parse_zones(data).map(|page| page.items),
        route53::parse_zones(data).map(|page| page.zones),
    ];
    for zone in zones.into_iter().flatten().flatten() {
        assert!(!zone.id.is_empty() && !zone.id.contains(['/', '?', '#', ' ']), "{zone:?}");
    }
    let records = [
        conoha::parse_records(&zone, data).map(|page| page.items),
        cloudflare::parse_records(&zone, data).map(|page| page.items),
        digitalocean::parse_records(&zone, data).map(|page| page.items),
    ];
    for Stored { id, .. } in records.into_iter().flatten().flatten() {
        assert!(id.is_some_and(|id| !id.is_empty() && !id.contains(['/', '?', '#', ' '])));
    }
    for stored in conoha::security_groups::parse_rules(data).into_iter().flatten() {
        assert_eq!(stored.rule.remote, stored.rule.remote.trunc());
    }
    let _ = conoha::security_groups::parse_groups(data);
    let _ = digitalocean::parse_zones(data);
    let _ = gandi::parse_zones(data);
    let _ = gandi::parse_set(data);
    let _ = hetzner::parse_zones(data);
    let _ = hetzner::parse_set(data);
    let _ = hetzner::parse_action(data);
    let _ = route53::parse_zone(data);
    let _ = route53::parse_set(data, "a.example.org", RecordType::Txt);
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(value::unquoted(&value::quoted(text)), text);
    for kind in KINDS {
        // a value that fits its type keeps its meaning in the form of a zone file
        if value::check(kind, text).is_ok() {
            assert!(value::same(kind, text, &value::presentation(kind, text)), "{kind} {text:?}");
            let short = value::canonical(kind, text);
            assert!(kind == RecordType::Txt || value::check(kind, &short).is_ok(), "{kind} {short:?}");
        }
    }
});
