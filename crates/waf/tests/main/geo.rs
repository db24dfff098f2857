//! `@geoLookup`, GEO and `SecGeoLookupDB`.

use std::sync::Arc;

use waf::operators::DataFiles;
use waf::{CompileError, CompileWarning, RuleSet, Timestamp};

use crate::engine::transaction;

// A file of testkit, whose whole build would take long.
#[expect(clippy::expect_used, reason = "a test's own database is well-formed")]
#[allow(dead_code, reason = "tests of other crates write more kinds of values")]
#[path = "../../../testkit/src/mmdb.rs"]
mod mmdb;

use mmdb::Value;

/// The files `geo.mmdb`, `flat.mmdb`, `empty`, `damaged.mmdb` and `GeoIP.dat`.
struct Files;

impl DataFiles for Files {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        assert_eq!(from, "case.conf");
        let names = |name: &str| ("names", Value::Map(vec![("en", name.into())]));
        let map = Value::Map;
        let city = map(vec![
            ("city", map(vec![names("Tokyo")])),
            ("continent", map(vec![("code", "AS".into()), names("Asia")])),
            ("country", map(vec![("iso_code", "JP".into()), names("Japan")])),
            (
                "location",
                map(vec![
                    ("latitude", Value::Double(35.685)),
                    ("longitude", Value::Double(139.7514)),
                    ("metro_code", Value::Short(501)),
                ]),
            ),
            ("postal", map(vec![("code", "102-0082".into())])),
            ("subdivisions", Value::List(vec![map(vec![("iso_code", "13".into())])])),
        ]);
        let whole = mmdb::database(&[
            ("192.0.2.0/24", city),
            ("198.51.100.0/25", mmdb::country("DE")),
            ("203.0.113.0/24", map(vec![("continent", map(vec![]))])),
            ("2001:db8::/32", mmdb::country("SE")),
        ]);
        match name {
            "geo.mmdb" => Ok(whole),
            "flat.mmdb" => Ok(mmdb::database(&[
                ("192.0.2.0/24", map(vec![("country", "fr".into())])),
                ("198.51.100.0/24", map(vec![("country_code", "GB".into())])),
            ])),
            "damaged.mmdb" => Ok([b"\xab\xcd\xefMaxMind.com".to_vec(), vec![0xff; 40]].concat()),
            "empty" | "GeoIP.dat" => Ok(Vec::new()),
            other => Err(format!("{other}: not found")),
        }
    }
}

fn load(rules: &str) -> Result<RuleSet, Vec<CompileError>> {
    let document = seclang::load::parse_str("case.conf", rules).unwrap_or_else(|e| panic!("{e:?}"));
    RuleSet::compile(&document, &Files)
}

/// Returns the message and detail of each match for a request with this address in a header.
fn matches(rules: &str, address: &str) -> (Vec<(String, String)>, usize) {
    let rules = load(&format!("SecRuleEngine On\n{rules}")).unwrap_or_else(|e| panic!("{e:?}"));
    let mut tx = transaction(&Arc::new(rules), &Arc::default(), 1);
    tx.request_line(b"GET", b"/", b"HTTP/1.1");
    tx.request_header(b"X-Address", address.as_bytes());
    tx.request_headers_done(Timestamp::from_micros(1));
    let found = tx.matches().iter();
    let found = found.map(|found| (found.rule.message.to_string(), found.rule.detail.to_string())).collect();
    (found, tx.faults().len())
}

const LOOKUP: &str =
    "SecRule REQUEST_HEADERS:X-Address \"@geoLookup\" \"id:1,phase:1,pass,log,msg:'found'\"\n";

#[test]
fn a5_geo_lookup_fills_geo() {
    let all = "COUNTRY_CODE COUNTRY_CODE3 COUNTRY_NAME COUNTRY_CONTINENT REGION CITY POSTAL_CODE LATITUDE LONGITUDE DMA_CODE";
    let macros: Vec<String> = all.split(' ').map(|key| format!("%{{geo.{}}}", key.to_lowercase())).collect();
    let text = macros.join("|");
    let rules =
        format!("SecGeoLookupDB geo.mmdb\n{LOOKUP}SecAction \"id:2,phase:1,pass,log,msg:'{text}'\"\n");
    for (address, expected) in [
        ("192.0.2.7", Some("JP|JPN|Japan|AS|13|Tokyo|102-0082|35.685|139.7514|501")),
        ("::ffff:192.0.2.7", Some("JP|JPN|Japan|AS|13|Tokyo|102-0082|35.685|139.7514|501")),
        (" 198.51.100.127 ", Some("DE|DEU||||||||")),
        ("2001:db8::1", Some("SE|SWE||||||||")),
        ("198.51.100.128", None),
        ("203.0.113.1", None),
        ("2001:db9::1", None),
        ("www.example.org", None),
        ("", None),
        ("192.0.2.7, 192.0.2.8", None),
    ] {
        let (found, errors) = matches(&rules, address);
        let messages: Vec<&str> = found.iter().map(|(message, _)| message.as_str()).collect();
        match expected {
            Some(place) => {
                // A macro of a value that the database does not have stays as written.
                let place = place.split('|').zip(&macros);
                let place: Vec<&str> =
                    place.map(|(value, name)| if value.is_empty() { name } else { value }).collect();
                assert_eq!(messages[0], "found", "{address}");
                let shown = messages[1].replace("%{geo.", "%{GEO.");
                assert!(
                    shown.eq_ignore_ascii_case(&place.join("|")) || messages[1] == expected.unwrap(),
                    "{shown}"
                );
                assert_eq!(
                    found[0].1,
                    format!("Geo lookup for \"{}\" succeeded at REQUEST_HEADERS:X-Address.", address)
                );
            }
            None => assert_eq!(messages.len(), 1, "{address}: {messages:?}"),
        }
        assert_eq!(errors, 0, "{address}");
    }
    let flat = |address| matches(&rules.replace("geo.mmdb", "flat.mmdb"), address).0[1].0.clone();
    assert!(flat("192.0.2.1").starts_with("FR|FRA|") && flat("198.51.100.1").starts_with("GB|GBR|"));
}

#[test]
fn a5_country_rules_as_the_core_rule_set_has_them() {
    let rules = |countries: &str| {
        format!(
            "SecGeoLookupDB geo.mmdb\nSecAction \"id:3,phase:1,pass,nolog,setvar:'tx.high_risk_country_codes={countries}'\"\n\
             SecRule TX:HIGH_RISK_COUNTRY_CODES \"!@rx ^$\" \"id:910100,phase:1,pass,log,msg:'risky',logdata:'%{{MATCHED_VAR}}',chain\"\n\
             SecRule REQUEST_HEADERS:X-Address \"@geoLookup\" \"chain\"\n\
             SecRule GEO:COUNTRY_CODE \"@within %{{tx.high_risk_country_codes}}\" \"t:none\"\n\
             SecRule &GEO \"@gt 0\" \"id:4,phase:1,pass,log,msg:'known'\"\n\
             SecRule GEO \"@streq Tokyo\" \"id:5,phase:1,pass,log,msg:'city'\"\n\
             SecRule REQUEST_HEADERS:X-Address \"!@geoLookup\" \"id:6,phase:1,pass,log,msg:'unknown'\"\n"
        )
    };
    let messages = |countries: &str, address: &str| {
        let (found, errors) = matches(&rules(countries), address);
        assert_eq!(errors, 0);
        found.into_iter().map(|(message, _)| message).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(messages("CN JP", "192.0.2.1"), "risky known city");
    assert_eq!(messages("CN RU", "192.0.2.1"), "known city");
    assert_eq!(messages("CN JP", "198.51.100.1"), "known");
    assert_eq!(messages("CN JP", "10.0.0.1"), "unknown");
    assert_eq!(messages("", "192.0.2.1"), "", "without countries nothing is looked up");
}

#[test]
fn a5_a_wrong_database_is_an_error_with_its_place() {
    for (name, expected) in [
        ("missing.mmdb", "missing.mmdb: not found"),
        ("empty", "the file is not a MaxMind database; name a country or city database"),
        ("GeoIP.dat", "legacy GeoIP databases (.dat) are not supported"),
        ("damaged.mmdb", "damaged database"),
    ] {
        let errors = load(&format!("\nSecGeoLookupDB {name}\n{LOOKUP}")).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 2), "{errors:?}");
        assert!(
            errors[0].message.starts_with("SecGeoLookupDB: ") && errors[0].message.contains(expected),
            "{errors:?}"
        );
    }
    // The last directive wins.
    assert!(load("SecGeoLookupDB missing.mmdb\nSecGeoLookupDB geo.mmdb\n").is_ok());
}

#[test]
fn a5_a_lookup_without_a_database_is_told() {
    let warnings = |rules: &str| {
        let rules = load(rules).unwrap();
        rules.warnings().iter().map(CompileWarning::to_string).collect::<Vec<_>>()
    };
    let told = warnings(LOOKUP);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("case.conf:1: @geoLookup finds nothing without a database; "), "{told:?}");
    assert!(warnings(&format!("SecGeoLookupDB geo.mmdb\n{LOOKUP}")).is_empty());
    let guarded = LOOKUP
        .replace("REQUEST_HEADERS:X-Address", "ARGS")
        .replace("\"@geoLookup\" \"", "\"@rx .\" \"chain,")
        + "SecRule REMOTE_ADDR \"@geoLookup\" \"t:none\"\n";
    assert!(warnings(&guarded).is_empty(), "it asks only behind a condition");
    let (found, errors) = matches(LOOKUP, "192.0.2.1");
    assert!(found.is_empty());
    assert_eq!(errors, 1, "the request tells of it");
}

#[test]
fn a5_databases_cut_anywhere_do_no_harm() {
    let whole = Files.read("geo.mmdb", "case.conf").unwrap();
    for length in 0..whole.len() {
        if let Ok(database) = waf::operators::GeoDatabase::new("x.mmdb", whole[..length].to_vec()) {
            drop(database);
        }
        let mut damaged = whole.clone();
        damaged[length] ^= 0xff;
        if let Ok(database) = waf::operators::GeoDatabase::new("x.mmdb", damaged) {
            let _known = database.place(b"192.0.2.1");
        }
    }
}
